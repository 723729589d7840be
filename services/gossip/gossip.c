#include "services/gossip/gossip.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/neighbours.h"

#define STREAM_RETRY (10 * NSEC_PER_SEC)
#define PEERS_MAX    2048
#define SERVED_BURST 256 /* questions of all peers; a page of a full table takes 2 ms */
#define SERVED_RATE  128
#define SPREAD_BURST 8 /* revocations passed on: others can make keys to revoke */
#define SPREAD_RATE  1

static const char *const counter_names[_GOSSIP_COUNTERS] = {
        [GOSSIP_OFFERS_HEARD] = "records_heard",
        [GOSSIP_OFFERS_REFUSED] = "records_refused",
        [GOSSIP_BAD_RECORDS] = "records_bad",
        [GOSSIP_PUBLISHED] = "records_published",
        [GOSSIP_QUESTIONS] = "questions",
        [GOSSIP_QUESTIONS_REFUSED] = "questions_refused",
        [GOSSIP_ASKED] = "asked",
        [GOSSIP_ASK_FAILURES] = "ask_failures",
        [GOSSIP_BAD_ANSWERS] = "answers_bad",
        [GOSSIP_DRAWS] = "draws",
        [GOSSIP_CRAWLS] = "crawls",
        [GOSSIP_LOOKUPS] = "lookups",
        [GOSSIP_CALLS_REFUSED] = "calls_refused",
        [GOSSIP_OWN_INVALID] = "own_invalid",
        [GOSSIP_RPCS_EARLY] = "rpcs_early",
        [GOSSIP_RPCS_TOO_EARLY] = "rpcs_too_early",
        [GOSSIP_REVOKED] = "revoked",
        [GOSSIP_REVOKED_REFUSED] = "revoked_refused",
        [GOSSIP_REVOKED_REPLACED] = "revoked_replaced",
        [GOSSIP_REVOKED_TOLD] = "revoked_told",
};

void gossip_config_default(struct gossip_config *ret) {
        *ret = (struct gossip_config){
                .network = "default",
                .version = "",
                .pow_bits = 16,
                .offer_interval = 15 * NSEC_PER_SEC,
                .presence_interval = 30 * NSEC_PER_SEC,
                .offers_max = 8192,
                .asks_max = 16,
                .ask_timeout = 2 * NSEC_PER_SEC,
                .served_burst = 16,
                .served_per_second = 4,
        };
        pubsub_config_default(&ret->pubsub);
}

/* ---- Life ---- */

static bool verify_ed25519(void *userdata, const struct sign_public *key, struct bytes message,
                           struct bytes signature) {
        return sign_verify(key, message, signature);
}

struct gossip *gossip_new(const struct gossip_config *config, const struct peer_id *self,
                          uint64_t seed) {
        struct gossip *g = xnew(struct gossip);

        g->config = *config;
        snprintf(g->network, sizeof(g->network), "%s", config->network);
        g->self = *self;
        rng_init(&g->rng, seed);
        g->rank_secret = seed;
        g->router = pubsub_new(&config->pubsub, self, rng_u64(&g->rng));
        g->offers = offers_new(g->network, config->offers_max, rng_u64(&g->rng));
        g->verify = verify_ed25519;
        g->peers = map_new(rng_u64(&g->rng));
        g->asks = map_new(rng_u64(&g->rng));
        g->calls = map_new(rng_u64(&g->rng));
        g->early = early_new(rng_u64(&g->rng));
        g->denied = map_new(rng_u64(&g->rng));
        list_init(&g->actions);
        list_init(&g->ask_order);
        list_init(&g->call_order);
        g->next_id = 1;
        g->is_list_told = true;
        g->next_publication = g->next_lifting = NSEC_NEVER;
        g->next_members = g->next_tending = NSEC_NEVER;
        rate_init(&g->served, SERVED_BURST, SERVED_RATE);
        rate_init(&g->spreading, SPREAD_BURST, SPREAD_RATE);
        for (unsigned i = 0; i < _GOSSIP_COUNTERS; i++)
                g->counters[i].name = counter_names[i];
        return g;
}

static void known_free(struct gossip *g, struct known_peer *k) {
        (void) map_remove(g->peers, peer_id_bytes(&k->peer));
        refbuf_unref(k->record);
        free(k->addresses);
        free(k);
}

