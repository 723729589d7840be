#include "services/worker/duckdb/duckdb_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/crypto/hash.h"

/* No descriptor of the kernel's is as high: see RLIMIT_NOFILE in confine.c. */
#define FD_FIRST 0x10000000
#define OPEN_MAX 128

static struct {
        const struct engine_job *job;
        uint64_t n_random;
        struct open_file {
                const struct engine_input *input; /* NULL: free */
                off_t at;
        } open[OPEN_MAX];
} files;

static int fail(int error) {
        errno = error;
        return -1;
}

void duckdb_files_seal(const struct engine_job *job) {
        memset(&files, 0, sizeof(files));
        files.job = job;
}

bool duckdb_files_are_sealed(void) {
        return files.job != NULL;
}

const char *duckdb_files_path(size_t input, char ret[DUCKDB_PATH_SIZE]) {
        (void) snprintf(ret, DUCKDB_PATH_SIZE, "/q/%zu", input);
        return ret;
}

/* Length of the path of an input at `at`, and which; 0: none. */
static size_t path_at(const char *at, const struct engine_input **ret) {
        char path[DUCKDB_PATH_SIZE];

        for (size_t i = files.job->n_inputs; i > 0; i--) {
                size_t n = strlen(duckdb_files_path(i - 1, path));

                *ret = &files.job->inputs[i - 1];
                if (strncmp(at, path, n) == 0 && (at[n] < '0' || at[n] > '9'))
                        return n;
        }
        return 0;
}

void duckdb_files_name(char *text, size_t size) {
        CLEANUP(freep) char *from = xstrdup(text);
        size_t to = 0, n;

        for (const char *at = from; files.job && *at && to + 1 < size; at += n) {
                const struct engine_input *in = NULL;
                size_t path = path_at(at, &in), len = path ? strlen(in->name) : 1;

                n = path ? path : 1;
                if (len > size - 1 - to)
                        len = size - 1 - to;
                memcpy(text + to, path ? in->name : at, len);
                to += len;
                text[to] = 0;
        }
}

static const struct engine_input *input_of(const char *path) {
        char name[DUCKDB_PATH_SIZE];

        for (size_t i = 0; i < files.job->n_inputs; i++) {
                if (files.job->inputs[i].data && strcmp(path, duckdb_files_path(i, name)) == 0)
                        return &files.job->inputs[i];
        }
        return NULL;
}

static struct open_file *file_of(int fd) {
        return duckdb_files_owns(fd) && files.open[fd - FD_FIRST].input ? &files.open[fd - FD_FIRST]
                                                                        : NULL;
}

bool duckdb_files_owns(int fd) {
        return fd >= FD_FIRST && fd < FD_FIRST + OPEN_MAX;
}

int duckdb_files_open(const char *path, int flags) {
        const struct engine_input *input = input_of(path);

        if (!input || (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)))
                return fail(EACCES);
        for (int i = 0; i < OPEN_MAX; i++) {
                const struct engine_input *none = NULL;

                /* Whose it is, with one step: a build for tests may have several threads. */
                if (!__atomic_compare_exchange_n(&files.open[i].input, &none, input, false,
                                                 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                        continue;
                files.open[i].at = 0;
                return FD_FIRST + i;
        }
        return fail(EMFILE);
}

int duckdb_files_close(int fd) {
        struct open_file *f = file_of(fd);

        if (!f)
                return fail(EBADF);
        f->input = NULL;
        return 0;
}

ssize_t duckdb_files_pread(int fd, void *data, size_t size, off_t offset) {
        const struct open_file *f = file_of(fd);
        uint64_t at = (uint64_t) offset;

        if (!f)
                return fail(EBADF);
        if (offset < 0)
                return fail(EINVAL);
        if (at >= f->input->length)
                return 0;
        if (size > f->input->length - at)
                size = f->input->length - at;
        memcpy(data, f->input->data + at, size);
        return (ssize_t) size;
}

ssize_t duckdb_files_read(int fd, void *data, size_t size) {
        struct open_file *f = file_of(fd);
        ssize_t n = f ? duckdb_files_pread(fd, data, size, f->at) : fail(EBADF);

        if (n > 0)
                f->at += n;
        return n;
}

off_t duckdb_files_seek(int fd, off_t offset, int whence) {
        struct open_file *f = file_of(fd);
        off_t from = 0, to;

        if (!f)
                return fail(EBADF);
        if (whence == SEEK_CUR)
                from = f->at;
        else if (whence == SEEK_END)
                from = (off_t) f->input->length;
        else if (whence != SEEK_SET)
                return fail(EINVAL);
        if (__builtin_add_overflow(from, offset, &to) || to < 0)
                return fail(EINVAL);
        f->at = to;
        return to;
}

/* The same on every host: nothing in an answer may come from it. */
static int fill(const struct engine_input *input, struct stat *ret) {
        *ret = (struct stat){
                .st_mode = S_IFREG | 0444,
                .st_nlink = 1,
                .st_ino = (ino_t) (input - files.job->inputs) + 1,
                .st_size = (off_t) input->length,
                .st_blksize = 4096,
        };
        return 0;
}

int duckdb_files_stat(const char *path, struct stat *ret) {
        const struct engine_input *input = input_of(path);

        return input ? fill(input, ret) : fail(EACCES);
}

int duckdb_files_fstat(int fd, struct stat *ret) {
        const struct open_file *f = file_of(fd);

        return f ? fill(f->input, ret) : fail(EBADF);
}

void duckdb_files_time(struct timespec *ret) {
        int64_t us = files.job->time_us, below = us % 1000000;

        below += below < 0 ? 1000000 : 0;
        ret->tv_sec = (us - below) / 1000000;
        ret->tv_nsec = below * 1000;
}

void duckdb_files_random(void *ret, size_t size) {
        uint8_t *at = ret;

        while (size > 0) {
                struct hash_value v;
                struct hash h;
                size_t n = size < sizeof(v.bytes) ? size : sizeof(v.bytes);

                hash_begin(&h, "quorate.random.1");
                hash_update(&h, files.job->seed, sizeof(files.job->seed));
                hash_update(&h, &files.n_random, sizeof(files.n_random));
                v = hash_end(&h);
                files.n_random++;
                memcpy(at, v.bytes, n);
                at += n;
                size -= n;
        }
}
