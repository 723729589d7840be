/* Every known way out of an executor that leads through a statement or through a
 * file. Run as root and again as uid 65534. */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/executor_fixture.h"
#include "tests/support/ordinary_user.h"

static const char *executor_path;

static const char data[] = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT) STRICT;"
                           "INSERT INTO t VALUES (1,'one'),(2,'two'),(3,'three');";

/* ---- by SQL ---- */

static const struct {
        const char *sql;
        uint32_t outcome;   /* of the analysis or the run */
        const char *detail; /* part of it */
} statements[] = {
        /* Files and other databases. */
        { "ATTACH '/tmp/x.db' AS x", OUTCOME_REFUSED, "ATTACH" },
        { "ATTACH ':memory:' AS x", OUTCOME_REFUSED, "ATTACH" },
        { "DETACH main", OUTCOME_REFUSED, "DETACH" },
        { "VACUUM INTO '/tmp/x.db'", OUTCOME_REFUSED, "" },
        /* Settings, writes, transactions, statements that look like reading. */
        { "PRAGMA writable_schema=1", OUTCOME_REFUSED, "PRAGMA" },
        { "PRAGMA database_list", OUTCOME_REFUSED, "PRAGMA" },
        { "PRAGMA temp_store_directory='/tmp'", OUTCOME_REFUSED, "PRAGMA" },
        { "SELECT * FROM pragma_database_list", OUTCOME_REFUSED, "" },
        { "SELECT * FROM pragma_function_list", OUTCOME_REFUSED, "" },
        { "INSERT INTO t VALUES (4,'four')", OUTCOME_REFUSED, "INSERT" },
        { "INSERT INTO t VALUES (4,'four') RETURNING id", OUTCOME_REFUSED, "INSERT" },
        { "UPDATE t SET name=''", OUTCOME_REFUSED, "UPDATE" },
        { "DELETE FROM t", OUTCOME_REFUSED, "DELETE" },
        { "CREATE TABLE u(x)", OUTCOME_REFUSED, "CREATE" },
        { "WITH a AS (SELECT 1) DELETE FROM t", OUTCOME_REFUSED, "DELETE" },
        { "DELETE FROM nowhere", OUTCOME_REFUSED, "rule=DELETE" },
        { "delete frm t", OUTCOME_REFUSED, "rule=DELETE" },
        { "EXPLAIN DELETE FROM t", OUTCOME_REFUSED, "rule=EXPLAIN" },
        { "SELEC 1", OUTCOME_SQL_ERROR, "PARSE" },
        { "CREATE TEMP TABLE u(x)", OUTCOME_REFUSED, "" },
        { "CREATE VIRTUAL TABLE u USING fts5(x)", OUTCOME_REFUSED, "" },
        { "CREATE TRIGGER u AFTER INSERT ON t BEGIN SELECT 1; END", OUTCOME_REFUSED, "" },
        { "DROP TABLE t", OUTCOME_REFUSED, "" },
        { "ALTER TABLE t RENAME TO u", OUTCOME_REFUSED, "" },
        { "BEGIN", OUTCOME_REFUSED, "BEGIN" },
        { "SAVEPOINT a", OUTCOME_REFUSED, "SAVEPOINT" },
        { "REINDEX", OUTCOME_REFUSED, "" },
        { "ANALYZE", OUTCOME_REFUSED, "" },
        { "EXPLAIN SELECT 1", OUTCOME_REFUSED, "EXPLAIN" },
        { "EXPLAIN QUERY PLAN SELECT 1", OUTCOME_REFUSED, "EXPLAIN" },
        { "SELECT 1; SELECT 2", OUTCOME_REFUSED, "one statement" },
        { "SELECT 1; DROP TABLE t", OUTCOME_REFUSED, "one statement" },
        { "", OUTCOME_REFUSED, "" },
        { "-- nothing", OUTCOME_REFUSED, "no statement" },
        { " /* nothing */ ; ", OUTCOME_REFUSED, "no statement" },
        { "VACUUM", OUTCOME_REFUSED, "read only" },
        /* Functions and modules. */
        { "SELECT load_extension('x')", OUTCOME_REFUSED, "function" },
        { "SELECT fts3_tokenizer('simple')", OUTCOME_REFUSED, "function" },
        { "SELECT sqlite_log(1, 'x')", OUTCOME_REFUSED, "function" },
        { "SELECT * FROM dbstat", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT * FROM sqlite_stmt", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT * FROM fts5vocab", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT readfile('/etc/passwd')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT writefile('/tmp/x', 'y')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT edit('x')", OUTCOME_SQL_ERROR, "UNKNOWN_NAME" },
        { "SELECT rtreecheck('t')", OUTCOME_REFUSED, "function" },
        { "SELECT fts5_source_id()", OUTCOME_REFUSED, "function" },
};

static void check_statement(struct executor_zygote *z, const struct asked *a, uint32_t outcome,
                            const char *detail) {
        struct executed e = run_query(z, a);

        print_message("# %.60s: %s %s (%d)\n", a->sql, e.detail, e.text, e.ended.signal);
        assert_int_equal(e.result, EXECUTOR_OK);
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, outcome);
        assert_non_null(strstr(e.detail, detail));
        assert_int_equal(e.ended.signal, 0);
        assert_int_equal(e.ended.status, 0);
        executed_done(&e);
}