static void free_peers(struct gossip *g) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value))
                known_free(g, value);
        map_free(g->peers);
}

static void free_denied(struct gossip *g) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(g->denied, &cursor, &key, &value))
                free(value);
        map_free(g->denied);
}

struct gossip *gossip_free(struct gossip *g) {
        if (!g)
                return NULL;
        LIST_FOREACH_SAFE (it, &g->call_order)
                call_free(g, LIST_ENTRY(it, struct call, link));
        LIST_FOREACH_SAFE (it, &g->ask_order)
                ask_free(g, LIST_ENTRY(it, struct ask, link));
        LIST_FOREACH_SAFE (it, &g->actions) {
                struct queued_action *q = LIST_ENTRY(it, struct queued_action, link);

                gossip_action_done(&q->action);
                free(q);
        }
        free_peers(g);
        free_denied(g);
        map_free(g->asks);
        map_free(g->calls);
        early_free(g->early);
        offers_free(g->offers);
        pubsub_free(g->router);
        refbuf_unref(g->offer);
        refbuf_unref(g->own_record);
        refbuf_unref(g->signing_body);
        free(g);
        return NULL;
}

void gossip_verifier(struct gossip *g, pubsub_verify_fn fn, void *userdata) {
        g->verify = fn ? fn : verify_ed25519;
        g->verify_userdata = userdata;
        pubsub_verifier(g->router, fn, userdata);
}

void gossip_clock(struct gossip *g, nsec_t now, uint64_t wall_ns) {
        g->clock_at = now;
        g->clock_wall = wall_ns;
        pubsub_clock(g->router, now, wall_ns);
}

uint64_t gossip_wall(const struct gossip *g, nsec_t now) {
        return g->clock_wall + nsec_sub(now, g->clock_at);
}

void gossip_start(struct gossip *g, nsec_t now) {
        g->is_started = true;
        publish_shards(g, now);
        g->next_publication = now;
        neighbours_soon(g, now);
}

/* ---- Actions ---- */

void gossip_action_done(struct gossip_action *a) {
        free(a->addresses);
        refbuf_unref(a->data);
        if (a->drawn) {
                for (size_t i = 0; i < a->drawn->n; i++)
                        refbuf_unref(a->drawn->list[i].record);
                free(a->drawn->list);
                free(a->drawn);
        }
        if (a->crawled) {
                for (size_t i = 0; i < a->crawled->n; i++)
                        refbuf_unref(a->crawled->list[i].record);
                free(a->crawled->list);
                free(a->crawled);
        }
        *a = (struct gossip_action){};
}

uint64_t gossip_next_id(struct gossip *g) {
        return g->next_id++;
}

struct gossip_action *gossip_add(struct gossip *g, enum gossip_action_type type, uint64_t id) {
        struct queued_action *q = xnew(struct queued_action);

        q->action.type = type;
        q->action.id = id;
        list_push_back(&g->actions, &q->link);
        return &q->action;
}

void gossip_set_addresses(struct gossip_action *a, const struct multiaddr *addrs, size_t n) {
        a->n_addresses = n < GOSSIP_ADDRESSES_MAX ? n : GOSSIP_ADDRESSES_MAX;
        a->addresses = xmemdup(addrs, a->n_addresses * sizeof(*addrs));
}

/* ---- The router's outputs ---- */

/* A node that is in two shards signs a record for each, one right behind the other. Whoever is
 * in both as well may hear the newer one first; the older one still has to reach the rest. It is
 * in no table of ours, so nothing else bounds how many its author makes, or looks at them. */
static enum pubsub_verdict judge_older(struct gossip *g, const struct capability *c, nsec_t now) {
        if (!g->in_both || !offers_is_twin(g->offers, c, OWN_SPACING, now))
                return PUBSUB_IGNORE;
        if (!capability_verify(c, g->verify, g->verify_userdata)) {
                g_count(g, GOSSIP_BAD_RECORDS);
                return PUBSUB_REJECT;
        }
        offers_take_twin(g->offers, c, now);
        return PUBSUB_ACCEPT;
}

/* A record in a shard it does not belong to, or by another author, is spam. */
static enum pubsub_verdict judge(struct gossip *g, const struct pubsub_output *o, nsec_t now) {
        CLEANUP(capability_donep) struct capability c = {};

