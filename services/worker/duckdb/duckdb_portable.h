#pragma once

/* Whether SQLite gives the same answer: only what is listed in ../portable.h stands in the
 * statement, over integers and texts. Pure. */

#include "services/worker/duckdb/duckdb_tree.h"
#include "services/worker/engine.h"

/* NULL: it does; else why not (static), and *ret_at says where, or -1. `statement` is one of
 * "statements" as it is to be dispatched, `plan` one of "plans". */
const char *duckdb_portable_fault(const struct engine_job *job, struct json_object *statement,
                                  struct json_object *plan, int32_t *ret_at);
