#include "common/crypto/hash.h"
#include "services/transport/quic/internal.h"

/* Counters stand in the map itself, as pointers that are numbers. */
static size_t count(const struct map *m, struct bytes key) {
        return (size_t) (uintptr_t) map_get(m, key);
}

static void add(struct map *m, struct bytes key, int by) {
        size_t n = count(m, key) + (size_t) by;

        if (n == 0)
                map_remove(m, key);
        else
                map_set(m, key, (void *) (uintptr_t) n);
}

static struct bytes ip_of(const struct endpoint *e) {
        return BYTES(e->addr, e->family == ENDPOINT_IP4 ? 4 : 16);
}

/* /24 and /48; of different lengths, so that both families share a map. */
static struct bytes net_of(const struct endpoint *e) {
        return BYTES(e->addr, e->family == ENDPOINT_IP4 ? 3 : 6);
}

static bool is_exempt(const struct quic *q, const struct endpoint *e) {
        return q->config.limits.exempt_loopback && endpoint_scope(e) == SCOPE_LOOPBACK;
}

static struct rate *rate_of(struct quic *q, const struct endpoint *remote) {
        struct hash_value h = hash_keyed(BYTES_OF(q->rate_key), net_of(remote));
        struct rate *r = &q->rates[load_be32(h.bytes) % RATES];

        if (r->n == 0 || q->now - r->since >= NSEC_PER_SEC)
                *r = (struct rate){ .since = q->now };
        return r;
}

bool limits_want_proof(struct quic *q, const struct endpoint *remote) {
        const struct quic_limits *l = &q->config.limits;

        if (q->stats.n_half_open >= l->retry_above)
                return true;
        return !is_exempt(q, remote) &&
               (count(q->per_ip, ip_of(remote)) >= (l->connections_per_ip + 1) / 2 ||
                count(q->per_net, net_of(remote)) >= (l->connections_per_net + 1) / 2 ||
                rate_of(q, remote)->n >= (l->handshakes_per_net + 1) / 2);
}

static uint32_t inbound_max(const struct quic_limits *l) {
        return l->inbound > 0 ? l->inbound : l->connections - l->connections / 4;
}

bool limits_admit(struct quic *q, const struct endpoint *remote) {
        const struct quic_limits *l = &q->config.limits;

        if (map_count(q->connections) >= l->connections || q->stats.n_inbound >= inbound_max(l) ||
            q->stats.n_half_open >= l->half_open)
                return false;
        if (is_exempt(q, remote))
                return true;
        return count(q->per_ip, ip_of(remote)) < l->connections_per_ip &&
               count(q->per_net, net_of(remote)) < l->connections_per_net &&
               rate_of(q, remote)->n++ < l->handshakes_per_net;
}

void limits_count(struct quic *q, const struct endpoint *remote, int by) {
        add(q->per_ip, ip_of(remote), by);
        add(q->per_net, net_of(remote), by);
}
