#pragma once

/* What the SQLite files of this folder share: one open, locked database. */

#include <sqlite3.h>

#include "common/base/map.h"
#include "services/worker/engine.h"
#include "services/worker/sqlite/sql_tokens.h"

enum sqlite_phase {
        SQLITE_PHASE_OPEN,   /* the executor's own statements */
        SQLITE_PHASE_SCHEMA, /* CREATE statements of a published schema */
        SQLITE_PHASE_LOCKED, /* the job's statement; nothing leads back from here */
};

/* A column the statement reads, as the authorizer named it. */
struct sqlite_read {
        char database[64], table[128], column[128];
};
#define SQLITE_READS_MAX 512

struct sqlite_denied {
        bool is_denied;
        const char *what; /* static: the action */
        char name[96];    /* function, table … */
};

/* Cells as large as a batch. One instruction on longer strings runs for minutes
 * between two calls of the progress handler (measured: replace() at 1 MB 3 s). */
#define SQLITE_VALUE_MAX     (1 << 20)
#define SQLITE_ARGUMENTS_MAX 32 /* of a function */

struct engine_session {
        const struct engine_job *job;
        sqlite3 *db;
        sqlite3_stmt *stmt;
        enum sqlite_phase phase;
        struct map *tables; /* "schema\0name", lower case -> struct sqlite_table */
        struct sqlite_read reads[SQLITE_READS_MAX];
        size_t n_reads;
        bool too_many_reads;
        struct map *functions; /* lower-case name -> struct function_rule, used by the statement */
        struct sqlite_denied denied;
        bool reads_catalogue;
        bool is_probing; /* part of a statement is prepared once more: nothing is recorded */
        uint64_t random_counter;
        struct sqlite_formats *formats; /* NULL until printf() is called */
        /* Of an imported input: its first pages, laid over those of the file. */
        struct buffer heads[ENGINE_INPUTS_MAX];

        const struct schema *schema; /* of the running statement */
        bool is_exact, is_done;
        bool *is_bare; /* per column: comes straight from a table */
};

struct sqlite_table {
        bool is_strict, is_view, has_generated;
        bool is_used; /* a view that stands in the statement, or in a view of it */
        char *sql;
};
/* NULL: no such table. Names in any case. */
const struct sqlite_table *sqlite_table_of(const struct engine_session *s, const char *database,
                                           const char *name);

/* ---- sqlite_engine.c ---- */
/* NULL: none. `is_used` is sqlite3_compileoption_used(), but in tests. */
const char *sqlite_foreign_option(int (*is_used)(const char *option));

/* ---- sqlite_vfs.c: the job's files, clock and randomness ---- */
#define SQLITE_VFS_NAME "quorate"
int sqlite_vfs_register(void); /* becomes the default; sqlite3 result */
/* The session whose job answers from now on; NULL: none (everything is refused). */
void sqlite_vfs_bind(struct engine_session *s);

/* ---- sqlite_locks.c ---- */
/* Limits, switches and the authorizer, in phase OPEN. sqlite3 result code. */
int sqlite_lock(struct engine_session *s);
/* Only the job's statement from here on; forgets what was recorded. */
void sqlite_lock_close(struct engine_session *s);
void sqlite_recorded_clear(struct engine_session *s);

/* ---- sqlite_format.c: printf(), format() ---- */
/* Puts ours in their place. sqlite3 result code. */
int sqlite_formats_replace(struct engine_session *s);
struct sqlite_formats *sqlite_formats_free(struct sqlite_formats *f);

/* ---- sqlite_inputs.c ---- */
int sqlite_inputs_open(struct engine_session *s, struct engine_problem *p);
int sqlite_describe(struct engine_session *s, struct buffer *ret, struct engine_problem *p);

/* ---- sqlite_tables.c ---- */
/* An input of format csv, ndjson or parquet: one STRICT table, of the input's name. */
bool sqlite_is_table(const struct engine_input *in);
bool sqlite_reads_rows(const struct engine_input *in); /* csv, ndjson: by itself, too */
/* One that is a database already, made by IMPORT. */
bool sqlite_is_imported(const struct engine_input *in);
/* Its head under the name of input i, for sqlite_vfs.c. */
int sqlite_import_head(struct engine_session *s, size_t i, struct engine_problem *p);
/* Makes it in the database of that name, and reads all rows into it when there is a file. */
int sqlite_table_fill(struct engine_session *s, const struct engine_input *in,
                      struct engine_problem *p);

/* ---- sqlite_prepare.c ---- */
/* Exactly one read-only statement. */
int sqlite_prepare_one(struct engine_session *s, struct bytes sql, sqlite3_stmt **ret,
                       struct engine_problem *p);
/* From the connection's last error at preparing, running. */
int sqlite_problem_prepare(struct engine_session *s, int rc, struct bytes sql,
                           struct engine_problem *p);
int sqlite_problem_run(struct engine_session *s, int rc, struct engine_problem *p);
int sqlite_problem_memory(struct engine_problem *p);

/* ---- sqlite_analysis.c ---- */
int sqlite_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p);

/* ---- sqlite_explain.c ---- */
void sqlite_promise(struct engine_session *s, const char *sql, struct engine_promise *ret);

/* ---- sqlite_rows.c ---- */
int sqlite_step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p);
