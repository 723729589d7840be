#pragma once

/* How many different peers answered us within the last hour, day and week, in
 * bounded memory. Exact up to SEEN_MAX; beyond that every second hash is kept,
 * every fourth and so on, and counts are scaled up (distinct sampling: Gibbons,
 * VLDB 2001), about 4 % off. Hashes are salted, so that nobody can choose an id
 * that is always kept. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "services/dht/key.h"

#define SEEN_MAX       1024
#define SEEN_STATE_MAX (32 + SEEN_MAX * 12)

struct seen_entry {
        uint32_t hash_high, hash_low, minute; /* minute: of the wall clock, latest */
};

struct seen {
        uint64_t salt;
        unsigned level; /* kept: hashes with this many leading zero bits */
        size_t n, capacity;
        struct seen_entry *entries; /* by hash */
};

void seen_init(struct seen *s, uint64_t salt);
void seen_done(struct seen *s);

void seen_note(struct seen *s, const struct key *peer, int64_t wall_us);
uint64_t seen_count(const struct seen *s, int64_t within_us, int64_t wall_us);

void seen_pack(const struct seen *s, struct buffer *b);
/* False, and nothing is known, when it is not what seen_pack() wrote. */
bool seen_unpack(struct seen *s, struct reader *r);
