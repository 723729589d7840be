#include "services/coordinator/estimates.h"

#include <math.h>

#include "common/base/memory.h"
#include "common/base/rng.h"
#include "tests/support/test.h"

#define DAY_US    INT64_C(86400000000)
#define HALF_LIFE (7 * DAY_US)
#define NOW_US    (INT64_C(400) * DAY_US)

static struct estimates *make(void) {
        return estimates_new(HALF_LIFE, 7);
}

/* Keys of a run: level l is named by ids[l]. */
static struct estimate_keys keys_of(unsigned statement, unsigned data, unsigned shape,
                                    unsigned class) {
        const unsigned ids[] = { statement, data, shape, class };
        struct estimate_keys k;

        for (unsigned l = 0; l < ESTIMATE_LEVELS; l++) {
                const uint8_t text[] = { (uint8_t) l, (uint8_t) ids[l], (uint8_t) (ids[l] >> 8),
                                         (uint8_t) (ids[l] >> 16) };

                k.of[l] = hash_of("quorate.test", BYTES_OF(text));
        }
        return k;
}

static const struct estimate_values promised = { { 100, 1000, 5000, 1 << 20 } };

static struct estimate_values times(double factor) {
        struct estimate_values v = promised;

        for (int i = 0; i < _ESTIMATE_N; i++)
                v.of[i] = (uint64_t) llround((double) (v.of[i] + 1) * factor) - 1;
        return v;
}

static void learn(struct estimates *e, const struct estimate_keys *k, double factor,
                  int64_t when_us) {
        struct estimate_values took = times(factor);
        struct estimate_run run;

        estimate_run_of(&promised, &took, when_us, &run);
        estimates_learn(e, k, &run, NOW_US);
}

static struct estimate ask(const struct estimates *e, const struct estimate_keys *k,
                           int64_t now_us) {
        struct estimate ret;

        estimates_ask(e, k, &promised, now_us, &ret);
        return ret;
}

static double factor_of(const struct estimate *e) {
        return (double) (e->values.of[ESTIMATE_CPU] + 1) / (double) (promised.of[ESTIMATE_CPU] + 1);
}

static void test_nothing_known(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1);
        struct estimate r = ask(e, &k, NOW_US);

        assert_int_equal(r.level, ESTIMATE_PLAN);
        assert_true(r.runs == 0);
        assert_memory_equal(&r.values, &promised, sizeof(promised));
}

/* After one run of (1, 1, 1, 1): the most special level that it shares. */
static const struct {
        const char *name;
        unsigned ids[ESTIMATE_LEVELS];
        enum estimate_level want;
        double factor; /* the run took four times of what was promised */
} level_cases[] = {
        { "the same question", { 1, 1, 1, 1 }, ESTIMATE_STATEMENT, 4 },
        { "another constant", { 2, 1, 1, 1 }, ESTIMATE_DATA, 4 },
        { "other data", { 2, 2, 1, 1 }, ESTIMATE_SHAPE, 4 },
        { "the same shape in another build", { 2, 2, 1, 2 }, ESTIMATE_SHAPE, 4 },
        { "another question", { 2, 2, 2, 1 }, ESTIMATE_CLASS, 2 },
        { "of another engine", { 2, 2, 2, 2 }, ESTIMATE_PLAN, 1 },
};

static void test_levels(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys first = keys_of(1, 1, 1, 1);

        learn(e, &first, 4, NOW_US);
        FOREACH_CASE (c, level_cases) {
                struct estimate_keys k = keys_of(c->ids[0], c->ids[1], c->ids[2], c->ids[3]);
                struct estimate r = ask(e, &k, NOW_US);

                assert_int_equal(r.level, c->want);
                assert_true(fabs(factor_of(&r) - c->factor) < 0.02);
                assert_int_equal(r.values.of[ESTIMATE_ROWS] == promised.of[ESTIMATE_ROWS],
                                 c->want >= ESTIMATE_CLASS);
        }
}

