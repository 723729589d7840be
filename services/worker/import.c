#include "services/worker/import.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/image.h"

/* ---- rows of table files ---- */

struct file_rows {
        struct import_rows base;
        const struct engine_input *input;
        struct table_rows *rows;
        struct table_fault fault;
};

static struct import_rows *file_free(struct import_rows *base) {
        struct file_rows *f = (struct file_rows *) base;

        if (!f)
                return NULL;
        table_rows_free(f->rows);
        free(f);
        return NULL;
}

static int file_next(struct import_rows *base, const struct table_value **ret,
                     struct engine_problem *p) {
        struct file_rows *f = (struct file_rows *) base;
        int r = table_rows_next(f->rows, ret);

        return r == TABLE_END ? ENGINE_END : tables_problem(f->input, r, &f->fault, p);
}

int import_table_rows(const struct engine_job *job, struct import_rows **ret,
                      struct engine_problem *p) {
        const struct table_watch watch = { job->is_over, job->userdata, 0 };
        struct file_rows *f = xnew(struct file_rows);
        int r;

        *f = (struct file_rows){ .base = { .next = file_next, .free = file_free },
                                 .input = &job->inputs[0] };
        r = tables_problem(f->input, table_rows_open(f->input, watch, &f->fault, &f->rows),
                           &f->fault, p);
        if (r) {
                file_free(&f->base);
                return r;
        }
        f->base.schema = table_rows_schema(f->rows);
        *ret = &f->base;
        return ENGINE_OK;
}

/* ---- two passes ---- */

struct writing {
        import_batch_fn take;
        void *userdata;
        struct buffer batch;
        struct import_result result;
        struct engine_problem *problem;
};

static int flush(struct writing *w) {
        int r;

        if (w->batch.len == 0)
                return ENGINE_OK;
        r = w->take(w->userdata, buffer_bytes(&w->batch), w->problem);
        w->result.batches++;
        buffer_clear(&w->batch);
        return r;
}

static int on_page(void *userdata, const uint8_t *page) {
        struct writing *w = userdata;

        buffer_put(&w->batch, page, IMAGE_PAGE);
        w->result.bytes += IMAGE_PAGE;
        return w->batch.len == IMPORT_BATCH ? flush(w) : ENGINE_OK;
}

static int count(struct import_rows *rows, struct image_size *ret, struct engine_problem *p) {
        const struct table_value *values;
        int r;

        while ((r = rows->next(rows, &values, p)) == ENGINE_OK)
                image_count(ret, values, rows->schema->n_columns);
        if (r == ENGINE_END && image_pages(rows->schema, ret) > 0)
                return ENGINE_OK;
        if (r != ENGINE_END)
                return r;
        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1,
                                  "more rows than a SQLite file can have; ask hosts with DuckDB");
        (void) snprintf(p->detail, sizeof(p->detail), "which=import");
        return ENGINE_E_PROBLEM;
}

static int write_rows(struct import_rows *rows, struct image *image, struct writing *w) {
        const struct table_value *values;
        int r = image_begin(image);

        while (r == ENGINE_OK && (r = rows->next(rows, &values, w->problem)) == ENGINE_OK)
                r = image_add(image, values);
        if (r == ENGINE_END)
                r = image_end(image);
        if (r == ENGINE_OK)
                r = flush(w);
        /* Bytes that changed between the passes, or no memory. */
        return r < 0 ? engine_problem_set(w->problem, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                          "the table could not be written twice alike")
                     : r;
}

static int second_pass(struct import_rows *rows, const struct image_size *size, struct writing *w) {
        CLEANUP(image_freep) struct image *image = image_new(rows->schema, size, on_page, w);
        int r;

        buffer_init(&w->batch, IMPORT_BATCH);
        r = write_rows(rows, image, w);
        w->result.rows = size->rows;
        buffer_done(&w->batch);
        return r;
}

int import_write(import_open_fn rows_of, import_batch_fn take, void *userdata,
                 struct import_result *ret, struct engine_problem *p) {
        struct writing w = { .take = take, .userdata = userdata, .problem = p };
        struct import_rows *rows = NULL;
        struct image_size size = {};
        int r = rows_of(userdata, &rows, p);

        if (r == ENGINE_OK)
                r = count(rows, &size, p);
        if (rows)
                rows = rows->free(rows);
        if (r == ENGINE_OK)
                r = rows_of(userdata, &rows, p);
        if (r == ENGINE_OK)
                r = second_pass(rows, &size, &w);
        if (rows)
                rows->free(rows);
        *ret = w.result;
        return r;
}
