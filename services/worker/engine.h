#pragma once

/* What the executor asks of a database engine. One session is one job in one
 * process: inputs, clock and randomness of the job, one statement. Engines know
 * nothing of sockets, spools or the sandbox; the executor knows nothing of SQL.
 *
 * Answers are enum engine_result; with ENGINE_E_* the problem is filled in. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/canonical/answer.h"
#include "common/canonical/schema.h"
#include "common/crypto/hash.h"
#include "services/worker/analysis.h"

#define ENGINE_INPUTS_MAX 8
#define ENGINE_CLASS_SIZE 96
#define ENGINE_SQL_MAX    (1u << 20)

enum engine_result {
        ENGINE_OK = 0,
        ENGINE_BATCH,     /* step: the answer builder has a batch ready */
        ENGINE_END,       /* step: no more rows, the builder is finished */
        ENGINE_E_SQL,     /* the statement is wrong, equally everywhere: `sql_error` */
        ENGINE_E_PROBLEM, /* anything else: `outcome` */
};

struct engine_problem {
        uint32_t outcome;   /* enum outcome_error */
        uint32_t sql_error; /* enum sql_error, with ENGINE_E_SQL */
        int32_t position;   /* bytes into the SQL, or -1 */
        bool is_by_order;   /* rows in another order, which another build may take, may not err */
        char detail[128];   /* "rule=…", "column=… type=…", "which=…" */
        char text[256];     /* the engine's own words, escaped: they quote foreign names */
};

struct engine_input {
        char name[64];
        char format[16];     /* "sqlite": a database `name`; of the others one table `name` */
        const uint8_t *data; /* the file; NULL: empty tables of `schema` */
        uint64_t length;
        struct bytes options; /* of the format, fixed at publishing (the manifest's) */
        struct bytes schema;  /* as describe() of a session with this one input gave it */
        bool admitted;        /* its content was checked before, by this build */
        bool imported;        /* `data` is what IMPORT made of the file: a SQLite database */
        uint64_t rows;        /* of a table, as counted at publishing, or guessed; 0: not known */
};

struct engine_job {
        int64_t time_us;  /* what the statement sees as now */
        uint8_t seed[32]; /* what random() comes from */
        uint64_t memory;  /* bytes of the engine's heap */
        struct engine_input inputs[ENGINE_INPUTS_MAX];
        size_t n_inputs;
        const struct bytes *parameters; /* canonical cells of what is analysed; may come late */
        size_t n_parameters;
        /* Asked every few milliseconds, also out of a signal handler; true: stop. */
        bool (*is_over)(void *userdata);
        void *userdata;
};

struct engine_statement {
        struct bytes sql;
        const struct bytes *parameters; /* canonical cells */
        size_t n_parameters;
        const struct schema *schema; /* the declared result */
        bool is_exact;               /* no REAL may come out of an expression */
};

/* Of our own part in an answer: readers of CSV and NDJSON with their options, casts, how values
 * become cells. Counted up with every change of it that a result can show. */
#define ENGINE_ADAPTER_REVISION "2" /* 2: printf() of SQLite fails where it was NULL */
/* What the hash in every class name begins with. */
void engine_class_begin(struct hash *h);

struct engine_session;

struct engine {
        const char *name;
        /* Builds agree on which rows meet an expression that fails, so that an error of running is
         * an answer between them. Not where the plan, which is the build's, decides it. */
        bool runs_into_same_errors;
        /* In the zygote, once, before any job: whatever costs time or reads files. `library`:
         * the engine's shared library where it is not linked in; else NULL. 0 or a fault,
         * said on stderr. */
        int (*preload)(const char *library);
        /* engine/version/build: equal only where every bit of FLOAT is. */
        void (*class_name)(char ret[ENGINE_CLASS_SIZE]);
        /* Opens the inputs and closes every lock. `job` must outlive the session. */
        int (*open)(const struct engine_job *job, struct engine_session **ret,
                    struct engine_problem *problem);
        void (*close)(struct engine_session *s);
        /* The schema of input 0, as it goes into engine_input.schema. */
        int (*describe)(struct engine_session *s, struct buffer *ret, struct engine_problem *p);
        int (*analyse)(struct engine_session *s, struct bytes sql, bool no_rewrite,
                       struct engine_analysis *ret, struct engine_problem *p);
        /* What the engine expects of a statement that analyse() let pass; the last thing a
         * session is asked, for inputs may be replaced by stand-ins. Nothing runs. */
        void (*promise)(struct engine_session *s, const char *sql, struct engine_promise *ret);
        /* After describe(): rows of input 0; 0: not known. May be NULL. */
        uint64_t (*count)(struct engine_session *s);
        /* The statement that step() runs; its schema must outlive the session. DuckDB: again, for
         * another statement or the same from the start. */
        int (*prepare)(struct engine_session *s, const struct engine_statement *statement,
                       struct engine_problem *p);
        /* Writes rows into the builder until a batch is ready or the end. */
        int (*step)(struct engine_session *s, struct answer_builder *b, struct engine_problem *p);
        uint64_t (*memory)(struct engine_session *s); /* bytes of heap, now */
};

extern const struct engine engine_sqlite, engine_duckdb;
/* `name` is "sqlite", or "duckdb:" and the path of its library, of which *ret_library is
 * the path (NULL: none given). NULL: no such engine. */
const struct engine *engine_by_name(const char *name, const char **ret_library);

/* Fills in *p; text may be NULL and is escaped. Returns `result`. */
int engine_problem_set(struct engine_problem *p, int result, uint32_t outcome, uint32_t sql_error,
                       int32_t position, const char *text);
/* A value of an input that this engine cannot take as it was published, on no host: as an error of
 * the statement (SQL_ENCODING). `text` names the place. Returns ENGINE_E_SQL. */
int engine_problem_data(struct engine_problem *p, const char *text);
/* Which input it is: "dataset 'name': " before the text. */
void engine_problem_name(struct engine_problem *p, const char *name);
/* answer_end_row() refused a row: by the job's own limits (the same on every host), because a SET
 * grew too large to be compared, or for want of memory here. `r` is what it said. */
int engine_row_problem(int r, struct engine_problem *p);

/* An error of the statement that nobody signs: its kind as the detail, no place where the kind has
 * none. Another problem is left as it is. */
void engine_problem_code(struct engine_problem *p);

/* Whether each build of the engine runs into this error of a statement. */
bool engine_builds_err_alike(const struct engine *e, const struct engine_problem *p);

/* As dataset_is_named() says. */
bool engine_input_is_named(const struct engine_input *in);
