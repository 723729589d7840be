#include "services/coordinator/governor.h"
#include "tests/support/test.h"

#define MIB (UINT64_C(1) << 20)

static void test_own_jobs_may_take_all(void **state) {
        struct governor g;

        governor_init(&g, 1, 4);
        governor_capacity(&g, 3, 300 * MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, MIB), GOVERNOR_E_SLOTS);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_E_SLOTS);
        governor_give(&g, GOVERNOR_SERVED, MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_OK);
        assert_int_equal(governor_free_slots(&g), 0);
}

static void test_memory_is_shared(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, 4, 100 * MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 60 * MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 60 * MIB), GOVERNOR_E_MEMORY);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 101 * MIB), GOVERNOR_E_TOO_BIG);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 40 * MIB), GOVERNOR_OK);
        governor_give(&g, GOVERNOR_OWN, 60 * MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 60 * MIB), GOVERNOR_OK);
}

static void test_promises_are_overcommitted(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, 2, 100 * MIB);
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(governor_promise(&g, MIB), GOVERNOR_OK);
        assert_int_equal(governor_promise(&g, MIB), GOVERNOR_E_SLOTS);
        governor_unpromise(&g);
        assert_int_equal(governor_promise(&g, MIB), GOVERNOR_OK);
        assert_int_equal(governor_promise(&g, 200 * MIB), GOVERNOR_E_TOO_BIG);
}

/* Not "too big": a worker may come at any time. */
static void test_no_worker_yet(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        assert_int_equal(governor_promise(&g, MIB), GOVERNOR_E_SLOTS);
        assert_int_equal(governor_places(&g), 0);
        governor_init(&g, 1, 4);
        governor_capacity(&g, 3, 300 * MIB);
        assert_int_equal(governor_places(&g), 4);
}

static void test_pause(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, 2, 100 * MIB);
        governor_pause(&g, 10, 5);
        assert_int_equal(g.drain_until, 15);
        assert_int_equal(governor_promise(&g, MIB), GOVERNOR_E_PAUSED);
        assert_int_equal(governor_served_slots(&g), 0);
        assert_int_equal(governor_free_slots(&g), 2); /* for what was accepted before */
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_OK);
        governor_resume(&g);
        assert_int_equal(governor_promise(&g, MIB), GOVERNOR_OK);
        assert_int_equal(governor_free_slots(&g), 1);
}

static void test_capacity_goes_away(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, 2, 100 * MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 80 * MIB), GOVERNOR_OK);
        governor_capacity(&g, 0, 0);
        assert_int_equal(governor_free_slots(&g), 0);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 0), GOVERNOR_E_SLOTS);
        governor_give(&g, GOVERNOR_SERVED, 80 * MIB);
}

TEST_MAIN(cmocka_unit_test(test_own_jobs_may_take_all), cmocka_unit_test(test_memory_is_shared),
          cmocka_unit_test(test_promises_are_overcommitted), cmocka_unit_test(test_no_worker_yet),
          cmocka_unit_test(test_pause), cmocka_unit_test(test_capacity_goes_away))
