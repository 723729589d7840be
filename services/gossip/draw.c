#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/draw_parts.h"

/* Candidates for a job: a draw from random shards, each asked through one of its
 * members. Every shard has the same chance, so every host has nearly the same,
 * however near its id is to ours.
 *
 * A draw has a second, and a connection and a question take two round trips: members are asked who
 * are connected, or whom dht's table has, all that should be needed at once. Of a shard that it has
 * nobody of, the nearest one that it has is asked instead, which keeps the chances about the same,
 * and whoever answers names some of other shards; a look-up, which takes seconds, is the last. */

#define TIMEOUT_DEFAULT NSEC_PER_SEC
#define SPLITS_MAX      2
#define ANSWERS_FEW     4
#define SHARE_FIRST     0.05 /* of hosts that fit, when nobody is known */
#define MEMBERS_LOOKED  8
#define SLACK           (2 * NSEC_PER_SEC) /* a record may be on its way */

/* When each stage begins: who was silent for a while is asked, too; who has not answered is asked
 * besides others; whoever may still answer will do. */
static const nsec_t stages[_DRAW_STAGES + 1] = {
        [DRAW_PROVING] = 200 * NSEC_PER_MSEC,
        [DRAW_HEDGING] = 400 * NSEC_PER_MSEC,
        [DRAW_SETTLING] = 900 * NSEC_PER_MSEC,
        [_DRAW_STAGES] = NSEC_NEVER,
};

/* ---- Asking ---- */

static void try_another(struct gossip *g, struct call *c, const struct ask *instead, nsec_t now);
static void take_other(struct gossip *g, struct call *c, const Peers__KnownPeer *in, nsec_t now);
static void on_members_left(struct gossip *g, struct ask *a, const struct gossip_contact *list,
                            size_t n, nsec_t now);

static void on_sample(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now) {
        struct draw *d = a->call->state;

        d->n_answers += reply != NULL;
        if (reply)
                draw_take_reply(g, d, reply, now);
        else if (d->stage < DRAW_HEDGING)
                try_another(g, a->call, a, now);
        for (size_t i = 0; reply && i < reply->n_known && i < GOSSIP_OTHERS_MAX; i++)
                take_other(g, a->call, reply->known[i], now);
        draw_step(g, a->call, now);
}

static void ask_member(struct gossip *g, struct call *c, const struct gossip_contact *member,
                       bool is_instead, nsec_t now) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__Sample sample = PEERS__SAMPLE__INIT;
        struct draw *d = c->state;
        char *engines[CAPABILITY_ENGINES_MAX];
        struct ask *a;

        if (d->n_visited == DRAW_VISITS_MAX)
                return;
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
        a = ask_peer(g, c, member, &request, on_sample, now);
        if (!a)
                return;
        a->tag = is_instead;
        d->asked++;
        d->visited[d->n_visited++] = shard_of(&member->peer, 32).prefix;
}

/* ---- Whom to ask ---- */

static bool may_ask(const struct gossip *g, const struct draw *d, const struct gossip_contact *c) {
        return !peer_id_equal(&c->peer, &g->self) && !gossip_is_blocked(g, &c->peer) &&
               !draw_is_visited(d, shard_of(&c->peer, 32).prefix, 32);
}

/* Of that shard, or else the closest of a shard that was not visited yet; NULL: nobody. */
static const struct gossip_contact *member_of(struct gossip *g, const struct draw *d,
                                              const struct shard *shard,
                                              const struct gossip_contact *list, size_t n) {
        const struct gossip_contact *other = NULL;

        for (size_t i = 0; i < n; i++) {
                struct shard s = shard_of(&list[i].peer, shard->bits);

                if (!may_ask(g, d, &list[i]))
                        continue;
                if (s.prefix == shard->prefix)
                        return &list[i];
                if (!other && !draw_is_visited(d, s.prefix, s.bits))
                        other = &list[i];
        }
        return other;
}

static void put_key(struct gossip *g, const struct shard *shard, uint8_t key[32]) {
        rng_bytes(&g->rng, key, 32);
        if (shard->bits > 0)
                store_be32(key, shard->prefix | load_be32(key) >> shard->bits);
}

/* One of that shard who was not asked yet. */
static void ask_one(struct gossip *g, struct ask *a, const struct shard *shard,
                    const struct gossip_contact *list, size_t n, nsec_t now) {
        const struct draw *d = a->call->state;

        for (size_t i = 0; i < n; i++)
                if (shard_has(shard, &list[i].peer) && may_ask(g, d, &list[i])) {
                        ask_member(g, a->call, &list[i], a->on_found == on_members_left, now);
                        return;
                }
}

static void on_members(struct gossip *g, struct ask *a, const struct gossip_contact *list, size_t n,
                       nsec_t now) {
        const struct draw *d = a->call->state;
        struct shard shard = { d->bits, (uint32_t) a->tag };

        ask_one(g, a, &shard, list, n, now);
        draw_step(g, a->call, now);
}

