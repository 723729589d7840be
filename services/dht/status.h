#pragma once

/* What a dht tells of itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/dht/store.h"

struct dht;
/* Where it is connected from, or answered from; family 0: not known, or exempt as a local one. */
struct subnet dht_subnet_of(const struct dht *d, const struct key *peer);

/* From the table alone, nearest first; the caller releases each. */
size_t dht_closest_known(const struct dht *d, const struct key *key, struct contact *ret,
                         size_t max);

struct dht_status {
        bool is_server;
        const char *mode_reason; /* static text */
        unsigned peers, servers, buckets;
        double size, size_low, size_high; /* estimate and its 90 % interval; 0: not known yet */
        uint64_t seen_hour, seen_day, seen_week;
        struct store_counts store;
        unsigned lookups;
        bool is_bootstrapped, has_outage;
};
void dht_status(const struct dht *d, struct dht_status *ret);

/* A place to begin that the configuration names. */
struct dht_place {
        const struct contact *contact; /* its peer may be none: whoever is there */
        const char *why;               /* it is no help; NULL: it is, or was not tried yet */
        bool is_met;                   /* somebody was there, now or before */
};
/* Views, until the next call on this dht. */
size_t dht_places(const struct dht *d, struct dht_place *ret, size_t max);

/* Counters by name, in a fixed order: metrics and tests. */
struct dht_counter {
        const char *name;
        uint64_t value;
};
size_t dht_counters(const struct dht *d, const struct dht_counter **ret);
