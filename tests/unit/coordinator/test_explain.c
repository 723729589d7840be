/* What is said of a query before it runs: its route, or why it has none. */

#include "tests/unit/coordinator/world.h"

#define WHY "a function that is not the same in every engine"

static struct world *begin(void) {
        struct world *w = world_begin(1);

        world_add_many(w, ORIGIN_GOSSIP, 5);
        world_tell(w);
        return w;
}

/* A program sees by `error` that there is no route, and how the query would end. */
static void test_route(void **state) {
        static const struct {
                const char *prefer, *comparison, *not_portable, *route;
                unsigned error;
        } cases[] = {
                { "remote", NULL, NULL, "grid", OUTCOME_OK },
                { "local", NULL, NULL, "local", OUTCOME_OK },
                { "remote", "portable", NULL, "grid", OUTCOME_OK },
                { "remote", "portable", WHY, "", OUTCOME_USAGE },
        };

        FOREACH_CASE (c, cases) {
                struct world *w = begin();

                w->comparison = c->comparison;
                w->not_portable = c->not_portable;
                world_explain(w, c->prefer);
                assert_null(w->explained->problem);
                assert_string_equal(w->explained->route, c->route);
                assert_int_equal(w->explained->error, c->error);
                world_end(w);
        }
}

static void test_no_host(void **state) {
        struct world *w = world_begin(1);

        world_explain(w, "remote");
        world_wait(w, 10 * NSEC_PER_SEC);
        assert_string_equal(w->explained->route, "");
        assert_int_equal(w->explained->error, OUTCOME_NO_CANDIDATES);
        world_end(w);
}

/* What engines differ in: by explain, and by the error of a query. */
static void test_not_portable(void **state) {
        for (unsigned is_diverse = 0; is_diverse < 2; is_diverse++) {
                struct world *w = begin();

                w->not_portable = WHY;
                w->is_diverse = is_diverse;
                w->comparison = is_diverse ? NULL : "portable";
                world_explain(w, "remote");
                assert_string_equal(w->explained->not_portable, WHY);
                assert_int_equal(w->explained->not_portable_at, 7);
                assert_string_equal(w->explained->not_portable_expression, "n");
                world_submit(w, "remote");
                assert_true(w->has_ended);
                assert_int_equal(w->problem, OUTCOME_USAGE);
                assert_non_null(
                        strstr(w->detail, "engines may differ in `n` at byte 7: " WHY "; "));
                assert_non_null(strstr(w->detail, is_diverse ? "leave --engine-diverse out"
                                                             : "give --comparison engine"));
                world_end(w);
        }
}

/* An engine of ours in a version that nobody has: the same words as the query's. */
static void test_no_class(void **state) {
        struct world *w = begin();

        w->of_engine = "sim/9";
        world_explain(w, "remote");
        assert_non_null(w->explained->problem);
        assert_int_equal(w->explained->problem->code, OUTCOME_USAGE);
        assert_non_null(strstr(w->explained->problem->detail, "--engine sim/9: no host"));
        assert_non_null(strstr(w->explained->problem->detail, WORLD_ENGINE));
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_route), cmocka_unit_test(test_no_host),
          cmocka_unit_test(test_not_portable), cmocka_unit_test(test_no_class))
