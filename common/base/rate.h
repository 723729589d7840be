#pragma once

/* A rate limit: at most `burst` at once, `per_second` on average (a token bucket,
 * written as the generic cell rate algorithm: one instant is its whole state).
 * Pure; all zero refuses everything. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"

struct rate {
        nsec_t interval;  /* between two at the average rate */
        nsec_t tolerance; /* burst × interval */
        nsec_t full;      /* when the bucket will be full again */
        uint64_t refused;
};

/* per_second: 1..1e9; burst >= 1. Starts full. */
void rate_init(struct rate *r, uint32_t burst, uint32_t per_second);
/* One unit, or n: all or none. `now` never goes back. */
bool rate_take(struct rate *r, nsec_t now);
bool rate_take_n(struct rate *r, uint32_t n, nsec_t now);
/* From when on one unit may be taken; <= now: at once. */
nsec_t rate_next(const struct rate *r);
