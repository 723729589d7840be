#include "services/keyring/seedfile.h"

#define KIND_PLAIN  'p'
#define KIND_SEALED 's'

const char *seedfile_result_text(int r) {
        static const char *const texts[_SEEDFILE_RESULT_N] = {
                [SEEDFILE_OK] = "fine",
                [SEEDFILE_E_FORMAT] =
                        ("this is no seed file of this version; move it away and make one with "
                         "`quorate key new`"),
                [SEEDFILE_E_SIZE] = "the seed file is damaged (wrong length); restore a copy of it",
                [SEEDFILE_E_NEED] = "the seed is sealed; set passphrase-file in [keyring]",
                [SEEDFILE_E_PASSPHRASE] = "wrong passphrase, or the file was altered",
                [SEEDFILE_E_MEMORY] = "not enough memory to open the seal (64 MiB needed)",
        };

        return r >= 0 && r < _SEEDFILE_RESULT_N ? texts[r] : "unknown answer";
}

static int from_seal(int r) {
        static const int results[] = {
                [SEAL_OK] = SEEDFILE_OK,
                [SEAL_E_FORMAT] = SEEDFILE_E_FORMAT,
                [SEAL_E_PASSPHRASE] = SEEDFILE_E_PASSPHRASE,
                [SEAL_E_MEMORY] = SEEDFILE_E_MEMORY,
        };

        return results[r];
}

int seedfile_decode(struct bytes file, struct bytes passphrase, uint8_t ret_seed[SEAL_SEED_SIZE]) {
        struct reader r = reader_of(file);
        struct bytes magic = reader_take(&r, sizeof(SEEDFILE_MAGIC) - 1);
        uint8_t kind = reader_u8(&r);

        if (file.len == 0)
                return SEEDFILE_E_SIZE;
        if (!bytes_equal(magic, BYTES_LIT(SEEDFILE_MAGIC)))
                return SEEDFILE_E_FORMAT;
        if (kind == KIND_PLAIN) {
                if (reader_left(&r) != SEAL_SEED_SIZE)
                        return SEEDFILE_E_SIZE;
                memcpy(ret_seed, reader_take(&r, SEAL_SEED_SIZE).data, SEAL_SEED_SIZE);
                return SEEDFILE_OK;
        }
        if (r.failed || (kind == KIND_SEALED && reader_left(&r) != SEALED_SIZE))
                return SEEDFILE_E_SIZE;
        if (kind != KIND_SEALED)
                return SEEDFILE_E_FORMAT;
        if (passphrase.len == 0)
                return SEEDFILE_E_NEED;
        return from_seal(seal_open(passphrase, reader_take(&r, SEALED_SIZE), ret_seed));
}

int seedfile_encode(const uint8_t seed[SEAL_SEED_SIZE], const struct seedfile_seal *seal,
                    uint8_t ret[SEEDFILE_MAX], size_t *ret_len) {
        size_t n = sizeof(SEEDFILE_MAGIC) - 1;
        int r;

        memcpy(ret, SEEDFILE_MAGIC, n);
        ret[n++] = seal ? KIND_SEALED : KIND_PLAIN;
        if (!seal) {
                memcpy(ret + n, seed, SEAL_SEED_SIZE);
                *ret_len = n + SEAL_SEED_SIZE;
                return SEEDFILE_OK;
        }
        r = seal_seed(seal->passphrase, &seal->cost, seal->salt, seal->nonce, seed, ret + n);
        if (r == SEAL_OK)
                *ret_len = n + SEALED_SIZE;
        return from_seal(r);
}
