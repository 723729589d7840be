#include "services/transport/shell/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"

#define FORGET_AFTER_US ((int64_t) 30 * 24 * 3600 * 1000000)
#define LOAD_MAX        512

struct store {
        sqlite3 *db;
        char *path;
};

/* Migration i brings user_version from i to i + 1; never changed once released. */
static const char *const migrations[] = {
        "CREATE TABLE address (peer BLOB NOT NULL, address BLOB NOT NULL, used_us INTEGER NOT NULL,"
        " PRIMARY KEY (peer, address)) STRICT, WITHOUT ROWID;",
        "CREATE TABLE denied (owner TEXT NOT NULL, peer BLOB NOT NULL, PRIMARY KEY (owner, peer))"
        " STRICT, WITHOUT ROWID;",
        "CREATE TABLE met (address BLOB NOT NULL PRIMARY KEY, peer BLOB NOT NULL,"
        " met_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};

static int fail(struct store *s, const char *doing) {
        int code = sqlite3_errcode(s->db);

        if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
                log_error("%s: damaged (%s); move it away and start again: remembered addresses "
                          "are lost, and who is blocked may connect until gossip says so again",
                          s->path, sqlite3_errmsg(s->db));
                return service_refuse();
        }
        log_error("%s: cannot %s: %s", s->path, doing, sqlite3_errmsg(s->db));
        return error_origin(code == SQLITE_FULL ? -ENOSPC : -EIO);
}

static int run(struct store *s, const char *sql, const char *doing) {
        return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, doing);
}

static int read_version(struct store *s, int *ret) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &q, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        if (r == SQLITE_ROW)
                *ret = sqlite3_column_int(q, 0);
        (void) sqlite3_finalize(q);
        return r == SQLITE_ROW ? 0 : fail(s, "read");
}

static int migrate(struct store *s) {
        int version = 0, r = read_version(s, &version);

        if (r < 0)
                return r;
        if (version > (int) ELEMENTSOF(migrations)) {
                log_error("%s: written by a newer version of this program; use that, or move the "
                          "file away",
                          s->path);
                return service_refuse();
        }
        for (; version < (int) ELEMENTSOF(migrations); version++) {
                CLEANUP(freep)
                char *sql = xasprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;",
                                      migrations[version], version + 1);

                r = run(s, sql, "migrate");
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_new(const char *folder, struct store **ret) {
        CLEANUP(store_freep) struct store *s = xnew(struct store);
        int r;

        s->path = xasprintf("%s/peers.sqlite", folder);
        if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
            SQLITE_OK)
                return fail(s, "open");
        (void) sqlite3_busy_timeout(s->db, 2000);
        r = run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", "open");
        if (r == 0)
                r = migrate(s);
        if (r < 0)
                return error_fold(r);
        *ret = TAKE(s);
        return 0;
}

struct store *store_free(struct store *s) {
        if (!s)
                return NULL;
        (void) sqlite3_close(s->db);
        free(s->path);
        free(s);
        return NULL;
}

static struct bytes column(sqlite3_stmt *q, int i) {
        return BYTES(sqlite3_column_blob(q, i), (size_t) sqlite3_column_bytes(q, i));
}

static void load_row(struct peers *peers, sqlite3_stmt *q) {
        struct multiaddr a;
        struct peer_id peer_id;
        struct peer *peer;

        if (!peer_id_parse(column(q, 0), &peer_id) || multiaddr_parse(column(q, 1), &a))
                return;
        peer = peers_get(peers, &peer_id);
        if (peer)
                peer_add_address(peer, &a, ADDRESS_CACHED);
}

int store_load(struct store *s, struct peers *peers) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(
                s->db, "SELECT peer, address FROM address ORDER BY used_us DESC LIMIT ?1", -1, &q,
                NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_int(q, 1, LOAD_MAX);
        while (r == SQLITE_OK || r == SQLITE_ROW) {
                r = sqlite3_step(q);
                if (r == SQLITE_ROW)
                        load_row(peers, q);
        }
        (void) sqlite3_finalize(q);
        return r == SQLITE_DONE ? 0 : fail(s, "read");
}

