/* quorate dataset: immutable data, named by content. */

#include "services/ctl/dataset.h"

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/dataset_shared.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

#define LIST_MAX 1000 /* as coordinator has it */

static const char *const remedies[] = { NULL }; /* the service's texts say them */
const struct call_target dataset_admin = { .capability = "coordinator/admin",
                                           .service = &coordinator__admin__descriptor,
                                           .timeout = 30 * NSEC_PER_SEC,
                                           .remedies = remedies,
                                           .n_remedies = ELEMENTSOF(remedies) };

#define OPTION(kind_, letter_, name_, member_, value_, ...) \
        { kind_, letter_, name_, offsetof(struct dataset_options, member_), value_, __VA_ARGS__ }
static const struct option dataset_table[] = {
        OPTION(OPTION_FLAG, 0, "public", is_public, NULL, "anybody may have it; the DHT is told",
               "publish"),
        OPTION(OPTION_FLAG, 0, "internal", is_internal, NULL,
               "for who is told its root alone [this]", "publish"),
        OPTION(OPTION_STRING, 0, "name", name, "NAME", "what it is called", "publish, pin"),
        OPTION(OPTION_FLAG, 0, "pin", pin, NULL, "pin it; if it is public, the DHT is told",
               "fetch"),
        OPTION(OPTION_LIST, 0, "from", from, "PEER", "from these alone; may repeat", "fetch"),
        OPTION(OPTION_COUNT, 'n', "limit", limit, "N", "at most so many [50]", "list"),
        OPTION(OPTION_TIMEOUT, 't', "timeout", timeout, "TIME", "for a look-up in the DHT [30s]"),
        OPTION(OPTION_FLAG, 'q', "quiet", quiet, NULL, "no progress"),
        {},
};
static const struct dataset_options dataset_defaults = { .limit = 50,
                                                         .timeout = 30 * NSEC_PER_SEC };

static void dataset_shared_json(const Coordinator__DatasetInfo *d, const struct shared_names *names,
                                const char *end) {
        dataset_json_open(d);
        shared_names_json(names, d);
        fputs(end, stdout);
}

static int dataset_list(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(table_donep) struct table t = {};
        CLEANUP(shared_names_freep) struct shared_names *names = NULL;
        Coordinator__DatasetListRequest request = COORDINATOR__DATASET_LIST_REQUEST__INIT;
        char used[DATASET_SIZE_TEXT], quota[DATASET_SIZE_TEXT];
        const Coordinator__DatasetListReply *reply;
        int code;

        if (o->limit > LIST_MAX)
                return complain(ctx, EXIT_USAGE, "--limit: give at most %d", LIST_MAX);
        request.limit = (uint32_t) o->limit;
        code = ctl_call(ctx, &dataset_admin, "DatasetList", &request, &u);
        if (code)
                return code;
        reply = u.message;
        names = shared_names_read(ctx);
        table_init(&t, dataset_columns);
        for (size_t i = 0; i < reply->n_datasets; i++)
                if (ctx->common.json)
                        dataset_shared_json(reply->datasets[i], names, "}\n");
                else
                        dataset_cells(&t, reply->datasets[i]);
        table_show(ctx, &t);
        for (size_t i = 0; i < reply->n_datasets && !ctx->common.json; i++)
                shared_names_text(names, reply->datasets[i]);
        if (!ctx->common.json)
                printf("%s%s of %s used\n",
                       reply->n_datasets
                               ? ""
                               : "no datasets; `quorate dataset publish FILE` makes one; ",
                       dataset_size(reply->used, used), dataset_size(reply->quota, quota));
        people_more(ctx, reply->n_datasets, reply->more, LIST_MAX);
        return EXIT_OK;
}

static int take_ref(const struct command_context *ctx, uint8_t root[HASH_SIZE],
                    Coordinator__DatasetRef *ret) {
        const struct dataset_options *o = ctx->options;
        char what[64];
        int code;

        (void) snprintf(what, sizeof(what), "dataset %s", ctx->operands.items[0]);
        coordinator__dataset_ref__init(ret);
        code = dataset_resolve(ctx, what, ctx->operands.items[1], o->timeout, root);
        ret->root = (ProtobufCBinaryData){ HASH_SIZE, root };
        return code;
}

