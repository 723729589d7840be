#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "tests/unit/coordinator/bench.h"

#define BODY(x) GRID__JOB_MESSAGE__BODY_##x

static struct bench *fresh(void) {
        static struct bench b;

        bench_init(&b, &settings_default);
        return &b;
}

static void assert_problem(const Types__Problem *p, unsigned code, const char *detail) {
        assert_non_null(p);
        assert_int_equal(p->code, code);
        assert_string_equal(p->detail, detail);
}

static void say(struct bench *b, uint64_t stream, Grid__JobMessage__BodyCase which) {
        Grid__JobMessage m = GRID__JOB_MESSAGE__INIT;
        Grid__Hold hold = GRID__HOLD__INIT;
        Grid__Release release = GRID__RELEASE__INIT;
        Grid__Cancel cancel = GRID__CANCEL__INIT;
        Grid__Rows rows = GRID__ROWS__INIT;

        m.body_case = which;
        if (which == BODY(HOLD))
                m.hold = &hold;
        else if (which == BODY(RELEASE))
                m.release = &release;
        else if (which == BODY(CANCEL))
                m.cancel = &cancel;
        else
                m.rows = &rows;
        bench_send(b, stream, &m);
}

static void test_whole_life(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct commit_statement s;
        struct bench_job j;
        uint64_t stream, run;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        assert_int_equal(b->work.n, 1);
        run = b->work.items[0].id;
        assert_int_equal(b->governor.busy[GOVERNOR_SERVED], 1);
        assert_int_equal(b->governor.promised, 0);
        bench_started(b, run);
        assert_non_null(bench_expect(b, stream, BODY(STARTED)));
        bench_committed(b, run, 1);
        assert_int_equal(b->governor.busy[GOVERNOR_SERVED], 0);
        m = bench_expect(b, stream, BODY(COMMIT));
        assert_non_null(m);
        assert_int_equal(
                commit_decode(BYTES(m->commit->statement.data, m->commit->statement.len), &s),
                STATEMENT_OK);
        assert_true(hash_equal(&s.job, &j.id));
        assert_bytes_equal(s.host, peer_id_bytes(&b->core.self));

        say(b, stream, BODY(ROWS));
        assert_int_equal(b->fetch.n, 1);
        say(b, stream, BODY(RELEASE));
        assert_int_equal(b->n_released, 1);
        bench_close(b, stream);
        bench_done(b);
}

/* What is done before the run begins is told by its name. */
static void test_importing(void **state) {
        Worker__Progress progress = WORKER__PROGRESS__INIT;
        Worker__Report report = WORKER__REPORT__INIT;
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        (void) state;
        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        report.body_case = WORKER__REPORT__BODY_PROGRESS;
        report.progress = &progress;
        progress.imports = true;
        progress.bytes = 4096;
        bench_report(b, b->work.items[0].id, &report);
        m = bench_expect(b, stream, BODY(PROGRESS));
        assert_non_null(m);
        assert_string_equal(m->progress->stage, "importing");
        assert_int_equal(m->progress->bytes, 4096);
        bench_started(b, b->work.items[0].id);
        progress.imports = false;
        bench_report(b, b->work.items[0].id, &report);
        m = bench_expect(b, stream, BODY(PROGRESS));
        assert_non_null(m);
        assert_string_equal(m->progress->stage, "running");
        bench_done(b);
}

static void assert_error_words(struct bench *b, uint64_t stream) {
        const Grid__JobMessage *m = bench_expect(b, stream, BODY(COMMIT));

        assert_non_null(m);
        assert_int_equal(m->commit->form, ANSWER_ERROR);
        assert_string_equal(m->commit->text, "dataset 't': row 3\\x0a");
}

/* Of an error that it commits to it says more than it signs. */
static void test_error_words(void **state) {
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t stream;

        (void) state;
        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_started(b, b->work.items[0].id);
        bench_committed_error(b, b->work.items[0].id, "dataset 't': row 3\n");
        assert_error_words(b, stream);
        bench_done(b);
}

