#pragma once

/* Key derivation, and a node seed sealed with a passphrase.
 *
 * Pure: salt and nonce are arguments; the caller draws them at random. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define HKDF_MAX        (255 * 32) /* RFC 5869, 2.3 */
#define SEAL_SEED_SIZE  32
#define SEAL_SALT_SIZE  16
#define SEAL_NONCE_SIZE 24

/* Sealed seed, version 1: u8 version (1), u8 kdf (1 = Argon2id 1.3), u32 passes,
 * u32 memory in KiB, salt, nonce, XSalsa20-Poly1305 box of the seed (48 bytes).
 * Integers are big-endian. */
#define SEALED_SIZE (1 + 1 + 4 + 4 + SEAL_SALT_SIZE + SEAL_NONCE_SIZE + 16 + SEAL_SEED_SIZE)

enum seal_result {
        SEAL_OK = 0,
        SEAL_E_FORMAT,     /* length, version, kdf or cost is not one we know */
        SEAL_E_PASSPHRASE, /* wrong passphrase, or the box was altered */
        SEAL_E_MEMORY,     /* Argon2id could not get its memory */
};

/* What a guess costs. Opening refuses a cost above the greatest we would use. */
struct seal_cost {
        uint32_t passes;
        uint32_t memory_kib;
};
extern const struct seal_cost seal_cost_default; /* 3 passes over 64 MiB */

/* HKDF-SHA256 (RFC 5869). An empty salt is 32 zero bytes. len <= HKDF_MAX. */
void hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info, uint8_t *ret, size_t len);
/* HMAC-SHA256 (RFC 2104). */
void hmac_sha256(struct bytes key, struct bytes message, uint8_t ret[32]);

/* Returns enum seal_result. */
int seal_seed(struct bytes passphrase, const struct seal_cost *cost,
              const uint8_t salt[SEAL_SALT_SIZE], const uint8_t nonce[SEAL_NONCE_SIZE],
              const uint8_t seed[SEAL_SEED_SIZE], uint8_t ret[SEALED_SIZE]);
int seal_open(struct bytes passphrase, struct bytes sealed, uint8_t ret_seed[SEAL_SEED_SIZE]);
