#include "services/gossip/early.h"

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/rate.h"

struct early_peer {
        struct list link;
        struct peer_id peer;
        struct refbuf *rpcs[EARLY_RPCS];
        size_t n, bytes;
        bool has_asked;
        struct rate questions;
};

struct early {
        struct map *peers;
        struct list order;
};

struct early *early_new(uint64_t seed) {
        struct early *e = xnew(struct early);

        e->peers = map_new(seed);
        list_init(&e->order);
        return e;
}

struct early *early_free(struct early *e) {
        if (!e)
                return NULL;
        early_forget_all(e);
        map_free(e->peers);
        free(e);
        return NULL;
}

static void drop(struct early *e, struct early_peer *p) {
        for (size_t i = 0; i < p->n; i++)
                refbuf_unref(p->rpcs[i]);
        (void) map_remove(e->peers, peer_id_bytes(&p->peer));
        list_remove(&p->link);
        free(p);
}

static struct early_peer *peer_make(struct early *e, const struct peer_id *peer) {
        struct early_peer *p = map_get(e->peers, peer_id_bytes(peer));

        if (p)
                return p;
        if (map_count(e->peers) == EARLY_PEERS)
                drop(e, LIST_ENTRY(list_first(&e->order), struct early_peer, link));
        p = xnew(struct early_peer);
        p->peer = *peer;
        list_push_back(&e->order, &p->link);
        (void) map_set(e->peers, peer_id_bytes(peer), p);
        return p;
}

bool early_keep(struct early *e, const struct peer_id *peer, struct bytes rpc) {
        struct early_peer *p;

        if (rpc.len > EARLY_BYTES)
                return false;
        p = peer_make(e, peer);
        if (p->n == EARLY_RPCS || p->bytes + rpc.len > EARLY_BYTES)
                return false;
        p->rpcs[p->n++] = refbuf_new(rpc);
        p->bytes += rpc.len;
        return true;
}

bool early_has(const struct early *e, const struct peer_id *peer) {
        const struct early_peer *p = map_get(e->peers, peer_id_bytes(peer));

        return p && p->n > 0;
}

bool early_may_ask(struct early *e, const struct peer_id *peer, unsigned burst, unsigned per_second,
                   nsec_t now) {
        struct early_peer *p = peer_make(e, peer);

        if (!p->has_asked)
                rate_init(&p->questions, burst, per_second);
        p->has_asked = true;
        return rate_take(&p->questions, now);
}

size_t early_take(struct early *e, const struct peer_id *peer, struct refbuf *ret[EARLY_RPCS]) {
        struct early_peer *p = map_get(e->peers, peer_id_bytes(peer));
        size_t n = 0;

        if (!p)
                return 0;
        for (; n < p->n; n++)
                ret[n] = TAKE(p->rpcs[n]);
        p->n = 0;
        drop(e, p);
        return n;
}

void early_forget(struct early *e, const struct peer_id *peer) {
        struct early_peer *p = map_get(e->peers, peer_id_bytes(peer));

        if (p)
                drop(e, p);
}

void early_forget_all(struct early *e) {
        LIST_FOREACH_SAFE (it, &e->order)
                drop(e, LIST_ENTRY(it, struct early_peer, link));
}
