#pragma once

/* Many GossipSub routers on virtual time. Links have a delay and may drop RPCs
 * silently, in one direction or both; signatures are Ed25519 or, for thousands
 * of nodes, a keyed hash in its place. One seed, one trace. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/heap.h"
#include "common/base/rng.h"
#include "services/gossip/pubsub.h"

struct pubsubs_settings {
        uint64_t seed;
        unsigned n_nodes;
        nsec_t delay_min, delay_max;
        bool real_signatures;
        struct pubsub_config config;
};
extern const struct pubsubs_settings pubsubs_defaults;

struct pubsubs;

struct pubsubs_node {
        struct pubsubs *net;
        unsigned index;
        struct pubsub *router;
        struct sign_secret secret;
        struct sign_public key;
        struct peer_id peer;
        bool is_up;
        enum pubsub_verdict verdict; /* of its validator */
        uint64_t delivered, bytes_out, rpcs_out;
        nsec_t delivered_at; /* of the latest message */
        struct heap_entry beat;
        struct pubsubs_edge *edges; /* its links */
        struct pubsub_output asked; /* the latest PUBSUB_CONNECT; no data */
};

struct pubsubs {
        struct pubsubs_settings settings;
        struct rng rng;
        nsec_t now;
        struct heap events, beats;
        struct pubsubs_node *nodes;
        uint64_t trace, copies; /* copies: messages received, all nodes */
        void (*on_delivered)(struct pubsubs_node *n, const struct pubsub_output *o);
        void *userdata;
};

void pubsubs_init(struct pubsubs *s, const struct pubsubs_settings *settings);
void pubsubs_done(struct pubsubs *s);
/* A connection that `from` dialled. */
void pubsubs_connect(struct pubsubs *s, unsigned from, unsigned to);
void pubsubs_disconnect(struct pubsubs *s, unsigned a, unsigned b);
/* Every node gets about `degree` connections to random others. */
void pubsubs_connect_randomly(struct pubsubs *s, unsigned degree);
/* RPCs of a to b are lost from now on, and nobody is told. */
void pubsubs_drop(struct pubsubs *s, unsigned a, unsigned b, bool drops);
bool pubsubs_is_connected(const struct pubsubs *s, unsigned a, unsigned b);
void pubsubs_kill(struct pubsubs *s, unsigned node); /* others notice at once when told to */
void pubsubs_subscribe_all(struct pubsubs *s, const char *topic);
void pubsubs_publish(struct pubsubs *s, unsigned node, const char *topic, struct bytes data);
/* An RPC made by hand, as if `from` had sent it. */
void pubsubs_inject(struct pubsubs *s, unsigned from, unsigned to, struct bytes rpc);
void pubsubs_run(struct pubsubs *s, nsec_t time);
uint64_t pubsubs_counter(const struct pubsubs_node *n, const char *name);
uint64_t pubsubs_total(const struct pubsubs *s, const char *name); /* over nodes that are up */

/* Bytes signed by a node as the network's verifier expects. */
struct signature pubsubs_sign(const struct pubsubs_node *n, struct bytes message);
