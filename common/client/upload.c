#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/client/data_file.h"
#include "common/client/internal.h"

#define STEPS_BETWEEN_LOOKS 1000 /* of SQLite's machine: below 1 ms */
#define BUSY_MS             5000

struct uploading {
        struct quorate *q;
        struct channel *channel;
        struct frame_reader frames;
        int fd;
        uint64_t left, length;
        quorate_upload_fn fn;
        void *userdata;
        bool done, ok, is_lost; /* is_lost: the node, not the upload, is to blame */
        uint8_t *root;
        const char *path, *format;
        bool is_bad_file;
};

/* A file for SQLite to open, which wants a name. */
static int open_temporary(struct quorate *q, char path[64], int *ret_fd) {
        const char *folder = getenv("TMPDIR");

        if (!folder || strlen(folder) > 32)
                folder = "/tmp";
        snprintf(path, 64, "%s/quorate-snapshot-XXXXXX", folder);
        *ret_fd = mkostemp(path, O_CLOEXEC);
        if (*ret_fd < 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s; set TMPDIR to a writable folder",
                                   path, strerror(errno));
        return QUORATE_OK;
}

bool client_is_woken(const struct quorate *q) {
        struct pollfd p = { .fd = q->wake_fd, .events = POLLIN };

        return poll(&p, 1, 0) > 0;
}

/* The file that VACUUM INTO writes, which has to have a name until SQLite has opened it. */
struct snapshot {
        const struct quorate *q;
        const char *name; /* NULL: it has lost it */
        int fd;
};

static void lose_name(struct snapshot *s) {
        if (s->name)
                (void) unlink(s->name);
        s->name = NULL;
}

static int on_progress(void *userdata) {
        struct snapshot *s = userdata;
        struct stat st;

        if (s->name && fstat(s->fd, &st) == 0 && st.st_size > 0)
                lose_name(s);
        return client_is_woken(s->q);
}

/* Others get what the tables have, not what was deleted from them: pages, and the space in them,
 * are written anew. As INTO, because that leaves every rowid as it is: sqlite.org/lang_vacuum.html
 */
static int copy_rows(sqlite3 *from, struct snapshot *to) {
        char *sql = sqlite3_mprintf("VACUUM main INTO %Q", to->name);
        int r = SQLITE_NOMEM;

        sqlite3_progress_handler(from, STEPS_BETWEEN_LOOKS, on_progress, to);
        (void) sqlite3_busy_timeout(from, BUSY_MS);
        if (sql)
                r = client_is_woken(to->q) ? SQLITE_INTERRUPT
                                           : sqlite3_exec(from, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
        return r;
}

/* Of a file in WAL mode too the copy stands alone: sqlite.org/fileformat2.html, 1.3.3. */
static bool make_rollback(int fd) {
        static const uint8_t versions[2] = { 1, 1 };

        return pwrite(fd, versions, sizeof(versions), 18) == sizeof(versions);
}

static int snapshot_failed(struct quorate *q, int result, const char *path, sqlite3 *from) {
        if (result == SQLITE_INTERRUPT)
                return QUORATE_AGAIN;
        if (result == SQLITE_NOTADB)
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: not a SQLite database; give the file of one", path);
        if (result == SQLITE_FULL)
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: no room for its snapshot; set TMPDIR to a larger folder",
                                   path);
        return client_fail(q, QUORATE_E_INPUT,
                           "%s: no copy without its deleted rows can be made: %s; look with "
                           "`sqlite3 FILE 'PRAGMA integrity_check'`, and \"VACUUM INTO 'COPY'\"",
                           path, sqlite3_errmsg(from));
}

static int snapshot_into(struct quorate *q, const char *path, const char *copy, int fd) {
        struct snapshot to = { .q = q, .name = copy, .fd = fd };
        sqlite3 *from = NULL;
        int r;

        r = sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL);
        if (r == SQLITE_OK)
                r = copy_rows(from, &to);
        lose_name(&to);
        if (r != SQLITE_OK)
                r = snapshot_failed(q, r, path, from);
        sqlite3_close(from);
        return r;
}

/* SQLite takes a file of a few bytes for an empty database; we do not. */
static bool has_header(const char *path) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char head[16];

        return fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head) &&
               memcmp(head, "SQLite format 3", sizeof(head)) == 0;
}

