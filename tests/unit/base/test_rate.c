#include "common/base/rate.h"

#include "tests/support/test.h"

static void test_burst_then_average(void **state) {
        nsec_t now = 5 * NSEC_PER_SEC;
        struct rate r;

        rate_init(&r, 3, 10);
        for (unsigned i = 0; i < 3; i++)
                assert_true(rate_take(&r, now));
        assert_false(rate_take(&r, now));
        assert_int_equal(rate_next(&r), now + 100 * NSEC_PER_MSEC);
        assert_false(rate_take(&r, rate_next(&r) - 1));
        assert_true(rate_take(&r, rate_next(&r)));
        assert_int_equal(r.refused, 2);

        /* A pause fills it again, but never above the burst. */
        now += 3600 * NSEC_PER_SEC;
        assert_false(rate_take_n(&r, 4, now));
        assert_true(rate_take_n(&r, 3, now));
        assert_false(rate_take(&r, now));
}

static void test_zero_refuses(void **state) {
        struct rate r = {};

        assert_false(rate_take(&r, NSEC_PER_SEC));
}

TEST_MAIN(cmocka_unit_test(test_burst_then_average), cmocka_unit_test(test_zero_refuses))