/* Also where its requester comes again, on another stream, before keyring has signed. */
static void test_error_words_go_on(void **state) {
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t stream;

        (void) state;
        bench_job_init(b, &j, 0, 1);
        (void) bench_begin(b, &j);
        b->is_manual = true;
        bench_committed_error(b, b->work.items[0].id, "dataset 't': row 3\n");
        assert_int_equal(b->sign.n, 1);
        stream = bench_begin(b, &j);
        bench_answer_sign(b, 0, true);
        b->is_manual = false;
        bench_pump(b);
        assert_error_words(b, stream);
        bench_done(b);
}

/* Each changes one thing between offer and dispatch. */
static void change_query(struct bench_job *j) {
        j->sql = "SELECT 43";
}
static void change_run(struct bench_job *j) {
        j->run = 1;
}
static void change_descriptor(struct bench_job *j) {
        j->descriptor[j->descriptor_len - 1] = DATA_INTERNAL;
}
static void cut_descriptor(struct bench_job *j) {
        j->descriptor_len--;
}
static void change_signer(struct bench_job *j) {
        j->peer = 1;
}
static const struct {
        void (*change)(struct bench_job *j);
        const char *detail;
} mismatch_cases[] = {
        { change_query, "field=query" },           { change_run, "field=run" },
        { change_descriptor, "field=descriptor" }, { cut_descriptor, "field=descriptor.format" },
        { change_signer, "field=statement" },
};

static void test_mismatch(void **state) {
        FOREACH_CASE (c, mismatch_cases) {
                struct bench *b = fresh();
                const Grid__JobMessage *m;
                struct bench_job j;
                uint8_t ticket[16];
                uint64_t stream;

                bench_job_init(b, &j, 0, 1);
                stream = bench_open(b, 0);
                bench_offer(b, stream, &j);
                m = bench_expect(b, stream, BODY(BID));
                memcpy(ticket, m->bid->ticket.data, sizeof(ticket));
                c->change(&j);
                bench_dispatch(b, stream, &j, BYTES_OF(ticket));
                m = bench_expect(b, stream, BODY(FAILURE));
                assert_non_null(m);
                assert_problem(m->failure->problem, OUTCOME_MISMATCH, c->detail);
                assert_int_equal(b->work.n, 0);
                assert_int_equal(b->governor.promised, 0);
                bench_done(b);
        }
}

static void test_descriptor_of_another_requester(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        j.peer = 1; /* peer 1 brings peer 0's descriptor */
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_problem(m->failure->problem, OUTCOME_MISMATCH, "field=requester");
        bench_done(b);
}

static void test_ticket(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint8_t ticket[16];
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        m = bench_expect(b, stream, BODY(BID));
        memcpy(ticket, m->bid->ticket.data, sizeof(ticket));
        ticket[3] ^= 1;
        bench_dispatch(b, stream, &j, BYTES_OF(ticket));
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_REFUSED, "rule=ticket");

        /* Good for 5 s. */
        stream = bench_open(b, 0);
        bench_offer(b, stream, &j);
        m = bench_expect(b, stream, BODY(BID));
        memcpy(ticket, m->bid->ticket.data, sizeof(ticket));
        assert_int_equal(b->governor.promised, 1);
        bench_advance(b, 5 * NSEC_PER_SEC);
        assert_int_equal(b->governor.promised, 0);
        bench_dispatch(b, stream, &j, BYTES_OF(ticket));
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_REFUSED, "rule=ticket");
        bench_done(b);
}

static void test_bids_are_bounded(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        uint64_t stream = 0;
        struct bench_job j;

        for (unsigned i = 0; i < 5; i++) {
                bench_job_init(b, &j, 0, i);
                stream = bench_open(b, 0);
                bench_offer(b, stream, &j);
        }
        m = bench_expect(b, stream, BODY(REFUSAL));
        assert_non_null(m);
        assert_problem(m->refusal->problem, OUTCOME_REFUSED, "rule=bids");
        /* Another peer still gets one: 8 promises for 2 slots. */
        bench_job_init(b, &j, 1, 9);
        stream = bench_open(b, 1);
        bench_offer(b, stream, &j);
        assert_non_null(bench_expect(b, stream, BODY(BID)));
        bench_done(b);
}