static int check_readable(struct quorate *q, const char *path) {
        struct stat st;

        if (stat(path, &st) < 0 || access(path, R_OK) < 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: not a file; give the SQLite file itself", path);
        if (st.st_size == 0)
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: empty, not a SQLite database; give the file of one", path);
        if (!has_header(path))
                return client_fail(q, QUORATE_E_INPUT,
                                   "%s: not a SQLite database; give the file of one", path);
        return QUORATE_OK;
}

int client_snapshot(struct quorate *q, const char *path, int *ret_fd, uint64_t *ret_len) {
        CLEANUP(fd_closep) int fd = -1;
        char copy[64];
        struct stat st;
        int r;

        r = check_readable(q, path);
        if (r)
                return r;
        r = open_temporary(q, copy, &fd);
        if (r)
                return r;
        r = snapshot_into(q, path, copy, fd);
        if (r)
                return r;
        if (!make_rollback(fd) || fstat(fd, &st) < 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s", copy, strerror(errno));
        *ret_fd = TAKE_FD(fd);
        *ret_len = (uint64_t) st.st_size;
        return QUORATE_OK;
}

static void upload_fail(struct uploading *u, const char *why) {
        (void) client_fail(u->q, QUORATE_E_REFUSED, "upload: %s", why);
        u->done = true;
}

static void send_on(struct uploading *u) {
        uint8_t unit[CHANNEL_UNIT];

        /* Until it refuses one: only that brings on_writable(). */
        while (u->left > 0 && !u->done) {
                ssize_t n = read(u->fd, unit, u->left < sizeof(unit) ? u->left : sizeof(unit));

                if (n <= 0) {
                        upload_fail(u, n < 0 ? strerror(errno)
                                             : "the file got shorter; try again when it is whole");
                        return;
                }
                if (channel_send(u->channel, BYTES(unit, n)) != CHANNEL_OK) {
                        (void) lseek(u->fd, -n, SEEK_CUR);
                        return;
                }
                u->left -= (uint64_t) n;
        }
        if (u->fn)
                u->fn(u->userdata, u->length - u->left, u->length);
        if (u->left == 0 && !u->done)
                (void) channel_finish(u->channel);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        struct uploading *u = userdata;

        u->channel = c;
        send_on(u);
}

static void on_writable(struct channel *c, void *userdata) {
        send_on(userdata);
}

/* What tables are refused for is said with its place; a database is the node's to judge later. */
static bool is_about_file(const Types__Problem *p) {
        return p->code == OUTCOME_REFUSED && strncmp(p->detail, "rule=", 5) == 0;
}

static void take_problem(struct uploading *u, const Types__Problem *p) {
        char text[512];

        if (is_about_file(p)) {
                u->is_bad_file = u->done = true;
                (void) client_bad_file(u->q, u->path, u->format, p->detail, p->text);
        } else {
                upload_fail(u, client_problem_text(p, text, sizeof(text)));
        }
}

static void take_notes(struct quorate *q, const Coordinator__UploadDone *d) {
        for (size_t i = 0; i < d->n_notes && q->n_notes < CLIENT_NOTES_MAX; i++) {
                const Types__ColumnNote *n = d->notes[i];

                q->notes[q->n_notes++] = (struct quorate_column_note){ .column = n->column,
                                                                       .name = n->name,
                                                                       .most = n->most,
                                                                       .values = n->values,
                                                                       .others = n->others,
                                                                       .row = n->row,
                                                                       .value = n->value };
        }
}

const struct quorate_column_note *quorate_upload_notes(const struct quorate *q, size_t *ret_n) {
        *ret_n = q->n_notes;
        return q->notes;
}

static void forget_notes(struct quorate *q) {
        unpacked_done(&q->uploaded);
        q->n_notes = 0;
}

static void take_answer(struct uploading *u, struct bytes frame) {
        struct unpacked *m = &u->q->uploaded; /* its notes stay */
        const Coordinator__UploadDone *d;

        forget_notes(u->q);
        if (wire_unpack(&coordinator__upload_done__descriptor, frame, NULL, m)) {
                upload_fail(u, "malformed answer");
                return;
        }
        d = m->message;
        if (d->problem && d->problem->code) {
                take_problem(u, d->problem);
        } else if (d->root.len == HASH_SIZE) {
                memcpy(u->root, d->root.data, HASH_SIZE);
                take_notes(u->q, d);
                u->ok = u->done = true;
        }
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct uploading *u = userdata;
        struct bytes frame;

        channel_consumed(c, 1);
        while (frame_reader_next(&u->frames, &data, &frame) == FRAME_OK)
                take_answer(u, frame);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct uploading *u = userdata;
        char shown[256];

        u->channel = NULL;
        u->is_lost = !u->done && code >= RPC_E_TIMEOUT;
        if (!u->done)
                upload_fail(u, *text ? text_escape(BYTES_STR(text), shown, sizeof(shown))
                                     : "the node went away");
}

static const struct channel_handler handler = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_writable = on_writable,
        .on_end = on_end,
};

static int upload_fd(struct quorate *q, struct uploading *u, const struct quorate_input *input) {
        Coordinator__UploadOpen open = COORDINATOR__UPLOAD_OPEN__INIT;
        int r;

        open.name = (char *) input->name;
        open.format = (char *) u->format;
        open.length = u->length;
        open.is_public = input->is_public;
        u->channel = channel_open_message(bus_client_link(q->bus), "upload", &open, &handler, u);
        if (!u->channel)
                return client_fail(q, QUORATE_E_LOST,
                                   "the node went away; look at `quorate doctor`");
        r = client_wait(q, &u->done, NSEC_NEVER);
        if (u->channel)
                channel_reset(u->channel, 0, "done");
        if (r != QUORATE_OK)
                return r;
        if (u->ok)
                return QUORATE_OK;
        if (u->is_bad_file)
                return QUORATE_E_INPUT;
        return u->is_lost ? QUORATE_E_LOST : QUORATE_E_REFUSED;
}

int client_upload(struct quorate *q, const struct quorate_input *input, quorate_upload_fn fn,
                  void *userdata, uint8_t ret_root[32]) {
        struct uploading u = {
                .q = q, .root = ret_root, .path = input->path, .fn = fn, .userdata = userdata
        };
        struct data_file f;
        int r = data_file_open(q, input->path, &f);

        forget_notes(q);
        if (r)
                return r;
        u.fd = f.fd;
        u.left = u.length = f.length;
        u.format = f.format;
        frame_reader_init(&u.frames, 64 << 10);
        r = lseek(f.fd, 0, SEEK_SET) < 0
                    ? client_fail(q, QUORATE_E_INPUT, "%s: %s", input->path, strerror(errno))
                    : upload_fd(q, &u, input);
        frame_reader_done(&u.frames);
        (void) fd_close(f.fd);
        return r;
}
