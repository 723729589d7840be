#include <math.h>
#include <stdlib.h>

#include "common/base/rng.h"
#include "services/dht/estimate.h"
#include "services/dht/mode.h"
#include "services/dht/seen.h"
#include "tests/support/test.h"

#define K 20

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double distance_of(uint64_t id, uint64_t target) {
        return (double) (id ^ target) * 0x1.0p-64;
}

/* What a lookup of that target meets: the k closest of all ids, the first being ours. */
static void sample(struct estimate *e, const uint64_t *ids, size_t n, uint64_t target) {
        void (*add)(struct estimate *, double, unsigned, bool) =
                target == ids[0] ? estimate_own : estimate_add;
        double *d = xnew_n(double, n);
        size_t others = 0;

        for (size_t i = 1; i < n; i++)
                d[others++] = distance_of(ids[i], target);
        qsort(d, others, sizeof(*d), by_value);
        if (others < K)
                add(e, others ? d[others - 1] : 0, (unsigned) others, true);
        else
                add(e, d[K - 1], K, false);
        free(d);
}

struct trial {
        double size, low, high;
};

/* A network of n honest ids and what was planted; the first sample is at our own id. */
static struct trial try_once(struct rng *rng, size_t n, size_t n_samples, const uint64_t *planted,
                             size_t n_planted) {
        uint64_t *ids = xnew_n(uint64_t, n + n_planted);
        struct estimate e = {};
        struct estimate_value v;

        for (size_t i = 0; i < n; i++)
                ids[i] = rng_u64(rng);
        for (size_t i = 0; i < n_planted; i++)
                ids[n + i] = ids[0] ^ planted[i];
        for (size_t i = 0; i < n_samples; i++)
                sample(&e, ids, n + n_planted, i == 0 ? ids[0] : rng_u64(rng));
        free(ids);
        v = estimate_get(&e);
        return (struct trial){ v.size, v.low, v.high };
}

/* The same without the ids: gaps between neighbours are exponential when there are many. */
static struct trial try_large(struct rng *rng, size_t n, size_t n_samples) {
        struct estimate e = {};
        struct estimate_value v;

        for (size_t i = 0; i < n_samples; i++) {
                double d = 0;

                for (unsigned j = 0; j < K; j++)
                        d -= log(1 - rng_unit(rng)) / (double) n;
                estimate_add(&e, d, K, false);
        }
        v = estimate_get(&e);
        return (struct trial){ v.size, v.low, v.high };
}

static void interval_covers_the_truth(void **state) {
        static const size_t sizes[] = { 10, 15, 21, 25, 40, 100, 300, 1000, 10000, 100000 };
        static const size_t samples[] = { 1, 3, 8, 16 };
        struct rng rng;

        rng_init(&rng, 1);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                const unsigned trials = 400;

                for (size_t j = 0; j < ELEMENTSOF(samples); j++) {
                        unsigned covered = 0;

                        for (unsigned k = 0; k < trials; k++) {
                                struct trial t =
                                        sizes[i] > 1000
                                                ? try_large(&rng, sizes[i], samples[j])
                                                : try_once(&rng, sizes[i], samples[j], NULL, 0);

                                covered +=
                                        t.low <= (double) sizes[i] && (double) sizes[i] <= t.high;
                        }
                        print_message("# N %zu, %zu samples: %.1f %% covered\n", sizes[i],
                                      samples[j], 100.0 * covered / trials);
                        assert_true(covered >= 0.85 * trials);
                }
        }
}

/* "Alone, for certain" is what a node must not say before it has met anybody. */
static void without_a_sample_nothing_is_known(void **state) {
        struct estimate e = {};
        struct estimate_value v = estimate_get(&e);

        assert_true(v.size == 0 && v.low == 0 && v.high == 0);
        assert_true(estimate_radius(&e, K) >= 1); /* everywhere */
}

static void add_samples(struct estimate *e, double size, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                estimate_add(e, (K - 1) / (size + i), K, false);
}

/* Points drawn anew replace the old ones only where these are out of date: whoever makes us draw
 * gains nothing by it. */
static void what_is_out_of_date_is_replaced(void **state) {
        static const struct {
                unsigned old, renewed; /* sizes the points tell of */
                bool is_replaced;
        } cases[] = { { 1000, 1000, false },
                      { 1000, 1200, false },
                      { 100, 1000, true },
                      { 1000, 200, true } };

        FOREACH_CASE (c, cases) {
                for (unsigned n = 1; n <= ESTIMATE_SAMPLES - 3; n++) {
                        struct estimate e = {};

                        add_samples(&e, c->old, n);
                        add_samples(&e, c->renewed, 3);
                        assert_int_equal(estimate_renew(&e, 3), c->is_replaced);
                        assert_int_equal(estimate_samples(&e), c->is_replaced ? 3 : n + 3);
                        if (c->is_replaced)
                                assert_in_range(estimate_get(&e).size, c->renewed, c->renewed + 3);
                        add_samples(&e, c->renewed, 1); /* the ring goes on */
                        assert_int_equal(estimate_samples(&e),
                                         (c->is_replaced ? 3 : n + 3) + 1 -
                                                 (n + 3 == ESTIMATE_SAMPLES && !c->is_replaced));
                }
        }
}

