/* Queries through a real zygote and its sandbox: answers, determinism, refusals. */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/executor_fixture.h"

static const char *executor_path;

static const char people[] =
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, age INT) STRICT;"
        "INSERT INTO people VALUES (1,'Ada',36),(2,'Grace',85),(3,'Edsger',72),(4,'Barbara',68);";

static void test_answers(void **state) {
        static const struct {
                const char *sql, *class_name, *first;
                uint64_t rows;
        } asked[] = {
                { "SELECT 42", "EXACT", "42", 1 },
                { "SELECT name FROM people ORDER BY age DESC", "ORDERED", "Grace", 4 },
                { "SELECT name FROM people ORDER BY age DESC LIMIT 2", "ORDERED", "Grace", 2 },
                { "SELECT count(*) FROM people WHERE age > 70", "EXACT", "2", 1 },
                { "SELECT max(name) FROM people", "EXACT", "Grace", 1 },
                { "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 10000) "
                  "SELECT i FROM n ORDER BY i",
                  "ORDERED", "1", 10000 },
                { "SELECT date('now')", "EXACT", "2026-11-20", 1 },
                { "SELECT current_timestamp", "EXACT", "2026-11-20 20:00:00", 1 },
                { "SELECT datetime('now', 'localtime')", "EXACT", "2026-11-20 20:00:00", 1 },
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        uint64_t length;
        int image = image_of(people, &length);

        print_message("# engine %s, missing layers: %s\n", z->engine, z->missing_layers);
        FOREACH_CASE (c, asked) {
                struct asked a = {
                        .sql = c->sql, .image = image, .length = length, .time_us = 1795204800000000
                };
                struct executed e = run_query(z, &a);
                char text[256];

                print_message("# %s: %d last %u outcome %u %s %s signal %d\n", c->sql, e.result,
                              e.last, e.outcome, e.detail, e.text, e.ended.signal);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
                assert_string_equal(e.class_name, c->class_name);
                assert_int_equal(e.rows, c->rows);
                assert_int_equal(e.ended.signal, 0);
                assert_int_equal(e.ended.status, 0);
                assert_string_equal(first_text(&e, text, sizeof(text)), c->first);
                executed_done(&e);
        }
        (void) close(image);
}

/* Same job, other process, other zygote: the same answer, root and rows. */
static void test_determinism(void **state) {
        static const char *const statements[] = {
                "SELECT name, age FROM people",
                "SELECT random(), hex(randomblob(8)) FROM people",
                "SELECT datetime('now'), id FROM people ORDER BY age",
                "SELECT avg(age), sqrt(age) FROM people GROUP BY age",
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        CLEANUP(executor_zygote_freep) struct executor_zygote *y = zygote_of(executor_path);
        struct asked a = { .time_us = 1795204800000000, .seed = 7 };

        a.image = image_of(people, &a.length);
        assert_string_equal(z->engine, y->engine);
        FOREACH_CASE (c, statements) {
                struct executed first, second;

                a.sql = *c;
                first = run_query(z, &a);
                second = run_query(y, &a);
                assert_int_equal(first.last, WORKER__REPORT__BODY_COMMITTED);
                assert_int_equal(second.last, WORKER__REPORT__BODY_COMMITTED);
                assert_memory_equal(first.answer, second.answer, sizeof(first.answer));
                assert_memory_equal(first.root, second.root, sizeof(first.root));
                executed_done(&first);
                executed_done(&second);
        }
        (void) close(a.image);
}

/* Another seed, other numbers; another time, another now. Two children of one zygote
 * do not share what they draw. */
static void test_seed_and_time(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = { .sql = "SELECT random()", .seed = 1 }, b = { .sql = a.sql, .seed = 2 };
        struct executed x = run_query(z, &a), y = run_query(z, &b), again = run_query(z, &a);
        char one[64], other[64];

        assert_string_not_equal(first_text(&x, one, sizeof(one)),
                                first_text(&y, other, sizeof(other)));
        assert_string_equal(one, first_text(&again, other, sizeof(other)));
        executed_done(&x);
        executed_done(&y);
        executed_done(&again);

        a.sql = b.sql = "SELECT datetime('now')";
        a.time_us = 0;
        b.time_us = 951782400000000;
        x = run_query(z, &a);
        y = run_query(z, &b);
        assert_string_equal(first_text(&x, one, sizeof(one)), "1970-01-01 00:00:00");
        assert_string_equal(first_text(&y, one, sizeof(one)), "2000-02-29 00:00:00");
        executed_done(&x);
        executed_done(&y);
}

static void test_two_inputs(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {
                .sql = "SELECT p.name, h.city FROM people p JOIN homes.home h USING (id) "
                       "ORDER BY h.city",
                .second_name = "homes"
        };
        struct executed e;
        char text[64];

        a.image = image_of(people, &a.length);
        a.second_image = image_of("CREATE TABLE home(id INTEGER PRIMARY KEY, city TEXT) STRICT;"
                                  "INSERT INTO home VALUES (1,'London'),(2,'Arlington')",
                                  &a.second_length);
        e = run_query(z, &a);
        print_message("# %s %s\n", e.detail, e.text);
        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
        assert_int_equal(e.rows, 2);
        assert_string_equal(e.class_name, "ORDERED");
        assert_string_equal(first_text(&e, text, sizeof(text)), "Grace");
        executed_done(&e);
        (void) close(a.image);
        (void) close(a.second_image);
}

/* What DESCRIBE publishes is enough to analyse by, without the data. */
static void test_describe(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {}, b = { .sql = "SELECT name FROM elders" };
        struct executed described, analysis, direct;
        char sql[1024];

        (void) snprintf(sql, sizeof(sql),
                        "%sCREATE INDEX i ON people(age); CREATE VIEW elders AS SELECT name FROM "
                        "people WHERE age > 70;",
                        people);
        a.image = image_of(sql, &a.length);
        described = execute(z, WORKER__JOB__MODE__DESCRIBE, &a);
        assert_int_equal(described.last, WORKER__REPORT__BODY_DESCRIBED);
        b.source_schema = buffer_bytes(&described.schema);
        analysis = execute(z, WORKER__JOB__MODE__ANALYSE, &b);
        a.sql = b.sql;
        direct = execute(z, WORKER__JOB__MODE__ANALYSE, &a);
        print_message("# %s %s\n", analysis.detail, analysis.text);
        assert_int_equal(analysis.last, WORKER__REPORT__BODY_ANALYSIS);
        assert_string_equal(analysis.class_name, "EXACT");
        assert_string_equal(analysis.class_name, direct.class_name);
        assert_bytes_equal(buffer_bytes(&analysis.schema), buffer_bytes(&direct.schema));
        executed_done(&described);
        executed_done(&analysis);
        executed_done(&direct);
        (void) close(a.image);
}

/* By the order of the rows: beginning with the last one it does not. */
#define OVERFLOWS                                                                            \
        "SELECT sum(v) AS s FROM (SELECT 9223372036854775807 AS v UNION ALL SELECT 1 UNION " \
        "ALL SELECT -1)"

/* Declared schemas, casts, and the errors that are answers. */
static const struct {
        const char *sql;
        uint8_t type;
        const char *comparison, *class_name;
        uint32_t outcome, error;
        int32_t position;
} commits[] = {
        { "SELECT age FROM people", CELL_INTEGER, "engine", "", 0, 0, 0 },
        { "SELECT age FROM people", CELL_DECIMAL, "engine", "", 0, 0, 0 },
        { "SELECT age FROM people", CELL_REAL, "engine", "", 0, 0, 0 },
        { "SELECT name FROM people", CELL_INTEGER, "engine", "", 0, SQL_ENCODING, 0 },
        { "SELECT age FROM people", CELL_TEXT, "engine", "", 0, SQL_ENCODING, 0 },
        { "SELECT date(age, 'unixepoch') FROM people", CELL_DATE, "engine", "", 0, 0, 0 },
        { "SELECT name FROM people", CELL_DATE, "engine", "", 0, SQL_ENCODING, 0 },
        { "SELECT 9223372036854775807 + id FROM people", CELL_ANY, "engine", "", 0, SQL_OVERFLOW,
          0 },
        { "SELECT abs(id - 9223372036854775807 - 2) FROM people", CELL_ANY, "engine", "", 0,
          SQL_OVERFLOW, 0 },
        { OVERFLOWS, CELL_ANY, "class", "", 0, SQL_OVERFLOW, 0 },
        { OVERFLOWS, CELL_ANY, "engine", "", OUTCOME_SQL_ERROR, 0, -1 },
        { "SELECT s FROM (" OVERFLOWS ")", CELL_ANY, "engine", "", OUTCOME_SQL_ERROR, 0, -1 },
        { "SELECT nothere FROM people", CELL_ANY, "class", "", 0, SQL_UNKNOWN_NAME, 7 },
        { "SELECT nothere FROM people", CELL_ANY, "engine", "", OUTCOME_CLASS_MISMATCH, 0, 7 },
        { "SELECT unheard_of(age) FROM people", CELL_ANY, "engine", "", OUTCOME_CLASS_MISMATCH, 0,
          7 },
        { "SELECT name FRM people", CELL_ANY, "engine", "", OUTCOME_CLASS_MISMATCH, 0, 16 },
        { "SELECT name FRM people", CELL_ANY, "class", "", 0, SQL_PARSE, 16 },
        { "SELECT printf('%s: %05d', name, age) FROM people", CELL_TEXT, "class", "", 0, 0, 0 },
        { "SELECT length(format('%.*c', 2000000, 'x'))", CELL_ANY, "class", "", 0, SQL_RESULT_LIMIT,
          0 },
        { "SELECT 1e999", CELL_ANY, "class", "", 0, SQL_ENCODING, 0 },
        { "SELECT nothere FROM people", CELL_ANY, "portable", "", OUTCOME_CLASS_MISMATCH, 0, 7 },
        { "SELECT avg(age) FROM people", CELL_ANY, "engine", "", OUTCOME_CLASS_MISMATCH, 0, -1 },
        { "SELECT avg(age) FROM people", CELL_ANY, "class", "", 0, 0, 0 },
        { "SELECT age FROM people", CELL_ANY, "class", "FLOAT", OUTCOME_CLASS_MISMATCH, 0, -1 },
        { "SELECT age FROM people", CELL_ANY, "portable", "", OUTCOME_CLASS_MISMATCH, 0, -1 },
        { "SELECT age, id FROM people", CELL_ANY, "engine", "", OUTCOME_MISMATCH, 0, -1 },
        { "SELECT ?", CELL_ANY, "class", "", OUTCOME_USAGE, 0, -1 },
};

static void test_commits(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        uint64_t length;
        int image = image_of(people, &length);

        FOREACH_CASE (c, commits) {
                uint8_t schema[] = { 1, CELL_TEXT, 1, 'x', c->type, 38, 2 };
                struct asked a = {
                        .sql = c->sql,
                        .image = image,
                        .length = length,
                        .comparison = c->comparison,
                        .class_name = c->class_name,
                        .form = ANSWER_SET,
                        .answer_schema = schema,
                        .answer_schema_len = c->type == CELL_DECIMAL ? 7 : 5,
                };
                struct executed e = execute(z, WORKER__JOB__MODE__RUN, &a);

                print_message("# %s: last %u outcome %u %s\n", c->sql, e.last, e.outcome, e.text);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.last, c->outcome ? WORKER__REPORT__BODY_FAILED
                                                    : WORKER__REPORT__BODY_COMMITTED);
                assert_int_equal(e.outcome, c->outcome);
                assert_int_equal(e.error, c->error);
                assert_int_equal(e.position, c->position);
                if (e.outcome == OUTCOME_SQL_ERROR)
                        assert_string_equal(e.detail, "code=OVERFLOW");
                executed_done(&e);
        }
        (void) close(image);
}

/* One that has not said hello yet is no failure: it is waited for while the old one serves. */
static void test_not_ready_yet(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = NULL;
        int r;

        assert_int_equal(executor_zygote_spawn(executor_path, "sqlite", &z), EXECUTOR_OK);
        assert_int_equal(kill(z->pid, SIGSTOP), 0);
        r = executor_zygote_wait(z, 0);
        assert_int_equal(kill(z->pid, SIGCONT), 0);
        assert_int_equal(r, EXECUTOR_E_TIMEOUT);
        assert_int_equal(executor_zygote_wait(z, 10 * NSEC_PER_SEC), EXECUTOR_OK);
        assert_string_not_equal(z->engine, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),       cmocka_unit_test(test_determinism),
                cmocka_unit_test(test_seed_and_time), cmocka_unit_test(test_two_inputs),
                cmocka_unit_test(test_describe),      cmocka_unit_test(test_commits),
                cmocka_unit_test(test_not_ready_yet),
        };

        executor_path = getenv("QUORATE_EXECUTOR");
        assert_non_null(executor_path);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
