#include "common/base/budget.h"

#include "common/base/rng.h"
#include "tests/support/test.h"

/* Two children of one parent: what is granted never passes a limit, and a
 * refusal takes nothing anywhere. */
static void test_against_model(void **state) {
        struct budget parent, children[2];
        uint64_t taken[2] = {}, peak = 0;
        const uint64_t limits[2] = { 70, 60 };
        struct rng r;

        rng_init(&r, 6);
        budget_init(&parent, 100, NULL);
        for (int i = 0; i < 2; i++)
                budget_init(&children[i], limits[i], &parent);
        for (int step = 0; step < 20000; step++) {
                size_t i = rng_below(&r, 2);
                uint64_t n = rng_below(&r, 40);

                if (rng_chance(&r, 0.5)) {
                        bool fits = taken[i] + n <= limits[i] && taken[0] + taken[1] + n <= 100;

                        assert_int_equal(budget_take(&children[i], n),
                                         fits ? BUDGET_OK : BUDGET_E_QUOTA);
                        taken[i] += fits ? n : 0;
                } else {
                        n = rng_below(&r, taken[i] + 1);
                        budget_give(&children[i], n);
                        taken[i] -= n;
                }
                peak = taken[0] + taken[1] > peak ? taken[0] + taken[1] : peak;
                assert_int_equal(children[i].used, taken[i]);
                assert_int_equal(parent.used, taken[0] + taken[1]);
                assert_int_equal(parent.peak, peak);
        }
        assert_true(children[0].refused > 0 && parent.refused > 0);
}

static void test_left(void **state) {
        struct budget parent, child;

        budget_init(&parent, 10, NULL);
        budget_init(&child, UINT64_MAX, &parent);
        assert_int_equal(budget_left(&child), 10);
        assert_int_equal(budget_take(&child, UINT64_MAX), BUDGET_E_QUOTA);
        assert_int_equal(budget_take(&child, 10), BUDGET_OK);
        assert_int_equal(budget_left(&child), 0);
        assert_int_equal(budget_take(&child, 0), BUDGET_OK);
        parent.limit = 5; /* lowered by a reload: over it until given back */
        assert_int_equal(budget_left(&parent), 0);
        assert_int_equal(budget_take(&child, 1), BUDGET_E_QUOTA);
        budget_give(&child, 10);
        assert_int_equal(budget_left(&child), 5);
}

TEST_MAIN(cmocka_unit_test(test_against_model), cmocka_unit_test(test_left))
