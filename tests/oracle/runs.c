#include "tests/oracle/runs.h"

#include <sqlite3.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "tests/oracle/generate.h"

#define ROWS        24
#define MEMORY      (64u << 20)
#define STEPS_LIMIT 400 /* of the progress handler: a statement that multiplies is left */

static const struct perturbation {
        const char *name;
        bool is_shuffled, has_indexes, is_reversed, is_analysed;
        unsigned page;
        uint64_t memory;
} perturbations[] = {
        { .name = "as published", .page = 4096, .memory = MEMORY },
        { .name = "rows in another order", .is_shuffled = true, .page = 4096, .memory = MEMORY },
        { .name = "with indexes", .has_indexes = true, .page = 4096, .memory = MEMORY },
        { .name = "another order, indexes, statistics",
          .is_shuffled = true,
          .has_indexes = true,
          .is_analysed = true,
          .page = 512,
          .memory = MEMORY / 2 },
        { .name = "reverse_unordered_selects",
          .is_reversed = true,
          .page = 4096,
          .memory = MEMORY },
        { .name = "reversed, with indexes",
          .is_reversed = true,
          .has_indexes = true,
          .page = 65536,
          .memory = MEMORY },
};

struct runs {
        struct {
                unsigned char *data;
                sqlite3_int64 length;
        } images[ELEMENTSOF(perturbations)];
        struct buffer schema;
        unsigned steps;
};

static bool run(sqlite3 *db, const char *sql) {
        bool ok = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;

        if (!ok)
                (void) fprintf(stderr, "# %s: %s\n", sqlite3_errmsg(db), sql);
        return ok;
}

/* The rows of a table are always the same; their order is not. */
static bool fill(sqlite3 *db, size_t table, uint64_t seed, bool is_shuffled) {
        static const char names[] = "tul";
        size_t order[ROWS];
        struct rng shuffle;

        rng_init(&shuffle, seed + 77);
        for (size_t i = 0; i < ROWS; i++)
                order[i] = i;
        for (size_t i = ROWS; is_shuffled && i > 1; i--) {
                size_t k = rng_below(&shuffle, i), kept = order[i - 1];

                order[i - 1] = order[k];
                order[k] = kept;
        }
        for (size_t i = 0; i < ROWS; i++) {
                CLEANUP(buffer_donep) struct buffer row = {};
                CLEANUP(freep) char *sql = NULL;
                struct rng r;

                rng_init(&r, seed * 1000 + table * 100 + order[i]);
                buffer_init(&row, 4096);
                generate_row(&r, table, order[i], &row);
                sql = xasprintf("INSERT INTO %c VALUES%.*s", names[table], (int) row.len,
                                (char *) row.data);
                if (!run(db, sql))
                        return false;
        }
        return true;
}

static bool build(const struct perturbation *p, uint64_t seed, unsigned char **ret,
                  sqlite3_int64 *ret_length) {
        CLEANUP(freep) char *page = xasprintf("PRAGMA page_size=%u", p->page);
        sqlite3 *db = NULL;
        bool ok =
                sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, "unix-none") == SQLITE_OK &&
                run(db, page);

        for (size_t i = 0; ok && generate_tables[i]; i++)
                ok = run(db, generate_tables[i]) && fill(db, i, seed, p->is_shuffled);
        for (size_t i = 0; ok && p->has_indexes && generate_indexes[i]; i++)
                ok = run(db, generate_indexes[i]);
        ok = ok && (!p->is_analysed || run(db, "ANALYZE"));
        *ret = ok ? sqlite3_serialize(db, "main", ret_length, 0) : NULL;
        (void) sqlite3_close(db);
        return *ret != NULL;
}

static bool is_over(void *userdata) {
        return ++((struct runs *) userdata)->steps > STEPS_LIMIT;
}

static struct engine_job job_of(struct runs *r, size_t i) {
        struct engine_job job = { .memory = perturbations[i].memory,
                                  .time_us = INT64_C(1790000000000000),
                                  .n_inputs = 1,
                                  .is_over = is_over,
                                  .userdata = r };

