#include "common/base/map.h"
#include "common/base/rng.h"
#include "tests/unit/coordinator/bench.h"

/* Whatever the order of dispatches, answers, failures and crashes: keyring is
 * never asked for two different commits of one (requester, job, run). */

#define SEEDS 300
#define STEPS 120
#define JOBS  4

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
        unsigned value, n_flood;
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

        if (b->sign.n > 0)
                bench_answer_sign(b, one_of(w, &b->sign), !rng_chance(&w->rng, 0.1));
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

static void step_crash(struct world *w) {
        struct bench *b = &w->bench;

        while (b->journal.n > 0 && rng_chance(&w->rng, 0.5)) {
                bench_disk_put(b, &b->journal.items[0]);
                bench_list_drop(&b->journal, 0);
        }
        w->n_streams = 0;
        bench_restart(b);
}

static const struct {
        void (*fn)(struct world *w);
        double share;
} steps[] = {
        { step_begin, 0.2 },     { step_flood, 0.1 },  { step_journal, 0.2 },
        { step_sign, 0.13 },     { step_commit, 0.2 }, { step_close, 0.06 },
        { step_lose_run, 0.03 }, { step_time, 0.04 },  { step_crash, 0.04 },
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
        size_t n_signed = 0;

        for (unsigned seed = 1; seed <= SEEDS; seed++) {
                memset(&w, 0, sizeof(w));
                rng_init(&w.rng, seed);
                settings.host.commits_max = seed % 3 ? settings_default.host.commits_max : 9;
                bench_init(&w.bench, &settings);
                w.bench.is_manual = true;
                for (unsigned i = 0; i < JOBS; i++)
                        bench_job_init(&w.bench, &w.jobs[i], i & 1, i);
                for (unsigned i = 0; i < STEPS; i++)
                        step(&w);
                ask_as_newcomer(&w);
                n_signed += w.n_signed;
                bench_done(&w.bench);
        }
        print_message("# %zu signatures asked for over %d seeds\n", n_signed, SEEDS);
        assert_true(n_signed > SEEDS);
}

TEST_MAIN(cmocka_unit_test(test_one_commit))