        if (capability_read(refbuf_bytes(o->data), &c) || !peer_id_equal(&c.peer, &o->author))
                return PUBSUB_REJECT;
        for (size_t i = 0; i < SHARDS_MAX; i++)
                if (g->shards[i].is_joined && strcmp(g->shards[i].topic, o->topic) == 0 &&
                    !shard_has(&g->shards[i].shard, &c.peer))
                        return PUBSUB_REJECT;
        switch (offers_would(g->offers, &c, now, gossip_wall(g, now))) {
        case OFFERS_E_NETWORK:
                return PUBSUB_REJECT;
        case OFFERS_E_CLOCK:
        case OFFERS_E_DENIED:
        case OFFERS_E_RATE:
                return PUBSUB_IGNORE; /* clocks and deny lists differ: nobody's fault */
        case OFFERS_E_OLD:
                return judge_older(g, &c, now);
        default:
                return gossip_take_record(g, refbuf_bytes(o->data), now, NULL) ? PUBSUB_ACCEPT
                                                                               : PUBSUB_REJECT;
        }
}

static void pass_on(struct gossip *g, enum gossip_action_type type, struct pubsub_output *o) {
        struct gossip_action *a = gossip_add(g, type, o->id);

        a->peer = o->peer;
        a->n = o->is_gossip;
        a->data = TAKE(o->data);
}

static void connect_exchanged(struct gossip *g, const struct pubsub_output *o) {
        struct multiaddr addrs[GOSSIP_ADDRESSES_MAX];
        struct gossip_action *a;
        struct peer_record record;
        size_t n;

        if (gossip_is_blocked(g, &o->peer))
                return;
        a = gossip_add(g, GOSSIP_CONNECT, 0);
        a->peer = o->peer;
        if (!o->data || peer_record_open(refbuf_bytes(o->data), &record) != ENVELOPE_OK ||
            !peer_id_equal(&record.peer, &o->peer))
                return;
        n = gossip_dialable(g, record.addrs, record.n_addrs, addrs, GOSSIP_ADDRESSES_MAX);
        gossip_set_addresses(a, addrs, n);
}

static void drop_peer(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct gossip_action *a = gossip_add(g, GOSSIP_STREAM_CLOSE, 0);
        struct known_peer *k = gossip_known(g, peer);

        a->peer = *peer;
        a->n = 1;
        if (!k)
                return;
        k->has_stream = k->wants_stream = false;
        k->retry_at = nsec_add(now, STREAM_RETRY);
}

static void router_turn(struct gossip *g, nsec_t now) {
        struct pubsub_output o;

        while (pubsub_output(g->router, &o)) {
                switch (o.type) {
                case PUBSUB_SEND:
                        pass_on(g, GOSSIP_SEND, &o);
                        break;
                case PUBSUB_MESSAGE:
                        pubsub_validated(g->router, o.id, judge(g, &o, now), now);
                        break;
                case PUBSUB_SIGN:
                        pass_on(g, GOSSIP_SIGN_MESSAGE, &o);
                        break;
                case PUBSUB_CONNECT:
                        connect_exchanged(g, &o);
                        break;
                case PUBSUB_PUBLISHED:
                        publish_reached(g, o.n);
                        break;
                case PUBSUB_DROP:
                        drop_peer(g, &o.peer, now);
                        break;
                default:
                        break;
                }
                pubsub_output_done(&o);
        }
}

bool gossip_output(struct gossip *g, struct gossip_action *ret) {
        struct list *link;
        struct queued_action *q;

        router_turn(g, g->now);
        link = list_pop_front(&g->actions);
        if (!link && g->is_list_told)
                return false;
        if (!link) { /* once for all that are blocked, or let go, at the same time */
                g->is_list_told = true;
                *ret = (struct gossip_action){ .type = GOSSIP_DENY };
                return true;
        }
        q = LIST_ENTRY(link, struct queued_action, link);
        *ret = q->action;
        free(q);
        return true;
}

/* ---- Peers and streams ---- */

struct known_peer *gossip_known(const struct gossip *g, const struct peer_id *peer) {
        return map_get(g->peers, peer_id_bytes(peer));
}

