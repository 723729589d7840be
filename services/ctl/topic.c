/* quorate topic: many publishers under one name of the DHT. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/input_file.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/record_view.h"
#include "services/ctl/topic_names.h"

#define TOPIC_MAX         TOPIC_NAME_MAX
#define TOPIC_PAYLOAD_MAX 512

struct topic_options {
        const char *file, *secret;
        uint64_t limit;
        nsec_t timeout;
};
static const struct option topic_table[] = {
        { OPTION_STRING, 0, "file", offsetof(struct topic_options, file), "FILE",
          "what others read; -: standard input", "announce" },
        { OPTION_STRING, 0, "topic-secret", offsetof(struct topic_options, secret), "FILE",
          "under this hour's name" },
        { OPTION_COUNT, 'n', "limit", offsetof(struct topic_options, limit), "N", "at most [128]",
          "find" },
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct topic_options, timeout), "TIME",
          "for the lookup [30s]" },
        {},
};
static const struct topic_options topic_defaults = { .limit = 128, .timeout = 30 * NSEC_PER_SEC };

static int announce(const struct command_context *ctx, const char *name, bool on,
                    struct unpacked *ret) {
        const struct topic_options *o = ctx->options;
        struct call_target t =
                discovery_within(on ? &discovery_records : &discovery_withdraw, o->timeout);
        CLEANUP(buffer_donep) struct buffer payload = {};
        Dht__AnnounceRequest request = DHT__ANNOUNCE_REQUEST__INIT;
        int code = EXIT_OK;

        buffer_init(&payload, TOPIC_PAYLOAD_MAX);
        if (on && o->file)
                code = input_file_read(ctx, "topic announce", o->file, &payload);
        if (code)
                return code;
        request.topic = (char *) name;
        request.payload = people_data(buffer_bytes(&payload));
        request.on = on;
        return ctl_call(ctx, &t, "Announce", &request, ret);
}

static int names_of(const struct command_context *ctx, const char *verb, struct topic_names *ret) {
        const struct topic_options *o = ctx->options;

        return topic_names_of(ctx, verb, ctx->operands.items[1], o->secret, ret);
}

static int topic_announce(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Dht__PutReply *m;
        struct topic_names names;
        int code = names_of(ctx, "topic announce", &names);

        if (code == EXIT_OK)
                code = announce(ctx, names.list[names.n / 2], true, &u);
        if (code)
                return code;
        m = u.message;
        if (ctx->common.json)
                printf("{\"ok\":true,\"stored\":%u,\"asked\":%u}\n", m->stored, m->asked);
        else
                printf("announced, stored by %u of %u peers asked; %s\n", m->stored, m->asked,
                       names.n > 1 ? "for this hour: say it again in the next"
                                   : "again until `quorate topic withdraw`");
        return EXIT_OK;
}

static bool try_withdraw(const struct command_context *ctx, const char *name) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__AnnounceRequest request = DHT__ANNOUNCE_REQUEST__INIT;
        char why[256];

        request.topic = (char *) name;
        return ctl_try(ctx, &discovery_records, "Announce", &request, &u, why) == 0;
}

static int topic_withdraw(const struct command_context *ctx) {
        struct topic_names names;
        bool ended = false;
        int code = names_of(ctx, "topic withdraw", &names);

        for (size_t i = 0; i < names.n && code == EXIT_OK; i++) {
                CLEANUP(unpacked_donep) struct unpacked u = {};

                /* of the hours around it was announced in one or two */
                if (names.n > 1)
                        ended |= try_withdraw(ctx, names.list[i]);
                else
                        code = announce(ctx, names.list[i], false, &u);
        }
        if (code == EXIT_OK && names.n > 1 && !ended)
                return complain(ctx, EXIT_OTHER,
                                "topic withdraw: it was not announced this hour "
                                "or the one before; older names expire by "
                                "themselves");
        return people_done(ctx, code,
                           "no longer announced; copies on the network expire by themselves");
}

