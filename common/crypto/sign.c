#include "common/crypto/sign.h"

#include <sodium.h>

_Static_assert(SIGN_PUBLIC_SIZE == crypto_sign_PUBLICKEYBYTES, "");
_Static_assert(SIGN_SEED_SIZE == crypto_sign_SEEDBYTES, "");
_Static_assert(sizeof(struct sign_secret) == crypto_sign_SECRETKEYBYTES, "");
_Static_assert(SIGNATURE_SIZE == crypto_sign_BYTES, "");

void sign_keypair(const uint8_t seed[SIGN_SEED_SIZE], struct sign_secret *ret_secret,
                  struct sign_public *ret_public) {
        crypto_sign_seed_keypair(ret_public->bytes, ret_secret->bytes, seed);
}

struct signature sign_make(const struct sign_secret *secret, struct bytes message) {
        struct signature s;

        crypto_sign_detached(s.bytes, NULL, message.data, message.len, secret->bytes);
        return s;
}

bool sign_verify(const struct sign_public *key, struct bytes message, struct bytes signature) {
        return signature.len == SIGNATURE_SIZE &&
               crypto_sign_verify_detached(signature.data, message.data, message.len, key->bytes) ==
                       0;
}

void sha256_of(struct bytes v, uint8_t ret[SHA256_SIZE]) {
        crypto_hash_sha256(ret, v.data, v.len);
}

bool crypto_equal(const void *a, const void *b, size_t n) {
        return sodium_memcmp(a, b, n) == 0;
}

void crypto_wipe(void *p, size_t n) {
        sodium_memzero(p, n);
}
