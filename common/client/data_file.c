#include "common/client/data_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/client/internal.h"
#include "common/daemon/io.h"

#define COPY_SIZE (1u << 20)

/* By the end of a name: a format, or why there is none. */
static const struct {
        const char *end, *format, *why;
} ends[] = {
        { ".csv", "csv", NULL },
        { ".tsv", "csv", NULL },
        { ".ndjson", "ndjson", NULL },
        { ".jsonl", "ndjson", NULL },
        { ".json", NULL,
          "one JSON document is no table; give one object on each line, in a file that ends in "
          ".ndjson (`jq -c '.[]'` writes such)" },
        { ".parquet", NULL, "not a Parquet file, whatever its name; give one that is whole" },
        { ".gz", NULL, "compressed; give the file itself, unpacked with gunzip" },
        { ".zst", NULL, "compressed; give the file itself, unpacked with unzstd" },
        { ".xlsx", NULL, "a spreadsheet; give it saved as CSV in UTF-8" },
};

static const char *end_of(const char *path) {
        const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

        return dot ? dot : "";
}

/* NULL: none; *ret_why says what to do. */
static const char *format_of(int fd, const char *path, const char **ret_why) {
        uint8_t head[16] = {};
        ssize_t n = pread(fd, head, sizeof(head), 0);

        *ret_why = "not a SQLite database; give the file of one, a Parquet file, or a table whose "
                   "name ends in .csv, .tsv, .ndjson or .jsonl";
        if (n == sizeof(head) && memcmp(head, "SQLite format 3", sizeof(head)) == 0)
                return "sqlite";
        if (n >= 4 && memcmp(head, "PAR1", 4) == 0)
                return "parquet";
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                if (strcasecmp(end_of(path), ends[i].end) != 0)
                        continue;
                *ret_why = ends[i].why;
                return ends[i].format;
        }
        return NULL;
}

/* *ret is closed unless QUORATE_OK. */
static int open_file(struct quorate *q, const char *path, struct data_file *ret) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        const char *why;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return client_fail(q, QUORATE_E_INPUT, "%s: not a file; give the file itself",
                                   path);
        *ret = (struct data_file){ .fd = -1, .length = (uint64_t) st.st_size };
        ret->format = format_of(fd, path, &why);
        if (!ret->format)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s%s", path,
                                   st.st_size ? "" : "empty, ", why);
        if (st.st_size == 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: empty; give a table with its rows",
                                   path);
        ret->fd = TAKE_FD(fd);
        return QUORATE_OK;
}

int data_file_open(struct quorate *q, const char *path, struct data_file *ret) {
        int r = open_file(q, path, ret);

        if (r || strcmp(ret->format, "sqlite") != 0)
                return r;
        ret->fd = fd_close(ret->fd);
        return client_snapshot(q, path, &ret->fd, &ret->length);
}

static int copy_bytes(struct quorate *q, const char *path, const struct data_file *f, int to) {
        CLEANUP(freep) uint8_t *part = xmalloc(COPY_SIZE);

        for (uint64_t at = 0; at < f->length;) {
                ssize_t n = pread(f->fd, part, COPY_SIZE, (off_t) at);

                if (n <= 0)
                        return client_fail(q, QUORATE_E_INPUT, "%s: %s", path,
                                           n < 0 ? strerror(errno)
                                                 : "it got shorter; try again when it is whole");
                if ((uint64_t) n > f->length - at)
                        n = (ssize_t) (f->length - at);
                if (client_is_woken(q))
                        return QUORATE_AGAIN;
                if (io_write_at(to, BYTES(part, (size_t) n), at) < 0)
                        return client_fail(q, QUORATE_E_INPUT,
                                           "%s: no room for its copy; set TMPDIR to a larger "
                                           "folder",
                                           path);
                at += (uint64_t) n;
        }
        return QUORATE_OK;
}

int data_file_copy(struct quorate *q, const char *path, const struct data_file *f, int *ret_fd) {
        const char *folder = getenv("TMPDIR");
        CLEANUP(fd_closep) int to = -1;
        int r;

        folder = folder && *folder ? folder : "/tmp";
        to = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (to < 0)
                return client_fail(q, QUORATE_E_INPUT, "%s: %s; set TMPDIR to a writable folder",
                                   folder, strerror(errno));
        r = copy_bytes(q, path, f, to);
        if (r == QUORATE_OK)
                *ret_fd = TAKE_FD(to);
        return r;
}

/* ---- names ---- */

/* Anything else becomes one _ , however long. */
static void make_identifier(const char *from, size_t len, char ret[DATA_NAME_SIZE]) {
        size_t n = 0;

        if (len == 0 || isdigit((unsigned char) *from))
                ret[n++] = 't';
        if (n && len)
                ret[n++] = '_';
        for (size_t i = 0; i < len && n < DATA_NAME_SIZE - 1; i++) {
                bool is_good = isalnum((unsigned char) from[i]) || from[i] == '_';

                if (is_good)
                        ret[n++] = from[i];
                else if (n == 0 || ret[n - 1] != '_')
                        ret[n++] = '_';
        }
        ret[n] = 0;
}

bool data_file_is_table(const char *path) {
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        const char *why, *format = fd >= 0 ? format_of(fd, path, &why) : NULL;

        return format && strcmp(format, "sqlite") != 0;
}

void data_file_name(const char *path, char ret[DATA_NAME_SIZE]) {
        const char *slash = strrchr(path, '/'), *stem = slash ? slash + 1 : path,
                   *end = end_of(path);

        (void) strcpy(ret, "main");
        if (data_file_is_table(path))
                make_identifier(stem, *end ? (size_t) (end - stem) : strlen(stem), ret);
}

int data_file_names(struct quorate *q, const struct quorate_input *inputs, size_t n,
                    char (*ret)[DATA_NAME_SIZE]) {
        for (size_t i = 0; i < n; i++) {
                if (inputs[i].name)
                        (void) snprintf(ret[i], DATA_NAME_SIZE, "%s", inputs[i].name);
                else if (inputs[i].path)
                        data_file_name(inputs[i].path, ret[i]);
                else
                        (void) strcpy(ret[i], "main");
                for (size_t k = 0; k < i; k++) {
                        if (strcasecmp(ret[i], ret[k]) == 0)
                                return client_fail(q, QUORATE_E_USAGE,
                                                   "two inputs are called '%s'; give one another "
                                                   "name with --data NAME=FILE",
                                                   ret[i]);
                }
        }
        return QUORATE_OK;
}
