/* quorate key: the node's identity. The seed is keyring's alone: `new` runs its
 * program, `show` asks it for the public part. */

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/wire/peerid.h"
#include "proto/keyring.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/capture.h"
#include "services/ctl/json.h"
#include "services/ctl/key.h"
#include "services/ctl/node.h"

static const struct option options[] = {
        { OPTION_STRING, 0, "passphrase-file", offsetof(struct key_options, passphrase), "FILE",
          "seal the seed with the one in FILE", "new, rotate" },
        { OPTION_U64, 0, "difficulty", offsetof(struct key_options, difficulty), "BITS",
          "proof of work [16]; private: 0", "new, rotate" },
        { OPTION_FLAG, 0, "libp2p", offsetof(struct key_options, libp2p), NULL,
          "a private key for a foreign libp2p peer", "new" },
        { OPTION_FLAG, 0, "yes", offsetof(struct key_options, yes), NULL,
          "do it; there is no way back", "revoke" },
        {},
};
static const struct key_options defaults = { .difficulty = KEY_DIFFICULTY };

/* "peer X\nwork N\nfile F\n" of quorate-keyring --new. */
static void show_new(const struct command_context *ctx, const struct capture *c) {
        char peer[NODE_PEER_SIZE] = "", file[PATH_MAX] = "", text[2048] = "";
        unsigned work = 0;

        memcpy(text, c->out.data, c->out.len < sizeof(text) ? c->out.len : sizeof(text) - 1);
        char revocation[PATH_MAX] = "";
        int n = sscanf(text, "peer %63s\nwork %u\nfile %511[^\n]\nrevocation %511[^\n]", peer,
                       &work, file, revocation);

        if (!ctx->common.json || n < 3) {
                fwrite(c->out.data, 1, c->out.len, stdout);
                if (n == 4)
                        puts("put the revocation away, off this machine: whoever has it ends this "
                             "key with `quorate key revoke FILE`, also when the seed is lost or "
                             "stolen");
                return;
        }
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "peer", peer, &first);
        json_member_u64(stdout, "work", work, &first);
        json_member_string(stdout, "file", file, &first);
        if (n == 4)
                json_member_string(stdout, "revocation", revocation, &first);
        fputs("}\n", stdout);
}

/* Without FILE: where the keyring of this node looks, of the one that runs on these sockets if
 * one does. */
int key_seed_path(const struct command_context *ctx, char ret[KEY_PATH_SIZE]) {
        struct node node;

        if (ctx->operands.n_items == 2) {
                snprintf(ret, KEY_PATH_SIZE, "%s", ctx->operands.items[1]);
                return EXIT_OK;
        }
        if (node_find_running(&ctx->common, &node))
                return complain(ctx, EXIT_USAGE, "key: no state directory; give FILE");
        snprintf(ret, KEY_PATH_SIZE, "%s/keyring/seed", node.state);
        return EXIT_OK;
}

static int make_folder(const struct command_context *ctx, const char *path) {
        CLEANUP(freep) char *folder = xstrdup(path);
        char *slash = strrchr(folder, '/');

        if (ctx->operands.n_items == 2 || !slash)
                return EXIT_OK; /* a FILE is where its owner wants it */
        *slash = 0;
        if (node_mkdir(folder))
                return complain(ctx, EXIT_OTHER, "%s: cannot be made; give FILE or --state DIR",
                                folder);
        return EXIT_OK;
}

static int key_new(const struct command_context *ctx) {
        const struct key_options *o = ctx->options;
        CLEANUP(capture_donep) struct capture c = {};
        char path[KEY_PATH_SIZE], binary[PATH_MAX], bits[24], why[512];
        const char *argv[9] = { binary, "--new", path, "--difficulty", bits };
        size_t n = 5;
        int code = key_seed_path(ctx, path);

        if (code == EXIT_OK)
                code = make_folder(ctx, path);
        if (code)
                return code;
        if (!node_binary("keyring", binary))
                return complain(ctx, EXIT_OTHER,
                                "quorate-keyring was not found; install it or set QUORATE_LIBEXEC");
        snprintf(bits, sizeof(bits), "%lu", (unsigned long) o->difficulty);
        if (o->passphrase) {
                argv[n++] = "--passphrase-file";
                argv[n++] = o->passphrase;
        }
        if (o->libp2p)
                argv[n++] = "--libp2p";
        if (capture_run(argv, false, &c))
                return complain(ctx, EXIT_OTHER, "%s: cannot be started", binary);
        if (c.status)
                return complain(ctx, c.status == 64 ? EXIT_USAGE : EXIT_OTHER, "%s",
                                capture_complaint(&c, why));
        show_new(ctx, &c);
        return EXIT_OK;
}

static int key_show(const struct command_context *ctx) {
        static const struct call_target target = { "keyring/admin", &keyring__admin__descriptor,
                                                   0 };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        const Keyring__IdentityReply *m;
        char text[PEER_ID_TEXT_SIZE] = "?";
        struct peer_id id;
        bool first = true;
        int code = ctl_call(ctx, &target, "PublicKey", &empty, &u);

        if (code)
                return code;
        m = u.message;
        if (peer_id_parse(BYTES(m->peer.data, m->peer.len), &id))
                (void) peer_id_text(&id, text);
        if (ctx->common.json) {
                fputc('{', stdout);
                json_member_string(stdout, "peer", text, &first);
                json_key(stdout, "public_key", &first);
                json_hex(stdout, m->public_key.data, m->public_key.len);
                json_key(stdout, "x25519", &first);
                json_hex(stdout, m->x25519.data, m->x25519.len);
                json_member_u64(stdout, "work", m->work, &first);
                fputs("}\n", stdout);
                return EXIT_OK;
        }
        printf("peer        %s\npublic key  ", text);
        for (size_t i = 0; i < m->public_key.len; i++)
                printf("%02x", m->public_key.data[i]);
        fputs("\nx25519      ", stdout);
        for (size_t i = 0; i < m->x25519.len; i++)
                printf("%02x", m->x25519.data[i]);
        printf("\nwork        %u bits\n", m->work);
        return EXIT_OK;
}

static int run(const struct command_context *ctx) {
        static const struct {
                const char *name;
                size_t operands_max;
                int (*run)(const struct command_context *ctx);
        } verbs[] = {
                { "new", 2, key_new },
                { "show", 1, key_show },
                { "rotate", 2, key_rotate },
                { "revoke", 2, key_revoke },
        };
        const struct operands *a = &ctx->operands;

        for (size_t i = 0; i < ELEMENTSOF(verbs) && a->n_items > 0; i++)
                if (strcmp(a->items[0], verbs[i].name) == 0 && a->n_items <= verbs[i].operands_max)
                        return verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE,
                        "key: say new [FILE], show, rotate [SEED] or revoke [FILE]");
}

const struct command command_key = {
        .name = "key",
        .usage = "key new [FILE] | show | rotate [SEED] | revoke [FILE]",
        .summary = "Make a node's key, show this node's, put another in its place, or end it",
        .example = "quorate key new --difficulty 0 node.seed",
        .options = options,
        .options_size = sizeof(struct key_options),
        .defaults = &defaults,
        .run = run,
};
