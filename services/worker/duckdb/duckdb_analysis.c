/* Not yet: what a statement's class is. */

#include "services/worker/duckdb/duckdb_session.h"

int duckdb_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p) {
        return duckdb_refuse(p, "analysis", -1,
                             "this build cannot tell which DuckDB statements have one answer");
}
