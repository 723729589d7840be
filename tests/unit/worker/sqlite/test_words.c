/* What is said of a wrong statement beside its code: where it is, and who could compute it. */

#include "common/canonical/outcome.h"
#include "tests/support/test.h"
#include "tests/unit/worker/support.h"

static const char *const creates[] = { "CREATE TABLE s(a INTEGER) STRICT", NULL };

static struct engine_problem refused(struct fixture *f, const char *sql) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        struct engine_problem p = {};

        print_message("# %s\n", sql);
        assert_int_equal(engine_sqlite.analyse(f->session, BYTES_STR(sql), false, &a, &p),
                         ENGINE_E_SQL);
        return p;
}

/* A function of another engine is said to be there. */
static void test_other_engine(void **state) {
        static const struct {
                const char *sql;
                bool has_duckdb;
        } asked[] = {
                { "SELECT median(a) FROM s", true },
                { "SELECT list_sum(a) FROM s", true },
                { "SELECT nosuchthing(a) FROM s", false },
                { "SELECT read_text('/etc/passwd')", false }, /* nor there */
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                struct engine_problem p = refused(&f, c->sql);

                assert_int_equal(p.sql_error, SQL_UNKNOWN_NAME);
                assert_int_equal(p.position, 7);
                assert_int_equal(strstr(p.text, "; DuckDB has it: --engine duckdb") != NULL,
                                 c->has_duckdb);
        }
        fixture_done(&f);
}

/* SQLite has no place for what is missing: it is missing where the statement ends. */
static void test_end(void **state) {
        static const struct {
                const char *sql;
                int32_t position;
        } asked[] = {
                { "SELECT 1 FROM", 13 },
                { "SELECT 1 + \n", 10 },
                { "SELECT (1", 9 },
                { "SELECT 'open", 7 },
        };
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, asked) {
                struct engine_problem p = refused(&f, c->sql);

                assert_int_equal(p.sql_error, SQL_PARSE);
                assert_int_equal(p.position, c->position);
        }
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_other_engine), cmocka_unit_test(test_end))
