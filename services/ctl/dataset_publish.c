/* quorate dataset publish, name: a file becomes a dataset that stays, and is called something. */

#include <inttypes.h>
#include <signal.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/client/quorate.h"
#include "services/ctl/ask.h"
#include "services/ctl/dataset_shared.h"
#include "services/ctl/json.h"
#include "services/ctl/progress.h"

static struct quorate *interruptible;

static void on_interrupt(int signo) {
        if (interruptible)
                quorate_wake(interruptible);
}

static void show_upload(void *userdata, uint64_t sent, uint64_t all) {
        char line[128], a[DATASET_SIZE_TEXT], b[DATASET_SIZE_TEXT];

        (void) snprintf(line, sizeof(line), "publishing  %s of %s", dataset_size(sent, a),
                        dataset_size(all, b));
        progress_line(userdata, line);
}

static int upload(const struct command_context *ctx, struct quorate *q, const char *path,
                  uint8_t root[HASH_SIZE]) {
        const struct dataset_options *o = ctx->options;
        const struct quorate_input input = { .name = "main",
                                             .path = path,
                                             .is_public = o->is_public };
        struct sigaction action = { .sa_handler = on_interrupt }, before;
        struct progress progress;
        int r;

        interruptible = q;
        (void) sigaction(SIGINT, &action, &before);
        progress_init(&progress, o->quiet || ctx->common.json);
        r = quorate_upload(q, &input, show_upload, &progress, root);
        progress_clear(&progress);
        (void) sigaction(SIGINT, &before, NULL);
        interruptible = NULL;
        if (r == QUORATE_OK)
                return EXIT_OK;
        if (r == QUORATE_AGAIN)
                return complain(ctx, EXIT_OTHER,
                                "dataset publish: interrupted; nothing was published");
        return complain(ctx, r == QUORATE_E_INPUT ? EXIT_USAGE : EXIT_OTHER, "%s",
                        *quorate_error(q) ? quorate_error(q) : quorate_code_text(r));
}

/* Pinned while the connection that brought it is still there. */
static int pin(const struct command_context *ctx, uint8_t root[HASH_SIZE], const char *label,
               struct unpacked *ret) {
        Coordinator__DatasetPinRequest request = COORDINATOR__DATASET_PIN_REQUEST__INIT;
        Coordinator__DatasetRef ref = COORDINATOR__DATASET_REF__INIT;

        ref.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        request.dataset = &ref;
        request.rename = label != NULL;
        request.label = (char *) (label ? label : "");
        return ctl_call(ctx, &dataset_admin, "DatasetPin", &request, ret);
}

/* It is published as it is: no option makes a column what its values are not. */
static void notes_text(const struct quorate_column_note *notes, size_t n) {
        char name[300], value[200];

        for (size_t i = 0; i < n; i++)
                fprintf(stderr,
                        "quorate: column %u '%s' is TEXT: row %" PRIu64 " has '%s', while %" PRIu64
                        " of %" PRIu64 " values are %s; correct the file and publish it again, or "
                        "CAST in the query\n",
                        notes[i].column, text_escape(BYTES_STR(notes[i].name), name, sizeof(name)),
                        notes[i].row, text_escape(BYTES_STR(notes[i].value), value, sizeof(value)),
                        notes[i].values - notes[i].others, notes[i].values, notes[i].most);
}

static void notes_json(const struct quorate_column_note *notes, size_t n) {
        bool first = false;

        json_key(stdout, "notes", &first);
        for (size_t i = 0; i < n; i++) {
                bool inner = true;

                fputs(i ? ",{" : "[{", stdout);
                json_member_u64(stdout, "column", notes[i].column, &inner);
                json_member_string(stdout, "name", notes[i].name, &inner);
                json_member_string(stdout, "type", "TEXT", &inner);
                json_member_string(stdout, "most", notes[i].most, &inner);
                json_member_u64(stdout, "values", notes[i].values, &inner);
                json_member_u64(stdout, "others", notes[i].others, &inner);
                json_member_u64(stdout, "row", notes[i].row, &inner);
                json_member_string(stdout, "value", notes[i].value, &inner);
                fputc('}', stdout);
        }
        fputs(n > 0 ? "]" : "[]", stdout);
}

static void say_published(const struct command_context *ctx, const Coordinator__DatasetInfo *d,
                          const uint8_t *root, const struct quorate *q) {
        CLEANUP(shared_names_freep) struct shared_names *names = shared_names_read(ctx);
        size_t n_notes;
        const struct quorate_column_note *notes = quorate_upload_notes(q, &n_notes);
        char hex[2 * HASH_SIZE + 1], size[DATASET_SIZE_TEXT], name[300];

        if (ctx->common.json) {
                dataset_json_open(d);
                notes_json(notes, n_notes);
                shared_names_json(names, d);
                puts("}");
                return;
        }
        notes_text(notes, n_notes);
        hex_encode(BYTES(root, HASH_SIZE), hex);
        printf("%s\n%s, %s, %s\n", hex, d->format, dataset_size(d->length, size),
               d->is_public ? "public: others find it in the DHT"
                            : "internal: who is told its root may fetch it");
        dataset_moved_text(d);
        if (*d->name)
                printf("ask it with --data t=%s@me\n",
                       text_escape(BYTES_STR(d->name), name, sizeof(name)));
        else
                printf("ask it with --data t=ROOT\n");
        shared_names_text(names, d);
}

