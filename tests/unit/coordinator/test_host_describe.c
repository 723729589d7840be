/* What a host does for somebody who lacks the engine: it reads a statement, over the schemas
 * that came with it, of public data, a few at a time, and signs nothing. */

#include "common/wire/unpack.h"
#include "tests/unit/coordinator/bench.h"

static struct bench bench;

static int setup(void **state) {
        bench_init(&bench, &settings_default);
        return 0;
}

static int teardown(void **state) {
        bench_done(&bench);
        return 0;
}

struct asking {
        Grid__Describe message;
        Grid__Table table, *tables;
};

static void asking_init(struct asking *a) {
        static const uint8_t schema[] = { 1, 2, 3 };

        grid__describe__init(&a->message);
        grid__table__init(&a->table);
        a->table.name = (char *) "t";
        a->table.format = (char *) "csv";
        a->table.schema = (ProtobufCBinaryData){ sizeof(schema), (uint8_t *) schema };
        a->tables = &a->table;
        a->message.sql = (char *) "SELECT 1";
        a->message.network = bench.core.settings.query.network;
        a->message.data_class = (char *) "public";
        a->message.tables = &a->tables;
        a->message.n_tables = 1;
        a->message.time_us = 77;
}

static uint64_t describe(unsigned peer, struct asking *a) {
        uint64_t stream = bench_open(&bench, peer);
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;

        m.body_case = GRID__JOB_MESSAGE__BODY_DESCRIBE;
        m.describe = &a->message;
        bench_send(&bench, stream, &m);
        return stream;
}

static void assert_refused(uint64_t stream, const char *detail) {
        const Grid__JobMessage *m = bench_expect(&bench, stream, GRID__JOB_MESSAGE__BODY_REFUSAL);

        assert_non_null(m);
        assert_int_equal(m->refusal->problem->code, OUTCOME_REFUSED);
        assert_string_equal(m->refusal->problem->detail, detail);
}

static void report_analysis(uint64_t run) {
        static const uint8_t schema[] = { 9 };
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Analysis a = WORKER__ANALYSIS__INIT;
        Worker__Finding f = WORKER__FINDING__INIT, *list = &f;

        f.expression = (char *) "1.5";
        f.position = 7;
        f.why = (char *) "a REAL";
        a.class_name = (char *) "FLOAT";
        a.rewrite = (char *) "SELECT 1 ORDER BY 1";
        a.schema = (ProtobufCBinaryData){ sizeof(schema), (uint8_t *) schema };
        a.ordered = true;
        a.portable = true;
        a.engine = (char *) BENCH_ENGINE;
        a.findings = &list;
        a.n_findings = 1;
        r.body_case = WORKER__REPORT__BODY_ANALYSIS;
        r.analysis = &a;
        bench_report(&bench, run, &r);
}

/* The statement goes to an executor with the schemas it came with, and no file. */
static void test_describes(void **state) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Grid__Description *d;
        const Grid__JobMessage *m;
        const Worker__Job *job;
        struct asking a;
        uint64_t stream;

        asking_init(&a);
        stream = describe(0, &a);
        assert_int_equal(bench.work.n, 1);
        assert_int_equal(wire_unpack(&worker__job__descriptor,
                                     refbuf_bytes(bench.work.items[0].data), NULL, &u),
                         UNPACK_OK);
        job = u.message;
        assert_int_equal(job->mode, WORKER__JOB__MODE__ANALYSE);
        assert_string_equal(job->engine, BENCH_ENGINE);
        assert_string_equal(job->sql, "SELECT 1");
        assert_int_equal(job->time_us, 77);
        assert_int_equal(job->n_inputs, 1);
        assert_string_equal(job->inputs[0]->path, "");
        assert_int_equal(job->inputs[0]->schema.len, 3);
        assert_true(job->limits->cpu_ms > 0 && job->limits->memory > 0);
        report_analysis(bench.work.items[0].id);
        m = bench_expect(&bench, stream, GRID__JOB_MESSAGE__BODY_DESCRIPTION);
        assert_non_null(m);
        d = m->description;
        assert_null(d->problem);
        assert_string_equal(d->class_name, "FLOAT");
        assert_string_equal(d->rewrite, "SELECT 1 ORDER BY 1");
        assert_string_equal(d->engine, BENCH_ENGINE);
        assert_true(d->ordered && d->portable && d->schema.len == 1);
        assert_int_equal(d->n_findings, 1);
        assert_int_equal(d->findings[0]->position, 7);
        assert_int_equal(bench.journal.n + bench.sign.n, 0); /* nothing is signed */
        assert_int_equal(bench.governor.busy[GOVERNOR_SERVED], 0);
}

