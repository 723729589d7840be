#include "common/base/rng.h"

#include "tests/support/test.h"

/* First values by an implementation in Python from the authors' description:
 * xoshiro256** whose state is four outputs of splitmix64. */
static const struct {
        uint64_t seed, first[3];
} vectors[] = {
        { 0, { 0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0 } },
        { 1, { 0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514 } },
        { 0xdeadbeef, { 0xc5555444a74d7e83, 0x65c30d37b4b16e38, 0x54f773200a4efa23 } },
};

static void test_vectors(void **state) {
        FOREACH_CASE (c, vectors) {
                struct rng r;

                rng_init(&r, c->seed);
                for (int i = 0; i < 3; i++)
                        assert_true(rng_u64(&r) == c->first[i]);
        }
}

/* Each of 10 values comes up a tenth of the time (4 standard deviations). */
static void test_below_is_uniform(void **state) {
        unsigned counts[10] = {};
        struct rng r;

        rng_init(&r, 2);
        for (int i = 0; i < 100000; i++)
                counts[rng_below(&r, 10)]++;
        for (int i = 0; i < 10; i++)
                assert_in_range(counts[i], 10000 - 380, 10000 + 380);
        for (int i = 0; i < 1000; i++)
                assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
        assert_int_equal(rng_below(&r, 1), 0);
}

static void test_unit_and_chance(void **state) {
        unsigned hits = 0;
        struct rng r;

        rng_init(&r, 3);
        for (int i = 0; i < 100000; i++) {
                double v = rng_unit(&r);

                assert_true(v >= 0 && v < 1);
                hits += rng_chance(&r, 0.25);
                assert_false(rng_chance(&r, 0));
                assert_true(rng_chance(&r, 1));
        }
        assert_in_range(hits, 25000 - 550, 25000 + 550);
}

/* Bytes of any length; exactly that many are written. */
static void test_bytes(void **state) {
        struct rng a, b;

        for (size_t n = 0; n < 40; n++) {
                uint8_t one[48] = {}, two[48] = {};

                rng_init(&a, n);
                rng_init(&b, n);
                rng_bytes(&a, one, n);
                rng_bytes(&b, two, n);
                assert_memory_equal(one, two, sizeof(one));
                for (size_t i = n; i < sizeof(one); i++)
                        assert_int_equal(one[i], 0);
        }
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_below_is_uniform),
          cmocka_unit_test(test_unit_and_chance), cmocka_unit_test(test_bytes))