/* Its data are published whatever becomes of the name. */
static int say_all(const struct command_context *ctx, const Coordinator__DatasetInfo *d,
                   const uint8_t *root, const struct quorate *q) {
        const struct dataset_options *o = ctx->options;
        bool is_to_point = o->is_public && o->name;
        uint32_t stored;
        char why[256];
        int r = is_to_point ? dataset_point(ctx, o->name, root, o->timeout, &stored, why) : 0;

        say_published(ctx, d, root, q);
        if (r == 0)
                return EXIT_OK;
        return complain(
                ctx, EXIT_OTHER,
                "the dataset is published, but not its name: %s; say `quorate dataset name` "
                "when others are there",
                why);
}

int dataset_publish(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        const struct ask_options connect = { .quiet = o->quiet };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        uint8_t root[HASH_SIZE];
        struct quorate *q;
        int code;

        if (o->is_public && o->is_internal)
                return complain(ctx, EXIT_USAGE, "--public and --internal: give one of them");
        code = o->name ? dataset_check_label(ctx, "--name", o->name) : EXIT_OK;
        if (code == EXIT_OK)
                code = ask_connect(ctx, &connect, &q);
        if (code)
                return code;
        code = upload(ctx, q, ctx->operands.items[1], root);
        if (code == EXIT_OK)
                code = pin(ctx, root, o->name, &u);
        if (code == EXIT_OK)
                code = say_all(ctx, u.message, root, q);
        quorate_close(q);
        return code;
}

/* A name in the DHT tells its root to everybody, and a root entitles to the content.
 * *ret is its DatasetShowReply. */
static int check_public(const struct command_context *ctx, uint8_t root[HASH_SIZE],
                        struct unpacked *ret) {
        Coordinator__DatasetRef ref = COORDINATOR__DATASET_REF__INIT;
        const Coordinator__DatasetShowReply *reply;
        int code;

        ref.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        code = ctl_call(ctx, &dataset_admin, "DatasetShow", &ref, ret);
        if (code)
                return code;
        reply = ret->message;
        if (reply->info && reply->info->is_public)
                return EXIT_OK;
        return complain(
                ctx, EXIT_OTHER,
                "dataset name: it is internal, or not here whole, and a name tells its root "
                "to everybody; `quorate dataset pin --name NAME ROOT` gives it a name here "
                "alone");
}

static void say_named(const struct command_context *ctx, const Coordinator__DatasetInfo *d,
                      uint32_t stored) {
        bool first = true;

        if (!ctx->common.json) {
                printf("others find it as NAME@PEER with this node's id; stored by %u peers, again "
                       "until `quorate dataset rm`; pinned, and called so here too\n",
                       stored);
                dataset_moved_text(d);
                return;
        }
        fputc('{', stdout);
        json_member_bool(stdout, "ok", true, &first);
        json_member_u64(stdout, "stored", stored, &first);
        if (d->moved_from.len > 0) {
                json_key(stdout, "moved_from", &first);
                json_hex(stdout, d->moved_from.data, d->moved_from.len);
        }
        fputs("}\n", stdout);
}

/* What others call it is what it is called here, so that `rm` knows what to withdraw; and it had
 * better stay where they are sent. */
static int rename_here(const struct command_context *ctx, uint8_t root[HASH_SIZE],
                       const char *label, const char *before, struct unpacked *ret) {
        int code = pin(ctx, root, label, ret);

        if (code || !*before || strcmp(before, label) == 0)
                return code;
        return dataset_unpoint(ctx, before, root);
}

int dataset_name(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        const char *label = ctx->operands.items[1];
        CLEANUP(unpacked_donep) struct unpacked shown = {}, pinned = {};
        CLEANUP(shared_names_freep) struct shared_names *names = NULL;
        uint8_t root[HASH_SIZE];
        uint32_t stored;
        char why[256];
        int code;

        code = dataset_check_label(ctx, "dataset name", label);
        if (code == EXIT_OK)
                code = dataset_resolve(ctx, "dataset name", ctx->operands.items[2], o->timeout,
                                       root);
        if (code == EXIT_OK)
                code = check_public(ctx, root, &shown);
        if (code)
                return code;
        if (dataset_point(ctx, label, root, o->timeout, &stored, why))
                return complain(ctx, EXIT_OTHER, "dataset name: %s", why);
        code = rename_here(ctx, root, label,
                           ((const Coordinator__DatasetShowReply *) shown.message)->info->name,
                           &pinned);
        if (pinned.message) { /* whatever became of the name before */
                say_named(ctx, pinned.message, stored);
                names = ctx->common.json ? NULL : shared_names_read(ctx);
                shared_names_text(names, pinned.message);
        }
        return code;
}
