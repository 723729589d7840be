/* quorate why: what was tried with one peer, how it does, and where it was learnt from. */

#include "common/base/text.h"
#include "proto/coordinator.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/colour.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

#define LOOK_UP    (2 * NSEC_PER_SEC)
#define PAGE       200
#define PAGES_MAX  100
#define GOOD_CHARS 200

/* What each service says of it; a message is NULL where that service says nothing. */
struct known {
        struct unpacked link, found, heard, blocked, host;
        const Gossip__Presence *presence;
        const Gossip__Blocked *block;
        char found_why[256]; /* why dht found nothing */
};

static void known_done(struct known *k) {
        unpacked_done(&k->link);
        unpacked_done(&k->found);
        unpacked_done(&k->heard);
        unpacked_done(&k->blocked);
        unpacked_done(&k->host);
}

static bool is_peer(ProtobufCBinaryData v, const struct peer_id *id) {
        return bytes_equal(people_bytes(v), peer_id_bytes(id));
}

/* ---- asking ---- */

static void look_up(const struct command_context *ctx, const struct peer_id *id, struct known *k) {
        struct call_target t = discovery_within(&discovery_lookup, LOOK_UP);
        Dht__FindPeerRequest request = DHT__FIND_PEER_REQUEST__INIT;

        request.peer = people_data(peer_id_bytes(id));
        request.timeout_ms = discovery_ms(LOOK_UP);
        (void) strcpy(k->found_why, "cannot connect");
        (void) ctl_try(ctx, &t, "FindPeer", &request, &k->found, k->found_why);
}

static void look_for_presence(const struct command_context *ctx, const struct peer_id *id,
                              struct known *k) {
        Gossip__PeersRequest request = GOSSIP__PEERS_REQUEST__INIT;
        const Gossip__PeersReply *reply;
        char why[256];

        request.max = PAGE;
        for (unsigned i = 0; i < PAGES_MAX; i++) {
                struct unpacked next = {};

                if (ctl_try(ctx, &discovery_candidates, "Peers", &request, &next, why))
                        return;
                unpacked_done(&k->heard);
                k->heard = next;
                reply = next.message;
                for (size_t j = 0; j < reply->n_peers; j++)
                        if (is_peer(reply->peers[j]->peer, id))
                                k->presence = reply->peers[j];
                if (k->presence || !reply->truncated || reply->n_peers == 0)
                        return;
                request.after = reply->peers[reply->n_peers - 1]->peer;
        }
}

static void look_for_block(const struct command_context *ctx, const struct peer_id *id,
                           struct known *k) {
        Types__Empty empty = TYPES__EMPTY__INIT;
        const Gossip__BlocklistReply *reply;
        char why[256];

        if (ctl_try(ctx, &discovery_reputation, "Blocklist", &empty, &k->blocked, why))
                return;
        reply = k->blocked.message;
        for (size_t i = 0; i < reply->n_peers; i++)
                if (is_peer(reply->peers[i]->peer, id))
                        k->block = reply->peers[i];
}

/* As a host: who named it, and what its answers were worth. */
static void look_for_host(const struct command_context *ctx, const struct peer_id *id,
                          struct known *k) {
        static const struct call_target hosts = { .capability = "coordinator/admin",
                                                  .service = &coordinator__admin__descriptor };
        Coordinator__PeerRef request = COORDINATOR__PEER_REF__INIT;
        char why[256];

        request.peer = people_data(peer_id_bytes(id));
        (void) ctl_try(ctx, &hosts, "Peer", &request, &k->host, why);
}

static int ask_all(const struct command_context *ctx, const struct peer_id *id, struct known *k) {
        static const struct call_target links = { .capability = "transport/peers",
                                                  .service = &transport__peers__descriptor };
        Transport__WhyRequest request = TRANSPORT__WHY_REQUEST__INIT;
        int code;

        request.peer = people_data(peer_id_bytes(id));
        code = ctl_call(ctx, &links, "Why", &request, &k->link);
        if (code)
                return code;
        look_up(ctx, id, k);
        look_for_presence(ctx, id, k);
        look_for_block(ctx, id, k);
        look_for_host(ctx, id, k);
        return EXIT_OK;
}

/* ---- how it does ---- */

static bool is_good(const Transport__Attempt *a) {
        return strncmp(a->outcome, "connected", 9) == 0;
}

struct health {
        size_t good, bad;
        uint64_t good_ms; /* how long ago it went well */
        bool ever_good;
};

