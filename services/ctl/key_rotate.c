/* quorate key rotate: another key takes the place of this node's. Each step leaves a state from
 * which the node starts, with the old key or the new one, and from which this command goes on:
 *
 *   SEED.next          the new seed, whole (made under another name)
 *   rotation-OLD       the statement, signed by both keys
 *   (published)        dht keeps it from now on, over restarts
 *   SEED-OLD           a second name of the old seed
 *   SEED               is the new one: rename(2), the only step that changes who starts
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/keychange.h"
#include "proto/keyring.pb-c.h"
#include "services/ctl/capture.h"
#include "services/ctl/discovery.h"
#include "services/ctl/durable.h"
#include "services/ctl/input_file.h"
#include "services/ctl/json.h"
#include "services/ctl/key.h"
#include "services/ctl/node.h"
#include "services/ctl/own_key.h"
#include "services/ctl/people.h"

#define SEALED_MARK "quorate seed 1\ns" /* services/keyring/seedfile.h */
#define GO_ON       "nothing has changed; run `quorate key rotate` again when that is mended"

static const struct call_target admin = { .capability = "keyring/admin",
                                          .service = &keyring__admin__descriptor };

struct rotation {
        const struct command_context *ctx;
        const struct key_options *options;
        char binary[PATH_MAX], seed[KEY_PATH_SIZE], folder[KEY_PATH_SIZE];
        char *next, *statement, *kept; /* paths, owned */
        struct peer_id old, new;
        char old_text[PEER_ID_TEXT_SIZE], new_text[PEER_ID_TEXT_SIZE];
        uint32_t old_work, stored;
        struct capture_as owner; /* of the seed: under root each service is another */
        char passphrase[PATH_MAX];
        struct buffer value;
};

static void rotation_donep(struct rotation *t) {
        free(t->next);
        free(t->statement);
        free(t->kept);
        buffer_done(&t->value);
}

static int failed(const struct rotation *t, const char *path, int r) {
        return complain(t->ctx, EXIT_OTHER, "key rotate: %s: %s; " GO_ON, path, strerror(-r));
}

/* ---- the keyring program: nobody else opens a seed ---- */

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static int run_keyring(const struct rotation *t, const char *const *arguments,
                       struct capture *ret) {
        const char *argv[16] = { t->binary };
        char why[512];
        size_t n = 1;

        for (; *arguments; arguments++)
                argv[n++] = *arguments;
        if (t->options->passphrase) {
                argv[n++] = "--passphrase-file";
                argv[n++] = t->passphrase;
        }
        if (capture_run_as(argv, &t->owner, ret))
                return complain(t->ctx, EXIT_OTHER, "%s: cannot be started", t->binary);
        if (ret->status)
                return complain(t->ctx, EXIT_OTHER, "key rotate: %s; " GO_ON,
                                capture_complaint(ret, why));
        return EXIT_OK;
}

/* What --succeed prints; without `old` whose seed it is, and no signature. */
struct signer {
        struct peer_id peer;
        struct sign_public key;
        struct signature signature;
};

static bool read_signer(const struct capture *c, bool has_signature, struct signer *ret) {
        char text[512] = "", peer[64] = "", key[65] = "", signature[129] = "";

        memcpy(text, c->out.data, c->out.len < sizeof(text) ? c->out.len : sizeof(text) - 1);
        if (sscanf(text, "peer %63s\nkey %64s\nsignature %128s", peer, key, signature) !=
            2 + has_signature)
                return false;
        return peer_id_from_text(BYTES_STR(peer), &ret->peer) &&
               hex_decode(key, ret->key.bytes, sizeof(ret->key.bytes)) &&
               (!has_signature || hex_decode(signature, ret->signature.bytes, SIGNATURE_SIZE));
}

static int ask_seed(const struct rotation *t, const char *path, const char *at,
                    struct signer *ret) {
        const char *arguments[] = { "--succeed", base_name(path), at ? "--old" : NULL,
                                    t->old_text, "--at",          at,
                                    NULL };
        CLEANUP(capture_donep) struct capture c = {};
        int code = run_keyring(t, arguments, &c);

        if (code == EXIT_OK && !read_signer(&c, at != NULL, ret))
                code = complain(t->ctx, EXIT_OTHER, "%s: said what it should not; " GO_ON,
                                t->binary);
        return code;
}

