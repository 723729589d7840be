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

/* Whose bytes a request is, and a handshake made for it. */
enum purpose {
        PURPOSE_REFRESH = 0,
        PURPOSE_RECORDS,
        PURPOSE_USER,
        PURPOSE_SAMPLES,
        PURPOSE_MEMBERS, /* of the own shard */
        _PURPOSES
};
extern const char *const purpose_names[_PURPOSES];

struct traffic {
        uint64_t bytes[_PARTS];
        uint64_t handshakes[_PURPOSES];
        uint64_t requests, failed_dials, messages;
};
