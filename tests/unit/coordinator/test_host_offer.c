#include "tests/unit/coordinator/bench.h"

#include "services/coordinator/denied.h"

#define BODY(x) GRID__JOB_MESSAGE__BODY_##x

static struct bench *fresh(void) {
        static struct bench b;

        bench_init(&b, &settings_default);
        return &b;
}

static const struct {
        size_t n_roots;
        uint64_t input_bytes;
        bool is_missing;
        uint64_t fetch_bytes;
} fetch_cases[] = {
        { 0, 10000, false, 10000 }, /* not disclosed: perhaps all */
        { 2, 10000, true, 10000 },
        { 2, 10000, false, 10000 - 2 * 4096 },
        { 1, 100, false, 0 }, /* the offer says less than there is */
};

static void test_bytes_still_to_fetch(void **state) {
        FOREACH_CASE (c, fetch_cases) {
                struct bench *b = fresh();
                const Grid__JobMessage *m;
                struct bench_job j;
                uint64_t stream;

                bench_job_init(b, &j, 0, 1);
                j.n_roots = c->n_roots;
                j.input_bytes = c->input_bytes;
                b->is_missing = c->is_missing;
                b->is_manual = true;
                stream = bench_open(b, 0);
                bench_offer(b, stream, &j);
                assert_int_equal(b->input.n, c->n_roots);
                for (size_t i = 0; i < b->input.n; i++) /* only what is here: nothing is fetched */
                        assert_int_equal(b->input.items[i].n_providers, 0);
                b->is_manual = false;
                bench_pump(b);
                m = bench_expect(b, stream, BODY(BID));
                assert_non_null(m);
                assert_int_equal(m->bid->fetch_bytes, c->fetch_bytes);
                assert_int_equal(b->n_input_cancelled, c->n_roots); /* no pin is left */
                bench_done(b);
        }
}

/* Two slots share 1 GiB, and a job gets at most as much. */
static const struct {
        const char *name;
        uint64_t expected, want; /* MiB */
} memory_cases[] = {
        { "nothing is said: a slot's share", 0, 512 },
        { "less than a share is no limit", 100, 512 },
        { "more than a share", 700, 700 },
        { "more than there is: all of it, and no refusal", UINT64_MAX >> 20, 1024 },
};

static void test_memory_expected(void **state) {
        FOREACH_CASE (c, memory_cases) {
                struct bench *b = fresh();
                const Grid__JobMessage *m;
                struct bench_job j;
                uint64_t stream;

                bench_job_init(b, &j, 0, 1);
                j.estimated_memory = c->expected << 20;
                j.estimated_cpu_us =
                        UINT64_MAX; /* a guess: what takes too long is ended, not refused */
                stream = bench_open(b, 0);
                bench_offer(b, stream, &j);
                m = bench_expect(b, stream, BODY(BID));
                assert_non_null(m);
                assert_int_equal(m->bid->memory, c->want << 20);
                bench_done(b);
        }
}

/* While it looks: the place is held, a dispatch is too early, a Cancel ends it. */
static void test_while_looking(void **state) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Cancel cancel = GRID__CANCEL__INIT;
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        j.n_roots = 2;
        b->is_manual = true;
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        assert_int_equal(b->governor.promised, 1);
        bench_dispatch(b, stream, &j, BYTES_LIT("0123456789abcdef"));
        assert_true(bench_was_reset(b, stream));
        assert_int_equal(b->governor.promised, 0);
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        m.body_case = BODY(CANCEL);
        m.cancel = &cancel;
        bench_send(b, stream, &m);
        assert_int_equal(b->governor.promised, 0);
        assert_int_equal(b->n_input_cancelled, 4);
        assert_int_equal(b->input.n, 0);
        bench_done(b);
}

