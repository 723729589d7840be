#include "services/coordinator/denied.h"

#include "common/base/map.h"
#include "common/base/memory.h"

struct denied {
        struct map *listed; /* values are only not NULL */
        const struct peer_id *configured;
        size_t n_configured;
};

struct denied *denied_new(uint64_t seed, const struct peer_id *configured, size_t n) {
        struct denied *d = xnew(struct denied);

        d->listed = map_new(seed);
        d->configured = configured;
        d->n_configured = n;
        return d;
}

struct denied *denied_free(struct denied *d) {
        if (d)
                map_free(d->listed);
        free(d);
        return NULL;
}

bool denied_has(const struct denied *d, const struct peer_id *peer) {
        for (size_t i = 0; i < d->n_configured; i++)
                if (peer_id_equal(&d->configured[i], peer))
                        return true;
        return map_get(d->listed, peer_id_bytes(peer)) != NULL;
}

bool denied_set(struct denied *d, const struct peer_id *peer, bool is_denied) {
        if (!is_denied)
                (void) map_remove(d->listed, peer_id_bytes(peer));
        else if (map_count(d->listed) < DENIED_PEERS_MAX || denied_has(d, peer))
                (void) map_set(d->listed, peer_id_bytes(peer), d);
        else
                return false;
        return true;
}

void denied_clear(struct denied *d) {
        struct bytes key;
        size_t cursor = 0;
        void *value;

        while (map_next(d->listed, &cursor, &key, &value))
                (void) map_remove(d->listed, key);
}
