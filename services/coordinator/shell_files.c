#include "services/coordinator/shell_actions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/io.h"
#include "common/daemon/log.h"

#define SPOOL_READ_MAX (18u << 20)
#define RECALL_MAX     (64u << 10)
#define PRUNE_EVERY    (3600 * NSEC_PER_SEC)

/* ---- Journal: all records of a turn are one transaction, then all are told. The disk is
 * waited for where a record is; the others are on it a second later (on_clock()) ---- */

struct ack {
        uint64_t id;
        bool failed_before; /* a receipt that could not be written */
};

static void want_commit(struct shell *s, uint64_t id, bool failed) {
        if (id) {
                if (s->n_acks == s->acks_capacity) {
                        s->acks_capacity = s->acks_capacity ? 2 * s->acks_capacity : 64;
                        s->acks = xrealloc(s->acks, s->acks_capacity * sizeof(*s->acks));
                }
                s->acks[s->n_acks++] = (struct ack){ id, failed };
        }
        (void) loop_defer(s->commit);
}

static int on_commit(void *userdata) {
        struct shell *s = userdata;
        CLEANUP(freep) struct ack *acks = TAKE(s->acks);
        size_t n = s->n_acks;
        bool ok = true, durable = s->is_record_awaited;

        s->n_acks = s->acks_capacity = 0;
        s->is_record_awaited = false;
        if (journal_file_is_dirty(s->journal)) {
                ok = journal_file_commit(s->journal, durable) == JOURNAL_OK;
                s->counters.journal_commits++;
        }
        if (!ok) {
                s->counters.journal_failures++;
                log_error("the journal cannot be written: make room on the disk of %s",
                          s->ctx->state);
        }
        for (size_t i = 0; i < n; i++) {
                if (ok && !acks[i].failed_before)
                        coordinator_journalled(s->core, acks[i].id, shell_now(s));
                else
                        coordinator_journal_failed(s->core, acks[i].id, shell_now(s));
        }
        shell_turn(s);
        return 0;
}

void shell_do_journal(struct shell *s, struct action *a) {
        (void) journal_file_add(s->journal, (enum journal_kind) a->n, &a->hash,
                                refbuf_bytes(a->data),
                                a->offset ? (int64_t) a->offset : shell_wall_us());
        s->gauges.verdicts_kept += a->n == JOURNAL_HEARD;
        s->is_record_awaited = s->is_record_awaited || a->id;
        want_commit(s, a->id, false);
}

static int keep_copy(void *userdata, enum journal_kind kind, struct bytes data) {
        return buffer_put_bytes(userdata, data), 0;
}

void shell_do_recall(struct shell *s, struct action *a) {
        CLEANUP(buffer_donep) struct buffer record = {};

        buffer_init(&record, RECALL_MAX);
        if (journal_file_find(s->journal, (enum journal_kind) a->n, &a->hash, keep_copy, &record))
                log_warning("a record of the journal cannot be read: check the disk of %s",
                            s->ctx->state);
        coordinator_recalled(s->core, a->id, record.failed ? BYTES_NONE : buffer_bytes(&record),
                             shell_now(s));
}

static int restore_one(void *userdata, enum journal_kind kind, struct bytes data) {
        struct shell *s = userdata;

        if (coordinator_restore(s->core, kind, data, shell_now(s)))
                log_warning("a record of kind %u in the journal is not understood; passed over",
                            kind);
        return 0;
}

void shell_files_prune(struct shell *s) {
        if (shell_now(s) < s->prune_at)
                return;
        s->prune_at = nsec_add(shell_now(s), PRUNE_EVERY);
        if (journal_file_prune(s->journal, shell_wall_us()) != JOURNAL_OK)
                log_warning("old records of the journal cannot be dropped: make room on the disk "
                            "of %s",
                            s->ctx->state);
        s->gauges.verdicts_kept = journal_file_count(s->journal, JOURNAL_HEARD);
}

void shell_files_sync(struct shell *s) {
        if (journal_file_sync(s->journal) == JOURNAL_OK)
                return;
        s->counters.journal_failures++;
        log_warning("the journal cannot be synced: check the disk of %s", s->ctx->state);
}

/* The core sees old records too before they go: it must not sign what they name. */
int shell_files_restore(struct shell *s) {
        int r = journal_file_walk(s->journal, restore_one, s);

        shell_files_prune(s);
        return r;
}

/* ---- The secret behind the salts of uploads ---- */

static int make_secret(const char *path, uint8_t ret[DATA_SALT_SIZE]) {
        CLEANUP(freep) char *tmp = xasprintf("%s.tmp", path);
        CLEANUP(fd_closep)
        int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return error_origin(-errno);
        if (getrandom(ret, DATA_SALT_SIZE, 0) != DATA_SALT_SIZE)
                return error_origin(-EIO);
        if (write(fd, ret, DATA_SALT_SIZE) != DATA_SALT_SIZE || fsync(fd) < 0 ||
            rename(tmp, path) < 0)
                return error_origin(-errno);
        return 0;
}