static void show_text(const Coordinator__DatasetShowReply *d) {
        const Coordinator__DatasetInfo *i = d->info;
        char hex[2 * HASH_SIZE + 1] = "", size[DATASET_SIZE_TEXT], name[300];

        if (i->root.len == HASH_SIZE)
                hex_encode(people_bytes(i->root), hex);
        printf("root       %s\n", hex);
        if (*i->name)
                printf("name       %s\n", text_escape(BYTES_STR(i->name), name, sizeof(name)));
        printf("state      %s%s%s\n", i->state, i->pinned ? ", pinned" : "",
               i->announced ? ", announced" : "");
        if (*i->format)
                printf("format     %s\nbytes      %" PRIu64 " (%s), %" PRIu64
                       " chunks\nclass      %s\n",
                       i->format, i->length, dataset_size(i->length, size), d->chunks,
                       i->is_public ? "public" : "internal");
        dataset_derived_text(i);
        dataset_columns_text(people_bytes(d->schema));
        printf("in use     by %u jobs and clients\n", i->users);
}

static void show_json(const Coordinator__DatasetShowReply *d, const struct shared_names *names) {
        bool first = false;

        printf("{\"dataset\":");
        dataset_shared_json(d->info, names, "}");
        json_member_u64(stdout, "chunks", d->chunks, &first);
        json_key(stdout, "chunk_root", &first);
        json_hex(stdout, d->chunk_root.data, d->chunk_root.len);
        json_key(stdout, "options", &first);
        json_hex(stdout, d->options.data, d->options.len);
        json_key(stdout, "schema", &first);
        json_hex(stdout, d->schema.data, d->schema.len);
        dataset_columns_json(people_bytes(d->schema), &first);
        printf("}\n");
}

static int dataset_show(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(shared_names_freep) struct shared_names *names = NULL;
        const Coordinator__DatasetShowReply *reply;
        Coordinator__DatasetRef ref;
        uint8_t root[HASH_SIZE];
        int code = take_ref(ctx, root, &ref);

        if (code == EXIT_OK)
                code = ctl_call(ctx, &dataset_admin, "DatasetShow", &ref, &u);
        if (code)
                return code;
        reply = u.message;
        names = shared_names_read(ctx);
        if (ctx->common.json) {
                show_json(reply, names);
                return EXIT_OK;
        }
        show_text(reply);
        shared_names_text(names, reply->info);
        return EXIT_OK;
}

static int done(const struct command_context *ctx, const Coordinator__DatasetInfo *d,
                const char *what) {
        char hex[2 * HASH_SIZE + 1] = "";

        if (d->root.len == HASH_SIZE)
                hex_encode(people_bytes(d->root), hex);
        if (ctx->common.json)
                dataset_json(d, "\n");
        else
                printf("%s %s\n", what, hex);
        if (!ctx->common.json)
                dataset_moved_text(d);
        return EXIT_OK;
}

static int dataset_pin(const struct command_context *ctx) {
        const struct dataset_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(shared_names_freep) struct shared_names *names = NULL;
        Coordinator__DatasetPinRequest request = COORDINATOR__DATASET_PIN_REQUEST__INIT;
        Coordinator__DatasetRef ref;
        uint8_t root[HASH_SIZE];
        int code = o->name ? dataset_check_label(ctx, "--name", o->name) : EXIT_OK;

        if (code == EXIT_OK)
                code = take_ref(ctx, root, &ref);
        request.dataset = &ref;
        request.rename = o->name != NULL;
        request.label = (char *) (o->name ? o->name : "");
        if (code == EXIT_OK)
                code = ctl_call(ctx, &dataset_admin, "DatasetPin", &request, &u);
        if (code)
                return code;
        (void) done(ctx, u.message, "pinned");
        names = o->name && !ctx->common.json ? shared_names_read(ctx) : NULL;
        shared_names_text(names, u.message);
        return EXIT_OK;
}

