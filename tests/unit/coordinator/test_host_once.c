#include "common/base/map.h"
#include "common/base/rng.h"
#include "services/coordinator/stats.h"
#include "tests/unit/coordinator/bench.h"

/* Whatever the order of dispatches, answers, failures, crashes and settings of the clock:
 * keyring is never asked for two different commits of one (requester, job, run). */

#define SEEDS   400
#define STEPS   160
#define JOBS    4
#define HOUR_US (3600 * INT64_C(1000000))

struct seen {
        struct hash_value job;
        struct bytes requester;
        uint32_t run;
        struct hash_value statement;
};

struct world {
        struct bench bench;
        struct rng rng;
        struct bench_job jobs[JOBS];
        uint64_t streams[64];
        size_t n_streams;
        struct seen seen[JOBS * 2 * 16 + STEPS];
        size_t n_seen, n_signed;
        unsigned value, n_flood, n_jobs;
        uint64_t n_forgotten, n_expired;
};

static void look(struct world *w, const struct action *sign) {
        struct commit_statement s;
        struct hash_value digest = statement_digest(refbuf_bytes(sign->data));

        assert_int_equal(commit_decode(refbuf_bytes(sign->data), &s), STATEMENT_OK);
        w->n_signed++;
        for (size_t i = 0; i < w->n_seen; i++)
                if (hash_equal(&w->seen[i].job, &s.job) && w->seen[i].run == s.run) {
                        assert_true(hash_equal(&w->seen[i].statement, &digest));
                        return;
                }
        w->seen[w->n_seen++] = (struct seen){ .job = s.job, .run = s.run, .statement = digest };
}

/* Also an answer that never comes counts: keyring may have signed. */
static void look_all(struct world *w) {
        struct bench *b = &w->bench;

        for (size_t i = 0; i < b->sign.n; i++)
                if (!b->sign.items[i].offset) {
                        b->sign.items[i].offset = 1; /* looked at */
                        look(w, &b->sign.items[i]);
                }
}

static size_t one_of(struct world *w, const struct bench_list *l) {
        return (size_t) rng_below(&w->rng, l->n);
}

static void step_begin(struct world *w) {
        struct bench_job j = w->jobs[rng_below(&w->rng, JOBS)];

        j.run = rng_chance(&w->rng, 0.2);
        if (w->n_streams < ELEMENTSOF(w->streams))
                w->streams[w->n_streams++] = bench_begin(&w->bench, &j);
}

/* New jobs all the time, of a requester that wants every place. */
static void step_flood(struct world *w) {
        struct bench_job j;

        bench_job_init(&w->bench, &j, 2, 1000 + w->n_flood++);
        if (w->n_streams < ELEMENTSOF(w->streams))
                w->streams[w->n_streams++] = bench_begin(&w->bench, &j);
}

static void step_journal(struct world *w) {
        struct bench *b = &w->bench;

        /* A journal writes in order; what it did not acknowledge may be on disk or not. */
        if (b->journal.n > 0)
                bench_answer_journal(b, 0, !rng_chance(&w->rng, 0.1));
}

static void step_sign(struct world *w) {
        struct bench *b = &w->bench;
        size_t which;

        if (b->sign.n == 0)
                return;
        which = one_of(w, &b->sign); /* before the other draw: arguments have no order */
        bench_answer_sign(b, which, !rng_chance(&w->rng, 0.1));
}

static void step_commit(struct world *w) {
        struct bench *b = &w->bench;

        /* Every run gives another answer, as a broken machine would. */
        if (b->work.n > 0)
                bench_committed(b, b->work.items[one_of(w, &b->work)].id, ++w->value);
}

static void step_lose_run(struct world *w) {
        struct bench *b = &w->bench;

        if (b->work.n > 0)
                host_role.run_lost(b->host, b->work.items[one_of(w, &b->work)].id, b->now);
}