int shell_files_secret(struct shell *s) {
        CLEANUP(freep) char *path = xasprintf("%s/upload.secret", s->ctx->state);
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        /* One that is cut short is made anew: then the same content is uploaded once more. */
        if (fd >= 0 && read(fd, s->upload_secret, DATA_SALT_SIZE) == DATA_SALT_SIZE)
                return 0;
        return make_secret(path, s->upload_secret);
}

/* ---- Receipts: a file each, complete or not there ---- */

static int write_file(int dir, const char *name, struct bytes data) {
        CLEANUP(fd_closep) int fd = -1;
        char temporary[128];
        int r;

        snprintf(temporary, sizeof(temporary), "%s.tmp", name);
        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0)
                return error_origin(-errno);
        r = error_fold(io_write(fd, data));
        if (!r && (fsync(fd) < 0 || renameat(dir, temporary, dir, name) < 0 || fsync(dir) < 0))
                r = error_origin(-errno);
        if (r)
                (void) unlinkat(dir, temporary, 0);
        return r;
}

static bool is_there(int dir, const char *name, struct bytes data) {
        CLEANUP(fd_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        CLEANUP(freep) uint8_t *found = xmalloc(data.len + 1);

        return fd >= 0 && read(fd, found, data.len + 1) == (ssize_t) data.len &&
               memcmp(found, data.data, data.len) == 0;
}

void shell_do_receipt(struct shell *s, struct action *a) {
        CLEANUP(fd_closep) int dir = open(s->receipts_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char hex[2 * HASH_SIZE + 1], name[2 * HASH_SIZE + 16];
        int r;

        hex_encode(hash_bytes(&a->hash), hex);
        snprintf(name, sizeof(name), "%s.receipt", hex);
        if (a->n == RECEIPT_UNLESS_THERE && dir >= 0 &&
            is_there(dir, name, refbuf_bytes(a->data))) {
                want_commit(s, a->id, false);
                return;
        }
        r = dir < 0 ? error_origin(-errno) : write_file(dir, name, refbuf_bytes(a->data));
        if (r)
                log_error_reason(r, "cannot write receipt %s/%s", s->receipts_path, name);
        else
                s->counters.receipts++;
        want_commit(s, a->id, r != 0);
}

/* ---- Spools: unlinked files of rows that wait for their check ---- */

struct spool {
        int fd;
        bool has_failed;
};

static struct spool *spool_of(struct shell *s, uint64_t id) {
        struct spool *x = map_get_u64(s->spools, id);

        if (x)
                return x;
        x = xnew(struct spool);
        x->fd = open(s->ctx->state, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
        map_set_u64(s->spools, id, x);
        return x;
}

static void spool_fail(struct shell *s, struct spool *x, uint64_t id, int error) {
        if (x->has_failed)
                return;
        x->has_failed = true;
        log_error_reason(error, "cannot keep rows below %s", s->ctx->state);
        coordinator_spool_failed(s->core, id, shell_now(s));
}

void shell_do_spool_write(struct shell *s, struct action *a) {
        struct spool *x = spool_of(s, a->id);
        int r = x->fd < 0 ? -EIO : io_write(x->fd, refbuf_bytes(a->data));

        if (r)
                spool_fail(s, x, a->id, r);
}

void shell_do_spool_read(struct shell *s, struct action *a) {
        struct spool *x = spool_of(s, a->id);
        CLEANUP(freep) uint8_t *data = NULL;
        ssize_t n = -1;

        if (x->fd >= 0 && a->n <= SPOOL_READ_MAX) {
                data = xmalloc(a->n);
                n = pread(x->fd, data, a->n, (off_t) a->offset);
        }
        if (n < 0 || (uint64_t) n != a->n)
                spool_fail(s, x, a->id, n < 0 && errno ? -errno : -EIO);
        else
                coordinator_spool_data(s->core, a->id, BYTES(data, (size_t) n), shell_now(s));
}

void shell_do_spool_drop(struct shell *s, struct action *a) {
        struct spool *x = map_remove_u64(s->spools, a->id);

        if (!x)
                return;
        fd_closep(&x->fd);
        free(x);
}

/* ---- Life ---- */

int shell_files_start(struct shell *s) {
        CLEANUP(freep) char *path = xasprintf("%s/journal.db", s->ctx->state);
        char error[JOURNAL_ERROR_SIZE];
        int r = loop_add_defer(s->loop, on_commit, s, &s->commit);

        if (r)
                return r;
        s->receipts_path = xasprintf("%s/receipts", s->ctx->state);
        if (mkdir(s->receipts_path, 0755) < 0 && errno != EEXIST)
                return log_fault(error_origin(-errno), "cannot make %s", s->receipts_path);
        r = journal_file_open(path, &s->journal, error);
        if (r == JOURNAL_OK)
                return 0;
        log_error("%s", error);
        return r == JOURNAL_E_DISK ? error_origin(-ENOSPC) : service_refuse();
}

void shell_files_stop(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        while (s->spools && map_next(s->spools, &cursor, &key, &value)) {
                struct spool *x = value;

                fd_closep(&x->fd);
                free(x);
        }
        if (s->journal && journal_file_is_dirty(s->journal))
                (void) journal_file_commit(s->journal, true);
        s->journal = journal_file_free(s->journal);
        s->commit = loop_source_free(s->commit);
        free(s->acks);
        s->acks = NULL;
}
