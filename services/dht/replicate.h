#pragma once

/* Keeps records where they belong while nodes come and go.
 *
 * Own ones: after 22 h of 48 (record_republish_s) a record is signed again with a
 * new date and published; between, its key is looked up and only nodes that are
 * responsible now and were not before are told. How often adapts to the churn
 * measured: so that a quarter of the holders is new each time (half, where holders fetch
 * what is theirs), between gap_fill and gap_fill_max. Providers likewise.
 *
 * Those of others are their holders' affair (pull.h), announcements under topics apart.
 *
 * A repair is an ordinary Store of /quorate/record/1: a node that has the value says
 * so and writes nothing. */

#include "services/dht/calls.h"
#include "services/dht/rules.h"

struct replicate_config {
        nsec_t gap_fill, gap_fill_max; /* 3 min, 1 h */
        nsec_t gap_fill_fetched;       /* of what its holders fetch as well: 10 min */
        unsigned parallel;             /* own records looked after at once: 4 */
};
void replicate_config_default(struct replicate_config *ret);

struct replicate_stats {
        uint64_t checks, told, stored, signed_again, provided;
};

struct replicate;
/* All are used until replicate_free(), which comes after dht_free(). */
struct replicate *replicate_new(const struct replicate_config *config, struct dht *d,
                                struct rules *rules, uint64_t seed);
struct replicate *replicate_free(struct replicate *r); /* always NULL */
DEFINE_CLEANUP(struct replicate *, replicate_free);

/* hooks.h: maintain, on_signed. */
void replicate_maintain(struct replicate *r, nsec_t now);
/* True: it was this module's. */
bool replicate_signed(struct replicate *r, uint64_t id, struct bytes statement,
                      struct bytes signature, nsec_t now);
const struct replicate_stats *replicate_stats(const struct replicate *r);
