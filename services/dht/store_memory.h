#pragma once

/* store.h in memory: for the simulator, tests and nodes without a disk. Limits are
 * for what others bring (STORE_FOREIGN); own values are always taken. Pure. */

#include "services/dht/store.h"

struct store_limits {
        uint64_t records, bytes, providers; /* bytes: of names and values */
};
extern const struct store_limits store_limits_default; /* 100,000; 128 MiB; 100,000 */

/* seed: of its maps. The caller releases it with store_memory_free(). */
struct store store_memory_new(const struct store_limits *limits, uint64_t seed);
void store_memory_free(struct store *s); /* harmless on an empty one */