/* ---- before anything is changed ---- */

static int ask_running(struct rotation *t) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Types__Empty empty = TYPES__EMPTY__INIT;
        const Keyring__IdentityReply *m;
        int code = ctl_call(t->ctx, &admin, "PublicKey", &empty, &u);

        if (code)
                return code;
        m = u.message;
        if (!peer_id_parse(people_bytes(m->peer), &t->old))
                return complain(t->ctx, EXIT_OTHER, "keyring named no peer id; see its log");
        (void) peer_id_text(&t->old, t->old_text);
        t->old_work = m->work;
        return EXIT_OK;
}

static bool is_sealed(const char *path) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char head[sizeof(SEALED_MARK) - 1];

        return fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t) sizeof(head) &&
               memcmp(head, SEALED_MARK, sizeof(head)) == 0;
}

static void name_paths(struct rotation *t) {
        const char *slash = strrchr(t->seed, '/');
        int n = slash ? (int) (slash - t->seed) + 1 : 0;

        (void) snprintf(t->folder, sizeof(t->folder), "%.*s", n, t->seed);
        t->next = xasprintf("%s.next", t->seed);
        t->statement = xasprintf("%srotation-%s", t->folder, t->old_text);
        t->kept = xasprintf("%s-%s", t->seed, t->old_text);
}

/* The keyring program works in the seed's folder, as its owner. */
static int find_owner(struct rotation *t) {
        struct stat st;

        if (stat(t->seed, &st) < 0)
                return complain(t->ctx, EXIT_USAGE, "key rotate: %s: %s; give the seed's file",
                                t->seed, strerror(errno));
        t->owner = (struct capture_as){ st.st_uid, st.st_gid, *t->folder ? t->folder : "." };
        if (t->options->passphrase && !realpath(t->options->passphrase, t->passphrase))
                return complain(t->ctx, EXIT_USAGE,
                                "key rotate: %s: %s; give another "
                                "--passphrase-file",
                                t->options->passphrase, strerror(errno));
        return EXIT_OK;
}

static int begin(struct rotation *t) {
        int code = ask_running(t);

        if (code == EXIT_OK)
                code = key_seed_path(t->ctx, t->seed);
        if (code)
                return code;
        if (!node_binary("keyring", t->binary))
                return complain(t->ctx, EXIT_OTHER,
                                "quorate-keyring was not found; install it or set QUORATE_LIBEXEC");
        if (access(t->seed, R_OK | W_OK) < 0)
                return complain(t->ctx, EXIT_USAGE,
                                "key rotate: %s: %s; give the file that this node's keyring reads "
                                "as SEED, and be its owner (a credential of systemd is changed "
                                "where it is made)",
                                t->seed, strerror(errno));
        if (is_sealed(t->seed) && !t->options->passphrase)
                return complain(t->ctx, EXIT_USAGE,
                                "key rotate: the seed is sealed; give its passphrase with "
                                "--passphrase-file, the new one is sealed with the same");
        own_key_warn_rotation(t->ctx);
        name_paths(t);
        return find_owner(t);
}

/* A file of that name that is not the running node's would be taken for it. */
static int check_seed(const struct rotation *t) {
        struct signer s;
        int code = ask_seed(t, t->seed, NULL, &s);

        if (code || peer_id_equal(&s.peer, &t->old))
                return code;
        return complain(t->ctx, EXIT_USAGE,
                        "key rotate: %s is not the seed of the node that runs (%s); give the file "
                        "its keyring reads, or restart the node if it was just rotated",
                        t->seed, t->old_text);
}

/* ---- the steps ---- */

/* Whole under its name, or not at all: what a mint cut short left is made again. */
static int make_next(struct rotation *t) {
        CLEANUP(freep) char *fresh = xasprintf("%s.new", t->next);
        CLEANUP(capture_donep) struct capture c = {};
        uint64_t bits = t->options->difficulty;
        char text[24];
        const char *arguments[] = { "--new", base_name(fresh), "--difficulty", text, NULL };
        int code, r;

        if (access(t->next, F_OK) == 0)
                return EXIT_OK;
        if (bits == KEY_DIFFICULTY && t->old_work < bits)
                bits = t->old_work; /* of a private network */
        (void) snprintf(text, sizeof(text), "%lu", (unsigned long) bits);
        (void) unlink(fresh);
        code = run_keyring(t, arguments, &c);
        if (code)
                return code;
        r = durable_rename(fresh, t->next);
        return r ? failed(t, t->next, r) : EXIT_OK;
}