static void step_close(struct world *w) {
        size_t i;

        if (w->n_streams == 0)
                return;
        i = (size_t) rng_below(&w->rng, w->n_streams);
        if (!bench_was_reset(&w->bench, w->streams[i]))
                bench_close(&w->bench, w->streams[i]);
        w->streams[i] = w->streams[--w->n_streams];
}

static void step_time(struct world *w) {
        bench_advance(&w->bench, rng_below(&w->rng, 40) * NSEC_PER_SEC);
}

/* Back and forth by hours: what is forgotten on the way is not signed again. */
static void step_clock(struct world *w) {
        struct bench *b = &w->bench;
        int64_t hours = (int64_t) rng_below(&w->rng, 30) - 14;

        b->core.wall_offset_us = BENCH_WALL + (rng_chance(&w->rng, 0.4) ? 0 : hours * HOUR_US);
        host_role.expire(b->host, b->now);
        w->n_forgotten = host_counters(b->host)->records_expired;
}

/* A job of the time that the clock shows: of an hour that was forgotten, or not yet. */
static void step_job_of_now(struct world *w) {
        unsigned i = (unsigned) rng_below(&w->rng, JOBS);

        bench_job_init(&w->bench, &w->jobs[i], i & 1, 100 + w->n_jobs++);
}

static void step_recall(struct world *w) {
        struct bench *b = &w->bench;

        if (b->recall.n > 0)
                bench_answer_recall(b, one_of(w, &b->recall));
}

static void step_crash(struct world *w) {
        struct bench *b = &w->bench;

        while (b->journal.n > 0 && rng_chance(&w->rng, 0.5)) {
                bench_disk_put(b, &b->journal.items[0]);
                bench_list_drop(&b->journal, 0);
        }
        w->n_streams = 0;
        w->n_expired += w->n_forgotten;
        w->n_forgotten = 0;
        bench_restart(b);
}

static const struct {
        void (*fn)(struct world *w);
        double share;
} steps[] = {
        { step_begin, 0.22 },    { step_flood, 0.02 },      { step_journal, 0.18 },
        { step_sign, 0.12 },     { step_commit, 0.18 },     { step_close, 0.06 },
        { step_lose_run, 0.03 }, { step_time, 0.08 },       { step_crash, 0.03 },
        { step_clock, 0.03 },    { step_job_of_now, 0.02 }, { step_recall, 0.03 },
};

static void step(struct world *w) {
        double x = rng_unit(&w->rng);

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                if (x < steps[i].share) {
                        steps[i].fn(w);
                        break;
                }
                x -= steps[i].share;
        }
        bench_pump(&w->bench);
        look_all(w);
}

/* Whatever the others had signed or let go: a newcomer finds a place. */
static void ask_as_newcomer(struct world *w) {
        struct bench_job j;

        bench_job_init(&w->bench, &j, 7, 1);
        (void) bench_begin(&w->bench, &j);
        assert_null(strstr(w->bench.refusal.detail, "which=commits"));
}

static void test_one_commit(void **state) {
        static struct world w;
        struct coordinator_settings settings = settings_default;
        size_t n_signed = 0, n_recalled = 0;
        uint64_t n_expired = 0;

        for (unsigned seed = 1; seed <= SEEDS; seed++) {
                memset(&w, 0, sizeof(w));
                rng_init(&w.rng, seed);
                settings = settings_default;
                if (seed % 3 == 0) { /* so few that shares count */
                        settings.host.commits_max = 9;
                        settings.host.requester_commits = 20;
                }
                if (seed % 2) /* no commit stays in memory but those that a job is at */
                        settings.host.commits_bytes = 6u << 10;
                bench_init(&w.bench, &settings);
                w.bench.is_manual = true;
                for (unsigned i = 0; i < JOBS; i++)
                        bench_job_init(&w.bench, &w.jobs[i], i & 1, i);
                for (unsigned i = 0; i < STEPS; i++)
                        step(&w);
                if (seed % 2 == 0)
                        ask_as_newcomer(&w);
                n_signed += w.n_signed;
                n_recalled += w.bench.n_recalled;
                n_expired += w.n_expired + w.n_forgotten;
                bench_done(&w.bench);
        }
        print_message(
                "# %zu signatures asked for, %zu commits read back, %llu records forgotten over "
                "%d seeds\n",
                n_signed, n_recalled, (unsigned long long) n_expired, SEEDS);
        assert_true(n_signed > SEEDS && n_recalled > 20 && n_expired > SEEDS);
}

