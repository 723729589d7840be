/* A job's inputs: a view per input, over its bytes or over no rows at all. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/wire/varint.h"
#include "services/worker/duckdb/duckdb_files.h"
#include "services/worker/duckdb/duckdb_session.h"

#define TABLE_SCHEMA_VERSION 2 /* of a SQLite input it is 1 */
#define CSV_OPTIONS_VERSION  1
#define SQL_MAX              (4u << 20)

static int refuse(struct engine_problem *p, const struct engine_input *in, const char *rule,
                  const char *text) {
        int r = duckdb_refuse(p, rule, -1, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s input=%s", rule, in->name);
        return r;
}

static void put(struct buffer *sql, const char *text) {
        buffer_put(sql, text, strlen(text));
}

static void put_quoted(struct buffer *sql, char quote, const char *text) {
        duckdb_put_quoted(sql, quote, BYTES_STR(text));
}

/* ---- the select behind a view ---- */

static bool put_nothing(struct buffer *sql, const struct schema *schema) {
        put(sql, "SELECT ");
        for (size_t i = 0; i < schema->n_columns; i++) {
                put(sql, i ? ", NULL::" : "NULL::");
                if (!duckdb_put_type_name(sql, schema->columns[i]))
                        return false;
                put(sql, " AS ");
                duckdb_put_quoted(sql, '"', schema->columns[i]->name);
        }
        put(sql, " WHERE false");
        return schema->n_columns > 0;
}

/* {'name': 'TYPE', …} */
static bool put_columns(struct buffer *sql, const struct schema *schema) {
        put(sql, ", columns = {");
        for (size_t i = 0; i < schema->n_columns; i++) {
                CLEANUP(buffer_donep) struct buffer type = {};

                buffer_init(&type, SCHEMA_BYTES_MAX);
                if (!duckdb_put_type_name(&type, schema->columns[i]))
                        return false;
                put(sql, i ? ", " : "");
                duckdb_put_quoted(sql, '\'', schema->columns[i]->name);
                put(sql, ": ");
                duckdb_put_quoted(sql, '\'', buffer_bytes(&type));
        }
        put(sql, "}");
        return schema->n_columns > 0;
}

static void put_path(struct buffer *sql, const char *function, size_t input) {
        char path[DUCKDB_PATH_SIZE];

        put(sql, "SELECT * FROM ");
        put(sql, function);
        put(sql, "(");
        put_quoted(sql, '\'', duckdb_files_path(input, path));
}

static bool put_parquet(struct buffer *sql, size_t input, const struct engine_input *in,
                        const struct schema *schema) {
        put_path(sql, "read_parquet", input);
        put(sql, ")");
        return true;
}

static void put_option(struct buffer *sql, const char *name, struct bytes value) {
        put(sql, ", ");
        put(sql, name);
        put(sql, " = ");
        duckdb_put_quoted(sql, '\'', value);
}

/* Nothing is guessed: dialect and columns were fixed when the file was published. */
static bool put_csv(struct buffer *sql, size_t input, const struct engine_input *in,
                    const struct schema *schema) {
        struct reader r = reader_of(in->options);
        uint8_t version = reader_u8(&r), delimiter = reader_u8(&r), quote = reader_u8(&r);
        uint8_t has_header = reader_u8(&r);
        struct bytes null_text = reader_prefixed(&r);

        if (!reader_done(&r) || version != CSV_OPTIONS_VERSION || has_header > 1)
                return false;
        put_path(sql, "read_csv", input);
        put_option(sql, "delim", BYTES(&delimiter, 1));
        put_option(sql, "quote", BYTES(&quote, quote ? 1 : 0));
        put_option(sql, "escape", BYTES(&quote, quote ? 1 : 0));
        put_option(sql, "nullstr", null_text);
        put(sql, has_header ? ", header = true" : ", header = false");
        put(sql, ", auto_detect = false, allow_quoted_nulls = false, strict_mode = true, "
                 "null_padding = false, parallel = false, comment = ''");
        if (!put_columns(sql, schema))
                return false;
        put(sql, ")");
        return true;
}

static bool put_ndjson(struct buffer *sql, size_t input, const struct engine_input *in,
                       const struct schema *schema) {
        put_path(sql, "read_json", input);
        put(sql, ", format = 'newline_delimited', auto_detect = false");
        if (!put_columns(sql, schema))
                return false;
        put(sql, ")");
        return true;
}

static const struct format {
        const char *name;
        bool (*put)(struct buffer *sql, size_t input, const struct engine_input *in,
                    const struct schema *schema);
        bool knows_columns; /* without a schema */
} formats[] = {
        { "parquet", put_parquet, true },
        { "csv", put_csv, false },
        { "ndjson", put_ndjson, false },
};

static const struct format *format_of(const struct engine_input *in) {
        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                if (strcmp(formats[i].name, in->format) == 0)
                        return &formats[i];
        }
        return NULL;
}

/* ---- views ---- */

static int decode_schema(const struct engine_input *in, struct schema **ret,
                         struct engine_problem *p) {
        if (in->schema.len == 0)
                return ENGINE_OK;
        if (in->schema.data[0] != TABLE_SCHEMA_VERSION ||
            schema_decode(BYTES(in->schema.data + 1, in->schema.len - 1), ret) != SCHEMA_OK)
                return refuse(p, in, "schema", "not the schema of a table");
        return ENGINE_OK;
}

