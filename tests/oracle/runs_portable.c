/* Both engines over the same tables: SQLite's import of CSV, and DuckDB. What the analysis of
 * SQLite calls portable must have one answer; all else counts as REFUSED here. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/schema.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "tests/oracle/runs.h"

#define MEMORY (64u << 20)

static const struct runs_duckdb_settings settings[] = { { "1", "true", "128MB", false },
                                                        { "4", "false", "128MB", true } };

struct runs {
        struct engine_job job; /* of SQLite, with files; of the analysis, without */
        struct buffer files[3], schema, options;
        struct engine_job duckdb_job;
        struct engine_session sessions[ELEMENTSOF(settings)];
};

/* ('a', 1, NULL) as a line: texts in quotes, NULL as nothing. The texts have no quotes inside. */
static void put_line(struct buffer *file, const char *values) {
        for (const char *c = values + 1; c[1]; c++) {
                if (strncmp(c, "NULL", 4) == 0)
                        c += 3;
                else if (*c == '\'')
                        buffer_put_u8(file, '"');
                else if (*c != ' ' || c[-1] != ',')
                        buffer_put(file, c, 1);
        }
        buffer_put_u8(file, '\n');
}

static void make_file(struct runs *r, size_t table, uint64_t seed) {
        buffer_init(&r->files[table], 1 << 20);
        buffer_put(&r->files[table], "id,a,b,c,d\n", 11);
        for (size_t i = 0; i < RUNS_ROWS; i++) {
                CLEANUP(freep) char *sql = runs_insert(&dialect_portable, seed, table, i, false);

                put_line(&r->files[table], strchr(sql, '('));
        }
}

/* As publishing would have found it. */
static void make_schema(struct runs *r) {
        static const char *const names[] = { "id", "a", "b", "c", "d" };

        buffer_init(&r->schema, 4096);
        buffer_put_u8(&r->schema, 2);
        schema_begin(&r->schema, ELEMENTSOF(names));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                schema_put_name(&r->schema, BYTES_STR(names[i]));
                schema_put_type(&r->schema, names[i][0] == 'c' ? CELL_TEXT : CELL_INTEGER);
        }
        buffer_init(&r->options, 64);
        buffer_put(&r->options, "\1,\"\1", 4);
        buffer_put_u8(&r->options, 0);
}

static void make_job(struct runs *r) {
        r->job = (struct engine_job){ .memory = MEMORY, .n_inputs = 3 };
        for (size_t i = 0; i < 3; i++) {
                struct engine_input *in = &r->job.inputs[i];

                (void) snprintf(in->name, sizeof(in->name), "%c", "tul"[i]);
                (void) snprintf(in->format, sizeof(in->format), "csv");
                in->options = buffer_bytes(&r->options);
                in->schema = buffer_bytes(&r->schema);
                in->data = r->files[i].data;
                in->length = r->files[i].len;
        }
}

static void done(struct runs *r) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                duckdb.disconnect(&r->sessions[i].connection);
                duckdb.close(&r->sessions[i].db);
        }
        for (size_t i = 0; i < 3; i++)
                buffer_done(&r->files[i]);
        buffer_done(&r->schema);
        buffer_done(&r->options);
        free(r);
}

static struct runs *make(uint64_t seed) {
        struct runs *r = xnew(struct runs);
        bool ok = true;

        for (size_t i = 0; i < 3; i++)
                make_file(r, i, seed);
        make_schema(r);
        make_job(r);
        for (size_t i = 0; ok && i < ELEMENTSOF(settings); i++) {
                r->sessions[i].job = &r->duckdb_job;
                ok = runs_duckdb_open(&r->sessions[i], &settings[i], &dialect_portable, seed);
        }
        if (ok)
                return r;
        done(r);
        return NULL;
}

static void refuse(struct engine_analysis *a) {
        a->class = ENGINE_REFUSED;
        a->findings[0].why = a->not_portable;
        a->n_findings = a->n_deciding = 1;
}

/* A host with DuckDB refuses no statement that one with SQLite calls portable. */
static void check_twin(struct runs *r, const struct engine_job *job,
                       const struct engine_analysis *said) {
        CLEANUP(engine_analysis_donep) struct engine_analysis twin = {};
        struct engine_problem p = {};
        int result;

        r->sessions[0].job = job;
        result = engine_duckdb.analyse(&r->sessions[0], BYTES_STR(said->rewrite), true, &twin, &p);
        r->sessions[0].job = &r->duckdb_job;
        if (result != ENGINE_OK || twin.not_portable || twin.class != said->class)
                (void) fprintf(stderr, "# %s: %s %s %s\n", said->rewrite,
                               engine_class_name(twin.class), p.text,
                               twin.not_portable ? twin.not_portable : "");
        check(result == ENGINE_OK && !twin.not_portable && twin.class == said->class);
}

static int analyse(struct runs *r, const char *sql, struct engine_analysis *ret) {
        struct engine_job job = r->job;
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        int result;

        for (size_t i = 0; i < job.n_inputs; i++)
                job.inputs[i].data = NULL;
        result = engine_sqlite.open(&job, &s, &p);
        if (result == ENGINE_OK)
                result = engine_sqlite.analyse(s, BYTES_STR(sql), false, ret, &p);
        else
                (void) fprintf(stderr, "# %s %s\n", p.detail, p.text);
        if (s)
                engine_sqlite.close(s);
        if (result == ENGINE_OK && ret->not_portable)
                refuse(ret);
        else if (result == ENGINE_OK)
                check_twin(r, &job, ret);
        return result;
}

static bool answer_of_sqlite(struct runs *r, const char *sql, const struct engine_analysis *a,
                             struct answer *ret) {
        struct engine_session *s = NULL;
        struct engine_problem p = {};
        bool ok = engine_sqlite.open(&r->job, &s, &p) == ENGINE_OK &&
                  runs_step(&engine_sqlite, s, sql, a, NULL, ret);

        if (s)
                engine_sqlite.close(s);
        return ok;
}

/* Errors are no answers between engines. */
static bool answer(struct runs *r, size_t i, const char *sql, const struct engine_analysis *a,
                   struct answer *ret) {
        bool ok = i == 0 ? answer_of_sqlite(r, sql, a, ret)
                         : runs_step(&engine_duckdb, &r->sessions[i - 1], sql, a, duckdb_rows_done,
                                     ret);

        return ok && ret->form != ANSWER_ERROR;
}

static bool preload(const char *library) {
        return engine_sqlite.preload(NULL) == 0 && runs_duckdb_preload(library);
}

static const char *const names[] = { "SQLite", "DuckDB", "DuckDB, 4 threads, another order", NULL };

const struct runs_engine runs_portable = { .name = "portable",
                                           .run_share = 0.3,
                                           .rules_show = true,
                                           .dialect = &dialect_portable,
                                           .perturbations = names,
                                           .preload = preload,
                                           .make = make,
                                           .done = done,
                                           .analyse = analyse,
                                           .answer = answer };
