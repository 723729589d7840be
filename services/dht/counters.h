#pragma once

/* What dht_counters() counts, in its order; names: dht.c. */

enum counter {
        COUNT_REQUESTS = 0,
        COUNT_REQUESTS_LIMITED,
        COUNT_REQUESTS_INVALID,
        COUNT_REQUESTS_REFUSED,
        COUNT_REQUESTS_FAR,
        COUNT_WALKS_WEAK,    /* Region or Fetch of a peer with too little proof of work */
        COUNT_WALKS_LIMITED, /* and of a subnet, or all, that asked for too many */
        COUNT_ASKED,
        COUNT_ASKS_FAILED,
        COUNT_ASKS_UNSPOKEN, /* kad alone is spoken there, as by other software */
        COUNT_ANSWERS_INVALID,
        COUNT_ANSWERS_STRANGE, /* somebody else answered */
        COUNT_PEERS_WEAK,      /* too little proof of work */
        COUNT_PEERS_UNCOUNTED, /* connected, but NEIGHBOURS_MAX are known already */
        COUNT_LOOKUPS,
        COUNT_LOOKUPS_REFUSED,
        COUNT_LOOKUPS_TIMED_OUT,
        COUNT_LOOKUP_HOPS,
        COUNT_LOOKUP_ASKS,
        COUNT_LOOKUP_DROPPED,
        COUNT_LOOKUPS_WIDENED, /* what was found stood too far apart */
        COUNT_REGION_OVERFLOWS,
        COUNT_PROBES,
        COUNT_GROWTHS, /* the table showed more neighbours than the estimate allows */
        COUNT_VERIFIED,
        COUNT_REPAIRED,
        COUNT_CONNECTS,
        COUNT_MIRRORED, /* those below are kept elsewhere and copied on reading */
        COUNT_SUBNET_REFUSED = COUNT_MIRRORED,
        COUNT_TABLE_FULL,
        COUNT_EVICTED,
        COUNT_PROMOTED,
        COUNT_FAILURES_NOT_CHARGED,
        COUNT_OUTAGES,
        _COUNT_N,
};
