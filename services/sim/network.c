#include "services/sim/network.h"

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/sim/node.h"

#define LOST_PAUSE  (250 * NSEC_PER_MSEC) /* until a lost packet is sent again: a probe time-out */
#define JITTER_PART 8                     /* a delay varies by an eighth */

const struct sim_settings sim_settings_default = {
        .seed = 1,
        .n_nodes = 200,
        .warmup = 600 * NSEC_PER_SEC,
        .measured = 1200 * NSEC_PER_SEC,
        .session = 1800 * NSEC_PER_SEC,
        .away = 1800 * NSEC_PER_SEC,
        .killed = 0.5,
        .returning = 1.0 / 3,
        .loss = 0.005,
        .has_gossip = true,
        .records = true,
        .lookups = 1000,
        .gets = 500,
        .draws = 200,
        .sybil_subnets = 64,
        .patience = 1200 * NSEC_PER_SEC,
};

/* Milliseconds one way between regions, about half of what public clouds publish as round trips:
 * America east and west, Europe, east Asia, south America. */
static const uint8_t latency_ms[REGIONS][REGIONS] = {
        { 8, 32, 42, 85, 60 },    { 32, 8, 70, 55, 90 },   { 42, 70, 8, 110, 95 },
        { 85, 55, 110, 15, 140 }, { 60, 90, 95, 140, 10 },
};

void network_init(struct network *net, const struct sim_settings *settings) {
        *net = (struct network){ .settings = *settings, .now = NSEC_PER_SEC };
        net->alive_at = net->now;
        net->honest = &node_honest;
        net->keys.is_real = settings->has_real_signatures;
        rng_init(&net->rng, settings->seed);
        shelf_pool_init(&net->pool);
        heap_init(&net->events);
        heap_init(&net->timers);
        net->peers_size = 1024;
        net->peers = xnew_n(struct node *, net->peers_size);
        net->links_size = 1024;
        net->links = xnew_n(struct link *, net->links_size);
}

void network_reseed(struct network *net, uint64_t seed) {
        net->settings.seed = seed;
        rng_init(&net->rng, seed);
}

static void event_release(struct network *net, struct event *e) {
        e->data = refbuf_unref(e->data);
        e->entry.when = (uintptr_t) net->spare;
        net->spare = e;
}

static struct event *event_take(struct network *net) {
        struct event *e = net->spare;

        if (!e)
                return xnew(struct event);
        net->spare = (struct event *) (uintptr_t) e->entry.when;
        *e = (struct event){};
        return e;
}

void network_done(struct network *net) {
        struct heap_entry *entry;

        for (uint32_t i = 0; i < net->n_slots; i++)
                if (net->slots[i])
                        node_free(net->slots[i]);
        while ((entry = heap_pop_due(&net->events, NSEC_NEVER)))
                event_release(net, container_of(entry, struct event, entry));
        while (net->spare)
                free(event_take(net));
        heap_done(&net->events);
        heap_done(&net->timers);
        shelf_pool_done(&net->pool);
        free(net->peers);
        free(net->links);
        free(net->slots);
        free(net->free_slots);
}

struct event *network_event(struct network *net, nsec_t when, event_fn fn, const struct node *to) {
        struct event *e = event_take(net);

        e->fn = fn;
        e->to = to ? to->slot : UINT32_MAX;
        e->to_life = to ? to->life : 0;
        heap_set(&net->events, &e->entry, when);
        return e;
}

void network_mix(struct network *net, uint64_t value) {
        net->trace = (net->trace ^ value) * UINT64_C(0x9e3779b97f4a7c15);
        net->trace ^= net->trace >> 29;
}

/* ---- Time ---- */

static void happen(struct network *net, struct event *e) {
        struct node *to = e->to == UINT32_MAX ? NULL : network_node(net, e->to, e->to_life);

        net->n_events++;
        if (to || e->to == UINT32_MAX)
                e->fn(net, to, e);
        if (to)
                node_settle(to);
        event_release(net, e);
}