/* A large dataset takes its time: the requester hears of it before it gives up. */
static void test_fetching_is_not_silent(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        b->with_data = true;
        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j); /* answered at once */
        assert_int_equal(b->work.n, 1);
        assert_null(bench_expect(b, stream, BODY(PROGRESS)));

        bench_job_init(b, &j, 1, 2);
        b->is_manual = true;
        stream = bench_begin(b, &j);
        assert_int_equal(b->input.n, 1);
        for (unsigned i = 0; i < 3; i++) {
                bench_advance(b, 9 * NSEC_PER_SEC);
                m = bench_expect(b, stream, BODY(PROGRESS));
                assert_non_null(m);
                assert_string_equal(m->progress->stage, "fetching");
        }
        bench_advance(b, 120 * NSEC_PER_SEC); /* but not for ever */
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_string_equal(m->failure->problem->detail, "stage=fetch");
        assert_int_equal(b->n_input_cancelled, 2);
        bench_done(b);
}

/* Nor is a run whose engine says nothing, as it is in the midst of one long instruction. */
static void test_running_is_not_silent(void **state) {
        struct bench *b = fresh();
        Worker__Report report = WORKER__REPORT__INIT;
        Worker__Progress progress = WORKER__PROGRESS__INIT;
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        assert_int_equal(b->work.n, 1);
        progress.rows = 7;
        progress.cpu_us = 400000;
        report.body_case = WORKER__REPORT__BODY_PROGRESS;
        report.progress = &progress;
        bench_report(b, b->work.items[0].id, &report);
        assert_non_null(bench_expect(b, stream, BODY(PROGRESS)));
        for (unsigned i = 0; i < 3; i++) {
                bench_advance(b, 9 * NSEC_PER_SEC);
                m = bench_expect(b, stream, BODY(PROGRESS));
                assert_non_null(m);
                assert_string_equal(m->progress->stage, "running");
                assert_int_equal(m->progress->rows, 7);
                assert_int_equal(m->progress->cpu_us, 400000);
        }
        bench_advance(b, 150 * NSEC_PER_SEC); /* but not for ever */
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_string_equal(m->failure->problem->detail, "stage=run");
        bench_done(b);
}

/* What could not be had is let go of too. */
static void test_missing_data(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        b->with_data = b->is_missing = true;
        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_int_equal(m->failure->problem->code, OUTCOME_DATA_UNAVAILABLE);
        assert_non_null(strstr(m->failure->problem->detail, " asked=2 who=one silent"));
        assert_int_equal(b->n_input_cancelled, 1);
        assert_int_equal(b->governor.promised, 0);
        bench_done(b);
}

#define HOUR_US (3600 * INT64_C(1000000))

/* Our clock against the job's time, at the edges. */
static const struct {
        uint32_t run;
        int64_t clock_us;
        bool is_stale;
} stale_cases[] = {
        { 0, HOUR_US, false },      { 0, HOUR_US + 1, true },      { 1, HOUR_US + 1, false },
        { 1, 12 * HOUR_US, false }, { 1, 12 * HOUR_US + 1, true }, { 0, -HOUR_US, false },
        { 0, -HOUR_US - 1, true },  { 1, -HOUR_US - 1, true },
};

static void test_stale_edges(void **state) {
        FOREACH_CASE (c, stale_cases) {
                struct bench *b = fresh();
                const Grid__JobMessage *m;
                struct bench_job j;
                uint64_t stream;

                bench_advance(b, NSEC_PER_SEC); /* after the birth of the journal */
                bench_job_init(b, &j, 0, 1);
                j.run = c->run;
                b->core.wall_offset_us += c->clock_us;
                stream = bench_begin(b, &j);
                m = bench_expect(b, stream, BODY(FAILURE));
                assert_int_equal(m != NULL, c->is_stale);
                assert_int_equal(b->work.n, !c->is_stale);
                assert_true(!m || m->failure->problem->code == OUTCOME_STALE);
                bench_done(b);
        }
}

/* Two dispatches on one bid: the second finds no ticket. */
static void test_ticket_is_used_once(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint8_t ticket[16];
        uint64_t first, second;

        bench_job_init(b, &j, 0, 1);
        first = bench_open(b, 0);
        bench_offer(b, first, &j);
        m = bench_expect(b, first, BODY(BID));
        assert_non_null(m);
        memcpy(ticket, m->bid->ticket.data, sizeof(ticket));
        bench_dispatch(b, first, &j, BYTES_OF(ticket));
        assert_int_equal(b->work.n, 1);
        second = bench_open(b, 0); /* not on another stream */
        bench_offer(b, second, &j);
        bench_dispatch(b, second, &j, BYTES_OF(ticket));
        m = bench_expect(b, second, BODY(FAILURE));
        assert_non_null(m);
        assert_string_equal(m->failure->problem->detail, "rule=ticket");
        bench_dispatch(b, first, &j, BYTES_OF(ticket)); /* nor again on its own */
        assert_true(bench_was_reset(b, first));
        assert_int_equal(b->governor.promised, 0);
        assert_int_equal(b->governor.busy[GOVERNOR_SERVED], 0);
        bench_done(b);
}