static void test_statements(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {};

        a.image = image_of(data, &a.length);
        FOREACH_CASE (c, statements) {
                a.sql = c->sql;
                check_statement(z, &a, c->outcome, c->detail);
        }
        (void) close(a.image);
}

#define NO_OPTION "above 1 MiB, which no option raises"

/* Committed as an error that every build gives alike, or a typed failure. */
static const struct {
        const char *sql;
        struct asked limits;
        uint32_t outcome;   /* FAILED, or 0: committed */
        const char *detail; /* of a failure; else of what is said beside the error */
        uint32_t error;
} bombs[] = {
        { "SELECT zeroblob(1000000000)", {}, 0, NO_OPTION, SQL_RESULT_LIMIT },
        { "SELECT hex(zeroblob(900000))", {}, 0, NO_OPTION, SQL_RESULT_LIMIT },
        { "SELECT length(randomblob(900000000))", {}, 0, NO_OPTION, SQL_RESULT_LIMIT },
        { "SELECT abs(-9223372036854775807 - 1)", {}, 0, "", SQL_OVERFLOW },
        { "SELECT sum(id) FROM (SELECT 9223372036854775807 AS id UNION ALL SELECT 1)",
          { .comparison = "class" },
          0,
          "in this order of the rows",
          SQL_OVERFLOW },
        { "SELECT json_extract('{', '$.a')", {}, 0, "", SQL_CAST },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT i FROM c",
          { .rows = 1000 },
          0,
          "",
          SQL_RESULT_LIMIT },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c",
          { .wall_ms = 500 },
          OUTCOME_TIMEOUT,
          "stage=run",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) FROM c",
          { .cpu_ms = 500 },
          OUTCOME_LIMIT,
          "which=cpu",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT hex(zeroblob("
          "100000)) || i FROM c ORDER BY 1",
          { .memory = 32 << 20 },
          OUTCOME_LIMIT,
          "which=memory",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT hex(zeroblob("
          "100000)) || i FROM c",
          { .spool = 8 << 20 },
          OUTCOME_LIMIT,
          "which=spool",
          0 },
        { "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 1100000) SELECT "
          "i "
          "FROM c",
          {},
          OUTCOME_NOT_VERIFIABLE,
          "unordered_rows",
          0 },
};

static void test_bombs(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, bombs) {
                struct asked a = c->limits;
                struct executed e;

                a.sql = c->sql;
                e = run_query(z, &a);
                print_message("# %.60s: %u %s %s error %u signal %d rows %lu form %u\n", c->sql,
                              e.outcome, e.detail, e.text, e.error, e.ended.signal,
                              (unsigned long) e.rows, e.form);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.ended.signal, 0);
                if (c->outcome) {
                        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
                        assert_int_equal(e.outcome, c->outcome);
                        assert_non_null(strstr(e.detail, c->detail));
                } else {
                        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
                        assert_int_equal(e.form, ANSWER_ERROR);
                        assert_int_equal(e.error, c->error);
                        assert_non_null(strstr(e.text, c->detail));
                        assert_int_equal(e.rows, 0);
                }
                executed_done(&e);
        }
}

/* One instruction that never comes back to the progress handler: killed from outside. */
static void test_single_instruction(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        struct asked a = {
                .sql = "SELECT instr(hex(zeroblob(500000)), hex(zeroblob(250000)) || 'x')",
                .wall_ms = 500,
                .timeout = 1 * NSEC_PER_SEC
        };
        struct asked small = { .sql = "SELECT 42" };
        struct executed e = run_query(z, &a);

        print_message("# %d %s %s signal %d\n", e.result, e.detail, e.text, e.ended.signal);
        assert_int_equal(e.result, EXECUTOR_E_TIMEOUT);
        executed_done(&e);
        e = run_query(z, &small);
        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
        executed_done(&e);
}

/* ---- by files ---- */

static int file_of(const void *bytes, size_t n) {
        int fd = memfd_create("file", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, n), n);
        return fd;
}