void network_run(struct network *net, nsec_t until) {
        for (;;) {
                nsec_t event = heap_when(&net->events), timer = heap_when(&net->timers);
                struct heap_entry *entry;

                if (nsec_min(event, timer) > until)
                        break;
                net->now = nsec_max(net->now, nsec_min(event, timer));
                if (event <= timer) {
                        entry = heap_pop_due(&net->events, net->now);
                        happen(net, container_of(entry, struct event, entry));
                } else {
                        entry = heap_pop_due(&net->timers, net->now);
                        node_expire(container_of(entry, struct node, timer));
                }
        }
        net->now = nsec_max(net->now, until);
}

void network_count(struct network *net) {
        net->alive += (double) net->n_up * (double) (net->now - net->alive_at) / 1e9;
        net->alive_at = net->now;
}

/* ---- What lies between ---- */

nsec_t network_delay(struct network *net, const struct node *from, const struct node *to) {
        nsec_t base =
                latency_ms[from->region][to->region] * NSEC_PER_MSEC + from->access + to->access;
        nsec_t delay = base + rng_below(&net->rng, base / JITTER_PART + 1);

        if (rng_chance(&net->rng, net->settings.loss))
                delay += LOST_PAUSE + 2 * base;
        return delay;
}

static bool is_split(const struct network *net) {
        const struct sim_settings *s = &net->settings;

        return s->split_for > 0 && net->now >= s->split_at && net->now < s->split_at + s->split_for;
}

bool network_reaches(const struct network *net, const struct node *from, const struct node *to) {
        return from->half == to->half || !is_split(net);
}

bool network_swallows(const struct network *net, const struct node *from, const struct node *to) {
        uint64_t low = from->life < to->life ? from->life : to->life,
                 high = from->life < to->life ? to->life : from->life,
                 h = (low << 32 | high) * UINT64_C(0xbf58476d1ce4e5b9) ^ net->settings.seed;

        if (net->settings.silent <= 0)
                return false;
        h = (h ^ h >> 31) * UINT64_C(0x94d049bb133111eb);
        return (double) (h >> 11) / 9007199254740992.0 < net->settings.silent;
}

/* ---- Nodes ---- */

struct node *network_node(const struct network *net, uint32_t slot, uint32_t life) {
        struct node *n = slot < net->n_slots ? net->slots[slot] : NULL;

        return n && n->life == life && n->is_up ? n : NULL;
}

/* Keys are random bytes, and their end stands at the end of a peer id: no hashing is needed. */
static struct node **peer_place(const struct network *net, const struct peer_id *peer) {
        uint32_t h = peer->len >= 4 ? load_be32(peer->bytes + peer->len - 4) : 0;

        return &net->peers[h & (net->peers_size - 1)];
}

struct node *network_find(const struct network *net, const struct peer_id *peer) {
        struct node *n = *peer_place(net, peer);

        while (n && !peer_id_equal(&n->peer, peer))
                n = n->chain;
        return n;
}

static void peers_grow(struct network *net) {
        struct node **old = net->peers;
        uint32_t size = net->peers_size;

        net->peers_size = 2 * size;
        net->peers = xnew_n(struct node *, net->peers_size);
        net->n_peers = 0;
        for (uint32_t i = 0; i < size; i++)
                for (struct node *n = old[i], *next; n; n = next) {
                        next = n->chain;
                        network_add(net, n);
                }
        free(old);
}

void network_add(struct network *net, struct node *n) {
        struct node **at;

        if (net->n_peers >= net->peers_size)
                peers_grow(net);
        at = peer_place(net, &n->peer);
        n->chain = *at;
        *at = n;
        net->n_peers++;
}

void network_remove(struct network *net, struct node *n) {
        struct node **at = peer_place(net, &n->peer);

        while (*at != n)
                at = &(*at)->chain;
        *at = n->chain;
        net->n_peers--;
}

struct node *network_any(struct network *net) {
        for (unsigned i = 0; net->n_up > 0 && i < 100000; i++) {
                struct node *n = net->slots[rng_below(&net->rng, net->n_slots)];

                if (n && n->is_up)
                        return n;
        }
        return NULL;
}
