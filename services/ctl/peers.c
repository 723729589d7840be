/* quorate peers and quorate why: who is there, and what happened with one of them. */

#include <inttypes.h>
#include <string.h>

#include "common/base/text.h"
#include "common/wire/peerid.h"
#include "proto/coordinator.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/caller.h"
#include "services/ctl/colour.h"
#include "services/ctl/json.h"

static const struct call_target target = { "transport/peers", &transport__peers__descriptor, 0 };
static const struct call_target hosts = { "coordinator/admin", &coordinator__admin__descriptor,
                                          2 * NSEC_PER_SEC };

static const char *id_text(ProtobufCBinaryData peer, char ret[PEER_ID_TEXT_SIZE]) {
        struct peer_id id;

        if (!peer_id_parse(BYTES(peer.data, peer.len), &id))
                return strcpy(ret, "?");
        return peer_id_text(&id, ret);
}

static void peer_json(const Transport__Peer *p) {
        char id[PEER_ID_TEXT_SIZE];
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "peer", id_text(p->peer, id), &first);
        json_member_string(stdout, "state", p->state, &first);
        json_member_bool(stdout, "connected", p->connected, &first);
        json_member_bool(stdout, "inbound", p->inbound, &first);
        json_member_string(stdout, "address", p->address, &first);
        json_member_string(stdout, "agent", p->agent, &first);
        json_member_ms(stdout, "rtt_ms", p->rtt_us, &first);
        json_member_u64(stdout, "streams", p->streams, &first);
        json_member_u64(stdout, "bytes_in", p->bytes_in, &first);
        json_member_u64(stdout, "bytes_out", p->bytes_out, &first);
        json_key(stdout, "protocols", &first);
        for (size_t i = 0; i < p->n_protocols; i++) {
                fputc(i ? ',' : '[', stdout);
                json_string(stdout, p->protocols[i]);
        }
        fputs(p->n_protocols ? "]" : "[]", stdout);
        fputs("}\n", stdout);
}

static void peer_text(const struct command_context *ctx, const Transport__Peer *p) {
        char id[PEER_ID_TEXT_SIZE], state[32], address[64];

        printf("%-52s  %s%-16s%s %7.2f ms  %-3s  %s\n", id_text(p->peer, id),
               colour_begin(ctx, stdout, p->state),
               text_escape(BYTES_STR(p->state), state, sizeof(state)),
               colour_end(ctx, stdout, p->state), (double) p->rtt_us / 1000,
               p->inbound ? "in" : "out",
               text_escape(BYTES_STR(p->address), address, sizeof(address)));
}

struct peers_options {
        bool all;
};
static const struct option peers_table[] = {
        { OPTION_FLAG, 'a', "all", offsetof(struct peers_options, all), NULL,
          "also those known but not connected" },
        {},
};

static int run_peers(const struct command_context *ctx) {
        const struct peers_options *o = ctx->options;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Transport__ListRequest request = TRANSPORT__LIST_REQUEST__INIT;
        const Transport__ListReply *reply;
        int code;

        request.known = o->all;
        code = ctl_call(ctx, &target, "List", &request, &u);
        if (code)
                return code;
        reply = u.message;
        for (size_t i = 0; i < reply->n_peers; i++)
                if (ctx->common.json)
                        peer_json(reply->peers[i]);
                else
                        peer_text(ctx, reply->peers[i]);
        if (reply->n_peers == 0 && !ctx->common.json)
                puts("no peers; name one with `bootstrap =` in [transport] of the configuration");
        if (reply->truncated && !ctx->common.json)
                puts("… and more");
        return EXIT_OK;
}

static void attempt_json(const Transport__Attempt *a, bool *first_of_all) {
        bool first = true;

        fputs(*first_of_all ? "{" : ",{", stdout);
        *first_of_all = false;
        json_member_u64(stdout, "age_ms", a->age_ms, &first);
        json_member_ms(stdout, "took_ms", a->took_us, &first);
        json_member_string(stdout, "direction", a->direction, &first);
        json_member_string(stdout, "address", a->address, &first);
        json_member_string(stdout, "outcome", a->outcome, &first);
        fputc('}', stdout);
}

