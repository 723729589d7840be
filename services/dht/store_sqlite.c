#include "services/dht/store_sqlite.h"

#include <stdio.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/dht/store_rows.h"

/* Number i brings a file of version i to version i + 1. Never edit one that was released. */
static const char *const migrations[] = {
        "CREATE TABLE record(id INTEGER PRIMARY KEY, key BLOB NOT NULL, slot BLOB NOT NULL,"
        " kind INTEGER NOT NULL, class INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL,"
        " sequence INTEGER NOT NULL, publisher BLOB NOT NULL, subnet BLOB NOT NULL,"
        " received INTEGER NOT NULL, expires INTEGER NOT NULL, UNIQUE(key, slot)) STRICT;"
        "CREATE INDEX record_expires ON record(expires) WHERE class = 0;"
        "CREATE INDEX record_own ON record(key) WHERE class = 1;"
        "CREATE TABLE provider(key BLOB NOT NULL, id BLOB NOT NULL, peer BLOB NOT NULL,"
        " name BLOB NOT NULL, addresses BLOB NOT NULL, class INTEGER NOT NULL,"
        " received INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY(key, id))"
        " STRICT, WITHOUT ROWID;"
        "CREATE INDEX provider_expires ON provider(expires) WHERE class = 0;"
        "CREATE INDEX provider_own ON provider(key) WHERE class = 1;"
        "CREATE TABLE counter(scope INTEGER NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL,"
        " PRIMARY KEY(scope, id)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE state(name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
        /* Where a provider was seen. Of those held before it is not known: they count as exempt. */
        "ALTER TABLE provider ADD COLUMN subnet BLOB NOT NULL DEFAULT x'00000000000000';",
        /* Lists of what is held near others: without values, which are most of a record. */
        "CREATE INDEX record_head ON record(key, slot, kind, sequence, publisher, expires);",
};

static int exec(struct record_store *s, const char *sql) {
        return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

static int query_number(struct record_store *s, const char *sql, int64_t *ret) {
        sqlite3_stmt *st;
        int r = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

        if (r != SQLITE_OK)
                return r;
        r = sqlite3_step(st);
        if (r == SQLITE_ROW)
                *ret = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        return r == SQLITE_ROW ? SQLITE_OK : r;
}

static int migrate(struct record_store *s) {
        int64_t version = 0;
        char set[64];
        int r = query_number(s, "PRAGMA user_version", &version);

        if (r != SQLITE_OK)
                return r;
        if (version < 0 || version > (int64_t) ELEMENTSOF(migrations))
                return SQLITE_MISMATCH;
        for (; version < (int64_t) ELEMENTSOF(migrations); version++) {
                snprintf(set, sizeof(set), "PRAGMA user_version = %d", (int) version + 1);
                r = exec(s, "BEGIN EXCLUSIVE");
                if (r == SQLITE_OK)
                        r = exec(s, migrations[version]);
                if (r == SQLITE_OK)
                        r = exec(s, set);
                if (r == SQLITE_OK)
                        r = exec(s, "COMMIT");
                if (r != SQLITE_OK)
                        return r;
        }
        return SQLITE_OK;
}

/* No quick_check: it reads the whole file, and a node must serve within a second of its
 * start. Damage shows when it is met, as STORE_E_FAILED. */
static int set_up(struct record_store *s) {
        int r = exec(s, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                        "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
                        "PRAGMA cache_size = -8192;");

        if (r == SQLITE_OK)
                r = migrate(s);
        for (size_t i = 0; i < _STATEMENT_N && r == SQLITE_OK; i++)
                r = sqlite3_prepare_v3(s->db, store_rows_statements[i], -1,
                                       SQLITE_PREPARE_PERSISTENT, &s->statement[i], NULL);
        return r;
}

static int explain(const char *path, int r, const char *text, char error[STORE_ERROR_SIZE]) {
        static const struct {
                int code, result;
                const char *remedy;
        } rows[] = {
                { SQLITE_CORRUPT, STORE_OPEN_E_BAD,
                  "it is damaged; move it away and start again: records of others come back from "
                  "the network, own ones must be put again" },
                { SQLITE_NOTADB, STORE_OPEN_E_BAD,
                  "it is not a record store; move it away and start again" },
                { SQLITE_MISMATCH, STORE_OPEN_E_BAD,
                  "it was written by a newer version; install that one, or move the file away" },
                { SQLITE_BUSY, STORE_OPEN_E_LOCKED,
                  "another dht is using it; stop that one, or give this one another --state "
                  "directory" },
                { SQLITE_FULL, STORE_OPEN_E_DISK, "the disk is full; make room and start again" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if ((r & 0xff) == rows[i].code) {
                        snprintf(error, STORE_ERROR_SIZE, "records %s: %s", path, rows[i].remedy);
                        return rows[i].result;
                }
        snprintf(error, STORE_ERROR_SIZE,
                 "records %s: %s; check the directory's owner and its disk", path, text);
        return STORE_OPEN_E_DISK;
}

static void close_it(struct record_store *s) {
        for (size_t i = 0; i < _STATEMENT_N; i++)
                sqlite3_finalize(s->statement[i]);
        sqlite3_close(s->db);
        free(s);
}

int store_sqlite_open(const char *path, const struct store_limits *limits, struct store *ret,
                      char error[STORE_ERROR_SIZE]) {
        struct record_store *s = xnew(struct record_store);
        int r;

        s->limits = *limits;
        r = sqlite3_open_v2(path, &s->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                    SQLITE_OPEN_EXRESCODE,
                            NULL);
        if (r == SQLITE_OK)
                r = set_up(s);
        if (r != SQLITE_OK) {
                r = explain(path, r, s->db ? sqlite3_errmsg(s->db) : "out of memory", error);
                close_it(s);
                return r;
        }
        *ret = (struct store){ &store_rows_ops, s };
        return STORE_OPEN_OK;
}

void store_sqlite_close(struct store *s) {
        if (s->self)
                close_it(s->self);
        *s = (struct store){};
}

bool store_sqlite_is_dirty(const struct store *s) {
        return s->self->is_dirty || s->self->is_failed;
}

const char *store_sqlite_error(const struct store *s) {
        return s->self->error;
}

static bool run(struct record_store *s, enum statement_index which) {
        int r = sqlite3_step(s->statement[which]);

        sqlite3_reset(s->statement[which]);
        return r == SQLITE_DONE;
}

/* One failed write fails the turn: an answer may rest on any of them. */
int store_sqlite_commit(struct store *store) {
        struct record_store *s = store->self;
        bool ok = !s->is_failed && (!s->is_dirty || run(s, COMMIT));

        if (!ok && !s->is_failed)
                snprintf(s->error, sizeof(s->error), "%s", sqlite3_errmsg(s->db));
        if (!ok && !sqlite3_get_autocommit(s->db))
                (void) run(s, ROLLBACK);
        s->is_dirty = s->is_failed = false;
        return ok ? STORE_OK : STORE_E_FAILED;
}
