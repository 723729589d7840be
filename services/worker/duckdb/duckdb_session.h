#pragma once

/* What the DuckDB files of this folder share: one open, locked instance. */

#include "common/canonical/schema.h"
#include "services/worker/duckdb/duckdb_api.h"
#include "services/worker/engine.h"

struct duckdb_reader;

struct engine_session {
        const struct engine_job *job;
        duckdb_database db;
        duckdb_connection connection;
        uint64_t memory_before; /* peak of the process, at its beginning */
        duckdb_prepared_statement statement;
        duckdb_pending_result pending; /* NULL once the first rows are there */
        duckdb_result result;
        bool has_result, is_done;
        volatile bool is_stopped; /* by duckdb_watch.c: the job is over */
        duckdb_data_chunk chunk;
        uint64_t chunk_rows, chunk_at;
        const struct schema *schema;   /* of the running statement */
        struct duckdb_reader *readers; /* one per column */
};

/* ---- duckdb_ask.c: our own questions ---- */
typedef int (*duckdb_row_fn)(void *userdata, const struct bytes *cells, size_t n_cells);
/* Runs one statement of ours and gives each row to fn (NULL: none is wanted). `parameter`
 * is the TEXT $1 (NULL data: there is none). A cell is the bytes of a VARCHAR or BLOB
 * column (cast others in the SQL), NULL data for NULL, valid during the call. fn returns 0
 * to go on; anything else is returned. ENGINE_OK, or what DuckDB says in *p. */
int duckdb_ask(struct engine_session *s, const char *sql, struct bytes parameter, duckdb_row_fn fn,
               void *userdata, struct engine_problem *p);

/* ---- duckdb_prepare.c ---- */
/* Exactly one SELECT (by statement type: table functions and PRAGMAs that give rows are
 * among them). The caller destroys *ret. */
int duckdb_prepare_one(struct engine_session *s, struct bytes sql, duckdb_prepared_statement *ret,
                       struct engine_problem *p);

/* Canonical cells as $1 …: ENGINE_OK or USAGE. */
int duckdb_bind(duckdb_prepared_statement q, const struct bytes *parameters, size_t n,
                struct engine_problem *p);

/* ---- duckdb_faults.c ---- */
/* From DuckDB's words (with errors_as_json on) at preparing, running. */
int duckdb_problem_prepare(const char *error, struct bytes sql, struct engine_problem *p);
int duckdb_problem_run(const char *error, struct engine_problem *p);
int duckdb_timed_out(struct engine_problem *p, const char *stage);
/* REFUSED{rule}; position -1: none. */
int duckdb_refuse(struct engine_problem *p, const char *rule, int32_t position, const char *text);

/* ---- duckdb_types.c ---- */
/* CELL_NULL: there is none (unions, TIMETZ, BIGNUM, …). */
enum cell_type duckdb_canonical(duckdb_type id);
const char *duckdb_type_text(duckdb_type id); /* for people */
/* Canonical schema of a prepared statement's columns. ENGINE_OK, or ENCODING{column,type}. */
int duckdb_columns(duckdb_prepared_statement q, struct buffer *ret, struct engine_problem *p);
/* How SQL names a canonical type; false: DuckDB has no such column (ANY). */
bool duckdb_put_type_name(struct buffer *sql, const struct schema_type *type);
void duckdb_put_quoted(struct buffer *sql, char quote, struct bytes text);

/* ---- duckdb_inputs.c: a view per input ---- */
/* Those of text files have no rows before duckdb_inputs_attach(). */
int duckdb_inputs_open(struct engine_session *s, struct engine_problem *p);
int duckdb_inputs_attach(struct engine_session *s, struct engine_problem *p);
/* u8 2, then the canonical schema of a view; *ret is initialised here when it is all zero. */
int duckdb_view_columns(struct engine_session *s, const char *view, struct buffer *ret,
                        struct engine_problem *p);
int duckdb_describe(struct engine_session *s, struct buffer *ret, struct engine_problem *p);

/* ---- duckdb_analysis.c ---- */
int duckdb_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p);

/* ---- duckdb_explain.c ---- */
void duckdb_promise(struct engine_session *s, const char *sql, struct engine_promise *ret);
uint64_t duckdb_count(struct engine_session *s);

/* ---- duckdb_watch.c ---- */
int duckdb_watch_prepare(void); /* once per process, before any filter of system calls */
/* From here on `s` is interrupted when its job is over. One session at a time. */
void duckdb_watch_begin(struct engine_session *s);
void duckdb_watch_end(void);

/* ---- duckdb_rows.c ---- */
int duckdb_step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p);
void duckdb_rows_done(struct engine_session *s); /* the statement and all that came of it */
