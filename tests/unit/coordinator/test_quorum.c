/* The vote counter, as properties over random elections and as a table of the
 * cases people argue about. */

#include "common/base/rng.h"
#include "services/coordinator/quorum.h"
#include "tests/support/test.h"

static struct hash_value answer(unsigned n) {
        struct hash_value h = {};

        h.bytes[0] = (uint8_t) n;
        h.bytes[31] = 1;
        return h;
}

static void elect(struct quorum *q, const char *votes) {
        for (unsigned i = 0; votes[i]; i++) {
                struct hash_value a = answer((unsigned) votes[i]);

                assert_true(quorum_vote(q, i, i, 0, &a));
        }
}

static const struct {
        const char *name;
        enum query_mode mode;
        unsigned k, q, max;
        const char *votes;
        enum quorum_state want;
        unsigned missing;
} cases[] = {
        { "nobody", MODE_QUORUM, 3, 2, 7, "", QUORUM_OPEN, 2 },
        { "one", MODE_QUORUM, 3, 2, 7, "A", QUORUM_OPEN, 1 },
        { "two equal", MODE_QUORUM, 3, 2, 7, "AA", QUORUM_REACHED, 0 },
        { "two of three lead by one only", MODE_QUORUM, 3, 2, 7, "AAB", QUORUM_CONTESTED, 1 },
        { "three against one", MODE_QUORUM, 3, 2, 7, "BAAA", QUORUM_REACHED, 0 },
        { "four against three is no lead of two", MODE_QUORUM, 3, 2, 7, "ABABABA", QUORUM_SPLIT,
          1 },
        { "no further voter can decide", MODE_QUORUM, 3, 2, 7, "ABABAB", QUORUM_SPLIT, 2 },
        { "five against two", MODE_QUORUM, 3, 2, 7, "ABABAA", QUORUM_REACHED, 0 },
        { "the lead is over the next, not over the rest", MODE_QUORUM, 3, 2, 7, "ABCDAA",
          QUORUM_REACHED, 0 },
        { "q 3", MODE_QUORUM, 3, 3, 7, "AAA", QUORUM_REACHED, 0 },
        { "q 3 with two liars", MODE_QUORUM, 5, 3, 7, "BBAAAAA", QUORUM_REACHED, 0 },
        { "unanimous, not all", MODE_UNANIMOUS, 3, 3, 7, "AA", QUORUM_OPEN, 1 },
        { "unanimous", MODE_UNANIMOUS, 3, 3, 7, "AAA", QUORUM_REACHED, 0 },
        { "one dissent is enough", MODE_UNANIMOUS, 3, 3, 7, "AAB", QUORUM_CONTESTED, 0 },
        { "fast", MODE_FAST, 1, 1, 1, "A", QUORUM_REACHED, 0 },
};

static void test_table(void **state) {
        FOREACH_CASE (c, cases) {
                const struct quorum_rule rule = { c->mode, c->k, c->q, c->max };
                struct quorum q;
                struct tally t;

                quorum_init(&q, &rule);
                elect(&q, c->votes);
                quorum_tally(&q, &t);
                assert_int_equal(quorum_state(&q, &t), c->want);
                assert_int_equal(quorum_missing(&q, &t), c->missing);
        }
}

/* Engines that are to agree: capitals are votes of one, small letters of the other. */
static const struct {
        const char *name;
        enum query_mode mode;
        unsigned k, q, max;
        const char *votes;
        enum quorum_state want;
        unsigned missing, engines;
} engine_cases[] = {
        { "two of one engine", MODE_QUORUM, 3, 2, 7, "AA", QUORUM_OPEN, 1, 1 },
        { "one of each", MODE_QUORUM, 3, 2, 7, "Aa", QUORUM_REACHED, 0, 2 },
        { "many of one engine", MODE_QUORUM, 3, 2, 7, "AAAAAA", QUORUM_OPEN, 1, 1 },
        { "as many as may be asked", MODE_QUORUM, 3, 2, 7, "AAAAAAA", QUORUM_SPLIT, 1, 1 },
        { "the other engine says something else", MODE_QUORUM, 3, 2, 7, "AAAb", QUORUM_CONTESTED, 1,
          1 },
        { "and then the same", MODE_QUORUM, 3, 2, 7, "AAAba", QUORUM_REACHED, 0, 2 },
        { "unanimous in one engine", MODE_UNANIMOUS, 3, 3, 7, "AAA", QUORUM_OPEN, 1, 1 },
        { "unanimous in two", MODE_UNANIMOUS, 3, 3, 7, "AAa", QUORUM_REACHED, 0, 2 },
};

static void test_engines(void **state) {
        FOREACH_CASE (c, engine_cases) {
                const struct quorum_rule rule = { c->mode, c->k, c->q, c->max, 2 };
                struct quorum q;
                struct tally t;

                quorum_init(&q, &rule);
                for (unsigned i = 0; c->votes[i]; i++) {
                        bool is_small = c->votes[i] >= 'a';
                        struct hash_value a = answer((unsigned) (c->votes[i] & ~0x20));

                        assert_true(quorum_vote(&q, i, i, is_small, &a));
                }
                quorum_tally(&q, &t);
                assert_int_equal(quorum_state(&q, &t), c->want);
                assert_int_equal(quorum_missing(&q, &t), c->missing);
                assert_int_equal(t.engines, c->engines);
        }
}

/* Hosts of one group are one voter, and the first of them speaks, until it
 * contradicted itself: then the next of the group does. */
