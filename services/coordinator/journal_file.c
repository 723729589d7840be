#include "services/coordinator/journal_file.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/coordinator/estimates.h"

#define DAY_US         (24 * 3600 * INT64_C(1000000))
#define ENDED_KEPT     1000
#define HEARD_KEPT     20000
#define RUNS_KEPT      4096 /* 200 bytes each */
#define ROWS_KEPT      ESTIMATES_ROWS_MAX
#define FORGET_AT_ONCE 10000 /* about 50 ms */

enum statement_index {
        ADD,
        DROP_EARLIER,
        WITHDRAW,
        COUNT,
        BEGIN,
        COMMIT,
        ROLLBACK,
        ALL,
        LATEST,
        LATEST_JOBS,
        FIND,
        REPLACE,
        FORGET,
        _STATEMENT_N
};

static const char *const statements[_STATEMENT_N] = {
        [ADD] = "INSERT INTO record(kind, job, time_us, data) VALUES(?1, ?2, ?3, ?4)",
        [DROP_EARLIER] = "DELETE FROM record WHERE job = ?1 AND kind IN (2, 4, 26)",
        [WITHDRAW] = "DELETE FROM record WHERE job = ?1 AND kind = ?2 AND data = ?3",
        [COUNT] = "SELECT count(*) FROM record WHERE kind = ?1",
        [BEGIN] = "BEGIN IMMEDIATE",
        [COMMIT] = "COMMIT",
        [ROLLBACK] = "ROLLBACK",
        [ALL] = "SELECT kind, data FROM record WHERE kind NOT IN (7, 13) ORDER BY id",
        [FIND] = "SELECT kind, data FROM record WHERE job = ?1 AND kind = ?2"
                 " ORDER BY id DESC LIMIT 1",
        [REPLACE] = "DELETE FROM record WHERE kind = ?1",
        /* The birth of the journal, of no job, is for ever. */
        [FORGET] = "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE kind = ?1"
                   " AND time_us <= (SELECT max(time_us) FROM record WHERE kind = ?2)"
                   " AND job <> zeroblob(32) ORDER BY time_us LIMIT ?3)",
        [LATEST] = "SELECT kind, data FROM record WHERE kind = ?1 ORDER BY id DESC LIMIT ?2",
        [LATEST_JOBS] = "SELECT kind, data FROM record AS r WHERE kind = ?1 AND NOT EXISTS"
                        " (SELECT 1 FROM record WHERE job = r.job AND kind = ?1 AND id > r.id)"
                        " AND job <> zeroblob(32) ORDER BY id DESC LIMIT ?2",
};

/* Number i brings a file of version i to version i + 1. Never edit one that was released. */
static const char *const migrations[] = {
        "CREATE TABLE record(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, job BLOB NOT NULL,"
        " time_us INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
        "CREATE INDEX record_job ON record(job);"
        "CREATE INDEX record_kind ON record(kind, id);",
        "CREATE INDEX record_age ON record(kind, time_us);",
        /* From here on a host record goes by its job time, which is at most an hour after it
         * was written, and re-checks are a kind of their own: field 3 of the message is 1,
         * behind a peer id of 38 bytes and the job. */
        "UPDATE record SET time_us = time_us + 3600000000,"
        " kind = CASE WHEN substr(data, 75, 2) = x'1801' THEN 9 ELSE 1 END"
        " WHERE kind = 1 AND job <> zeroblob(32);",
};

/* Kinds that only take back a record with the same bytes. */
static const enum journal_kind withdraws[] = {
        [JOURNAL_HOST_DROP] = JOURNAL_HOST,
        [JOURNAL_RECHECK_DROP] = JOURNAL_RECHECK,
        [JOURNAL_OWED_DROP] = JOURNAL_OWED,
};

/* Kinds of which only the last is kept, and what may go once it is on disk. */
static const struct horizon {
        enum journal_kind kind, covers;
} horizons[] = {
        { JOURNAL_HOST_HORIZON, JOURNAL_HOST },
        { JOURNAL_RECHECK_HORIZON, JOURNAL_RECHECK },
};

struct journal_file {
        sqlite3 *db;
        sqlite3_stmt *statement[_STATEMENT_N];
        bool is_dirty, is_failed, is_unsynced;
        bool is_doubted; /* a sync failed: what the log holds may not reach the disk by another */
};

static int exec(struct journal_file *j, const char *sql) {
        return sqlite3_exec(j->db, sql, NULL, NULL, NULL);
}

/* Steps a statement that gives no rows. */
static int run(struct journal_file *j, enum statement_index which) {
        int r = sqlite3_step(j->statement[which]);

        sqlite3_reset(j->statement[which]);
        return r == SQLITE_DONE ? SQLITE_OK : r;
}

