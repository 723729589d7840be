/* quorate config: what every service of this node would run with. Services read
 * their own configuration; this asks their programs, so nothing is parsed twice. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/account.h"
#include "common/daemon/capability.h"
#include "services/ctl/capture.h"
#include "services/ctl/config_check.h"
#include "services/ctl/config_reference.h"
#include "services/ctl/json.h"
#include "services/ctl/node.h"
#include "services/ctl/secret_group.h"

#define NO_CONFIG "/dev/null" /* reads as an empty file */

/* A service's values as it prints them, read three times: with everything, with
 * files alone, and with defaults alone, which tells where a value comes from. */
struct values {
        struct capture all, files, defaults;
};

static void values_done(struct values *v) {
        capture_done(&v->all);
        capture_done(&v->files);
        capture_done(&v->defaults);
}

static int ask_service(const char *binary, const char *config, bool clean, struct capture *ret) {
        const char *argv[] = { binary, "--check-config", "--config", config, NULL };

        return capture_run(argv, clean, ret);
}

static int read_values(const char *binary, const char *config, struct values *v) {
        int r = ask_service(binary, config, false, &v->all);

        if (r == 0)
                r = ask_service(binary, config, true, &v->files);
        if (r == 0)
                r = ask_service(binary, NO_CONFIG, true, &v->defaults);
        return r;
}

/* Whether the output has this line below this section. */
static bool has_line(const struct capture *c, struct bytes section, struct bytes line) {
        struct bytes text = buffer_bytes(&c->out), at, in = BYTES_NONE;

        while (capture_line(&text, &at)) {
                if (at.len > 0 && at.data[0] == '[')
                        in = at;
                else if (bytes_equal(at, line) && bytes_equal(in, section))
                        return true;
        }
        return false;
}

