#include <math.h>

#include "services/gossip/score.h"
#include "tests/support/test.h"
#include "tests/unit/gossip/vectors/vectors.h"

static void do_event(char what, struct topic_score *t, const struct pubsub_topic_params *p,
                     nsec_t *now) {
        switch (what) {
        case 'G':
                topic_score_grafted(t, *now);
                break;
        case 'P':
                topic_score_pruned(t, p);
                break;
        case 'F':
                topic_score_first(t, p);
                break;
        case 'D':
                topic_score_duplicate(t, p);
                break;
        case 'I':
                t->invalid++;
                break;
        default:
                *now += NSEC_PER_SEC;
                topic_score_decay(t, p, 0.01, *now);
        }
}

static void test_golden(void **state) {
        struct score_params params;

        (void) state;
        score_params_default(&params);
        FOREACH_CASE (c, score_vectors) {
                struct pubsub_topic_params p = params.topic;
                struct topic_score t = {};
                nsec_t now = 0;
                double got;

                if (c->with_deficit) {
                        p.deficit_weight = p.failure_weight = -1;
                        p.deficit_threshold = 10;
                }
                for (const char *e = c->events; *e; e++)
                        do_event(*e, &t, &p, &now);
                got = topic_score_value(&t, &p, now);
                if (fabs(got - c->want) > 1e-9 * (1 + fabs(c->want)))
                        print_message("# %s: %.17g, want %.17g\n", c->events, got, c->want);
                assert_true(fabs(got - c->want) <= 1e-9 * (1 + fabs(c->want)));
        }
}

/* What score.h promises of the default weights. */
static void test_thresholds(void **state) {
        struct topic_score best = { .in_mesh = true, .first = 20 };
        struct score_params p;
        double most;

        (void) state;
        score_params_default(&p);
        most = topic_score_value(&best, &p.topic, 1000 * NSEC_PER_SEC);
        assert_true(p.graylist < p.publish && p.publish < p.gossip && p.gossip < 0);
        assert_true(p.accept_px > 0 && most > p.accept_px);
        best.invalid = 1;
        assert_true(topic_score_value(&best, &p.topic, 1000 * NSEC_PER_SEC) < p.graylist);
        /* a broken promise or two of a peer that delivers are forgiven */
        assert_true(p.behaviour_weight * 0.25 * 0.25 + most > 0);
}

static void test_decay(void **state) {
        (void) state;
        assert_true(score_decay(1, 0.5, 0.01) == 0.5);
        assert_true(score_decay(0.019, 0.5, 0.01) == 0);
        assert_true(score_decay(0, 0.5, 0.01) == 0);
}

TEST_MAIN(cmocka_unit_test(test_golden), cmocka_unit_test(test_thresholds),
          cmocka_unit_test(test_decay))
