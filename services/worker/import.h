#pragma once

/* An input that SQLite does not read by itself, made into a file that it does
 * (tables/image.h), in an executor: worker.Job.IMPORT. Two passes over its rows, one to count
 * and one to write, so that neither the rows nor the file are ever in memory. */

#include "services/worker/engine.h"
#include "services/worker/tables/rows.h"

#define IMPORT_BATCH (1u << 20) /* bytes of whole pages; the last batch may have fewer */

/* The rows of one input from the first to the last, once. */
struct import_rows {
        const struct schema *schema; /* columns of IMPORT's types alone (image_type()) */
        /* One value for each column. ENGINE_OK, ENGINE_END, ENGINE_E_PROBLEM; ENGINE_E_SQL: the
         * value of a row that cannot be kept (engine_problem_data()). */
        int (*next)(struct import_rows *r, const struct table_value **ret,
                    struct engine_problem *p);
        struct import_rows *(*free)(struct import_rows *r);
};

/* Input 0 of `job` that is a table file, for engines of any kind. ENGINE_OK or ENGINE_E_PROBLEM;
 * `job` must outlive it. */
int import_table_rows(const struct engine_job *job, struct import_rows **ret,
                      struct engine_problem *p);

/* What `engine` reads of `in`, the one input of its open session; each call begins anew, and ends
 * the rows before. `schema` is that of import_schema(), and must outlive the session. ENGINE_OK, or
 * ENGINE_E_PROBLEM with *ret perhaps to be freed. */
int import_engine_rows(const struct engine *engine, struct engine_session *session,
                       const struct engine_input *in, const struct schema *schema,
                       struct import_rows **ret, struct engine_problem *p);

struct import_result {
        uint64_t rows, bytes, batches;
};
/* Opens the rows, twice; each time from the first one. */
typedef int (*import_open_fn)(void *userdata, struct import_rows **ret, struct engine_problem *p);
/* Takes one batch; ENGINE_OK, or ENGINE_E_PROBLEM with its problem filled in. */
typedef int (*import_batch_fn)(void *userdata, struct bytes batch, struct engine_problem *p);
/* ENGINE_OK and *ret, or what `rows_of`, its rows or `take` answered. */
int import_write(import_open_fn rows_of, import_batch_fn take, void *userdata,
                 struct import_result *ret, struct engine_problem *p);