/* One made before stands: two of them would say that the old key is in other hands. */
static bool read_statement(struct rotation *t, const struct peer_id *successor) {
        CLEANUP(fd_closep) int fd = open(t->statement, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        uint8_t bytes[KEYCHANGE_BYTES_MAX + 1];
        struct keychange_parts parts;
        ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

        if (n < 0 || keychange_split(BYTES(bytes, (size_t) n), &parts) != KEYCHANGE_OK ||
            parts.fields.kind != KEYCHANGE_ROTATION ||
            !peer_id_equal(&parts.fields.peer, &t->old) ||
            (successor && !peer_id_equal(&parts.fields.successor, successor)) ||
            !keychange_verify(&parts, NULL, NULL))
                return false;
        t->new = parts.fields.successor;
        (void) peer_id_text(&t->new, t->new_text);
        buffer_put(&t->value, bytes, (size_t) n);
        return true;
}

static int sign_statement(struct rotation *t, const struct signer *s, int64_t at_us) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Keyring__RotateRequest request = KEYRING__ROTATE_REQUEST__INIT;
        struct bytes value;
        int code, r;

        request.successor = people_data(sign_public_bytes(&s->key));
        request.signature = people_data(signature_bytes(&s->signature));
        request.created_us = at_us;
        code = ctl_call(t->ctx, &admin, "Rotate", &request, &u);
        if (code)
                return code;
        value = people_bytes(((const Keyring__KeychangeReply *) u.message)->value);
        r = durable_write(t->statement, value);
        if (r)
                return failed(t, t->statement, r);
        if (!read_statement(t, &s->peer))
                return complain(t->ctx, EXIT_OTHER,
                                "key rotate: the statement does not verify; look at the log of "
                                "keyring; " GO_ON);
        return EXIT_OK;
}

static int make_statement(struct rotation *t) {
        struct timespec now;
        struct signer s;
        char at[24];
        int code;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) snprintf(at, sizeof(at), "%lld",
                        (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
        code = ask_seed(t, t->next, at, &s);
        if (code || read_statement(t, &s.peer))
                return code;
        return sign_statement(t, &s, (int64_t) strtoll(at, NULL, 10));
}

/* Two of them: somebody else holds the old key, or another copy of this node was rotated. The first
 * stands everywhere, so ours would not be heard. */
static int check_alone(const struct rotation *t) {
        struct call_target target = discovery_within(&discovery_records, 30 * NSEC_PER_SEC);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        char name[PEER_ID_TEXT_SIZE + 32], other[PEER_ID_TEXT_SIZE], why[256];
        struct keychange_parts parts;
        const Dht__GetReply *m;

        (void) snprintf(name, sizeof(name), "/rotation/%s", t->old_text);
        request.name = people_data(BYTES_STR(name));
        if (ctl_try(t->ctx, &target, "Get", &request, &u, why))
                return EXIT_OK; /* nobody has one */
        m = u.message;
        if (m->n_records == 0 ||
            keychange_split(people_bytes(m->records[0]->value), &parts) != KEYCHANGE_OK ||
            !keychange_verify(&parts, NULL, NULL) ||
            peer_id_equal(&parts.fields.successor, &t->new))
                return EXIT_OK;
        return complain(
                t->ctx, EXIT_OTHER,
                "key rotate: this key was rotated before, to %s, and the first time counts: "
                "if that was not you, somebody has the seed; end it with `quorate key "
                "revoke` and begin anew with `quorate key new`",
                peer_id_text(&parts.fields.successor, other));
}

static int publish(struct rotation *t) {
        struct call_target target = discovery_within(&discovery_records, 30 * NSEC_PER_SEC);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__PublishRequest request = DHT__PUBLISH_REQUEST__INIT;
        int code = check_alone(t);

        if (code)
                return code;
        request.value = people_data(buffer_bytes(&t->value));
        code = ctl_call(t->ctx, &target, "Publish", &request, &u);
        if (code == EXIT_OK)
                t->stored = ((const Dht__PutReply *) u.message)->stored;
        return code;
}

static int swap(struct rotation *t) {
        int r = durable_link(t->seed, t->kept);

        if (r)
                return failed(t, t->kept, r);
        r = durable_rename(t->next, t->seed);
        return r ? failed(t, t->seed, r) : EXIT_OK;
}

/* What `quorate run` tells the other nodes of this machine: only beside this node's own seed. */
static int note_peer(struct rotation *t) {
        char line[PEER_ID_TEXT_SIZE + 8], path[PATH_MAX + 16];
        struct node node;
        int r;

        if (t->ctx->operands.n_items == 2 || node_find_running(&t->ctx->common, &node))
                return EXIT_OK;
        (void) snprintf(path, sizeof(path), "%s/peer", node.state);
        if (access(path, F_OK) < 0)
                return EXIT_OK;
        (void) snprintf(line, sizeof(line), "peer %s\n", t->new_text);
        r = durable_write(path, BYTES_STR(line));
        if (r)
                return complain(t->ctx, EXIT_OTHER, "key rotate: %s: %s; write \"%.*s\" there",
                                path, strerror(-r), (int) strlen(line) - 1, line);
        return EXIT_OK;
}

/* ---- what came of it ---- */

static void show_json(const struct rotation *t) {
        CLEANUP(freep) char *revocation = xasprintf("%srevocation-%s", t->folder, t->new_text);
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "old", t->old_text, &first);
        json_member_string(stdout, "new", t->new_text, &first);
        json_member_u64(stdout, "stored", t->stored, &first);
        json_member_string(stdout, "seed", t->seed, &first);
        json_member_string(stdout, "old_seed", t->kept, &first);
        json_member_string(stdout, "statement", t->statement, &first);
        json_member_string(stdout, "revocation", revocation, &first);
        json_member_bool(stdout, "restart", true, &first);
        fputs("}\n", stdout);
}