static void test_rate(void **state) {
        struct bench *b = fresh();
        unsigned n_bids = 0, n_rate = 0;

        for (unsigned i = 0; i < 560; i++) {
                struct bench_job j;
                uint64_t stream = bench_open(b, 0);
                const Grid__JobMessage *m;

                bench_job_init(b, &j, 0, i);
                bench_offer(b, stream, &j);
                m = bench_next(b, stream);
                n_bids += m->body_case == BODY(BID);
                if (m->body_case == BODY(REFUSAL) &&
                    strcmp(m->refusal->problem->detail, "rule=rate") == 0) {
                        assert_true(m->refusal->retry_ms > 0);
                        n_rate++;
                }
                bench_close(b, stream);
        }
        assert_int_equal(n_bids, 500);
        assert_int_equal(n_rate, 60);
        bench_done(b);
}

static void test_pause_and_drain(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        uint64_t stream, other;
        struct bench_job j;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        governor_pause(&b->governor, b->now, 3 * NSEC_PER_SEC);
        host_role.capacity(b->host, b->now);
        other = bench_open(b, 1);
        bench_offer(b, other, &j);
        m = bench_expect(b, other, BODY(REFUSAL));
        assert_problem(m->refusal->problem, OUTCOME_REFUSED, "rule=paused");
        assert_int_equal(b->work.n, 1);
        bench_advance(b, 3 * NSEC_PER_SEC);
        assert_int_equal(b->n_cancelled, 1);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_REFUSED, "rule=paused");
        bench_done(b);
}

/* What was dispatched before the pause runs in its turn, as long as the drain lasts. */
static void test_queue_goes_on_while_draining(void **state) {
        struct bench *b = fresh();
        struct bench_job j;

        for (unsigned i = 0; i < 3; i++) {
                bench_job_init(b, &j, i, i);
                (void) bench_begin(b, &j);
        }
        assert_int_equal(b->work.n, 2);
        governor_pause(&b->governor, b->now, 60 * NSEC_PER_SEC);
        host_role.capacity(b->host, b->now);
        bench_committed(b, b->work.items[0].id, 1);
        bench_pump(b);
        assert_int_equal(b->work.n, 3);
        bench_done(b);
}

static void test_stale(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        bench_advance(b, 3601 * NSEC_PER_SEC);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_STALE, "why=job_time");
        j.run = 1; /* a re-check may come up to 12 h later */
        stream = bench_begin(b, &j);
        assert_null(bench_expect(b, stream, BODY(FAILURE)));
        assert_int_equal(b->work.n, 1);

        /* A lost journal: nothing from before its birth is signed. */
        bench_job_init(b, &j, 0, 2);
        while (b->n_disk > 0)
                bench_disk_drop(b);
        bench_advance(b, NSEC_PER_SEC);
        bench_restart(b);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_STALE, "why=job_time");
        bench_done(b);
}

static void test_repeated_dispatch(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct hash_value first, again;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_committed(b, b->work.items[0].id, 1);
        m = bench_expect(b, stream, BODY(COMMIT));
        first = statement_digest(BYTES(m->commit->statement.data, m->commit->statement.len));
        bench_close(b, stream);

        /* The spool is still there: rows go on over the new stream. */
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(COMMIT));
        again = statement_digest(BYTES(m->commit->statement.data, m->commit->statement.len));
        assert_true(hash_equal(&first, &again));
        assert_int_equal(b->work.n, 1);
        say(b, stream, BODY(ROWS));
        assert_int_equal(b->fetch.n, 1);
        bench_close(b, stream);

        /* After a restart the commit is the same; the rows are gone. */
        bench_restart(b);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(COMMIT));
        again = statement_digest(BYTES(m->commit->statement.data, m->commit->statement.len));
        assert_true(hash_equal(&first, &again));
        assert_int_equal(b->work.n, 0);
        say(b, stream, BODY(ROWS));
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_DATA_UNAVAILABLE, "what=rows");
        bench_done(b);
}

