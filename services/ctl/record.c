/* quorate record: signed records in the DHT. */

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/ctl/input_file.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/record_view.h"

#define PAGE      100
#define PAGES_MAX 10000

struct record_options {
        const char *file, *hex;
        nsec_t ttl, timeout;
        bool foreign, raw;
};
static const struct option record_table[] = {
        { OPTION_STRING, 0, "file", offsetof(struct record_options, file), "FILE",
          "the payload; -: standard input", "put" },
        { OPTION_STRING, 0, "hex", offsetof(struct record_options, hex), "DIGITS",
          "the payload, such as a dataset root", "put" },
        { OPTION_LIFE, 0, "ttl", offsetof(struct record_options, ttl), "TIME",
          "how long it lives [its kind's own]", "put" },
        { OPTION_FLAG, 0, "raw", offsetof(struct record_options, raw), NULL,
          "the payload alone, byte for byte", "get" },
        { OPTION_FLAG, 0, "foreign", offsetof(struct record_options, foreign), NULL,
          "those kept for others", "list" },
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct record_options, timeout), "TIME",
          "for the lookup [30s]" },
        {},
};
static const struct record_options record_defaults = { .timeout = 30 * NSEC_PER_SEC };

static int take_name(const struct command_context *ctx, const char *verb, struct buffer *ret) {
        if (ctx->operands.n_items == 2 && record_view_name(ctx->operands.items[1], ret))
                return EXIT_OK;
        return complain(ctx, EXIT_USAGE,
                        "record %s: give a name, such as /profile/PEER, /name/PEER/LABEL or "
                        "/topic/LABEL",
                        verb);
}