static void known_update(struct known_peer *k, const struct gossip_peer *p) {
        k->endpoint = p->endpoint;
        k->is_outbound = p->is_outbound;
        k->pow_bits = p->pow_bits;
        k->is_elsewhere = p->is_elsewhere;
        k->version = p->is_elsewhere ? 0 : p->version; /* we have nothing to say to each other */
        k->speaks_peers = p->speaks_peers;
        neighbours_put_addresses(k, p->addresses, p->n_addresses);
        refbuf_unref(k->record);
        k->record = p->record.len > 0 ? refbuf_new(p->record) : NULL;
}

void gossip_peer_up(struct gossip *g, const struct gossip_peer *p, nsec_t now) {
        struct known_peer *k = gossip_known(g, &p->peer);

        g->now = now;
        if (!k) {
                if (map_count(g->peers) >= PEERS_MAX || peer_id_equal(&p->peer, &g->self))
                        return;
                k = xnew(struct known_peer);
                k->peer = p->peer;
                rate_init(&k->questions, g->config.served_burst, g->config.served_per_second);
                (void) map_set(g->peers, peer_id_bytes(&p->peer), k);
        }
        known_update(k, p);
        neighbours_meet(g, k);
}

void gossip_peer_down(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct known_peer *k = gossip_known(g, peer);

        g->now = now;
        early_forget(g->early, peer);
        if (!k)
                return;
        pubsub_peer_down(g->router, peer, now);
        neighbours_lost(g, k, now);
        known_free(g, k);
}

void gossip_peers_gone(struct gossip *g, nsec_t now) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        g->now = now;
        early_forget_all(g->early);
        while (map_next(g->peers, &cursor, &key, &value)) {
                struct known_peer *k = value;

                pubsub_peer_down(g->router, &k->peer, now);
                neighbours_lost(g, k, now);
                known_free(g, k);
        }
}

bool gossip_knows(const struct gossip *g, const struct peer_id *peer) {
        return gossip_known(g, peer) != NULL;
}

/* What it said while our stream to it was being opened. */
static void hear_early(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct refbuf *rpcs[EARLY_RPCS];
        size_t n = early_take(g->early, peer, rpcs);

        for (size_t i = 0; i < n; i++) {
                gossip_rpc(g, peer, refbuf_bytes(rpcs[i]), now);
                refbuf_unref(rpcs[i]);
        }
}

void gossip_stream_opened(struct gossip *g, const struct peer_id *peer, enum pubsub_version version,
                          nsec_t now) {
        struct known_peer *k = gossip_known(g, peer);
        struct pubsub_peer_info info;

        g->now = now;
        if (!k)
                return;
        if (gossip_is_blocked(g, peer)) /* while it was being opened */
                return drop_peer(g, peer, now);
        k->wants_stream = false;
        k->has_stream = true;
        info = (struct pubsub_peer_info){
                .peer = *peer,
                .endpoint = k->endpoint,
                .version = version,
                .is_outbound = k->is_outbound,
                .may_mesh = k->pow_bits >= g->config.pow_bits,
                .record = k->record,
        };
        if (pubsub_mesh_size(g->router, g->shards[0].topic) == 0)
                g->listening = now;
        pubsub_peer_up(g->router, &info, now);
        hear_early(g, peer, now);
}

void gossip_stream_closed(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct known_peer *k = gossip_known(g, peer);

        g->now = now;
        pubsub_peer_down(g->router, peer, now);
        if (!k)
                return;
        k->wants_stream = k->has_stream = false;
        k->retry_at = nsec_add(now, STREAM_RETRY);
}

void gossip_queued(struct gossip *g, const struct peer_id *peer, size_t bytes, nsec_t now) {
        g->now = now;
        pubsub_queued(g->router, peer, bytes, now);
}

/* Until our own stream stands, which is opened to whoever speaks. */
static void keep_early(struct gossip *g, struct known_peer *k, const struct peer_id *peer,
                       struct bytes rpc) {
        g_count(g, early_keep(g->early, peer, rpc) ? GOSSIP_RPCS_EARLY : GOSSIP_RPCS_TOO_EARLY);
        if (!k)
                return;
        k->has_spoken = true;
        neighbours_stream(g, k);
}

