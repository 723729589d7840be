/* printf() and format(): what SQLite's own say, and an error where those say NULL because the
 * result is too long. */

#include "common/canonical/outcome.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "tests/unit/worker/support.h"

/* Arguments, of both functions. */
static const char *const alike[] = {
        "",
        "NULL",
        "''",
        "x''",
        "5",
        "2.5",
        "x'41'",
        "x'4142'",
        "x'ff41ff42'",
        "'plain'",
        "'%'",
        "'%%'",
        "'a%'",
        "'%j%d', 1",
        "'%'||char(0)||'d', 1",
        "'a'||char(0)||'b%d', 1",
        "'%s', NULL",
        "'%d', NULL",
        "'%f|%c|%q|%Q|%w', NULL, NULL, NULL, NULL, NULL",
        "'%s'",
        "'%d|%s|%f|%c|%Q'",
        "'%d|%d', 1",
        "'%d', 1, 2, 3",
        "NULL, 1",
        "'%s', ''",
        "'%s', x''",
        "'%.0s', 'long'",
        "'%d %i %u', 42, -42, -1",
        "'%lld %llu', 9223372036854775807, -9223372036854775807 - 1",
        "'%d', '12abc'",
        "'%d', 1e300",
        "'%d', 2.9",
        "'%d', x'3132'",
        "'%d %f %s %Q', x'', x'', x'', x''",
        "'%d', x'31003200'",
        "'%d', x'00310032'",
        "'%+d % d %05d %-5d| %,d', 7, 7, 7, 7, 1234567",
        "'%x %X %#x %o %#o', 255, 255, 255, 8, 8",
        "'%*d|%-*d|', 6, 42, 6, 42",
        "'%*d', -6, 42",
        "'%.*f', 2, 3.14159",
        "'%.3f %.0f %f', 2.0005, 2.5, 1e20",
        "'%!.20g %!.15g %g %G %e %E', 0.1, 0.1, 1e-10, 1e10, 1.5, 1.5",
        "'%f %d', 'x', 'y'",
        "'%f', 1e999",
        "'%s %s %s', 1, 1.5, x'6162'",
        "'%10s|%-10s|%.2s', 'abc', 'abc', 'abc'",
        "'%10s|%!10s|%!.2s', 'äöü', 'äöü', 'äöü'",
        "'%c%c', 'xyz', 'ä'",
        "'%.5c|%5c|%*c', 'x', 'x', 3, 'y'",
        "'%q %Q %w', 'it''s', 'it''s', 'a\"b'",
        "'%z %z', 'a', 'b'",
        "'%n%p', 1, 2",
        "'%s', 'a'||char(0)||'b'",
        "'%s', '日本語 🙂'",
        "'%s%s%s%s%s%s%s%s%s%s%s%s', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12",
        "'%s', (SELECT printf('%d', a) FROM t LIMIT 1)",
        "'%d %s %s %s', a, b, r, x",
        "'%.*c', 500000, 'x'",
        "'%s%s', zeroblob(10), replace(hex(zeroblob(1000)), '0', 'yz')",
        "'%s', replace(hex(zeroblob(250000)), '0', 'x')",
};

static const char *const encodings[] = { "UTF-8", "UTF-16le", "UTF-16be" };

static sqlite3 *ordinary(const char *encoding) {
        char sql[512];
        sqlite3 *db = NULL;

        (void) snprintf(sql, sizeof(sql),
                        "PRAGMA encoding = '%s';"
                        "CREATE TABLE t(a INTEGER, b TEXT, r REAL, x, g AS (printf('%%03d', a)));"
                        "CREATE INDEX i ON t(format('%%s-%%s', a, b));"
                        "CREATE VIEW v AS SELECT format('<%%s>', b) AS f FROM t;"
                        "INSERT INTO t VALUES (1, 'one', 3, x'c3a4'), (2, 'zwölf', 2.5, NULL);",
                        encoding);
        assert_int_equal(sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, "unix"),
                         SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        return db;
}

/* Of each row type, bytes and length of its value. */
static void put_rows(sqlite3 *db, const char *sql, struct buffer *ret) {
        sqlite3_stmt *q = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

        while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
                const char *text = (const char *) sqlite3_column_text(q, 0);

                buffer_put_bytes(ret, BYTES_STR(text ? text : "(null)"));
                buffer_put_u8(ret, '\n');
                rc = SQLITE_OK;
        }
        buffer_put_u8(ret, (uint8_t) rc);
        (void) sqlite3_finalize(q);
}

static bool is_alike(sqlite3 *ours, sqlite3 *theirs, const char *sql) {
        CLEANUP(buffer_donep) struct buffer a = {}, b = {};
        bool ok;

        buffer_init(&a, 8 << 20);
        buffer_init(&b, 8 << 20);
        put_rows(ours, sql, &a);
        put_rows(theirs, sql, &b);
        ok = !a.failed && !b.failed && bytes_equal(buffer_bytes(&a), buffer_bytes(&b));
        if (!ok)
                print_message("# %s: %.60s, not %.60s\n", sql, (const char *) a.data,
                              (const char *) b.data);
        return ok;
}

static void open_copy(struct fixture *f, sqlite3 *db) {
        sqlite3_int64 size = 0;

        f->job.n_inputs = 1;
        f->job.inputs[0].data = sqlite3_serialize(db, "main", &size, 0);
        f->job.inputs[0].length = (size_t) size;
        (void) snprintf(f->job.inputs[0].name, sizeof(f->job.inputs[0].name), "main");
        fixture_open(f);
}

