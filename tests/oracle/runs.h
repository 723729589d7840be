#pragma once

/* One statement on perturbed executors: what honest hosts of one engine might be. */

#include "common/canonical/answer.h"
#include "services/worker/engine.h"
#include "tests/oracle/generate.h"

struct runs; /* the executors of one engine, with rows in them */

struct runs_engine {
        const char *name;
        double run_share; /* of the statements at least so many are not REFUSED */
        bool rules_show;  /* without any one rule that refuses, some statement has two answers */
        const struct dialect *dialect;
        const char *const *perturbations; /* NULL-terminated; the first is what was published */
        /* Once. `library` as for engine->preload(). False: said on stderr. */
        bool (*preload)(const char *library);
        struct runs *(*make)(uint64_t seed); /* of the rows; NULL: said on stderr */
        void (*done)(struct runs *r);
        /* The analysis as a requester makes it. ENGINE_OK, or the statement is wrong. */
        int (*analyse)(struct runs *r, const char *sql, struct engine_analysis *ret);
        /* Runs it on perturbation i. True: *ret is an answer, of rows or of an error of the closed
         * table; false: none, for want of memory or time. */
        bool (*answer)(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                       struct answer *ret);
};
extern const struct runs_engine runs_sqlite, runs_duckdb, runs_portable;

/* ---- runs.c: what both have in common ---- */
/* Prepares and steps a statement in an open session. As answer(). `done` (or NULL) makes the
 * session forget the statement, while its schema still lives. */
bool runs_step(const struct engine *engine, struct engine_session *s, const char *sql,
               const struct engine_analysis *a, void (*done)(struct engine_session *s),
               struct answer *ret);
/* An instance of DuckDB like those of the engine, but for three settings; rows are put into it. */
struct runs_duckdb_settings {
        const char *threads, *preserve, *memory;
        bool is_shuffled;
};
bool runs_duckdb_open(struct engine_session *s, const struct runs_duckdb_settings *p,
                      const struct dialect *d, uint64_t seed);
bool runs_duckdb_preload(const char *library);

/* "INSERT INTO …" of one row of a table ("tul"[table]); the caller frees it. The rows of a seed are
 * always the same, their order is not. */
#define RUNS_ROWS 24
char *runs_insert(const struct dialect *d, uint64_t seed, size_t table, size_t i, bool is_shuffled);
