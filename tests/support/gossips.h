#pragma once

/* Many gossip cores on virtual time, with an oracle in place of dht: look-ups
 * take a round trip and return the true closest that are up; a table holds what a
 * routing table would. One seed, one trace. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/heap.h"
#include "common/base/rng.h"
#include "proto/peers.pb-c.h"
#include "services/gossip/gossip.h"

struct gossips_settings {
        uint64_t seed;
        unsigned n_nodes;
        nsec_t delay_min, delay_max;
        double rare; /* share of nodes that offer class "rare"; all offer "common" */
        struct gossip_config config;
};
extern const struct gossips_settings gossips_defaults;

struct gossips;

struct gossips_node {
        struct gossips *net;
        unsigned index;
        struct gossip *core;
        struct sign_public key;
        struct peer_id peer;
        uint8_t dht_key[32];
        struct multiaddr address;
        bool is_up, is_rare, mutters; /* mutters: answers questions with rubbish */
        unsigned *links, n_links;
        struct heap_entry timer;
        uint64_t bytes_sent, bytes_received, lookups;
        /* of the latest draw or crawl */
        struct gossip_drawn *drawn;
        struct gossip_crawled *crawled;
        nsec_t ended;
        size_t n_hints;
        struct refbuf *stored;
};

struct gossips {
        struct gossips_settings settings;
        struct rng rng;
        nsec_t now;
        struct heap events, timers;
        struct gossips_node *nodes;
        unsigned *by_key; /* node numbers in the order of their DHT keys */
        uint64_t trace;
};

void gossips_init(struct gossips *s, const struct gossips_settings *settings);
void gossips_done(struct gossips *s);
void gossips_start(struct gossips *s); /* everybody offers, with a few random links */
/* A node that was not up begins, connected to so many others. */
void gossips_join(struct gossips *s, unsigned node, unsigned links);
void gossips_connect(struct gossips *s, unsigned from, unsigned to);
void gossips_kill(struct gossips *s, unsigned node); /* its connections end for the others */
void gossips_kill_silently(struct gossips *s, unsigned node); /* in half a minute; dht knows */
void gossips_run(struct gossips *s, nsec_t time);
/* Runs until the draw or crawl of this node has ended; false: it did not within a minute. */
bool gossips_wait(struct gossips *s, unsigned node);
void gossips_forget(struct gossips_node *n); /* the result of the latest draw and crawl */
unsigned gossips_find(const struct gossips *s, const struct peer_id *peer);
uint64_t gossips_counter(const struct gossips_node *n, const char *name);
