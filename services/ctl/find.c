/* quorate find: where one peer is, by this node's DHT. */

#include <time.h>

#include "common/base/text.h"
#include "common/canonical/keychange.h"
#include "common/daemon/rpc.h"
#include "common/wire/multiaddr.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

struct find_options {
        nsec_t timeout;
};
static const struct option find_table[] = {
        { OPTION_TIMEOUT, 't', "timeout", offsetof(struct find_options, timeout), "TIME",
          "for all that is looked up [30s]" },
        {},
};
static const struct find_options find_defaults = { .timeout = 30 * NSEC_PER_SEC };

/* What its key's owner said about it; verified here, whoever brought it. */
struct change {
        bool is_revoked, is_rotated;
        int64_t at_us; /* of the rotation */
        struct peer_id successor;
};

/* All that is asked, at the same time: where it is, and for statements of its key's owner. */
enum { FIND_PEER = 0, FIND_REVOCATION, FIND_ROTATION, FIND_N };

struct finding_out {
        struct ctl_question questions[FIND_N];
        struct unpacked replies[FIND_N];
};

static void finding_out_done(struct finding_out *f) {
        for (size_t i = 0; i < FIND_N; i++)
                unpacked_done(&f->replies[i]);
}

static void ask_all(const struct command_context *ctx, const struct peer_id *peer,
                    struct finding_out *ret) {
        const struct find_options *o = ctx->options;
        const struct call_target lookup = discovery_within(&discovery_lookup, o->timeout);
        const struct call_target records = discovery_within(&discovery_records, o->timeout);
        char id[PEER_ID_TEXT_SIZE], revocation[PEER_ID_TEXT_SIZE + 32],
                rotation[PEER_ID_TEXT_SIZE + 32];
        Dht__FindPeerRequest where = DHT__FIND_PEER_REQUEST__INIT;
        Dht__GetRequest revoked = DHT__GET_REQUEST__INIT, rotated = DHT__GET_REQUEST__INIT;

        (void) peer_id_text(peer, id);
        (void) snprintf(revocation, sizeof(revocation), "/revocation/%s", id);
        (void) snprintf(rotation, sizeof(rotation), "/rotation/%s", id);
        where.peer = people_data(peer_id_bytes(peer));
        revoked.name = people_data(BYTES_STR(revocation));
        rotated.name = people_data(BYTES_STR(rotation));
        where.timeout_ms = revoked.timeout_ms = rotated.timeout_ms = discovery_ms(o->timeout);
        ret->questions[FIND_PEER] =
                (struct ctl_question){ &lookup, "FindPeer", &where, &ret->replies[FIND_PEER] };
        ret->questions[FIND_REVOCATION] =
                (struct ctl_question){ &records, "Get", &revoked, &ret->replies[FIND_REVOCATION] };
        ret->questions[FIND_ROTATION] =
                (struct ctl_question){ &records, "Get", &rotated, &ret->replies[FIND_ROTATION] };
        ctl_try_all(ctx, ret->questions, FIND_N);
}

/* The statement of that kind, if somebody has it. */
static bool read_change(const struct unpacked *u, enum keychange_kind kind,
                        const struct peer_id *peer, struct keychange *ret) {
        const Dht__GetReply *m = u->message;
        struct keychange_parts parts;

        if (!m || m->n_records == 0 ||
            keychange_split(people_bytes(m->records[0]->value), &parts) != KEYCHANGE_OK ||
            parts.fields.kind != kind || !peer_id_equal(&parts.fields.peer, peer) ||
            !keychange_verify(&parts, NULL, NULL))
                return false;
        *ret = parts.fields;
        return true;
}

static void look_for_change(const struct finding_out *f, const struct peer_id *peer,
                            struct change *ret) {
        struct keychange c;

        *ret = (struct change){};
        ret->is_revoked = read_change(&f->replies[FIND_REVOCATION], KEYCHANGE_REVOCATION, peer, &c);
        if (!read_change(&f->replies[FIND_ROTATION], KEYCHANGE_ROTATION, peer, &c))
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

/* Who stands here asked about himself: the DHT of this node knows all others. */
static bool is_own(const struct command_context *ctx, const struct peer_id *id) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        char why[256];

        return ctl_try(ctx, &discovery_links, "Status", &empty, &u, why) == 0 &&
               bytes_equal(people_bytes(((const Transport__StatusReply *) u.message)->peer),
                           peer_id_bytes(id));
}

static int show_nowhere(const struct command_context *ctx, const struct finding_out *f,
                        const struct peer_id *id) {
        const struct ctl_question *q = &f->questions[FIND_PEER];

        if (q->code < RPC_E_TIMEOUT && is_own(ctx, id))
                return complain(ctx, EXIT_OTHER,
                                "find: that is this node; `quorate status` says where it listens, "
                                "`quorate record get /endpoint/%s` what others are told",
                                ctx->operands.items[0]);
        return complain(ctx, EXIT_OTHER, "%s", q->why);
}

static int run(const struct command_context *ctx) {
        CLEANUP(finding_out_done) struct finding_out f = {};
        const Dht__FindPeerReply *reply;
        struct peer_id id;
        struct change change;
        char text[PEER_ID_TEXT_SIZE];

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE,
                                "find: give one peer id (12D3KooW…; `quorate peers -v` lists "
                                "them)");
        if (!people_peer_operand(ctx, "find", ctx->operands.items[0], &id))
                return EXIT_USAGE;
        ask_all(ctx, &id, &f);
        look_for_change(&f, &id, &change);
        reply = f.replies[FIND_PEER].message;
        if (!reply && (change.is_revoked || change.is_rotated)) {
                /* The old key may be gone: its statement is the answer. */
                show_change(ctx, &change, peer_id_text(&id, text));
                return EXIT_OK;
        }
        if (!reply)
                return show_nowhere(ctx, &f, &id);
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
