/* Whole jobs of DuckDB through a zygote: described, analysed, run, stopped. */

#include <signal.h>
#include <sys/mman.h>

#include "tests/support/executor_fixture.h"
#include "tests/support/parquet.h"

static const char *executor_path(void) {
        const char *path = getenv("QUORATE_EXECUTOR");

        assert_non_null(path);
        return path;
}

static struct executor_zygote *zygote(void) {
        return zygote_of_engine(executor_path(), duckdb_engine_name());
}

/* A sealed memfd, as the worker hands over. */
static int file_of(struct bytes content) {
        int fd = memfd_create("input", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, content.data, content.len), content.len);
        assert_int_equal(
                fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
                0);
        return fd;
}

static struct asked table_of(const char *select) {
        struct bytes file = parquet_of(select);
        struct asked a = { .name = "t",
                           .format = "parquet",
                           .image = file_of(file),
                           .length = file.len,
                           .memory = 256 << 20 };

        free((void *) file.data);
        return a;
}

static void assert_answer(struct executor_zygote *z, const struct asked *a, const char *class_name,
                          const char *text) {
        struct executed e = run_query(z, a);
        char got[128];

        print_message("# %s: last %u, class %s, outcome %u %s %s\n", a->sql, e.last, e.class_name,
                      e.outcome, e.detail, e.text);
        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
        assert_string_equal(e.class_name, class_name);
        if (text)
                assert_string_equal(first_text(&e, got, sizeof(got)), text);
        executed_done(&e);
}

static void test_answers(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = table_of("SELECT range a, 'x' || range b, (range / 4)::DECIMAL(9,2) c "
                                  "FROM range(10000)");

        (void) state;
        assert_true(strncmp(z->engine, "duckdb/1.", 9) == 0);
        a.sql = "SELECT sum(a) FROM t";
        assert_answer(z, &a, "EXACT", "49995000");
        a.sql = "SELECT b FROM t ORDER BY a DESC LIMIT 1";
        assert_answer(z, &a, "ORDERED", "x9999");
        a.sql = "SELECT count(*) FROM t x JOIN t y ON x.a = y.a + 1 WHERE x.c < 10";
        assert_answer(z, &a, "EXACT", NULL);
        a.sql = "SELECT sqrt(a) FROM t";
        assert_answer(z, &a, "FLOAT", NULL);
        (void) close(a.image);
}

/* Which rows meet an expression that fails is the plan's choice, and that is the build's: between
 * builds such an error is no answer, within one it is. */
static void test_run_time_errors(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = table_of("SELECT 9223372036854775807 - range a FROM range(3)");
        static const char *const comparisons[] = { "engine", "class" };

        (void) state;
        a.sql = "SELECT a + 1 FROM t";
        for (size_t i = 0; i < ELEMENTSOF(comparisons); i++) {
                struct executed e;

                a.comparison = comparisons[i];
                e = run_query(z, &a);
                print_message("# %s: last %u outcome %u error %u %s\n", a.comparison, e.last,
                              e.outcome, e.error, e.text);
                assert_int_equal(e.last, i == 0 ? WORKER__REPORT__BODY_FAILED
                                                : WORKER__REPORT__BODY_COMMITTED);
                assert_int_equal(e.outcome, i == 0 ? OUTCOME_SQL_ERROR : 0);
                assert_int_equal(e.error, i == 0 ? 0 : SQL_OVERFLOW);
                assert_string_equal(e.detail, i == 0 ? "code=OVERFLOW" : "");
                assert_true(strstr(e.text, "Overflow"));
                executed_done(&e);
        }
        (void) close(a.image);
}

/* What is published is read back by analysis, without the file, and held against it. */
static void test_description(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = table_of("SELECT 1 AS a, DATE '2020-01-01' AS d");
        struct executed described = execute(z, WORKER__JOB__MODE__DESCRIBE, &a), analysed, ran;
        struct asked b = { .name = "t", .format = "parquet" };

        (void) state;
        assert_int_equal(described.last, WORKER__REPORT__BODY_DESCRIBED);
        assert_int_equal(described.schema.data[0], 2);
        b.source_schema = buffer_bytes(&described.schema);
        b.sql = "SELECT d FROM t WHERE a = 1";
        analysed = execute(z, WORKER__JOB__MODE__ANALYSE, &b);
        assert_int_equal(analysed.last, WORKER__REPORT__BODY_ANALYSIS);
        assert_string_equal(analysed.class_name, "EXACT");
        a.sql = analysed.rewrite;
        a.source_schema = b.source_schema;
        a.answer_schema = analysed.schema.data;
        a.answer_schema_len = analysed.schema.len;
        a.form = ANSWER_SET;
        a.class_name = "EXACT";
        ran = execute(z, WORKER__JOB__MODE__RUN, &a);
        assert_int_equal(ran.last, WORKER__REPORT__BODY_COMMITTED);
        assert_int_equal(ran.rows, 1);
        executed_done(&described);
        executed_done(&analysed);
        executed_done(&ran);
        (void) close(a.image);
}

