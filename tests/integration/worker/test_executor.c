/* Queries through a real zygote and its sandbox: answers, determinism, refusals. */

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
        };

        executor_path = getenv("QUORATE_EXECUTOR");
        assert_non_null(executor_path);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