/* ---- One job, step by step ---- */

static struct bench *with_little_memory(void) {
        static struct bench b;
        struct coordinator_settings s = settings_default;

        s.host.commits_bytes = 6u << 10; /* no commit stays but those that a job is at */
        bench_init(&b, &s);
        return &b;
}

static struct hash_value commit_of(struct bench *b, uint64_t stream) {
        const Grid__JobMessage *m = bench_expect(b, stream, GRID__JOB_MESSAGE__BODY_COMMIT);

        assert_non_null(m);
        return statement_digest(BYTES(m->commit->statement.data, m->commit->statement.len));
}

static void assert_failure(struct bench *b, uint64_t stream, const char *detail) {
        const Grid__JobMessage *m = bench_expect(b, stream, GRID__JOB_MESSAGE__BODY_FAILURE);

        assert_non_null(m);
        assert_int_equal(m->failure->problem->code, OUTCOME_STALE);
        assert_string_equal(m->failure->problem->detail, detail);
}

/* Runs it to its commit; then nobody is at it. */
static struct hash_value run_job(struct bench *b, const struct bench_job *j) {
        uint64_t stream = bench_begin(b, j);
        struct hash_value digest;

        assert_int_equal(b->work.n, 1);
        bench_committed(b, b->work.items[0].id, 1);
        digest = commit_of(b, stream);
        bench_close(b, stream);
        bench_advance(b, 31 * NSEC_PER_SEC);
        return digest;
}

/* What it signed is in the journal alone: a repeated dispatch gets the same bytes. */
static void test_read_back(void **state) {
        struct bench *b = with_little_memory();
        struct hash_value first, again;
        struct bench_job a, other;
        uint64_t stream;

        bench_job_init(b, &a, 0, 1);
        bench_job_init(b, &other, 0, 2);
        first = run_job(b, &a);
        (void) run_job(b, &other);
        for (unsigned i = 0; i < 3; i++) {
                size_t before = b->n_recalled;

                stream = bench_begin(b, &a);
                again = commit_of(b, stream);
                assert_true(hash_equal(&first, &again));
                assert_int_equal(b->n_recalled, before + 1);
                bench_close(b, stream);
                bench_advance(b, 31 * NSEC_PER_SEC);
                (void) bench_begin(b, &other); /* takes the little memory there is */
                bench_advance(b, 31 * NSEC_PER_SEC);
                if (i == 1)
                        bench_restart(b);
        }
        assert_int_equal(b->sign.n + b->work.n, 0);
        bench_done(b);
}

/* While it is being read: another dispatch, a stream that ends, a journal without it. */
static void test_read_back_disturbed(void **state) {
        struct bench *b = with_little_memory();
        struct hash_value first, again;
        struct bench_job a, other;
        uint64_t old, stream;

        bench_job_init(b, &a, 0, 1);
        bench_job_init(b, &other, 0, 2);
        first = run_job(b, &a);
        (void) run_job(b, &other);
        b->is_manual = true;
        old = bench_begin(b, &a);
        stream = bench_begin(b, &a);
        assert_true(bench_was_reset(b, old));
        assert_int_equal(b->recall.n, 2);
        bench_answer_recall(b, 0); /* the first asker is gone */
        bench_answer_recall(b, 0);
        bench_pump(b);
        again = commit_of(b, stream);
        assert_true(hash_equal(&first, &again));
        bench_close(b, stream);
        bench_advance(b, 31 * NSEC_PER_SEC);
        b->is_manual = false;
        (void) bench_begin(b, &other);
        bench_advance(b, 31 * NSEC_PER_SEC);
        b->is_manual = true;

        stream = bench_begin(b, &a);
        bench_close(b, stream);
        bench_answer_recall(b, 0);
        while (b->n_disk > 2) /* the birth and what came before the signature */
                bench_disk_drop(b);
        stream = bench_begin(b, &a);
        bench_answer_recall(b, 0);
        bench_pump(b);
        assert_failure(b, stream, "why=commit_was_not_kept");
        assert_int_equal(b->work.n, 0);
        bench_done(b);
}

