#pragma once

/* Whole transports in memory on virtual time. Test support: datagrams travel
 * between them with a delay, or not at all. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/rng.h"
#include "services/transport/tls.h"
#include "services/transport/transport.h"

#define MESH_NODES_MAX 8

struct mesh;

struct mesh_node {
        struct mesh *mesh;
        struct transport *transport;
        struct transport_config config;
        struct tls_context *tls;
        struct tls_local_signer *signer;
        struct endpoint address;
        bool is_down;                 /* neither sends nor receives */
        const struct peer_id *denied; /* or NULL */
        size_t n_peers, n_identified, n_moved, n_met;
};

struct mesh {
        nsec_t now, delay;
        struct rng rng;
        struct mesh_node nodes[MESH_NODES_MAX];
        size_t n_nodes;
        struct mesh_packet *packets;
        size_t n_packets, capacity;
        uint64_t sequence;
        struct endpoint named; /* where every name leads; none: to the first node */
};

void mesh_init(struct mesh *m);
void mesh_done(struct mesh *m);
/* At 10.0.<index>.1:4001. edit may change the configuration, or be NULL. */
struct mesh_node *mesh_add(struct mesh *m, void (*edit)(struct transport_config *c));
const struct peer_id *mesh_peer(const struct mesh_node *n);
struct multiaddr mesh_address(const struct mesh_node *n); /* without /p2p */
/* Runs until done() or so much virtual time has passed; whether done() held. */
bool mesh_run(struct mesh *m, nsec_t limit, bool (*done)(struct mesh *m));