/* Text files: described by the executor, analysed without rows, read by DuckDB. */
static void test_text_files(void **state) {
        static const struct {
                const char *format, *content;
        } files[] = {
                { "csv", "i,s\n1,x\n2,\"y\"\n" },
                { "ndjson", "{\"i\": 1, \"s\": \"x\"}\n{\"i\": 2, \"s\": \"y\"}\n" },
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();

        (void) state;
        FOREACH_CASE (c, files) {
                struct asked a = { .name = "t",
                                   .format = c->format,
                                   .image = file_of(BYTES_STR(c->content)),
                                   .length = strlen(c->content) };
                struct executed e = execute(z, WORKER__JOB__MODE__DESCRIBE, &a);

                assert_int_equal(e.last, WORKER__REPORT__BODY_DESCRIBED);
                a.source_schema = buffer_bytes(&e.schema);
                a.source_options = buffer_bytes(&e.options);
                a.sql = "SELECT s FROM t WHERE i = 2";
                assert_answer(z, &a, "EXACT", "y");
                a.sql = "SELECT sum(i) FROM t";
                assert_answer(z, &a, "EXACT", "3");
                executed_done(&e);
                (void) close(a.image);
        }
}

/* The first cell, a MAP of `n` entries: i -> factor * i + value. */
static void assert_map(struct executor_zygote *z, const struct asked *a, uint64_t n, int64_t factor,
                       int64_t value) {
        struct executed e = run_query(z, a);
        CLEANUP(freep) uint8_t *bytes = xmalloc(64 << 10);
        struct cell map, k, v;
        struct reader r;
        ssize_t len;

        print_message("# %s: last %u, signal %d, outcome %u %s %s\n", a->sql, e.last,
                      e.ended.signal, e.outcome, e.detail, e.text);
        assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
        len = pread(e.spool, bytes, 64 << 10, 4);
        assert_true(len > 0);
        r = reader_of(BYTES(bytes, (size_t) len));
        assert_int_equal(cell_read(&r, &map), CELL_OK);
        assert_int_equal(map.type, CELL_MAP);
        assert_int_equal(map.count, n);
        r = reader_of(map.bytes);
        for (uint64_t i = 0; i < n; i++) {
                assert_int_equal(cell_read(&r, &k), CELL_OK);
                assert_int_equal(cell_read(&r, &v), CELL_OK);
                assert_int_equal(k.integer, i);
                assert_int_equal(v.integer, factor * (int64_t) i + value);
        }
        assert_true(reader_done(&r));
        executed_done(&e);
}

/* So many entries that the C library's qsort() would ask the kernel before it sorts them, which
 * kills an executor. */
static void test_maps(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = table_of("SELECT 999 - range % 1000 a FROM range(3000)");
        struct asked b = table_of("SELECT map(list(999 - range), list(7 * (999 - range))) m "
                                  "FROM range(1000)");

        (void) state;
        a.sql = "SELECT histogram(a) FROM t";
        assert_map(z, &a, 1000, 0, 3);
        b.sql = "SELECT m FROM t";
        assert_map(z, &b, 1000, 7, 0);
        b.sql = "SELECT map_from_entries(map_entries(m)) FROM t";
        assert_map(z, &b, 1000, 7, 0);
        (void) close(a.image);
        (void) close(b.image);
}

/* Two zygotes, twice each: one answer. */
static void test_determinism(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *y = zygote();
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct executor_zygote *zygotes[] = { y, z, y, z };
        struct asked a = table_of("SELECT range a, range % 97 g, sin(range) s FROM range(200000)");
        struct executed first = {};

        (void) state;
        a.sql = "SELECT g, sum(s), count(DISTINCT a), avg(s) FROM t GROUP BY g";
        a.time_us = 1700000000000000;
        for (size_t i = 0; i < ELEMENTSOF(zygotes); i++) {
                struct executed e = run_query(zygotes[i], &a);

                assert_int_equal(e.last, WORKER__REPORT__BODY_COMMITTED);
                assert_int_equal(e.rows, 97);
                if (i > 0)
                        assert_memory_equal(e.answer, first.answer, sizeof(e.answer));
                else
                        memcpy(first.answer, e.answer, sizeof(e.answer));
                executed_done(&e);
        }
        (void) close(a.image);
}

/* ---- stopped ---- */

/* It tells of itself while DuckDB computes, and ends at its deadline with a reason. */
static void test_deadline(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = { .sql = "SELECT count(*) FROM range(10000000) a, range(10000000) b "
                                  "WHERE a.range * b.range % 1000003 = -1",
                           .wall_ms = 1500,
                           .memory = 512 << 20,
                           .comparison = "class" };
        struct executed e = run_query(z, &a);

        (void) state;
        print_message("# %u %u %s %s, %u times progress\n", e.last, e.outcome, e.detail, e.text,
                      e.n_progress);
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, OUTCOME_TIMEOUT);
        assert_string_equal(e.detail, "stage=run");
        assert_true(e.n_progress >= 3);
        executed_done(&e);
}