static void test_spool_is_dropped(void **state) {
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_committed(b, b->work.items[0].id, 1);
        bench_advance(b, 29 * NSEC_PER_SEC);
        assert_int_equal(b->n_released, 0);
        say(b, stream, BODY(HOLD));
        bench_advance(b, 29 * NSEC_PER_SEC);
        assert_int_equal(b->n_released, 0);
        bench_advance(b, 2 * NSEC_PER_SEC);
        assert_int_equal(b->n_released, 1);
        assert_true(bench_was_reset(b, stream));

        /* Held for ever, never read. */
        bench_job_init(b, &j, 0, 2);
        stream = bench_begin(b, &j);
        bench_committed(b, b->work.items[0].id, 1);
        for (unsigned i = 0; i < 31; i++) {
                if (!bench_was_reset(b, stream))
                        say(b, stream, BODY(HOLD));
                bench_advance(b, 10 * NSEC_PER_SEC);
        }
        assert_int_equal(b->n_released, 2);
        bench_done(b);
}

static void test_cancel_kills(void **state) {
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        say(b, stream, BODY(CANCEL));
        assert_int_equal(b->n_cancelled, 1);
        assert_int_equal(b->governor.busy[GOVERNOR_SERVED], 0);
        stream = bench_begin(b, &j); /* nothing was signed: it may run again */
        assert_int_equal(b->work.n, 1);
        bench_close(b, stream);
        assert_int_equal(b->n_cancelled, 2);
        bench_done(b);
}

static void test_queue_for_a_slot(void **state) {
        struct bench *b = fresh();
        struct bench_job j;
        uint64_t first;

        bench_job_init(b, &j, 0, 1);
        first = bench_begin(b, &j);
        for (unsigned i = 2; i < 5; i++) {
                bench_job_init(b, &j, i & 1, i);
                bench_begin(b, &j);
        }
        assert_int_equal(b->work.n, 2);
        bench_close(b, first);
        assert_int_equal(b->n_cancelled, 1);
        assert_int_equal(b->work.n, 2);
        bench_committed(b, b->work.items[0].id, 1);
        assert_int_equal(b->work.n, 3);
        bench_done(b);
}

/* A slot is free, but an own job has the memory: all wait, and the loop goes on. */
static void test_queue_for_memory(void **state) {
        const uint64_t own = UINT64_C(900) << 20;
        struct bench *b = fresh();
        struct bench_job j;

        assert_int_equal(governor_take(&b->governor, GOVERNOR_OWN, own), GOVERNOR_OK);
        for (unsigned i = 1; i < 4; i++) {
                bench_job_init(b, &j, i & 1, i);
                bench_begin(b, &j);
        }
        assert_int_equal(governor_free_slots(&b->governor), 1);
        bench_advance(b, 100 * NSEC_PER_MSEC);
        assert_int_equal(b->work.n, 0);
        governor_give(&b->governor, GOVERNOR_OWN, own);
        bench_advance(b, 100 * NSEC_PER_MSEC);
        assert_int_equal(b->work.n, 2);
        bench_done(b);
}

/* The clock of the machine is set a day ahead while a result is held. */
static void test_record_of_a_held_job_stays(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_committed(b, b->work.items[0].id, 1);
        assert_non_null(bench_expect(b, stream, BODY(COMMIT)));
        b->core.wall_offset_us += 25 * 3600 * INT64_C(1000000);
        host_role.expire(b->host, b->now);
        b->core.wall_offset_us -= 25 * 3600 * INT64_C(1000000);
        bench_close(b, stream);
        stream = bench_begin(b, &j);
        m = bench_expect(b, stream, BODY(COMMIT)); /* the recorded one, not a second */
        assert_non_null(m);
        assert_int_equal(b->work.n, 1);
        assert_int_equal(b->sign.n, 0);
        bench_done(b);
}

