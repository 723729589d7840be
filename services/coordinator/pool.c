#include "services/coordinator/pool.h"

#include "common/base/map.h"
#include "common/base/memory.h"

struct entry {
        struct candidate candidate;
        nsec_t until[_ORIGIN_N];
};

struct pool {
        struct map *hosts;
};

/* Best first. */
static const enum candidate_origin ranks[_ORIGIN_N] = {
        ORIGIN_PINNED, ORIGIN_DHT, ORIGIN_HISTORY, ORIGIN_GOSSIP, ORIGIN_CONNECTED,
};

struct pool *pool_new(uint64_t seed) {
        struct pool *p = xnew(struct pool);

        p->hosts = map_new(seed);
        return p;
}

struct pool *pool_free(struct pool *p) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        if (!p)
                return NULL;
        while (map_next(p->hosts, &cursor, &key, &value))
                free(value);
        map_free(p->hosts);
        free(p);
        return NULL;
}

/* Its place in `ranks`; _ORIGIN_N: nobody vouches for it. */
static unsigned rank_of(const struct entry *e, nsec_t now) {
        unsigned i = 0;

        while (i < _ORIGIN_N && e->until[ranks[i]] <= now)
                i++;
        return i;
}

static unsigned rank_of_origin(enum candidate_origin o) {
        unsigned i = 0;

        while (ranks[i] != o)
                i++;
        return i;
}

static void forget(struct pool *p, struct entry *e) {
        map_remove(p->hosts, peer_id_bytes(&e->candidate.peer));
        free(e);
}

static void sweep(struct pool *p, nsec_t now) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(p->hosts, &cursor, &key, &value))
                if (rank_of(value, now) == _ORIGIN_N)
                        forget(p, value);
}

/* The oldest of the worst rank makes room for one that is not worse. */
static bool make_room(struct pool *p, unsigned rank, nsec_t now) {
        struct entry *worst = NULL;
        struct bytes key;
        size_t cursor = 0;
        void *value;

        if (map_count(p->hosts) < CANDIDATES_MAX)
                return true;
        sweep(p, now);
        if (map_count(p->hosts) < CANDIDATES_MAX)
                return true;
        while (map_next(p->hosts, &cursor, &key, &value))
                if (!worst || rank_of(value, now) > rank_of(worst, now))
                        worst = value;
        if (rank_of(worst, now) < rank)
                return false;
        forget(p, worst);
        return true;
}

static bool has_address(const struct candidate *c, const struct multiaddr *a) {
        for (size_t i = 0; i < c->n_addresses; i++)
                if (multiaddr_equal(&c->addresses[i], a))
                        return true;
        return false;
}

static void append_address(struct candidate *c, const struct multiaddr *a) {
        if (c->n_addresses < CANDIDATE_ADDRESSES_MAX && !has_address(c, a))
                c->addresses[c->n_addresses++] = *a;
}

/* Those of the better source come first and are not pushed out. */
static void merge_addresses(struct candidate *into, const struct candidate *from, bool is_better) {
        struct candidate old = *into;

        if (is_better)
                into->n_addresses = 0;
        for (size_t i = 0; i < from->n_addresses; i++)
                append_address(into, &from->addresses[i]);
        for (size_t i = 0; is_better && i < old.n_addresses; i++)
                append_address(into, &old.addresses[i]);
}

bool pool_add(struct pool *p, const struct candidate *c, nsec_t until, nsec_t now) {
        struct entry *e = map_get(p->hosts, peer_id_bytes(&c->peer));
        unsigned rank = rank_of_origin(c->origin);

        if (c->origin == ORIGIN_DHT && !(e && e->until[ORIGIN_DHT] > now) &&
            pool_count(p, ORIGIN_DHT, now) >= POOL_DHT_MAX)
                return false;
        if (!e) {
                if (!make_room(p, rank, now))
                        return false;
                e = xnew(struct entry);
                e->candidate = *c;
                map_set(p->hosts, peer_id_bytes(&c->peer), e);
        } else {
                merge_addresses(&e->candidate, c, rank <= rank_of(e, now));
                if (c->claims.is_known)
                        e->candidate.claims = c->claims;
        }
        e->until[c->origin] = nsec_max(e->until[c->origin], until);
        return true;
}

void pool_drop(struct pool *p, enum candidate_origin origin) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(p->hosts, &cursor, &key, &value))
                ((struct entry *) value)->until[origin] = 0;
}

size_t pool_count(const struct pool *p, enum candidate_origin origin, nsec_t now) {
        struct bytes key;
        size_t cursor = 0, n = 0;
        void *value;

        while (map_next(p->hosts, &cursor, &key, &value))
                n += ((const struct entry *) value)->until[origin] > now;
        return n;
}

static bool view(const struct entry *e, nsec_t now, struct candidate *ret) {
        unsigned rank = rank_of(e, now);

        if (rank == _ORIGIN_N)
                return false;
        *ret = e->candidate;
        ret->origin = ranks[rank];
        if (ret->origin != ORIGIN_GOSSIP)
                ret->claims.is_known = false;
        return true;
}

size_t pool_list(struct pool *p, nsec_t now, struct candidate *ret) {
        struct bytes key;
        size_t cursor = 0, n = 0;
        void *value;

        sweep(p, now);
        while (n < CANDIDATES_MAX && map_next(p->hosts, &cursor, &key, &value))
                n += view(value, now, &ret[n]);
        return n;
}

bool pool_find(const struct pool *p, const struct peer_id *peer, nsec_t now,
               struct candidate *ret) {
        const struct entry *e = map_get(p->hosts, peer_id_bytes(peer));

        return e && view(e, now, ret);
}
