#include "tests/unit/transport/net.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"

#define WALL 1800000000

void net_init(struct net *net, uint64_t seed) {
        memset(net, 0, sizeof(*net));
        rng_init(&net->rng, seed);
        net->now = NSEC_PER_SEC;
        net->delay = 10 * NSEC_PER_MSEC;
}

static void on_random(void *userdata, void *ret, size_t n) {
        struct net_node *node = userdata;

        rng_bytes(&node->net->rng, ret, n);
}

static bool on_allow(void *userdata, const struct peer_id *peer, bool inbound) {
        struct net_node *node = userdata;

        return !node->allow || node->allow(node, peer, inbound);
}

static void on_connected(void *userdata, struct connection *c) {
        struct net_node *node = userdata;

        check(connection_state(c) == CONNECTION_CONFIRMED);
        check(!peer_id_is_none(connection_peer(c)));
        node->connection = c;
        node->n_connected++;
}

static void on_closed(void *userdata, struct connection *c, const struct connection_end *end) {
        struct net_node *node = userdata;

        if (node->connection == c)
                node->connection = NULL;
        node->n_closed++;
        node->last_end = *end;
}

static void on_stream(void *userdata, struct connection *c, struct stream *s) {
        struct net_node *node = userdata;

        node->n_inbound_streams++;
        if (node->acceptor)
                stream_attach(s, node->acceptor, node->acceptor_userdata);
        else
                stream_abandon(s, 0);
}

static void on_streams(void *userdata, struct connection *c) {
        struct net_node *node = userdata;

        node->n_streams_events++;
}

static void on_datagram(void *userdata, struct connection *c, struct bytes data) {
        struct net_node *node = userdata;

        node->n_datagrams++;
}

static void on_path(void *userdata, struct connection *c, const struct path *path) {
        struct net_node *node = userdata;

        node->n_paths++;
}

static const struct quic_events events = {
        .random = on_random,
        .allow = on_allow,
        .on_connected = on_connected,
        .on_closed = on_closed,
        .on_stream = on_stream,
        .on_streams = on_streams,
        .on_datagram = on_datagram,
        .on_path = on_path,
};

struct net_node *net_add(struct net *net, const struct quic_config *config) {
        struct net_node *node = &net->nodes[net->n_nodes];
        uint8_t seed[32] = { 1, (uint8_t) net->n_nodes };
        const uint8_t addr[4] = { 10, 0, (uint8_t) net->n_nodes, 1 };

        check(net->n_nodes < NET_NODES_MAX);
        net->n_nodes++;
        node->net = net;
        node->address = endpoint_ip4(addr, 4001);
        check(tls_local_signer_new(seed, TLS_KEY_ED25519, &node->signer) == 0);
        check(tls_context_new(tls_local_signer(node->signer), WALL, &node->tls) == 0);
        if (config)
                node->config = *config;
        else
                quic_config_default(&node->config);
        node->config.tls = node->tls;
        memset(node->config.reset_key, (int) net->n_nodes, sizeof(node->config.reset_key));
        node->quic = quic_new(&node->config, &events, node);
        quic_listen(node->quic, true);
        return node;
}

void net_restart(struct net_node *n) {
        quic_free(n->quic);
        n->quic = quic_new(&n->config, &events, n);
        quic_listen(n->quic, true);
}

void net_done(struct net *net) {
        for (size_t i = 0; i < net->n_nodes; i++) {
                quic_free(net->nodes[i].quic);
                tls_context_free(net->nodes[i].tls);
                tls_local_signer_free(net->nodes[i].signer);
        }
        free(net->packets);
}

const struct peer_id *net_peer(const struct net_node *n) {
        return tls_context_peer(n->tls);
}

/* Dialled from an unspecified address, as a shell does that has many. */
struct connection *net_dial(struct net_node *from, struct net_node *to,
                            const struct peer_id *expected) {
        const uint8_t any[4] = {};
        struct path path = { .local = endpoint_ip4(any, from->address.port),
                             .remote = to->address };
        struct connection *c = NULL;

        check(quic_dial(from->quic, &path, expected ? expected : net_peer(to), from->net->now,
                        &c) == 0);
        return c;
}

