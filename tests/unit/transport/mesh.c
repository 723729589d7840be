#include "tests/unit/transport/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/memory.h"

#define WALL 1800000000

struct mesh_packet {
        nsec_t at;
        uint64_t sequence;
        struct endpoint source, target;
        size_t len;
        uint8_t data[1500];
};

void mesh_init(struct mesh *m) {
        memset(m, 0, sizeof(*m));
        rng_init(&m->rng, 5);
        m->now = NSEC_PER_SEC;
        m->delay = 5 * NSEC_PER_MSEC;
}

static void on_random(void *userdata, void *ret, size_t n) {
        struct mesh_node *node = userdata;

        rng_bytes(&node->mesh->rng, ret, n);
}

static void on_moved(void *userdata, const struct peer *peer) {
        struct mesh_node *node = userdata;

        node->n_moved++;
}

static void on_peer(void *userdata, const struct peer *peer, bool connected) {
        struct mesh_node *node = userdata;

        node->n_peers += connected ? 1 : (size_t) -1;
}

static void on_met(void *userdata, const struct met_entry *met, bool is_new) {
        struct mesh_node *node = userdata;

        node->n_met++;
}

static void on_identified(void *userdata, const struct peer *peer) {
        struct mesh_node *node = userdata;

        node->n_identified++;
}

static void on_resolve(void *userdata, uint64_t attempt, const struct multiaddr *name) {
        struct mesh_node *node = userdata;

        const struct endpoint *at =
                node->mesh->named.family ? &node->mesh->named : &node->mesh->nodes[0].address;

        transport_resolved(node->transport, attempt, at, 1, node->mesh->now);
}

static bool on_allow(void *userdata, const struct peer_id *peer, bool inbound) {
        struct mesh_node *node = userdata;

        return !node->denied || !peer_id_equal(node->denied, peer);
}

static const struct transport_events events = {
        .random = on_random,
        .allow = on_allow,
        .resolve = on_resolve,
        .on_peer = on_peer,
        .on_moved = on_moved,
        .on_met = on_met,
        .on_identified = on_identified,
};

struct mesh_node *mesh_add(struct mesh *m, void (*edit)(struct transport_config *c)) {
        struct mesh_node *n = &m->nodes[m->n_nodes];
        uint8_t seed[32] = { 2, (uint8_t) m->n_nodes };
        const uint8_t addr[4] = { 10, 0, (uint8_t) m->n_nodes, 1 };
        struct multiaddr listen;

        check(m->n_nodes < MESH_NODES_MAX);
        m->n_nodes++;
        n->mesh = m;
        n->address = endpoint_ip4(addr, 4001);
        check(tls_local_signer_new(seed, TLS_KEY_ED25519, &n->signer) == 0);
        check(tls_context_new(tls_local_signer(n->signer), WALL, &n->tls) == 0);
        transport_config_default(&n->config);
        n->config.quic.tls = n->tls;
        n->config.seed = m->n_nodes;
        check(peer_id_ed25519(mesh_peer(n), &n->config.key));
        if (edit)
                edit(&n->config);
        n->transport = transport_new(&n->config, &events, n);
        transport_add_link(n->transport, &(struct path){ .local = n->address });
        transport_listen(n->transport, true);
        listen = mesh_address(n);
        transport_set_addresses(n->transport, &listen, 1, m->now);
        return n;
}

void mesh_done(struct mesh *m) {
        for (size_t i = 0; i < m->n_nodes; i++) {
                transport_free(m->nodes[i].transport);
                tls_context_free(m->nodes[i].tls);
                tls_local_signer_free(m->nodes[i].signer);
        }
        free(m->packets);
}

const struct peer_id *mesh_peer(const struct mesh_node *n) {
        return tls_context_peer(n->tls);
}

struct multiaddr mesh_address(const struct mesh_node *n) {
        return multiaddr_from_endpoint(&n->address);
}

static void transmit(struct mesh_node *from, const struct datagrams *out, struct bytes data) {
        struct mesh *m = from->mesh;
        struct mesh_packet *p;

        if (from->is_down)
                return;
        if (m->n_packets == m->capacity) {
                m->capacity = m->capacity ? m->capacity * 2 : 64;
                m->packets = xrealloc(m->packets, m->capacity * sizeof(*m->packets));
        }
        check(data.len <= sizeof(p->data));
        p = &m->packets[m->n_packets++];
        p->at = m->now + m->delay;
        p->sequence = m->sequence++;
        p->source = from->address;
        p->target = out->path.remote;
        p->len = data.len;
        memcpy(p->data, data.data, data.len);
}

static void flush(struct mesh_node *n) {
        struct datagrams out;

        transport_work(n->transport, n->mesh->now);
        while (transport_output(n->transport, &out, n->mesh->now)) {
                size_t segment = out.segment ? out.segment : out.len;

                for (size_t at = 0; at < out.len; at += segment)
                        transmit(n, &out,
                                 BYTES(out.data + at,
                                       out.len - at < segment ? out.len - at : segment));
        }
}

static size_t earliest(const struct mesh *m) {
        size_t best = 0;

        for (size_t i = 1; i < m->n_packets; i++)
                if (m->packets[i].at < m->packets[best].at ||
                    (m->packets[i].at == m->packets[best].at &&
                     m->packets[i].sequence < m->packets[best].sequence))
                        best = i;
        return best;
}

static void deliver(struct mesh *m, size_t i) {
        struct mesh_packet p = m->packets[i];
        struct datagrams in = { .data = p.data, .len = p.len };

        m->packets[i] = m->packets[--m->n_packets];
        in.path.local = p.target;
        in.path.remote = p.source;
        for (size_t n = 0; n < m->n_nodes; n++)
                if (endpoint_equal(&m->nodes[n].address, &p.target) && !m->nodes[n].is_down)
                        transport_input(m->nodes[n].transport, &in, m->now);
}

static nsec_t next_event(const struct mesh *m) {
        nsec_t when = m->n_packets > 0 ? m->packets[earliest(m)].at : NSEC_NEVER;

        for (size_t i = 0; i < m->n_nodes; i++)
                when = nsec_min(when, transport_deadline(m->nodes[i].transport));
        return when;
}

bool mesh_run(struct mesh *m, nsec_t limit, bool (*done)(struct mesh *m)) {
        nsec_t end = nsec_add(m->now, limit);

        for (;;) {
                nsec_t next;

                for (size_t i = 0; i < m->n_nodes; i++)
                        flush(&m->nodes[i]);
                if (done && done(m))
                        return true;
                next = next_event(m);
                if (next > end) {
                        m->now = end;
                        return false;
                }
                m->now = nsec_max(m->now, next);
                for (size_t i = 0; i < m->n_nodes; i++)
                        transport_expire(m->nodes[i].transport, m->now);
                while (m->n_packets > 0 && m->packets[earliest(m)].at <= m->now)
                        deliver(m, earliest(m));
        }
}
