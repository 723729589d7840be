#pragma once

/* What a statement will cost its binder and its optimiser, counted in the tree before either
 * sees it: neither can be interrupted. Pure. */

#include "services/worker/duckdb/duckdb_tree.h"

/* Measured with DuckDB 1.5.6 on a small machine: a star of 40 tables 0.1 s, of 60 1.4 s;
 * 180 additions 0.4 s, 400 of them 3 s. Beside that, a job past its deadline has half a second
 * before it is killed. */
#define WEIGHT_JOINED_MAX 40
#define WEIGHT_TABLES_MAX 200
#define WEIGHT_DEPTH_MAX  4000000

struct duckdb_weight {
        uint64_t joined; /* tables of the largest join: subqueries are drawn into the outer one */
        uint64_t tables; /* of all queries together; a WITH counts wherever it is named */
        uint64_t depth;  /* sum of the squares of how deep each expression stands */
};
struct duckdb_weight duckdb_weigh(struct json_object *statement);
/* Which rule it breaks, and in *ret_remedy what to do (static); NULL: none. */
const char *duckdb_too_heavy(const struct duckdb_weight *w, const char **ret_remedy);
