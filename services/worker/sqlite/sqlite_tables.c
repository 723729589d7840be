/* Inputs that are no databases: table files (services/worker/tables) read into STRICT
 * tables in memory, before the locks close. The memory is the job's, as all of SQLite's. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "services/worker/tables/columns.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/image.h"
#include "services/worker/tables/import_schema.h"
#include "services/worker/tables/rows.h"

/* A row of TABLE_ROW_MAX and what SQLite writes around it. */
#define RECORD_MAX ((int) TABLE_ROW_MAX + (64 << 10))

bool sqlite_is_table(const struct engine_input *in) {
        return import_is_possible(in);
}

bool sqlite_reads_rows(const struct engine_input *in) {
        return table_format_of(in->format) != TABLE_FORMAT_NONE;
}

bool sqlite_is_imported(const struct engine_input *in) {
        return in->imported && in->data && sqlite_is_table(in);
}

static int refuse(struct engine_problem *p, const struct engine_input *in, const char *text) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=input name input=%s", in->name);
        return r;
}

static int bad_table(const struct engine_input *in, int result, const struct table_fault *fault,
                     struct engine_problem *p) {
        int r = tables_problem(in, result, fault, p);

        if (r == ENGINE_E_SQL)
                engine_problem_name(p, in->name);
        return r;
}

/* As SQLite says it: no memory is a limit, the rest is about the input. */
static int sqlite_says(struct engine_session *s, int rc, const struct engine_input *in,
                       struct engine_problem *p) {
        if (rc == SQLITE_INTERRUPT)
                return tables_problem(in, TABLE_E_OVER, NULL, p);
        if (rc != SQLITE_NOMEM)
                return refuse(p, in, sqlite3_errmsg(s->db));
        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1,
                                  "the table does not fit the job's memory; give more, or a "
                                  "SQLite file");
        (void) snprintf(p->detail, sizeof(p->detail), "which=memory");
        return ENGINE_E_PROBLEM;
}

/* Names that the analysis takes for something else. */
static bool is_taken(const char *name) {
        return strcasecmp(name, "json_each") == 0 || strcasecmp(name, "json_tree") == 0 ||
               strncasecmp(name, "pragma_", 7) == 0 || strncasecmp(name, "sqlite_", 7) == 0;
}

static int run_text(struct engine_session *s, sqlite3_str *text, sqlite3_stmt **ret) {
        char *sql = sqlite3_str_finish(text);
        int rc = sql ? SQLITE_OK : SQLITE_NOMEM;

        if (rc == SQLITE_OK)
                rc = ret ? sqlite3_prepare_v2(s->db, sql, -1, ret, NULL)
                         : sqlite3_exec(s->db, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
        return rc;
}

static int create(struct engine_session *s, const struct engine_input *in,
                  const struct schema *schema) {
        sqlite3_str *text = sqlite3_str_new(s->db);

        sqlite3_str_appendf(text, "CREATE TABLE \"%w\".\"%w\"(", in->name, in->name);
        for (size_t i = 0; i < schema->n_columns; i++) {
                const struct schema_type *t = schema->columns[i];

                sqlite3_str_appendf(text, "%s\"%.*w\" %s", i ? ", " : "", (int) t->name.len,
                                    (const char *) t->name.data, image_type(t->type));
        }
        sqlite3_str_appendf(text, ") STRICT");
        return run_text(s, text, NULL);
}

static int prepare_insert(struct engine_session *s, const struct engine_input *in, size_t n,
                          sqlite3_stmt **ret) {
        sqlite3_str *text = sqlite3_str_new(s->db);

        sqlite3_str_appendf(text, "INSERT INTO \"%w\".\"%w\" VALUES(?", in->name, in->name);
        for (size_t i = 1; i < n; i++)
                sqlite3_str_appendf(text, ",?");
        sqlite3_str_appendf(text, ")");
        return run_text(s, text, ret);
}

static int bind(sqlite3_stmt *q, int i, const struct table_value *v) {
        switch (v->type) {
        case CELL_INTEGER:
                return sqlite3_bind_int64(q, i, v->integer);
        case CELL_REAL:
                return sqlite3_bind_double(q, i, v->real);
        case CELL_TEXT: /* read before the next row comes */
                return sqlite3_bind_text64(q, i, (const char *) v->text.data, v->text.len,
                                           SQLITE_STATIC, SQLITE_UTF8);
        default:
                return sqlite3_bind_null(q, i);
        }
}

static int insert_row(sqlite3_stmt *q, const struct table_value *values, size_t n) {
        int rc = SQLITE_OK;

        for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
                rc = bind(q, (int) i + 1, &values[i]);
        if (rc == SQLITE_OK) {
                (void) sqlite3_step(q);
                rc = sqlite3_reset(q);
        }
        return rc;
}

/* All rows; *ret_rc is SQLite's word when it is one. */
static int insert_all(struct table_rows *rows, sqlite3_stmt *q, int *ret_rc) {
        size_t n = table_rows_schema(rows)->n_columns;
        const struct table_value *values;
        int r;

        while ((r = table_rows_next(rows, &values)) == TABLE_OK) {
                *ret_rc = insert_row(q, values, n);
                if (*ret_rc != SQLITE_OK)
                        return TABLE_OK;
        }
        return r == TABLE_END ? TABLE_OK : r;
}

static int fill(struct engine_session *s, const struct engine_input *in, struct table_rows *rows,
                const struct table_fault *fault, struct engine_problem *p) {
        sqlite3_stmt *q = NULL;
        int length = sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, RECORD_MAX),
            variables = sqlite3_limit(s->db, SQLITE_LIMIT_VARIABLE_NUMBER, TABLE_COLUMNS_MAX),
            rc = prepare_insert(s, in, table_rows_schema(rows)->n_columns, &q), r = TABLE_OK;

        if (rc == SQLITE_OK)
                rc = sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                r = insert_all(rows, q, &rc);
        (void) sqlite3_finalize(q);
        if (rc == SQLITE_OK && r == TABLE_OK)
                rc = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
        (void) sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, length);
        (void) sqlite3_limit(s->db, SQLITE_LIMIT_VARIABLE_NUMBER, variables);
        return rc == SQLITE_OK ? bad_table(in, r, fault, p) : sqlite_says(s, rc, in, p);
}

