/* quorate dataset fetch, verify: what takes long is done by the node; this command looks on. */

#include <inttypes.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/loop.h"
#include "services/ctl/dataset.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/progress.h"

#define LOOK_EVERY_US (150 * 1000)
#define LOST_LOOKS    100 /* of a node that is restarted: 15 s */

struct work {
        const struct command_context *ctx;
        const char *method;  /* that begins it, or finds it */
        const void *request; /* of that */
        const char *doing;   /* "fetching" */
        struct progress progress;
        uint64_t id;
};

static void show(struct work *w, const Coordinator__DatasetProgressReply *p) {
        double seconds = (double) p->elapsed_us / 1e6;
        char line[160];

        if (p->all == 0)
                (void) snprintf(line, sizeof(line), "%s  %s  %zu peers  %.1f s", w->doing,
                                p->checking ? "looking at what is here already" : "asking",
                                p->n_providers, seconds);
        else
                (void) snprintf(line, sizeof(line),
                                "%s  %" PRIu64 " of %" PRIu64 " MiB  %zu peers  %.1f s", w->doing,
                                p->chunks, p->all, p->n_providers, seconds);
        progress_line(&w->progress, line);
}

/* A node that was restarted has forgotten that it did this; what is on its disk it knows. */
static int begin_again(struct work *w, char why[256]) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        if (ctl_try(w->ctx, &dataset_admin, w->method, w->request, &u, why))
                return -1;
        w->id = ((const Coordinator__DatasetWork *) u.message)->id;
        return 0;
}

/* EXIT_OK: *ret is the last word. */
static int look_on(struct work *w, struct unpacked *ret) {
        Coordinator__DatasetWork request = COORDINATOR__DATASET_WORK__INIT;
        unsigned lost = 0;
        char why[256];

        for (;;) {
                const Coordinator__DatasetProgressReply *p;

                request.id = w->id;
                if (ctl_try(w->ctx, &dataset_admin, "DatasetProgress", &request, ret, why)) {
                        if (++lost > LOST_LOOKS)
                                return complain(w->ctx, EXIT_OTHER, "%s", why);
                        progress_line(&w->progress, "waiting for the node, which is restarted");
                        (void) usleep(LOOK_EVERY_US);
                        (void) begin_again(w, why);
                        continue;
                }
                p = ret->message;
                lost = 0;
                if (strcmp(p->state, "running") != 0)
                        return EXIT_OK;
                show(w, p);
                unpacked_done(ret);
                (void) usleep(LOOK_EVERY_US);
        }
}

static int begin(const struct command_context *ctx, struct work *w, struct unpacked *ret) {
        const struct dataset_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        int code;

        w->ctx = ctx;
        code = ctl_call(ctx, &dataset_admin, w->method, w->request, &u);
        if (code)
                return code;
        w->id = ((const Coordinator__DatasetWork *) u.message)->id;
        progress_init(&w->progress, o->quiet || ctx->common.json);
        code = look_on(w, ret);
        progress_clear(&w->progress);
        return code;
}

/* ---- fetch ---- */

static const struct table_column provider_columns[] = {
        { "PEER" }, { "CHUNKS", .right = true }, { "BYTES", .right = true }, { "VERDICT" }, {},
};

static void providers_text(const struct command_context *ctx,
                           const Coordinator__DatasetProgressReply *p) {
        CLEANUP(table_donep) struct table t = {};
        char id[PEER_ID_TEXT_SIZE], shown[PEOPLE_SHORT_SIZE], size[DATASET_SIZE_TEXT];

        table_init(&t, provider_columns);
        for (size_t i = 0; i < p->n_providers; i++) {
                const Coordinator__DatasetProvider *q = p->providers[i];

                table_cell(&t, "%s",
                           ctx->common.verbose ? people_peer(q->peer, id)
                                               : people_short(q->peer, shown));
                table_cell(&t, "%" PRIu64, q->chunks);
                table_cell(&t, "%s", dataset_size(q->bytes, size));
                table_foreign(&t, q->verdict);
        }
        table_show(ctx, &t);
}

static void fetch_json(const Coordinator__DatasetProgressReply *p) {
        bool first = true;

        fputc('{', stdout);
        json_key(stdout, "root", &first);
        json_hex(stdout, p->root.data, p->root.len);
        json_member_string(stdout, "state", p->state, &first);
        json_member_u64(stdout, "chunks", p->chunks, &first);
        json_member_u64(stdout, "fetched", p->fetched, &first);
        json_member_ms(stdout, "elapsed_ms", p->elapsed_us, &first);
        json_key(stdout, "providers", &first);
        fputc('[', stdout);
        for (size_t i = 0; i < p->n_providers; i++) {
                bool inner = true;

                fputs(i ? ",{" : "{", stdout);
                people_json_peer("peer", p->providers[i]->peer, &inner);
                json_member_string(stdout, "verdict", p->providers[i]->verdict, &inner);
                json_member_u64(stdout, "chunks", p->providers[i]->chunks, &inner);
                json_member_u64(stdout, "bytes", p->providers[i]->bytes, &inner);
                fputc('}', stdout);
        }
        fputs("]}\n", stdout);
}

