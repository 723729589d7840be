#include "common/crypto/identity.h"

#include <sodium.h>

#include "common/crypto/hash.h"
#include "common/crypto/kdf.h"

#define INFO_ED25519 BYTES_LIT("quorate/v1/ed25519")
#define INFO_X25519  BYTES_LIT("quorate/v1/x25519")

_Static_assert(X25519_SIZE == crypto_scalarmult_curve25519_BYTES, "");

static void derive(const uint8_t *seed, struct bytes info, uint8_t ret[32]) {
        hkdf_sha256(BYTES(seed, IDENTITY_SEED_SIZE), BYTES_NONE, info, ret, 32);
}

void identity_init(struct identity *id, const uint8_t seed[IDENTITY_SEED_SIZE]) {
        uint8_t sign_seed[SIGN_SEED_SIZE];

        derive(seed, INFO_ED25519, sign_seed);
        sign_keypair(sign_seed, &id->sign_secret, &id->sign_public);
        crypto_wipe(sign_seed, sizeof(sign_seed));

        derive(seed, INFO_X25519, id->x25519_secret);
        crypto_scalarmult_curve25519_base(id->x25519_public, id->x25519_secret);
}

void identity_wipe(struct identity *id) {
        crypto_wipe(id, sizeof(*id));
}

void identity_public(const uint8_t seed[IDENTITY_SEED_SIZE], struct sign_public *ret) {
        uint8_t sign_seed[SIGN_SEED_SIZE];
        struct sign_secret secret;

        derive(seed, INFO_ED25519, sign_seed);
        sign_keypair(sign_seed, &secret, ret);
        crypto_wipe(sign_seed, sizeof(sign_seed));
        crypto_wipe(&secret, sizeof(secret));
}

unsigned identity_work(const struct sign_public *key) {
        /* No personalisation: plain BLAKE2b-256, so that any tool can check it. */
        struct hash_value h = hash_of("", sign_public_bytes(key));
        unsigned bits = 0;

        for (size_t i = 0; i < HASH_SIZE; i++) {
                if (h.bytes[i] != 0)
                        return bits + (unsigned) __builtin_clz(h.bytes[i]) - 24;
                bits += 8;
        }
        return bits;
}
