/* quorate block, unblock and blocklist: whom this node has nothing to do with. */

#include "common/base/text.h"
#include "services/ctl/colour.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/table.h"

#define REASON_MAX 200 /* bytes */

struct block_options {
        const char *reason;
        nsec_t duration;
};
static const struct option block_table[] = {
        { OPTION_STRING, 0, "reason", offsetof(struct block_options, reason), "TEXT",
          "for people: shown by blocklist and why" },
        { OPTION_TIMEOUT, 0, "for", offsetof(struct block_options, duration), "TIME",
          "lifted by itself after it [never]" },
        {},
};

static bool take_peer(const struct command_context *ctx, const char *verb, struct peer_id *ret) {
        if (ctx->operands.n_items == 1)
                return people_peer_operand(ctx, verb, ctx->operands.items[0], ret);
        (void) complain(ctx, EXIT_USAGE,
                        "%s: give one peer id (12D3KooW…; `quorate peers -v` lists them)", verb);
        return false;
}

static int run_block(const struct command_context *ctx) {
        const struct block_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Gossip__BlockRequest request = GOSSIP__BLOCK_REQUEST__INIT;
        struct peer_id id;

        if (!take_peer(ctx, "block", &id))
                return EXIT_USAGE;
        if (o->reason && (strlen(o->reason) > REASON_MAX || !utf8_is_valid(BYTES_STR(o->reason))))
                return complain(ctx, EXIT_USAGE, "block: --reason: give at most %d bytes of UTF-8",
                                REASON_MAX);
        request.peer = people_data(peer_id_bytes(&id));
        request.reason = (char *) (o->reason ? o->reason : "");
        request.for_ms = o->duration / NSEC_PER_MSEC;
        return people_done(ctx, ctl_call(ctx, &discovery_reputation, "Block", &request, &u),
                           "blocked, at once and in all services; `quorate unblock` lifts it");
}

static int run_unblock(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Gossip__BlockRequest request = GOSSIP__BLOCK_REQUEST__INIT;
        struct peer_id id;

        if (!take_peer(ctx, "unblock", &id))
                return EXIT_USAGE;
        request.peer = people_data(peer_id_bytes(&id));
        return people_done(ctx, ctl_call(ctx, &discovery_reputation, "Unblock", &request, &u),
                           "no longer blocked");
}

static void blocked_json(const Gossip__Blocked *b) {
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", b->peer, &first);
        json_member_string(stdout, "reason", b->reason, &first);
        json_member_u64(stdout, "since_ms", b->since_ms, &first);
        json_member_u64(stdout, "left_ms", b->left_ms, &first);
        fputs("}\n", stdout);
}

static void blocked_cells(struct table *t, const Gossip__Blocked *b) {
        char text[PEER_ID_TEXT_SIZE], age[PEOPLE_AGE_SIZE];

        table_cell(t, "%s", people_peer(b->peer, text)); /* whole: for unblock */
        table_cell(t, "%s", people_age(b->since_ms, age));
        table_cell(t, "%s", b->left_ms ? people_age(b->left_ms, age) : "for good");
        table_foreign(t, *b->reason ? b->reason : "-");
}

static int run_blocklist(const struct command_context *ctx) {
        static const struct table_column columns[] = {
                { "PEER" }, { "SINCE", .right = true }, { "LEFT", .right = true }, { "REASON" }, {},
        };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(table_donep) struct table t = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        const Gossip__BlocklistReply *reply;
        int code;

        if (ctx->operands.n_items > 0)
                return complain(ctx, EXIT_USAGE, "blocklist: takes no operands; see --help");
        code = ctl_call(ctx, &discovery_reputation, "Blocklist", &empty, &u);
        if (code)
                return code;
        reply = u.message;
        table_init(&t, columns);
        for (size_t i = 0; i < reply->n_peers; i++)
                if (ctx->common.json)
                        blocked_json(reply->peers[i]);
                else
                        blocked_cells(&t, reply->peers[i]);
        table_show(ctx, &t);
        if (reply->n_peers == 0 && !ctx->common.json)
                puts("nobody is blocked");
        return EXIT_OK;
}

const struct command command_block = {
        .name = "block",
        .usage = "block PEER [--reason TEXT] [--for TIME]",
        .summary = "Have nothing more to do with a peer: nothing it runs, says or publishes",
        .example = "quorate block --for 7d --reason 'wrong answers' 12D3KooW…",
        .options = block_table,
        .options_size = sizeof(struct block_options),
        .run = run_block,
};
const struct command command_unblock = {
        .name = "unblock",
        .usage = "unblock PEER",
        .summary = "Lift a block",
        .example = "quorate unblock 12D3KooW…",
        .run = run_unblock,
};
const struct command command_blocklist = {
        .name = "blocklist",
        .usage = "blocklist",
        .summary = "List the peers that are blocked, why, and for how long",
        .example = "quorate blocklist --json",
        .run = run_blocklist,
};
