#include "services/worker/tables/import_schema.h"

#include <stdio.h>

#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/tables/columns.h"

#define TABLE_SCHEMA_VERSION 2
#define DECIMAL_DIGITS       15 /* a double keeps that many, and gives them back */

bool import_is_possible(const struct engine_input *in) {
        return table_format_of(in->format) != TABLE_FORMAT_NONE ||
               strcmp(in->format, "parquet") == 0;
}

/* NULL: SQLite keeps it as it is. */
static const char *fault_of(const struct schema_type *t) {
        switch (t->type) {
        case CELL_INTEGER:
        case CELL_REAL:
        case CELL_TEXT:
        case CELL_BLOB:
        case CELL_DATE:
        case CELL_TIMESTAMP:
                return NULL;
        case CELL_DECIMAL:
                return t->precision <= DECIMAL_DIGITS
                               ? NULL
                               : "has more than 15 digits, which SQLite's REAL does not keep";
        default:
                return "has no exact counterpart in SQLite";
        }
}

static int refuse(const struct engine_input *in, const char *rule, const char *text,
                  struct engine_problem *p) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s input=%s", rule, in->name);
        return r;
}

static int refuse_column(const struct engine_input *in, const struct schema_type *t,
                         const char *what, struct engine_problem *p) {
        char type[48], text[256];

        (void) snprintf(text, sizeof(text),
                        "column '%.*s' (%s) %s; ask DuckDB (--engine duckdb), or publish it CAST "
                        "to another type",
                        (int) (t->name.len < 40 ? t->name.len : 40), (const char *) t->name.data,
                        schema_type_text(t, type, sizeof(type)), what);
        return refuse(in, "import", text, p);
}

int import_schema(const struct engine_input *in, struct schema **ret, struct engine_problem *p) {
        CLEANUP(schema_freep) struct schema *s = NULL;

        if (table_format_of(in->format) != TABLE_FORMAT_NONE) {
                *ret = table_schema_decode(in->schema);
                return *ret ? ENGINE_OK
                            : refuse(in, in->format, "no schema of a table; publish the file again",
                                     p);
        }
        if (in->schema.len < 1 || in->schema.data[0] != TABLE_SCHEMA_VERSION ||
            schema_decode(BYTES(in->schema.data + 1, in->schema.len - 1), &s) || s->n_columns == 0)
                return refuse(in, "import", "no schema of a table; publish the file again", p);
        for (size_t i = 0; i < s->n_columns; i++) {
                const char *fault = fault_of(s->columns[i]);

                if (fault)
                        return refuse_column(in, s->columns[i], fault, p);
        }
        *ret = TAKE(s);
        return ENGINE_OK;
}
