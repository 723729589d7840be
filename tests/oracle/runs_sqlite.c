#include "tests/oracle/runs.h"

#include <sqlite3.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/sqlite_session.h"

#define MEMORY      (64u << 20)
#define STEPS_LIMIT 400 /* of the progress handler: a statement that multiplies is left */

static const struct perturbation {
        bool is_shuffled, has_indexes, is_reversed, is_analysed;
        unsigned page;
        uint64_t memory;
} perturbations[] = {
        { .page = 4096, .memory = MEMORY },
        { .is_shuffled = true, .page = 4096, .memory = MEMORY },
        { .has_indexes = true, .page = 4096, .memory = MEMORY },
        { .is_shuffled = true,
          .has_indexes = true,
          .is_analysed = true,
          .page = 512,
          .memory = MEMORY / 2 },
        { .is_reversed = true, .page = 4096, .memory = MEMORY },
        { .is_reversed = true, .has_indexes = true, .page = 65536, .memory = MEMORY },
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

static bool fill(sqlite3 *db, size_t table, uint64_t seed, bool is_shuffled) {
        bool ok = true;

        for (size_t i = 0; ok && i < RUNS_ROWS; i++) {
                CLEANUP(freep)
                char *sql = runs_insert(&dialect_sqlite, seed, table, i, is_shuffled);

                ok = run(db, sql);
        }
        return ok;
}

static bool build(const struct perturbation *p, uint64_t seed, unsigned char **ret,
                  sqlite3_int64 *ret_length) {
        CLEANUP(freep) char *page = xasprintf("PRAGMA page_size=%u", p->page);
        sqlite3 *db = NULL;
        bool ok =
                sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, "unix-none") == SQLITE_OK &&
                run(db, page);

        for (size_t i = 0; ok && dialect_sqlite.tables[i]; i++)
                ok = run(db, dialect_sqlite.tables[i]) && fill(db, i, seed, p->is_shuffled);
        for (size_t i = 0; ok && p->has_indexes && dialect_sqlite.indexes[i]; i++)
                ok = run(db, dialect_sqlite.indexes[i]);
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

static void done(struct runs *r) {
        for (size_t i = 0; i < ELEMENTSOF(perturbations); i++)
                sqlite3_free(r->images[i].data);
        buffer_done(&r->schema);
        free(r);
}

static struct runs *make(uint64_t seed) {
        struct runs *r = xnew(struct runs);
        bool ok = true;

        buffer_init(&r->schema, 1 << 20);
        for (size_t i = 0; ok && i < ELEMENTSOF(perturbations); i++)
                ok = build(&perturbations[i], seed, &r->images[i].data, &r->images[i].length);
        if (ok && describe(r))
                return r;
        done(r);
        return NULL;
}

static int analyse(struct runs *r, const char *sql, struct engine_analysis *ret) {
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

/* The engine's own switch for the same freedom; what the lock forbids a statement, the test may. */
static void reverse(struct engine_session *s) {
        s->phase = SQLITE_PHASE_OPEN;
        (void) run(s->db, "PRAGMA reverse_unordered_selects=1");
        sqlite_lock_close(s);
}

static bool answer(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                   struct answer *ret) {
        struct engine_job job = job_of(r, i);
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        bool ok;

        r->steps = 0;
        ok = engine_sqlite.open(&job, &s, &p) == ENGINE_OK;
        if (ok && perturbations[i].is_reversed)
                reverse(s);
        ok = ok && runs_step(&engine_sqlite, s, sql, a, NULL, ret);
        if (s)
                engine_sqlite.close(s);
        return ok;
}

static bool preload(const char *library) {
        return engine_sqlite.preload(library) == 0;
}

static const char *const names[] = { "as published",
                                     "rows in another order",
                                     "with indexes",
                                     "another order, indexes, statistics",
                                     "reverse_unordered_selects",
                                     "reversed, with indexes",
                                     NULL };
_Static_assert(ELEMENTSOF(names) == ELEMENTSOF(perturbations) + 1, "a name each");

const struct runs_engine runs_sqlite = { .name = "sqlite",
                                         .run_share = 0.6,
                                         .rules_show = true,
                                         .dialect = &dialect_sqlite,
                                         .perturbations = names,
                                         .preload = preload,
                                         .make = make,
                                         .done = done,
                                         .analyse = analyse,
                                         .answer = answer };
