#pragma once

/* Instants and durations in nanoseconds. Cores are handed `now` (monotonic
 * unless a parameter is called `wall`); they never read a clock. */

#include <stdint.h>

typedef uint64_t nsec_t;

#define NSEC_PER_USEC ((nsec_t) 1000)
#define NSEC_PER_MSEC ((nsec_t) 1000000)
#define NSEC_PER_SEC  ((nsec_t) 1000000000)
#define NSEC_NEVER    ((nsec_t) -1)

/* Saturating, so that a deadline far away never wraps into the past. */
static inline nsec_t nsec_add(nsec_t a, nsec_t b) {
        return a > NSEC_NEVER - b ? NSEC_NEVER : a + b;
}

/* a − b, 0 when b is later. */
static inline nsec_t nsec_sub(nsec_t a, nsec_t b) {
        return a > b ? a - b : 0;
}

static inline nsec_t nsec_min(nsec_t a, nsec_t b) {
        return a < b ? a : b;
}

static inline nsec_t nsec_max(nsec_t a, nsec_t b) {
        return a > b ? a : b;
}
