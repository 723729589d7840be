#include "services/coordinator/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/test.h"

#define WALL INT64_C(1800000000000000)
#define DAY  (INT64_C(86400) * 1000000)

static char folder[64], path[128];
static unsigned n_syncs;
static bool is_disk_broken;

/* In place of the C library's, for SQLite too. */
__attribute__((visibility("default"))) int fdatasync(int fd) {
        n_syncs++;
        errno = EIO;
        return is_disk_broken ? -1 : (int) syscall(SYS_fdatasync, fd);
}

static int setup(void **state) {
        strcpy(folder, "/tmp/quorate-journal-XXXXXX");
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/journal.db", folder);
        return 0;
}

static int teardown(void **state) {
        static const char *const endings[] = { "", "-wal", "-shm" };
        char name[160];

        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                snprintf(name, sizeof(name), "%s%s", path, endings[i]);
                (void) unlink(name);
        }
        assert_int_equal(rmdir(folder), 0);
        return 0;
}

static struct journal_file *open_it(void) {
        struct journal_file *j = NULL;
        char error[JOURNAL_ERROR_SIZE] = "";

        assert_int_equal(journal_file_open(path, &j, error), JOURNAL_OK);
        return j;
}

static off_t log_size(void) {
        char name[160];
        struct stat s;

        snprintf(name, sizeof(name), "%s-wal", path);
        assert_int_equal(stat(name, &s), 0);
        return s.st_size;
}

static struct hash_value job(unsigned n) {
        return hash_of("test.job", BYTES_OF(((uint8_t[]){ (uint8_t) n })));
}

static void add(struct journal_file *j, enum journal_kind kind, unsigned n, const char *text,
                int64_t wall) {
        struct hash_value id = job(n);

        assert_int_equal(journal_file_add(j, kind, &id, BYTES_STR(text), wall), JOURNAL_OK);
}

struct seen {
        char text[256];
};

static int note(void *userdata, enum journal_kind kind, struct bytes data) {
        struct seen *s = userdata;
        size_t at = strlen(s->text);

        snprintf(s->text + at, sizeof(s->text) - at, "%u%.*s ", kind, (int) data.len,
                 (const char *) data.data);
        return 0;
}

static void assert_content(struct journal_file *j, const char *want) {
        struct seen s = {};

        assert_int_equal(journal_file_walk(j, note, &s), 0);
        assert_string_equal(s.text, want);
}