/* Where others knew it by a name of ours that name goes too: it would lead nowhere. */
static int drop(const struct command_context *ctx, const char *method, const char *said) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__DatasetInfo *d;
        Coordinator__DatasetRef ref = COORDINATOR__DATASET_REF__INIT;
        uint8_t root[HASH_SIZE];
        char what[64];
        int code;

        (void) snprintf(what, sizeof(what), "dataset %s", ctx->operands.items[0]);
        code = dataset_resolve_here(ctx, what, ctx->operands.items[1], root);
        ref.root = (ProtobufCBinaryData){ HASH_SIZE, root };
        if (code == EXIT_OK)
                code = ctl_call(ctx, &dataset_admin, method, &ref, &u);
        if (code)
                return code;
        d = u.message;
        (void) done(ctx, d, said);
        return *d->name && d->is_public ? dataset_unpoint(ctx, d->name, root) : EXIT_OK;
}

static int dataset_unpin(const struct command_context *ctx) {
        return drop(ctx, "DatasetUnpin", "no longer pinned nor announced; the cache may drop it:");
}

static int dataset_rm(const struct command_context *ctx) {
        return drop(ctx, "DatasetRemove", "removed");
}

static const struct {
        const char *name, *operands; /* what to give, for people */
        size_t least, most;          /* operands behind the verb */
        int (*run)(const struct command_context *ctx);
} verbs[] = {
        { "publish", "FILE", 1, 1, dataset_publish },
        { "list", "", 0, 0, dataset_list },
        { "show", "ROOT|NAME", 1, 1, dataset_show },
        { "pin", "ROOT|NAME", 1, 1, dataset_pin },
        { "unpin", "ROOT|NAME", 1, 1, dataset_unpin },
        { "fetch", "ROOT|NAME@PUBLISHER", 1, 1, dataset_fetch },
        { "verify", "[ROOT|NAME]", 0, 1, dataset_verify },
        { "rm", "ROOT|NAME", 1, 1, dataset_rm },
        { "name", "NAME ROOT", 2, 2, dataset_name },
};

static int complain_operands(const struct command_context *ctx, size_t verb) {
        if (verbs[verb].most == 0)
                return complain(ctx, EXIT_USAGE, "dataset %s: takes options only; see --help",
                                verbs[verb].name);
        return complain(ctx, EXIT_USAGE, "dataset %s: say dataset %s %s", verbs[verb].name,
                        verbs[verb].name, verbs[verb].operands);
}

static int run(const struct command_context *ctx) {
        size_t n = ctx->operands.n_items;

        for (size_t i = 0; i < ELEMENTSOF(verbs) && n > 0; i++) {
                if (strcmp(ctx->operands.items[0], verbs[i].name) != 0)
                        continue;
                if (n - 1 < verbs[i].least || n - 1 > verbs[i].most)
                        return complain_operands(ctx, i);
                return verbs[i].run(ctx);
        }
        return complain(ctx, EXIT_USAGE,
                        "dataset: say publish FILE, list, show, pin, unpin, fetch, verify or rm "
                        "ROOT, or name NAME ROOT; see --help");
}

const struct command command_dataset = {
        .name = "dataset",
        .usage = "dataset publish FILE | list | show ROOT | pin ROOT | unpin ROOT |\n"
                 "       fetch ROOT | verify [ROOT] | rm ROOT | name NAME ROOT",
        .summary =
                "Data by content: publish, fetch and keep it. ROOT is 64 hex digits, NAME@me or\n"
                "NAME for what it is called here, or NAME@PEER as that peer says; so too in\n"
                "`query -d`, where NAME alone is a file. Fetching goes on without you.\n"
                "An `import` was made here of another one, for SQLite; rm takes it along",
        .example = "quorate dataset publish --public --name sales sales.db",
        .options = dataset_table,
        .options_size = sizeof(struct dataset_options),
        .defaults = &dataset_defaults,
        .run = run,
};
