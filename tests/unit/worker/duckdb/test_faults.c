/* DuckDB's errors in the closed table, with the place; what is no SELECT; who stops it. */

#include "services/worker/duckdb/duckdb_files.h"
#include "tests/unit/worker/duckdb/support.h"

static const struct {
        const char *sql;
        enum sql_error code;
        int position;
} faults[] = {
        { "SELECT 1 +", SQL_PARSE, 10 },
        { "SELECT 'a", SQL_PARSE, 7 },
        { "SELEC 1", SQL_PARSE, 0 },
        { "SELECT 1 FROM nothing", SQL_UNKNOWN_NAME, 14 },
        { "SELECT a.b.c", SQL_UNKNOWN_NAME, 7 },
        { "SELECT x FROM (SELECT 1 AS y)", SQL_UNKNOWN_NAME, 7 },
        { "SELECT 'Zo\xc3\xab', x FROM (SELECT 1 AS y)", SQL_UNKNOWN_NAME, 15 },
        { "SELECT nosuch(1)", SQL_UNKNOWN_NAME, 7 },
        { "SELECT y FROM (SELECT 1 AS y) a, (SELECT 2 AS y) b", SQL_UNKNOWN_NAME, 7 },
        { "SELECT 1::NOTYPE", SQL_UNKNOWN_NAME, -1 },
        { "SELECT sum('a')", SQL_TYPE, 7 },
        { "SELECT 1 + DATE '2020-01-01' + DATE '2020-01-01'", SQL_TYPE, -1 },
        { "SELECT sum(sum(1))", SQL_TYPE, -1 },
        { "SELECT i, sum(1) FROM range(3) t(i)", SQL_TYPE, -1 },
        { "SELECT 1 UNION SELECT 1, 2", SQL_TYPE, -1 },
        { "SELECT CAST('a' AS INTEGER)", SQL_CAST, 0 },
        { "SELECT 300::TINYINT", SQL_CAST, 0 },
        { "SELECT 2147483647::INTEGER + 1::INTEGER", SQL_OVERFLOW, 0 },
        { "SELECT sum(x) FROM (VALUES (9e37::DECIMAL(38,0)), (9e37::DECIMAL(38,0))) t(x)",
          SQL_OVERFLOW, 0 },
        { "SELECT (SELECT unnest([1, 2]))", SQL_SUBQUERY_ROWS, 0 },
        { "SELECT error('x')", SQL_CAST, 0 },
        { "SELECT i::VARCHAR::DATE FROM range(9) t(i)", SQL_CAST, 0 },
};

static void test_closed_table(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, faults) {
                struct ran ran = fixture_run(&f, c->sql);

                print_message("# %s: %d at %d: %s\n", c->sql, (int) f.problem.sql_error,
                              (int) f.problem.position, f.problem.text);
                assert_int_equal(ran.result, ENGINE_E_SQL);
                assert_int_equal(f.problem.outcome, OUTCOME_SQL_ERROR);
                assert_int_equal(f.problem.sql_error, c->code);
                if (c->position >= 0)
                        assert_int_equal(f.problem.position, c->position);
                assert_true(f.problem.text[0] != '{' && f.problem.text[0]);
                assert_null(strstr(f.problem.text, "\\x0a")); /* as it would be escaped */
                assert_null(strstr(f.problem.text, "LINE 1"));
                ran_done(&ran);
        }
        fixture_done(&f);
}

static const struct {
        const char *sql, *detail;
        uint32_t outcome;
} refusals[] = {
        { "", "rule=statement size", OUTCOME_REFUSED },
        { "-- nothing", "rule=no statement", OUTCOME_REFUSED },
        { ";", "rule=no statement", OUTCOME_REFUSED },
        { "SELECT 1; SELECT 2", "rule=one statement", OUTCOME_REFUSED },
        { "SELECT '\xff'", "rule=statement text", OUTCOME_REFUSED },
        { "CREATE TABLE t(a INTEGER)", "rule=CREATE", OUTCOME_REFUSED },
        { "EXPLAIN SELECT 1", "rule=EXPLAIN", OUTCOME_REFUSED },
        { "SET threads = 8", "rule=SET", OUTCOME_REFUSED },
        { "PRAGMA enable_profiling", "rule=PRAGMA", OUTCOME_REFUSED },
        { "CALL pragma_version()", "rule=CALL", OUTCOME_REFUSED },
        { "BEGIN", "rule=TRANSACTION", OUTCOME_REFUSED },
        { "VACUUM", "rule=VACUUM", OUTCOME_REFUSED },
        { "PREPARE p AS SELECT 1", "rule=PREPARE", OUTCOME_REFUSED },
        { "ATTACH ':memory:' AS m", "rule=ATTACH", OUTCOME_REFUSED },
        { "LOAD 'x'", "rule=LOAD", OUTCOME_REFUSED },
        { "SELECT * FROM read_csv('/etc/passwd')", "rule=files", OUTCOME_REFUSED },
        { "SELECT * FROM '/etc/passwd'", NULL, OUTCOME_SQL_ERROR },
        { "SELECT * FROM read_text('/proc/self/environ')", "rule=files", OUTCOME_REFUSED },
        { "SELECT * FROM glob('/*')", NULL, 0 },
        { "SELECT list(i) FROM range(100000000) t(i)", "which=memory", OUTCOME_LIMIT },
};