/* The table: it often has a member, and looking there costs nothing. */
static void on_members_known(struct gossip *g, struct ask *a, const struct gossip_contact *list,
                             size_t n, nsec_t now) {
        struct draw *d = a->call->state;
        struct shard shard = { d->bits, (uint32_t) a->tag };
        const struct gossip_contact *member = member_of(g, d, &shard, list, n);

        if (member)
                ask_member(g, a->call, member, false, now);
        else if (d->n_skipped < DRAW_LOOKUPS_MAX)
                d->skipped[d->n_skipped++] = shard.prefix;
        draw_step(g, a->call, now);
}

/* to: who did not answer. */
static void on_members_left(struct gossip *g, struct ask *a, const struct gossip_contact *list,
                            size_t n, nsec_t now) {
        const struct draw *d = a->call->state;
        struct shard shard = shard_of(&a->to.peer, d->bits);

        ask_one(g, a, &shard, list, n, now);
        draw_step(g, a->call, now);
}

/* Of the same shard, whom dht knows; once for each that does not answer. */
static void try_another(struct gossip *g, struct call *c, const struct ask *instead, nsec_t now) {
        const struct draw *d = c->state;
        struct shard shard = shard_of(&instead->to.peer, d->bits);
        struct lookup l = { .n = MEMBERS_LOOKED, .local = true, .fn = on_members_left };
        struct ask *a;

        if (instead->tag) /* it was asked in place of another itself */
                return;
        put_key(g, &shard, l.key);
        a = ask_lookup(g, c, &l, now);
        if (a)
                a->to.peer = instead->to.peer;
}

static bool look(struct gossip *g, struct call *c, uint32_t prefix, bool local, nsec_t now) {
        const struct draw *d = c->state;
        struct shard shard = { d->bits, prefix };
        struct lookup l = { .n = MEMBERS_LOOKED, .local = local };
        struct ask *a;

        l.fn = local ? on_members_known : on_members;
        put_key(g, &shard, l.key);
        a = ask_lookup(g, c, &l, now);
        if (a)
                a->tag = prefix;
        return a != NULL;
}

static uint32_t pick(struct draw *d) {
        uint32_t prefix = d->bits > 0 ? d->next << (32 - d->bits) : 0;

        d->next = (d->next + d->stride) & (d->n_shards - 1);
        d->n_picked++;
        return prefix;
}

static bool is_more(const struct draw *d) {
        return d->n_picked < d->n_shards && d->n_picked < DRAW_VISITS_MAX;
}

/* Answers tell of the same ones again, or, while they tell of none, of as many hosts as there are,
 * if that is known. */
static bool is_exhausted(const struct gossip *g, const struct draw *d) {
        return d->n_first > 0 ? d->n_again >= d->n_first
                              : g->nodes > 0 && (double) d->known >= g->nodes;
}

/* All were visited and it is not enough: others split their shards further, since a newcomer's
 * estimate of how many there are may be far too low, and each knows its part. */
static bool split(const struct gossip *g, struct draw *d) {
        if (is_more(d) || d->n_splits == SPLITS_MAX || d->bits == SHARD_BITS_MAX ||
            is_exhausted(g, d))
                return false;
        d->n_splits++;
        d->bits++;
        d->n_shards *= 2;
        d->n_picked = 0;
        return true;
}

/* Whoever is connected needs no dial: of those that we dialled one at random; NULL: there is none.
 * Who dialled us chose us, and would have every draw of ours if it were asked for that. */
static const struct known_peer *connected_of(struct gossip *g, const struct draw *d,
                                             uint32_t prefix) {
        const struct shard shard = { d->bits, prefix };
        const struct known_peer *found = NULL;
        struct bytes key;
        size_t cursor = 0, n = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                const struct known_peer *k = value;

                if (k->is_outbound && k->speaks_peers && k->pow_bits >= g->config.pow_bits &&
                    shard_has_place(&shard, k->place) && !gossip_is_blocked(g, &k->peer) &&
                    !draw_is_visited(d, k->place, 32) && rng_below(&g->rng, ++n) == 0)
                        found = k;
        }
        return found;
}

/* Every other shard by what dht knows, so that no company we keep is all that a draw hears. */
static bool look_into(struct gossip *g, struct call *c, uint32_t prefix, nsec_t now) {
        const struct draw *d = c->state;
        const struct known_peer *k = d->n_picked % 2 ? connected_of(g, d, prefix) : NULL;
        struct gossip_contact contact = {};

        if (!k)
                return look(g, c, prefix, true, now);
        contact.peer = k->peer;
        ask_member(g, c, &contact, false, now);
        return true;
}