static struct health health_of(const Transport__WhyReply *r) {
        struct health h = {};

        for (size_t i = 0; i < r->n_attempts; i++) {
                if (!is_good(r->attempts[i])) {
                        h.bad++;
                        continue;
                }
                h.good++;
                if (!h.ever_good || r->attempts[i]->age_ms < h.good_ms)
                        h.good_ms = r->attempts[i]->age_ms;
                h.ever_good = true;
        }
        return h;
}

/* ---- JSON ---- */

static void attempts_json(const Transport__WhyReply *r, bool *first_of_all) {
        json_key(stdout, "attempts", first_of_all);
        fputc('[', stdout);
        for (size_t i = 0; i < r->n_attempts; i++) {
                const Transport__Attempt *a = r->attempts[i];
                bool first = true;

                fputs(i ? ",{" : "{", stdout);
                json_member_u64(stdout, "age_ms", a->age_ms, &first);
                json_member_ms(stdout, "took_ms", a->took_us, &first);
                json_member_string(stdout, "direction", a->direction, &first);
                json_member_string(stdout, "address", a->address, &first);
                json_member_string(stdout, "outcome", a->outcome, &first);
                fputc('}', stdout);
        }
        fputc(']', stdout);
}

static void found_json(const struct known *k, bool *first_of_all) {
        const Dht__FindPeerReply *f = k->found.message;
        bool first = true;

        if (!f || !f->contact)
                return;
        json_key(stdout, "dht", first_of_all);
        fputc('{', stdout);
        json_member_string(stdout, "source", f->source, &first);
        json_member_bool(stdout, "verified", !f->contact->hint, &first);
        people_json_addresses("addresses", f->contact->addresses, f->contact->n_addresses, &first);
        fputc('}', stdout);
}

static void heard_json(const struct known *k, bool *first_of_all) {
        bool first = true;

        if (k->presence) {
                json_key(stdout, "gossip", first_of_all);
                fputc('{', stdout);
                json_member_string(stdout, "name", k->presence->name, &first);
                json_member_string(stdout, "version", k->presence->version, &first);
                json_member_u64(stdout, "age_ms", k->presence->age_ms, &first);
                fputc('}', stdout);
        }
        if (!k->block)
                return;
        first = true;
        json_key(stdout, "blocked", first_of_all);
        fputc('{', stdout);
        json_member_string(stdout, "reason", k->block->reason, &first);
        json_member_u64(stdout, "left_ms", k->block->left_ms, &first);
        fputc('}', stdout);
}

static void host_json(const struct known *k, bool *first) {
        const Coordinator__PeerReply *h = k->host.message;

        if (!h)
                return;
        json_member_string(stdout, "origin", h->origin, first);
        json_member_bool(stdout, "denied", h->denied, first);
        json_member_bool(stdout, "known", h->known, first);
        json_key(stdout, "trust", first);
        printf("%.4f", h->trust);
        if (h->has_claims)
                json_member_u64(stdout, "free_slots", h->free_slots, first);
}

static void show_json(const struct peer_id *id, const struct known *k) {
        const Transport__WhyReply *r = k->link.message;
        const struct health h = health_of(r);
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", people_data(peer_id_bytes(id)), &first);
        json_member_string(stdout, "state", r->peer ? r->peer->state : "", &first);
        json_member_bool(stdout, "pinned", r->peer && r->peer->pinned, &first);
        json_member_bool(stdout, "elsewhere", r->peer && r->peer->elsewhere, &first);
        people_json_texts("addresses", r->addresses, r->n_addresses, &first);
        json_member_u64(stdout, "good", h.good, &first);
        json_member_u64(stdout, "failed", h.bad, &first);
        found_json(k, &first);
        heard_json(k, &first);
        host_json(k, &first);
        attempts_json(r, &first);
        fputs("}\n", stdout);
}

/* ---- for people ---- */

static void state_text(const struct command_context *ctx, const Transport__Peer *p) {
        char state[64], address[200];

        if (!p) {
                puts("state    transport does not know it");
                return;
        }
        printf("state    %s%s%s%s", colour_begin(ctx, stdout, p->state),
               text_escape(BYTES_STR(p->state), state, sizeof(state)),
               colour_end(ctx, stdout, p->state), p->pinned ? ", pinned" : "");
        if (p->connected)
                printf(" %s %s, %.2f ms", p->inbound ? "in from" : "out to",
                       text_escape(BYTES_STR(p->address), address, sizeof(address)),
                       (double) p->rtt_us / 1000);
        putchar('\n');
        if (p->elsewhere)
                puts("network  another than this node's: [network] name or the secret of "
                     "secret-file differ, so the two ask each other nothing");
}

