#include <string.h>

#include "common/base/memory.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/draw_parts.h"

/* What a draw was told: candidates, of whom somebody heard a moment ago, and spares, who were
 * silent for a while. Those who died without a word are among the spares, so a spare is asked
 * itself, and is a candidate once it answers. */

#define PATIENCE (600 * NSEC_PER_MSEC) /* two round trips around the world */

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

/* bits: how many of the prefix count. */
bool draw_is_visited(const struct draw *d, uint32_t prefix, unsigned bits) {
        for (unsigned i = 0; i < d->n_visited; i++)
                if (bits == 0 || (d->visited[i] ^ prefix) >> (32 - bits) == 0)
                        return true;
        return false;
}

static struct spare *spare_of(struct draw *d, const struct peer_id *peer) {
        for (size_t i = 0; i < d->n_spares; i++)
                if (peer_id_equal(&d->spares[i].peer, peer))
                        return &d->spares[i];
        return NULL;
}

static bool was_told(struct draw *d, const struct peer_id *peer) {
        return has(d, peer) || spare_of(d, peer);
}

/* A free one, or that of who was silent longest, if it was for longer; NULL: none. */
static struct spare *spare_place(struct draw *d, nsec_t silence) {
        struct spare *worst = NULL;

        if (d->n_spares < ELEMENTSOF(d->spares))
                return &d->spares[d->n_spares++];
        for (size_t i = 0; i < d->n_spares; i++)
                if (d->spares[i].asked == 0 && (!worst || d->spares[i].silence > worst->silence))
                        worst = &d->spares[i];
        return worst && worst->silence > silence ? worst : NULL;
}

/* Another member may have heard of it since. */
static void put_aside(struct draw *d, const struct capability *c, nsec_t age, nsec_t silence) {
        struct spare *s = spare_of(d, &c->peer);

        if (has(d, &c->peer))
                return;
        if (s) {
                s->silence = nsec_min(s->silence, silence);
                return;
        }
        s = spare_place(d, silence);
        if (!s)
                return;
        refbuf_unref(s->candidate.record);
        *s = (struct spare){ .peer = c->peer,
                             .candidate = { refbuf_ref(c->raw), age, true },
                             .silence = silence };
}

static void take_spare(struct draw *d, struct spare *s) {
        if (d->n == d->count || has(d, &s->peer) || !s->candidate.record)
                return;
        d->peers[d->n] = s->peer;
        d->list[d->n++] = s->candidate;
        s->candidate.record = NULL;
}

static bool was_asked(const struct draw *d, const struct spare *s) {
        return s->asked > 0 || draw_is_visited(d, shard_of(&s->peer, 32).prefix, 32);
}

/* It was asked, and had the time to answer. */
static bool is_silent(const struct draw *d, const struct spare *s, nsec_t now) {
        return s->asked > 0 ? s->has_failed || nsec_sub(now, s->asked) >= PATIENCE
                            : was_asked(d, s);
}

/* The least silent first: it is the likeliest to be there. */
static void fill_up(struct draw *d, nsec_t most_silent, nsec_t now) {
        while (d->n < d->count) {
                struct spare *best = NULL;

                for (size_t i = 0; i < d->n_spares; i++) {
                        struct spare *s = &d->spares[i];

                        if (s->silence < most_silent && !has(d, &s->peer) &&
                            !is_silent(d, s, now) && (!best || s->silence < best->silence))
                                best = s;
                }
                if (!best)
                        return;
                take_spare(d, best);
        }
}

static bool is_gone(struct draw *d, const struct peer_id *peer, nsec_t now) {
        const struct spare *s = spare_of(d, peer);

        return s && is_silent(d, s, now);
}

/* Who missed a publication is most likely gone, and taken only where nobody else is: a dead
 * candidate costs a job more than a missing one. */
void draw_add_heard(struct gossip *g, struct draw *d, nsec_t now) {
        struct offer_view views[GOSSIP_DRAW_MAX];
        nsec_t most_silent = OFFER_FRESH;
        struct offer_draw heard = { &d->filter, &g->rng, views, d->count };

        offers_draw(g->offers, &heard, now);
        if (d->n == 0 && heard.n > 0 && views[0].silence >= OFFER_FRESH)
                most_silent = NSEC_NEVER; /* so are all behind it */
        for (size_t i = 0; i < heard.n; i++)
                if (views[i].silence < most_silent && !is_gone(d, &views[i].record->peer, now))
                        add(d, views[i].record, views[i].age, false);
        d->known += heard.n + heard.unusable;
        d->unusable += heard.unusable;
}

