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

static Grid__Description exact(const struct world *w) {
        Grid__Description d = GRID__DESCRIPTION__INIT;

        d.class_name = (char *) "EXACT";
        d.engine = (char *) WORLD_ENGINE;
        d.schema = world_binary(w->schema->encoded);
        return d;
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

static void say(struct world *w, size_t i, const char *rewrite, bool is_ordered) {
        Grid__Description d = exact(w);

        d.rewrite = (char *) rewrite;
        d.ordered = is_ordered;
        describe(w, i, &d);
}

/* Whether hosts are offered the job: then what it is was believed. */
static bool is_believed(struct world *w, size_t asked) {
        world_wait(w, 500 * NSEC_PER_MSEC);
        return w->n_asked > asked && !w->problem && strstr(w->reason, "host");
}

/* A statement that hosts have changed is never ours, however many say it. */
static void test_foreign_statement(void **state) {
        struct world *w = begin(3, 6);
        size_t said = 0;

        for (; said < w->n_asked; said++) /* and those that are asked in their place */
                say(w, said, "SELECT 0 AS n", false);
        world_wait(w, 100 * NSEC_PER_MSEC);
        assert_int_equal(said, 6);
        assert_int_equal(w->problem, OUTCOME_TOO_FEW_HOSTS);
        assert_non_null(strstr(w->detail, "MISMATCH"));
        assert_int_equal(w->n_voters, 0);
        world_end(w);
}

/* The statement may be told again, byte for byte, or left out. */
static void test_same_statement(void **state) {
        struct world *w = begin(3, 6);
        size_t asked = w->n_asked;

        for (size_t i = 0; i < asked; i++)
                say(w, i, i % 2 ? SQL : "", false);
        assert_true(is_believed(w, asked));
        world_end(w);
}

/* Hosts say that it is not portable, and of no place: none is made up. */
static void test_no_place(void **state) {
        struct world *w = world_begin(3);
        Grid__Description d = exact(w);
        size_t asked;

        world_add_many(w, ORIGIN_GOSSIP, 6);
        world_tell(w);
        w->is_described = true;
        world_explain(w, "remote");
        asked = w->n_asked;
        for (size_t i = 0; i < asked; i++)
                describe(w, i, &d);
        world_wait(w, NSEC_PER_SEC);
        assert_non_null(w->explained);
        assert_false(w->explained->portable);
        assert_int_equal(w->explained->not_portable_at, -1);
        assert_string_equal(w->explained->not_portable_expression, "");
        world_end(w);
}

/* Two fast liars out of four: one that says otherwise is enough for more to be asked. */
static void test_minority(void **state) {
        struct world *w = begin(3, 12);
        size_t asked = w->n_asked;

        assert_int_equal(asked, 4);
        say(w, 0, "", true);
        say(w, 1, "", true);
        say(w, 2, "", false);
        world_wait(w, NSEC_PER_SEC);
        assert_int_equal(w->n_asked, asked); /* the fourth may still decide */
        assert_int_equal(w->n_voters, 0);
        assert_string_equal(w->reason, "");
        say(w, 3, "", false);
        assert_int_equal(w->n_asked, 8);
        for (size_t i = 4; i < 6; i++)
                say(w, i, "", false);
        assert_int_equal(w->n_asked, 8); /* 4 against 2: two more are heard for a while */
        assert_true(is_believed(w, 8));
        world_end(w);
}

/* With nobody left to ask the dissent is told. */
static void test_dissent(void **state) {
        struct world *w = begin(3, 4);

        for (size_t i = 0; i < 4; i++)
                say(w, i, "", i % 2);
        world_wait(w, 100 * NSEC_PER_MSEC);
        assert_int_equal(w->problem, OUTCOME_TOO_FEW_HOSTS);
        assert_non_null(strstr(w->detail, "have=2 say alike what it is and 2 otherwise"));
        world_end(w);
}

/* Enough that agree still wait for the slower ones, and what those say counts. */
static void test_slower_are_heard(void **state) {
        struct world *w = begin(3, 4);
        size_t asked = w->n_asked;

        world_wait(w, 400 * NSEC_PER_MSEC);
        say(w, 0, "", true);
        say(w, 1, "", true);
        world_wait(w, 90 * NSEC_PER_MSEC); /* of a quarter of 400 */
        assert_int_equal(w->n_asked, asked);
        say(w, 2, "", false);
        world_wait(w, 100 * NSEC_PER_MSEC);
        assert_string_equal(w->reason, "");
        world_end(w);

        w = begin(3, 4);
        asked = w->n_asked;
        say(w, 0, "", true);
        say(w, 1, "", true);
        assert_int_equal(w->n_asked, asked);
        assert_true(is_believed(w, asked));
        world_end(w);
}

/* No rewrite of theirs completes an order: its asker is told what to write. */
static void test_order(void **state) {
        static const struct {
                const char *sql;
                int at;
        } cases[] = {
                { "SELECT n FROM nothing ORDER BY n", 22 },
                { "SELECT '(' /* ( */ -- (\nFROM nothing order BY n", 37 },
                { "SELECT n, row_number() OVER (ORDER BY n) AS r FROM nothing", -1 },
                { "SELECT ' ORDER ' AS reorder FROM nothing -- ORDER", -1 },
                { "SELECT n FROM nothing /* ORDER", -1 },
        };

        for (size_t c = 0; c < ELEMENTSOF(cases); c++) {
                struct world *w = begin_sql(3, 4, cases[c].sql);
                size_t asked = w->n_asked;
                char place[32];

                for (size_t i = 0; i < asked; i++)
                        say(w, i, "", false);
                if (cases[c].at < 0) {
                        assert_true(is_believed(w, asked));
                } else {
                        (void) snprintf(place, sizeof(place), "at byte %d leaves", cases[c].at);
                        assert_int_equal(w->problem, OUTCOME_USAGE);
                        assert_non_null(strstr(w->detail, place));
                }
                world_end(w);
        }
}

/* What has ended asks nothing more, although its client has not come for the end. */
static void test_end_closes(void **state) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
        struct world *w = world_begin(1);

        w->is_away = true;
        world_add_many(w, ORIGIN_GOSSIP, 4);
        world_tell(w);
        request.sql = (char *) SQL;
        request.prefer = (char *) "remote";
        request.remote_analysis = true;
        request.timeout_ms = 1000;
        coordinator_submit(w->c, 1, &request, &entropy, w->now);
        world_pump(w);
        world_wait(w, 900 * NSEC_PER_MSEC);
        for (size_t i = 0; i < 4; i++)
                assert_false(w->asked[i].is_reset);
        world_wait(w, 100 * NSEC_PER_MSEC);
        for (size_t i = 0; i < 4; i++)
                assert_true(w->asked[i].is_reset);
        world_end(w);
}

