#include "services/coordinator/host_peers.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

struct host_peers {
        struct map *by_id;
        struct host_peers_config config;
};

struct host_peers *host_peers_new(uint64_t seed, const struct host_peers_config *config) {
        struct host_peers *p = xnew(struct host_peers);

        p->by_id = map_new(seed);
        p->config = *config;
        return p;
}

struct host_peers *host_peers_free(struct host_peers *p) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        if (!p)
                return NULL;
        while (map_next(p->by_id, &cursor, &key, &value))
                free(value);
        map_free(p->by_id);
        free(p);
        return NULL;
}

static void pay_back(struct host_peer *peer, nsec_t now) {
        peer->debt = nsec_sub(peer->debt, nsec_sub(now, peer->debt_since));
        peer->debt_since = now;
}

static bool is_forgettable(struct host_peer *peer, nsec_t now) {
        pay_back(peer, now);
        return peer->streams == 0 && peer->debt == 0;
}

static void sweep(struct host_peers *p, nsec_t now) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (map_next(p->by_id, &cursor, &key, &value)) {
                if (!is_forgettable(value, now))
                        continue;
                map_remove(p->by_id, key);
                free(value);
        }
}

struct host_peer *host_peers_join(struct host_peers *p, const struct peer_id *id, nsec_t now) {
        struct host_peer *peer = map_get(p->by_id, peer_id_bytes(id));

        if (!peer) {
                if (map_count(p->by_id) >= p->config.max)
                        sweep(p, now);
                if (map_count(p->by_id) >= p->config.max)
                        return NULL;
                peer = xnew(struct host_peer);
                peer->id = *id;
                peer->debt_since = now;
                budget_init(&peer->memory, p->config.peer_memory, p->config.memory);
                map_set(p->by_id, peer_id_bytes(id), peer);
        }
        peer->streams++;
        return peer;
}

void host_peers_leave(struct host_peers *p, struct host_peer *peer, nsec_t now) {
        check(peer->streams > 0);
        peer->streams--;
        if (!is_forgettable(peer, now))
                return;
        check(peer->bids == 0 && peer->memory.used == 0);
        map_remove(p->by_id, peer_id_bytes(&peer->id));
        free(peer);
}

nsec_t host_peer_rate(const struct host_peers *p, struct host_peer *peer, nsec_t now) {
        nsec_t cost = NSEC_PER_SEC / p->config.rate;

        pay_back(peer, now);
        if (peer->debt + cost > cost * p->config.burst)
                return peer->debt + cost - cost * p->config.burst;
        peer->debt += cost;
        return 0;
}