static bool look_further(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;

        while (is_more(d)) {
                uint32_t prefix = pick(d);

                if (!draw_is_visited(d, prefix, d->bits))
                        return look_into(g, c, prefix, now);
        }
        return false;
}

static unsigned members_asked(const struct call *c) {
        return c->n_asks - ((const struct draw *) c->state)->n_proofs;
}

/* False: there is nobody else to ask. */
static bool look_on(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;

        if (look_further(g, c, now))
                return true;
        if ((d->n_answers >= ANSWERS_FEW || members_asked(c) <= d->n_late) && split(g, d) &&
            look_further(g, c, now))
                return true;
        return d->n_skipped > 0 && look(g, c, d->skipped[--d->n_skipped], false, now);
}

/* By what answers brought so far; before there are some, by what our own shard offers. */
static unsigned visits_wanted(const struct gossip *g, const struct draw *d) {
        unsigned missing = (unsigned) (d->count - d->n);
        double each = (double) d->n / d->n_answers, want;

        if (d->n_answers < ANSWERS_FEW)
                want = shard_visits(d->bits, g->nodes, d->expected, missing);
        else
                want = 1.5 * missing / (each > 0.1 ? each : 0.1);
        return want < DRAW_AHEAD ? (unsigned) want + 1 : DRAW_AHEAD;
}

/* Somebody whom a member named: asked at once if nobody of his shard was, and somebody is needed.
 */
static void take_other(struct gossip *g, struct call *c, const Peers__KnownPeer *in, nsec_t now) {
        struct draw *d = c->state;
        struct multiaddr told[GOSSIP_ADDRESSES_MAX];
        struct gossip_contact contact = {};
        size_t n = 0;

        if (d->n == d->count || members_asked(c) >= d->n_late + visits_wanted(g, d) ||
            !peer_id_parse(BYTES(in->peer.data, in->peer.len), &contact.peer) ||
            draw_is_visited(d, shard_of(&contact.peer, 32).prefix, d->bits) ||
            !may_ask(g, d, &contact))
                return;
        for (size_t i = 0; i < in->n_addresses && n < GOSSIP_ADDRESSES_MAX; i++)
                n += multiaddr_parse(BYTES(in->addresses[i].data, in->addresses[i].len),
                                     &told[n]) == MULTIADDR_OK;
        contact.n_addresses = gossip_dialable(g, told, n, contact.addresses, GOSSIP_ADDRESSES_MAX);
        if (contact.n_addresses > 0)
                ask_member(g, c, &contact, false, now);
}

/* As many shards at once as the missing ones should need, no more. */
void draw_step(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;

        if (c->is_over)
                return;
        while (d->n < d->count && members_asked(c) < d->n_late + visits_wanted(g, d))
                if (!look_on(g, c, now))
                        break;
        if (d->stage >= DRAW_PROVING || members_asked(c) == 0)
                draw_prove_some(g, c, now);
        if (d->n < d->count && c->n_asks > 0)
                return;
        c->is_over = true;
        draw_end(g, c, now);
}

static void hedge(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;

        d->n_late = members_asked(c);
        LIST_FOREACH_SAFE (it, &g->ask_order) { /* what is begun here is put behind them */
                const struct ask *a = LIST_ENTRY(it, struct ask, link);

                if (a->call == c && a->on_reply == on_sample)
                        try_another(g, c, a, now);
        }
}

void draw_wake(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;

        d->stage++;
        c->wake = nsec_add(now, nsec_sub(stages[d->stage + 1], stages[d->stage]));
        if (d->stage == DRAW_HEDGING)
                hedge(g, c, now);
        else if (d->stage == DRAW_SETTLING)
                draw_complete(g, d, now);
        draw_step(g, c, now);
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

/* What our own shard offers: what everybody has is not asked for everywhere. */
static double share_heard(struct gossip *g, const struct draw *d, nsec_t now) {
        struct offer_view views[GOSSIP_DRAW_MAX];
        struct offer_draw heard = { &d->filter, &g->rng, views, GOSSIP_DRAW_MAX };
        double all;

        offers_draw(g->offers, &heard, now);
        all = (double) (heard.n + heard.unusable);
        return all < 4 ? SHARE_FIRST : ((double) heard.n + SHARE_FIRST) / (all + 1);
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
        d->bits = shard_visited_bits(g->bits, g->nodes);
        d->n_shards = 1u << d->bits;
        d->expected = share_heard(g, d, now);
        c->wake = nsec_add(now, stages[DRAW_PROVING]);
        d->next = (unsigned) rng_below(&g->rng, d->n_shards);
        d->stride = (unsigned) rng_below(&g->rng, d->n_shards) | 1; /* odd: visits all */
        if (d->local || knows_all(g, now))
                draw_add_heard(g, d, now);
        if (d->local || d->n > 0) {
                d->local = true;
                draw_end(g, c, now);
                return;
        }
        draw_step(g, c, now);
}
