/* Hosts say what a statement is: what is believed of it, and what never is. */

#include "tests/unit/coordinator/world.h"

#define SQL "SELECT n FROM nothing"

/* A statement that is to be read elsewhere. */
static struct world *begin_sql(unsigned seed, unsigned n_hosts, const char *sql) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
        struct world *w = world_begin(seed);

        world_add_many(w, ORIGIN_GOSSIP, n_hosts);
        world_tell(w);
        request.sql = (char *) sql;
        request.prefer = (char *) "remote";
        request.remote_analysis = true;
        coordinator_submit(w->c, 1, &request, &entropy, w->now);
        world_pump(w);
        return w;
}

static struct world *begin(unsigned seed, unsigned n_hosts) {
        return begin_sql(seed, n_hosts, SQL);
}

static void describe(struct world *w, size_t i, const Grid__Description *d) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;

        m.body_case = GRID__JOB_MESSAGE__BODY_DESCRIPTION;
        m.description = (Grid__Description *) d;
        world_say(w, i, &m);
}

static void say_problem(struct world *w, size_t i, uint32_t code) {
        Grid__Description d = GRID__DESCRIPTION__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = code;
        p.detail = (char *) "code=PARSE position=3";
        d.problem = &p;
        describe(w, i, &d);
}

/* That all is well is no problem: it must not end the job, least of all as VERIFIED. */
static void test_ok_problem(void **state) {
        struct world *w = begin(1, 6);
        size_t asked = w->n_asked;

        for (size_t i = 0; i < asked; i++)
                say_problem(w, i, OUTCOME_OK);
        world_wait(w, 30 * NSEC_PER_SEC);
        assert_true(w->has_ended);
        assert_string_equal(w->state, "");
        assert_int_equal(w->problem, OUTCOME_TOO_FEW_HOSTS);
        world_end(w);
}

/* Nor is it one of our own worker. */
static void test_ok_failure(void **state) {
        struct world *w = world_begin(1);
        Types__Problem p = TYPES__PROBLEM__INIT;

        world_add_many(w, ORIGIN_GOSSIP, 6);
        world_tell(w);
        w->failure = &p;
        world_submit(w, "remote");
        world_wait(w, 30 * NSEC_PER_SEC);
        assert_true(w->has_ended);
        assert_string_equal(w->state, "");
        assert_int_equal(w->problem, OUTCOME_INTERNAL);
        world_end(w);
}

/* An error that all see is the answer. */
static void test_error(void **state) {
        struct world *w = begin(1, 6);

        for (size_t i = 0; i < w->n_asked; i++)
                say_problem(w, i, OUTCOME_SQL_ERROR);
        world_wait(w, NSEC_PER_SEC);
        assert_int_equal(w->problem, OUTCOME_SQL_ERROR);
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_ok_problem), cmocka_unit_test(test_ok_failure),
          cmocka_unit_test(test_error))
