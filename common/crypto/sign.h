#pragma once

/* Ed25519 (RFC 8032) signatures, SHA-256, constant-time comparison and wiping.
 * Pure; signing is deterministic. Verification refuses keys of small order and
 * non-canonical encodings, as libsodium does: charge a budget before calling it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define SIGN_PUBLIC_SIZE 32
#define SIGN_SEED_SIZE   32
#define SIGNATURE_SIZE   64
#define SHA256_SIZE      32

struct sign_public {
        uint8_t bytes[SIGN_PUBLIC_SIZE];
};
/* seed || public key, the layout of libsodium and of libp2p's PrivateKey. Wipe it. */
struct sign_secret {
        uint8_t bytes[SIGN_SEED_SIZE + SIGN_PUBLIC_SIZE];
};
struct signature {
        uint8_t bytes[SIGNATURE_SIZE];
};

void sign_keypair(const uint8_t seed[SIGN_SEED_SIZE], struct sign_secret *ret_secret,
                  struct sign_public *ret_public);
struct signature sign_make(const struct sign_secret *secret, struct bytes message);
/* False also when the signature is not 64 bytes long. */
bool sign_verify(const struct sign_public *key, struct bytes message, struct bytes signature);

void sha256_of(struct bytes v, uint8_t ret[SHA256_SIZE]);

/* Time depends on n alone. */
bool crypto_equal(const void *a, const void *b, size_t n);
/* Overwrites with zeros; the compiler cannot drop it. */
void crypto_wipe(void *p, size_t n);

static inline struct bytes sign_public_bytes(const struct sign_public *k) {
        return (struct bytes){ k->bytes, SIGN_PUBLIC_SIZE };
}
static inline struct bytes signature_bytes(const struct signature *s) {
        return (struct bytes){ s->bytes, SIGNATURE_SIZE };
}
