#include "tests/oracle/runs.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/schema.h"

static int rows_of(const struct engine *engine, struct engine_session *s, struct answer_builder *b,
                   struct engine_problem *p) {
        for (;;) {
                int result = engine->step(s, b, p);

                if (result != ENGINE_BATCH)
                        return result;
                (void) answer_next(b);
        }
}

static bool answer_with(const struct engine *engine, struct engine_session *s, const char *sql,
                        const struct engine_analysis *a, const struct schema *schema,
                        struct answer *ret) {
        const struct engine_statement statement = { .sql = BYTES_STR(sql),
                                                    .schema = schema,
                                                    .is_exact = a->class <= ENGINE_ORDERED };
        const struct answer_limits limits = {};
        struct engine_problem p = {};
        struct answer_builder b;
        int result = engine->prepare(s, &statement, &p);

        answer_begin(&b, a->is_ordered ? ANSWER_SEQUENCE : ANSWER_SET, &schema->digest, &limits,
                     NULL);
        if (result == ENGINE_OK)
                result = rows_of(engine, s, &b, &p);
        if (result == ENGINE_END)
                answer_result(&b, ret);
        answer_done(&b);
        return result == ENGINE_END ||
               (result == ENGINE_E_SQL && answer_of_error(p.sql_error, 0, &schema->digest, ret));
}

bool runs_step(const struct engine *engine, struct engine_session *s, const char *sql,
               const struct engine_analysis *a, void (*done)(struct engine_session *s),
               struct answer *ret) {
        CLEANUP(schema_freep) struct schema *schema = NULL;
        bool ok;

        *ret = (struct answer){};
        if (schema_decode(buffer_bytes(&a->schema), &schema) != SCHEMA_OK)
                return false;
        ok = answer_with(engine, s, sql, a, schema, ret);
        if (done)
                done(s);
        return ok;
}

/* The row that stands at place i. */
static size_t row_at(uint64_t seed, size_t i) {
        size_t order[RUNS_ROWS];
        struct rng shuffle;

        rng_init(&shuffle, seed + 77);
        for (size_t k = 0; k < RUNS_ROWS; k++)
                order[k] = k;
        for (size_t n = RUNS_ROWS; n > 1; n--) {
                size_t k = rng_below(&shuffle, n), kept = order[n - 1];

                order[n - 1] = order[k];
                order[k] = kept;
        }
        return order[i];
}

char *runs_insert(const struct dialect *d, uint64_t seed, size_t table, size_t i,
                  bool is_shuffled) {
        CLEANUP(buffer_donep) struct buffer row = {};
        size_t which = is_shuffled ? row_at(seed, i) : i;
        struct rng r;

        rng_init(&r, seed * 1000 + table * 100 + which);
        buffer_init(&row, 4096);
        generate_row(d, &r, table, which, &row);
        return xasprintf("INSERT INTO %c VALUES%.*s", "tul"[table], (int) row.len,
                         (char *) row.data);
}