void gossip_rpc(struct gossip *g, const struct peer_id *peer, struct bytes rpc, nsec_t now) {
        struct known_peer *k = gossip_known(g, peer);

        g->now = now;
        if (gossip_is_blocked(g, peer))
                return;
        offers_alive(g->offers, peer, now);
        if (!k || !k->has_stream) {
                keep_early(g, k, peer, rpc);
                return;
        }
        pubsub_receive(g->router, peer, rpc, now);
        publish_heard_from(g, now);
}

static bool may_ask(struct gossip *g, const struct peer_id *peer, nsec_t now) {
        struct known_peer *k = gossip_known(g, peer);
        const struct gossip_config *c = &g->config;

        if (gossip_is_blocked(g, peer))
                return false;
        return k ? rate_take(&k->questions, now)
                 : early_may_ask(g->early, peer, c->served_burst, c->served_per_second, now);
}

void gossip_asked(struct gossip *g, uint64_t id, const struct peer_id *peer, struct bytes question,
                  nsec_t now) {
        g->now = now;
        g_count(g, GOSSIP_QUESTIONS);
        if (may_ask(g, peer, now) && rate_take(&g->served, now)) {
                serve(g, id, question, now);
                return;
        }
        g_count(g, GOSSIP_QUESTIONS_REFUSED);
        gossip_add(g, GOSSIP_REFUSE, id);
}

void gossip_addresses(struct gossip *g, const struct multiaddr *addrs, size_t n, nsec_t now) {
        size_t kept = n < GOSSIP_ADDRESSES_MAX ? n : GOSSIP_ADDRESSES_MAX;
        bool same = kept == g->n_own;

        g->now = now;
        for (size_t i = 0; i < kept; i++) {
                same = same && bytes_equal(BYTES(g->own[i].bytes, g->own[i].len),
                                           BYTES(addrs[i].bytes, addrs[i].len));
                g->own[i] = addrs[i];
        }
        g->n_own = kept;
        if (!same)
                publish_soon(g, now);
}

void gossip_signed(struct gossip *g, uint64_t id, struct bytes statement, struct bytes signature,
                   nsec_t now) {
        g->now = now;
        if (id == g->signing && id != 0)
                publish_signed(g, signature, now);
        else
                pubsub_signed(g->router, id, signature, now);
}

void gossip_sign_failed(struct gossip *g, uint64_t id, nsec_t now) {
        g->now = now;
        if (id == g->signing && id != 0) {
                g->signing = 0;
                g->signing_body = refbuf_unref(g->signing_body);
        } else {
                pubsub_sign_failed(g->router, id, now);
        }
}

/* ---- Time ---- */

nsec_t gossip_deadline(const struct gossip *g) {
        nsec_t at = nsec_min(pubsub_deadline(g->router), publish_deadline(g));

        at = nsec_min(at, neighbours_deadline(g));
        return nsec_min(at, nsec_min(ask_deadline(g), deny_deadline(g)));
}

void gossip_expire(struct gossip *g, nsec_t now) {
        g->now = now;
        ask_expire(g, now);
        deny_expire(g, now);
        if (now >= publish_deadline(g)) {
                publish_expire(g, now);
                offers_expire(g->offers, now);
        }
        neighbours_expire(g, now);
        pubsub_expire(g->router, now);
}

/* ---- Looking ---- */

size_t gossip_presence(const struct gossip *g, const struct peer_id *after, nsec_t now,
                       struct offer_view *ret, size_t max) {
        return offers_list(g->offers, after, now, ret, max);
}

void gossip_status(const struct gossip *g, struct gossip_status *ret) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        *ret = (struct gossip_status){
                .peers = map_count(g->peers),
                .mesh = pubsub_mesh_size(g->router, g->shards[0].topic),
                .offers = offers_count(g->offers),
                .bits = g->bits,
                .shard = g->shards[0].topic,
                .is_in_both = g->in_both,
                .is_revoked = g->is_revoked,
        };
        while (map_next(g->peers, &cursor, &key, &value))
                ret->streams += ((struct known_peer *) value)->has_stream;
}

size_t gossip_counters(const struct gossip *g, const struct pubsub_counter **ret) {
        *ret = g->counters;
        return _GOSSIP_COUNTERS;
}

const struct pubsub *gossip_router(const struct gossip *g) {
        return g->router;
}