static void show_text(const struct rotation *t) {
        printf("old        %s\nnew        %s\n", t->old_text, t->new_text);
        printf("published  by both keys, stored by %u peer%s%s\n", t->stored,
               t->stored == 1 ? "" : "s",
               t->stored == 0 ? "; dht keeps it and brings it when somebody is there" : "");
        printf("old seed   %s (remove it when nothing needs it)\n", t->kept);
        printf("revocation %srevocation-%s (put it away)\n", t->folder, t->new_text);
        puts("\nRestart the node now: it goes on as the old one until its keyring starts again, "
             "which takes the other services along.\n"
             "goes on: datasets, receipts (those of the old key verify for ever), the deny list, "
             "names and topics (signed anew)\n"
             "ends:    letters that lie in the old key's mailbox (`quorate mailbox read` first), "
             "the trust others have in the old key; lists `allow` and `deny`, `bootstrap =` of "
             "others and "
             "other addresses that name it stay as they are: give those who wrote them the new "
             "name "
             "(`quorate find` shows it to whoever asks)");
}

static int end(struct rotation *t) {
        int code = note_peer(t);

        if (code)
                return code;
        if (t->ctx->common.json)
                show_json(t);
        else
                show_text(t);
        return EXIT_OK;
}

/* Cut short behind the last step: what it would have printed is said now. */
static bool is_over(struct rotation *t) {
        return access(t->next, F_OK) < 0 && access(t->kept, F_OK) == 0 && read_statement(t, NULL);
}

int key_rotate(const struct command_context *ctx) {
        static int (*const steps[])(struct rotation *) = {
                make_next, make_statement, publish, swap, end,
        };
        CLEANUP(rotation_donep) struct rotation t = { .ctx = ctx, .options = ctx->options };
        int code = begin(&t);

        buffer_init(&t.value, KEYCHANGE_BYTES_MAX);
        if (code == EXIT_OK && is_over(&t))
                return publish(&t) ? EXIT_OTHER : end(&t);
        if (code == EXIT_OK)
                code = check_seed(&t);
        for (size_t i = 0; i < ELEMENTSOF(steps) && code == EXIT_OK; i++)
                code = steps[i](&t);
        return code;
}
