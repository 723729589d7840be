/* What is made of EXPLAIN QUERY PLAN: rows of the result, and rows that all steps touch. */

#include <sqlite3.h>

#include "tests/unit/worker/support.h"

#define ROWS 1000.0

/* A database whose tables have 1,000 rows each, 50 for each k. */
static struct bytes database(const char *more) {
        sqlite3_int64 size = 0;
        unsigned char *image;
        sqlite3 *db;
        char *sql;

        assert_int_equal(engine_sqlite.preload(NULL), 0);
        assert_int_equal(sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, "unix"),
                         SQLITE_OK);
        sql = sqlite3_mprintf("CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, v TEXT) STRICT;"
                              "CREATE TABLE u(id INTEGER PRIMARY KEY, k INTEGER, v TEXT) STRICT;"
                              "CREATE INDEX t_k ON t(k);"
                              "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c "
                              "WHERE n < 1000) INSERT INTO t SELECT n, n / 50, 'x' FROM c;"
                              "INSERT INTO u SELECT * FROM t; %s",
                              more);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(sql);
        image = sqlite3_serialize(db, "main", &size, 0);
        assert_non_null(image);
        sqlite3_close(db);
        return BYTES(image, (size_t) size);
}

static struct engine_promise promise(const char *sql, const char *more) {
        struct bytes file = database(more);
        struct engine_promise ret;
        struct fixture f = {};
        struct engine_input *in = &f.job.inputs[f.job.n_inputs++];

        (void) strcpy(in->name, "main");
        (void) strcpy(in->format, "sqlite");
        in->data = file.data;
        in->length = file.len;
        fixture_open(&f);
        engine_sqlite.promise(f.session, sql, &ret);
        print_message("# %s: rows %.0f work %.0f\n", sql, ret.rows, ret.work);
        fixture_done(&f);
        sqlite3_free((void *) file.data);
        return ret;
}

static const struct {
        const char *sql;
        double least_rows, most_rows, least_work, most_work;
} cases[] = {
        { "SELECT * FROM t", ROWS, ROWS, ROWS, ROWS },
        { "SELECT count(*) FROM t", 1, 1, ROWS, ROWS },
        { "SELECT v FROM t WHERE id = 7", 1, 1, 1, 20 },
        { "SELECT v FROM t WHERE v = 'x'", 2, ROWS / 2, ROWS, ROWS },
        { "SELECT v FROM t AS a WHERE k = 7", 1, 10, 20, 200 },
        { "SELECT v FROM t ORDER BY v LIMIT 5", 5, 5, ROWS, 20 * ROWS },
        { "SELECT k, count(*) FROM t GROUP BY k", 2, ROWS / 2, ROWS, 20 * ROWS },
        { "SELECT a.id FROM t a, u b", ROWS *ROWS, ROWS *ROWS, ROWS *ROWS, 2 * ROWS *ROWS },
        { "SELECT a.id FROM u a JOIN t b ON a.k = b.id", ROWS, ROWS, 2 * ROWS, 20 * ROWS },
        { "SELECT (SELECT count(*) FROM u) FROM t", ROWS, ROWS, 2 * ROWS, 3 * ROWS },
        { "SELECT (SELECT count(*) FROM u WHERE u.v = t.v || t.id) FROM t", ROWS, ROWS, ROWS *ROWS,
          2 * ROWS *ROWS },
        { "SELECT 1", 1, 1, 0, 10 },
        { "VALUES (1), (2)", 1, 2, 0, 10 },
};

static void test_promises(void **state) {
        FOREACH_CASE (c, cases) {
                struct engine_promise p = promise(c->sql, "");

                assert_true(p.is_known);
                assert_true(p.rows >= c->least_rows && p.rows <= c->most_rows);
                assert_true(p.work >= c->least_work && p.work <= c->most_work);
        }
}

/* ANALYZE counted how many rows one key has. */
static void test_statistics(void **state) {
        struct engine_promise with = promise("SELECT v FROM t WHERE k = 7 AND v > ''", "ANALYZE;"),
                              without = promise("SELECT v FROM t WHERE k = 7 AND v > ''", "");

        assert_true(with.is_known && without.is_known);
        assert_true(with.rows >= 45 && with.rows <= 55);
        assert_true(without.rows <= 10);
}

/* Tables made of published columns, of as many rows as are said. */
static void test_counted(void **state) {
        static const char *const creates[] = { "CREATE TABLE t(a INTEGER) STRICT", NULL };
        struct engine_promise ret;
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        f.job.inputs[0].rows = 777;
        fixture_open(&f);
        engine_sqlite.promise(f.session, "SELECT a FROM t", &ret);
        assert_true(ret.is_known && ret.rows == 777 && ret.work == 777);
        engine_sqlite.promise(f.session, "SELECT nothing FROM t", &ret);
        assert_false(ret.is_known);
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_promises), cmocka_unit_test(test_statistics),
          cmocka_unit_test(test_counted))