/* What data twice as large are promised is corrected alike. */
static void test_grown_data(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1), other = keys_of(2, 2, 1, 1);
        struct estimate_values twice = times(2);
        struct estimate r;

        learn(e, &k, 8, NOW_US);
        estimates_ask(e, &other, &twice, NOW_US, &r);
        assert_true(fabs((double) r.values.of[ESTIMATE_CPU] / (16.0 * 5001) - 1) < 0.01);
}

static void test_the_newer_weighs_more(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1);
        struct estimate r;

        learn(e, &k, 2, NOW_US - HALF_LIFE); /* weighs a half */
        learn(e, &k, 16, NOW_US);
        r = ask(e, &k, NOW_US);
        assert_true(fabs(r.runs - 1.5) < 1e-6);
        assert_true(fabs(log2(factor_of(&r)) - (1 * 0.5 + 4) / 1.5) < 0.01);
}

static void test_old_runs_say_nothing(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1), other = keys_of(2, 2, 2, 1);
        struct estimate r;

        learn(e, &k, 4, NOW_US - 6 * HALF_LIFE + DAY_US);
        r = ask(e, &k, NOW_US);
        assert_int_equal(r.level, ESTIMATE_STATEMENT);
        r = ask(e, &k, NOW_US + 2 * DAY_US);
        assert_int_equal(r.level, ESTIMATE_PLAN);
        learn(e, &other, 2, NOW_US);
        r = ask(e, &k, NOW_US + 2 * DAY_US);
        assert_int_equal(r.level, ESTIMATE_CLASS);
}

/* A clock that was set back: such runs are of now, not stronger ones. */
static void test_of_the_future(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1);
        struct estimate r;

        learn(e, &k, 4, NOW_US + 100 * HALF_LIFE);
        r = ask(e, &k, NOW_US);
        assert_true(fabs(r.runs - 1) < 1e-6);
        r = ask(e, &k, NOW_US + HALF_LIFE);
        assert_true(fabs(r.runs - 0.5) < 1e-6);
}

/* One question that was far off moves the others little. */
static void test_outlier(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k = keys_of(1, 1, 1, 1), other = keys_of(2, 2, 2, 1);
        struct estimate r;

        learn(e, &k, 1e6, NOW_US);
        r = ask(e, &other, NOW_US);
        assert_int_equal(r.level, ESTIMATE_CLASS);
        assert_true(fabs(factor_of(&r) - exp2(1.5)) < 0.02);
        for (int i = 0; i < 9; i++)
                learn(e, &k, 1, NOW_US);
        r = ask(e, &other, NOW_US);
        assert_true(factor_of(&r) < 1.3);
}

static void test_budget(void **state) {
        CLEANUP(estimates_freep) struct estimates *e = make();
        struct estimate_keys k;
        struct estimate r;

        for (unsigned i = 0; i < 2 * ESTIMATES_MAX; i++) {
                k = keys_of(i, i, i, 1);
                learn(e, &k, 4, NOW_US);
                assert_true(estimates_count(e) <= ESTIMATES_MAX);
        }
        assert_int_equal(estimates_count(e), ESTIMATES_MAX);
        assert_int_equal(estimates_counters(e)->learned, 2 * ESTIMATES_MAX);
        assert_int_equal(estimates_counters(e)->forgotten,
                         3u * 2 * ESTIMATES_MAX + 1 - ESTIMATES_MAX);
        r = ask(e, &k, NOW_US);
        assert_int_equal(r.level, ESTIMATE_STATEMENT);
        k = keys_of(0, 0, 0, 1); /* went; what all share stayed */
        r = ask(e, &k, NOW_US);
        assert_int_equal(r.level, ESTIMATE_CLASS);
}

