#pragma once

/* The node's seed on disk. Pure; store.c does the reading and writing.
 *
 * "quorate seed 1\n" (15 bytes), then 'p' and the 32-byte seed, or 's' and the seed
 * sealed with a passphrase (common/crypto/kdf.h). Nothing behind it. */

#include "common/crypto/kdf.h"

#define SEEDFILE_MAGIC "quorate seed 1\n"
#define SEEDFILE_MAX   (sizeof(SEEDFILE_MAGIC) - 1 + 1 + SEALED_SIZE)

enum seedfile_result {
        SEEDFILE_OK = 0,
        SEEDFILE_E_FORMAT,     /* not a seed file, or of a version we do not know */
        SEEDFILE_E_SIZE,       /* one, but cut off or with something behind it */
        SEEDFILE_E_NEED,       /* sealed, and no passphrase was given */
        SEEDFILE_E_PASSPHRASE, /* wrong passphrase, or the file was altered */
        SEEDFILE_E_MEMORY,     /* not enough memory for Argon2id */
        _SEEDFILE_RESULT_N,
};
const char *seedfile_result_text(int r); /* what is wrong and what to do; static */

/* passphrase.len 0: none given; it is ignored by a plain file. */
int seedfile_decode(struct bytes file, struct bytes passphrase, uint8_t ret_seed[SEAL_SEED_SIZE]);

/* How to seal; the caller draws salt and nonce. */
struct seedfile_seal {
        struct bytes passphrase;
        struct seal_cost cost;
        uint8_t salt[SEAL_SALT_SIZE], nonce[SEAL_NONCE_SIZE];
};
/* seal NULL: plain. Returns enum seedfile_result. */
int seedfile_encode(const uint8_t seed[SEAL_SEED_SIZE], const struct seedfile_seal *seal,
                    uint8_t ret[SEEDFILE_MAX], size_t *ret_len);