static bool is_secret(struct bytes key) {
        static const char *const words[] = { "secret", "token", "password" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (memmem(key.data, key.len, words[i], strlen(words[i])))
                        return true;
        return false;
}

static void show_value(const struct command_context *ctx, const char *service, struct bytes section,
                       struct bytes line, const char *source) {
        const uint8_t *equals = memchr(line.data, '=', line.len);
        size_t n = equals && equals > line.data ? (size_t) (equals - line.data) - 1 : line.len;
        struct bytes key = BYTES(line.data, n);
        struct bytes value = equals && line.len > n + 3 ? BYTES(line.data + n + 3, line.len - n - 3)
                                                        : BYTES_NONE;
        char key_text[128], value_text[1024], section_text[64];
        bool first = true;

        if (is_secret(key) && value.len > 0)
                value = BYTES_LIT("(not shown)");
        text_escape(key, key_text, sizeof(key_text));
        text_escape(value, value_text, sizeof(value_text));
        if (!ctx->common.json) {
                printf("%-24s = %-24s # %s\n", key_text, value_text, source);
                return;
        }
        text_escape(BYTES(section.data + 1, section.len - 2), section_text, sizeof(section_text));
        fputc('{', stdout);
        json_member_string(stdout, "service", service, &first);
        json_member_string(stdout, "section", section_text, &first);
        json_member_string(stdout, "key", key_text, &first);
        json_member_string(stdout, "value", value_text, &first);
        json_member_string(stdout, "source", source, &first);
        fputs("}\n", stdout);
}

static void show_values(const struct command_context *ctx, const char *service,
                        const struct values *v) {
        struct bytes text = buffer_bytes(&v->all.out), line, section = BYTES_LIT("[]");

        if (!ctx->common.json)
                printf("# quorate-%s\n", service);
        while (capture_line(&text, &line)) {
                if (line.len > 1 && line.data[0] == '[') {
                        section = line;
                        if (!ctx->common.json)
                                printf("%.*s\n", (int) line.len, (const char *) line.data);
                } else if (memchr(line.data ? line.data : (const uint8_t *) "", '=', line.len)) {
                        const char *source = has_line(&v->defaults, section, line) ? "default"
                                             : has_line(&v->files, section, line)  ? "file"
                                                                                   : "environment";
                        show_value(ctx, service, section, line, source);
                }
        }
        if (!ctx->common.json)
                fputc('\n', stdout);
}

/* What several services refuse alike is said once: `said` has the last complaint, behind the name
 * of who made it. */
static bool is_news(const struct values *v, char said[512], char why[512]) {
        const char *what;

        (void) capture_complaint(&v->all, why);
        what = strstr(why, ": ");
        what = what ? what : why;
        if (strcmp(what, said) == 0)
                return false;
        (void) strcpy(said, what);
        return true;
}

static int complain_once(const struct command_context *ctx, const struct values *v,
                         char said[512]) {
        char why[512];

        return is_news(v, said, why) ? complain(ctx, EXIT_USAGE, "%s", why) : EXIT_USAGE;
}

/* Of what is valid: something that could not be looked at. */
static void warn_once(const struct values *v, char said[512]) {
        char why[512];

        if (v->all.err.len > 0 && is_news(v, said, why))
                (void) fprintf(stderr, "quorate: %s\n", why);
}

/* One service. Returns the exit code. */
static int visit(const struct command_context *ctx, const struct node *node, const char *service,
                 bool show, char said[512]) {
        struct values v = {};
        char binary[PATH_MAX];
        int code = EXIT_OK;

        if (!node_binary(service, binary))
                return EXIT_OK; /* not a part of this installation */
        if (read_values(binary, node->config, &v))
                code = complain(ctx, EXIT_OTHER, "%s: cannot be started", binary);
        else if (v.all.status)
                code = complain_once(ctx, &v, said);
        else if (!show)
                warn_once(&v, said);
        if (show && v.all.out.len > 0)
                show_values(ctx, service, &v);
        values_done(&v);
        return code;
}

/* Who runs a node as root gives each service a uid, and systemd's units have one of theirs. */
static int check_secret(const struct command_context *ctx, const struct node *node) {
        char binary[PATH_MAX], error[256];
        gid_t group;

        if (!account_is_granted() || !node_binary("transport", binary) ||
            secret_group_of(binary, node->config, &group, error) == SECRET_GROUP_OK)
                return EXIT_OK;
        return complain(ctx, EXIT_USAGE, "%s", error);
}

int config_check(const char *config, char why[512]) {
        for (const char *const *s = capability_services; *s; s++) {
                CLEANUP(capture_donep) struct capture c = {};
                char binary[PATH_MAX];

                if (!node_binary(*s, binary) || ask_service(binary, config, false, &c) ||
                    c.status == 0)
                        continue;
                (void) capture_complaint(&c, why);
                return CONFIG_CHECK_E_INVALID;
        }
        return CONFIG_CHECK_OK;
}

static int run(const struct command_context *ctx) {
        const char *verb = ctx->operands.n_items > 0 ? ctx->operands.items[0] : "";
        bool show = ctx->operands.n_items == 1 && strcmp(verb, "show") == 0;
        bool check = ctx->operands.n_items == 1 && strcmp(verb, "check") == 0;
        struct node node;
        int code = EXIT_OK;
        char why[256], said[512] = "";

        if (strcmp(verb, "reference") == 0 && ctx->operands.n_items <= 2)
                return config_reference(ctx,
                                        ctx->operands.n_items == 2 ? ctx->operands.items[1] : NULL);
        if (!show && !check)
                return complain(ctx, EXIT_USAGE, "config: say show, check, or reference [SERVICE]");
        if (node_find_running(&ctx->common, &node))
                return complain(ctx, EXIT_USAGE, "no configuration directory; give --config PATH");
        if (!ctx->common.config && node_count_below(node.state) > 0)
                return complain(ctx, EXIT_USAGE,
                                "%s holds a grid of %zu nodes, each with its quorate.conf; give "
                                "--state %s/node-1",
                                node.state, node_count_below(node.state), node.state);
        if (!ctx->common.config && node_is_grid(node.runtime, why))
                return complain(ctx, EXIT_USAGE, "%s", why);
        if (access(node.config, F_OK) < 0) {
                if (ctx->common.config)
                        return complain(ctx, EXIT_USAGE,
                                        "--config %s: %s; give a file or folder that is there",
                                        node.config, strerror(errno));
                (void) strcpy(node.config, NO_CONFIG);
        }
        if (show && !ctx->common.json)
                printf("# %s\n\n", strcmp(node.config, NO_CONFIG) == 0
                                           ? "no configuration file: defaults and environment"
                                           : node.config);
        for (const char *const *s = capability_services; *s; s++) {
                int c = visit(ctx, &node, *s, show, said);

                code = code ? code : c;
        }
        if (check && code == EXIT_OK)
                code = check_secret(ctx, &node);
        if (check && code == EXIT_OK && !ctx->common.json)
                printf("%s: valid for every service\n",
                       strcmp(node.config, NO_CONFIG) == 0 ? "no file: defaults" : node.config);
        else if (check && code == EXIT_OK)
                puts("{\"ok\":true}");
        return code;
}

const struct command command_config = {
        .name = "config",
        .usage = "config show | check | reference [SERVICE]",
        .summary = "Show every setting with where it comes from, check the files,\n"
                   "or list what every key means and may be",
        .example = "quorate config check --config /etc/quorate",
        .run = run,
};