/* A record of a foreign journal cannot give what does not fit. */
static void test_limits(void **state) {
        static const int32_t ratios[] = { INT32_MAX, INT32_MIN };

        for (size_t i = 0; i < ELEMENTSOF(ratios); i++) {
                CLEANUP(estimates_freep) struct estimates *e = make();
                struct estimate_keys k = keys_of(1, 1, 1, 1);
                struct estimate_run run = { .time_us = NOW_US };
                struct estimate r;

                for (int n = 0; n < _ESTIMATE_N; n++)
                        run.ratio[n] = ratios[i];
                estimates_learn(e, &k, &run, NOW_US);
                r = ask(e, &k, NOW_US);
                for (int n = 0; n < _ESTIMATE_N; n++)
                        assert_int_equal(r.values.of[n], i == 0 ? ESTIMATE_LIMIT : 0);
        }
}

/* ---- Property: the sums say what the runs themselves say ---- */

#define RUNS 40

struct played {
        struct estimate_keys keys;
        double log;
        int64_t time_us;
};

/* Of all runs with this key, straight from the definition. */
static double mean_of(const struct played *runs, size_t n, const struct hash_value *key, int level,
                      double *ret_weight) {
        double sum = 0;

        *ret_weight = 0;
        for (size_t i = 0; i < n; i++) {
                double weight = exp2(-(double) (NOW_US - runs[i].time_us) / (double) HALF_LIFE);

                if (!hash_equal(&runs[i].keys.of[level], key))
                        continue;
                *ret_weight += weight;
                sum += weight * runs[i].log;
        }
        return *ret_weight > 0 ? sum / *ret_weight : 0;
}

static void play(struct rng *rng, struct played *ret) {
        unsigned shape = (unsigned) rng_below(rng, 3),
                 data = shape * 4 + (unsigned) rng_below(rng, 2);

        ret->keys = keys_of(data * 4 + (unsigned) rng_below(rng, 3), data, shape, 1);
        ret->log = (double) rng_below(rng, 1600) / 100 - 8;
        ret->time_us = NOW_US - (int64_t) rng_below(rng, 3 * HALF_LIFE);
}

static void test_means(void **state) {
        for (unsigned seed = 0; seed < 300; seed++) {
                CLEANUP(estimates_freep) struct estimates *e = make();
                struct played runs[RUNS];
                struct rng rng;

                rng_init(&rng, seed);
                for (size_t i = 0; i < RUNS; i++) { /* in any order of their times */
                        struct estimate_run run = { .time_us = 0 };

                        play(&rng, &runs[i]);
                        run.time_us = runs[i].time_us;
                        for (int n = 0; n < _ESTIMATE_N; n++)
                                run.ratio[n] = (int32_t) lround(runs[i].log * 256);
                        estimates_learn(e, &runs[i].keys, &run, NOW_US);
                }
                for (size_t i = 0; i < RUNS; i++) {
                        const struct estimate_values large = { { 1u << 30, 1u << 30, 1u << 30,
                                                                 1u << 30 } };
                        struct estimate r;
                        double weight, mean;

                        estimates_ask(e, &runs[i].keys, &large, NOW_US, &r);
                        mean = mean_of(runs, RUNS, &runs[i].keys.of[r.level], r.level, &weight);
                        assert_true(fabs(r.runs - weight) < 1e-3);
                        assert_true(fabs(log2((double) r.values.of[ESTIMATE_CPU] / (1u << 30)) -
                                         mean) < 0.01);
                }
        }
}

TEST_MAIN(cmocka_unit_test(test_nothing_known), cmocka_unit_test(test_levels),
          cmocka_unit_test(test_grown_data), cmocka_unit_test(test_the_newer_weighs_more),
          cmocka_unit_test(test_old_runs_say_nothing), cmocka_unit_test(test_of_the_future),
          cmocka_unit_test(test_outlier), cmocka_unit_test(test_budget),
          cmocka_unit_test(test_limits), cmocka_unit_test(test_means))