        (void) snprintf(job.inputs[0].name, sizeof(job.inputs[0].name), "main");
        (void) snprintf(job.inputs[0].format, sizeof(job.inputs[0].format), "sqlite");
        job.inputs[0].data = r->images[i].data;
        job.inputs[0].length = (uint64_t) r->images[i].length;
        job.inputs[0].admitted = true;
        return job;
}

static bool describe(struct runs *r) {
        struct engine_job job = job_of(r, 0);
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        bool ok = engine_sqlite.open(&job, &s, &p) == ENGINE_OK &&
                  engine_sqlite.describe(s, &r->schema, &p) == ENGINE_OK;

        if (!ok)
                (void) fprintf(stderr, "# describe: %s %s\n", p.detail, p.text);
        if (s)
                engine_sqlite.close(s);
        return ok;
}

struct runs *runs_new(uint64_t seed) {
        struct runs *r = xnew(struct runs);
        bool ok = engine_sqlite.preload(NULL) == 0;

        buffer_init(&r->schema, 1 << 20);
        for (size_t i = 0; ok && i < ELEMENTSOF(perturbations); i++)
                ok = build(&perturbations[i], seed, &r->images[i].data, &r->images[i].length);
        return ok && describe(r) ? r : runs_free(r);
}

struct runs *runs_free(struct runs *r) {
        for (size_t i = 0; i < ELEMENTSOF(perturbations); i++)
                sqlite3_free(r->images[i].data);
        buffer_done(&r->schema);
        free(r);
        return NULL;
}

size_t runs_n(const struct runs *r) {
        return ELEMENTSOF(perturbations);
}

const char *runs_name(const struct runs *r, size_t i) {
        return perturbations[i].name;
}

int runs_analyse(struct runs *r, const char *sql, struct engine_analysis *ret) {
        struct engine_job job = job_of(r, 0);
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        int result;

        job.inputs[0].data = NULL;
        job.inputs[0].schema = buffer_bytes(&r->schema);
        r->steps = 0;
        result = engine_sqlite.open(&job, &s, &p);
        if (result == ENGINE_OK)
                result = engine_sqlite.analyse(s, BYTES_STR(sql), false, ret, &p);
        if (s)
                engine_sqlite.close(s);
        return result;
}

/* ---- one run ---- */

static int rows_of(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        for (;;) {
                int result = engine_sqlite.step(s, b, p);

                if (result == ENGINE_BATCH)
                        (void) answer_next(b);
                else
                        return result;
        }
}

static bool answer_with(struct engine_session *s, const char *sql, const struct engine_analysis *a,
                        const struct schema *schema, struct answer *ret) {
        const struct engine_statement statement = { .sql = BYTES_STR(sql),
                                                    .schema = schema,
                                                    .is_exact = a->class <= ENGINE_ORDERED };
        const struct answer_limits limits = {};
        struct engine_problem p = {};
        struct answer_builder b;
        int result = engine_sqlite.prepare(s, &statement, &p);

        answer_begin(&b, a->is_ordered ? ANSWER_SEQUENCE : ANSWER_SET, &schema->digest, &limits,
                     NULL);
        if (result == ENGINE_OK)
                result = rows_of(s, &b, &p);
        if (result == ENGINE_END)
                answer_result(&b, ret);
        answer_done(&b);
        return result == ENGINE_END ||
               (result == ENGINE_E_SQL && answer_of_error(p.sql_error, 0, &schema->digest, ret));
}

/* The engine's own switch for the same freedom; what the lock forbids a statement, the test may. */
static void reverse(struct engine_session *s) {
        s->phase = SQLITE_PHASE_OPEN;
        (void) run(s->db, "PRAGMA reverse_unordered_selects=1");
        sqlite_lock_close(s);
}

bool runs_answer(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                 struct answer *ret) {
        CLEANUP(schema_freep) struct schema *schema = NULL;
        struct engine_job job = job_of(r, i);
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        bool ok = schema_decode(buffer_bytes(&a->schema), &schema) == SCHEMA_OK;

        r->steps = 0;
        ok = ok && engine_sqlite.open(&job, &s, &p) == ENGINE_OK;
        if (ok && perturbations[i].is_reversed)
                reverse(s);
        *ret = (struct answer){};
        ok = ok && answer_with(s, sql, a, schema, ret);
        if (s)
                engine_sqlite.close(s);
        return ok;
}