static void host_json(const Coordinator__PeerReply *host, bool *first) {
        char trust[32];

        json_member_string(stdout, "origin", host->origin, first);
        json_member_bool(stdout, "denied", host->denied, first);
        json_member_bool(stdout, "known", host->known, first);
        (void) snprintf(trust, sizeof(trust), "%.3f", host->trust);
        json_member_string(stdout, "trust", trust, first);
}

static void host_text(const Coordinator__PeerReply *host) {
        printf("  host     %s%s%s, own trust %.2f%s\n", *host->origin ? "named by " : "",
               *host->origin ? host->origin : "not one this node would ask",
               host->denied ? ", denied" : "", host->trust, host->known ? "" : " (on probation)");
}

/* NULL: no coordinator to ask; transport alone has an answer too. */
static const Coordinator__PeerReply *ask_host(const struct command_context *ctx,
                                              ProtobufCBinaryData peer, struct unpacked *u) {
        Coordinator__PeerRef request = COORDINATOR__PEER_REF__INIT;
        char why[256];

        request.peer = peer;
        return ctl_try(ctx, &hosts, "Peer", &request, u, why) ? NULL : u->message;
}

static void why_json(const Transport__WhyReply *reply, const Coordinator__PeerReply *host) {
        bool first = true, none = true;

        fputc('{', stdout);
        json_member_string(stdout, "state", reply->peer ? reply->peer->state : "", &first);
        if (host)
                host_json(host, &first);
        json_key(stdout, "attempts", &first);
        fputc('[', stdout);
        for (size_t i = 0; i < reply->n_attempts; i++)
                attempt_json(reply->attempts[i], &none);
        fputs("]}\n", stdout);
}

static void why_text(const struct command_context *ctx, const Transport__WhyReply *reply,
                     const Coordinator__PeerReply *host) {
        char text[200];

        if (reply->peer)
                peer_text(ctx, reply->peer);
        if (host)
                host_text(host);
        for (size_t i = 0; i < reply->n_addresses; i++)
                printf("  address  %s\n",
                       text_escape(BYTES_STR(reply->addresses[i]), text, sizeof(text)));
        for (size_t i = 0; i < reply->n_attempts; i++) {
                const Transport__Attempt *a = reply->attempts[i];

                printf("  %8.1f s ago  %-3s  %8.1f ms  %s\n", (double) a->age_ms / 1000,
                       a->direction, (double) a->took_us / 1000,
                       text_escape(BYTES_STR(a->outcome), text, sizeof(text)));
        }
        if (reply->n_attempts == 0)
                puts("  nothing was tried yet");
}

static int run_why(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {}, about = {};
        const Coordinator__PeerReply *host;
        Transport__WhyRequest request = TRANSPORT__WHY_REQUEST__INIT;
        struct peer_id id;
        int code;

        if (ctx->operands.n_items != 1 ||
            !peer_id_from_text(BYTES_STR(ctx->operands.items[0]), &id))
                return complain(ctx, EXIT_USAGE,
                                "why: give one peer id (12D3KooW…; `quorate peers -a` lists them)");
        request.peer = (ProtobufCBinaryData){ id.len, id.bytes };
        code = ctl_call(ctx, &target, "Why", &request, &u);
        if (code)
                return code;
        host = ask_host(ctx, request.peer, &about);
        if (ctx->common.json)
                why_json(u.message, host);
        else
                why_text(ctx, u.message, host);
        return EXIT_OK;
}

const struct command command_peers = {
        .name = "peers",
        .usage = "peers [--all]",
        .summary = "List the peers this node is connected to",
        .example = "quorate peers --all --json",
        .options = peers_table,
        .options_size = sizeof(struct peers_options),
        .run = run_peers,
};

const struct command command_why = {
        .name = "why",
        .usage = "why PEER",
        .summary = "Say what was tried with one peer and how it ended",
        .example = "quorate why 12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7",
        .run = run_why,
};
