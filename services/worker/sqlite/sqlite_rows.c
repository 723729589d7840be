/* Rows straight from SQLite into canonical bytes, cast to the declared schema
 * exactly or refused. This is the hot path: no copies beside the builder's. */

#include <math.h>
#include <stdio.h>

#include "common/canonical/outcome.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "services/worker/sqlite/text_casts.h"

#define EXACT_DOUBLE_MAX (INT64_C(1) << 53)

enum put_result {
        PUT_OK = 0,
        PUT_E_CAST, /* not exactly of the declared type */
        PUT_E_REAL, /* a REAL out of an expression that was analysed as exact */
};

/* Type ANY: the value carries its own. */
static int put_any(struct buffer *b, sqlite3_stmt *q, int i, int type) {
        switch (type) {
        case SQLITE_INTEGER:
                cell_put_integer(b, sqlite3_column_int64(q, i));
                return PUT_OK;
        case SQLITE_TEXT: {
                const void *text = sqlite3_column_text(q, i);

                return cell_put_text(b, BYTES(text, (size_t) sqlite3_column_bytes(q, i)));
        }
        case SQLITE_FLOAT:
                return cell_put_real(b, sqlite3_column_double(q, i));
        default: {
                const void *blob = sqlite3_column_blob(q, i);

                cell_put_blob(b, BYTES(blob, (size_t) sqlite3_column_bytes(q, i)));
                return PUT_OK;
        }
        }
}

static int put_real(struct buffer *b, sqlite3_stmt *q, int i, int type) {
        if (type == SQLITE_INTEGER) {
                int64_t v = sqlite3_column_int64(q, i);

                if (v > EXACT_DOUBLE_MAX || v < -EXACT_DOUBLE_MAX)
                        return PUT_E_CAST;
                return cell_put_real(b, (double) v);
        }
        return type == SQLITE_FLOAT ? cell_put_real(b, sqlite3_column_double(q, i)) : PUT_E_CAST;
}

static int put_integer(struct buffer *b, sqlite3_stmt *q, int i, int type) {
        double v;

        if (type == SQLITE_INTEGER) {
                cell_put_integer(b, sqlite3_column_int64(q, i));
                return PUT_OK;
        }
        v = type == SQLITE_FLOAT ? sqlite3_column_double(q, i) : NAN;
        if (!(v >= -(double) EXACT_DOUBLE_MAX && v <= (double) EXACT_DOUBLE_MAX) || v != trunc(v))
                return PUT_E_CAST;
        cell_put_integer(b, (int64_t) v);
        return PUT_OK;
}

/* Types SQLite has no values of: from text in their usual form. */
static int put_from_text(struct buffer *b, sqlite3_stmt *q, int i, int type,
                         enum cell_type declared) {
        const void *text = sqlite3_column_text(q, i);
        struct bytes v = BYTES(text, (size_t) sqlite3_column_bytes(q, i));

        if (type != SQLITE_TEXT && !(type == SQLITE_INTEGER && declared == CELL_DECIMAL))
                return PUT_E_CAST;
        return text_cast(b, v, declared) ? PUT_OK : PUT_E_CAST;
}

static int put_cell(struct engine_session *s, struct buffer *b, int i) {
        enum cell_type declared = s->schema->columns[i]->type;
        int type = sqlite3_column_type(s->stmt, i);

        if (type == SQLITE_NULL) {
                cell_put_null(b);
                return PUT_OK;
        }
        if (type == SQLITE_FLOAT && s->is_exact && !s->is_bare[i])
                return PUT_E_REAL; /* an integer that outgrew 64 bits, whatever was declared */
        switch (declared) {
        case CELL_ANY:
                return put_any(b, s->stmt, i, type);
        case CELL_INTEGER:
                return put_integer(b, s->stmt, i, type);
        case CELL_REAL:
                return put_real(b, s->stmt, i, type);
        case CELL_TEXT:
                return type == SQLITE_TEXT ? put_any(b, s->stmt, i, type) : PUT_E_CAST;
        case CELL_BLOB:
                return type == SQLITE_BLOB ? put_any(b, s->stmt, i, type) : PUT_E_CAST;
        default:
                return put_from_text(b, s->stmt, i, type, declared);
        }
}

static int cell_problem(struct engine_session *s, int i, int r, struct engine_problem *p) {
        static const char *const types[] = { "?", "INTEGER", "REAL", "TEXT", "BLOB", "NULL" };
        int type = sqlite3_column_type(s->stmt, i);
        enum sql_error code = r == PUT_E_REAL ? SQL_OVERFLOW : SQL_ENCODING;
        char declared[64];

        (void) engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, code, 0,
                                  r == PUT_E_REAL
                                          ? "an exact expression gave a REAL; CAST it, or its terms"
                                          : "a value is not of the declared type");
        (void) snprintf(p->detail, sizeof(p->detail), "column=%d type=%s declared=%s", i,
                        types[type],
                        schema_type_text(s->schema->columns[i], declared, sizeof(declared)));
        return ENGINE_E_SQL;
}

static int put_row(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        struct buffer *row = answer_row(b);
        int n = (int) s->schema->n_columns;

        for (int i = 0; i < n; i++) {
                int r = put_cell(s, row, i);

                if (r)
                        return cell_problem(s, i, r, p);
        }
        return ENGINE_OK;
}

int sqlite_step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        for (;;) {
                int rc = s->is_done ? SQLITE_DONE : sqlite3_step(s->stmt), r;

                if (rc == SQLITE_DONE) { /* stepping on would begin again */
                        s->is_done = true;
                        return answer_finish(b) == BATCH_READY ? ENGINE_BATCH : ENGINE_END;
                }
                if (rc != SQLITE_ROW)
                        return sqlite_problem_run(s, rc, p);
                r = put_row(s, b, p);
                if (r)
                        return r;
                r = answer_end_row(b);
                if (r == BATCH_READY)
                        return ENGINE_BATCH;
                if (r)
                        return engine_row_problem(r, p);
        }
}