/* The clock goes two hours ahead and back, the node goes down after any of its records:
 * what was asked of keyring once is not asked again. Rows go when the horizon is on disk. */
static void test_restart_around_the_horizon(void **state) {
        for (size_t kept = 2; kept <= 4; kept++)
                for (unsigned pruned = 0; pruned < 2; pruned++) {
                        static struct bench b;
                        bool is_durable;
                        struct bench_job a, later;
                        uint64_t stream;

                        bench_init(&b, &settings_default);
                        bench_job_init(&b, &a, 0, 1);
                        (void) run_job(&b, &a);
                        b.core.wall_offset_us += 2 * HOUR_US;
                        host_role.expire(b.host, b.now);
                        bench_pump(&b);
                        assert_int_equal(b.n_disk, 4); /* birth, record, commit, horizon */
                        b.core.wall_offset_us -= 2 * HOUR_US;
                        while (b.n_disk > kept)
                                bench_disk_drop(&b);
                        is_durable = kept >= 4;
                        if (is_durable && pruned) /* as journal_file.c does */
                                bench_disk_forget(&b, 1, 2);
                        bench_restart(&b);
                        stream = bench_begin(&b, &a);
                        assert_int_equal(b.work.n, 0);
                        if (is_durable)
                                assert_failure(&b, stream, "why=forgotten");
                        else if (kept == 3)
                                (void) commit_of(&b, stream);
                        else
                                assert_failure(&b, stream, "why=perhaps_signed_before_restart");
                        bench_advance(&b, NSEC_PER_SEC);
                        bench_job_init(&b, &later, 0, 2); /* and it serves on */
                        (void) bench_begin(&b, &later);
                        assert_int_equal(b.work.n, 1);
                        bench_done(&b);
                }
}

/* The horizon lies ahead: the text says for how long. */
static void test_clock_was_ahead(void **state) {
        static struct bench b;
        const Grid__JobMessage *m;
        struct bench_job a;
        uint64_t stream;

        bench_init(&b, &settings_default);
        b.core.wall_offset_us += HOUR_US / 2;
        b.now += HOUR_US / 2 * NSEC_PER_USEC; /* a job of half an hour ahead */
        bench_job_init(&b, &a, 0, 1);
        b.now -= HOUR_US / 2 * NSEC_PER_USEC;
        (void) run_job(&b, &a);
        b.core.wall_offset_us += 2 * HOUR_US;
        host_role.expire(b.host, b.now);
        b.core.wall_offset_us = BENCH_WALL;
        bench_job_init(&b, &a, 0, 2);
        stream = bench_begin(&b, &a);
        m = bench_expect(&b, stream, GRID__JOB_MESSAGE__BODY_FAILURE);
        assert_non_null(m);
        assert_string_equal(m->failure->problem->detail, "why=forgotten");
        assert_non_null(strstr(m->failure->problem->text, "ask another host"));
        assert_in_range(m->failure->retry_ms, 1760000, 1800000);
        assert_int_equal(b.work.n, 0);
        bench_done(&b);
}

TEST_MAIN(cmocka_unit_test(test_one_commit), cmocka_unit_test(test_read_back),
          cmocka_unit_test(test_read_back_disturbed),
          cmocka_unit_test(test_restart_around_the_horizon), cmocka_unit_test(test_clock_was_ahead))
