#include "services/ctl/rows_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/canonical/qrows.h"
#include "common/canonical/schema.h"

struct rows_file {
        char *path, *tmp;
        FILE *out;
        struct qrows_writer writer;
        struct buffer buffer;
        bool begun, finished;
};

struct rows_file *rows_file_new(const char *path) {
        struct rows_file *f = xnew(struct rows_file);

        f->path = xstrdup(path);
        f->tmp = xasprintf("%s.part", path);
        f->out = fopen(f->tmp, "we");
        buffer_init(&f->buffer, QROWS_FRAME_MAX + SCHEMA_BYTES_MAX);
        return f->out ? f : rows_file_free(f);
}

static int flush(struct rows_file *f) {
        if (f->buffer.failed) {
                errno = ENOMEM;
                return -1;
        }
        if (fwrite(f->buffer.data, 1, f->buffer.len, f->out) != f->buffer.len)
                return -1;
        buffer_clear(&f->buffer);
        return 0;
}

static int begin(struct rows_file *f, struct quorate_result *r) {
        size_t len;
        const void *schema = quorate_schema(r, &len);

        if (f->begun)
                return 0;
        f->begun = true;
        qrows_begin(&f->writer, BYTES(schema, len), &f->buffer);
        return flush(f);
}

int rows_file_take(struct rows_file *f, struct quorate_result *r) {
        size_t len;
        const void *batch = quorate_batch(r, &len);

        if (!batch)
                return 0;
        if (begin(f, r))
                return -1;
        qrows_put(&f->writer, BYTES(batch, len), &f->buffer);
        return flush(f);
}

int rows_file_finish(struct rows_file *f, struct quorate_result *r) {
        if (begin(f, r))
                return -1;
        qrows_end(&f->writer, &f->buffer);
        if (flush(f) || fflush(f->out) || fsync(fileno(f->out)) || rename(f->tmp, f->path))
                return -1;
        f->finished = true;
        return 0;
}

struct rows_file *rows_file_free(struct rows_file *f) {
        int e = errno;

        if (!f)
                return NULL;
        if (f->out)
                fclose(f->out);
        if (f->out && !f->finished)
                (void) unlink(f->tmp);
        buffer_done(&f->buffer);
        free(f->path);
        free(f->tmp);
        free(f);
        errno = e;
        return NULL;
}