static int by_trial(const void *a, const void *b) {
        return by_value(a, b);
}

/* Overlay weakness A7: three deep ids multiplied the estimate by two million. */
static void planted_ids_move_it_little(void **state) {
        static const struct {
                size_t n_samples, n_planted;
                unsigned prefix;
                double at_most;
        } cases[] = {
                { 1, 3, 30, 1.4 },  { 3, 3, 30, 1.4 },   { 3, 20, 30, 2 },
                { 8, 20, 16, 1.5 }, { 16, 20, 50, 1.3 }, { 16, 60, 12, 1.5 },
        };
        struct rng rng;

        rng_init(&rng, 2);
        FOREACH_CASE (c, cases) {
                struct trial trials[101];
                uint64_t planted[64];

                for (size_t i = 0; i < ELEMENTSOF(trials); i++) {
                        for (size_t j = 0; j < c->n_planted; j++)
                                planted[j] = rng_u64(&rng) >> c->prefix;
                        trials[i] = try_once(&rng, 1000, c->n_samples, planted, c->n_planted);
                }
                qsort(trials, ELEMENTSOF(trials), sizeof(*trials), by_trial);
                print_message("# %zu planted, %zu samples: median x%.2f\n", c->n_planted,
                              c->n_samples, trials[50].size / 1000);
                assert_true(trials[50].size < 1000 * c->at_most && trials[50].size > 600);
        }
}

static void seen_is_exact_while_small_and_close_when_large(void **state) {
        static const struct {
                unsigned n, off;
        } cases[] = { { 0, 0 },    { 1, 0 },        { 1000, 0 },
                      { 1024, 0 }, { 10000, 1000 }, { 100000, 10000 } };
        const int64_t hour = INT64_C(3600) * 1000000, start = INT64_C(1790000000) * 1000000;

        FOREACH_CASE (c, cases) {
                struct seen s, again;
                struct buffer b;
                struct reader r;

                seen_init(&s, 0x1234567);
                seen_init(&again, 1);
                for (unsigned i = 0; i < c->n; i++) {
                        struct key k = key_of(BYTES_OF(((uint32_t[]){ i })));

                        seen_note(&s, &k, start);
                        seen_note(&s, &k, start + hour); /* the same again counts once */
                }
                assert_in_range(seen_count(&s, hour, start + hour), c->n - c->off, c->n + c->off);
                assert_int_equal(seen_count(&s, hour, start + 3 * hour), 0);
                assert_in_range(seen_count(&s, 24 * hour, start + 3 * hour), c->n - c->off,
                                c->n + c->off);
                assert_true(s.capacity <= SEEN_MAX);
                buffer_init(&b, SEEN_STATE_MAX);
                seen_pack(&s, &b);
                assert_false(b.failed);
                r = reader_of(buffer_bytes(&b));
                assert_true(seen_unpack(&again, &r));
                assert_int_equal(seen_count(&again, 24 * hour, start + hour),
                                 seen_count(&s, 24 * hour, start + hour));
                if (b.len > 13) { /* cut short: nothing is believed */
                        r = reader_of(BYTES(b.data, b.len - 1));
                        assert_false(seen_unpack(&again, &r));
                        assert_int_equal(again.n, 0);
                }
                buffer_done(&b);
                seen_done(&s);
                seen_done(&again);
        }
}

