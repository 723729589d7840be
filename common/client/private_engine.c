/* Which engine answers without a node: SQLite, unless the files or the question want DuckDB. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/client/private_job.h"

#define START_WITHIN (10 * NSEC_PER_SEC)

/* Without a node there is no configuration; the environment is that of a worker. */
static bool find_duckdb(const struct quorate *q, char *ret, size_t ret_size) {
        const char *configured = getenv("QUORATE_WORKER_DUCKDB");

        return executor_find_duckdb(configured ? configured : "", q->executor, ret, ret_size);
}

static int start_zygote(struct private_job *p) {
        struct quorate *q = p->q;
        struct executor_zygote **z = &q->zygotes[p->is_duckdb];
        char engine[PATH_MAX] = "sqlite";

        if (p->is_duckdb && !find_duckdb(q, engine, sizeof(engine)))
                return client_fail(q, QUORATE_E_NO_NODE,
                                   "this takes DuckDB, whose library is not here; install it with "
                                   "`deploy/setup --with-duckdb`, or start a node with `quorate "
                                   "run` and ask others");
        if (!*z && executor_zygote_start(q->executor, engine, START_WITHIN, z) != EXECUTOR_OK)
                return client_fail(q, QUORATE_E_NO_NODE,
                                   "%s does not start; look at `quorate doctor`, or start a node "
                                   "with `quorate run`",
                                   q->executor);
        p->zygote = *z;
        return QUORATE_OK;
}

static bool has_format(const struct private_job *p, const char *format) {
        for (size_t i = 0; i < p->n_inputs; i++)
                if (strcmp(p->formats[i], format) == 0)
                        return true;
        return false;
}

bool private_wants_engine(const struct quorate_question *question, const char *engine) {
        for (size_t i = 0; i < question->n_engines; i++)
                if (strcmp(question->engines[i], engine) == 0)
                        return true;
        return question->n_engines == 0;
}

int private_choose_engine(struct private_job *p, const struct quorate_question *question) {
        bool is_parquet = has_format(p, "parquet"), is_sqlite = has_format(p, "sqlite");

        p->is_duckdb = is_parquet || !private_wants_engine(question, "sqlite");
        if (p->is_duckdb && is_sqlite)
                return client_fail(p->q, QUORATE_E_USAGE,
                                   "DuckDB reads no SQLite database; give its tables as Parquet, "
                                   "CSV or NDJSON");
        if (is_parquet && !private_wants_engine(question, "duckdb"))
                return client_fail(p->q, QUORATE_E_USAGE,
                                   "SQLite reads no Parquet file; leave --engine out");
        return start_zygote(p);
}
