#pragma once

/* The one retry budget of a node, shared by its jobs: a token per replica that is
 * replaced, so that a sick network is not met with more load. Pure. */

#include <stdbool.h>

#include "common/base/nsec.h"
#include "common/base/rng.h"
#include "services/coordinator/settings.h"

struct retry {
        const struct query_settings *settings;
        double tokens;
        nsec_t since;
};

void retry_init(struct retry *r, const struct query_settings *settings);
bool retry_take(struct retry *r, nsec_t now);
nsec_t retry_next(struct retry *r, nsec_t now); /* when a token will be there; now: already */

/* Doubling from the smallest to the greatest pause, each drawn from its upper half. */
nsec_t retry_pause(const struct query_settings *settings, unsigned attempt, struct rng *rng);