static int query_number(struct journal_file *j, const char *sql, int64_t *ret) {
        sqlite3_stmt *s;
        int r = sqlite3_prepare_v2(j->db, sql, -1, &s, NULL);

        if (r != SQLITE_OK)
                return r;
        r = sqlite3_step(s);
        if (r == SQLITE_ROW)
                *ret = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        return r == SQLITE_ROW ? SQLITE_OK : r;
}

static int quick_check(struct journal_file *j) {
        sqlite3_stmt *s;
        bool ok;
        int r = sqlite3_prepare_v2(j->db, "PRAGMA quick_check(1)", -1, &s, NULL);

        if (r != SQLITE_OK)
                return r;
        r = sqlite3_step(s);
        ok = r == SQLITE_ROW && strcmp((const char *) sqlite3_column_text(s, 0), "ok") == 0;
        sqlite3_finalize(s);
        if (r != SQLITE_ROW)
                return r;
        return ok ? SQLITE_OK : SQLITE_CORRUPT;
}

static int migrate(struct journal_file *j) {
        int64_t version = 0;
        char set[64];
        int r = query_number(j, "PRAGMA user_version", &version);

        if (r != SQLITE_OK)
                return r;
        if (version < 0 || version > (int64_t) ELEMENTSOF(migrations))
                return SQLITE_MISMATCH;
        for (; version < (int64_t) ELEMENTSOF(migrations); version++) {
                snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int) version + 1);
                r = exec(j, "BEGIN EXCLUSIVE");
                if (r == SQLITE_OK)
                        r = exec(j, migrations[version]);
                if (r == SQLITE_OK)
                        r = exec(j, set);
                if (r == SQLITE_OK)
                        r = exec(j, "COMMIT");
                if (r != SQLITE_OK)
                        return r;
        }
        return SQLITE_OK;
}

#define CHECKPOINT_AT 1000 /* pages in the log, as SQLite has it by itself */

/* In place of SQLite's own, which keeps a checkpoint's failure to itself: it syncs the log, and
 * what that lost no later sync would bring. */
static int on_commit(void *userdata, sqlite3 *db, const char *schema, int n_pages) {
        struct journal_file *j = userdata;
        int r = SQLITE_OK;

        if (n_pages >= CHECKPOINT_AT)
                r = sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (r != SQLITE_OK && (r & 0xff) != SQLITE_BUSY && (r & 0xff) != SQLITE_LOCKED)
                j->is_doubted = j->is_unsynced = true;
        return SQLITE_OK; /* the commit stands in the log */
}

static int set_up(struct journal_file *j) {
        int r = exec(j, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                        "PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF;"
                        "PRAGMA cache_size = -1024;");

        (void) sqlite3_wal_hook(j->db, on_commit, j);
        if (r == SQLITE_OK)
                r = quick_check(j);
        if (r == SQLITE_OK)
                r = migrate(j);
        for (size_t i = 0; i < _STATEMENT_N && r == SQLITE_OK; i++)
                r = sqlite3_prepare_v3(j->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                       &j->statement[i], NULL);
        return r;
}

static int explain(const char *path, int r, const char *text, char error[JOURNAL_ERROR_SIZE]) {
        static const struct {
                int code, result;
                const char *remedy;
        } rows[] = {
                { SQLITE_CORRUPT, JOURNAL_E_BAD,
                  "it is damaged; move it away and start again: jobs in it are forgotten, and "
                  "jobs from before are refused for an hour" },
                { SQLITE_NOTADB, JOURNAL_E_BAD,
                  "it is not a journal; move it away and start again" },
                { SQLITE_MISMATCH, JOURNAL_E_BAD,
                  "it was written by a newer version; install that one, or move the file away" },
                { SQLITE_BUSY, JOURNAL_E_LOCKED,
                  "another coordinator is using it; stop that one, or give this one another "
                  "--state directory" },
                { SQLITE_FULL, JOURNAL_E_DISK, "the disk is full; make room and start again" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if ((r & 0xff) == rows[i].code) {
                        snprintf(error, JOURNAL_ERROR_SIZE, "journal %s: %s", path, rows[i].remedy);
                        return rows[i].result;
                }
        snprintf(error, JOURNAL_ERROR_SIZE,
                 "journal %s: %s; check the directory's owner and its disk", path, text);
        return JOURNAL_E_DISK;
}

int journal_file_open(const char *path, struct journal_file **ret, char error[JOURNAL_ERROR_SIZE]) {
        CLEANUP(journal_file_freep) struct journal_file *j = xnew(struct journal_file);
        int r;

        r = sqlite3_open_v2(path, &j->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                    SQLITE_OPEN_EXRESCODE,
                            NULL);
        if (r == SQLITE_OK)
                r = set_up(j);
        if (r != SQLITE_OK)
                return explain(path, r, j->db ? sqlite3_errmsg(j->db) : "out of memory", error);
        *ret = TAKE(j);
        return JOURNAL_OK;
}

struct journal_file *journal_file_free(struct journal_file *j) {
        if (!j)
                return NULL;
        for (size_t i = 0; i < _STATEMENT_N; i++)
                sqlite3_finalize(j->statement[i]);
        sqlite3_close(j->db);
        free(j);
        return NULL;
}

static int walk(sqlite3_stmt *s, journal_file_fn fn, void *userdata) {
        int r, answer = 0;

        while ((r = sqlite3_step(s)) == SQLITE_ROW && !answer) {
                struct bytes data = { sqlite3_column_blob(s, 1),
                                      (size_t) sqlite3_column_bytes(s, 1) };

                answer = fn(userdata, (enum journal_kind) sqlite3_column_int(s, 0), data);
        }
        sqlite3_reset(s);
        if (answer)
                return answer;
        return r == SQLITE_DONE ? 0 : error_origin(-EIO);
}

int journal_file_walk(struct journal_file *j, journal_file_fn fn, void *userdata) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(horizons) && r == 0; i++)
                r = journal_file_latest(j, horizons[i].kind, 1, fn, userdata);
        return r ? r : walk(j->statement[ALL], fn, userdata);
}

