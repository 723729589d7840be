#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"

/* Candidates for a job: a draw from random shards, each asked through one of its
 * members. Every shard has the same chance, so every host has nearly the same,
 * however near its id is to ours. */

#define TIMEOUT_DEFAULT NSEC_PER_SEC
#define AHEAD           12 /* shards being asked at once */
#define VISITS_MAX      512
#define SHARE_FIRST     0.05 /* of hosts that fit, until answers say better */
#define MEMBERS_LOOKED  3
#define SLACK           (2 * NSEC_PER_SEC) /* a record may be on its way */

struct draw {
        struct offer_filter filter;
        struct bytes engines[CAPABILITY_ENGINES_MAX];
        char text[CAPABILITY_ENGINES_MAX + 2][CAPABILITY_CLASS_MAX + 1];
        size_t count;
        bool local;
        struct rng rng;
        unsigned n_visited, n_shards, stride, next; /* shards in a random order: next += stride */
        size_t n, asked, known, unusable;
        struct gossip_candidate list[GOSSIP_DRAW_MAX];
        struct peer_id peers[GOSSIP_DRAW_MAX];
};

/* ---- Collecting ---- */

static bool has(const struct draw *d, const struct peer_id *peer) {
        for (size_t i = 0; i < d->n; i++)
                if (peer_id_equal(&d->peers[i], peer))
                        return true;
        return false;
}

static void add(struct draw *d, const struct capability *c, nsec_t age, bool from_sample) {
        if (d->n == d->count || has(d, &c->peer))
                return;
        d->peers[d->n] = c->peer;
        d->list[d->n++] = (struct gossip_candidate){ refbuf_ref(c->raw), age, from_sample };
}

static void add_heard(struct gossip *g, struct draw *d, nsec_t now) {
        struct offer_view views[GOSSIP_DRAW_MAX];
        struct offer_draw heard = { &d->filter, &g->rng, views, d->count };

        offers_draw(g->offers, &heard, now);
        for (size_t i = 0; i < heard.n; i++)
                add(d, views[i].record, views[i].age, false);
        d->known += heard.n + heard.unusable;
        d->unusable += heard.unusable;
}

void draw_end(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;
        struct gossip_drawn *out;

        /* Better somebody from the own shard, over-represented, than nobody. */
        if (d->n < d->count && !d->local)
                add_heard(g, d, now);
        out = xnew(struct gossip_drawn);
        *out = (struct gossip_drawn){ d->n, d->asked, d->known, d->unusable,
                                      xmemdup(d->list, d->n * sizeof(*d->list)) };
        d->n = 0; /* their references went along */
        gossip_add(g, GOSSIP_DRAWN, c->number)->drawn = out;
        call_free(g, c);
}

void draw_free(struct call *c) {
        struct draw *d = c->state;

        for (size_t i = 0; i < d->n; i++)
                refbuf_unref(d->list[i].record);
        free(d);
}

/* ---- Asking ---- */

static void step(struct gossip *g, struct call *c, nsec_t now);

static void take_reply(struct gossip *g, struct draw *d, const struct ask *a,
                       const Peers__Reply *reply, nsec_t now) {
        d->unusable += reply->unusable;
        d->known += (size_t) reply->unusable + reply->n_records;
        for (size_t i = 0; i < reply->n_records && i < GOSSIP_DRAW_MAX; i++) {
                CLEANUP(capability_donep) struct capability r = {};
                uint64_t wall = gossip_wall(g, now);
                nsec_t age;

                if (!gossip_take_record(g, BYTES(reply->records[i].data, reply->records[i].len),
                                        now, &r) ||
                    !offer_fits(&r, &d->filter) || peer_id_equal(&r.peer, &g->self))
                        continue;
                age = wall > r.sequence ? wall - r.sequence : 0;
                if (age < OFFER_TTL && r.slots > 0)
                        add(d, &r, age, true);
        }
}

static void on_sample(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now) {
        struct draw *d = a->call->state;

        if (reply)
                take_reply(g, d, a, reply, now);
        step(g, a->call, now);
}

static void ask_member(struct gossip *g, struct call *c, const struct gossip_contact *member,
                       nsec_t now) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__Sample sample = PEERS__SAMPLE__INIT;
        struct draw *d = c->state;
        char *engines[CAPABILITY_ENGINES_MAX];

        for (size_t i = 0; i < d->filter.n_engines; i++)
                engines[i] = d->text[i];
        sample.engines = engines;
        sample.n_engines = d->filter.n_engines;
        sample.data_class = d->filter.data_class;
        sample.group = d->text[CAPABILITY_ENGINES_MAX];
        sample.region = d->text[CAPABILITY_ENGINES_MAX + 1];
        sample.min_slots = d->filter.min_free_slots;
        sample.min_memory_mib = d->filter.min_memory_mib;
        sample.max = (uint32_t) d->count;
        request.body_case = PEERS__REQUEST__BODY_SAMPLE;
        request.sample = &sample;
        if (ask_peer(g, c, member, &request, on_sample, now))
                d->asked++;
}

static const struct gossip_contact *member_of(struct gossip *g, const struct shard *shard,
                                              const struct gossip_contact *list, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (shard_has(shard, &list[i].peer) && !peer_id_equal(&list[i].peer, &g->self) &&
                    !gossip_is_blocked(g, &list[i].peer))
                        return &list[i];
        return NULL;
}

