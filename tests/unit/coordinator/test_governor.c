#include "services/coordinator/governor.h"
#include "tests/support/test.h"

#define MIB (UINT64_C(1) << 20)

static void test_own_jobs_may_take_all(void **state) {
        struct governor g;

        governor_init(&g, 1, 4);
        governor_capacity(&g, &(struct governor_worker){ .slots = 3, .memory = 300 * MIB }, 1);
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
        governor_capacity(&g, &(struct governor_worker){ .slots = 4, .memory = 100 * MIB }, 1);
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
        governor_capacity(&g, &(struct governor_worker){ .slots = 2, .memory = 100 * MIB }, 1);
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
        governor_capacity(&g, &(struct governor_worker){ .slots = 3, .memory = 300 * MIB }, 1);
        assert_int_equal(governor_places(&g), 4);
}

static void test_pause(void **state) {
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, &(struct governor_worker){ .slots = 2, .memory = 100 * MIB }, 1);
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
        governor_capacity(&g, &(struct governor_worker){ .slots = 2, .memory = 100 * MIB }, 1);
        assert_int_equal(governor_take(&g, GOVERNOR_SERVED, 80 * MIB), GOVERNOR_OK);
        governor_capacity(&g, NULL, 0);
        assert_int_equal(governor_free_slots(&g), 0);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 0), GOVERNOR_E_SLOTS);
        governor_give(&g, GOVERNOR_SERVED, 80 * MIB);
}

/* A run is one worker's: what one may ask for, and what each may have, is what one has. */
static void test_several_workers(void **state) {
        static const struct governor_worker workers[] = { { .slots = 2, .memory = 200 * MIB },
                                                          { .memory = 900 * MIB }, /* no slots */
                                                          { .slots = 4, .memory = 240 * MIB } };
        struct governor g;

        governor_init(&g, 0, 4);
        governor_capacity(&g, workers, ELEMENTSOF(workers));
        assert_int_equal(g.slots, 6);
        assert_int_equal(g.memory, 440 * MIB);
        assert_int_equal(g.most, 240 * MIB);
        assert_int_equal(g.share, 60 * MIB);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 241 * MIB), GOVERNOR_E_TOO_BIG);
        assert_int_equal(governor_promise(&g, 241 * MIB), GOVERNOR_E_TOO_BIG);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 240 * MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, 200 * MIB), GOVERNOR_OK);
        assert_int_equal(governor_take(&g, GOVERNOR_OWN, MIB), GOVERNOR_E_MEMORY);
}

static const struct {
        const char *name;
        struct governor_worker one, other;
        uint64_t memory;
        bool is_better, is_worse; /* the one; neither: the first stays */
} choices[] = {
        { "the idler", { 4, 1, 400, 100 }, { 2, 1, 200, 100 }, 100, true, false },
        { "as idle", { 4, 2, 400, 200 }, { 2, 1, 200, 100 }, 100, false, false },
        { "one alone has it left", { 4, 3, 400, 300 }, { 2, 1, 200, 150 }, 100, true, false },
        { "one alone can have it", { 4, 4, 400, 400 }, { 2, 0, 200, 0 }, 300, true, false },
        { "neither has it", { 4, 3, 400, 300 }, { 2, 0, 200, 0 }, 500, false, true },
        { "shrunk since", { 2, 1, 100, 200 }, { 2, 1, 200, 100 }, 100, false, true },
};

static void test_choice_of_a_worker(void **state) {
        FOREACH_CASE (c, choices) {
                assert_int_equal(governor_is_better(&c->one, &c->other, c->memory), c->is_better);
                assert_int_equal(governor_is_better(&c->other, &c->one, c->memory), c->is_worse);
        }
}

TEST_MAIN(cmocka_unit_test(test_own_jobs_may_take_all), cmocka_unit_test(test_memory_is_shared),
          cmocka_unit_test(test_promises_are_overcommitted), cmocka_unit_test(test_no_worker_yet),
          cmocka_unit_test(test_pause), cmocka_unit_test(test_capacity_goes_away),
          cmocka_unit_test(test_several_workers), cmocka_unit_test(test_choice_of_a_worker))