static void close_copy(struct fixture *f) {
        void *image = (void *) f->job.inputs[0].data;

        fixture_done(f);
        sqlite3_free(image);
}

static void test_alike(void **state) {
        static const char *const wholes[] = {
                "SELECT g || f FROM t, v",
                "SELECT a FROM t WHERE format('%s-%s', a, b) = '2-zwölf'",
                "SELECT sum(printf('%d', a)) FROM t GROUP BY printf('%s', b)",
        };
        size_t n_wrong = 0;

        assert_int_equal(engine_sqlite.preload(NULL), 0);
        FOREACH_CASE (e, encodings) {
                sqlite3 *theirs = ordinary(*e);
                struct fixture f = {};

                open_copy(&f, theirs);
                FOREACH_CASE (c, alike) {
                        for (int i = 0; i < 2; i++) {
                                char sql[512];

                                (void) snprintf(sql, sizeof(sql),
                                                "SELECT typeof(v) || ifnull(length(v), '') || "
                                                "quote(substr(CAST(v AS BLOB), 1, 1000)) "
                                                "FROM (SELECT %s(%s) AS v FROM t)",
                                                i == 0 ? "printf" : "format", *c);
                                n_wrong += !is_alike(f.session->db, theirs, sql);
                        }
                }
                FOREACH_CASE (c, wholes)
                        n_wrong += !is_alike(f.session->db, theirs, *c);
                close_copy(&f);
                (void) sqlite3_close(theirs);
        }
        assert_int_equal(n_wrong, 0);
}

#define LONG "replace(hex(zeroblob(300000)), '0', 'x')"

static void test_too_long(void **state) {
        static const char *const calls[] = {
                "printf('%.*c', 2000000, 'x')",
                "printf('%.2000000c', 'x')",
                "format('%*s', 2000000, 'x')",
                "format('%-2000000s', 'x')",
                "printf('%2000000d', 1)",
                "printf('%02000000d', 1)",
                "printf('%.2000000d', 1)",
                "printf('%.2000000f', 1.5)",
                "printf('%s%s', " LONG ", " LONG ")",
                "printf('%q', replace(" LONG ", 'x', ''''))",
                "printf(" LONG " || '%s', " LONG ")",
                "printf('%s', printf('%1048577s', 'x'))",
                "printf('%*d', 100000000, 1)",
                "coalesce(printf('%.*c', 1048577, 'x'), 'nothing')",
                "(SELECT printf('%.*c', 2000000, b) FROM t WHERE a = 2)",
        };

        assert_int_equal(engine_sqlite.preload(NULL), 0);
        FOREACH_CASE (e, encodings) {
                sqlite3 *theirs = ordinary(*e);
                struct fixture f = {};

                open_copy(&f, theirs);
                FOREACH_CASE (c, calls) {
                        struct engine_problem p = {};
                        sqlite3_stmt *q = NULL;
                        char sql[256];
                        int rc;

                        (void) snprintf(sql, sizeof(sql), "SELECT length(%s)", *c);
                        assert_int_equal(sqlite3_prepare_v2(f.session->db, sql, -1, &q, NULL),
                                         SQLITE_OK);
                        rc = sqlite3_step(q);
                        print_message("# %s %s: %d\n", *e, sql, rc);
                        assert_int_equal(rc, SQLITE_TOOBIG);
                        assert_int_equal(sqlite_problem_run(f.session, rc, &p), ENGINE_E_SQL);
                        assert_int_equal(p.sql_error, SQL_RESULT_LIMIT);
                        (void) sqlite3_finalize(q);
                        /* and the next one is as if nothing had been */
                        assert_true(is_alike(f.session->db, theirs, "SELECT printf('%d', 42)"));
                }
                close_copy(&f);
                (void) sqlite3_close(theirs);
        }
}

/* As long as a value may be, as replace() is. */
static void test_limit(void **state) {
        struct fixture f = {};
        sqlite3 *theirs;

        assert_int_equal(engine_sqlite.preload(NULL), 0);
        theirs = ordinary("UTF-8");
        open_copy(&f, theirs);
        assert_true(is_alike(f.session->db, theirs, "SELECT length(printf('%1048576s', 'x'))"));
        close_copy(&f);
        (void) sqlite3_close(theirs);
}

/* Wherever memory ends, that is what is said; and nothing of it stays behind. */
static void test_memory(void **state) {
        sqlite3_stmt *q = NULL;
        struct fixture f = {};
        sqlite3 *theirs;
        int rc = SQLITE_NOMEM;

        assert_int_equal(engine_sqlite.preload(NULL), 0);
        theirs = ordinary("UTF-8");
        open_copy(&f, theirs);
        assert_int_equal(
                sqlite3_prepare_v2(f.session->db, "SELECT printf('%.*c', 2000000, 'x')", -1, &q, 0),
                SQLITE_OK);
        for (sqlite3_int64 more = 0; rc == SQLITE_NOMEM && more < 64 << 20;
             more += 500 + more / 10) {
                (void) sqlite3_hard_heap_limit64(sqlite3_memory_used() + more);
                rc = sqlite3_step(q);
                (void) sqlite3_reset(q);
        }
        assert_int_equal(rc, SQLITE_TOOBIG);
        (void) sqlite3_finalize(q);
        assert_true(is_alike(f.session->db, theirs, "SELECT printf('%d', 42)"));
        close_copy(&f);
        (void) sqlite3_close(theirs);
}

TEST_MAIN(cmocka_unit_test(test_alike), cmocka_unit_test(test_too_long),
          cmocka_unit_test(test_limit), cmocka_unit_test(test_memory))
