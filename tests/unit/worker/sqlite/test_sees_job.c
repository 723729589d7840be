/* Whether another job, at another time and with another seed, may answer a statement otherwise. */

#include "tests/support/test.h"
#include "tests/unit/worker/support.h"

static const char *const creates[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, name TEXT, price REAL) STRICT",
        "CREATE VIEW vnow AS SELECT id, date('now') AS day FROM s",
        "CREATE VIEW vday AS SELECT id, date(a, 'unixepoch') AS day FROM s",
        NULL,
};

static void test_sees_job(void **state) {
        static const struct {
                const char *sql;
                bool sees;
        } asked[] = {
                { "SELECT a, 'now', \"name\" FROM s WHERE name = 'random()' -- date('now')",
                  false },
                { "SELECT sum(a * price) FROM s", false },
                { "SELECT date('2024-02-28'), time('2024-02-28 10:00:00', '+1 hour')", false },
                { "SELECT strftime('%Y', a, 'unixepoch'), unixepoch('2024-02-28') FROM s", false },
                { "SELECT day FROM vday", false },
                { "SELECT date('now')", true },
                { "SELECT DATE ( 'NOW' , 'start of month' )", true },
                { "SELECT \"date\"('now'), [time]('2024-02-28')", true },
                { "SELECT date('2024-02-28'), date()", true },
                { "SELECT date(name) FROM s", true },
                { "SELECT date(?1)", true },
                { "SELECT date(a, 'auto') FROM s", true },
                { "SELECT strftime('%s')", true },
                { "SELECT strftime('%s', 'now')", true },
                { "SELECT julianday('2024-02-28')", true },
                { "SELECT current_timestamp", true },
                { "SELECT a FROM s WHERE name < current_date", true },
                { "SELECT a FROM s ORDER BY random()", true },
                { "SELECT randomblob(4)", true },
                { "SELECT count(*) FROM s WHERE id IN (SELECT id FROM vnow WHERE day > 'x')",
                  true },
                { "SELECT day FROM vday UNION SELECT day FROM vnow", true },
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p),
                                 ENGINE_OK);
                assert_int_equal(a.sees_job, c->sees);
        }
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_sees_job))
