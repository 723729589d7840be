#include "common/crypto/hash.h"

#include <sodium.h>

#include "common/base/error.h"

#define NAME_SIZE crypto_generichash_blake2b_PERSONALBYTES

_Static_assert(sizeof(struct hash) >= sizeof(crypto_generichash_blake2b_state),
               "struct hash must hold libsodium's state");

static crypto_generichash_blake2b_state *state_of(struct hash *h) {
        return (crypto_generichash_blake2b_state *) h->state;
}

void hash_begin(struct hash *h, const char *name) {
        unsigned char personal[NAME_SIZE] = {};
        size_t n = strlen(name);

        check(n <= NAME_SIZE);
        memcpy(personal, name, n);
        crypto_generichash_blake2b_init_salt_personal(state_of(h), NULL, 0, HASH_SIZE, NULL,
                                                      personal);
}

void hash_update(struct hash *h, const void *p, size_t n) {
        crypto_generichash_blake2b_update(state_of(h), p, n);
}

void hash_update_bytes(struct hash *h, struct bytes v) {
        hash_update(h, v.data, v.len);
}

struct hash_value hash_end(struct hash *h) {
        struct hash_value value;

        crypto_generichash_blake2b_final(state_of(h), value.bytes, HASH_SIZE);
        return value;
}

struct hash_value hash_of(const char *name, struct bytes v) {
        return hash_of2(name, v, BYTES_NONE);
}

struct hash_value hash_of2(const char *name, struct bytes a, struct bytes b) {
        struct hash h;

        hash_begin(&h, name);
        hash_update_bytes(&h, a);
        hash_update_bytes(&h, b);
        return hash_end(&h);
}

struct hash_value hash_keyed(struct bytes key, struct bytes v) {
        struct hash_value value;

        check(key.len >= crypto_generichash_blake2b_KEYBYTES_MIN &&
              key.len <= crypto_generichash_blake2b_KEYBYTES_MAX);
        crypto_generichash_blake2b(value.bytes, HASH_SIZE, v.data, v.len, key.data, key.len);
        return value;
}
