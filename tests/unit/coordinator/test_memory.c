/* What a run of our own is given: what is charged for it, no less, and the same again. */

#include "tests/unit/coordinator/world.h"

#define MIB          (UINT64_C(1) << 20)
#define OTHER_ENGINE "other/1/model"

/* One engine of which a worker with two slots has so much for each. */
static struct world *begin(uint64_t share) {
        struct world *w = world_begin(1);

        w->of_engine = "sim";
        w->worker.memory = 2 * share;
        world_engines(w, w->engines, w->n_engines);
        return w;
}

static void submit(struct world *w) {
        w->has_ended = w->is_local = false;
        w->memory = 0;
        world_submit(w, "local");
        assert_true(w->is_local);
}

static void runs_short(struct world *w) {
        submit(w);
        world_run_fails(w, OUTCOME_LIMIT, "which=memory");
        assert_true(w->has_ended);
        world_wait(w, NSEC_PER_SEC);
}

/* With no --max-memory: a slot's share, however little that is. */
static void test_default(void **state) {
        static const uint64_t shares[] = { 16 * MIB, 256 * MIB };

        for (size_t i = 0; i < ELEMENTSOF(shares); i++) {
                struct world *w = begin(shares[i]);

                w->is_mute = true;
                world_submit(w, "local");
                assert_false(w->is_local);
                assert_int_equal(w->memory, shares[i]);
                w->memory = 0;
                world_answer(w);
                assert_true(w->is_local);
                assert_int_equal(w->memory, shares[i]);
                assert_false(w->has_ended);
                w->is_mute = false;
                world_explain(w, "local");
                assert_non_null(w->explained);
                assert_int_equal(w->memory, shares[i]);
                world_end(w);
        }
}

/* It was short of what it had, and then it gets more than that, as far as there is. */
static void test_after_a_shortage(void **state) {
        struct world *w = begin(256 * MIB);

        runs_short(w);
        submit(w);
        assert_int_equal(w->memory, 512 * MIB);
        world_end(w);
}

/* What was learned of a smaller worker is no limit of a larger one. */
static void test_no_less_than_ordinary(void **state) {
        struct world *w = begin(64 * MIB);

        runs_short(w);
        submit(w);
        assert_int_equal(w->memory, 128 * MIB);
        world_run_fails(w, OUTCOME_LIMIT, "which=rows");
        world_wait(w, NSEC_PER_SEC);
        w->worker.memory = 2048 * MIB;
        world_engines(w, w->engines, w->n_engines);
        submit(w);
        assert_int_equal(w->memory, 1024 * MIB);
        world_end(w);
}

static void test_restart(void **state) {
        struct world *w = begin(256 * MIB);

        world_keep(w);
        runs_short(w);
        submit(w);
        assert_int_equal(w->memory, 512 * MIB);
        for (unsigned i = 0; i < 2; i++) {
                world_restart(w);
                assert_true(w->is_local);
                assert_false(w->has_ended);
                assert_int_equal(w->memory, 512 * MIB);
        }
        w->worker.memory = 128 * MIB; /* it is what there is now that is given */
        world_restart(w);
        assert_true(w->is_local);
        assert_int_equal(w->memory, 128 * MIB);
        world_end(w);
}

/* No worker has the class that it was analysed for: one may still come, for a while. */
static void test_restart_without_its_engine(void **state) {
        static const char *const others[] = { OTHER_ENGINE };
        static const char *const both[] = { OTHER_ENGINE, WORLD_ENGINE };

        for (unsigned comes = 0; comes < 2; comes++) {
                struct world *w = begin(256 * MIB);

                world_keep(w);
                submit(w);
                w->engines = others;
                world_restart(w);
                world_wait(w, NSEC_PER_SEC);
                assert_false(w->is_local);
                assert_false(w->has_ended);
                if (comes)
                        world_engines(w, both, ELEMENTSOF(both));
                world_pump(w);
                world_wait(w, 10 * NSEC_PER_SEC);
                assert_int_equal(w->is_local, comes);
                assert_int_equal(w->has_ended, !comes);
                if (!comes)
                        assert_int_equal(w->problem, OUTCOME_RESTARTED);
                world_end(w);
        }
}

TEST_MAIN(cmocka_unit_test(test_default), cmocka_unit_test(test_after_a_shortage),
          cmocka_unit_test(test_no_less_than_ordinary), cmocka_unit_test(test_restart),
          cmocka_unit_test(test_restart_without_its_engine))
