#pragma once

/* Many dhts on virtual time, wired directly to one another: latency, loss, death,
 * connections that cost a handshake and idle out after 30 s (services/sim/costs.h). One seed, one
 * trace. Records: a small store and rules under which "/t/…" may hold any value that begins with an
 * 8-byte sequence number. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "services/dht/dht.h"

#define DHTS_WALL_US INT64_C(1790000000000000)

struct dhts_config {
        uint64_t seed;
        size_t n;
        nsec_t latency_min, latency_max;    /* one way */
        double loss;                        /* share of requests that are never answered */
        unsigned per_subnet;                /* nodes in one v4 /24 */
        struct dht_config dht;              /* mode: the others are as configured */
        size_t n_clients;                   /* the last ones are clients */
        const struct dhts_records *records; /* or NULL */
};
struct dhts_node;
/* Another record half than the small one here. */
struct dhts_records {
        struct store (*store)(struct dhts_node *n);
        void (*start)(struct dhts_node *n); /* n->dht is there and has not started */
        void (*stop)(struct dhts_node *n);  /* n->dht is gone */
        void (*sign)(struct dhts_node *n, uint64_t id, struct bytes request); /* dht_signed() */
};

void dhts_config_default(struct dhts_config *ret);

struct dhts;
struct dhts_node {
        struct dhts *net;
        size_t index;
        unsigned epoch;
        void *records; /* of config.records */
        struct dht *dht;
        struct peer_id peer;
        struct contact contact;
        struct endpoint endpoint;
        struct list store; /* dhts_store.c; outlives a kill */
        struct heap_entry timer;
        struct map *connections; /* index of the other + 1 -> struct dhts_connection */
        bool is_up, is_serving, is_liar;
        nsec_t born;
        uint64_t bytes_out, bytes_in, n_handshakes, n_requests, n_actions;
};

/* Of one dht_*() call. */
struct dhts_outcome {
        bool is_done;
        enum dht_code code;
        const char *text;
        size_t n;
        struct contact contacts[64];
        struct refbuf *value;
        unsigned copies;
        unsigned stored, asked; /* of a DHT_DONE */
        bool is_unverified, is_of_table, is_connected;
        nsec_t elapsed;
};

struct dhts {
        struct dhts_config config;
        struct rng rng;
        nsec_t now;
        struct heap events, timers;
        struct dhts_node *nodes;
        struct map *by_peer;
        uint64_t trace, last_call, last_request;
        struct map *requests; /* inbound id -> who waits */
        struct dhts_outcome *outcome;
        nsec_t asked_at;
};

struct dhts *dhts_new(const struct dhts_config *config);
struct dhts *dhts_free(struct dhts *net);
/* Starts node i; it begins at these others (NULL: at node 0, or nobody if it is that). */
void dhts_start(struct dhts *net, size_t i, const size_t *at, size_t n_at);
void dhts_start_all(struct dhts *net, nsec_t apart);
void dhts_kill(struct dhts *net, size_t i); /* no word to anybody; its store stays */
void dhts_run(struct dhts *net, nsec_t duration);

/* Runs until the call that `begin` makes is done. Release with dhts_outcome_done(). */
typedef void (*dhts_call_fn)(struct dht *d, uint64_t call, void *userdata, nsec_t now);
struct dhts_outcome dhts_call(struct dhts *net, size_t node, dhts_call_fn begin, void *userdata);
void dhts_outcome_done(struct dhts_outcome *o);
struct dhts_outcome dhts_find(struct dhts *net, size_t node, const struct key *key);
struct dhts_outcome dhts_put(struct dhts *net, size_t node, const char *name, uint64_t sequence);
struct dhts_outcome dhts_get(struct dhts *net, size_t node, const char *name);
/* How many of these are among the k truly closest servers that are up. */
size_t dhts_true_closest(const struct dhts *net, size_t asker, const struct key *key,
                         const struct contact *found, size_t n);
uint64_t dhts_counter(const struct dhts *net, size_t node, const char *name);

/* dhts_store.c */
struct store dhts_store(struct dhts_node *node);
void dhts_store_done(struct list *records);
extern const struct record_rules dhts_rules;