/* A file whose columns are not those that were published is another data set. */
static int check_columns(struct engine_session *s, const struct engine_input *in,
                         struct engine_problem *p) {
        CLEANUP(buffer_donep) struct buffer found = {};
        int r = duckdb_view_columns(s, in->name, &found, p);

        if (r == ENGINE_OK && !bytes_equal(buffer_bytes(&found), in->schema))
                return refuse(p, in, "schema", "its columns are not those of its manifest");
        return r;
}

static int create_view(struct engine_session *s, const struct engine_input *in, struct bytes select,
                       struct engine_problem *p) {
        CLEANUP(buffer_donep) struct buffer sql = {};
        char said[sizeof(p->text)];
        int r;

        buffer_init(&sql, SQL_MAX);
        put(&sql, "CREATE OR REPLACE VIEW ");
        put_quoted(&sql, '"', in->name);
        put(&sql, " AS ");
        buffer_put_bytes(&sql, select);
        buffer_put_u8(&sql, 0);
        if (sql.failed)
                return refuse(p, in, "schema size", "its schema is too long");
        r = duckdb_ask(s, (const char *) sql.data, BYTES_NONE, NULL, NULL, p);
        if (r != ENGINE_E_SQL && (r == ENGINE_OK || p->outcome != OUTCOME_INTERNAL))
                return r;
        (void) snprintf(said, sizeof(said), "DuckDB: %.200s", p->text);
        return refuse(p, in, "input", said);
}

/* With its rows, or over none. */
static int make_view(struct engine_session *s, size_t i, const struct schema *schema, bool has_rows,
                     struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[i];
        CLEANUP(buffer_donep) struct buffer select = {};
        bool ok;

        buffer_init(&select, SQL_MAX);
        ok = has_rows ? format_of(in)->put(&select, i, in, schema) : put_nothing(&select, schema);
        return ok ? create_view(s, in, buffer_bytes(&select), p)
                  : refuse(p, in, "schema", "options or columns that DuckDB does not have");
}

static int open_input(struct engine_session *s, size_t i, struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[i];
        const struct format *format = format_of(in);
        CLEANUP(schema_freep) struct schema *schema = NULL;
        bool is_parquet;
        int r;

        if (!engine_input_is_named(in))
                return refuse(p, in, "input name", "letters, digits and _ only");
        if (!format)
                return refuse(p, in, "format",
                              "DuckDB reads parquet, csv and ndjson; ask a host with SQLite");
        r = decode_schema(in, &schema, p);
        if (r)
                return r;
        is_parquet = in->data && format->knows_columns;
        if (!schema && !is_parquet)
                return ENGINE_OK; /* to be described */
        r = make_view(s, i, schema, is_parquet, p);
        if (r == ENGINE_OK && schema && is_parquet)
                r = check_columns(s, in, p);
        return r;
}

int duckdb_inputs_open(struct engine_session *s, struct engine_problem *p) {
        int r = ENGINE_OK;

        for (size_t i = 0; i < s->job->n_inputs && r == ENGINE_OK; i++)
                r = open_input(s, i, p);
        return r;
}

/* DuckDB has no words for a plan that reads text files, so that the analysis could not see
 * one: their columns are those of the schema with rows and without. */
int duckdb_inputs_attach(struct engine_session *s, struct engine_problem *p) {
        int r = ENGINE_OK;

        for (size_t i = 0; i < s->job->n_inputs && r == ENGINE_OK; i++) {
                const struct engine_input *in = &s->job->inputs[i];
                CLEANUP(schema_freep) struct schema *schema = NULL;

                if (!in->data || format_of(in)->knows_columns)
                        continue;
                r = decode_schema(in, &schema, p);
                if (r == ENGINE_OK && schema)
                        r = make_view(s, i, schema, true, p);
        }
        return r;
}

/* ---- description ---- */

int duckdb_view_columns(struct engine_session *s, const char *view, struct buffer *ret,
                        struct engine_problem *p) {
        CLEANUP(buffer_donep) struct buffer sql = {};
        duckdb_prepared_statement q = NULL;
        int r;

        buffer_init(&sql, 256);
        put(&sql, "SELECT * FROM ");
        put_quoted(&sql, '"', view);
        r = duckdb_prepare_one(s, buffer_bytes(&sql), &q, p);
        if (r)
                return r;
        if (ret->max == 0)
                buffer_init(ret, SCHEMA_BYTES_MAX + 1);
        buffer_put_u8(ret, TABLE_SCHEMA_VERSION);
        r = duckdb_columns(q, ret, p);
        duckdb.destroy_prepare(&q);
        return r;
}

int duckdb_describe(struct engine_session *s, struct buffer *ret, struct engine_problem *p) {
        const struct engine_input *in = &s->job->inputs[0];
        CLEANUP(schema_freep) struct schema *schema = NULL;
        char text[sizeof(p->detail)];
        int r;

        if (!format_of(in)->knows_columns)
                return refuse(p, in, "format", "only Parquet is described by DuckDB");
        r = duckdb_view_columns(s, in->name, ret, p);
        if (r && p->outcome == OUTCOME_ENCODING) {
                (void) snprintf(text, sizeof(text), "%s", p->detail);
                return refuse(p, in, "schema", text);
        }
        if (r)
                return r;
        if (ret->failed || schema_decode(BYTES(ret->data + 1, ret->len - 1), &schema) != SCHEMA_OK)
                return refuse(p, in, "schema", "names or types that no schema may have");
        return ENGINE_OK;
}
