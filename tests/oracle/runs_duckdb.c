#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/schema.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "tests/oracle/runs.h"

static const struct runs_duckdb_settings perturbations[] = {
        { "1", "true", "128MB", false },  { "1", "true", "128MB", true },
        { "2", "false", "128MB", false }, { "8", "false", "256MB", true },
        { "8", "true", "128MB", false },  { "2", "true", "24MB", true },
};

/* What the tables are to an analysis, which sees schemas only. */
static const struct {
        const char *name;
        enum cell_type types[8]; /* id, a, b, c, d, e, m, day */
} shapes[] = {
        { "t",
          { CELL_INTEGER, CELL_INTEGER, CELL_INTEGER, CELL_TEXT, CELL_REAL, CELL_BLOB, CELL_DECIMAL,
            CELL_DATE } },
        { "u", { CELL_INTEGER, CELL_INTEGER, CELL_INTEGER, CELL_TEXT, CELL_REAL } },
        { "l", { CELL_INTEGER, CELL_INTEGER, CELL_INTEGER, CELL_TEXT, CELL_REAL } },
};

struct runs {
        struct engine_job job;
        struct buffer schemas[ELEMENTSOF(shapes)];
        struct engine_session *analyst; /* the engine's own, over no rows */
        struct engine_session sessions[ELEMENTSOF(perturbations)];
};

static bool run(duckdb_connection c, const char *sql) {
        duckdb_result result = {};
        bool ok = duckdb.query(c, sql, &result) == DuckDBSuccess;

        if (!ok)
                (void) fprintf(stderr, "# %s: %s\n", duckdb.result_error(&result), sql);
        duckdb.destroy_result(&result);
        return ok;
}

static bool fill(duckdb_connection c, const struct dialect *d, size_t table, uint64_t seed,
                 bool is_shuffled) {
        bool ok = run(c, d->tables[table]);

        for (size_t i = 0; ok && i < RUNS_ROWS; i++) {
                CLEANUP(freep)
                char *sql = runs_insert(d, seed, table, i, is_shuffled);

                ok = run(c, sql);
        }
        return ok;
}

static bool set(duckdb_connection c, const char *name, const char *value) {
        CLEANUP(freep) char *sql = xasprintf("SET %s = '%s'", name, value);

        return run(c, sql);
}

bool runs_duckdb_open(struct engine_session *s, const struct runs_duckdb_settings *p,
                      const struct dialect *d, uint64_t seed) {
        bool ok = duckdb.open_ext(NULL, &s->db, NULL, NULL) == DuckDBSuccess &&
                  duckdb.connect(s->db, &s->connection) == DuckDBSuccess;

        ok = ok && set(s->connection, "threads", p->threads) &&
             set(s->connection, "memory_limit", p->memory) &&
             set(s->connection, "preserve_insertion_order", p->preserve) &&
             set(s->connection, "TimeZone", "UTC") &&
             set(s->connection, "errors_as_json", "true") &&
             set(s->connection, "temp_directory", "");
        for (size_t t = 0; ok && d->tables[t]; t++)
                ok = fill(s->connection, d, t, seed, p->is_shuffled);
        return ok;
}

static void make_schema(struct runs *r, size_t i) {
        static const char *const names[] = { "id", "a", "b", "c", "d", "e", "m", "day" };
        struct engine_input *in = &r->job.inputs[i];
        size_t n = i == 0 ? ELEMENTSOF(names) : 5;

        buffer_init(&r->schemas[i], 4096);
        buffer_put_u8(&r->schemas[i], 2);
        schema_begin(&r->schemas[i], n);
        for (size_t k = 0; k < n; k++) {
                schema_put_name(&r->schemas[i], BYTES_STR(names[k]));
                if (shapes[i].types[k] == CELL_DECIMAL)
                        schema_put_decimal(&r->schemas[i], 10, 2);
                else
                        schema_put_type(&r->schemas[i], shapes[i].types[k]);
        }
        (void) snprintf(in->name, sizeof(in->name), "%s", shapes[i].name);
        (void) snprintf(in->format, sizeof(in->format), "parquet");
        in->schema = buffer_bytes(&r->schemas[i]);
}

static bool open_analyst(struct runs *r) {
        struct engine_problem p = {};
        bool ok;

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                make_schema(r, i);
        r->job.memory = 128 << 20;
        r->job.n_inputs = ELEMENTSOF(shapes);
        ok = engine_duckdb.open(&r->job, &r->analyst, &p) == ENGINE_OK;
        if (!ok)
                (void) fprintf(stderr, "# %s %s\n", p.detail, p.text);
        return ok;
}

static void done(struct runs *r) {
        if (r->analyst)
                engine_duckdb.close(r->analyst);
        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                buffer_done(&r->schemas[i]);
        for (size_t i = 0; i < ELEMENTSOF(perturbations); i++) {
                duckdb.disconnect(&r->sessions[i].connection);
                duckdb.close(&r->sessions[i].db);
        }
        free(r);
}

static struct runs *make(uint64_t seed) {
        struct runs *r = xnew(struct runs);
        bool ok = open_analyst(r);

        r->job.time_us = INT64_C(1790000000000000);
        for (size_t i = 0; ok && i < ELEMENTSOF(perturbations); i++) {
                r->sessions[i].job = &r->job;
                ok = runs_duckdb_open(&r->sessions[i], &perturbations[i], &dialect_duckdb, seed);
        }
        if (ok)
                return r;
        done(r);
        return NULL;
}

static int analyse(struct runs *r, const char *sql, struct engine_analysis *ret) {
        struct engine_problem p = {};

        return engine_duckdb.analyse(r->analyst, BYTES_STR(sql), false, ret, &p);
}

static bool answer(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                   struct answer *ret) {
        return runs_step(&engine_duckdb, &r->sessions[i], sql, a, duckdb_rows_done, ret);
}

bool runs_duckdb_preload(const char *library) {
        return engine_duckdb.preload(library) == 0;
}

static const char *const names[] = { "as published",
                                     "rows in another order",
                                     "2 threads, insertion order not kept",
                                     "8 threads, another order, more memory",
                                     "8 threads",
                                     "2 threads, another order, little memory",
                                     NULL };
_Static_assert(ELEMENTSOF(names) == ELEMENTSOF(perturbations) + 1, "a name each");

const struct runs_engine runs_duckdb = { .name = "duckdb",
                                         .run_share = 0.6,
                                         .rules_show = true,
                                         .dialect = &dialect_duckdb,
                                         .perturbations = names,
                                         .preload = runs_duckdb_preload,
                                         .make = make,
                                         .done = done,
                                         .analyse = analyse,
                                         .answer = answer };