static void mode_follows_the_rule(void **state) {
        static const struct {
                enum dht_mode configured;
                const char *inbound[3], *outbound;
                nsec_t later;
                bool is_server;
        } cases[] = {
                { DHT_MODE_SERVER, { NULL }, NULL, 0, true },
                { DHT_MODE_CLIENT, { "1.2.3.4:1", "1.2.4.4:1" }, NULL, 0, false },
                { DHT_MODE_AUTO, { NULL }, NULL, 0, false },
                { DHT_MODE_AUTO, { "1.2.3.4:1" }, NULL, 0, false },
                { DHT_MODE_AUTO, { "1.2.3.4:1", "1.2.3.5:1" }, NULL, 0, false },
                { DHT_MODE_AUTO, { "1.2.3.4:1", "1.2.4.4:1" }, NULL, 0, true },
                { DHT_MODE_AUTO, { "1.2.3.4:1", "1.2.4.4:1" }, NULL, MODE_WITHIN, false },
                { DHT_MODE_AUTO, { "10.0.0.1:1" }, NULL, 0, true },
                { DHT_MODE_AUTO, { "127.0.0.1:1" }, NULL, 0, true },
                { DHT_MODE_AUTO, { "10.0.0.1:1" }, "1.2.3.4:1", 0, false },
                { DHT_MODE_AUTO, { "10.0.0.1:1", "[2001:470::1]:1" }, NULL, 0, true },
                { DHT_MODE_AUTO, { "10.0.0.1:1" }, NULL, MODE_WITHIN, false },
                { DHT_MODE_AUTO, { "10.0.0.1:1" }, "127.0.0.1:1", 0, true },
                { DHT_MODE_AUTO, { NULL }, "10.0.0.1:1", 0, false }, /* we reach it, it not us */
                { DHT_MODE_AUTO, { NULL }, "127.0.0.1:1", 0, true },
                { DHT_MODE_AUTO, { NULL }, "[::1]:1", 0, true },
                { DHT_MODE_AUTO, { NULL }, "127.0.0.1:1", MODE_WITHIN, false },
                { DHT_MODE_AUTO, { NULL }, "10.0.0.9:4002", 0, true }, /* another port of ours */
                { DHT_MODE_AUTO, { "127.0.0.1:1" }, "10.0.0.1:1", 0, false },
                { DHT_MODE_AUTO, { "127.0.0.1:1" }, "1.2.3.4:1", 0, false },
                { DHT_MODE_AUTO, { NULL }, "1.2.3.4:1", 0, false },
        };

        FOREACH_CASE (c, cases) {
                const char *reason = NULL;
                struct endpoint e, own;
                struct mode m;

                mode_init(&m, c->configured);
                assert_true(endpoint_from_text("10.0.0.9:4001", &own));
                mode_own(&m, &own, 1);
                for (size_t i = 0; i < 3 && c->inbound[i]; i++) {
                        assert_true(endpoint_from_text(c->inbound[i], &e));
                        mode_peer(&m, &e, true, 5);
                }
                if (c->outbound) {
                        assert_true(endpoint_from_text(c->outbound, &e));
                        mode_peer(&m, &e, false, 5);
                }
                assert_int_equal(mode_is_server(&m, 5 + c->later, &reason), c->is_server);
                assert_non_null(reason);
        }
}

/* Three of the first four look-ups were answered by friends of each other: the fourth tells. */
static void one_honest_sample_tells_what_to_look_for(void **state) {
        struct estimate e = {};

        assert_true(estimate_at_most(&e) <= 1);
        estimate_own(&e, 0.019, 20, false); /* of 1,000 */
        estimate_add(&e, 0.095, 20, false); /* of 200 */
        assert_in_range((unsigned) estimate_at_most(&e), 990, 1010);
        estimate_own(&e, 0.095, 20, false);
        for (unsigned i = 0; i < 2; i++)
                estimate_add(&e, 0.095, 20, false);
        assert_true(estimate_at_most(&e) < 250);
        estimate_add(&e, 0.019, 20, false); /* of 1,000 */
        assert_in_range((unsigned) estimate_at_most(&e), 990, 1010);
        assert_true(estimate_get(&e).size < 250);
        for (unsigned i = 0; i < 9; i++) /* later a single one counts for nothing */
                estimate_add(&e, 0.038, 20, false);
        assert_in_range((unsigned) estimate_at_most(&e), 490, 510);
}

/* Twenty ids ground around ours: what they make us look for is over with the points we draw. */
static void ids_around_us_do_not_tell_what_to_look_for(void **state) {
        struct estimate e = {};

        estimate_own(&e, 1e-9, 20, false);
        for (unsigned i = 0; i < 8; i++) {
                estimate_add(&e, 0.019, 20, false); /* of 1,000 */
                if (i >= 2)
                        assert_in_range((unsigned) estimate_at_most(&e), 990, 1010);
        }
}

TEST_MAIN(cmocka_unit_test(ids_around_us_do_not_tell_what_to_look_for),
          cmocka_unit_test(one_honest_sample_tells_what_to_look_for),
          cmocka_unit_test(without_a_sample_nothing_is_known),
          cmocka_unit_test(what_is_out_of_date_is_replaced),
          cmocka_unit_test(interval_covers_the_truth), cmocka_unit_test(planted_ids_move_it_little),
          cmocka_unit_test(seen_is_exact_while_small_and_close_when_large),
          cmocka_unit_test(mode_follows_the_rule))