static void test_order_and_commit(void **state) {
        struct journal_file *j = open_it();

        add(j, JOURNAL_SUBMITTED, 1, "a", WALL);
        add(j, JOURNAL_HOST, 2, "b", WALL);
        add(j, JOURNAL_RECORD, 1, "c", WALL);
        assert_true(journal_file_is_dirty(j));
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_false(journal_file_is_dirty(j));
        add(j, JOURNAL_HOST, 3, "lost", WALL);
        journal_file_free(j);

        j = open_it();
        assert_content(j, "2a 1b 4c ");
        add(j, JOURNAL_ENDED, 1, "end", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_content(j, "1b 6end ");
        journal_file_free(j);
}

/* The disk is waited for where it is asked, and then holds what came before too. */
static void test_durable(void **state) {
        struct journal_file *j = open_it();
        pid_t pid;

        n_syncs = 0;
        add(j, JOURNAL_VERDICT, 1, "a", WALL);
        assert_int_equal(journal_file_commit(j, false), JOURNAL_OK);
        assert_int_equal(n_syncs, 0);
        add(j, JOURNAL_HOST, 2, "b", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(n_syncs, 1);
        assert_int_equal(journal_file_sync(j), JOURNAL_OK); /* nothing is left to do */
        assert_int_equal(n_syncs, 1);
        add(j, JOURNAL_VERDICT, 3, "c", WALL);
        assert_int_equal(journal_file_commit(j, false), JOURNAL_OK);
        is_disk_broken = true;
        assert_int_equal(journal_file_sync(j), JOURNAL_E_DISK);
        is_disk_broken = false;
        assert_true(log_size() > 0);
        assert_int_equal(journal_file_sync(j), JOURNAL_OK);
        assert_int_equal(log_size(), 0); /* no second sync of what the first one may have lost */
        add(j, JOURNAL_HOST, 4, "d", WALL);
        is_disk_broken = true;
        assert_int_equal(journal_file_commit(j, true), JOURNAL_E_DISK);
        is_disk_broken = false;
        journal_file_free(j);

        pid = fork(); /* one that is killed loses nothing that was committed */
        if (pid == 0) {
                j = open_it();
                add(j, JOURNAL_VERDICT, 5, "e", WALL);
                (void) journal_file_commit(j, false);
                (void) raise(SIGKILL);
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        j = open_it();
        assert_content(j, "8a 1b 8c 8e "); /* a log that is new is synced with its first record */
        journal_file_free(j);
}

/* A long log goes into the database by itself, and a sync that fails there is one that failed. */
static void test_checkpoint(void **state) {
        CLEANUP(freep) char *large = xcalloc(100001, 1);
        struct journal_file *j = open_it();

        memset(large, 'x', 100000);
        n_syncs = 0;
        for (unsigned i = 0; i < 100 && n_syncs == 0; i++) {
                is_disk_broken = true;
                add(j, JOURNAL_VERDICT, i, large, WALL);
                assert_int_equal(journal_file_commit(j, false), JOURNAL_OK);
                is_disk_broken = false;
        }
        assert_true(n_syncs > 0);
        assert_true(log_size() > 0);
        add(j, JOURNAL_HOST, 1, "awaited", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(log_size(), 0); /* begun anew, instead of synced once more */
        n_syncs = 0;
        for (unsigned i = 0; i < 100 && n_syncs == 0; i++) {
                add(j, JOURNAL_VERDICT, i, large, WALL);
                assert_int_equal(journal_file_commit(j, false), JOURNAL_OK);
        }
        add(j, JOURNAL_HOST, 1, "awaited", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_true(log_size() > 0); /* nothing failed: nothing to begin anew */
        journal_file_free(j);
}

static void test_prune(void **state) {
        struct journal_file *j = open_it();
        static const struct hash_value birth;

        assert_int_equal(
                journal_file_add(j, JOURNAL_HOST, &birth, BYTES_LIT("birth"), WALL - 90 * DAY),
                JOURNAL_OK);
        add(j, JOURNAL_HOST, 1, "old", WALL - 90 * DAY);
        add(j, JOURNAL_OWED, 1, "owed", WALL - DAY - 1);
        add(j, JOURNAL_OWED, 2, "owe", WALL - DAY + 1);
        add(j, JOURNAL_VERDICT, 1, "verdict", WALL - 61 * DAY);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(journal_file_prune(j, WALL), JOURNAL_OK);
        assert_content(j, "1birth 1old 10owe "); /* host records go by their horizon alone */
        journal_file_free(j);
}

static void add_of_no_job(struct journal_file *j, enum journal_kind kind, const char *text,
                          int64_t time) {
        static const struct hash_value none;

        assert_int_equal(journal_file_add(j, kind, &none, BYTES_STR(text), time), JOURNAL_OK);
}

/* The core says what it forgot; only then does that go, each kind by its own horizon. */
static void test_horizon(void **state) {
        struct journal_file *j = open_it();

        add_of_no_job(j, JOURNAL_HOST, "birth", 1);
        add(j, JOURNAL_HOST, 1, "a", 10);
        add(j, JOURNAL_HOST, 2, "b", 20);
        add(j, JOURNAL_HOST, 2, "B", 20);
        add(j, JOURNAL_HOST, 3, "c", 21);
        add(j, JOURNAL_RECHECK, 1, "r", 10);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        add_of_no_job(j, JOURNAL_HOST_HORIZON, "h", 10);
        add_of_no_job(j, JOURNAL_HOST_HORIZON, "H", 20);
        assert_content(j, "7H 1birth 1c 9r ");
        journal_file_free(j); /* not committed: all is there, and no horizon */

        j = open_it();
        assert_content(j, "1birth 1a 1b 1B 1c 9r ");
        add_of_no_job(j, JOURNAL_HOST_HORIZON, "H", 20);
        add(j, JOURNAL_HOST, 4, "late", 15); /* its commit, when the job took so long */
        add_of_no_job(j, JOURNAL_RECHECK_HORIZON, "R", 9);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_content(j, "7H 13R 1birth 1c 9r 1late "); /* horizons first */
        assert_int_equal(journal_file_prune(j, WALL), JOURNAL_OK);
        journal_file_free(j);
        j = open_it();
        assert_content(j, "7H 13R 1birth 1c 9r ");
        journal_file_free(j);
}

static void test_find(void **state) {
        struct journal_file *j = open_it();
        const struct hash_value id = job(2), other = job(9);
        struct seen s = {};

        add(j, JOURNAL_HOST, 2, "a", WALL);
        add(j, JOURNAL_HOST, 2, "b", WALL);
        add(j, JOURNAL_RECHECK, 2, "c", WALL);
        assert_int_equal(journal_file_find(j, JOURNAL_HOST, &id, note, &s), 0);
        assert_int_equal(journal_file_find(j, JOURNAL_HOST, &other, note, &s), 0);
        assert_string_equal(s.text, "1b ");
        journal_file_free(j);
}

/* A host's record is written before its job is signed, and once more with the commit. */
static void test_latest_jobs(void **state) {
        static const struct hash_value none = {};
        struct journal_file *j = open_it();
        struct seen s = {};

        assert_int_equal(journal_file_add(j, JOURNAL_HOST, &none, BYTES_STR("birth"), WALL), 0);
        add(j, JOURNAL_HOST, 1, "a", WALL);
        add(j, JOURNAL_HOST, 2, "b", WALL);
        add(j, JOURNAL_RECHECK, 1, "r", WALL);
        add(j, JOURNAL_HOST, 1, "a-signed", WALL);
        add(j, JOURNAL_HOST, 3, "c", WALL);
        assert_int_equal(journal_file_latest_jobs(j, JOURNAL_HOST, 2, note, &s), 0);
        assert_string_equal(s.text, "1c 1a-signed ");
        s = (struct seen){};
        assert_int_equal(journal_file_latest_jobs(j, JOURNAL_HOST, 9, note, &s), 0);
        assert_string_equal(s.text, "1c 1a-signed 1b ");
        journal_file_free(j);
}

#define ZEROS_32 "0000000000000000000000000000000000000000000000000000000000000000"
#define RECORD_HEAD                    \
        "0a26" ZEROS_32 "000000000000" \
        "1220" ZEROS_32

/* Of the second version: re-checks were of the same kind, times those of writing. */
static void test_migration_of_host_records(void **state) {
        static const char sql[] = "PRAGMA user_version = 2; DELETE FROM record;"
                                  "INSERT INTO record(kind, job, time_us, data) VALUES"
                                  " (1, zeroblob(32), 5, x'2005'),"
                                  " (1, x'01', 1000, x'" RECORD_HEAD "20e807'),"
                                  " (1, x'01', 1000, x'" RECORD_HEAD "180120e807')";
        struct journal_file *j = open_it();
        sqlite3 *db;

        journal_file_free(j);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        j = open_it();
        assert_int_equal(journal_file_count(j, JOURNAL_HOST), 2);
        assert_int_equal(journal_file_count(j, JOURNAL_RECHECK), 1);
        add_of_no_job(j, JOURNAL_HOST_HORIZON, "h", 3600000999);
        assert_int_equal(journal_file_count(j, JOURNAL_HOST), 2);
        add_of_no_job(j, JOURNAL_HOST_HORIZON, "h", 3600001000);
        assert_int_equal(journal_file_count(j, JOURNAL_HOST), 1); /* the birth */
        assert_int_equal(journal_file_count(j, JOURNAL_RECHECK), 1);
        journal_file_free(j);
}

/* Taken back by one with the same bytes, and only that; made again after it, it stays. */
static void test_withdrawn(void **state) {
        struct journal_file *j = open_it();

        add(j, JOURNAL_HOST, 1, "a", WALL);
        add(j, JOURNAL_HOST, 1, "b", WALL);
        add(j, JOURNAL_HOST, 2, "a", WALL);
        add(j, JOURNAL_OWED, 1, "a", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        add(j, JOURNAL_HOST_DROP, 1, "a", WALL);
        assert_content(j, "1b 1a 10a ");
        journal_file_free(j); /* not committed: still there */

        j = open_it();
        assert_content(j, "1a 1b 1a 10a ");
        add(j, JOURNAL_HOST_DROP, 1, "a", WALL);
        add(j, JOURNAL_HOST, 1, "a", WALL);
        add(j, JOURNAL_OWED_DROP, 1, "a", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_content(j, "1b 1a 1a ");
        assert_int_equal(journal_file_count(j, JOURNAL_HOST), 3);
        assert_int_equal(journal_file_count(j, JOURNAL_OWED), 0);
        journal_file_free(j);
}

static void test_heard_are_kept_a_month(void **state) {
        struct journal_file *j = open_it();

        add(j, JOURNAL_HEARD, 1, "old", WALL - 30 * DAY - 1);
        for (unsigned i = 0; i < 20001; i++)
                add(j, JOURNAL_HEARD, i, "x", WALL - 30 * DAY + 1);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(journal_file_prune(j, WALL), JOURNAL_OK);
        assert_int_equal(journal_file_count(j, JOURNAL_HEARD), 20000);
        journal_file_free(j);
}

/* A file of the first version gets its index and keeps what it has. */
static void test_migration(void **state) {
        sqlite3 *db;
        struct journal_file *j = open_it();

        add(j, JOURNAL_HOST, 1, "a", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        journal_file_free(j);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "DROP INDEX record_age; PRAGMA user_version = 1", NULL,
                                      NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(db);
        j = open_it();
        assert_content(j, "1a ");
        journal_file_free(j);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "DROP INDEX record_age", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void test_ended(void **state) {
        struct journal_file *j = open_it();
        struct seen s = {};

        add(j, JOURNAL_ENDED, 1, "a", WALL);
        add(j, JOURNAL_ENDED, 2, "b", WALL);
        add(j, JOURNAL_ENDED, 3, "c", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(journal_file_latest(j, JOURNAL_ENDED, 2, note, &s), 0);
        assert_string_equal(s.text, "6c 6b ");
        journal_file_free(j);
}

static void assert_refused(int want, const char *remedy) {
        struct journal_file *j = NULL;
        char error[JOURNAL_ERROR_SIZE] = "";

        assert_int_equal(journal_file_open(path, &j, error), want);
        assert_null(j);
        assert_non_null(strstr(error, path));
        assert_non_null(strstr(error, remedy));
}

static void overwrite(off_t at, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT, 0600);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
        close(fd);
}

static void test_not_a_journal(void **state) {
        overwrite(0, "this is a letter to my aunt, and certainly longer than one hundred bytes, "
                     "so that it cannot be mistaken for an empty file");
        assert_refused(JOURNAL_E_BAD, "move it away");
}

static void test_damaged(void **state) {
        struct journal_file *j = open_it();

        for (unsigned i = 0; i < 200; i++)
                add(j, JOURNAL_HOST, i, "some text that fills pages of the file soon enough", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        journal_file_free(j);
        for (off_t at = 4096; at < 8 * 4096; at += 512)
                overwrite(at, "damage damage damage damage damage damage damage");
        assert_refused(JOURNAL_E_BAD, "move it away");
}

static void test_locked(void **state) {
        struct journal_file *j = open_it();

        add(j, JOURNAL_HOST, 1, "a", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_refused(JOURNAL_E_LOCKED, "another coordinator");
        journal_file_free(j);
}

static void test_newer(void **state) {
        static const uint8_t version[] = { 0, 0, 0, 99 };
        int fd;

        journal_file_free(open_it());
        fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, version, 4, 60), 4); /* user_version in the header */
        close(fd);
        assert_refused(JOURNAL_E_BAD, "newer version");
}

/* The disk fills up: what was synced stays, what was not is refused as a whole, and
 * when there is room again the journal goes on. */
static void test_disk_full(void **state) {
        static char text[60000];
        struct rlimit before, small = { 200 << 10, RLIM_INFINITY };
        struct journal_file *j = open_it();
        struct hash_value id = job(2);
        int r = JOURNAL_OK;

        memset(text, 'x', sizeof(text) - 1);
        add(j, JOURNAL_HOST, 1, "kept", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        small.rlim_max = before.rlim_max;
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        for (unsigned i = 0; i < 100 && r == JOURNAL_OK; i++) {
                (void) journal_file_add(j, JOURNAL_HOST, &id, BYTES_STR(text), WALL);
                r = journal_file_commit(j, true);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(r, JOURNAL_E_DISK);
        add(j, JOURNAL_HOST, 3, "after", WALL);
        assert_int_equal(journal_file_commit(j, true), JOURNAL_OK);
        journal_file_free(j);

        j = open_it();
        assert_int_equal(journal_file_latest(j, JOURNAL_HOST, 1, note, strcpy(text, "")), 0);
        assert_string_equal(text, "1after ");
        journal_file_free(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(TEST(test_order_and_commit), TEST(test_durable), TEST(test_checkpoint), TEST(test_prune),
          TEST(test_horizon), TEST(test_find), TEST(test_latest_jobs),
          TEST(test_migration_of_host_records), TEST(test_withdrawn),
          TEST(test_heard_are_kept_a_month), TEST(test_migration), TEST(test_ended),
          TEST(test_not_a_journal), TEST(test_damaged), TEST(test_locked), TEST(test_newer),
          TEST(test_disk_full))