static int record_get(const struct command_context *ctx) {
        const struct record_options *o = ctx->options;
        struct call_target t = discovery_within(&discovery_records, o->timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer name = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        const Dht__GetReply *reply;
        int code;

        buffer_init(&name, 512);
        code = take_name(ctx, "get", &name);
        if (code)
                return code;
        request.name = people_data(buffer_bytes(&name));
        request.timeout_ms = discovery_ms(o->timeout);
        code = ctl_call(ctx, &t, "Get", &request, &u);
        if (code)
                return code;
        reply = u.message;
        if (reply->n_records == 0)
                return complain(ctx, EXIT_OTHER,
                                "none of %u peers asked has it; look again later (a node's own "
                                "profile and endpoint come a few seconds after it knows a peer)",
                                reply->asked);
        for (size_t i = 0; i < reply->n_records; i++)
                if (o->raw)
                        fwrite(reply->records[i]->payload.data, 1, reply->records[i]->payload.len,
                               stdout);
                else if (ctx->common.json)
                        record_view_json(reply->records[i]);
                else
                        record_view_text(reply->records[i], reply->asked);
        return EXIT_OK;
}

static int take_digits(const struct command_context *ctx, const char *hex, struct buffer *ret) {
        size_t n = strlen(hex), good = strspn(hex, "0123456789abcdefABCDEF");
        char shown[16];
        uint8_t *to;

        if (good < n)
                return complain(
                        ctx, EXIT_USAGE,
                        "record put: --hex: '%s' at place %zu is no hex digit; give pairs of "
                        "them",
                        text_escape(BYTES(hex + good, 1), shown, sizeof(shown)), good + 1);
        if (n == 0 || n % 2)
                return complain(ctx, EXIT_USAGE,
                                "record put: --hex: %zu digits are no whole bytes; give pairs of "
                                "hex digits",
                                n);
        to = buffer_reserve(ret, n / 2);
        if (!to || !hex_decode(hex, to, n / 2))
                return complain(ctx, EXIT_USAGE,
                                "record put: --hex: %zu bytes are too many; give at most %d", n / 2,
                                RECORD_PAYLOAD_MAX);
        ret->len += n / 2;
        return EXIT_OK;
}

static int take_payload(const struct command_context *ctx, struct buffer *ret) {
        const struct record_options *o = ctx->options;

        if (!o->file == !o->hex)
                return complain(ctx, EXIT_USAGE,
                                "record put: give its payload with --file FILE (-: standard input) "
                                "or --hex DIGITS");
        if (o->file) {
                int code = input_file_read(ctx, "record put", o->file, ret);

                /* As editors and echo end a line: it is no part of a name. */
                if (strcmp(ctx->operands.items[1], "profile") == 0 && ret->len > 0 &&
                    ret->data[ret->len - 1] == '\n')
                        ret->len--;
                return code;
        }
        return take_digits(ctx, o->hex, ret);
}

static void show_put(const struct command_context *ctx, const Dht__PutReply *m) {
        char name[RECORD_VIEW_NAME_SIZE];
        bool first = true;

        (void) record_view_name_text(people_bytes(m->name), name);
        if (!ctx->common.json) {
                printf("%s  sequence %" PRIu64 ", stored by %u of %u peers asked; published "
                       "again until `quorate record rm`\n",
                       name, m->sequence, m->stored, m->asked);
                return;
        }
        fputc('{', stdout);
        json_member_string(stdout, "name", name, &first);
        json_member_u64(stdout, "sequence", m->sequence, &first);
        json_member_u64(stdout, "stored", m->stored, &first);
        json_member_u64(stdout, "asked", m->asked, &first);
        fputs("}\n", stdout);
}

static int record_put(const struct command_context *ctx) {
        const struct record_options *o = ctx->options;
        struct call_target t = discovery_within(&discovery_records, o->timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer payload = {};
        Dht__PutRequest request = DHT__PUT_REQUEST__INIT;
        int code;

        if (ctx->operands.n_items < 2 || ctx->operands.n_items > 3)
                return complain(
                        ctx, EXIT_USAGE,
                        "record put: give a kind and, where it has one, a label: profile (its "
                        "payload is a name for people), or name LABEL");
        buffer_init(&payload, RECORD_PAYLOAD_MAX);
        code = take_payload(ctx, &payload);
        if (code)
                return code;
        request.kind = (char *) ctx->operands.items[1];
        request.label = (char *) (ctx->operands.n_items == 3 ? ctx->operands.items[2] : "");
        request.payload = people_data(buffer_bytes(&payload));
        request.ttl_ms = o->ttl / NSEC_PER_MSEC;
        code = ctl_call(ctx, &t, "Put", &request, &u);
        if (code == EXIT_OK)
                show_put(ctx, u.message);
        return code;
}

static int record_rm(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer name = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        int code;

        buffer_init(&name, 512);
        code = take_name(ctx, "rm", &name);
        if (code)
                return code;
        request.name = people_data(buffer_bytes(&name));
        return people_done(ctx, ctl_call(ctx, &discovery_withdraw, "Unput", &request, &u),
                           "no longer published; copies on the network expire by themselves");
}

static int list_page(const struct command_context *ctx, struct table *t, struct buffer *after,
                     uint32_t *inside, bool *ret_more) {
        const struct record_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__ListRequest request = DHT__LIST_REQUEST__INIT;
        const Dht__ListReply *reply;
        int code;

        request.foreign = o->foreign;
        request.max = PAGE;
        request.after = people_data(buffer_bytes(after));
        request.inside = *inside;
        code = ctl_call(ctx, &discovery_records, "List", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_records; i++)
                if (ctx->common.json)
                        record_view_json(reply->records[i]);
                else
                        record_view_cells(ctx, t, reply->records[i]);
        *ret_more = reply->truncated && reply->n_records > 0;
        *inside = reply->inside;
        buffer_clear(after);
        if (*ret_more)
                buffer_put_bytes(after, people_bytes(reply->records[reply->n_records - 1]->name));
        return EXIT_OK;
}

static int record_list(const struct command_context *ctx) {
        const struct record_options *o = ctx->options;
        CLEANUP(buffer_donep) struct buffer after = {};
        CLEANUP(table_donep) struct table t = {};
        uint32_t inside = 0;
        bool more = true;
        int code = EXIT_OK;

        if (ctx->operands.n_items > 1)
                return complain(ctx, EXIT_USAGE, "record list: takes no operands; see --help");
        buffer_init(&after, 4096);
        table_init(&t, record_view_columns);
        for (unsigned i = 0; i < PAGES_MAX && more && code == EXIT_OK; i++)
                code = list_page(ctx, &t, &after, &inside, &more);
        table_show(ctx, &t);
        if (code == EXIT_OK && t.n_cells == 0 && !ctx->common.json)
                puts(o->foreign ? "no records of others"
                                : "no records of this node; its profile and endpoint come a few "
                                  "seconds after the first peer is known");
        return code;
}

static const struct {
        const char *name;
        int (*run)(const struct command_context *ctx);
} record_verbs[] = {
        { "get", record_get },
        { "put", record_put },
        { "list", record_list },
        { "rm", record_rm },
};

static int run(const struct command_context *ctx) {
        for (size_t i = 0; i < ELEMENTSOF(record_verbs) && ctx->operands.n_items > 0; i++)
                if (strcmp(ctx->operands.items[0], record_verbs[i].name) == 0)
                        return record_verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE, "record: say get NAME, put KIND [LABEL], list or rm NAME");
}

const struct command command_record = {
        .name = "record",
        .usage = "record get NAME | put KIND [LABEL] | list | rm NAME",
        .summary = "Read, publish, list and withdraw signed records in the DHT",
        .details = "names to get and rm            what stands there\n"
                   "  /endpoint/PEER               where it is\n"
                   "  /profile/PEER                its key for letters, and a name for people\n"
                   "  /name/PEER/LABEL             a dataset root\n"
                   "  /topic/LABEL                 who announces it, and what it says\n"
                   "  /{rotation,revocation,pk}/PEER  what its key's owner said; the key\n"
                   "kinds to put (for this node)   the payload              lives at most\n"
                   "  profile                      a name of at most 64 bytes          48h\n"
                   "  name LABEL                   a dataset root: 32 bytes            48h\n"
                   "  topic LABEL                  at most 512 bytes                   24h\n"
                   "  endpoint                     1 to 8 multiaddrs, 2048 bytes       48h\n",
        .example = "quorate record put name sales --hex $(cat root.hex)",
        .options = record_table,
        .options_size = sizeof(struct record_options),
        .defaults = &record_defaults,
        .run = run,
};
