/* An analysis with what the engine's EXPLAIN expects, or without where that takes too long. */

#include <stdlib.h>

#include "tests/support/duckdb_library.h"
#include "tests/support/worker_fixture.h"

/* EXPLAIN computes constants, as the analysis did: what takes it long is told without a plan. */
static void test_plan(void **state) {
        static const struct {
                const char *sql, *engine;
                bool has_plan;
        } cases[] = {
                { "SELECT 42", "sqlite", true },
                { "SELECT 42", "duckdb", true },
                { "SELECT levenshtein(repeat('a', 30000), repeat('b', 30000))", "duckdb", false },
        };
        const char *engine = duckdb_engine_name();
        struct coordinator *c;

        if (!engine)
                skip();
        (void) setenv("QUORATE_WORKER_DUCKDB", strchr(engine, ':') + 1, 1);
        c = coordinator_new();
        FOREACH_CASE (t, cases) {
                struct wanted want = { .sql = t->sql, .engine = t->engine, .analyse = true };
                struct seen s;

                submit(c, &s, &want);
                assert_true(wait_for(c, &s.is_analysed));
                assert_int_equal(s.has_plan, t->has_plan);
                assert_true(wait_for(c, &s.is_finished));
                assert_int_equal(s.n_analyses, 1);
                assert_false(s.is_failed);
                finish(c, &s);
        }
        coordinator_free(c);
}

TEST_MAIN(cmocka_unit_test(test_plan))
