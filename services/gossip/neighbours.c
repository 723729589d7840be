#include "services/gossip/neighbours.h"

#include <string.h>

#include "common/base/memory.h"

/* Neighbours: to whom our GossipSub stream is opened, and whose connection is held for it.
 *
 * A stream goes to members of our shards, to whoever spoke to us, and to peers of other software,
 * who may publish without saying anything first. It keeps no connection alive. Held, by need: who
 * is in one of our meshes, and some more members to choose from when the mesh loses one, at most
 * HELD_MAX in all. Everybody else's connection ends when nobody uses it. */

#define TEND_EVERY    (5 * NSEC_PER_SEC)
#define MEMBERS_EVERY (20 * NSEC_PER_SEC)
#define MEMBERS_SOON  (2 * NSEC_PER_SEC) /* after one was lost */
#define MISSES_MAX    3                  /* looked for in vain so often: there are no more */
#define REST          15 /* then look this many times less often: others look, too */
#define HELD_MAX      24
#define SMALL_NETWORK 24 /* nodes: all are in one shard */

/* Members of our shard that we want to be connected to: nearly all, so that most hear of us from
 * ourselves and nobody passes it on to them. Then some that are only in the larger shard, for the
 * others who are in it. */
enum { HALF_OWN = 0, HALF_OTHER, _HALVES, HALF_NONE = _HALVES };
static const unsigned wanted[_HALVES] = { 16, 4 };

static uint32_t place_of(const struct peer_id *peer) {
        return shard_of(peer, 32).prefix;
}

static unsigned half_of(const struct gossip *g, uint32_t place) {
        if (shard_has_place(&g->shards[0].shard, place))
                return HALF_OWN;
        return g->in_both && shard_has_place(&g->shards[1].shard, place) ? HALF_OTHER : HALF_NONE;
}

/* ---- Addresses ---- */

void neighbours_put_addresses(struct known_peer *k, const struct multiaddr *list, size_t n) {
        struct buffer b;

        buffer_init(&b, GOSSIP_ADDRESSES_MAX * sizeof(*list));
        k->n_addresses = n < GOSSIP_ADDRESSES_MAX ? n : GOSSIP_ADDRESSES_MAX;
        for (size_t i = 0; i < k->n_addresses; i++)
                buffer_put(&b, &list[i], sizeof(list[i].len) + list[i].len);
        free(k->addresses);
        k->addresses = xmemdup(b.data, b.len);
        k->addresses_len = b.len;
        buffer_done(&b);
}

bool neighbours_address(const struct known_peer *k, size_t *cursor, struct multiaddr *ret) {
        const uint8_t *at;

        if (*cursor == k->addresses_len)
                return false;
        at = k->addresses + *cursor;
        memcpy(&ret->len, at, sizeof(ret->len));
        memcpy(ret->bytes, at + sizeof(ret->len), ret->len);
        *cursor += sizeof(ret->len) + ret->len;
        return true;
}

/* ---- Streams ---- */

void neighbours_meet(struct gossip *g, struct known_peer *k) {
        k->place = place_of(&k->peer);
        k->has_spoken |= early_has(g->early, &k->peer);
        k->retry_at = 0; /* what it speaks has changed: its gossip is there again, perhaps */
        neighbours_stream(g, k);
}

void neighbours_stream(struct gossip *g, struct known_peer *k) {
        bool is_wanted = k->has_spoken || !k->speaks_peers || half_of(g, k->place) != HALF_NONE;

        if (k->version == 0 || k->has_stream || k->wants_stream || !is_wanted ||
            k->retry_at > g->now || gossip_is_blocked(g, &k->peer))
                return;
        k->wants_stream = true;
        gossip_add(g, GOSSIP_STREAM_OPEN, 0)->peer = k->peer;
}

static void open_streams(struct gossip *g) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value))
                neighbours_stream(g, value);
}

/* ---- Connections ---- */

static void keep(struct gossip *g, struct known_peer *k, bool on) {
        struct gossip_action *a;

        if (k->is_kept == on)
                return;
        a = gossip_add(g, GOSSIP_KEEP, 0);
        a->peer = k->peer;
        a->n = k->is_kept = on;
}

/* transport would dial it again and again. */
void neighbours_lost(struct gossip *g, struct known_peer *k, nsec_t now) {
        if (!k->is_kept)
                return;
        offers_gone(g->offers, &k->peer);
        keep(g, k, false);
        g->next_members = nsec_min(g->next_members, nsec_add(now, MEMBERS_SOON));
}