static const struct table_column columns[] = {
        { "PEER" },
        { "AGE", .right = true },
        { "EXPIRES", .right = true },
        { "COPIES", .right = true },
        { "SAYS", .widest = 60 },
        {},
};

static void announcer_cells(const struct command_context *ctx, struct table *t,
                            const Dht__Record *r) {
        char id[PEER_ID_TEXT_SIZE], shown[PEOPLE_SHORT_SIZE], age[PEOPLE_AGE_SIZE], text[256];

        table_cell(t, "%s",
                   ctx->common.verbose ? people_peer(r->publisher, id)
                                       : people_short(r->publisher, shown));
        table_cell(t, "%s", people_age(r->age_ms, age));
        table_cell(t, "%s", people_age(r->expires_ms, age));
        table_cell(t, "%u", r->copies);
        table_cell(t, "%s", people_text(people_bytes(r->payload), text, sizeof(text)));
}

static int topic_find(const struct command_context *ctx) {
        const struct topic_options *o = ctx->options;
        struct call_target target = discovery_within(&discovery_records, o->timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(table_donep) struct table t = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        const Dht__GetReply *reply;
        char name[TOPIC_MAX + 16];
        int code;

        (void) snprintf(name, sizeof(name), "/topic/%s", ctx->operands.items[1]);
        request.name = people_data(BYTES_STR(name));
        request.timeout_ms = discovery_ms(o->timeout);
        request.max = o->limit < UINT32_MAX ? (uint32_t) o->limit : UINT32_MAX;
        code = ctl_call(ctx, &target, "FindTopic", &request, &u);
        if (code)
                return code;
        reply = u.message;
        table_init(&t, columns);
        for (size_t i = 0; i < reply->n_records; i++)
                if (ctx->common.json)
                        record_view_json(reply->records[i]);
                else
                        announcer_cells(ctx, &t, reply->records[i]);
        table_show(ctx, &t);
        if (reply->n_records == 0 && !ctx->common.json)
                printf("nobody announces it; %u peers were asked\n", reply->asked);
        return EXIT_OK;
}

static const struct {
        const char *name;
        int (*run)(const struct command_context *ctx);
} topic_verbs[] = {
        { "announce", topic_announce },
        { "find", topic_find },
        { "withdraw", topic_withdraw },
};

static int run(const struct command_context *ctx) {
        const struct operands *a = &ctx->operands;

        if (a->n_items != 2)
                return complain(ctx, EXIT_USAGE,
                                "topic: say announce TOPIC, find TOPIC or withdraw TOPIC");
        if (!topic_is_name(a->items[1]))
                return complain(ctx, EXIT_USAGE,
                                "topic: give a topic of 1 to %d bytes of UTF-8 without control "
                                "characters",
                                TOPIC_MAX);
        if (((const struct topic_options *) ctx->options)->secret &&
            strcmp(a->items[0], "find") == 0)
                return complain(ctx, EXIT_USAGE,
                                "topic find: with a secret say `quorate peers --topic %s "
                                "--topic-secret FILE`: it asks for the hours around as well",
                                a->items[1]);
        for (size_t i = 0; i < ELEMENTSOF(topic_verbs); i++)
                if (strcmp(a->items[0], topic_verbs[i].name) == 0)
                        return topic_verbs[i].run(ctx);
        return complain(ctx, EXIT_USAGE, "topic: say announce, find or withdraw, not '%s'",
                        a->items[0]);
}

const struct command command_topic = {
        .name = "topic",
        .usage = "topic announce TOPIC | find TOPIC | withdraw TOPIC",
        .summary = "Say that this node takes part in something, and find who else does",
        .example = "quorate topic find chess",
        .options = topic_table,
        .options_size = sizeof(struct topic_options),
        .defaults = &topic_defaults,
        .run = run,
};
