#pragma once

/* Everything about a dht that is decided before it starts. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"

enum dht_mode { DHT_MODE_AUTO = 0, DHT_MODE_SERVER, DHT_MODE_CLIENT };

struct dht_config {
        const char *network; /* protocol prefix: "quorate", or a private network's */
        enum dht_mode mode;
        bool is_private; /* loopback, RFC 1918 and ULA are exempt from subnet caps */
        bool is_passive; /* answers from the table only, starts no maintenance of its own */
        unsigned k, parallel, paths;            /* 20, 10, 3 */
        unsigned pow_bits;                      /* to enter tables: 16 public, 0 private */
        nsec_t request_timeout, lookup_timeout; /* 3 s, 20 s */
        nsec_t refresh;                         /* table refresh: 10 min */
        nsec_t republish, gap_fill, ttl_max;    /* 22 h, 3 min, 48 h */
        uint64_t records_max, bytes_max;        /* what others may make us keep */
        unsigned lookups_max;                   /* at once, all callers: 64 */
        /* defences, on unless a simulation shows what they are worth */
        bool without_subnet_caps, without_paths, without_regions, without_age, without_density,
                without_turns;
};
void dht_config_default(struct dht_config *ret);
