#pragma once

/* BLAKE2b-256 (RFC 7693) with a personalisation string: H(`name`, data) of the
 * formats in common/canonical/README.md. The name is padded with zero bytes to
 * 16; different names give unrelated hashes. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define HASH_SIZE 32

struct hash_value {
        uint8_t bytes[HASH_SIZE];
};

/* Room for libsodium's state without naming its type here. */
struct hash {
        _Alignas(64) uint8_t state[384];
};

/* name: at most 16 bytes. */
void hash_begin(struct hash *h, const char *name);
void hash_update(struct hash *h, const void *p, size_t n);
void hash_update_bytes(struct hash *h, struct bytes v);
struct hash_value hash_end(struct hash *h);

/* The whole at once. */
struct hash_value hash_of(const char *name, struct bytes v);
/* Of two pieces standing one behind the other. */
struct hash_value hash_of2(const char *name, struct bytes a, struct bytes b);
/* BLAKE2b-256 with a key of 16..64 bytes and no name. */
struct hash_value hash_keyed(struct bytes key, struct bytes v);

static inline struct bytes hash_bytes(const struct hash_value *h) {
        return (struct bytes){ h->bytes, HASH_SIZE };
}
static inline bool hash_equal(const struct hash_value *a, const struct hash_value *b) {
        return memcmp(a->bytes, b->bytes, HASH_SIZE) == 0;
}
