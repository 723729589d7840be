/* One SELECT, and its parameters. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_session.h"

/* By duckdb_statement_type; what is not named has a number. */
static const char *const statement_names[] = {
        [2] = "INSERT",     [3] = "UPDATE",  [4] = "EXPLAIN", [5] = "DELETE",       [6] = "PREPARE",
        [7] = "CREATE",     [8] = "EXECUTE", [9] = "ALTER",   [10] = "TRANSACTION", [11] = "COPY",
        [12] = "ANALYZE",   [13] = "SET",    [14] = "CREATE", [15] = "DROP",        [16] = "EXPORT",
        [17] = "PRAGMA",    [18] = "VACUUM", [19] = "CALL",   [20] = "SET",         [21] = "LOAD",
        [23] = "EXTENSION", [25] = "ATTACH", [26] = "DETACH",
};

static const char *statement_name(unsigned type) {
        const char *name = type < ELEMENTSOF(statement_names) ? statement_names[type] : NULL;

        return name ? name : "read only";
}

static int prepare_extracted(struct engine_session *s, struct bytes sql,
                             duckdb_extracted_statements statements, idx_t n,
                             duckdb_prepared_statement *ret, struct engine_problem *p) {
        const char *error = duckdb.extract_statements_error(statements);
        unsigned type;

        if (n == 0)
                return error && error[0] ? duckdb_problem_prepare(error, sql, p)
                                         : duckdb_refuse(p, "no statement", -1, "");
        if (n > 1) /* PIVOT without its columns is two as well */
                return duckdb_refuse(p, "one statement", -1, "");
        if (duckdb.prepare_extracted_statement(s->connection, statements, 0, ret) != DuckDBSuccess)
                return duckdb_problem_prepare(duckdb.prepare_error(*ret), sql, p);
        type = (unsigned) duckdb.prepared_statement_type(*ret);
        return type == DUCKDB_STATEMENT_TYPE_SELECT ? ENGINE_OK
                                                    : duckdb_refuse(p, statement_name(type), 0, "");
}

int duckdb_prepare_one(struct engine_session *s, struct bytes sql, duckdb_prepared_statement *ret,
                       struct engine_problem *p) {
        duckdb_extracted_statements statements = NULL;
        CLEANUP(freep) char *text = NULL;
        idx_t n;
        int r;

        *ret = NULL;
        if (sql.len == 0 || sql.len > ENGINE_SQL_MAX)
                return duckdb_refuse(p, "statement size", -1, "no statement, or one above 1 MiB");
        if (memchr(sql.data, 0, sql.len) || !utf8_is_valid(sql))
                return duckdb_refuse(p, "statement text", (int32_t) utf8_valid_prefix(sql),
                                     "the statement is not UTF-8 text");
        text = xmalloc(sql.len + 1);
        memcpy(text, sql.data, sql.len);
        text[sql.len] = 0;
        duckdb_watch_begin(s);
        n = duckdb.extract_statements(s->connection, text, &statements);
        r = prepare_extracted(s, sql, statements, n, ret, p);
        duckdb_watch_end();
        if (s->is_stopped)
                r = duckdb_timed_out(p, "prepare");
        duckdb.destroy_extracted(&statements);
        if (r)
                duckdb.destroy_prepare(ret);
        return r;
}

/* ---- parameters ---- */

static __int128 integer_of(struct bytes twos_complement) {
        unsigned __int128 v = twos_complement.data[0] & 0x80 ? ~(unsigned __int128) 0 : 0;

        for (size_t i = 0; i < twos_complement.len; i++)
                v = v << 8 | twos_complement.data[i];
        return (__int128) v;
}

static duckdb_hugeint hugeint_of(__int128 v) {
        return (duckdb_hugeint){ (uint64_t) v, (int64_t) (v >> 64) };
}

static duckdb_value integer_value(const struct cell *c) {
        if (c->fits)
                return duckdb.create_int64(c->integer);
        return c->bytes.len <= 16 ? duckdb.create_hugeint(hugeint_of(integer_of(c->bytes))) : NULL;
}

#define DECIMAL_WIDTH_MAX 38

static duckdb_value decimal_value(const struct cell *c) {
        unsigned width = 1;
        __int128 v, left;

        if (c->bytes.len > 16 || c->scale > DECIMAL_WIDTH_MAX)
                return NULL;
        v = integer_of(c->bytes);
        for (left = v / 10; left != 0; left /= 10)
                width++;
        width = width < c->scale ? c->scale : width;
        if (width > DECIMAL_WIDTH_MAX)
                return NULL;
        return duckdb.create_decimal((duckdb_decimal){ (uint8_t) width, c->scale, hugeint_of(v) });
}

static duckdb_value uuid_value(const struct cell *c) {
        return duckdb.create_uuid(
                (duckdb_uhugeint){ load_be64(c->bytes.data + 8), load_be64(c->bytes.data) });
}

/* NULL: there is none. */
static duckdb_value value_of(const struct cell *c) {
        switch (c->type) {
        case CELL_NULL:
                return duckdb.create_null_value();
        case CELL_INTEGER:
                return integer_value(c);
        case CELL_DECIMAL:
                return decimal_value(c);
        case CELL_REAL:
                return duckdb.create_double(c->real);
        case CELL_TEXT:
                return duckdb.create_varchar_length((const char *) c->bytes.data, c->bytes.len);
        case CELL_BLOB:
                return duckdb.create_blob(c->bytes.data, c->bytes.len);
        case CELL_DATE:
                return duckdb.create_date((duckdb_date){ (int32_t) c->integer });
        case CELL_TIME:
                return duckdb.create_time((duckdb_time){ c->integer });
        case CELL_TIMESTAMP:
                return duckdb.create_timestamp((duckdb_timestamp){ c->integer });
        case CELL_TIMESTAMPTZ:
                return duckdb.create_timestamp_tz((duckdb_timestamp){ c->integer });
        case CELL_INTERVAL:
                return duckdb.create_interval((duckdb_interval){
                        c->interval.months, c->interval.days, c->interval.usec });
        case CELL_UUID:
                return uuid_value(c);
        default:
                return NULL;
        }
}

static bool bind_one(duckdb_prepared_statement q, idx_t index, struct bytes parameter) {
        struct reader r = reader_of(parameter);
        duckdb_value v;
        struct cell c;
        bool ok;

        if (cell_read(&r, &c) != CELL_OK || !reader_done(&r))
                return false;
        v = value_of(&c);
        ok = v && duckdb.bind_value(q, index, v) == DuckDBSuccess;
        if (v)
                duckdb.destroy_value(&v);
        return ok;
}

int duckdb_bind(duckdb_prepared_statement q, const struct bytes *parameters, size_t n,
                struct engine_problem *p) {
        if (duckdb.nparams(q) != n)
                return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_USAGE, 0, -1,
                                          "the number of parameters is not that of the statement");
        for (size_t i = 0; i < n; i++) {
                if (!bind_one(q, i + 1, parameters[i]))
                        return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_USAGE, 0, -1,
                                                  "a parameter this engine has no value for");
        }
        return ENGINE_OK;
}
