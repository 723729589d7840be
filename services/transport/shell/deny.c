#include "services/transport/shell/deny.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

/* A peer, and how many lists name it. */
struct denied {
        size_t n;
};

/* Of one that outlives its connection. */
struct kept {
        char owner[DENY_OWNER_SIZE]; /* empty: free */
        struct denial list;
};

struct denials {
        struct map *by_peer; /* struct denied */
        struct kept kept[DENY_OWNERS_MAX];
};

struct denials *denials_new(uint64_t seed) {
        struct denials *d = xnew(struct denials);

        d->by_peer = map_new(seed);
        return d;
}

struct denials *denials_free(struct denials *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < DENY_OWNERS_MAX; i++)
                denial_done(d, &d->kept[i].list);
        check(map_count(d->by_peer) == 0);
        map_free(d->by_peer);
        free(d);
        return NULL;
}

bool denials_name(const struct denials *d, const struct peer_id *peer) {
        return map_get(d->by_peer, peer_id_bytes(peer)) != NULL;
}

size_t denials_count(const struct denials *d) {
        return map_count(d->by_peer);
}

static void add(struct denials *d, const struct peer_id *peer) {
        struct denied *entry = map_get(d->by_peer, peer_id_bytes(peer));

        if (!entry) {
                entry = xnew(struct denied);
                map_set(d->by_peer, peer_id_bytes(peer), entry);
        }
        entry->n++;
}

static void take_off(struct denials *d, const struct peer_id *peer) {
        struct denied *entry = map_get(d->by_peer, peer_id_bytes(peer));

        check(entry && entry->n > 0);
        if (--entry->n > 0)
                return;
        map_remove(d->by_peer, peer_id_bytes(peer));
        free(entry);
}

static int compare(const void *a, const void *b) {
        return peer_id_compare(a, b);
}

static size_t without_repetitions(struct peer_id *peers, size_t n) {
        size_t kept = 0;

        qsort(peers, n, sizeof(*peers), compare);
        for (size_t i = 0; i < n; i++)
                if (kept == 0 || !peer_id_equal(&peers[kept - 1], &peers[i]))
                        peers[kept++] = peers[i];
        return kept;
}

/* The new ones first, so that no peer is free in between. */
void denial_replace(struct denials *d, struct denial *list, const struct peer_id *peers, size_t n) {
        struct denial fresh = {};

        check(n <= DENY_MAX);
        if (n > 0) {
                fresh.peers = xmemdup(peers, n * sizeof(*peers));
                fresh.n = without_repetitions(fresh.peers, n);
        }
        for (size_t i = 0; i < fresh.n; i++)
                add(d, &fresh.peers[i]);
        denial_done(d, list);
        *list = fresh;
}

void denial_done(struct denials *d, struct denial *list) {
        for (size_t i = 0; i < list->n; i++)
                take_off(d, &list->peers[i]);
        free(list->peers);
        *list = (struct denial){};
}

static struct kept *kept_of(struct denials *d, const char *owner) {
        struct kept *spare = NULL;

        for (size_t i = 0; i < DENY_OWNERS_MAX; i++) {
                if (strcmp(d->kept[i].owner, owner) == 0)
                        return &d->kept[i];
                if (!spare && d->kept[i].owner[0] == '\0')
                        spare = &d->kept[i];
        }
        return spare;
}

bool denials_keep(struct denials *d, const char *owner, const struct peer_id *peers, size_t n) {
        size_t len = strlen(owner);
        struct kept *k = len > 0 && len < DENY_OWNER_SIZE ? kept_of(d, owner) : NULL;

        if (!k)
                return false;
        memcpy(k->owner, owner, len + 1);
        denial_replace(d, &k->list, peers, n);
        return true;
}