void draw_complete(struct gossip *g, struct draw *d, nsec_t now) {
        fill_up(d, OFFER_FRESH, now);
        /* Better somebody from the own shard, over-represented, than nobody. */
        if (d->n < d->count && !d->local)
                draw_add_heard(g, d, now);
}

void draw_end(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;
        struct gossip_drawn *out;

        if (d->stage < DRAW_SETTLING)
                draw_complete(g, d, now);
        fill_up(d, d->n > 0 ? OFFER_FRESH : NSEC_NEVER, now);
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
        for (size_t i = 0; i < d->n_spares; i++)
                refbuf_unref(d->spares[i].candidate.record);
        free(d);
}

/* A word of its author to who answers is as good as a record of that instant. */
static nsec_t silence_told(const Peers__Reply *reply, size_t i, nsec_t age) {
        return i < reply->n_silent_ms ? nsec_min(age, reply->silent_ms[i] * NSEC_PER_MSEC) : age;
}

void draw_take_reply(struct gossip *g, struct draw *d, const Peers__Reply *reply, nsec_t now) {
        d->unusable += reply->unusable;
        d->known += (size_t) reply->unusable + reply->n_records;
        for (size_t i = 0; i < reply->n_records && i < GOSSIP_DRAW_MAX; i++) {
                CLEANUP(capability_donep) struct capability r = {};
                uint64_t wall = gossip_wall(g, now);
                nsec_t age, silence;

                if (!gossip_take_record(g, BYTES(reply->records[i].data, reply->records[i].len),
                                        now, &r) ||
                    !offer_fits(&r, &d->filter) || peer_id_equal(&r.peer, &g->self))
                        continue;
                age = wall > r.sequence ? wall - r.sequence : 0;
                if (age >= OFFER_TTL || r.slots == 0)
                        continue;
                if (was_told(d, &r.peer))
                        d->n_again++;
                else
                        d->n_first++;
                silence = silence_told(reply, i, age);
                if (silence < OFFER_ALIVE)
                        add(d, &r, age, true);
                else
                        put_aside(d, &r, age, silence);
        }
}

/* ---- Proofs: who was silent for a while is alive if it answers, whatever it says ---- */

static void on_proof(struct gossip *g, struct ask *a, const Peers__Reply *reply, nsec_t now) {
        struct draw *d = a->call->state;
        struct spare *s = spare_of(d, &a->to.peer);

        d->n_proofs--;
        if (s && reply)
                take_spare(d, s);
        else if (s)
                s->has_failed = true;
        draw_step(g, a->call, now);
}

/* The shortest answer there is: one record behind its own id. */
static void prove(struct gossip *g, struct call *c, struct spare *s, nsec_t now) {
        CLEANUP(capability_donep) struct capability r = {};
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__List list = PEERS__LIST__INIT;
        struct gossip_contact to = { .peer = s->peer };
        struct draw *d = c->state;

        s->asked = now;
        if (gossip_is_blocked(g, &s->peer) ||
            capability_read(refbuf_bytes(s->candidate.record), &r) != CAPABILITY_OK)
                return;
        to.n_addresses = gossip_addresses_of(g, &r, to.addresses, GOSSIP_ADDRESSES_MAX);
        list.after = (ProtobufCBinaryData){ s->peer.len, s->peer.bytes };
        list.max = 1;
        request.body_case = PEERS__REQUEST__BODY_LIST;
        request.list = &list;
        d->n_proofs += ask_peer(g, c, &to, &request, on_proof, now) != NULL;
}

/* Heard of last, of those that were not asked; NULL: none. */
static struct spare *next_spare(struct draw *d) {
        struct spare *best = NULL;

        for (size_t i = 0; i < d->n_spares; i++) {
                struct spare *s = &d->spares[i];

                if (!was_asked(d, s) && !has(d, &s->peer) && (!best || s->silence < best->silence))
                        best = s;
        }
        return best;
}

void draw_prove_some(struct gossip *g, struct call *c, nsec_t now) {
        struct draw *d = c->state;
        size_t missing = d->count - d->n, n = d->stage < DRAW_HEDGING ? missing : 2 * missing;
        struct spare *s;

        while (d->n_proofs < n && c->n_asks < DRAW_ASKS && (s = next_spare(d)))
                prove(g, c, s, now);
}
