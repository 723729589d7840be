#pragma once

/* Bytes of UDP payload, by what they were for. Sent plus received: each byte counts at both ends,
 * where there are two. */

#include <stdint.h>

enum part {
        PART_HANDSHAKE = 0, /* with identify */
        PART_KEEPALIVE,
        PART_HEADERS, /* streams, packets, acknowledgements */
        PART_REFRESH, /* kad: joining, probing, looking around */
        PART_RECORDS, /* keeping records where they belong */
        PART_GOSSIP,  /* meshes, capability records */
        PART_SAMPLES, /* /quorate/peers/1 */
        PART_USER,    /* look-ups, gets and draws of people: all that they cost */
        _PARTS,
};
extern const char *const part_names[_PARTS];

struct traffic {
        uint64_t bytes[_PARTS];
        uint64_t handshakes, requests, failed_dials, messages;
};
