#include "services/coordinator/host_shares.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"

/* The maps hold the counts themselves; who holds nothing is not in them. */
struct shares {
        struct map *requesters, *subnets;
        struct shares_config config;
        uint64_t used;
};

struct subnet subnet_of(const struct multiaddr *validated) {
        struct subnet s = {};
        struct endpoint e = {};

        if (!multiaddr_endpoint(validated, &e) || endpoint_scope(&e) != SCOPE_PUBLIC)
                return s;
        s.bytes[0] = e.family;
        s.len = e.family == ENDPOINT_IP4 ? 4 : 7;
        memcpy(s.bytes + 1, e.addr, s.len - 1u);
        return s;
}

struct shares *shares_new(uint64_t seed, const struct shares_config *config) {
        struct shares *s = xnew(struct shares);

        s->requesters = map_new(seed);
        s->subnets = map_new(~seed);
        s->config = *config;
        return s;
}

struct shares *shares_free(struct shares *s) {
        if (!s)
                return NULL;
        map_free(s->requesters);
        map_free(s->subnets);
        free(s);
        return NULL;
}

void shares_resize(struct shares *s, uint32_t max) {
        s->config.max = max;
}

uint64_t shares_used(const struct shares *s) {
        return s->used;
}

static uintptr_t held(const struct map *m, struct bytes key) {
        return (uintptr_t) map_get(m, key);
}

static void set(struct map *m, struct bytes key, uintptr_t n) {
        if (n)
                (void) map_set(m, key, (void *) n);
        else
                (void) map_remove(m, key);
}

static struct bytes subnet_bytes(const struct subnet *subnet) {
        return BYTES(subnet->bytes, subnet->len);
}

/* Rounded up: where anything is free, one who has nothing gets something. */
static uint64_t threshold(uint64_t unused, uint32_t percent) {
        return (unused * percent + 99) / 100;
}

int shares_check(const struct shares *s, const struct peer_id *requester,
                 const struct subnet *subnet) {
        uint64_t unused = s->used < s->config.max ? s->config.max - s->used : 0;

        if (!unused)
                return SHARES_E_FULL;
        if (held(s->requesters, peer_id_bytes(requester)) >=
            threshold(unused, s->config.requester_percent))
                return SHARES_E_REQUESTER;
        if (subnet->len &&
            held(s->subnets, subnet_bytes(subnet)) >= threshold(unused, s->config.subnet_percent))
                return SHARES_E_SUBNET;
        return SHARES_OK;
}

void shares_hold(struct shares *s, const struct peer_id *requester, const struct subnet *subnet) {
        struct bytes peer = peer_id_bytes(requester), net = subnet_bytes(subnet);

        s->used++;
        set(s->requesters, peer, held(s->requesters, peer) + 1);
        if (net.len)
                set(s->subnets, net, held(s->subnets, net) + 1);
}

void shares_give(struct shares *s, const struct peer_id *requester, const struct subnet *subnet) {
        struct bytes peer = peer_id_bytes(requester), net = subnet_bytes(subnet);

        check(s->used > 0 && held(s->requesters, peer) > 0);
        s->used--;
        set(s->requesters, peer, held(s->requesters, peer) - 1);
        if (net.len)
                set(s->subnets, net, held(s->subnets, net) - 1);
}
