#pragma once

/* Map from byte-string keys to pointers. Seeded, so that a peer cannot choose
 * colliding keys; iterated in insertion order, so that the same calls give the
 * same trace. Keys are copied; values belong to the caller. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

struct map;

struct map *map_new(uint64_t seed);
struct map *map_free(struct map *m); /* always NULL; values are not touched */
DEFINE_CLEANUP(struct map *, map_free);

size_t map_count(const struct map *m);
size_t map_room(const struct map *m);                 /* entries that it holds memory for */
void *map_get(const struct map *m, struct bytes key); /* NULL: not there */

/* Stores value (not NULL) and returns the one it replaces, or NULL. A replaced
 * key keeps its place in the order. */
void *map_set(struct map *m, struct bytes key, void *value);
void *map_remove(struct map *m, struct bytes key); /* returns the value, or NULL */

/* Iteration; `*cursor` starts at 0. Returns false at the end. The current entry
 * may be removed on the way; entries must not be added. ret_key: a view until either. */
bool map_next(const struct map *m, size_t *cursor, struct bytes *ret_key, void **ret_value);

/* 64-bit keys without ceremony. */
void *map_get_u64(const struct map *m, uint64_t key);
void *map_set_u64(struct map *m, uint64_t key, void *value);
void *map_remove_u64(struct map *m, uint64_t key);