static void fetch_text(const struct command_context *ctx,
                       const Coordinator__DatasetProgressReply *p) {
        char hex[2 * HASH_SIZE + 1] = "", size[DATASET_SIZE_TEXT];
        double seconds = (double) p->elapsed_us / 1e6;

        if (p->root.len == HASH_SIZE)
                hex_encode(people_bytes(p->root), hex);
        if (p->n_providers == 0)
                printf("%s is here already\n", hex);
        else
                printf("%s is here: %s in %.1f s, %.1f MB/s\n", hex, dataset_size(p->fetched, size),
                       seconds, (double) p->fetched / 1e6 / (seconds > 0.001 ? seconds : 0.001));
        providers_text(ctx, p);
}

static int show_fetched(const struct command_context *ctx,
                        const Coordinator__DatasetProgressReply *p) {
        if (ctx->common.json)
                fetch_json(p);
        if (strcmp(p->state, "done") != 0)
                return complain(ctx, EXIT_OTHER, "%s", p->problem);
        if (!ctx->common.json)
                fetch_text(ctx, p);
        return EXIT_OK;
}

static int take_from(const struct command_context *ctx, struct peer_id peers[16],
                     ProtobufCBinaryData list[16], Coordinator__DatasetFetchRequest *ret) {
        const struct dataset_options *o = ctx->options;

        if (o->from.n_items > 16)
                return complain(ctx, EXIT_USAGE, "--from: at most 16 peers");
        for (size_t i = 0; i < o->from.n_items; i++) {
                if (!people_peer_operand(ctx, "dataset fetch", o->from.items[i], &peers[i]))
                        return EXIT_USAGE;
                list[i] = (ProtobufCBinaryData){ peers[i].len, peers[i].bytes };
        }
        ret->from = list;
        ret->n_from = o->from.n_items;
        return EXIT_OK;
}

int dataset_fetch(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        Coordinator__DatasetFetchRequest request = COORDINATOR__DATASET_FETCH_REQUEST__INIT;
        struct work w = { .method = "DatasetFetch", .request = &request, .doing = "fetching" };
        CLEANUP(unpacked_donep) struct unpacked last = {};
        ProtobufCBinaryData list[16];
        struct peer_id peers[16];
        uint8_t root[HASH_SIZE];
        int code;

        code = dataset_resolve(ctx, "dataset fetch", ctx->operands.items[1], o->timeout, root);
        if (code == EXIT_OK)
                code = take_from(ctx, peers, list, &request);
        request.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        request.pin = o->pin;
        if (code == EXIT_OK)
                code = begin(ctx, &w, &last);
        return code ? code : show_fetched(ctx, last.message);
}

/* ---- verify ---- */

static int show_verified(const struct command_context *ctx,
                         const Coordinator__DatasetProgressReply *p) {
        char hex[2 * HASH_SIZE + 1] = "";
        bool is_good = strcmp(p->state, "done") == 0;
        bool first = true;

        if (p->root.len == HASH_SIZE)
                hex_encode(people_bytes(p->root), hex);
        if (ctx->common.json) {
                fputc('{', stdout);
                json_member_string(stdout, "root", hex, &first);
                json_member_bool(stdout, "good", is_good, &first);
                json_member_u64(stdout, "chunks", p->chunks, &first);
                json_member_u64(stdout, "bad", p->bad, &first);
                fputs("}\n", stdout);
        } else if (is_good) {
                printf("%s  every chunk is right, of %" PRIu64 "\n", hex, p->chunks);
        }
        return is_good ? EXIT_OK : complain(ctx, EXIT_OTHER, "%s: %s", hex, p->problem);
}

static int verify_one(const struct command_context *ctx, uint8_t root[HASH_SIZE]) {
        Coordinator__DatasetRef request = COORDINATOR__DATASET_REF__INIT;
        struct work w = { .method = "DatasetVerify", .request = &request, .doing = "verifying" };
        CLEANUP(unpacked_donep) struct unpacked last = {};
        int code;

        request.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        code = begin(ctx, &w, &last);
        return code ? code : show_verified(ctx, last.message);
}

/* Every dataset that is here whole; the first wrong one does not hide the others. */
static int verify_all(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Coordinator__DatasetListRequest request = COORDINATOR__DATASET_LIST_REQUEST__INIT;
        const Coordinator__DatasetListReply *reply;
        int code, worst = EXIT_OK;

        request.limit = 1000;
        code = ctl_call(ctx, &dataset_admin, "DatasetList", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_datasets; i++) {
                const Coordinator__DatasetInfo *d = reply->datasets[i];

                if (strcmp(d->state, "here") != 0 || d->root.len != HASH_SIZE)
                        continue;
                code = verify_one(ctx, d->root.data);
                worst = code ? code : worst;
        }
        people_more(ctx, reply->n_datasets, reply->more, 1000);
        return worst;
}

int dataset_verify(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        uint8_t root[HASH_SIZE];
        int code;

        if (ctx->operands.n_items == 1)
                return verify_all(ctx);
        code = dataset_resolve(ctx, "dataset verify", ctx->operands.items[1], o->timeout, root);
        return code ? code : verify_one(ctx, root);
}
