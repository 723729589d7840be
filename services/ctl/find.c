/* quorate find: where one peer is, by this node's DHT. */

#include <time.h>

#include "common/base/text.h"
#include "common/canonical/keychange.h"
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

/* What its key's owner said about it; verified here, whoever brought it. */
struct change {
        bool is_revoked, is_rotated;
        int64_t at_us; /* of the rotation */
        struct peer_id successor;
};

/* The statement of that kind, if somebody has it. */
static bool ask_change(const struct command_context *ctx, const char *ns,
                       const struct peer_id *peer, struct keychange *ret) {
        const struct find_options *o = ctx->options;
        struct call_target t = discovery_within(&discovery_records, o->timeout);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Dht__GetRequest request = DHT__GET_REQUEST__INIT;
        char name[PEER_ID_TEXT_SIZE + 32], text[PEER_ID_TEXT_SIZE], why[256];
        struct keychange_parts parts;
        const Dht__GetReply *m;

        (void) snprintf(name, sizeof(name), "/%s/%s", ns, peer_id_text(peer, text));
        request.name = people_data(BYTES_STR(name));
        request.timeout_ms = discovery_ms(o->timeout);
        if (ctl_try(ctx, &t, "Get", &request, &u, why))
                return false;
        m = u.message;
        if (m->n_records == 0 ||
            keychange_split(people_bytes(m->records[0]->value), &parts) != KEYCHANGE_OK ||
            !peer_id_equal(&parts.fields.peer, peer) || !keychange_verify(&parts, NULL, NULL))
                return false;
        *ret = parts.fields;
        return true;
}

static void look_for_change(const struct command_context *ctx, const struct peer_id *peer,
                            struct change *ret) {
        struct keychange c;

        *ret = (struct change){};
        if (ask_change(ctx, "revocation", peer, &c))
                ret->is_revoked = c.kind == KEYCHANGE_REVOCATION;
        if (!ask_change(ctx, "rotation", peer, &c) || c.kind != KEYCHANGE_ROTATION)
                return;
        ret->is_rotated = true;
        ret->at_us = c.created_us;
        ret->successor = c.successor;
}

static void change_json(const struct change *c, bool *first) {
        char text[PEER_ID_TEXT_SIZE];

        if (c->is_revoked)
                json_member_bool(stdout, "revoked", true, first);
        if (!c->is_rotated)
                return;
        json_member_string(stdout, "rotated_to", peer_id_text(&c->successor, text), first);
        json_member_u64(stdout, "rotated_at_us", (uint64_t) c->at_us, first);
}

static void change_text(const struct change *c) {
        char text[PEER_ID_TEXT_SIZE], date[32] = "";
        time_t at = (time_t) (c->at_us / 1000000);
        struct tm tm;

        if (c->is_revoked)
                puts("revoked   by its owner: nothing signed with this key counts any more");
        if (!c->is_rotated)
                return;
        if (gmtime_r(&at, &tm))
                (void) strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
        printf("rotated   to %s, %s; both keys signed that%s\n", peer_id_text(&c->successor, text),
               date,
               c->is_revoked ? ", but the old one is revoked: ask its owner before you believe it"
                             : "");
}

/* Nothing but a statement: where it is now does not matter any more. */
static void show_change(const struct command_context *ctx, const struct change *c,
                        const char *peer) {
        bool first = true;

        if (!ctx->common.json) {
                printf("peer      %s\n", peer);
                change_text(c);
                return;
        }
        fputc('{', stdout);
        json_member_string(stdout, "peer", peer, &first);
        change_json(c, &first);
        fputs("}\n", stdout);
}

static void show_json(const Dht__FindPeerReply *m, const struct change *c) {
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", m->contact->peer, &first);
        json_member_string(stdout, "source", m->source, &first);
        json_member_bool(stdout, "verified", !m->contact->hint, &first);
        people_json_addresses("addresses", m->contact->addresses, m->contact->n_addresses, &first);
        change_json(c, &first);
        fputs("}\n", stdout);
}

static void show_text(const Dht__FindPeerReply *m, const struct change *c) {
        char text[MULTIADDR_TEXT_SIZE], source[32];

        printf("peer      %s\n", people_peer(m->contact->peer, text));
        change_text(c);
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
        struct change change;
        int code = EXIT_OK;

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE,
                                "find: give one peer id (12D3KooW…; `quorate peers -v` lists "
                                "them)");
        if (!people_peer_operand(ctx, "find", ctx->operands.items[0], &id))
                return EXIT_USAGE;
        request.peer = people_data(peer_id_bytes(&id));
        request.timeout_ms = discovery_ms(o->timeout);
        look_for_change(ctx, &id, &change);
        if (change.is_revoked || change.is_rotated) {
                char text[PEER_ID_TEXT_SIZE], why[256];

                /* The old key may be gone: its statement is the answer. */
                if (ctl_try(ctx, &t, "FindPeer", &request, &u, why)) {
                        show_change(ctx, &change, peer_id_text(&id, text));
                        return EXIT_OK;
                }
        } else {
                code = ctl_call(ctx, &t, "FindPeer", &request, &u);
        }
        if (code)
                return code;
        reply = u.message;
        if (!reply->contact)
                return complain(ctx, EXIT_OTHER,
                                "dht named no contact; look with `quorate doctor`");
        if (ctx->common.json)
                show_json(reply, &change);
        else
                show_text(reply, &change);
        return EXIT_OK;
}

const struct command command_find = {
        .name = "find",
        .usage = "find PEER [--timeout TIME]",
        .summary = "Find where a peer is, who says so, and whether its key was rotated or revoked",
        .example = "quorate find 12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7",
        .options = find_table,
        .options_size = sizeof(struct find_options),
        .defaults = &find_defaults,
        .run = run,
};
