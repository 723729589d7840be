#pragma once

/* Hosts that may be asked, and what is known about them. The list comes from
 * outside (pinned and bootstrap peers; later gossip, DHT and history). Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/endpoint.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define CANDIDATES_MAX          256 /* known */
#define CANDIDATES_PER_JOB      16
#define CANDIDATE_ADDRESSES_MAX 4
#define OPERATOR_SIZE           32

enum candidate_origin { ORIGIN_PINNED = 0, ORIGIN_GOSSIP, ORIGIN_DHT, ORIGIN_HISTORY, _ORIGIN_N };

struct candidate {
        struct peer_id peer;
        struct multiaddr addresses[CANDIDATE_ADDRESSES_MAX];
        size_t n_addresses;
        enum candidate_origin origin;
        uint8_t operator_key[OPERATOR_SIZE]; /* key of the certificate that signs this peer; zero:
                                                none */
        uint64_t claimed_region; /* hashes of claims, 0: none; they may merge, never split */
        uint64_t claimed_build;
};
