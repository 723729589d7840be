/* Our own questions to the engine: catalogue, settings, the statement's own tree. */

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_session.h"

#define COLUMNS_MAX 32

static int give_row(duckdb_data_chunk chunk, size_t n_columns, uint64_t row, duckdb_row_fn fn,
                    void *userdata) {
        struct bytes cells[COLUMNS_MAX];

        for (size_t i = 0; i < n_columns; i++) {
                duckdb_vector v = duckdb.data_chunk_get_vector(chunk, i);
                const uint64_t *validity = duckdb.vector_get_validity(v);
                const duckdb_string_t *strings = duckdb.vector_get_data(v);
                bool is_null = validity && !(validity[row / 64] >> (row % 64) & 1);

                cells[i] = is_null ? BYTES_NONE : duckdb_string(&strings[row]);
        }
        return fn(userdata, cells, n_columns);
}

static bool are_strings(duckdb_result *result, size_t n) {
        for (size_t i = 0; i < n; i++) {
                duckdb_logical_type type = duckdb.column_logical_type(result, i);
                duckdb_type id = duckdb.get_type_id(type);

                duckdb.destroy_logical_type(&type);
                if (id != DUCKDB_TYPE_VARCHAR && id != DUCKDB_TYPE_BLOB)
                        return false;
        }
        return n <= COLUMNS_MAX;
}

static int give_rows(duckdb_result *result, duckdb_row_fn fn, void *userdata) {
        size_t n = duckdb.column_count(result);
        int r = ENGINE_OK;

        if (!fn)
                return ENGINE_OK;
        check(are_strings(result, n));
        while (r == ENGINE_OK) {
                duckdb_data_chunk chunk = duckdb.fetch_chunk(*result);
                uint64_t n_rows = chunk ? duckdb.data_chunk_get_size(chunk) : 0;

                if (!chunk)
                        break;
                for (uint64_t row = 0; row < n_rows && r == ENGINE_OK; row++)
                        r = give_row(chunk, n, row, fn, userdata);
                duckdb.destroy_data_chunk(&chunk);
        }
        return r;
}

static int run(duckdb_prepared_statement q, struct bytes parameter, duckdb_row_fn fn,
               void *userdata, struct engine_problem *p) {
        duckdb_result result = {};
        int r;

        if (parameter.data)
                (void) duckdb.bind_varchar_length(q, 1, (const char *) parameter.data,
                                                  parameter.len);
        if (duckdb.execute_prepared(q, &result) == DuckDBSuccess)
                r = give_rows(&result, fn, userdata);
        else
                r = duckdb_problem_run(duckdb.result_error(&result), p);
        duckdb.destroy_result(&result);
        return r;
}

int duckdb_ask(struct engine_session *s, const char *sql, struct bytes parameter, duckdb_row_fn fn,
               void *userdata, struct engine_problem *p) {
        duckdb_prepared_statement q = NULL;
        int r;

        duckdb_watch_begin(s);
        if (duckdb.prepare(s->connection, sql, &q) == DuckDBSuccess)
                r = run(q, parameter, fn, userdata, p);
        else
                r = duckdb_problem_run(duckdb.prepare_error(q), p);
        duckdb_watch_end();
        duckdb.destroy_prepare(&q);
        return s->is_stopped ? duckdb_timed_out(p, "prepare") : r;
}
