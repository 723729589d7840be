#include "common/crypto/kdf.h"

#include "common/base/text.h"
#include "tests/support/test.h"

/* RFC 5869, appendix A, cases 1 to 3. */
static const struct {
        const char *key, *salt, *info, *want;
} rfc_cases[] = {
        { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
          "f0f1f2f3f4f5f6f7f8f9",
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
        { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b"
          "2c"
          "2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
          "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b"
          "8c"
          "8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
          "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadb"
          "dc"
          "dddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
          "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
          "5e"
          "590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
        { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
};

static struct bytes from_hex(const char *text, uint8_t *storage) {
        size_t n = strlen(text) / 2;

        assert_true(hex_decode(text, storage, n));
        return BYTES(storage, n);
}

static void test_hkdf(void **state) {
        uint8_t key[128], salt[128], info[128], want[128], got[128];

        FOREACH_CASE (c, rfc_cases) {
                struct bytes w = from_hex(c->want, want);

                hkdf_sha256(from_hex(c->key, key), from_hex(c->salt, salt), from_hex(c->info, info),
                            got, w.len);
                assert_bytes_equal(BYTES(got, w.len), w);
        }
}

static const struct seal_cost cheap = { .passes = 1, .memory_kib = 8 };
static const uint8_t salt16[SEAL_SALT_SIZE] = { 1 }, nonce24[SEAL_NONCE_SIZE] = { 2 };
static const uint8_t seed[SEAL_SEED_SIZE] = { 3, 4, 5 };

static void test_seal(void **state) {
        uint8_t sealed[SEALED_SIZE], opened[SEAL_SEED_SIZE] = {};

        assert_int_equal(seal_seed(BYTES_LIT("horse"), &cheap, salt16, nonce24, seed, sealed), 0);
        assert_int_equal(seal_open(BYTES_LIT("horse"), BYTES_OF(sealed), opened), SEAL_OK);
        assert_memory_equal(opened, seed, sizeof(seed));

        memset(opened, 0xee, sizeof(opened));
        assert_int_equal(seal_open(BYTES_LIT("House"), BYTES_OF(sealed), opened),
                         SEAL_E_PASSPHRASE);
        assert_int_equal(opened[0], 0xee); /* untouched on failure */
}

static void test_seal_altered(void **state) {
        uint8_t sealed[SEALED_SIZE], opened[SEAL_SEED_SIZE];

        assert_int_equal(seal_seed(BYTES_LIT("horse"), &cheap, salt16, nonce24, seed, sealed), 0);
        for (size_t i = 0; i < sizeof(sealed); i++) {
                int r;

                /* A greater memory cost is honest work, not a quick refusal: leave it out. */
                if (i >= 2 && i < 10)
                        continue;
                sealed[i] ^= 1;
                r = seal_open(BYTES_LIT("horse"), BYTES_OF(sealed), opened);
                assert_int_equal(r, i < 2 ? SEAL_E_FORMAT : SEAL_E_PASSPHRASE);
                sealed[i] ^= 1;
        }
        assert_int_equal(seal_open(BYTES_LIT("horse"), BYTES(sealed, SEALED_SIZE - 1), opened),
                         SEAL_E_FORMAT);
        sealed[6] = 0x7f; /* 2 TiB */
        assert_int_equal(seal_open(BYTES_LIT("horse"), BYTES_OF(sealed), opened), SEAL_E_FORMAT);
}

TEST_MAIN(cmocka_unit_test(test_hkdf), cmocka_unit_test(test_seal),
          cmocka_unit_test(test_seal_altered))
