#pragma once

/* What others may make this node keep: per publisher (the record table), per
 * subnet, per key, in total, and nothing far from our own key. Who brings a
 * record is charged for it, by the subnet it was seen at. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "services/dht/store.h"

struct quota_config {
        uint64_t records_max, bytes_max; /* as the store has them; room is made below */
        uint32_t per_subnet;             /* records and providers of one /24 or /48: 1,024 */
        uint32_t per_wide;               /* of one v6 /32: 8,192 */
        uint32_t providers_per_key;      /* 128, SLOTS_MAX at most */
        uint32_t keys_per_provider;      /* 4,096 */
        double region_slack;             /* the radius is an estimate: so many times it counts, 4 */
};
void quota_config_default(struct quota_config *ret);

struct quota_stats {
        uint64_t refused_publisher, refused_subnet, refused_key, refused_region, refused_total;
        uint64_t evicted; /* made room for something nearer, or for another subnet */
};

struct quota;
/* seed: decides which of equally deserving values stay. Peers must not know it. */
struct quota *quota_new(const struct quota_config *config, const struct key *self, uint64_t seed);
struct quota *quota_free(struct quota *q); /* always NULL */
DEFINE_CLEANUP(struct quota *, quota_free);
/* How far from our key, as a fraction of the key space, this node is asked to keep records;
 * 0, or 1 and more: all. From the size estimate. */
void quota_region(struct quota *q, double radius);
const struct quota_stats *quota_stats(const struct quota *q);

/* May this record be put? It was validated. NULL: yes; to replace (key, slot) is always
 * allowed. Else the quota it breaks, a static text. May remove others to make room: of the same
 * key as slots.h says, else what is farthest from us. */
const char *quota_admit(struct quota *q, const struct store *store, const struct stored_record *in);
/* Whether a holder in that subnet may hand on more: half of what its subnet may store. */
bool quota_takes_from(const struct quota *q, const struct store *store,
                      const struct subnet *holder);
const char *quota_admit_provider(struct quota *q, const struct store *store,
                                 const struct stored_provider *in);