/* A slot has less than it is given where there is more: it gets that, and is not refused. */
static void test_small_slots(void **state) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct governor_worker small = { .slots = 2, .memory = UINT64_C(32) << 20 };
        struct asking a;

        asking_init(&a);
        governor_capacity(&bench.governor, &small, 1);
        (void) describe(0, &a);
        assert_int_equal(bench.work.n, 1);
        assert_int_equal(wire_unpack(&worker__job__descriptor,
                                     refbuf_bytes(bench.work.items[0].data), NULL, &u),
                         UNPACK_OK);
        assert_int_equal(((const Worker__Job *) u.message)->limits->memory, UINT64_C(16) << 20);
        assert_int_equal(bench.governor.taken[GOVERNOR_SERVED], UINT64_C(16) << 20);
}

static void test_says_what_is_wrong(void **state) {
        Worker__Report r = WORKER__REPORT__INIT;
        Worker__Failed f = WORKER__FAILED__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;
        const Grid__JobMessage *m;
        struct asking a;
        uint64_t stream;

        asking_init(&a);
        stream = describe(0, &a);
        p.code = OUTCOME_SQL_ERROR;
        p.detail = (char *) "code=PARSE";
        p.position = 3;
        f.problem = &p;
        r.body_case = WORKER__REPORT__BODY_FAILED;
        r.failed = &f;
        bench_report(&bench, bench.work.items[0].id, &r);
        m = bench_expect(&bench, stream, GRID__JOB_MESSAGE__BODY_DESCRIPTION);
        assert_non_null(m);
        assert_int_equal(m->description->problem->code, OUTCOME_SQL_ERROR);
        assert_int_equal(m->description->problem->position, 3);
        assert_int_equal(bench.governor.busy[GOVERNOR_SERVED], 0);
}

static void private_data(struct asking *a) {
        a->message.data_class = (char *) "internal";
}
static void other_network(struct asking *a) {
        a->message.network = (char *) "elsewhere";
}
static void other_engine(struct asking *a) {
        static char *engines[] = { (char *) "duckdb" };

        a->message.engines = engines;
        a->message.n_engines = 1;
}
static void odd_name(struct asking *a) {
        a->table.name = (char *) "a b";
}
static void no_schema(struct asking *a) {
        a->table.schema.len = 0;
}

static const struct {
        void (*change)(struct asking *a);
        const char *detail;
} refusals[] = {
        { private_data, "rule=data_class" }, { other_network, "rule=network" },
        { other_engine, "rule=engine" },     { no_schema, "rule=schema" },
        { odd_name, "rule=input name" },
};

static void test_refuses(void **state) {
        FOREACH_CASE (c, refusals) {
                struct asking a;

                asking_init(&a);
                c->change(&a);
                assert_refused(describe(0, &a), c->detail);
                assert_int_equal(bench.work.n, 0);
        }
        governor_pause(&bench.governor, bench.now, 0);
        {
                struct asking a;

                asking_init(&a);
                assert_refused(describe(0, &a), "rule=paused");
        }
}

/* Slots first; then, where those are many, no more than a few at a time. */
static void test_few_at_a_time(void **state) {
        uint64_t streams[4];
        struct asking a;

        asking_init(&a);
        governor_capacity(&bench.governor,
                          &(struct governor_worker){ .slots = 16, .memory = UINT64_C(16) << 30 },
                          1);
        for (unsigned i = 0; i < 4; i++)
                streams[i] = describe(i, &a);
        assert_int_equal(bench.work.n, 4);
        assert_refused(describe(5, &a), "rule=slots");
        bench_close(&bench, streams[0]);
        assert_int_equal(bench.governor.busy[GOVERNOR_SERVED], 3);
        (void) describe(5, &a);
        assert_int_equal(bench.work.n, 4); /* one was cancelled, one is new */
        assert_int_equal(bench.n_cancelled, 1);
}

/* An executor that says nothing is given up; what it held is free again. */
static void test_takes_too_long(void **state) {
        struct asking a;
        uint64_t stream;

        asking_init(&a);
        stream = describe(0, &a);
        bench_advance(&bench, 11 * NSEC_PER_SEC);
        assert_non_null(bench_expect(&bench, stream, GRID__JOB_MESSAGE__BODY_REFUSAL));
        assert_int_equal(bench.governor.busy[GOVERNOR_SERVED], 0);
        assert_int_equal(bench.n_cancelled, 1);
}

/* It costs as much of the requester's rate as an offer. */
static void test_is_paid_for(void **state) {
        struct asking a;
        unsigned refused = 0;

        teardown(state);
        {
                struct coordinator_settings s = settings_default;

                s.host.offer_burst = 3;
                s.host.offer_rate = 1;
                bench_init(&bench, &s);
        }
        asking_init(&a);
        for (unsigned i = 0; i < 6; i++) {
                uint64_t stream = describe(0, &a);
                const Grid__JobMessage *m =
                        bench_expect(&bench, stream, GRID__JOB_MESSAGE__BODY_REFUSAL);

                refused += m && strcmp(m->refusal->problem->detail, "rule=rate") == 0;
                bench_close(&bench, stream);
        }
        assert_int_equal(refused, 3);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_describes), TEST(test_small_slots), TEST(test_says_what_is_wrong),
          TEST(test_refuses), TEST(test_few_at_a_time), TEST(test_takes_too_long),
          TEST(test_is_paid_for))
