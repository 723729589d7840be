#pragma once

/* All keys of a node, derived from its one 32-byte seed:
 *   Ed25519 = key pair of HKDF-SHA256(seed, no salt, "quorate/v1/ed25519")
 *   X25519  = scalar       HKDF-SHA256(seed, no salt, "quorate/v1/x25519")
 * Pure. Only keyring, key tools and simulated nodes hold a struct identity. */

#include <stdint.h>

#include "common/crypto/sign.h"

#define IDENTITY_SEED_SIZE 32
#define X25519_SIZE        32

struct identity {
        struct sign_secret sign_secret;
        struct sign_public sign_public;
        uint8_t x25519_secret[X25519_SIZE];
        uint8_t x25519_public[X25519_SIZE];
};

void identity_init(struct identity *id, const uint8_t seed[IDENTITY_SEED_SIZE]);
void identity_wipe(struct identity *id);

/* Only the Ed25519 public key: what minting a proof of work repeats. */
void identity_public(const uint8_t seed[IDENTITY_SEED_SIZE], struct sign_public *ret);

/* Proof of work of a public key: leading zero bits of BLAKE2b-256(key), 0..256. */
unsigned identity_work(const struct sign_public *key);
