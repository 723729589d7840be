/* DuckDB's types and the canonical ones. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_session.h"

#define DECIMAL_WIDTH_MAX 38

static const struct {
        duckdb_type id;
        enum cell_type canonical;
} scalar_types[] = {
        { DUCKDB_TYPE_BOOLEAN, CELL_INTEGER },
        { DUCKDB_TYPE_TINYINT, CELL_INTEGER },
        { DUCKDB_TYPE_SMALLINT, CELL_INTEGER },
        { DUCKDB_TYPE_INTEGER, CELL_INTEGER },
        { DUCKDB_TYPE_BIGINT, CELL_INTEGER },
        { DUCKDB_TYPE_UTINYINT, CELL_INTEGER },
        { DUCKDB_TYPE_USMALLINT, CELL_INTEGER },
        { DUCKDB_TYPE_UINTEGER, CELL_INTEGER },
        { DUCKDB_TYPE_UBIGINT, CELL_INTEGER },
        { DUCKDB_TYPE_HUGEINT, CELL_INTEGER },
        { DUCKDB_TYPE_UHUGEINT, CELL_INTEGER },
        { DUCKDB_TYPE_SQLNULL, CELL_INTEGER }, /* nothing but NULL */
        { DUCKDB_TYPE_FLOAT, CELL_REAL },
        { DUCKDB_TYPE_DOUBLE, CELL_REAL },
        { DUCKDB_TYPE_VARCHAR, CELL_TEXT },
        { DUCKDB_TYPE_ENUM, CELL_TEXT },
        { DUCKDB_TYPE_BLOB, CELL_BLOB },
        { DUCKDB_TYPE_DATE, CELL_DATE },
        { DUCKDB_TYPE_TIME, CELL_TIME },
        { DUCKDB_TYPE_TIME_NS, CELL_TIME },
        { DUCKDB_TYPE_TIMESTAMP, CELL_TIMESTAMP },
        { DUCKDB_TYPE_TIMESTAMP_S, CELL_TIMESTAMP },
        { DUCKDB_TYPE_TIMESTAMP_MS, CELL_TIMESTAMP },
        { DUCKDB_TYPE_TIMESTAMP_NS, CELL_TIMESTAMP },
        { DUCKDB_TYPE_TIMESTAMP_TZ, CELL_TIMESTAMPTZ },
        { DUCKDB_TYPE_INTERVAL, CELL_INTERVAL },
        { DUCKDB_TYPE_UUID, CELL_UUID },
        { DUCKDB_TYPE_BIT, CELL_BIT },
        { DUCKDB_TYPE_DECIMAL, CELL_DECIMAL },
        { DUCKDB_TYPE_LIST, CELL_LIST },
        { DUCKDB_TYPE_ARRAY, CELL_LIST },
        { DUCKDB_TYPE_STRUCT, CELL_STRUCT },
        { DUCKDB_TYPE_MAP, CELL_MAP },
};

enum cell_type duckdb_canonical(duckdb_type id) {
        for (size_t i = 0; i < ELEMENTSOF(scalar_types); i++) {
                if (scalar_types[i].id == id)
                        return scalar_types[i].canonical;
        }
        return CELL_NULL;
}

static bool put_type(struct buffer *b, duckdb_logical_type type, unsigned depth);

static bool put_child(struct buffer *b, duckdb_logical_type child, unsigned depth) {
        bool ok = put_type(b, child, depth + 1);

        duckdb.destroy_logical_type(&child);
        return ok;
}

static bool put_members(struct buffer *b, duckdb_logical_type type, unsigned depth) {
        idx_t n = duckdb.struct_type_child_count(type);
        bool ok = true;

        schema_put_struct(b, n);
        for (idx_t i = 0; i < n && ok; i++) {
                char *name = duckdb.struct_type_child_name(type, i);

                schema_put_name(b, BYTES_STR(name));
                duckdb.free(name);
                ok = put_child(b, duckdb.struct_type_child_type(type, i), depth);
        }
        return ok;
}

static bool put_type(struct buffer *b, duckdb_logical_type type, unsigned depth) {
        duckdb_type id = duckdb.get_type_id(type);
        enum cell_type canonical = duckdb_canonical(id);

        if (canonical == CELL_NULL || depth > CELL_DEPTH_MAX)
                return false;
        if (id == DUCKDB_TYPE_DECIMAL) {
                schema_put_decimal(b, duckdb.decimal_width(type), duckdb.decimal_scale(type));
                return true;
        }
        if (id == DUCKDB_TYPE_STRUCT)
                return put_members(b, type, depth);
        schema_put_type(b, canonical);
        if (id == DUCKDB_TYPE_LIST)
                return put_child(b, duckdb.list_type_child_type(type), depth);
        if (id == DUCKDB_TYPE_ARRAY)
                return put_child(b, duckdb.array_type_child_type(type), depth);
        if (id == DUCKDB_TYPE_MAP)
                return put_child(b, duckdb.map_type_key_type(type), depth) &&
                       put_child(b, duckdb.map_type_value_type(type), depth);
        return true;
}

