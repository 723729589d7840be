#pragma once

/* Hosts that may be asked, and what is known about them. The list comes from
 * outside (pool.h). Records that gossip heard are signed by their hosts, and gossip
 * has checked that; they are not checked again, for they decide nothing but who is
 * asked: transport proves who answers, and every commit is signed. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire/endpoint.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "services/coordinator/engines.h"

#define CANDIDATES_MAX          256 /* known */
#define CANDIDATES_PER_JOB      16
#define CANDIDATE_ADDRESSES_MAX 4
#define CANDIDATE_ENGINES_MAX   4
#define OPERATOR_SIZE           32

/* Who named a host to us. ORIGIN_CONNECTED: nobody; it is connected, and says that it
 * serves jobs. */
enum candidate_origin {
        ORIGIN_PINNED = 0,
        ORIGIN_GOSSIP,
        ORIGIN_DHT,
        ORIGIN_HISTORY,
        ORIGIN_CONNECTED,
        _ORIGIN_N,
};
const char *candidate_origin_name(enum candidate_origin o); /* "pinned", … */

/* What it offers, as gossip heard it. */
struct candidate_claims {
        bool is_known; /* false: the rest filters nothing, it is a hint */
        char engines[CANDIDATE_ENGINES_MAX][ENGINE_TEXT_SIZE]; /* classes */
        size_t n_engines;
        uint64_t memory; /* bytes of one slot; 0: not said */
        uint32_t free_slots;
        uint32_t data_classes; /* bit n: enum data_class n */
};
uint64_t candidate_claim(struct bytes text); /* a short name for a claim; never 0 */

struct candidate {
        struct peer_id peer;
        struct multiaddr addresses[CANDIDATE_ADDRESSES_MAX];
        size_t n_addresses;
        enum candidate_origin origin;
        uint8_t operator_key[OPERATOR_SIZE]; /* key of the certificate that signs this peer; zero:
                                                none */
        uint64_t claimed_region; /* hashes of claims, 0: none; they may merge, never split */
        uint64_t claimed_build;
        struct candidate_claims claims;
};

/* Whether what it claims fits the job; a host that claims nothing always does. */
bool candidate_admits(const struct candidate *c, uint32_t data_class);
bool candidate_may_run(const struct candidate *c, const char *const *engines, size_t n_engines,
                       uint32_t data_class);
struct candidate *candidate_find(struct candidate *list, size_t n, const struct peer_id *peer);