/* gossip's deny list: what is under way ends, what comes is refused, until it is lifted. */
static void test_denied_while_it_runs(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j, other;
        uint64_t stream, kept;

        bench_job_init(b, &j, 0, 1);
        bench_job_init(b, &other, 1, 2);
        stream = bench_begin(b, &j);
        kept = bench_begin(b, &other);
        assert_int_equal(b->work.n, 2);
        assert_true(denied_set(b->core.denied, &b->peers[0], true));
        host_role.denied(b->host, b->now);
        bench_pump(b);
        assert_true(bench_was_reset(b, stream));
        assert_false(bench_was_reset(b, kept));
        assert_int_equal(b->n_cancelled, 1);
        assert_int_equal(b->governor.busy[GOVERNOR_SERVED], 1);

        bench_job_init(b, &j, 0, 3);
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        m = bench_expect(b, stream, BODY(REFUSAL));
        assert_non_null(m);
        assert_string_equal(m->refusal->problem->detail, "rule=denied");
        assert_true(denied_set(b->core.denied, &b->peers[0], false));
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        assert_non_null(bench_expect(b, stream, BODY(BID)));
        bench_done(b);
}

/* No engine has such a name: nothing is fetched, written or run for it. */
static void test_dataset_name(void **state) {
        static const char *const odd[] = { "a b", "1t", "t\n", "x\xe2\x80\xaey", "a\";--" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(odd); i++) {
                struct bench *b = fresh();
                const Grid__JobMessage *m;
                struct bench_job j;
                uint64_t stream;

                b->with_data = b->is_manual = true;
                b->data = odd[i];
                bench_job_init(b, &j, 0, 1);
                stream = bench_begin(b, &j);
                m = bench_expect(b, stream, BODY(FAILURE));
                assert_non_null(m);
                assert_int_equal(m->failure->problem->code, OUTCOME_REFUSED);
                assert_string_equal(m->failure->problem->detail, "rule=input name");
                assert_string_equal(m->failure->problem->text,
                                    "the name of a dataset has letters, digits and _ only, and no "
                                    "digit first");
                assert_int_equal(b->input.n + b->journal.n + b->work.n, 0);
                assert_int_equal(b->governor.promised, 0);
                bench_done(b);
        }
}

/* What is fetched for a job is bounded by what its offer said, nothing too; each on its own. */
static void test_inputs_are_claimed(void **state) {
        static const uint64_t claimed[] = { 0, 10000 };
        struct bench *b = fresh();

        (void) state;
        b->with_data = b->is_manual = true;
        for (unsigned i = 0; i < 2; i++) {
                struct bench_job j;

                bench_job_init(b, &j, i, i);
                j.input_bytes = claimed[i];
                (void) bench_begin(b, &j);
                assert_int_equal(b->input.n, i + 1);
                assert_int_equal(b->input.items[i].n_providers, 1);
                assert_int_equal(b->input.items[i].claim.bytes, claimed[i]);
                assert_int_not_equal(b->input.items[i].claim.job, 0);
        }
        assert_int_not_equal(b->input.items[0].claim.job, b->input.items[1].claim.job);
        bench_done(b);
}

TEST_MAIN(cmocka_unit_test(test_bytes_still_to_fetch), cmocka_unit_test(test_memory_expected),
          cmocka_unit_test(test_while_looking), cmocka_unit_test(test_fetching_is_not_silent),
          cmocka_unit_test(test_running_is_not_silent), cmocka_unit_test(test_missing_data),
          cmocka_unit_test(test_stale_edges), cmocka_unit_test(test_ticket_is_used_once),
          cmocka_unit_test(test_denied_while_it_runs), cmocka_unit_test(test_dataset_name),
          cmocka_unit_test(test_inputs_are_claimed))