/* Options are whole, or there is no query with them. */
static void test_cut_options(void **state) {
        static const struct entropy entropy = { .nonce = { 1 }, .seed = { 2 } };
        static const uint8_t long_options[SCHEMA_BYTES_MAX + 1];
        Coordinator__SubmitRequest request = COORDINATOR__SUBMIT_REQUEST__INIT;
        Types__Input input = TYPES__INPUT__INIT, *list = &input;
        struct hash_value root = { { 7 } };
        struct input_facts facts = { .format = "csv", .path = "x", .is_public = true };
        struct world *w = world_begin(1);

        world_add_many(w, ORIGIN_GOSSIP, 4);
        world_tell(w);
        input.name = (char *) "t";
        input.root = world_binary(hash_bytes(&root));
        request.sql = (char *) SQL;
        request.inputs = &list;
        request.n_inputs = 1;
        coordinator_submit(w->c, 1, &request, &entropy, w->now);
        world_pump(w);
        facts.options = BYTES_OF(long_options);
        coordinator_input_ready(w->c, w->input, &facts, w->now);
        world_pump(w);
        assert_int_equal(w->problem, OUTCOME_LIMIT);
        assert_string_equal(w->detail, "which=options");
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_ok_problem), cmocka_unit_test(test_ok_failure),
          cmocka_unit_test(test_error), cmocka_unit_test(test_foreign_statement),
          cmocka_unit_test(test_same_statement), cmocka_unit_test(test_no_place),
          cmocka_unit_test(test_minority), cmocka_unit_test(test_dissent),
          cmocka_unit_test(test_slower_are_heard), cmocka_unit_test(test_order),
          cmocka_unit_test(test_end_closes), cmocka_unit_test(test_cut_options))
