#include "services/gossip/cache.h"

#include <string.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/crypto/sign.h"

#define WINDOWS_MAX 16
#define ASKERS_MAX  64 /* remembered per message; later ones count as having asked too often */

struct asker {
        struct peer_id peer;
        unsigned n;
};

struct cached {
        struct list link; /* in its window */
        struct message_id id;
        const char *topic;
        struct refbuf *raw;
        struct asker *askers;
        size_t n_askers;
};

struct cache {
        unsigned n_windows;
        nsec_t seen_ttl;
        size_t seen_max, bytes_max, bytes;
        struct map *seen; /* id -> when, as a pointer: hundreds, each a map's entry and no more */
        struct map *bodies;
        struct list windows[WINDOWS_MAX]; /* 0: the newest */
        uint64_t seen_evicted, bodies_evicted;
};

struct message_id message_id_of(struct bytes data) {
        struct message_id id;

        sha256_of(data, id.bytes);
        return id;
}

struct cache *cache_new(unsigned windows, nsec_t seen_ttl, size_t seen_max, size_t bytes_max,
                        uint64_t seed) {
        struct cache *c = xnew(struct cache);

        check(windows > 0 && windows <= WINDOWS_MAX);
        c->n_windows = windows;
        c->seen_ttl = seen_ttl;
        c->seen_max = seen_max;
        c->bytes_max = bytes_max;
        c->seen = map_new(seed);
        c->bodies = map_new(seed + 1);
        for (unsigned i = 0; i < WINDOWS_MAX; i++)
                list_init(&c->windows[i]);
        return c;
}

static void forget_body(struct cache *c, struct cached *b) {
        (void) map_remove(c->bodies, message_id_bytes(&b->id));
        list_remove(&b->link);
        c->bytes -= b->raw->len;
        refbuf_unref(b->raw);
        free(b->askers);
        free(b);
}

static void empty_window(struct cache *c, struct list *window) {
        while (!list_is_empty(window))
                forget_body(c, LIST_ENTRY(list_first(window), struct cached, link));
}

struct cache *cache_free(struct cache *c) {
        if (!c)
                return NULL;
        for (unsigned i = 0; i < WINDOWS_MAX; i++)
                empty_window(c, &c->windows[i]);
        map_free(c->seen);
        map_free(c->bodies);
        free(c);
        return NULL;
}

/* ---- Seen ---- */

_Static_assert(sizeof(void *) >= sizeof(nsec_t), "instants stand in the map as its values");

static void *value_of(nsec_t at) {
        return (void *) (uintptr_t) nsec_add(at, 1); /* never NULL */
}

bool cache_has_seen(const struct cache *c, const struct message_id *id) {
        return map_get(c->seen, message_id_bytes(id)) != NULL;
}

/* The oldest, which the map has first. False: there is none. */
static bool oldest_seen(const struct cache *c, struct message_id *ret, nsec_t *ret_at) {
        size_t cursor = 0;
        struct bytes id;
        void *at;

        if (!map_next(c->seen, &cursor, &id, &at))
                return false;
        memcpy(ret->bytes, id.data, sizeof(ret->bytes));
        *ret_at = (nsec_t) (uintptr_t) at - 1;
        return true;
}

bool cache_see(struct cache *c, const struct message_id *id, nsec_t now) {
        struct message_id oldest;
        nsec_t at;

        if (cache_has_seen(c, id))
                return false;
        if (map_count(c->seen) >= c->seen_max && oldest_seen(c, &oldest, &at)) {
                cache_unsee(c, &oldest);
                c->seen_evicted++;
        }
        (void) map_set(c->seen, message_id_bytes(id), value_of(now));
        return true;
}

void cache_unsee(struct cache *c, const struct message_id *id) {
        (void) map_remove(c->seen, message_id_bytes(id));
}

static void expire_seen(struct cache *c, nsec_t now) {
        struct message_id oldest;
        nsec_t at;

        while (oldest_seen(c, &oldest, &at) && now >= nsec_add(at, c->seen_ttl))
                cache_unsee(c, &oldest);
}

/* ---- Bodies ---- */

static void make_room(struct cache *c, size_t n) {
        for (unsigned i = c->n_windows; i-- > 0 && c->bytes + n > c->bytes_max;)
                while (!list_is_empty(&c->windows[i]) && c->bytes + n > c->bytes_max) {
                        forget_body(c, LIST_ENTRY(list_first(&c->windows[i]), struct cached, link));
                        c->bodies_evicted++;
                }
}

void cache_put(struct cache *c, const struct message_id *id, const char *topic,
               struct refbuf *raw) {
        struct cached *b;

        if (map_get(c->bodies, message_id_bytes(id)) || raw->len > c->bytes_max)
                return;
        make_room(c, raw->len);
        b = xnew(struct cached);
        b->id = *id;
        b->topic = topic;
        b->raw = refbuf_ref(raw);
        c->bytes += raw->len;
        list_push_back(&c->windows[0], &b->link);
        (void) map_set(c->bodies, message_id_bytes(id), b);
}

static unsigned count_asker(struct cached *b, const struct peer_id *peer) {
        for (size_t i = 0; i < b->n_askers; i++)
                if (peer_id_equal(&b->askers[i].peer, peer))
                        return ++b->askers[i].n;
        if (b->n_askers == ASKERS_MAX)
                return UINT32_MAX;
        b->askers = xrealloc(b->askers, (b->n_askers + 1) * sizeof(*b->askers));
        b->askers[b->n_askers++] = (struct asker){ *peer, 1 };
        return 1;
}

struct refbuf *cache_ask(struct cache *c, const struct message_id *id, const struct peer_id *peer,
                         unsigned *ret_asked) {
        struct cached *b = map_get(c->bodies, message_id_bytes(id));

        if (!b)
                return NULL;
        *ret_asked = count_asker(b, peer);
        return b->raw;
}

size_t cache_ids(const struct cache *c, const char *topic, unsigned windows, struct message_id *ret,
                 size_t max) {
        size_t n = 0;

        for (unsigned i = 0; i < windows && i < c->n_windows; i++)
                LIST_FOREACH (it, &c->windows[i]) {
                        const struct cached *b = LIST_ENTRY(it, struct cached, link);

                        if (n == max)
                                return n;
                        if (strcmp(b->topic, topic) == 0)
                                ret[n++] = b->id;
                }
        return n;
}

void cache_shift(struct cache *c, nsec_t now) {
        empty_window(c, &c->windows[c->n_windows - 1]);
        for (unsigned i = c->n_windows - 1; i > 0; i--)
                list_take_all(&c->windows[i - 1], &c->windows[i]);
        expire_seen(c, now);
}

void cache_forget_topic(struct cache *c, const char *topic) {
        for (unsigned i = 0; i < c->n_windows; i++)
                LIST_FOREACH_SAFE (it, &c->windows[i]) {
                        struct cached *b = LIST_ENTRY(it, struct cached, link);

                        if (strcmp(b->topic, topic) == 0)
                                forget_body(c, b);
                }
}

struct cache_stats cache_stats(const struct cache *c) {
        return (struct cache_stats){ c->seen_evicted, c->bodies_evicted, map_count(c->seen),
                                     map_count(c->bodies), c->bytes };
}
