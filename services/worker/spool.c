#include "services/worker/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/batch.h"
#include "common/client/spool_format.h"

/* Two descriptions of one file without a name: the executor's can only write, so
 * that a lie in it is no way to read. (O_TMPFILE would need /proc to be opened twice.) */
static int open_unlinked(int directory, int *ret_read, int *ret_write) {
        static unsigned counter;
        CLEANUP(fd_closep) int writer = -1;
        char name[64];

        (void) snprintf(name, sizeof(name), "spool.%d.%u", (int) getpid(), counter++);
        writer = openat(directory, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (writer < 0)
                return error_origin(-errno);
        *ret_read = openat(directory, name, O_RDONLY | O_CLOEXEC);
        if (unlinkat(directory, name, 0) < 0 || *ret_read < 0)
                return error_origin(-errno);
        *ret_write = TAKE_FD(writer);
        return 0;
}

static void file_close(struct spool_file *f) {
        f->fd = fd_close(f->fd);
        f->write_fd = fd_close(f->write_fd);
}

static int file_take(struct spool_store *store, struct spool_file *ret) {
        if (store->n_idle > 0) {
                *ret = store->idle[--store->n_idle];
                return 0;
        }
        return open_unlinked(store->directory, &ret->fd, &ret->write_fd);
}

/* Only a file that is empty, and whose last writer starts at its beginning. */
static void file_give(struct spool_store *store, struct spool_file *f) {
        if (store->n_idle == SPOOL_IDLE_MAX || ftruncate(f->write_fd, 0) < 0 ||
            lseek(f->write_fd, 0, SEEK_SET) != 0)
                file_close(f);
        else
                store->idle[store->n_idle++] = *f;
}

void spool_store_init(struct spool_store *store, int directory, uint64_t limit) {
        *store = (struct spool_store){ .directory = directory };
        budget_init(&store->budget, limit, NULL);
}

void spool_store_done(struct spool_store *store) {
        while (store->n_idle > 0)
                file_close(&store->idle[--store->n_idle]);
}

int spool_open(struct spool *s, struct spool_store *store, uint64_t limit) {
        int r;

        *s = (struct spool){ .file = { -1, -1 } };
        if (budget_take(&store->budget, limit))
                return SPOOL_E_QUOTA;
        s->store = store;
        s->limit = limit;
        s->has_writer = true;
        r = file_take(store, &s->file);
        if (r < 0)
                spool_done(s);
        return r;
}

void spool_writer_ended(struct spool *s) {
        s->has_writer = false;
}

void spool_done(struct spool *s) {
        if (s->store) {
                if (s->has_writer)
                        file_close(&s->file);
                else
                        file_give(s->store, &s->file);
                budget_give(&s->store->budget, s->limit);
        }
        free(s->entries);
        *s = (struct spool){ .file = { -1, -1 } };
}

void spool_shrink(struct spool *s) {
        if (s->end < s->limit) {
                budget_give(&s->store->budget, s->limit - s->end);
                s->limit = s->end;
        }
}

static int index_one(struct spool *s) {
        uint8_t header[SPOOL_HEADER_SIZE];
        uint64_t left = s->limit - s->end;
        uint32_t length;

        if (left < SPOOL_RECORD_EXTRA ||
            pread(s->file.fd, header, sizeof(header), (off_t) s->end) != (ssize_t) sizeof(header))
                return SPOOL_E_MALFORMED;
        length = load_be32(header);
        if (length == 0 || length > ROW_BYTES_MAX || length > left - SPOOL_RECORD_EXTRA)
                return SPOOL_E_MALFORMED;
        if (s->n == s->capacity) {
                s->capacity = s->capacity ? s->capacity * 2 : 16;
                s->entries = xrealloc(s->entries, s->capacity * sizeof(*s->entries));
        }
        s->entries[s->n++] = (struct spool_entry){ s->end + SPOOL_HEADER_SIZE, length };
        s->end += SPOOL_RECORD_EXTRA + length;
        return SPOOL_OK;
}

int spool_index(struct spool *s, uint64_t n) {
        if (n > SPOOL_BATCHES_MAX)
                return SPOOL_E_MALFORMED;
        while (s->n < n) {
                int r = index_one(s);

                if (r)
                        return r;
        }
        return SPOOL_OK;
}

static int read_at(const struct spool *s, void *ret, size_t n, uint64_t offset) {
        for (size_t done = 0; done < n;) {
                ssize_t r =
                        pread(s->file.fd, (char *) ret + done, n - done, (off_t) (offset + done));

                if (r < 0)
                        return error_origin(-errno);
                if (r == 0)
                        return SPOOL_E_MALFORMED;
                done += (size_t) r;
        }
        return SPOOL_OK;
}

int spool_read(const struct spool *s, uint64_t index, struct buffer *b) {
        uint8_t *at;
        int r;

        if (index >= s->n)
                return SPOOL_E_NONE;
        at = buffer_reserve(b, s->entries[index].length);
        if (!at)
                return error_origin(-ENOMEM);
        r = read_at(s, at, s->entries[index].length, s->entries[index].offset);
        if (r == SPOOL_OK)
                b->len += s->entries[index].length;
        return r;
}

int spool_digest(const struct spool *s, uint64_t index, struct hash_value *ret) {
        if (index >= s->n)
                return SPOOL_E_NONE;
        return read_at(s, ret->bytes, HASH_SIZE,
                       s->entries[index].offset + s->entries[index].length);
}
