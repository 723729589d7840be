#pragma once

/* Which hosts are one voter (query.md, "Independence"). The first that applies:
 * same operator certificate; same relay; same subnet of the address that this
 * requester's own transport validated (v4 /24, v6 /48). Claims may merge voters,
 * never split them. Off in private networks and for addresses that are not
 * public: there each host is a voter. Pure. */

#include <stdbool.h>

#include "services/coordinator/candidate.h"
#include "services/coordinator/coordinator.h"

#define VOTER_GROUP_SIZE    100
#define VOTERS_PER_V6_BLOCK 2 /* of one /32 */

struct voter {
        char group[VOTER_GROUP_SIZE]; /* equal: one voter */
        char block[VOTER_GROUP_SIZE]; /* v6 /32, at most two voters; or "" */
        const char *fact;             /* "operator", "relay", "subnet", "peer" */
        bool is_measured;
};

void voter_of(const struct candidate *c, const struct stream_remote *remote, bool independence,
              struct voter *ret);
/* A number for the voter it would be: its address is what it says, until we have dialled it. */
uint64_t voter_claimed(const struct candidate *c, bool independence);
