#pragma once

/* Fair shares of a number of places among requesters and the subnets they come from,
 * by dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for
 * shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998): who
 * holds `percent` of what is free gets no more. One alone gets percent / (100 +
 * percent) of all, many get equal parts, and some room is left for the next whatever
 * they do. The subnet's share is there because identities are cheap. Pure. */

#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/wire/multiaddr.h"

/* v4 /24, v6 /48 of the address that transport validated; of the relay's for what comes
 * through one. len 0: none, for addresses that are not public, where identities are not
 * anybody's (loopback, RFC 1918, ULA: the same rule as for voters). */
struct subnet {
        uint8_t len, bytes[7];
};

struct subnet subnet_of(const struct multiaddr *validated);

struct shares_config {
        uint32_t max;
        uint32_t requester_percent, subnet_percent; /* at least 1 */
};

enum shares_result {
        SHARES_OK = 0,
        SHARES_E_FULL,
        SHARES_E_REQUESTER, /* has its share */
        SHARES_E_SUBNET,    /* the requesters of its subnet have theirs together */
};

struct shares;

struct shares *shares_new(uint64_t seed, const struct shares_config *config);
struct shares *shares_free(struct shares *s);
DEFINE_CLEANUP(struct shares *, shares_free);

void shares_resize(struct shares *s, uint32_t max); /* what is held stays held */
uint64_t shares_used(const struct shares *s);

/* Whether one more may be had. Returns enum shares_result. */
int shares_check(const struct shares *s, const struct peer_id *requester,
                 const struct subnet *subnet);
/* Takes one, whatever the shares: what was granted before a restart is held again. */
void shares_hold(struct shares *s, const struct peer_id *requester, const struct subnet *subnet);
void shares_give(struct shares *s, const struct peer_id *requester, const struct subnet *subnet);
