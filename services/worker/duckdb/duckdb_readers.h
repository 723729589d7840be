#pragma once

/* Columns of DuckDB's vectors as canonical cells. A reader is made once per column of a
 * result, from the type it has and the type declared, and bound to each chunk's vector. */

#include "common/canonical/schema.h"
#include "services/worker/duckdb/duckdb_api.h"

enum duckdb_put {
        DUCKDB_PUT_OK = 0,
        DUCKDB_PUT_E_CAST,  /* not exactly of the declared type, or of none */
        DUCKDB_PUT_E_LARGE, /* no memory for it, or beyond what a row may hold */
};

struct duckdb_reader;
typedef int (*duckdb_put_fn)(const struct duckdb_reader *r, uint64_t row, struct buffer *b);

struct duckdb_reader {
        duckdb_put_fn put;
        const void *data;         /* of the vector bound */
        const uint64_t *validity; /* NULL: nothing is NULL */
        duckdb_put_fn inner;      /* of the values in it, where `put` is a cast */
        uint8_t scale;            /* DECIMAL: of the vector */
        uint8_t scale_max;        /* DECIMAL: of the declared type */
        duckdb_type id;
        uint64_t array_size;
        size_t n_children;
        struct duckdb_reader *children; /* LIST 1, STRUCT n, MAP 2 */
        struct bytes name;              /* of a member of a STRUCT; a view */
        struct bytes *words;            /* ENUM; own */
        size_t n_words;
};

/* Names are views into the schema that `declared` belongs to. */
void duckdb_reader_init(struct duckdb_reader *r, duckdb_logical_type type,
                        const struct schema_type *declared);
void duckdb_reader_done(struct duckdb_reader *r);
void duckdb_reader_bind(struct duckdb_reader *r, duckdb_vector vector);

static inline bool duckdb_is_null(const struct duckdb_reader *r, uint64_t row) {
        return r->validity && !(r->validity[row / 64] >> (row % 64) & 1);
}
/* Appends one cell. enum duckdb_put. */
static inline int duckdb_put_cell(const struct duckdb_reader *r, uint64_t row, struct buffer *b) {
        if (duckdb_is_null(r, row)) {
                cell_put_null(b);
                return DUCKDB_PUT_OK;
        }
        return r->put(r, row, b);
}