int journal_file_find(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                      journal_file_fn fn, void *userdata) {
        sqlite3_bind_blob(j->statement[FIND], 1, job->bytes, HASH_SIZE, SQLITE_TRANSIENT);
        sqlite3_bind_int(j->statement[FIND], 2, kind);
        return walk(j->statement[FIND], fn, userdata);
}

static int latest(struct journal_file *j, enum statement_index which, enum journal_kind kind,
                  size_t max, journal_file_fn fn, void *userdata) {
        sqlite3_stmt *s = j->statement[which];

        sqlite3_bind_int(s, 1, kind);
        sqlite3_bind_int64(s, 2, max < INT32_MAX ? (int64_t) max : INT32_MAX);
        return walk(s, fn, userdata);
}

int journal_file_latest(struct journal_file *j, enum journal_kind kind, size_t max,
                        journal_file_fn fn, void *userdata) {
        return latest(j, LATEST, kind, max, fn, userdata);
}

int journal_file_latest_jobs(struct journal_file *j, enum journal_kind kind, size_t max,
                             journal_file_fn fn, void *userdata) {
        return latest(j, LATEST_JOBS, kind, max, fn, userdata);
}

static int failed(struct journal_file *j) {
        j->is_failed = true;
        return JOURNAL_E_DISK;
}

/* In the order of all records: one that is made again after this stays. */
static int withdraw(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                    struct bytes data) {
        sqlite3_stmt *s = j->statement[WITHDRAW];
        int r;

        sqlite3_bind_blob(s, 1, job->bytes, HASH_SIZE, SQLITE_STATIC);
        sqlite3_bind_int(s, 2, kind);
        sqlite3_bind_blob64(s, 3, data.len ? (const void *) data.data : "", data.len,
                            SQLITE_STATIC);
        r = run(j, WITHDRAW);
        sqlite3_clear_bindings(s);
        return r;
}

static int forget(struct journal_file *j, const struct horizon *h) {
        sqlite3_bind_int(j->statement[FORGET], 1, h->covers);
        sqlite3_bind_int(j->statement[FORGET], 2, h->kind);
        sqlite3_bind_int(j->statement[FORGET], 3, FORGET_AT_ONCE);
        return run(j, FORGET);
}

static const struct horizon *horizon_of(enum journal_kind kind) {
        for (size_t i = 0; i < ELEMENTSOF(horizons); i++)
                if (horizons[i].kind == kind)
                        return &horizons[i];
        return NULL;
}

static int insert(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                  struct bytes data, int64_t time_us) {
        sqlite3_stmt *s = j->statement[ADD];
        int r;

        sqlite3_bind_int(s, 1, kind);
        sqlite3_bind_blob(s, 2, job->bytes, HASH_SIZE, SQLITE_STATIC);
        sqlite3_bind_int64(s, 3, time_us);
        sqlite3_bind_blob64(s, 4, data.len ? (const void *) data.data : "", data.len,
                            SQLITE_STATIC);
        r = run(j, ADD);
        sqlite3_clear_bindings(s);
        return r;
}

