/* Rows out of DuckDB's chunks into canonical bytes: the hot path. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_readers.h"
#include "services/worker/duckdb/duckdb_session.h"

/* Until the first rows are there. */
static int run_pending(struct engine_session *s, struct engine_problem *p) {
        duckdb_pending_state state;
        int r = ENGINE_OK;

        if (duckdb.pending_prepared_streaming(s->statement, &s->pending) != DuckDBSuccess)
                return duckdb_problem_run(duckdb.pending_error(s->pending), p);
        do
                state = duckdb.pending_execute_task(s->pending);
        while (state == DUCKDB_PENDING_RESULT_NOT_READY ||
               state == DUCKDB_PENDING_NO_TASKS_AVAILABLE);
        if (state == DUCKDB_PENDING_ERROR)
                return duckdb_problem_run(duckdb.pending_error(s->pending), p);
        s->has_result = true;
        if (duckdb.execute_pending(s->pending, &s->result) != DuckDBSuccess)
                r = duckdb_problem_run(duckdb.result_error(&s->result), p);
        return r;
}

static int make_readers(struct engine_session *s, struct engine_problem *p) {
        size_t n = s->schema->n_columns;

        if (duckdb.column_count(&s->result) != n)
                return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1,
                                          "the result has other columns than the statement");
        s->readers = xnew_n(struct duckdb_reader, n + 1);
        for (size_t i = 0; i < n; i++) {
                duckdb_logical_type type = duckdb.column_logical_type(&s->result, i);

                duckdb_reader_init(&s->readers[i], type, s->schema->columns[i]);
                duckdb.destroy_logical_type(&type);
        }
        return ENGINE_OK;
}

/* s->chunk is the next one, or NULL at the end. */
static int next_chunk(struct engine_session *s, struct engine_problem *p) {
        const char *error;

        duckdb.destroy_data_chunk(&s->chunk);
        s->chunk = duckdb.fetch_chunk(s->result);
        error = duckdb.result_error(&s->result);
        if (error && error[0])
                return duckdb_problem_run(error, p);
        s->chunk_at = 0;
        s->chunk_rows = s->chunk ? duckdb.data_chunk_get_size(s->chunk) : 0;
        s->is_done = s->chunk == NULL;
        for (size_t i = 0; s->chunk && i < s->schema->n_columns; i++)
                duckdb_reader_bind(&s->readers[i], duckdb.data_chunk_get_vector(s->chunk, i));
        return ENGINE_OK;
}

static int cell_problem(struct engine_session *s, size_t column, struct engine_problem *p) {
        char declared[64];

        (void) engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_ENCODING, 0,
                                  "a value is not of the declared type, or has no canonical form");
        (void) snprintf(p->detail, sizeof(p->detail), "column=%zu type=%s declared=%s", column,
                        duckdb_type_text(s->readers[column].id),
                        schema_type_text(s->schema->columns[column], declared, sizeof(declared)));
        return ENGINE_E_SQL;
}

/* BATCH_OK: the chunk is through. */
static int put_chunk(struct engine_session *s, struct answer_builder *b, struct engine_problem *p,
                     int *ret) {
        const struct duckdb_reader *readers = s->readers;
        struct buffer *row = answer_row(b);
        size_t n = s->schema->n_columns;

        while (s->chunk_at < s->chunk_rows) {
                uint64_t at = s->chunk_at++;

                for (size_t i = 0; i < n; i++) {
                        int r = duckdb_put_cell(&readers[i], at, row);

                        if (r == DUCKDB_PUT_E_CAST) {
                                *ret = cell_problem(s, i, p);
                                return BATCH_E_CELL;
                        }
                        if (r)
                                break; /* the buffer failed: ending the row says so */
                }
                *ret = answer_end_row(b);
                if (*ret == BATCH_READY)
                        return BATCH_READY;
                if (*ret) {
                        *ret = engine_row_problem(*ret, p);
                        return BATCH_E_ROW;
                }
        }
        return BATCH_OK;
}

static int step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        int r = ENGINE_OK, result = BATCH_OK;

        if (!s->has_result) {
                r = run_pending(s, p);
                if (r == ENGINE_OK)
                        r = make_readers(s, p);
        }
        while (r == ENGINE_OK && !s->is_done) {
                result = put_chunk(s, b, p, &r);
                if (result == BATCH_READY)
                        return ENGINE_BATCH;
                if (result == BATCH_OK)
                        r = next_chunk(s, p);
        }
        if (r)
                return r;
        return answer_finish(b) == BATCH_READY ? ENGINE_BATCH : ENGINE_END;
}

/* Whatever DuckDB said of it, a job that was stopped has not failed otherwise. A batch may be there
 * before the watch's first tick, so each step asks once itself. */
int duckdb_step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        int r;

        if (s->job->is_over && s->job->is_over(s->job->userdata))
                return duckdb_timed_out(p, "run");
        duckdb_watch_begin(s);
        r = step(s, b, p);
        duckdb_watch_end();
        return s->is_stopped ? duckdb_timed_out(p, "run") : r;
}

void duckdb_rows_done(struct engine_session *s) {
        for (size_t i = 0; s->readers && i < s->schema->n_columns; i++)
                duckdb_reader_done(&s->readers[i]);
        free(s->readers);
        s->readers = NULL;
        duckdb.destroy_data_chunk(&s->chunk);
        if (s->has_result)
                duckdb.destroy_result(&s->result);
        duckdb.destroy_pending(&s->pending);
        duckdb.destroy_prepare(&s->statement);
        s->has_result = s->is_done = s->is_stopped = false;
        s->chunk_at = s->chunk_rows = 0;
}
