#pragma once

/* Everything about a simulation that is decided before it starts. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"

enum attack_kind {
        ATTACK_NONE = 0,
        ATTACK_UNIFORM, /* ids anywhere: they answer with each other only, and drop stores */
        ATTACK_KEY,     /* all ids around one key, chosen before it is published */
        ATTACK_ECLIPSE, /* most of a newcomer's bootstrap peers are theirs */
        ATTACK_TOPIC,   /* a thousand identities under one topic */
        ATTACK_MIXED,   /* ids anywhere: they name a few honest ones as well */
        ATTACK_GARBAGE, /* they answer with bytes that mean nothing */
        _ATTACK_KINDS,
};

struct sim_settings {
        uint64_t seed;
        uint32_t n_nodes;           /* up at any time, attackers included */
        nsec_t warmup, measured;    /* only what happens in the second is reported */
        nsec_t session;             /* mean life of a session; 0: nobody leaves */
        nsec_t away;                /* mean absence of those who return */
        double killed, returning;   /* shares of departures: without a word; that come back */
        double loss;                /* share of messages that have to be sent again */
        double silent;              /* share of links that swallow what applications say */
        double hidden;              /* share of nodes that nobody can dial */
        nsec_t skew;                /* wall clocks are wrong by up to this */
        nsec_t split_at, split_for; /* the network in two halves, since the beginning; 0: never */
        bool has_gossip, without_gossip;
        bool has_real_signatures;
        bool records;                  /* two own records of 1 KiB a node */
        uint32_t lookups, gets, draws; /* probes, spread over the measured time */

        enum attack_kind attack;
        uint32_t sybils, sybil_subnets; /* of n_nodes; /24s they share */
        nsec_t patience; /* of ATTACK_KEY: they behave well for so long; the others for the warm-up
                          */
        bool without_subnet_caps, without_paths, without_regions, without_age, without_density,
                without_turns; /* defences off */
};
extern const struct sim_settings sim_settings_default;
