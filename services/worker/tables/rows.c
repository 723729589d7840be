#include "services/worker/tables/rows.h"

#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/worker/tables/columns.h"
#include "services/worker/tables/csv.h"
#include "services/worker/tables/ndjson.h"

struct table_rows {
        enum table_format format;
        union {
                struct csv_reader csv;
                struct ndjson_reader ndjson;
        };
        struct schema *schema;
        struct columns columns; /* NDJSON: to find them */
        struct table_value *values;
        char (*timestamps)[FORM_TIMESTAMP_MAX]; /* one for each column */
        struct table_watch watch;
        struct table_fault *fault;
};

/* ---- one value ---- */

static bool take_timestamp(struct table_rows *r, size_t i, struct bytes text) {
        size_t len;

        if (!form_timestamp(text, r->timestamps[i], &len))
                return false;
        r->values[i].text = BYTES(r->timestamps[i], len);
        return true;
}

static bool take_text(struct table_value *v, struct bytes text) {
        v->text = text;
        return utf8_is_valid(text);
}

/* False: not of the column's type. */
static bool take_value(struct table_rows *r, size_t i, struct bytes text) {
        const struct schema_type *t = r->schema->columns[i];
        struct table_value *v = &r->values[i];

        switch (t->type) {
        case CELL_INTEGER:
                v->type = CELL_INTEGER;
                return form_integer(text, &v->integer);
        case CELL_DECIMAL:
                v->type = CELL_REAL;
                return form_decimal(text, t->precision, t->scale, &v->real);
        case CELL_REAL:
                v->type = CELL_REAL;
                return form_real(text, &v->real);
        case CELL_TIMESTAMP:
                v->type = CELL_TEXT;
                return take_timestamp(r, i, text);
        case CELL_DATE:
                v->type = CELL_TEXT;
                return take_text(v, text) && form_date(text);
        default:
                v->type = CELL_TEXT;
                return take_text(v, text);
        }
}

/* ---- CSV ---- */

static int bad_csv_value(struct table_rows *r, size_t i) {
        (void) table_fault_set(r->fault, r->csv.row, (unsigned) i + 1, r->csv.fields[i].offset,
                               "a value that is not of its column's published type",
                               "publish the file again");
        table_fault_name(r->fault, r->schema->columns[i]->name);
        table_fault_value(r->fault, r->csv.fields[i].text);
        return TABLE_E_BAD;
}

static int next_csv(struct table_rows *r) {
        int result = csv_next(&r->csv);

        if (result)
                return result;
        for (size_t i = 0; i < r->schema->n_columns; i++) {
                const struct csv_field *field = &r->csv.fields[i];

                if (csv_is_null(&r->csv, field))
                        r->values[i].type = CELL_NULL;
                else if (!take_value(r, i, field->text))
                        return bad_csv_value(r, i);
        }
        return TABLE_OK;
}

static int open_csv(struct table_rows *r, struct bytes data, struct bytes options) {
        struct csv_options o;
        int result = TABLE_OK;

        if (!csv_options_decode(options, &o))
                return table_fault_set(r->fault, 0, 0, 0, "options that are not those of a CSV",
                                       "publish the file again");
        csv_begin(&r->csv, data, &o, r->fault);
        r->csv.n_columns = r->schema->n_columns;
        if (o.has_header)
                result = csv_next(&r->csv);
        return result == TABLE_END ? TABLE_OK : result;
}

/* ---- NDJSON ---- */

static bool kind_fits(enum ndjson_kind kind, enum cell_type type) {
        bool is_number = type == CELL_INTEGER || type == CELL_DECIMAL || type == CELL_REAL;

        return is_number == (kind == NDJSON_NUMBER);
}

static int take_member(struct table_rows *r, const struct ndjson_member *m) {
        struct column *column = columns_find(&r->columns, m->name);
        size_t i;

        if (!column || column->seen == r->ndjson.row)
                return ndjson_bad_member(&r->ndjson, m,
                                         "a name that is not published, or stands twice",
                                         "publish the file again");
        column->seen = r->ndjson.row;
        i = (size_t) (column - r->columns.list);
        if (m->kind == NDJSON_NULL)
                return TABLE_OK;
        if (!kind_fits(m->kind, r->schema->columns[i]->type) || !take_value(r, i, m->text)) {
                (void) ndjson_bad_member(&r->ndjson, m,
                                         "a value that is not of its column's published type",
                                         "publish the file again");
                table_fault_value(r->fault, m->text);
                return TABLE_E_BAD;
        }
        return TABLE_OK;
}

static int next_ndjson(struct table_rows *r) {
        int result = ndjson_next(&r->ndjson);

        r->columns.next = 0;
        for (size_t i = 0; i < r->schema->n_columns; i++)
                r->values[i].type = CELL_NULL;
        for (size_t i = 0; i < r->ndjson.n_members && result == TABLE_OK; i++)
                result = take_member(r, &r->ndjson.members[i]);
        return result;
}

static int open_ndjson(struct table_rows *r, struct bytes data, struct bytes options) {
        ndjson_begin(&r->ndjson, data, r->fault);
        return options.len == 0
                       ? TABLE_OK
                       : table_fault_set(r->fault, 0, 0, 0, "options, of which NDJSON has none",
                                         "publish the file again");
}

/* ---- both ---- */

/* Also that no two names are one to an engine. */
static int take_columns(struct table_rows *r) {
        columns_init(&r->columns);
        for (size_t i = 0; i < r->schema->n_columns; i++) {
                *r->fault = (struct table_fault){ .column = (unsigned) i + 1 };
                if (columns_add(&r->columns, r->schema->columns[i]->name, r->fault))
                        return TABLE_E_BAD;
        }
        r->values = xnew_n(struct table_value, r->schema->n_columns);
        r->timestamps = xcalloc(r->schema->n_columns, FORM_TIMESTAMP_MAX);
        return TABLE_OK;
}

int table_rows_open(const struct engine_input *in, struct table_watch watch,
                    struct table_fault *fault, struct table_rows **ret) {
        CLEANUP(table_rows_freep) struct table_rows *r = xnew(struct table_rows);
        struct bytes data = in->data ? BYTES(in->data, in->length) : BYTES_LIT("");
        int result;

        r->fault = fault;
        r->watch = watch;
        r->schema = table_schema_decode(in->schema);
        if (!r->schema)
                return table_fault_set(fault, 0, 0, 0, "no schema of a table",
                                       "publish the file again");
        result = take_columns(r);
        if (result)
                return result;
        r->format = table_format_of(in->format);
        result = r->format == TABLE_FORMAT_CSV ? open_csv(r, data, in->options)
                                               : open_ndjson(r, data, in->options);
        if (result)
                return result;
        *ret = TAKE(r);
        return TABLE_OK;
}

struct table_rows *table_rows_free(struct table_rows *r) {
        if (!r)
                return NULL;
        if (r->format == TABLE_FORMAT_CSV)
                csv_done(&r->csv);
        else if (r->format == TABLE_FORMAT_NDJSON)
                ndjson_done(&r->ndjson);
        schema_free(r->schema);
        columns_done(&r->columns);
        free(r->values);
        free(r->timestamps);
        free(r);
        return NULL;
}

const struct schema *table_rows_schema(const struct table_rows *r) {
        return r->schema;
}

int table_rows_next(struct table_rows *r, const struct table_value **ret) {
        int result;

        if (table_is_over(&r->watch))
                return TABLE_E_OVER;
        *ret = r->values;
        result = r->format == TABLE_FORMAT_CSV ? next_csv(r) : next_ndjson(r);
        return result;
}