static int save_row(sqlite3_stmt *q, const struct peer *peer, const struct peer_address *a,
                    int64_t wall) {
        (void) sqlite3_bind_blob(q, 1, peer->id.bytes, peer->id.len, SQLITE_TRANSIENT);
        (void) sqlite3_bind_blob(q, 2, a->addr.bytes, a->addr.len, SQLITE_TRANSIENT);
        (void) sqlite3_bind_int64(q, 3, wall);
        return sqlite3_step(q) == SQLITE_DONE ? sqlite3_reset(q) : SQLITE_ERROR;
}

static int save_all(sqlite3_stmt *q, const struct peers *peers, int64_t wall) {
        const struct peer *peer;
        size_t cursor = 0;
        int r = SQLITE_OK;

        while (r == SQLITE_OK && (peer = peers_next(peers, &cursor)))
                for (size_t i = 0; r == SQLITE_OK && i < peer->n_addrs; i++)
                        if (peer->addrs[i].worked > 0)
                                r = save_row(q, peer, &peer->addrs[i], wall);
        return r;
}

int store_save(struct store *s, const struct peers *peers, int64_t wall) {
        CLEANUP(freep)
        char *forget = xasprintf("DELETE FROM address WHERE used_us < %lld; COMMIT",
                                 (long long) (wall - FORGET_AFTER_US));
        sqlite3_stmt *q = NULL;
        int r = run(s, "BEGIN IMMEDIATE", "write");

        if (r < 0)
                return r;
        r = sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO address VALUES (?1, ?2, ?3)", -1, &q,
                               NULL);
        if (r == SQLITE_OK)
                r = save_all(q, peers, wall);
        r = r == SQLITE_OK ? 0 : fail(s, "write");
        (void) sqlite3_finalize(q);
        if (r == 0)
                r = run(s, forget, "write");
        if (r < 0)
                (void) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}

/* ---- Who is denied ---- */

static int deny_rows(sqlite3_stmt *q, const char *owner, const struct peer_id *peers, size_t n) {
        int r = sqlite3_bind_text(q, 1, owner, -1, SQLITE_STATIC);

        for (size_t i = 0; r == SQLITE_OK && i < n; i++) {
                r = sqlite3_bind_blob(q, 2, peers[i].bytes, peers[i].len, SQLITE_STATIC);
                if (r == SQLITE_OK)
                        r = sqlite3_step(q) == SQLITE_DONE ? sqlite3_reset(q) : SQLITE_ERROR;
        }
        return r;
}

static int forget_rows(struct store *s, const char *owner) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db, "DELETE FROM denied WHERE owner = ?1", -1, &q, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_text(q, 1, owner, -1, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        r = r == SQLITE_DONE ? 0 : fail(s, "write");
        (void) sqlite3_finalize(q);
        return r;
}

static int write_rows(struct store *s, const char *owner, const struct peer_id *peers, size_t n) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db, "INSERT OR IGNORE INTO denied VALUES (?1, ?2)", -1, &q,
                                   NULL);

        if (r == SQLITE_OK)
                r = deny_rows(q, owner, peers, n);
        r = r == SQLITE_OK ? 0 : fail(s, "write");
        (void) sqlite3_finalize(q);
        return r;
}

int store_deny(struct store *s, const char *owner, const struct peer_id *peers, size_t n) {
        int r = run(s, "BEGIN IMMEDIATE", "write");

        if (r < 0)
                return r;
        r = forget_rows(s, owner);
        if (r == 0)
                r = write_rows(s, owner, peers, n);
        if (r == 0)
                r = run(s, "COMMIT", "write");
        if (r < 0)
                (void) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}

/* Rows of one owner stand together. */
struct loading {
        struct denials *denials;
        char owner[DENY_OWNER_SIZE];
        struct peer_id peers[DENY_MAX];
        size_t n;
};

static void end_owner(struct loading *l) {
        if (l->n > 0)
                (void) denials_keep(l->denials, l->owner, l->peers, l->n);
        l->n = 0;
}

static void load_denied(struct loading *l, sqlite3_stmt *q) {
        const char *owner = (const char *) sqlite3_column_text(q, 0);

        if (strcmp(owner, l->owner) != 0) {
                end_owner(l);
                (void) snprintf(l->owner, sizeof(l->owner), "%s", owner);
        }
        if (l->n < DENY_MAX)
                l->n += peer_id_parse(column(q, 1), &l->peers[l->n]);
}

