#pragma once

/* QUIC endpoints in memory on virtual time: links with delay, loss, reordering and
 * a NAT, all from one seed. Test support; nothing here knows ngtcp2. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/rng.h"
#include "services/transport/quic.h"
#include "services/transport/tls.h"

#define NET_NODES_MAX 40

struct net;

/* A datagram in flight. */
struct net_packet {
        nsec_t at;
        uint64_t sequence;
        struct endpoint source, target;
        uint8_t ecn;
        size_t len;
        uint8_t data[1500];
};

/* What a test wants to know of one endpoint. The stream handler of a node answers
 * inbound streams; tests may replace it before anything connects. */
struct net_node {
        struct net *net;
        struct quic *quic;
        struct tls_context *tls;
        struct tls_local_signer *signer;
        struct quic_config config;
        struct endpoint address; /* where others reach it */
        const struct stream_handler *acceptor;
        void *acceptor_userdata;

        struct connection *connection; /* the latest connected */
        uint32_t n_connected, n_closed, n_inbound_streams, n_streams_events, n_datagrams, n_paths;
        struct connection_end last_end;
        bool (*allow)(void *userdata, const struct peer_id *peer, bool inbound);
};

struct net {
        nsec_t now, delay, jitter;
        double loss;
        struct rng rng;
        struct net_node nodes[NET_NODES_MAX];
        size_t n_nodes;
        struct net_packet *packets; /* in flight, unordered */
        size_t n_packets, capacity;
        uint64_t sequence, n_dropped;
        /* Rewrites the source address on the way, as a NAT does; NULL: not. */
        void (*nat)(struct net *net, struct endpoint *source);
};

void net_init(struct net *net, uint64_t seed);
void net_done(struct net *net);
/* A node at 10.0.<index>.1:4001 with an identity of its own. config NULL: defaults. */
struct net_node *net_add(struct net *net, const struct quic_config *config);
/* The same identity and reset key, nothing else remembered. */
void net_restart(struct net_node *n);
const struct peer_id *net_peer(const struct net_node *n);
/* expected NULL: the peer's true id. */
struct connection *net_dial(struct net_node *from, struct net_node *to,
                            const struct peer_id *expected);
/* One datagram as if it came from the network. */
void net_inject(struct net_node *to, const struct endpoint *source, struct bytes data);
/* Runs until done() or until so much virtual time has passed; whether done() held. */
bool net_run(struct net *net, nsec_t limit, bool (*done)(struct net *net));
/* Sends what is waiting, without letting time pass. */
void net_flush(struct net *net);
