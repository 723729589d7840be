#pragma once

/* The tables of statements.c, without a row in them. */

#include "tests/unit/worker/duckdb/support.h"

struct column {
        const char *name;
        enum cell_type type;
};

static const struct column columns_t[] = {
        { "id", CELL_INTEGER },  { "a", CELL_INTEGER },     { "b", CELL_INTEGER },
        { "c", CELL_TEXT },      { "d", CELL_DECIMAL },     { "f", CELL_DATE },
        { "g", CELL_TIMESTAMP }, { "r", CELL_REAL },        { "ls", CELL_LIST },
        { "iv", CELL_INTERVAL }, { "z", CELL_TIMESTAMPTZ },
};
static const struct column columns_u[] = { { "a", CELL_INTEGER },
                                           { "k", CELL_TEXT },
                                           { "g", CELL_TIMESTAMP } };

static inline void fixture_table(struct fixture *f, const char *name, struct buffer *schema,
                                 const struct column *columns, size_t n) {
        struct engine_input *in = fixture_input(f, name, "parquet");

        buffer_init(schema, 1 << 16);
        buffer_put_u8(schema, 2);
        schema_begin(schema, n);
        for (size_t i = 0; i < n; i++) {
                schema_put_name(schema, BYTES_STR(columns[i].name));
                if (columns[i].type == CELL_DECIMAL)
                        schema_put_decimal(schema, 10, 2);
                else
                        schema_put_type(schema, columns[i].type);
                if (columns[i].type == CELL_LIST)
                        schema_put_type(schema, CELL_INTEGER);
        }
        in->schema = buffer_bytes(schema);
}

/* schemas: initialised here, to be freed after fixture_done(). */
static inline void fixture_open_empty(struct fixture *f, struct buffer schemas[2]) {
        int r;

        f->job.memory = UINT64_C(512) << 20;
        f->job.time_us = INT64_C(1700000000123456);
        fixture_table(f, "t", &schemas[0], columns_t, ELEMENTSOF(columns_t));
        fixture_table(f, "u", &schemas[1], columns_u, ELEMENTSOF(columns_u));
        r = fixture_open(f);
        if (r)
                print_message("# open: %s %s\n", f->problem.detail, f->problem.text);
        assert_int_equal(r, ENGINE_OK);
}
