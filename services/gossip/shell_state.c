#include "services/gossip/shell_state.h"

#include <errno.h>
#include <sqlite3.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"

struct state_file {
        sqlite3 *db;
        char *path;
};

/* Migration i brings user_version from i to i + 1; never changed once released. */
static const char *const migrations[] = {
        "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL) STRICT;",
};

static int fail(struct state_file *f, const char *doing) {
        int code = sqlite3_errcode(f->db);

        if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
                log_error("%s: damaged (%s); move it away and start again: the deny list is lost, "
                          "block again whom you had blocked",
                          f->path, sqlite3_errmsg(f->db));
                return service_refuse();
        }
        log_error("%s: cannot %s: %s%s", f->path, doing, sqlite3_errmsg(f->db),
                  code == SQLITE_FULL ? "; make room on the disk" : "");
        return error_origin(code == SQLITE_FULL ? -ENOSPC : -EIO);
}

static int run(struct state_file *f, const char *sql, const char *doing) {
        return sqlite3_exec(f->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(f, doing);
}

static int read_version(struct state_file *f, int *ret) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(f->db, "PRAGMA user_version", -1, &q, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        if (r == SQLITE_ROW)
                *ret = sqlite3_column_int(q, 0);
        (void) sqlite3_finalize(q);
        return r == SQLITE_ROW ? 0 : fail(f, "read");
}

static int migrate(struct state_file *f) {
        int version = 0, r = read_version(f, &version);

        if (r == 0 && version > (int) ELEMENTSOF(migrations)) {
                log_error("%s: written by a newer version of this program; use that, or move the "
                          "file away",
                          f->path);
                return service_refuse();
        }
        for (; r == 0 && version < (int) ELEMENTSOF(migrations); version++) {
                CLEANUP(freep)
                char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;",
                                      migrations[version], version + 1);

                r = run(f, sql, "migrate");
        }
        return r;
}

int state_file_new(const char *folder, struct state_file **ret) {
        CLEANUP(state_file_freep) struct state_file *f = xnew(struct state_file);
        int r;

        f->path = xasprintf("%s/gossip.db", folder);
        if (sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
            SQLITE_OK)
                return fail(f, "open");
        (void) sqlite3_busy_timeout(f->db, 2000);
        r = run(f, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "open");
        if (r == 0)
                r = migrate(f);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(f);
        return 0;
}

struct state_file *state_file_free(struct state_file *f) {
        if (!f)
                return NULL;
        (void) sqlite3_close(f->db);
        free(f->path);
        free(f);
        return NULL;
}

int state_file_read(struct state_file *f, struct refbuf **ret) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(f->db, "SELECT value FROM state WHERE id = 1", -1, &q, NULL);

        *ret = NULL;
        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        if (r == SQLITE_ROW)
                *ret = refbuf_new(
                        BYTES(sqlite3_column_blob(q, 0), (size_t) sqlite3_column_bytes(q, 0)));
        (void) sqlite3_finalize(q);
        return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : fail(f, "read");
}

int state_file_write(struct state_file *f, struct bytes state) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(f->db, "INSERT OR REPLACE INTO state VALUES (1, ?)", -1, &q,
                                   NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_blob(q, 1, state.data, (int) state.len, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        (void) sqlite3_finalize(q);
        return r == SQLITE_DONE ? 0 : fail(f, "write");
}
