#pragma once

/* Rows put into batches, and batches read back row by row. A batch is what is
 * hashed, sent and resumed; where it ends is fixed (README.md, "Batches"), so
 * that every host cuts the same rows at the same places. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/canonical/schema.h"
#include "common/crypto/hash.h"

#define BATCH_ROWS_MAX  4096
#define BATCH_BYTES_MAX (1u << 20)
#define ROW_BYTES_MAX   (16u << 20) /* a row larger than a batch is a batch of its own */

enum batch_result {
        BATCH_OK = 0,
        BATCH_READY,      /* batch_ready() has one; take it, then batch_next() */
        BATCH_E_ROW,      /* empty, longer than ROW_BYTES_MAX, or no memory was left */
        BATCH_E_CELL,     /* reading: `result` and `column` of the reader say which */
        BATCH_E_SIZE,     /* reading: empty, or more rows or bytes than a batch holds */
        BATCH_E_LIMIT,    /* answer.h: more rows or bytes than the job's limits */
        BATCH_E_SET_ROWS, /* answer.h: row 2^20 + 1 of a SET */
        BATCH_E_BUDGET,   /* answer.h: the budget refused */
};

struct batch_builder {
        struct buffer bytes;
        size_t row_start; /* the row being written begins here */
        size_t n_rows;    /* complete rows before it */
        size_t ready_len, ready_rows;
};

void batch_init(struct batch_builder *b);
void batch_done(struct batch_builder *b);

/* Write the cells of one row into b->bytes, then end it. On BATCH_READY call
 * batch_ready() and batch_next() before the next row. */
int batch_end_row(struct batch_builder *b);
void batch_drop_row(struct batch_builder *b); /* forgets what was written since the last end */
/* After the last row. BATCH_READY when rows are left, else BATCH_OK. */
int batch_finish(struct batch_builder *b);

struct bytes batch_ready(const struct batch_builder *b); /* valid until batch_next() */
size_t batch_ready_rows(const struct batch_builder *b);
/* Drops the ready batch; a row that did not fit in it begins the next one. */
void batch_next(struct batch_builder *b);

struct hash_value batch_digest(struct bytes batch);
struct hash_value row_digest(struct bytes row);

/* Reads a foreign batch. */
struct batch_reader {
        const struct schema *schema;
        struct reader reader;
        size_t n_rows;
        int result;    /* enum cell_result of the cell refused */
        size_t column; /* where */
};

void batch_read(struct batch_reader *r, const struct schema *schema, struct bytes batch);
/* Fills cells[schema->n_columns] with views into the batch. Returns BATCH_OK, or
 * BATCH_READY at the end of a whole and proper batch, or BATCH_E_CELL, BATCH_E_SIZE. */
int batch_read_row(struct batch_reader *r, struct cell *cells, struct bytes *ret_row);

/* One row alone: CELL_OK or what is wrong in *ret_column. */
int row_read(struct reader *r, const struct schema *schema, struct cell *cells, size_t *ret_column);
