#pragma once

/* A node fetches what belongs to it. Who came, came back, or moved closer to a key because others
 * went, asks its neighbours one after the other what they hold for it (region.h), compares, and
 * fetches what it lacks: a record comes once, over the connection to one giver, however many hold
 * it. So the number of live holders of a record stays what it was, published by somebody who is
 * still there or not: those among the k closest when they came have it, and live as long as any.
 *
 * A node that has just come asks three of its nearest neighbours, then one every `pause`, farther
 * ones as well: where many holders of a key went at once, few of them are left near anybody. */

#include "services/dht/calls.h"
#include "services/dht/quota.h"
#include "services/dht/rules.h"

struct pull_config {
        nsec_t pause;         /* 10 min */
        unsigned first;       /* neighbours asked one after the other by who has just come: 3 */
        unsigned near, among; /* of so many closest these are drawn, then the others: 8, 20 */
        unsigned questions;   /* to one neighbour at a time, which counts them: 20 */
};
void pull_config_default(struct pull_config *ret);

struct pull_stats {
        uint64_t rounds, failed, listed, wanted, fetched, kept, refused;
};

struct pull;
/* All are used until pull_free(), which comes after dht_free(). */
struct pull *pull_new(const struct pull_config *config, struct dht *d, struct rules *rules,
                      struct quota *quota, const struct key *self, uint64_t seed);
struct pull *pull_free(struct pull *p); /* always NULL */
DEFINE_CLEANUP(struct pull *, pull_free);
/* hooks.h: maintain; radius as quota_region(). */
void pull_maintain(struct pull *p, nsec_t now);
void pull_region(struct pull *p, double radius);
const struct pull_stats *pull_stats(const struct pull *p);