static int add(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
               struct bytes data, int64_t time_us) {
        const struct horizon *h = horizon_of(kind);
        int r = SQLITE_OK;

        if ((size_t) kind < ELEMENTSOF(withdraws) && withdraws[kind])
                return withdraw(j, withdraws[kind], job, data);
        if (kind == JOURNAL_ENDED) {
                sqlite3_bind_blob(j->statement[DROP_EARLIER], 1, job->bytes, HASH_SIZE,
                                  SQLITE_STATIC);
                r = run(j, DROP_EARLIER);
        }
        if (h) {
                sqlite3_bind_int(j->statement[REPLACE], 1, kind);
                r = run(j, REPLACE);
        }
        if (r == SQLITE_OK)
                r = insert(j, kind, job, data, time_us);
        return r == SQLITE_OK && h ? forget(j, h) : r;
}

int journal_file_add(struct journal_file *j, enum journal_kind kind, const struct hash_value *job,
                     struct bytes data, int64_t time_us) {
        if (!j->is_dirty && run(j, BEGIN) != SQLITE_OK)
                return failed(j);
        j->is_dirty = true;
        return add(j, kind, job, data, time_us) == SQLITE_OK ? JOURNAL_OK : failed(j);
}

bool journal_file_is_dirty(const struct journal_file *j) {
        return j->is_dirty || j->is_failed;
}

/* One failed record fails the whole transaction: the order of what stays must not
 * have holes. */
int journal_file_commit(struct journal_file *j, bool durable) {
        bool ok = !j->is_failed && (!j->is_dirty || run(j, COMMIT) == SQLITE_OK);

        if (!ok && !sqlite3_get_autocommit(j->db))
                (void) run(j, ROLLBACK);
        j->is_unsynced = j->is_unsynced || (ok && j->is_dirty);
        j->is_dirty = j->is_failed = false;
        if (!ok)
                return JOURNAL_E_DISK;
        return durable ? journal_file_sync(j) : JOURNAL_OK;
}

/* What synchronous = FULL does at every commit: the log, in which all that was committed stands
 * (a checkpoint syncs it first), reaches the disk. */
static bool sync_log(struct journal_file *j) {
        sqlite3_file *wal = NULL;

        return sqlite3_file_control(j->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) ==
                       SQLITE_OK &&
               wal && wal->pMethods && wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) == SQLITE_OK;
}

/* Linux holds pages for written whose sync has failed, so the next sync may succeed without them,
 * and recovery ends at the hole. All goes into the database, and a new log begins. */
static bool begin_anew(struct journal_file *j) {
        return sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
               SQLITE_OK;
}

int journal_file_sync(struct journal_file *j) {
        if (!j->is_unsynced)
                return JOURNAL_OK;
        j->is_doubted = !(j->is_doubted ? begin_anew(j) : sync_log(j));
        if (j->is_doubted)
                return JOURNAL_E_DISK;
        j->is_unsynced = false;
        return JOURNAL_OK;
}

/* How long, or how many, of a kind are kept; 0: no limit of that sort. */
static const struct retention {
        enum journal_kind kind;
        int days, count;
} retentions[] = {
        { JOURNAL_HEARD, 30, HEARD_KEPT }, { JOURNAL_ENDED, 0, ENDED_KEPT },
        { JOURNAL_VERDICT, 60, 0 },        { JOURNAL_OWED, 1, 0 },
        { JOURNAL_RUN, 42, RUNS_KEPT },    { JOURNAL_ROWS, 0, ROWS_KEPT },
};

static int prune_kind(struct journal_file *j, const struct retention *r, int64_t wall_us) {
        char sql[512];
        int result = SQLITE_OK;

        snprintf(sql, sizeof(sql), "DELETE FROM record WHERE kind = %d AND time_us < %lld", r->kind,
                 (long long) (wall_us - r->days * DAY_US));
        if (r->days)
                result = exec(j, sql);
        snprintf(sql, sizeof(sql),
                 "DELETE FROM record WHERE kind = %d AND id <= (SELECT id FROM record WHERE"
                 " kind = %d ORDER BY id DESC LIMIT 1 OFFSET %d)",
                 r->kind, r->kind, r->count);
        if (r->count && result == SQLITE_OK)
                result = exec(j, sql);
        return result;
}

int journal_file_prune(struct journal_file *j, int64_t wall_us) {
        for (size_t i = 0; i < ELEMENTSOF(retentions); i++)
                if (prune_kind(j, &retentions[i], wall_us) != SQLITE_OK)
                        return JOURNAL_E_DISK;
        for (size_t i = 0; i < ELEMENTSOF(horizons); i++)
                if (forget(j, &horizons[i]) != SQLITE_OK)
                        return JOURNAL_E_DISK;
        return JOURNAL_OK;
}

uint64_t journal_file_count(struct journal_file *j, enum journal_kind kind) {
        sqlite3_stmt *s = j->statement[COUNT];
        uint64_t n = 0;

        sqlite3_bind_int(s, 1, kind);
        if (sqlite3_step(s) == SQLITE_ROW)
                n = (uint64_t) sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return n;
}