/* One call that asks nobody anything is killed from outside. */
static void test_deaf(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = { .sql = "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))",
                           .wall_ms = 500,
                           .timeout = 1500 * NSEC_PER_MSEC,
                           .comparison = "class" };
        struct executed e = run_query(z, &a);

        (void) state;
        print_message("# result %d last %u signal %d\n", e.result, e.last, e.ended.signal);
        assert_true(e.result == EXECUTOR_E_TIMEOUT || e.ended.signal == SIGKILL ||
                    e.last == WORKER__REPORT__BODY_FAILED);
        executed_done(&e);
        /* The next zygote works as if nothing had been. */
        a = (struct asked){ .sql = "SELECT 42" };
        assert_answer(z, &a, "EXACT", "42");
}

static void test_memory(void **state) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();
        struct asked a = {
                .sql = "SELECT count(*) FROM (SELECT DISTINCT range FROM range(50000000))",
                .memory = 64 << 20
        };
        struct executed e = run_query(z, &a);

        (void) state;
        assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
        assert_int_equal(e.outcome, OUTCOME_LIMIT);
        assert_string_equal(e.detail, "which=memory");
        executed_done(&e);
}

/* ---- the analysis refuses what only the sandbox would stop ---- */

static void test_logging(void **state) {
        static const char *const spellings[] = {
                "FROM enable_logging()",
                "SELECT * FROM enable_logging(storage = 'file', storage_path = '/tmp/x')",
                "SELECT * FROM ENABLE_LOGGING()",
                "SELECT * FROM \"enable_logging\"()",
                "SELECT * FROM \"Enable_Logging\"()",
                "SELECT * FROM system.main.enable_logging()",
                "SELECT * FROM \"system\".\"main\".\"enable_logging\"()",
                "WITH l AS (FROM enable_logging()) FROM l",
                "WITH l AS MATERIALIZED (FROM enable_logging()) SELECT 1",
                "SELECT (SELECT count(*) FROM enable_logging())",
                "SELECT 1 WHERE EXISTS (FROM enable_logging())",
                "SELECT * FROM (VALUES (1)) v(i), LATERAL (FROM enable_logging())",
                "SELECT 1 UNION ALL SELECT 1 FROM enable_logging()",
                "FROM query('FROM enable_logging()')",
                "FROM query_table('enable_logging')",
                "SELECT json_execute_serialized_sql(json_serialize_sql('FROM enable_logging()'))",
                "FROM json_execute_serialized_sql(json_serialize_sql('FROM enable_logging()'))",
                "CALL enable_logging()",
                "PRAGMA enable_logging",
                "EXPLAIN ANALYZE FROM enable_logging()",
                "FROM enable_logging/**/()",
                "FROM enable_profiling()",
                "FROM disable_logging()",
                "FROM truncate_duckdb_logs()",
                "SELECT write_log('x')",
                "FROM duckdb_logs()",
                "FROM force_checkpoint()",
        };
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote();

        (void) state;
        FOREACH_CASE (c, spellings) {
                struct asked a = { .sql = *c };
                struct executed e = execute(z, WORKER__JOB__MODE__ANALYSE, &a);

                print_message("# %s: %u %s %s\n", *c, e.outcome, e.detail, e.text);
                assert_int_equal(e.last, WORKER__REPORT__BODY_FAILED);
                assert_true(e.outcome == OUTCOME_REFUSED || e.outcome == OUTCOME_SQL_ERROR);
                executed_done(&e);
                /* A requester that analysed nothing, or lies about it. */
                a.answer_schema = (const uint8_t *) "\x01\x30\x01x\xff";
                a.answer_schema_len = 5;
                a.form = ANSWER_SET;
                a.comparison = "class";
                e = execute(z, WORKER__JOB__MODE__RUN, &a);
                assert_true(e.last == WORKER__REPORT__BODY_FAILED || e.error);
                assert_int_equal(e.ended.signal, 0);
                executed_done(&e);
        }
}

static void test_not_a_library(void **state) {
        struct executor_zygote *z = NULL;

        (void) state;
        assert_int_equal(executor_zygote_start(executor_path(), "duckdb:/nonexistent.so",
                                               10 * NSEC_PER_SEC, &z),
                         EXECUTOR_E_START);
        assert_int_equal(executor_zygote_start(executor_path(), "duckdb", 10 * NSEC_PER_SEC, &z),
                         EXECUTOR_E_START);
        assert_null(z);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_answers), cmocka_unit_test(test_run_time_errors),
                 cmocka_unit_test(test_description), cmocka_unit_test(test_text_files),
                 cmocka_unit_test(test_maps), cmocka_unit_test(test_determinism),
                 cmocka_unit_test(test_deadline), cmocka_unit_test(test_deaf),
                 cmocka_unit_test(test_memory), cmocka_unit_test(test_logging),
                 cmocka_unit_test(test_not_a_library))
