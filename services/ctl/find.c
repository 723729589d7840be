/* quorate find: where one peer is, by this node's DHT. */

#include "common/base/text.h"
#include "common/wire/multiaddr.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

struct find_options {
        nsec_t timeout;
};
static const struct option find_table[] = {
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct find_options, timeout), "TIME",
          "for the whole lookup [30s]" },
        {},
};
static const struct find_options find_defaults = { .timeout = 30 * NSEC_PER_SEC };

static void show_json(const Dht__FindPeerReply *m) {
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", m->contact->peer, &first);
        json_member_string(stdout, "source", m->source, &first);
        json_member_bool(stdout, "verified", !m->contact->hint, &first);
        people_json_addresses("addresses", m->contact->addresses, m->contact->n_addresses, &first);
        fputs("}\n", stdout);
}

static void show_text(const Dht__FindPeerReply *m) {
        char text[MULTIADDR_TEXT_SIZE], source[32];

        printf("peer      %s\n", people_peer(m->contact->peer, text));
        printf("source    %s\n", text_escape(BYTES_STR(m->source), source, sizeof(source)));
        printf("verified  %s\n", m->contact->hint ? "no, others say so: it never answered this node"
                                                  : "yes, it answered this node");
        for (size_t i = 0; i < m->contact->n_addresses; i++)
                printf("address   %s\n", people_address(m->contact->addresses[i], text));
        if (m->contact->n_addresses == 0)
                puts("address   none known");
}

static int run(const struct command_context *ctx) {
        const struct find_options *o = ctx->options;
        struct call_target t = discovery_within(&discovery_lookup, o->timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__FindPeerRequest request = DHT__FIND_PEER_REQUEST__INIT;
        const Dht__FindPeerReply *reply;
        struct peer_id id;
        int code;

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE,
                                "find: give one peer id (12D3KooW…; `quorate peers -v` lists "
                                "them)");
        if (!people_peer_operand(ctx, "find", ctx->operands.items[0], &id))
                return EXIT_USAGE;
        request.peer = people_data(peer_id_bytes(&id));
        request.timeout_ms = discovery_ms(o->timeout);
        code = ctl_call(ctx, &t, "FindPeer", &request, &u);
        if (code)
                return code;
        reply = u.message;
        if (!reply->contact)
                return complain(ctx, EXIT_OTHER,
                                "dht named no contact; look with `quorate doctor`");
        if (ctx->common.json)
                show_json(reply);
        else
                show_text(reply);
        return EXIT_OK;
}

const struct command command_find = {
        .name = "find",
        .usage = "find PEER [--timeout TIME]",
        .summary = "Find where a peer is: its addresses, who says so, whether it answered",
        .example = "quorate find 12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7",
        .options = find_table,
        .options_size = sizeof(struct find_options),
        .defaults = &find_defaults,
        .run = run,
};