static void test_groups(void **state) {
        const struct quorum_rule rule = { MODE_QUORUM, 3, 2, 7 };
        struct hash_value a = answer('A'), b = answer('B');
        struct quorum q;
        struct tally t;

        quorum_init(&q, &rule);
        assert_true(quorum_vote(&q, 1, 10, 0, &b));
        assert_true(quorum_vote(&q, 2, 10, 0, &a));
        assert_true(quorum_vote(&q, 3, 11, 0, &a));
        assert_false(quorum_vote(&q, 3, 12, 0, &a));
        quorum_tally(&q, &t);
        assert_int_equal(t.voters, 2);
        assert_int_equal(quorum_state(&q, &t), QUORUM_CONTESTED);
        quorum_strike(&q, 1);
        quorum_tally(&q, &t);
        assert_int_equal(t.voters, 2);
        assert_int_equal(quorum_state(&q, &t), QUORUM_REACHED);
        assert_true(hash_equal(&t.leader, &a));
}

static void test_revote(void **state) {
        const struct quorum_rule rule = { MODE_UNANIMOUS, 3, 3, 7 };
        struct hash_value a = answer('A');
        struct quorum q;
        struct tally t;

        quorum_init(&q, &rule);
        elect(&q, "ABA");
        quorum_revote(&q, 1, &a);
        quorum_tally(&q, &t);
        assert_int_equal(quorum_state(&q, &t), QUORUM_REACHED);
}

/* Counts again, the slow and obvious way. */
static unsigned count(const struct quorum *q, const struct tally *t, const struct hash_value *a) {
        unsigned n = 0;

        for (size_t i = 0; i < q->n_votes; i++)
                n += t->is_counted[i] && hash_equal(&q->votes[i].answer, a);
        return n;
}

static void check_lead(const struct quorum *q, const struct tally *t) {
        for (size_t i = 0; i < q->n_votes; i++) {
                const struct hash_value *other = &q->votes[i].answer;

                if (t->is_counted[i] && !hash_equal(other, &t->leader))
                        assert_true(t->first >= count(q, t, other) + q->rule.quorum);
        }
        assert_true(count(q, t, &t->leader) >= q->rule.quorum);
}

static void check_no_voter_decides(const struct quorum *q, const struct tally *t) {
        unsigned left = q->rule.max_replicas - t->voters;

        assert_true(t->answers >= 2);
        assert_true(t->first + left < t->second + q->rule.quorum);
}

/* 20,000 elections with up to three answers, groups shared and votes struck: what
 * is accepted leads by q; SPLIT only when nobody could decide it any more; once
 * accepted without further votes it stays accepted whatever order they came in. */
static void test_random_elections(void **state) {
        unsigned reached = 0, split = 0;
        struct rng r;

        rng_init(&r, 20);
        for (unsigned run = 0; run < 20000; run++) {
                unsigned need = 1 + (unsigned) rng_below(&r, 4);
                const struct quorum_rule rule = { MODE_QUORUM, need + 1, need, 7 };
                struct quorum q;
                struct tally t = {};

                quorum_init(&q, &rule);
                for (unsigned i = 0; i < 12 && t.voters < rule.max_replicas; i++) {
                        struct hash_value a = answer('A' + (unsigned) rng_below(&r, 3));

                        quorum_vote(&q, i, (unsigned) rng_below(&r, 10), 0, &a);
                        if (rng_chance(&r, 0.05))
                                quorum_strike(&q, (unsigned) rng_below(&r, i + 1));
                        quorum_tally(&q, &t);
                        if (quorum_state(&q, &t) == QUORUM_REACHED) {
                                check_lead(&q, &t);
                                reached++;
                        } else if (quorum_state(&q, &t) == QUORUM_SPLIT) {
                                check_no_voter_decides(&q, &t);
                                split++;
                        }
                }
        }
        assert_true(reached > 1000 && split > 1000);
}

/* The same votes in another order: the same state and the same leader. */
static void test_order_does_not_matter(void **state) {
        const struct quorum_rule rule = { MODE_QUORUM, 3, 2, 7 };
        struct rng r;

        rng_init(&r, 21);
        for (unsigned run = 0; run < 20000; run++) {
                unsigned order[7], n = 1 + (unsigned) rng_below(&r, 7);
                struct hash_value answers[7];
                struct quorum a, b;
                struct tally ta, tb;

                quorum_init(&a, &rule);
                quorum_init(&b, &rule);
                for (unsigned i = 0; i < n; i++) {
                        order[i] = i;
                        answers[i] = answer('A' + (unsigned) rng_below(&r, 2));
                        quorum_vote(&a, i, i, 0, &answers[i]);
                }
                for (unsigned i = n; i-- > 1;) {
                        unsigned j = (unsigned) rng_below(&r, i + 1), swap = order[i];

                        order[i] = order[j];
                        order[j] = swap;
                }
                for (unsigned i = 0; i < n; i++)
                        quorum_vote(&b, order[i], order[i], 0, &answers[order[i]]);
                quorum_tally(&a, &ta);
                quorum_tally(&b, &tb);
                assert_int_equal(quorum_state(&a, &ta), quorum_state(&b, &tb));
                if (ta.first > ta.second)
                        assert_true(hash_equal(&ta.leader, &tb.leader));
        }
}

TEST_MAIN(cmocka_unit_test(test_table), cmocka_unit_test(test_engines),
          cmocka_unit_test(test_groups), cmocka_unit_test(test_revote),
          cmocka_unit_test(test_random_elections), cmocka_unit_test(test_order_does_not_matter))
