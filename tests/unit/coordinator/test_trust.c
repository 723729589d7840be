#include "services/coordinator/trust.h"

#include <math.h>

#include "services/coordinator/settings.h"
#include "tests/support/test.h"
#include "tests/unit/coordinator/vectors/trust_vectors.h"

#define DAY_US INT64_C(86400000000)
#define NOW_US (INT64_C(400) * DAY_US)

static const struct peer_id peer = { .len = 1, .bytes = { 1 } };

static struct trust *make(void) {
        return trust_new(&settings_default.trust, 7);
}

static void add(struct trust *t, enum verdict verdict, int64_t time_us, nsec_t elapsed) {
        const struct judgement j = { .verdict = verdict, .time_us = time_us, .elapsed = elapsed };

        trust_add(t, &peer, &j);
}

static void test_golden(void **state) {
        FOREACH_CASE (c, trust_vectors) {
                CLEANUP(trust_freep) struct trust *t = make();

                for (size_t i = 0; i < ELEMENTSOF(c->steps); i++)
                        for (unsigned k = 0; k < c->steps[i].n; k++)
                                add(t, c->steps[i].is_correct ? VERDICT_CORRECT : VERDICT_INCORRECT,
                                    NOW_US - c->steps[i].age_days * DAY_US, NSEC_PER_SEC);
                assert_true(fabs(trust_score(t, &peer, NOW_US) - c->score) < 1e-12);
        }
}

static void test_what_is_no_fault_does_not_count(void **state) {
        static const enum verdict harmless[] = { VERDICT_RESOURCE, VERDICT_INFEASIBLE,
                                                 VERDICT_REFUSED, VERDICT_CANCELLED,
                                                 VERDICT_INCONCLUSIVE };
        CLEANUP(trust_freep) struct trust *t = make();
        double before = trust_score(t, &peer, NOW_US);

        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                add(t, harmless[i], NOW_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US) == before);
        add(t, VERDICT_TIMEOUT, NOW_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US) < before);
}

static void test_probation(void **state) {
        CLEANUP(trust_freep) struct trust *t = make();

        for (unsigned i = 0; i < 20; i++)
                add(t, VERDICT_CORRECT, NOW_US, 99 * NSEC_PER_MSEC);
        assert_false(trust_is_known(t, &peer)); /* too short to have cost anything */
        for (unsigned i = 0; i < 5; i++) {
                assert_false(trust_is_known(t, &peer));
                add(t, VERDICT_CORRECT, NOW_US, 100 * NSEC_PER_MSEC);
        }
        assert_true(trust_is_known(t, &peer));
}

/* The first in 30 days only puts back on probation; the next one is a fault. */
static void test_hardware(void **state) {
        CLEANUP(trust_freep) struct trust *t = make();
        double before;

        for (unsigned i = 0; i < 10; i++)
                add(t, VERDICT_CORRECT, NOW_US, NSEC_PER_SEC);
        before = trust_score(t, &peer, NOW_US);
        add(t, VERDICT_HARDWARE, NOW_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US) == before);
        assert_false(trust_is_known(t, &peer));
        add(t, VERDICT_HARDWARE, NOW_US + DAY_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US) < before);
        before = trust_score(t, &peer, NOW_US);
        add(t, VERDICT_HARDWARE, NOW_US + 32 * DAY_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US) == before);
}

static void test_fault_proof(void **state) {
        CLEANUP(trust_freep) struct trust *t = make();
        const struct judgement proof = { .verdict = VERDICT_INCORRECT,
                                         .is_proved = true,
                                         .time_us = NOW_US };

        for (unsigned i = 0; i < 256; i++)
                add(t, VERDICT_CORRECT, NOW_US, NSEC_PER_SEC);
        trust_add(t, &peer, &proof);
        for (unsigned i = 0; i < 256; i++)
                add(t, VERDICT_CORRECT, NOW_US + 300 * DAY_US, NSEC_PER_SEC);
        assert_true(trust_score(t, &peer, NOW_US + 300 * DAY_US) == 0); /* it does not fade */
        assert_false(trust_is_known(t, &peer));
        trust_lift(t, &peer);
        assert_true(trust_score(t, &peer, NOW_US + 300 * DAY_US) > 0.9);
}

/* Strangers cannot push out those we know well: the one judged longest ago goes. */
static void test_bounded(void **state) {
        CLEANUP(trust_freep) struct trust *t = make();

        for (unsigned i = 0; i < 10; i++)
                add(t, VERDICT_CORRECT, NOW_US, NSEC_PER_SEC);
        for (unsigned i = 0; i < 3 * TRUST_HOSTS_MAX; i++) {
                const struct judgement j = { .verdict = VERDICT_CORRECT, .time_us = NOW_US };
                struct peer_id other = { .len = 4 };

                store_be32(other.bytes, i);
                trust_add(t, &other, &j);
                if (i % 1000 == 0)
                        add(t, VERDICT_CORRECT, NOW_US, NSEC_PER_SEC);
        }
        assert_true(trust_is_known(t, &peer));
}

TEST_MAIN(cmocka_unit_test(test_golden), cmocka_unit_test(test_what_is_no_fault_does_not_count),
          cmocka_unit_test(test_probation), cmocka_unit_test(test_hardware),
          cmocka_unit_test(test_fault_proof), cmocka_unit_test(test_bounded))
