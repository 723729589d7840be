#include "common/crypto/kdf.h"

#include <sodium.h>

#include "common/base/error.h"
#include "common/crypto/sign.h"

#define SEAL_VERSION    1
#define SEAL_ARGON2ID   1
#define SEAL_HEADER     (1 + 1 + 4 + 4)
#define SEAL_PASSES_MAX 16
#define SEAL_MEMORY_MAX (1024u * 1024) /* KiB */
#define SEAL_MEMORY_MIN 8u             /* KiB; libsodium's minimum */

_Static_assert(SEAL_SALT_SIZE == crypto_pwhash_argon2id_SALTBYTES, "");
_Static_assert(SEAL_NONCE_SIZE == crypto_secretbox_NONCEBYTES, "");
_Static_assert(SEALED_SIZE == SEAL_HEADER + SEAL_SALT_SIZE + SEAL_NONCE_SIZE +
                                      crypto_secretbox_MACBYTES + SEAL_SEED_SIZE,
               "");

const struct seal_cost seal_cost_default = { .passes = 3, .memory_kib = 64 * 1024 };

/* libsodium wants a pointer for nothing, too. */
static const uint8_t *never_null(struct bytes v) {
        return v.data ? v.data : (const uint8_t *) "";
}

void hmac_sha256(struct bytes key, struct bytes message, uint8_t ret[32]) {
        crypto_auth_hmacsha256_state state;

        crypto_auth_hmacsha256_init(&state, never_null(key), key.len);
        crypto_auth_hmacsha256_update(&state, never_null(message), message.len);
        crypto_auth_hmacsha256_final(&state, ret);
        crypto_wipe(&state, sizeof(state));
}

void hkdf_sha256(struct bytes key, struct bytes salt, struct bytes info, uint8_t *ret, size_t len) {
        crypto_auth_hmacsha256_state state;
        uint8_t prk[32], block[32];
        size_t done = 0;

        check(len <= HKDF_MAX);
        /* HMAC pads its key with zeros: no salt and 32 zero bytes are the same. */
        hmac_sha256(salt, key, prk);
        for (uint8_t counter = 1; done < len; counter++) {
                size_t n = len - done < sizeof(block) ? len - done : sizeof(block);

                crypto_auth_hmacsha256_init(&state, prk, sizeof(prk));
                crypto_auth_hmacsha256_update(&state, block, counter > 1 ? sizeof(block) : 0);
                crypto_auth_hmacsha256_update(&state, never_null(info), info.len);
                crypto_auth_hmacsha256_update(&state, &counter, 1);
                crypto_auth_hmacsha256_final(&state, block);
                memcpy(ret + done, block, n);
                done += n;
        }
        crypto_wipe(&state, sizeof(state));
        crypto_wipe(prk, sizeof(prk));
        crypto_wipe(block, sizeof(block));
}

static bool cost_is_sane(const struct seal_cost *c) {
        return c->passes >= 1 && c->passes <= SEAL_PASSES_MAX && c->memory_kib >= SEAL_MEMORY_MIN &&
               c->memory_kib <= SEAL_MEMORY_MAX;
}

static int box_key(struct bytes passphrase, const struct seal_cost *cost, const uint8_t *salt,
                   uint8_t ret[crypto_secretbox_KEYBYTES]) {
        int r = crypto_pwhash_argon2id(ret, crypto_secretbox_KEYBYTES,
                                       (const char *) passphrase.data, passphrase.len, salt,
                                       cost->passes, (size_t) cost->memory_kib * 1024,
                                       crypto_pwhash_argon2id_ALG_ARGON2ID13);

        return r == 0 ? SEAL_OK : SEAL_E_MEMORY;
}

int seal_seed(struct bytes passphrase, const struct seal_cost *cost,
              const uint8_t salt[SEAL_SALT_SIZE], const uint8_t nonce[SEAL_NONCE_SIZE],
              const uint8_t seed[SEAL_SEED_SIZE], uint8_t ret[SEALED_SIZE]) {
        uint8_t key[crypto_secretbox_KEYBYTES];
        uint8_t *p = ret;
        int r;

        check(cost_is_sane(cost));
        r = box_key(passphrase, cost, salt, key);
        if (r)
                return r;

        *p++ = SEAL_VERSION;
        *p++ = SEAL_ARGON2ID;
        store_be32(p, cost->passes);
        store_be32(p + 4, cost->memory_kib);
        memcpy(p + 8, salt, SEAL_SALT_SIZE);
        memcpy(p + 8 + SEAL_SALT_SIZE, nonce, SEAL_NONCE_SIZE);
        crypto_secretbox_easy(p + 8 + SEAL_SALT_SIZE + SEAL_NONCE_SIZE, seed, SEAL_SEED_SIZE, nonce,
                              key);
        crypto_wipe(key, sizeof(key));
        return SEAL_OK;
}

int seal_open(struct bytes passphrase, struct bytes sealed, uint8_t ret_seed[SEAL_SEED_SIZE]) {
        uint8_t key[crypto_secretbox_KEYBYTES], seed[SEAL_SEED_SIZE];
        struct reader reader = reader_of(sealed);
        struct bytes salt, nonce, box;
        struct seal_cost cost;
        int r;

        if (sealed.len != SEALED_SIZE || reader_u8(&reader) != SEAL_VERSION ||
            reader_u8(&reader) != SEAL_ARGON2ID)
                return SEAL_E_FORMAT;
        cost.passes = reader_u32(&reader);
        cost.memory_kib = reader_u32(&reader);
        if (!cost_is_sane(&cost))
                return SEAL_E_FORMAT;
        salt = reader_take(&reader, SEAL_SALT_SIZE);
        nonce = reader_take(&reader, SEAL_NONCE_SIZE);
        box = reader_take(&reader, reader_left(&reader));

        r = box_key(passphrase, &cost, salt.data, key);
        if (r)
                return r;
        r = crypto_secretbox_open_easy(seed, box.data, box.len, nonce.data, key);
        crypto_wipe(key, sizeof(key));
        if (r == 0)
                memcpy(ret_seed, seed, sizeof(seed));
        crypto_wipe(seed, sizeof(seed));
        return r == 0 ? SEAL_OK : SEAL_E_PASSPHRASE;
}