static void health_text(const Transport__WhyReply *r) {
        const struct health h = health_of(r);
        char age[PEOPLE_AGE_SIZE];

        if (r->n_attempts == 0) {
                puts("health   nothing was tried yet");
                return;
        }
        printf("health   %zu of %zu went well", h.good, r->n_attempts);
        if (h.ever_good)
                printf(", the latest %s ago", people_age(h.good_ms, age));
        putchar('\n');
}

static void found_text(const struct known *k) {
        const Dht__FindPeerReply *f = k->found.message;
        char source[32];

        if (f && f->contact)
                printf("dht      from %s, %s\n",
                       text_escape(BYTES_STR(f->source), source, sizeof(source)),
                       f->contact->hint ? "which others say (it never answered this node)"
                                        : "and it answered this node");
        else
                printf("dht      %s\n", k->found_why);
}

static void heard_text(const struct command_context *ctx, const struct known *k) {
        char text[GOOD_CHARS], age[PEOPLE_AGE_SIZE];

        if (k->presence)
                printf(*k->presence->name ? "gossip   heard %s ago, calls itself '%s'\n"
                                          : "gossip   heard %s ago, has no name\n",
                       people_age(k->presence->age_ms, age),
                       text_escape(BYTES_STR(k->presence->name), text, sizeof(text)));
        else
                puts("gossip   not heard");
        if (k->block)
                printf("%sblocked%s  %s, %s%s\n", colour_begin(ctx, stdout, "blocked"),
                       colour_end(ctx, stdout, "blocked"),
                       *k->block->reason
                               ? text_escape(BYTES_STR(k->block->reason), text, sizeof(text))
                               : "no reason was given",
                       k->block->left_ms ? "for another " : "until `quorate unblock`",
                       k->block->left_ms ? people_age(k->block->left_ms, age) : "");
}

static void host_text(const struct known *k) {
        const Coordinator__PeerReply *h = k->host.message;
        char origin[32];

        if (!h)
                return;
        printf("host     %s%s, %s, trust %.2f\n", h->origin[0] ? "named by " : "nobody names it",
               text_escape(BYTES_STR(h->origin), origin, sizeof(origin)),
               h->known ? "known" : "a stranger", h->trust);
}

static void show_text(const struct command_context *ctx, const struct peer_id *id,
                      const struct known *k) {
        const Transport__WhyReply *r = k->link.message;
        char text[GOOD_CHARS], age[PEOPLE_AGE_SIZE], peer[PEER_ID_TEXT_SIZE];

        printf("peer     %s\n", peer_id_text(id, peer));
        state_text(ctx, r->peer);
        health_text(r);
        found_text(k);
        heard_text(ctx, k);
        host_text(k);
        for (size_t i = 0; i < r->n_addresses; i++)
                printf("address  %s\n",
                       text_escape(BYTES_STR(r->addresses[i]), text, sizeof(text)));
        for (size_t i = 0; i < r->n_attempts; i++) {
                const Transport__Attempt *a = r->attempts[i];

                printf("  %8s ago  %-3.3s  %8.1f ms  %s\n", people_age(a->age_ms, age),
                       strcmp(a->direction, "in") == 0 ? "in" : "out", (double) a->took_us / 1000,
                       text_escape(BYTES_STR(a->outcome), text, sizeof(text)));
        }
}

static int run(const struct command_context *ctx) {
        struct known k = {};
        struct peer_id id;
        int code;

        if (ctx->operands.n_items != 1)
                return complain(ctx, EXIT_USAGE,
                                "why: give one peer id (12D3KooW…; `quorate peers -v` lists them)");
        if (!people_peer_operand(ctx, "why", ctx->operands.items[0], &id))
                return EXIT_USAGE;
        code = ask_all(ctx, &id, &k);
        if (code == EXIT_OK && ctx->common.json)
                show_json(&id, &k);
        else if (code == EXIT_OK)
                show_text(ctx, &id, &k);
        known_done(&k);
        return code;
}

const struct command command_why = {
        .name = "why",
        .usage = "why PEER",
        .summary = "Say what was tried with one peer, how it does and who told of it",
        .example = "quorate why 12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7",
        .run = run,
};
