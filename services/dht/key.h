#pragma once

/* Keys of the DHT: SHA-256 of a record's key or of a binary peer id, compared by
 * XOR (Maymounkov and Mazières, 2002; libp2p kad-dht spec, "Distance"). Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/peerid.h"

#define KEY_SIZE 32
#define KEY_BITS 256

struct key {
        uint8_t bytes[KEY_SIZE];
};

struct key key_of(struct bytes name); /* SHA-256 of the bytes */
struct key key_of_peer(const struct peer_id *peer);

/* Leading bits that are equal: 0..KEY_BITS. */
unsigned key_common_prefix(const struct key *a, const struct key *b);
/* < 0: a is closer to the target than b; > 0: farther; 0: a equals b. */
int key_compare(const struct key *target, const struct key *a, const struct key *b);
/* The first 64 bits: of a XOR b they decide nearly every comparison. */
uint64_t key_prefix(const struct key *k);
/* a XOR b as a fraction of the key space, 0..1 (first 64 bits decide). */
double key_distance(const struct key *a, const struct key *b);
/* A random key that shares exactly `prefix` bits with `self` (prefix < KEY_BITS);
 * `random` is KEY_SIZE random bytes. */
struct key key_in_bucket(const struct key *self, unsigned prefix, const uint8_t random[KEY_SIZE]);

static inline bool key_equal(const struct key *a, const struct key *b) {
        return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}
static inline struct bytes key_bytes(const struct key *k) {
        return (struct bytes){ k->bytes, KEY_SIZE };
}