static void check_refused_file(struct executor_zygote *z, int fd, uint64_t length,
                               const char *what) {
        struct asked a = { .sql = "SELECT count(*) FROM t", .image = fd, .length = length };
        struct executed e = execute(z, WORKER__JOB__MODE__DESCRIBE, &a);

        print_message("# %s: %u %s %s\n", what, e.outcome, e.detail, e.text);
        assert_int_equal(e.result, EXECUTOR_OK);
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, OUTCOME_REFUSED);
        assert_int_equal(e.ended.signal, 0);
        executed_done(&e);
}

static uint8_t *bytes_of_image(const char *sql, size_t *ret_n) {
        uint64_t n;
        int fd = image_of(sql, &n);
        uint8_t *p = xmalloc(n);

        assert_int_equal(pread(fd, p, n, 0), n);
        (void) close(fd);
        *ret_n = n;
        return p;
}

static void test_files(void **state) {
        static const struct {
                const char *what, *sql;
                size_t at;
                uint8_t value;
                size_t cut;
        } cases[] = {
                { "text", NULL, 0, 0, 0 },
                { "a trigger",
                  "CREATE TABLE t(x); CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE "
                  "FROM t; END;",
                  0, 0, 0 },
                { "a virtual table", "CREATE VIRTUAL TABLE v USING fts5(x)", 0, 0, 0 },
                { "an r-tree", "CREATE VIRTUAL TABLE v USING rtree(i,a,b)", 0, 0, 0 },
                { "WAL", data, 18, 2, 0 },
                { "a foreign magic", data, 0, 'X', 0 },
                { "an odd page size", data, 16, 0x11, 0 },
                { "a cut page", data, 0, 'S', 100 },
                { "a damaged catalogue page", data, 100, 0x42, 0 },
                { "a damaged table page", data, 4096, 0x42, 0 },
                { "a damaged cell pointer", data, 4096 + 9, 0xff, 0 },
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, cases) {
                size_t n = 5;
                uint8_t *p = c->sql ? bytes_of_image(c->sql, &n) : xmemdup("text\n", 5);
                int fd;

                if (c->sql && (c->at || c->value))
                        p[c->at] = c->value;
                fd = file_of(p, n - c->cut);
                check_refused_file(z, fd, n - c->cut, c->what);
                (void) close(fd);
                free(p);
        }
}

/* Bytes turned over at every place: refused, or answered; never a crash. */
static void test_flipped_files(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);
        size_t n, step = 61;
        uint8_t *p = bytes_of_image(data, &n);
        unsigned refused = 0, answered = 0;

        for (size_t at = 0; at < n; at += at < 200 ? 7 : step) {
                struct asked a = { .sql = "SELECT * FROM t ORDER BY name", .length = n };
                struct executed e;

                p[at] ^= 0xff;
                a.image = file_of(p, n);
                p[at] ^= 0xff;
                e = run_query(z, &a);
                if (e.result)
                        print_message("# at %zu: %d signal %d status %d\n", at, e.result,
                                      e.ended.signal, e.ended.status);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.ended.signal, 0);
                refused += e.last == WORKER__REPORT__BODY_FAILED;
                answered += e.last == WORKER__REPORT__BODY_COMMITTED;
                executed_done(&e);
                (void) close(a.image);
        }
        print_message("# %u refused, %u answered\n", refused, answered);
        assert_true(refused > 0 && answered > 0);
        free(p);
}

/* Crafted schemas: what they would run is refused when they are opened or used. */
static void test_crafted_schemas(void **state) {
        static const char *const schemas[] = {
                "CREATE VIEW t AS SELECT fts3_tokenizer('simple') AS x;",
                "CREATE VIEW t AS SELECT load_extension('x') AS x;",
                "CREATE VIEW t AS SELECT * FROM pragma_database_list;",
                "CREATE VIEW t AS SELECT * FROM dbstat;",
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(executor_path);

        FOREACH_CASE (c, schemas) {
                struct asked a = { .sql = "SELECT * FROM t" };
                struct executed e;

                a.image = image_of(*c, &a.length);
                e = run_query(z, &a);
                print_message("# %s: %u %s %s\n", *c, e.outcome, e.detail, e.text);
                assert_int_equal(e.result, EXECUTOR_OK);
                assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
                assert_int_equal(e.ended.signal, 0);
                executed_done(&e);
                (void) close(a.image);
        }
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_statements),         cmocka_unit_test(test_bombs),
                cmocka_unit_test(test_single_instruction), cmocka_unit_test(test_files),
                cmocka_unit_test(test_flipped_files),      cmocka_unit_test(test_crafted_schemas),
                cmocka_unit_test(test_as_ordinary_user),
        };

        executor_path = getenv("QUORATE_EXECUTOR");
        assert_non_null(executor_path);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