void net_inject(struct net_node *to, const struct endpoint *source, struct bytes data) {
        struct datagrams in = { .path = { .local = to->address, .remote = *source },
                                .data = data.data,
                                .len = data.len };

        quic_input(to->quic, &in, to->net->now);
}

static void transmit(struct net *net, struct net_node *from, const struct datagrams *out,
                     struct bytes data) {
        struct net_packet *p;

        if (rng_chance(&net->rng, net->loss)) {
                net->n_dropped++;
                return;
        }
        if (net->n_packets == net->capacity) {
                net->capacity = net->capacity ? net->capacity * 2 : 64;
                net->packets = xrealloc(net->packets, net->capacity * sizeof(*net->packets));
        }
        p = &net->packets[net->n_packets++];
        p->at = net->now + net->delay + (net->jitter > 0 ? rng_below(&net->rng, net->jitter) : 0);
        p->sequence = net->sequence++;
        p->source = from->address;
        p->target = out->path.remote;
        p->ecn = out->ecn;
        p->len = data.len;
        check(data.len <= sizeof(p->data));
        memcpy(p->data, data.data, data.len);
        if (net->nat)
                net->nat(net, &p->source);
}

static void flush_node(struct net *net, struct net_node *node) {
        struct datagrams out;

        while (quic_output(node->quic, &out, net->now)) {
                size_t segment = out.segment ? out.segment : out.len;

                for (size_t at = 0; at < out.len; at += segment)
                        transmit(net, node, &out,
                                 BYTES(out.data + at,
                                       out.len - at < segment ? out.len - at : segment));
        }
}

void net_flush(struct net *net) {
        for (size_t i = 0; i < net->n_nodes; i++)
                flush_node(net, &net->nodes[i]);
}

/* A NAT's outside addresses are told apart by port alone. */
static struct net_node *node_at(struct net *net, const struct endpoint *e) {
        for (size_t i = 0; i < net->n_nodes; i++)
                if (memcmp(net->nodes[i].address.addr, e->addr, 16) == 0)
                        return &net->nodes[i];
        return NULL;
}

static size_t earliest(const struct net *net) {
        size_t best = 0;

        for (size_t i = 1; i < net->n_packets; i++)
                if (net->packets[i].at < net->packets[best].at ||
                    (net->packets[i].at == net->packets[best].at &&
                     net->packets[i].sequence < net->packets[best].sequence))
                        best = i;
        return best;
}

static void deliver(struct net *net, size_t i) {
        struct net_packet p = net->packets[i];
        struct net_node *to = node_at(net, &p.target);
        struct datagrams in = { .data = p.data, .len = p.len, .ecn = p.ecn };

        net->packets[i] = net->packets[--net->n_packets];
        if (!to)
                return;
        in.path.local = to->address;
        in.path.remote = p.source;
        quic_input(to->quic, &in, net->now);
}

static nsec_t next_event(const struct net *net) {
        nsec_t t = net->n_packets > 0 ? net->packets[earliest(net)].at : NSEC_NEVER;

        for (size_t i = 0; i < net->n_nodes; i++)
                t = nsec_min(t, quic_deadline(net->nodes[i].quic));
        return t;
}

bool net_run(struct net *net, nsec_t limit, bool (*done)(struct net *net)) {
        nsec_t end = nsec_add(net->now, limit);

        for (;;) {
                nsec_t next;

                net_flush(net);
                if (done && done(net))
                        return true;
                next = next_event(net);
                if (next > end) {
                        net->now = end;
                        return false;
                }
                net->now = nsec_max(net->now, next);
                for (size_t i = 0; i < net->n_nodes; i++)
                        quic_expire(net->nodes[i].quic, net->now);
                while (net->n_packets > 0 && net->packets[earliest(net)].at <= net->now)
                        deliver(net, earliest(net));
        }
}
