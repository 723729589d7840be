#include "services/ctl/config_reference.h"

#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/similar.h"
#include "common/daemon/capability.h"
#include "services/ctl/capture.h"
#include "services/ctl/json.h"
#include "services/ctl/node.h"

/* "[section]", then for each key "# what it is", "# what it may be", "key = default". */
struct reading {
        const char *service;
        struct bytes section, notes[2];
        size_t n_notes;
};

static void json_bytes(const char *name, struct bytes v, bool *first) {
        json_key(stdout, name, first);
        json_text(stdout, v);
}

static void show_key(const struct reading *r, struct bytes line) {
        const uint8_t *equals = memchr(line.data, '=', line.len);
        size_t n = equals ? (size_t) (equals - line.data) : line.len;
        struct bytes value =
                n + 2 < line.len ? BYTES(line.data + n + 2, line.len - n - 2) : BYTES_NONE;
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "service", r->service, &first);
        json_bytes("section", r->section, &first);
        json_bytes("key", BYTES(line.data, n > 0 ? n - 1 : 0), &first);
        json_bytes("default", value, &first);
        json_bytes("meaning", r->n_notes > 0 ? r->notes[0] : BYTES_NONE, &first);
        json_bytes("allowed", r->n_notes > 1 ? r->notes[1] : BYTES_NONE, &first);
        fputs("}\n", stdout);
}

static void show_json(const char *service, struct bytes text) {
        struct reading r = { .service = service };
        struct bytes line;

        while (capture_line(&text, &line)) {
                if (line.len > 1 && line.data[0] == '[') {
                        r.section = BYTES(line.data + 1, line.len - 2);
                } else if (line.len > 1 && line.data[0] == '#') {
                        if (r.n_notes < 2)
                                r.notes[r.n_notes++] = BYTES(line.data + 2, line.len - 2);
                } else if (line.len > 0) {
                        show_key(&r, line);
                        r.n_notes = 0;
                }
        }
}

static int refer_to(const struct command_context *ctx, const char *service, const char *binary) {
        const char *argv[] = { binary, "--help-config", NULL };
        CLEANUP(capture_donep) struct capture c = {};
        char why[512];

        if (capture_run(argv, true, &c))
                return complain(ctx, EXIT_OTHER, "%s: cannot be started; look at `quorate doctor`",
                                binary);
        if (c.status)
                return complain(ctx, EXIT_OTHER, "%s", capture_complaint(&c, why));
        if (ctx->common.json)
                show_json(service, buffer_bytes(&c.out));
        else
                printf("# quorate-%s\n%.*s\n", service, (int) c.out.len, (const char *) c.out.data);
        return EXIT_OK;
}

static int refuse(const struct command_context *ctx, const char *service) {
        struct similar s = similar_to(service);
        char names[160] = "", meant[64], binary[PATH_MAX];

        for (const char *const *name = capability_services; *name; name++) {
                size_t n = strlen(names);

                if (!node_binary(*name, binary))
                        continue; /* not a part of this installation */
                similar_try(&s, *name);
                (void) snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", *name);
        }
        return complain(ctx, EXIT_USAGE, "config reference: no service '%s' here%s; give one of %s",
                        service, similar_text(&s, meant),
                        *names ? names : "those you install first");
}

int config_reference(const struct command_context *ctx, const char *service) {
        bool is_any = false;
        int code = EXIT_OK;

        for (const char *const *name = capability_services; *name && code == EXIT_OK; name++) {
                char binary[PATH_MAX];

                if ((service && strcmp(service, *name) != 0) || !node_binary(*name, binary))
                        continue;
                code = refer_to(ctx, *name, binary);
                is_any = true;
        }
        return is_any ? code : refuse(ctx, service ? service : "");
}
