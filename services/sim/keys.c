#include "services/sim/keys.h"

#include "common/base/bytes.h"
#include "common/crypto/hash.h"

#define SIGNED_MAX (96 * 1024)

void keys_make(uint64_t seed, uint64_t identity, struct sign_secret *ret) {
        struct sign_public public_key;
        uint8_t bytes[16];
        struct hash_value h;

        store_be64(bytes, seed);
        store_be64(bytes + 8, identity);
        h = hash_of("sim-identity", BYTES_OF(bytes));
        sign_keypair(h.bytes, ret, &public_key);
}

/* The second half of a secret is its public key (sign.h). */
static struct bytes public_of(const struct sign_secret *secret) {
        return BYTES(secret->bytes + SIGN_SEED_SIZE, SIGN_PUBLIC_SIZE);
}

static struct signature stand_in(struct bytes key, struct bytes message) {
        struct hash_value h = hash_keyed(key, message);
        struct signature s = {};

        memcpy(s.bytes, h.bytes, HASH_SIZE);
        return s;
}

struct signature keys_sign(struct keys *k, const struct sign_secret *secret, struct bytes prefix,
                           struct bytes message) {
        CLEANUP(buffer_donep) struct buffer b = {};

        k->n_signed++;
        buffer_init(&b, SIGNED_MAX);
        buffer_put_bytes(&b, prefix);
        buffer_put_bytes(&b, message);
        return k->is_real ? sign_make(secret, buffer_bytes(&b))
                          : stand_in(public_of(secret), buffer_bytes(&b));
}

bool keys_verify(void *userdata, const struct sign_public *key, struct bytes message,
                 struct bytes signature) {
        struct keys *k = userdata;
        struct signature wanted;

        k->n_verified++;
        if (k->is_real)
                return sign_verify(key, message, signature);
        wanted = stand_in(sign_public_bytes(key), message);
        return signature.len == SIGNATURE_SIZE &&
               memcmp(signature.data, wanted.bytes, SIGNATURE_SIZE) == 0;
}
