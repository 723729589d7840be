#pragma once

/* The rows of a described table file as typed values, for an engine that takes them
 * over. Each value is checked again against the published schema: a manifest is what
 * somebody wrote. Pure. */

#include "services/worker/engine.h"
#include "services/worker/tables/table.h"

struct table_value {
        enum cell_type type; /* NULL, INTEGER, REAL, TEXT */
        union {
                int64_t integer;
                double real;
        };
        /* TEXT; of a DATE as in the file, of a TIMESTAMP "YYYY-MM-DD HH:MM:SS[.f]" without
         * zeros at the end. A view until the next row. */
        struct bytes text;
};

struct table_rows;

/* `in` must outlive it. *ret_schema is the table's, owned by the rows; of DECIMAL
 * columns come REAL values. TABLE_OK or TABLE_E_BAD. */
int table_rows_open(const struct engine_input *in, struct table_watch watch,
                    struct table_fault *fault, struct table_rows **ret);
struct table_rows *table_rows_free(struct table_rows *r);
DEFINE_CLEANUP(struct table_rows *, table_rows_free);

const struct schema *table_rows_schema(const struct table_rows *r);
/* One value for each column of the schema. TABLE_OK, TABLE_END, TABLE_E_BAD, TABLE_E_OVER. */
int table_rows_next(struct table_rows *r, const struct table_value **ret);