static int refuse_name(const struct engine_input *in, struct engine_problem *p) {
        return refuse(p, in,
                      "a name that means something else; give another with --data NAME=FILE");
}

/* What the file says of itself is not asked: the catalogue is that of the published schema. */
int sqlite_import_head(struct engine_session *s, size_t i, struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[i];
        CLEANUP(schema_freep) struct schema *schema = NULL;
        uint64_t pages = in->length / IMAGE_PAGE;
        int r;

        if (is_taken(in->name))
                return refuse_name(in, p);
        r = import_schema(in, &schema, p);
        if (r)
                return r;
        if (in->length % IMAGE_PAGE != 0 || pages <= image_head_pages(schema) ||
            pages > IMAGE_PAGES)
                return refuse(p, in, "not what an import makes; remove it, and it is made anew");
        buffer_init(&s->heads[i], image_head_pages(schema) * (size_t) IMAGE_PAGE);
        image_head(schema, in->name, (uint32_t) pages, &s->heads[i]);
        check(!s->heads[i].failed);
        return ENGINE_OK;
}

/* Of a format that others have to import: its columns alone, for an analysis. */
static int create_empty(struct engine_session *s, const struct engine_input *in,
                        struct engine_problem *p) {
        CLEANUP(schema_freep) struct schema *schema = NULL;
        int r = import_schema(in, &schema, p), rc;

        if (r)
                return r;
        rc = create(s, in, schema);
        return rc == SQLITE_OK ? ENGINE_OK : sqlite_says(s, rc, in, p);
}

int sqlite_table_fill(struct engine_session *s, const struct engine_input *in,
                      struct engine_problem *p) {
        CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
        const struct table_watch watch = { s->job->is_over, s->job->userdata, 0 };
        struct table_fault fault;
        int r, rc;

        if (is_taken(in->name))
                return refuse_name(in, p);
        if (!sqlite_reads_rows(in))
                return create_empty(s, in, p);
        r = table_rows_open(in, watch, &fault, &rows);
        if (r)
                return bad_table(in, r, &fault, p);
        rc = create(s, in, table_rows_schema(rows));
        if (rc != SQLITE_OK)
                return sqlite_says(s, rc, in, p);
        return in->data ? fill(s, in, rows, &fault, p) : ENGINE_OK;
}
