#include "common/canonical/batch.h"

#include "common/base/error.h"

/* A full batch, and the row that did not fit in it; the slack is what writers
 * reserve beyond what they use. */
#define BUILDER_BYTES_MAX (BATCH_BYTES_MAX + ROW_BYTES_MAX + 64)

void batch_init(struct batch_builder *b) {
        *b = (struct batch_builder){};
        buffer_init(&b->bytes, BUILDER_BYTES_MAX);
}

void batch_done(struct batch_builder *b) {
        buffer_done(&b->bytes);
}

static int make_ready(struct batch_builder *b, size_t len, size_t n_rows) {
        b->ready_len = len;
        b->ready_rows = n_rows;
        return BATCH_READY;
}

int batch_end_row(struct batch_builder *b) {
        check(b->ready_rows == 0);
        if (b->bytes.failed || b->bytes.len == b->row_start ||
            b->bytes.len - b->row_start > ROW_BYTES_MAX)
                return BATCH_E_ROW;
        if (b->n_rows > 0 && b->bytes.len > BATCH_BYTES_MAX)
                return make_ready(b, b->row_start, b->n_rows);
        b->n_rows++;
        b->row_start = b->bytes.len;
        if (b->n_rows == BATCH_ROWS_MAX)
                return make_ready(b, b->bytes.len, b->n_rows);
        return BATCH_OK;
}

void batch_drop_row(struct batch_builder *b) {
        b->bytes.len = b->row_start;
        b->bytes.failed = false;
}

int batch_finish(struct batch_builder *b) {
        check(b->ready_rows == 0 && b->bytes.len == b->row_start);
        return b->n_rows > 0 ? make_ready(b, b->bytes.len, b->n_rows) : BATCH_OK;
}

struct bytes batch_ready(const struct batch_builder *b) {
        return BYTES(b->bytes.data, b->ready_len);
}

size_t batch_ready_rows(const struct batch_builder *b) {
        return b->ready_rows;
}

void batch_next(struct batch_builder *b) {
        buffer_consume(&b->bytes, b->ready_len);
        b->n_rows = b->bytes.len > 0;
        b->row_start = b->bytes.len;
        b->ready_len = b->ready_rows = 0;
}

struct hash_value batch_digest(struct bytes batch) {
        return hash_of("quorate.batch.1", batch);
}

struct hash_value row_digest(struct bytes row) {
        return hash_of("quorate.row.1", row);
}

int row_read(struct reader *r, const struct schema *schema, struct cell *cells,
             size_t *ret_column) {
        for (size_t i = 0; i < schema->n_columns; i++) {
                int result = cell_read(r, &cells[i]);

                if (!result && !schema_admits(schema->columns[i], &cells[i]))
                        result = CELL_E_TYPE;
                if (result) {
                        *ret_column = i;
                        return result;
                }
        }
        return CELL_OK;
}

void batch_read(struct batch_reader *r, const struct schema *schema, struct bytes batch) {
        *r = (struct batch_reader){ .schema = schema, .reader = reader_of(batch) };
}

/* What no builder would have made: see batch_end_row(). */
static bool is_proper(const struct batch_reader *r) {
        return r->n_rows > 0 && r->n_rows <= BATCH_ROWS_MAX &&
               (r->reader.len <= BATCH_BYTES_MAX ||
                (r->n_rows == 1 && r->reader.len <= ROW_BYTES_MAX));
}

int batch_read_row(struct batch_reader *r, struct cell *cells, struct bytes *ret_row) {
        size_t start = r->reader.pos;

        if (start == r->reader.len)
                return is_proper(r) ? BATCH_READY : BATCH_E_SIZE;
        if (r->schema->n_columns == 0 || r->n_rows == BATCH_ROWS_MAX)
                return BATCH_E_SIZE;
        r->result = row_read(&r->reader, r->schema, cells, &r->column);
        if (r->result)
                return BATCH_E_CELL;
        r->n_rows++;
        if (ret_row)
                *ret_row = BYTES(r->reader.data + start, r->reader.pos - start);
        return BATCH_OK;
}
