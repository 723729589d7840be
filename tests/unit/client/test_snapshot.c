/* What is taken of a user's file, and that the file is left alone. */

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/client/internal.h"
#include "tests/support/test.h"

struct fixture {
        struct quorate *q;
        char folder[32], path[64];
};

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);

        assert_int_equal(quorate_open_private("/nonexistent", &f->q), QUORATE_OK);
        (void) strcpy(f->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/data.db", f->folder);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
        struct fixture *f = *state;
        char path[96];

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
                (void) unlink(path);
        }
        (void) rmdir(f->folder);
        quorate_close(f->q);
        free(f);
        return 0;
}

static sqlite3 *database(const struct fixture *f, const char *sql) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s", sqlite3_errmsg(db));
        return db;
}

/* The sum of t.x in the snapshot, which must be a database in rollback-journal form. */
static int sum_of(int fd) {
        sqlite3_stmt *st = NULL;
        sqlite3 *db = NULL;
        uint8_t head[20];
        struct stat info;
        uint8_t *image;
        int sum;

        assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
        assert_int_equal(head[18], 1); /* file format, section 1.3.3: 2 is WAL */
        assert_int_equal(head[19], 1);
        assert_int_equal(fstat(fd, &info), 0);
        image = sqlite3_malloc64((sqlite3_uint64) info.st_size);
        assert_int_equal(pread(fd, image, (size_t) info.st_size, 0), info.st_size);
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        assert_int_equal(sqlite3_deserialize(db, "main", image, info.st_size, info.st_size,
                                             SQLITE_DESERIALIZE_FREEONCLOSE),
                         SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT sum(x) FROM t", -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        sum = sqlite3_column_int(st, 0);
        (void) sqlite3_finalize(st);
        (void) sqlite3_close(db);
        return sum;
}

/* Committed pages still in the WAL are part of it; the open transaction is not. */
static void test_wal(void **state) {
        struct fixture *f = *state;
        sqlite3 *db = database(f, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
                                  "CREATE TABLE t(x INTEGER); INSERT INTO t VALUES (1), (2);"
                                  "BEGIN; INSERT INTO t VALUES (1000);");
        struct stat before, after;
        uint64_t len = 0;
        int fd = -1;

        assert_int_equal(stat(f->path, &before), 0);
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_OK);
        assert_true(len >= 4096);
        assert_int_equal(sum_of(fd), 3);
        assert_int_equal(stat(f->path, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        fd_close(fd);
        assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        (void) sqlite3_close(db);
}

static void test_rollback(void **state) {
        struct fixture *f = *state;
        sqlite3 *db = database(f, "CREATE TABLE t(x INTEGER); INSERT INTO t VALUES (40), (2);");
        struct stat st;
        uint64_t len = 0;
        int fd = -1;

        (void) sqlite3_close(db);
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_OK);
        assert_int_equal(sum_of(fd), 42);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 0); /* nobody else can open it */
        assert_int_equal(st.st_size, len);
        fd_close(fd);
}

static bool holds(int fd, const char *text) {
        struct stat st;
        uint8_t *bytes;
        bool is_there;

        assert_int_equal(fstat(fd, &st), 0);
        bytes = xmalloc((size_t) st.st_size);
        assert_int_equal(pread(fd, bytes, (size_t) st.st_size, 0), st.st_size);
        is_there = memmem(bytes, (size_t) st.st_size, text, strlen(text));
        free(bytes);
        return is_there;
}

/* Whole free pages, and free space in pages that are used. */
static const char deleting[] =
        "PRAGMA secure_delete = OFF; CREATE TABLE t(x INTEGER, s TEXT);"
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        " INSERT INTO t SELECT i, CASE i % 1000 WHEN 5 THEN 'marker-' || 'kept'"
        " ELSE 'marker-' || 'deleted' END FROM n;"
        "DELETE FROM t WHERE s LIKE '%deleted' AND x < 2500; DELETE FROM t WHERE x % 7 > 0;"
        "DELETE FROM t WHERE s LIKE '%deleted'; INSERT INTO t VALUES (1, 'marker-kept');";

/* What was deleted goes to nobody; rowids are what they were. */
static void test_deleted(void **state) {
        struct fixture *f = *state;
        uint64_t len = 0;
        int fd = -1, file;

        (void) sqlite3_close(database(f, deleting));
        file = open(f->path, O_RDONLY | O_CLOEXEC);
        assert_true(holds(file, "marker-deleted"));
        fd_close(file);
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_OK);
        assert_true(holds(fd, "marker-kept"));
        assert_false(holds(fd, "marker-deleted"));
        fd_close(fd);
}

/* Of a table without a key and without an index too. */
static void test_rowids(void **state) {
        struct fixture *f = *state;
        uint64_t len = 0;
        int fd = -1;

        (void) sqlite3_close(database(f, "CREATE TABLE u(y); INSERT INTO u VALUES (1), (2), (3);"
                                         "DELETE FROM u WHERE y = 1;"
                                         "CREATE VIEW t AS SELECT rowid AS x FROM u;"));
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_OK);
        assert_int_equal(sum_of(fd), 5);
        fd_close(fd);
}

/* Nothing of it is in the folder for snapshots, while it is made and afterwards. */
static void test_leaves_no_name(void **state) {
        struct fixture *f = *state;
        uint64_t len = 0;
        int fd = -1;

        assert_int_equal(setenv("TMPDIR", f->folder, 1), 0);
        (void) sqlite3_close(database(f, deleting));
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_OK);
        fd_close(fd);
        quorate_wake(f->q);
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_AGAIN);
        assert_int_equal(unsetenv("TMPDIR"), 0);
        assert_int_equal(unlink(f->path), 0);
        assert_int_equal(rmdir(f->folder), 0);
}

static void write_text(const struct fixture *f, const char *text, size_t times) {
        FILE *to = fopen(f->path, "we");

        assert_non_null(to);
        while (times-- > 0)
                fputs(text, to);
        assert_int_equal(fclose(to), 0);
}

static const struct {
        const char *text;
        size_t times;
        const char *want;
} refused[] = {
        { "just some text\n", 1000, "not a SQLite database" },
        { "x", 1, "not a SQLite database" },
        { "", 1, "empty" },
};

static void test_refused(void **state) {
        struct fixture *f = *state;
        uint64_t len;
        int fd = -1;

        FOREACH_CASE (c, refused) {
                write_text(f, c->text, c->times);
                assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_E_INPUT);
                if (!strstr(quorate_error(f->q), c->want))
                        fail_msg("'%s' does not say '%s'", quorate_error(f->q), c->want);
                assert_non_null(strstr(quorate_error(f->q), f->path));
        }
        assert_int_equal(client_snapshot(f->q, f->folder, &fd, &len), QUORATE_E_INPUT);
        assert_int_equal(client_snapshot(f->q, "/nonexistent", &fd, &len), QUORATE_E_INPUT);
        assert_int_equal(fd, -1);
}

/* Ctrl-C, while a large file is copied. */
static void test_woken(void **state) {
        struct fixture *f = *state;
        uint64_t len;
        int fd = -1;

        (void) sqlite3_close(database(f, "CREATE TABLE t(x INTEGER); INSERT INTO t VALUES (1);"));
        quorate_wake(f->q);
        assert_int_equal(client_snapshot(f->q, f->path, &fd, &len), QUORATE_AGAIN);
        assert_int_equal(fd, -1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_wal), TEST(test_rollback), TEST(test_deleted), TEST(test_rowids),
          TEST(test_leaves_no_name), TEST(test_refused), TEST(test_woken))