int store_load_denied(struct store *s, struct denials *denials) {
        CLEANUP(freep) struct loading *l = xnew(struct loading);
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db, "SELECT owner, peer FROM denied ORDER BY owner", -1, &q,
                                   NULL);

        l->denials = denials;
        while (r == SQLITE_OK || r == SQLITE_ROW) {
                r = sqlite3_step(q);
                if (r == SQLITE_ROW)
                        load_denied(l, q);
        }
        (void) sqlite3_finalize(q);
        if (r != SQLITE_DONE)
                return fail(s, "read");
        end_owner(l);
        return 0;
}

/* ---- Who was met at an address that names nobody ---- */

int store_met(struct store *s, const struct met_entry *met, int64_t wall) {
        sqlite3_stmt *q = NULL;
        int r = sqlite3_prepare_v2(s->db, "INSERT OR REPLACE INTO met VALUES (?1, ?2, ?3)", -1, &q,
                                   NULL);

        if (r == SQLITE_OK)
                r = sqlite3_bind_blob(q, 1, met->addr.bytes, met->addr.len, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_bind_blob(q, 2, met->peer.bytes, met->peer.len, SQLITE_STATIC);
        if (r == SQLITE_OK)
                r = sqlite3_bind_int64(q, 3, wall);
        if (r == SQLITE_OK)
                r = sqlite3_step(q);
        r = r == SQLITE_DONE ? 0 : fail(s, "write");
        (void) sqlite3_finalize(q);
        return r;
}

/* The oldest gave way in memory, too. */
static int forget_met(struct store *s) {
        CLEANUP(freep)
        char *sql = xasprintf("DELETE FROM met WHERE address NOT IN (SELECT address FROM met ORDER "
                              "BY met_us DESC LIMIT %d)",
                              MET_MAX);

        return run(s, sql, "write");
}

int store_load_met(struct store *s, struct met *met) {
        sqlite3_stmt *q = NULL;
        int r = forget_met(s);

        if (r < 0)
                return r;
        r = sqlite3_prepare_v2(s->db, "SELECT address, peer FROM met ORDER BY met_us", -1, &q,
                               NULL);
        while (r == SQLITE_OK || r == SQLITE_ROW) {
                struct multiaddr addr;
                struct peer_id peer;

                r = sqlite3_step(q);
                if (r == SQLITE_ROW && multiaddr_parse(column(q, 0), &addr) == MULTIADDR_OK &&
                    peer_id_parse(column(q, 1), &peer))
                        (void) met_learn(met, &addr, &peer);
        }
        (void) sqlite3_finalize(q);
        return r == SQLITE_DONE ? 0 : fail(s, "read");
}

/* ---- The reset key ---- */

static int read_reset_key(int fd, const char *path, uint8_t ret[STORE_RESET_KEY_SIZE]) {
        uint8_t key[STORE_RESET_KEY_SIZE + 1];
        ssize_t n = read(fd, key, sizeof(key));

        if (n < 0)
                return log_fault(error_origin(-errno), "cannot read %s", path);
        if (n != STORE_RESET_KEY_SIZE) {
                log_error("%s: not 32 bytes; remove it, a new one will be made", path);
                return service_refuse();
        }
        memcpy(ret, key, STORE_RESET_KEY_SIZE);
        return 0;
}

/* Complete under another name first, so that a crash leaves no half key. */
static int make_reset_key(const char *path, const uint8_t fresh[STORE_RESET_KEY_SIZE]) {
        CLEANUP(freep) char *part = xasprintf("%s.part", path);
        CLEANUP(fd_closep)
        int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0 || write(fd, fresh, STORE_RESET_KEY_SIZE) != STORE_RESET_KEY_SIZE ||
            fsync(fd) < 0 || rename(part, path) < 0)
                return log_fault(error_origin(errno ? -errno : -EIO), "cannot make %s", path);
        return 0;
}

int store_reset_key(const char *folder, const uint8_t fresh[STORE_RESET_KEY_SIZE],
                    uint8_t ret[STORE_RESET_KEY_SIZE]) {
        CLEANUP(freep) char *path = xasprintf("%s/reset.key", folder);
        CLEANUP(fd_closep) int fd = -1;
        int r;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT) {
                r = make_reset_key(path, fresh);
                if (r < 0)
                        return r;
                fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        }
        if (fd < 0)
                return log_fault(error_origin(-errno), "cannot open %s", path);
        return read_reset_key(fd, path, ret);
}
