#include "services/keyring/seedfile.h"

#include "tests/support/test.h"

static const uint8_t seed[SEAL_SEED_SIZE] = { 1, 2, 3 };
static const struct seedfile_seal cheap = {
        .passphrase = { (const uint8_t *) "horse", 5 },
        .cost = { .passes = 1, .memory_kib = 8 },
};

static void test_plain(void **state) {
        uint8_t file[SEEDFILE_MAX + 1] = {}, got[SEAL_SEED_SIZE];
        size_t n;

        assert_int_equal(seedfile_encode(seed, NULL, file, &n), SEEDFILE_OK);
        assert_int_equal(n, 48);
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_NONE, got), SEEDFILE_OK);
        assert_memory_equal(got, seed, sizeof(seed));
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_LIT("horse"), got), SEEDFILE_OK);

        assert_int_equal(seedfile_decode(BYTES(file, n + 1), BYTES_NONE, got), SEEDFILE_E_SIZE);
        for (size_t i = 0; i < n; i++)
                assert_int_not_equal(seedfile_decode(BYTES(file, i), BYTES_NONE, got), SEEDFILE_OK);
        assert_int_equal(seedfile_decode(BYTES(file, n - 1), BYTES_NONE, got), SEEDFILE_E_SIZE);
        file[0] ^= 1;
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_NONE, got), SEEDFILE_E_FORMAT);
        file[0] ^= 1;
        file[15] = 'q';
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_NONE, got), SEEDFILE_E_FORMAT);
}

static void test_sealed(void **state) {
        uint8_t file[SEEDFILE_MAX], got[SEAL_SEED_SIZE];
        size_t n;

        assert_int_equal(seedfile_encode(seed, &cheap, file, &n), SEEDFILE_OK);
        assert_int_equal(n, SEEDFILE_MAX);
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_LIT("horse"), got), SEEDFILE_OK);
        assert_memory_equal(got, seed, sizeof(seed));
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_NONE, got), SEEDFILE_E_NEED);
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_LIT("cow"), got),
                         SEEDFILE_E_PASSPHRASE);
        assert_int_equal(seedfile_decode(BYTES(file, n - 1), BYTES_LIT("horse"), got),
                         SEEDFILE_E_SIZE);
        file[n - 1] ^= 1;
        assert_int_equal(seedfile_decode(BYTES(file, n), BYTES_LIT("horse"), got),
                         SEEDFILE_E_PASSPHRASE);
}

TEST_MAIN(cmocka_unit_test(test_plain), cmocka_unit_test(test_sealed))