static void put_key(struct gossip *g, const struct shard *shard, uint8_t key[32]) {
        rng_bytes(&g->rng, key, 32);
        if (shard->bits > 0)
                store_be32(key, shard->prefix | load_be32(key) >> shard->bits);
}

static void on_members(struct gossip *g, struct ask *a, const struct gossip_contact *list, size_t n,
                       nsec_t now) {
        struct shard shard = { g->bits, (uint32_t) a->tag };
        const struct gossip_contact *member = member_of(g, &shard, list, n);

        if (member)
                ask_member(g, a->call, member, now);
        step(g, a->call, now);
}

/* The table first: it often has a member, and asking it costs nothing. */
static void on_members_known(struct gossip *g, struct ask *a, const struct gossip_contact *list,
                             size_t n, nsec_t now) {
        struct shard shard = { g->bits, (uint32_t) a->tag };
        const struct gossip_contact *member = member_of(g, &shard, list, n);
        struct lookup l = { .n = MEMBERS_LOOKED };
        struct ask *again;

        if (member) {
                ask_member(g, a->call, member, now);
        } else {
                l.fn = on_members;
                put_key(g, &shard, l.key);
                again = ask_lookup(g, a->call, &l, now);
                if (again)
                        again->tag = a->tag;
        }
        step(g, a->call, now);
}

static bool visit(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;
        struct shard shard = { g->bits, 0 };
        struct lookup l = { .n = MEMBERS_LOOKED };
        struct ask *a;

        if (g->bits > 0)
                shard.prefix = d->next << (32 - g->bits);
        l.local = true;
        l.fn = on_members_known;
        put_key(g, &shard, l.key);
        a = ask_lookup(g, c, &l, now);
        if (!a)
                return false;
        a->tag = shard.prefix;
        d->next = (d->next + d->stride) & (d->n_shards - 1);
        d->n_visited++;
        return true;
}

/* As many shards at once as the missing ones should need, no more. */
static void step(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;
        double share =
                d->known > 8 ? (double) (d->known - d->unusable) / (double) d->known : SHARE_FIRST;
        unsigned want;

        if (c->is_over)
                return;
        if (d->n == d->count || (c->n_asks == 0 && d->n_visited == d->n_shards)) {
                c->is_over = true;
                draw_end(g, c, now);
                return;
        }
        want = shard_visits(g->bits, g->nodes, share > 0.01 ? share : 0.01,
                            (unsigned) (d->count - d->n));
        want = want < AHEAD ? want : AHEAD;
        while (c->n_asks < want && d->n_visited < d->n_shards && d->n_visited < VISITS_MAX)
                if (!visit(g, c, now))
                        break;
        if (c->n_asks == 0) {
                c->is_over = true;
                draw_end(g, c, now);
        }
}

/* ---- Beginning ---- */

static struct bytes keep_text(struct draw *d, size_t at, struct bytes v) {
        size_t n = v.len < CAPABILITY_CLASS_MAX ? v.len : CAPABILITY_CLASS_MAX;

        if (n > 0)
                memcpy(d->text[at], v.data, n);
        return BYTES(d->text[at], n);
}

static struct draw *draw_new(const struct gossip_draw *in) {
        struct draw *d = xnew(struct draw);

        d->filter = in->filter;
        d->filter.engines = d->engines;
        if (d->filter.n_engines > CAPABILITY_ENGINES_MAX)
                d->filter.n_engines = CAPABILITY_ENGINES_MAX;
        for (size_t i = 0; i < d->filter.n_engines; i++)
                d->engines[i] = keep_text(d, i, in->filter.engines[i]);
        d->filter.group = keep_text(d, CAPABILITY_ENGINES_MAX, in->filter.group);
        d->filter.region = keep_text(d, CAPABILITY_ENGINES_MAX + 1, in->filter.region);
        d->count = in->count > 0 && in->count < GOSSIP_DRAW_MAX ? in->count : GOSSIP_DRAW_MAX;
        d->local = in->local;
        return d;
}

/* Everybody is in the one shard, and so are we: what we heard is the whole, once each had its
 * turn to speak. Before that, somebody who was there is asked. */
static bool knows_all(const struct gossip *g, nsec_t now) {
        return g->bits == 0 && nsec_sub(now, g->listening) > g->config.offer_interval + SLACK;
}

void gossip_draw(struct gossip *g, uint64_t number, const struct gossip_draw *in, nsec_t now) {
        nsec_t timeout = in->timeout > 0 ? in->timeout : TIMEOUT_DEFAULT;
        struct call *c = call_new(g, number, CALL_DRAW, nsec_add(now, timeout));
        struct draw *d;

        g->now = now;
        g_count(g, GOSSIP_DRAWS);
        if (!c) {
                gossip_add(g, GOSSIP_DRAWN, number)->drawn = xnew(struct gossip_drawn);
                return;
        }
        c->state = d = draw_new(in);
        d->n_shards = 1u << g->bits;
        d->next = (unsigned) rng_below(&g->rng, d->n_shards);
        d->stride = (unsigned) rng_below(&g->rng, d->n_shards) | 1; /* odd: visits all */
        if (d->local || knows_all(g, now))
                add_heard(g, d, now);
        if (d->local || d->n > 0) {
                d->local = true;
                draw_end(g, c, now);
                return;
        }
        step(g, c, now);
}