struct tally {
        unsigned held, members[_HALVES];
};

static bool is_held(const struct gossip *g, const struct known_peer *k, struct tally *t,
                    bool by_need) {
        unsigned half = half_of(g, k->place);

        if (k->version == 0 || gossip_is_blocked(g, &k->peer) || t->held == HELD_MAX)
                return false;
        if (!by_need && (half == HALF_NONE || t->members[half] >= wanted[half]))
                return false;
        t->held++;
        if (half != HALF_NONE)
                t->members[half]++;
        return true;
}

/* Who is needed first, then those who have been here longest. */
static void hold(struct gossip *g) {
        struct tally t = {};
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(g->peers, &cursor, &key, &value)) {
                struct known_peer *k = value;

                k->is_needed = pubsub_needs(g->router, &k->peer) && is_held(g, k, &t, true);
        }
        cursor = 0;
        while (map_next(g->peers, &cursor, &key, &value)) {
                struct known_peer *k = value;

                keep(g, k, k->is_needed || is_held(g, k, &t, false));
        }
}

static unsigned missing(const struct gossip *g, unsigned half) {
        unsigned n = 0;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        if (half == HALF_OTHER && !g->in_both)
                return 0;
        while (map_next(g->peers, &cursor, &key, &value)) {
                const struct known_peer *k = value;

                n += k->version > 0 && half_of(g, k->place) == half &&
                     !gossip_is_blocked(g, &k->peer);
        }
        return n < wanted[half] ? wanted[half] - n : 0;
}

/* ---- Members of our shards: the DHT's closest to a key that differs behind its bits ---- */

/* A prefix of the other half differs from ours in the last bit alone. */
static void put_key(struct gossip *g, unsigned half, uint8_t key[32]) {
        const struct shard *own = &g->shards[0].shard;
        uint32_t prefix = own->prefix;

        if (half == HALF_OTHER)
                prefix ^= UINT32_C(1) << (32 - own->bits);
        rng_bytes(&g->rng, key, 32);
        if (own->bits > 0)
                store_be32(key, prefix | load_be32(key) >> own->bits);
}

/* First among those that dht knows, which costs nothing, then by asking others. */
static void find_members(struct gossip *g, nsec_t now) {
        bool is_resting = g->n_misses > MISSES_MAX;
        unsigned half = missing(g, HALF_OWN) > 0 ? HALF_OWN : HALF_OTHER;
        struct gossip_action *a;

        g->next_members = nsec_add(now, is_resting ? REST * MEMBERS_EVERY : MEMBERS_EVERY);
        if (missing(g, half) == 0)
                return;
        g_count(g, GOSSIP_LOOKUPS);
        a = gossip_add(g, GOSSIP_LOOKUP, 0);
        a->n = 2 * wanted[HALF_OWN];
        a->local = g->nodes <= SMALL_NETWORK || g->n_misses == 0;
        put_key(g, half, a->key);
        if (g->nodes > SMALL_NETWORK && !is_resting)
                g->n_misses++; /* until somebody is found */
}

void neighbours_found(struct gossip *g, const struct gossip_contact *list, size_t n, nsec_t now) {
        unsigned left[_HALVES] = { missing(g, HALF_OWN), missing(g, HALF_OTHER) };

        for (size_t i = 0; i < n; i++) {
                unsigned half = half_of(g, place_of(&list[i].peer));
                struct gossip_action *a;

                if (half == HALF_NONE || left[half] == 0 || gossip_known(g, &list[i].peer) ||
                    peer_id_equal(&list[i].peer, &g->self) || gossip_is_blocked(g, &list[i].peer))
                        continue;
                a = gossip_add(g, GOSSIP_CONNECT, 0);
                a->peer = list[i].peer;
                gossip_set_addresses(a, list[i].addresses, list[i].n_addresses);
                left[half]--;
                g->n_misses = 0;
        }
}

/* ---- Time ---- */

void neighbours_soon(struct gossip *g, nsec_t now) {
        g->next_members = g->next_tending = now;
        g->n_misses = 0;
}

nsec_t neighbours_deadline(const struct gossip *g) {
        return nsec_min(g->next_members, g->next_tending);
}

void neighbours_expire(struct gossip *g, nsec_t now) {
        if (now >= g->next_tending) {
                g->next_tending = nsec_add(now, TEND_EVERY);
                open_streams(g);
                hold(g);
        }
        if (now >= g->next_members)
                find_members(g, now);
}