/* What types without a canonical one are called. */
const char *duckdb_type_text(duckdb_type id) {
        static const struct {
                unsigned id;
                const char *name;
        } others[] = { { 28, "UNION" },
                       { 30, "TIMETZ" },
                       { 35, "BIGNUM" },
                       { 40, "GEOMETRY" },
                       { 41, "VARIANT" } };
        enum cell_type canonical = duckdb_canonical(id);

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                if (others[i].id == id)
                        return others[i].name;
        }
        return canonical == CELL_NULL ? "unknown" : cell_type_name(canonical);
}

/* Expressions have their whole text as a name: cut at a character, where it is too long. */
static void put_name(struct buffer *b, const char *name) {
        size_t len = strlen(name);

        if (len > SCHEMA_NAME_MAX)
                len = utf8_valid_prefix(BYTES(name, SCHEMA_NAME_MAX));
        schema_put_name(b, BYTES(name, len));
}

int duckdb_columns(duckdb_prepared_statement q, struct buffer *ret, struct engine_problem *p) {
        idx_t n = duckdb.prepared_statement_column_count(q);

        if (n > SCHEMA_COLUMNS_MAX)
                return duckdb_refuse(p, "columns", -1, "more than 1000 columns");
        schema_begin(ret, n);
        for (idx_t i = 0; i < n; i++) {
                duckdb_logical_type type = duckdb.prepared_statement_column_logical_type(q, i);
                const char *name = duckdb.prepared_statement_column_name(q, i);
                bool ok;

                put_name(ret, name);
                ok = put_type(ret, type, 0);
                if (!ok) {
                        (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_ENCODING, 0, -1,
                                                  "CAST it to a type that results may have");
                        (void) snprintf(p->detail, sizeof(p->detail), "column=%.64s type=%s", name,
                                        duckdb_type_text(duckdb.get_type_id(type)));
                }
                duckdb.destroy_logical_type(&type);
                duckdb.free((void *) name);
                if (!ok)
                        return ENGINE_E_PROBLEM;
        }
        return ENGINE_OK;
}

/* ---- the other way: columns of inputs ---- */

static void put_text(struct buffer *sql, const char *text) {
        buffer_put(sql, text, strlen(text));
}

void duckdb_put_quoted(struct buffer *sql, char quote, struct bytes text) {
        buffer_put_u8(sql, (uint8_t) quote);
        for (size_t i = 0; i < text.len; i++) {
                if (text.data[i] == quote)
                        buffer_put_u8(sql, (uint8_t) quote);
                buffer_put_u8(sql, text.data[i]);
        }
        buffer_put_u8(sql, (uint8_t) quote);
}

static const struct {
        enum cell_type canonical;
        const char *name;
} names[] = {
        { CELL_INTEGER, "BIGINT" },
        { CELL_REAL, "DOUBLE" },
        { CELL_TEXT, "VARCHAR" },
        { CELL_BLOB, "BLOB" },
        { CELL_DATE, "DATE" },
        { CELL_TIME, "TIME" },
        { CELL_TIMESTAMP, "TIMESTAMP" },
        { CELL_TIMESTAMPTZ, "TIMESTAMPTZ" },
        { CELL_INTERVAL, "INTERVAL" },
        { CELL_UUID, "UUID" },
        { CELL_BIT, "BIT" },
};

static bool put_struct_name(struct buffer *sql, const struct schema_type *t) {
        const struct schema_type *child = schema_child(t);

        put_text(sql, "STRUCT(");
        for (uint32_t i = 0; i < t->n_children; i++, child += 1 + child->n_below) {
                if (i > 0)
                        put_text(sql, ", ");
                duckdb_put_quoted(sql, '"', child->name);
                put_text(sql, " ");
                if (!duckdb_put_type_name(sql, child))
                        return false;
        }
        put_text(sql, ")");
        return t->n_children > 0;
}

static bool put_map_name(struct buffer *sql, const struct schema_type *t) {
        const struct schema_type *key = schema_child(t);

        put_text(sql, "MAP(");
        if (!duckdb_put_type_name(sql, key))
                return false;
        put_text(sql, ", ");
        if (!duckdb_put_type_name(sql, key + 1 + key->n_below))
                return false;
        put_text(sql, ")");
        return true;
}

/* A decoded schema is at most CELL_DEPTH_MAX deep. */
bool duckdb_put_type_name(struct buffer *sql, const struct schema_type *t) {
        char decimal[32];
        bool ok;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (names[i].canonical == t->type) {
                        put_text(sql, names[i].name);
                        return true;
                }
        }
        switch (t->type) {
        case CELL_DECIMAL:
                (void) snprintf(decimal, sizeof(decimal), "DECIMAL(%u,%u)", t->precision, t->scale);
                put_text(sql, decimal);
                return t->precision <= DECIMAL_WIDTH_MAX;
        case CELL_LIST:
                ok = duckdb_put_type_name(sql, schema_child(t));
                put_text(sql, "[]");
                return ok;
        case CELL_STRUCT:
                return put_struct_name(sql, t);
        case CELL_MAP:
                return put_map_name(sql, t);
        default: /* ANY: no such column here */
                return false;
        }
}