static void test_refusals(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, refusals) {
                struct ran ran = fixture_run(&f, c->sql);

                print_message("# %s: %d %u %s %s\n", c->sql, ran.result, f.problem.outcome,
                              f.problem.detail, f.problem.text);
                assert_int_not_equal(ran.result, ENGINE_END);
                if (c->outcome)
                        assert_int_equal(f.problem.outcome, c->outcome);
                if (c->detail)
                        assert_string_equal(f.problem.detail, c->detail);
                ran_done(&ran);
        }
        fixture_done(&f);
}

/* ---- the locks: nothing a statement says opens them ---- */

static void test_locks(void **state) {
        static const char *const settings[] = {
                "enable_external_access = true",
                "lock_configuration = false",
                "memory_limit = '100GB'",
                "threads = 8",
                "allowed_paths = ['/etc']",
                "temp_directory = '/tmp'",
                "TimeZone = 'Asia/Tokyo'",
                "errors_as_json = false",
                "allow_community_extensions = true",
        };
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, settings) {
                char sql[128];

                (void) snprintf(sql, sizeof(sql), "SET %s", *c);
                assert_int_not_equal(duckdb_ask(f.session, sql, BYTES_NONE, NULL, NULL, &f.problem),
                                     ENGINE_OK);
                assert_non_null(strstr(f.problem.text, "locked"));
        }
        fixture_done(&f);
}

/* ---- time ---- */

static bool is_over_after(void *userdata) {
        unsigned *left = userdata;

        return *left == 0 || --*left == 0;
}

static void test_interrupt(void **state) {
        static const char *const endless[] = {
                "SELECT count(*) FROM range(10000000) a, range(1000000) b WHERE hash(a.range, "
                "b.range) = 1",
                "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i FROM t) SELECT count(*) FROM "
                "t",
                "SELECT a.range FROM range(10000000) a, range(1000000) b",
        };

        (void) state;
        FOREACH_CASE (c, endless) {
                unsigned left = 20;
                struct fixture f = { .job = { .is_over = is_over_after, .userdata = &left } };
                struct ran ran;

                assert_int_equal(fixture_open(&f), ENGINE_OK);
                ran = fixture_run(&f, *c);
                assert_int_equal(ran.result, ENGINE_E_PROBLEM);
                assert_int_equal(f.problem.outcome, OUTCOME_TIMEOUT);
                assert_string_equal(f.problem.detail, "stage=run");
                ran_done(&ran);
                fixture_done(&f);
        }
}

/* What an input is called inside the sandbox is nobody's name for it. */
static void test_paths(void **state) {
        static const struct {
                const char *said, *told;
        } cases[] = {
                { "Footer length error in file '/q/0'", "Footer length error in file 'trips'" },
                { "/q/1/q/0", "ztrips" },
                { "'/q/11' and '/q/7'", "'/q/11' and '/q/7'" },
                { "no path", "no path" },
                { "", "" },
        };
        struct engine_job job = { .n_inputs = 2 };
        char text[48];

        (void) state;
        strcpy(job.inputs[0].name, "trips");
        strcpy(job.inputs[1].name, "z");
        duckdb_files_seal(&job);
        FOREACH_CASE (c, cases) {
                (void) snprintf(text, sizeof(text), "%s", c->said);
                duckdb_files_name(text, sizeof(text));
                assert_string_equal(text, c->told);
        }
        strcpy(text, "/q/0 /q/0");
        duckdb_files_name(text, 9); /* cut to what fits */
        assert_string_equal(text, "trips tr");
        duckdb_files_seal(NULL);
        duckdb_files_name(text, sizeof(text));
        assert_string_equal(text, "trips tr");
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_paths), cmocka_unit_test(test_closed_table),
                 cmocka_unit_test(test_refusals), cmocka_unit_test(test_locks),
                 cmocka_unit_test(test_interrupt))
