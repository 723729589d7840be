#pragma once

/* A session of DuckDB over files in memory, and one statement run in it. */

#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "services/worker/engine.h"
#include "tests/support/duckdb_library.h"

struct fixture {
        struct engine_job job;
        struct engine_session *session;
        struct engine_problem problem;
};

static inline struct engine_input *fixture_input(struct fixture *f, const char *name,
                                                 const char *format) {
        struct engine_input *in = &f->job.inputs[f->job.n_inputs++];

        (void) snprintf(in->name, sizeof(in->name), "%s", name);
        (void) snprintf(in->format, sizeof(in->format), "%s", format);
        return in;
}

/* What open() answers. */
static inline int fixture_open(struct fixture *f) {
        f->job.memory = f->job.memory ? f->job.memory : 64 << 20;
        assert_int_equal(engine_duckdb.preload(strchr(duckdb_engine_name(), ':') + 1), 0);
        return engine_duckdb.open(&f->job, &f->session, &f->problem);
}

static inline void fixture_done(struct fixture *f) {
        if (f->session)
                engine_duckdb.close(f->session);
        f->session = NULL;
}

/* The declared schema is the statement's own, unless `schema` is given. */
struct ran {
        int result; /* ENGINE_END, or what stopped it */
        struct buffer rows;
        uint64_t n_rows;
        struct schema *schema;
};

static inline int fixture_schema(struct fixture *f, const char *sql, struct schema **ret) {
        CLEANUP(buffer_donep) struct buffer b = {};
        duckdb_prepared_statement q = NULL;
        int r = duckdb_prepare_one(f->session, BYTES_STR(sql), &q, &f->problem);

        buffer_init(&b, SCHEMA_BYTES_MAX);
        if (r == ENGINE_OK)
                r = duckdb_columns(q, &b, &f->problem);
        duckdb.destroy_prepare(&q);
        if (r == ENGINE_OK)
                assert_int_equal(schema_decode(buffer_bytes(&b), ret), SCHEMA_OK);
        return r;
}

static inline void run_rows(struct fixture *f, struct ran *ret) {
        static const struct answer_limits limits;
        struct answer_builder b;

        answer_begin(&b, ANSWER_SEQUENCE, &ret->schema->digest, &limits, NULL);
        while ((ret->result = engine_duckdb.step(f->session, &b, &f->problem)) == ENGINE_BATCH) {
                buffer_put_bytes(&ret->rows, answer_batch(&b));
                (void) answer_next(&b);
        }
        ret->n_rows = b.rows;
        answer_done(&b);
}

static inline struct ran fixture_run_as(struct fixture *f, const char *sql, struct schema *schema,
                                        const struct bytes *parameters, size_t n) {
        struct ran ran = { .schema = schema };
        struct engine_statement statement = { .sql = BYTES_STR(sql),
                                              .parameters = parameters,
                                              .n_parameters = n };

        buffer_init(&ran.rows, 64 << 20);
        if (!ran.schema)
                ran.result = fixture_schema(f, sql, &ran.schema);
        statement.schema = ran.schema;
        if (ran.result == ENGINE_OK)
                ran.result = engine_duckdb.prepare(f->session, &statement, &f->problem);
        if (ran.result == ENGINE_OK)
                run_rows(f, &ran);
        duckdb_rows_done(f->session);
        return ran;
}

static inline struct ran fixture_run(struct fixture *f, const char *sql) {
        return fixture_run_as(f, sql, NULL, NULL, 0);
}

static inline void ran_done(struct ran *r) {
        buffer_done(&r->rows);
        schema_free(r->schema);
}