/* What the memory has no room for after a restart is not signed again either. */
static void test_more_records_than_room(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job jobs[3];
        uint64_t stream;

        for (unsigned i = 0; i < 3; i++) {
                bench_job_init(b, &jobs[i], i & 1, i + 1);
                stream = bench_begin(b, &jobs[i]);
                bench_committed(b, b->work.items[b->work.n - 1].id, 1);
                assert_non_null(bench_expect(b, stream, BODY(COMMIT)));
                bench_close(b, stream);
        }
        b->core.settings.host.commits_max = 2;
        bench_restart(b);
        stream = bench_begin(b, &jobs[2]);
        assert_int_equal(b->refusal.code, OUTCOME_LIMIT);
        assert_string_equal(b->refusal.detail, "which=commits");
        bench_close(b, stream);

        /* Room again, because the clock was wrong for a while. */
        b->core.wall_offset_us += 25 * 3600 * INT64_C(1000000);
        host_role.expire(b->host, b->now);
        b->core.wall_offset_us -= 25 * 3600 * INT64_C(1000000);
        stream = bench_begin(b, &jobs[2]);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_non_null(m);
        assert_problem(m->failure->problem, OUTCOME_STALE, "why=forgotten");
        bench_done(b);
}

static void test_garbage_and_order(void **state) {
        struct bench *b = fresh();
        uint64_t stream = bench_open(b, 0);

        host_role.data(b->host, stream, BYTES_LIT("\x05zzzzz"), b->now);
        bench_pump(b);
        assert_true(bench_was_reset(b, stream));
        stream = bench_open(b, 0);
        say(b, stream, BODY(ROWS)); /* late messages are passed over */
        assert_false(bench_was_reset(b, stream));
        bench_advance(b, 31 * NSEC_PER_SEC);
        assert_true(bench_was_reset(b, stream));
        bench_done(b);
}

static void test_memory_of_a_peer(void **state) {
        struct coordinator_settings s = settings_default;
        CLEANUP(freep) uint8_t *unit = xcalloc(1, STREAM_UNIT_MAX);
        static struct bench b;
        unsigned n_reset = 0;

        s.host.peer_bytes = 1u << 20;
        bench_init(&b, &s);
        memcpy(unit, "\x80\x80\x7f", 3); /* a frame of 2,080,768 bytes begins */
        for (unsigned i = 0; i < 20; i++) {
                uint64_t stream = bench_open(&b, 0);

                host_role.data(b.host, stream, BYTES(unit, STREAM_UNIT_MAX), b.now);
                bench_pump(&b);
                n_reset += bench_was_reset(&b, stream);
        }
        assert_int_equal(n_reset, 4);
        bench_done(&b);
}

static void test_disk_full(void **state) {
        struct bench *b = fresh();
        const Grid__JobMessage *m;
        struct bench_job j;
        uint64_t stream;

        b->is_manual = true;
        bench_job_init(b, &j, 0, 1);
        stream = bench_begin(b, &j);
        bench_answer_journal(b, 0, false);
        bench_pump(b);
        m = bench_expect(b, stream, BODY(FAILURE));
        assert_problem(m->failure->problem, OUTCOME_LIMIT, "which=disk");
        assert_int_equal(b->n_cancelled, 1);
        bench_done(b);
}

TEST_MAIN(cmocka_unit_test(test_whole_life), cmocka_unit_test(test_error_words),
          cmocka_unit_test(test_error_words_go_on), cmocka_unit_test(test_importing),
          cmocka_unit_test(test_mismatch), cmocka_unit_test(test_descriptor_of_another_requester),
          cmocka_unit_test(test_ticket), cmocka_unit_test(test_bids_are_bounded),
          cmocka_unit_test(test_rate), cmocka_unit_test(test_pause_and_drain),
          cmocka_unit_test(test_queue_goes_on_while_draining), cmocka_unit_test(test_stale),
          cmocka_unit_test(test_repeated_dispatch), cmocka_unit_test(test_spool_is_dropped),
          cmocka_unit_test(test_cancel_kills), cmocka_unit_test(test_queue_for_a_slot),
          cmocka_unit_test(test_queue_for_memory),

          cmocka_unit_test(test_record_of_a_held_job_stays),
          cmocka_unit_test(test_more_records_than_room), cmocka_unit_test(test_garbage_and_order),
          cmocka_unit_test(test_memory_of_a_peer), cmocka_unit_test(test_disk_full))
