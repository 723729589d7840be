/* As many colluders as the quorum, or more: how often the lie wins, beside the exact
 * value, and what unanimity and one voter per subnet change and cost.
 *
 * The exact values are those of a sequential test: votes drawn without putting back
 * from a pool with c colluders, until one answer leads by q or no further voter can
 * decide; for a large population with share p, p^q / (p^q + (1-p)^q). Links are fast
 * and runs long here, so that no commit crosses with a Cancel, and the wait after
 * the q-th vote is off: the model has neither. */

#include <math.h>

#include "tests/sim/scenario.h"

struct shares {
        double wrong, right, split;
};

struct pool {
        unsigned hosts, bad, quorum, max;
};

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

/* True when the vote has ended with w lies and r truths. */
static bool is_over(const struct pool *p, unsigned w, unsigned r, struct shares *ret) {
        unsigned lead = w > r ? w - r : r - w, left = least(p->max, p->hosts) - w - r;

        *ret = (struct shares){};
        if (lead >= p->quorum && w > r)
                ret->wrong = 1;
        else if (lead >= p->quorum)
                ret->right = 1;
        else if (w + r > 0 && left < p->quorum - lead)
                ret->split = 1;
        else
                return false;
        return true;
}

static struct shares mixed(double share, struct shares a, struct shares b) {
        return (struct shares){ share * a.wrong + (1 - share) * b.wrong,
                                share * a.right + (1 - share) * b.right,
                                share * a.split + (1 - share) * b.split };
}

/* One vote after the other. */
static struct shares sequential(const struct pool *p, unsigned w, unsigned r) {
        double share = (double) (p->bad - w) / (p->hosts - w - r);
        struct shares s;

        if (is_over(p, w, r, &s))
                return s;
        if (w == p->bad)
                return sequential(p, w, r + 1);
        if (r == p->hosts - p->bad)
                return sequential(p, w + 1, r);
        return mixed(share, sequential(p, w + 1, r), sequential(p, w, r + 1));
}

/* The first k are drawn together, and the liars among them speak first. */
static struct shares liars_first(const struct pool *p, unsigned k, unsigned liars) {
        struct shares s;

        for (unsigned w = 0; w <= liars; w++)
                if (is_over(p, w, 0, &s))
                        return s;
        for (unsigned r = 1; r <= k - liars; r++)
                if (is_over(p, liars, r, &s))
                        return s;
        return sequential(p, liars, k - liars);
}

static double choose(unsigned n, unsigned k) {
        double c = k > n ? 0 : 1;

        for (unsigned i = 0; i < k && c > 0; i++)
                c = c * (n - i) / (i + 1);
        return c;
}

static double drawn(const struct pool *p, unsigned k, unsigned liars) {
        return choose(p->bad, liars) * choose(p->hosts - p->bad, k - liars) / choose(p->hosts, k);
}

static struct shares exact_first(const struct pool *p, unsigned k) {
        struct shares sum = {};

        for (unsigned liars = 0; liars <= k; liars++) {
                double share = drawn(p, k, liars);
                struct shares s;

                if (share == 0)
                        continue;
                s = liars_first(p, k, liars);
                sum.wrong += share * s.wrong;
                sum.right += share * s.right;
                sum.split += share * s.split;
        }
        return sum;
}

static struct shares exact_unanimous(const struct pool *p, unsigned k) {
        struct shares s = { .wrong = drawn(p, k, k), .right = drawn(p, k, 0) };

        s.split = 1 - s.wrong - s.right;
        return s;
}

/* Within 3 standard errors, and one run more: where few are expected, the bell curve is
 * too narrow by about that. With many runs it is nothing. */
static void check_share(const char *what, uint64_t count, uint64_t runs, double exact) {
        double share = (double) count / (double) runs;
        double error = sqrt(exact * (1 - exact) / (double) runs);

        print_message("#     %-6s measured %.4f exact %.4f (%+.1f standard errors)\n", what, share,
                      exact, error > 0 ? (share - exact) / error : 0.0);
        assert_true(fabs(share - exact) <= 3 * error + 1 / (double) runs);
}

static void compare(const struct setup *setup, const struct shares *exact) {
        struct outcome o;

        scenario_count(setup, scenario_runs, &o);
        scenario_print(setup, &o);
        scenario_json("colluders", setup, &o);
        assert_int_equal(o.verified_right + o.verified_wrong + o.split, o.runs);
        if (!exact)
                return;
        check_share("wrong", o.verified_wrong, o.runs, exact->wrong);
        check_share("right", o.verified_right, o.runs, exact->right);
        check_share("SPLIT", o.split, o.runs, exact->split);
}

/* Runs differ by seconds, messages by microseconds: arrival is in the order of the
 * runs, and that is uniform. */
static void long_runs(struct sim *s) {
        s->settings.latency_min = s->settings.latency_max = 10 * NSEC_PER_USEC;
        for (unsigned i = 1; i < s->settings.n_nodes; i++) {
                struct sim_node *n = &s->nodes[i];

                if (n->run_max > 0) {
                        n->run_min = 100 * NSEC_PER_MSEC;
                        n->run_max = 8 * NSEC_PER_SEC;
                }
        }
}

static const struct pool pools[] = {
        { 10, 2, 2, 7 }, { 10, 3, 2, 7 }, { 10, 4, 2, 7 }, { 10, 3, 3, 7 }, { 10, 4, 3, 7 },
};

static struct setup setup_of(const struct pool *p, char *name, size_t name_size, const char *how) {
        (void) snprintf(name, name_size, "%u of %u, q %u, %s", p->bad, p->hosts, p->quorum, how);
        return (struct setup){ .name = name,
                               .hosts = p->hosts,
                               .bad = p->bad,
                               .lie = SIM_COLLUDES,
                               .verify = "quorum",
                               .replicas = p->quorum + 1,
                               .quorum = p->quorum,
                               .max_replicas = p->max,
                               .shape = "rows=4 ordered=0 mixed=0 wide=8",
                               .prepare = long_runs };
}

static void test_uniform_arrival(void **state) {
        char name[64];

        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(pools); i++) {
                struct setup setup = setup_of(&pools[i], name, sizeof(name), "uniform");
                struct shares exact = sequential(&pools[i], 0, 0);

                compare(&setup, &exact);
        }
}

static void test_colluders_first(void **state) {
        char name[64];

        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(pools); i++) {
                struct setup setup = setup_of(&pools[i], name, sizeof(name), "liars first");
                struct shares exact = exact_first(&pools[i], pools[i].quorum + 1);

                setup.bad_is_first = true;
                compare(&setup, &exact);
        }
}

/* What the wait is for: the same liars, who answer first, with the wait as configured
 * and runs of like length. */
static void test_wait(void **state) {
        char name[64];

        scenario_header();
        for (size_t i = 0; i < 3; i++) {
                struct setup setup = setup_of(&pools[i], name, sizeof(name), "first, waits");

                setup.bad_is_first = setup.waits = true;
                setup.prepare = NULL;
                compare(&setup, NULL);
        }
}

static void test_large_population(void **state) {
        static const struct {
                double p;
                unsigned quorum;
        } cases[] = { { 0.1, 2 }, { 0.2, 2 }, { 0.3, 2 }, { 0.3, 3 } };
        char name[64];

        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                double p = cases[i].p, q = cases[i].quorum;
                double wrong = pow(p, q) / (pow(p, q) + pow(1 - p, q));
                struct pool pool = { 29, 0, cases[i].quorum, 29 };
                struct setup setup = setup_of(&pool, name, sizeof(name), "large population");
                struct outcome o;

                (void) snprintf(name, sizeof(name), "share %.1f, q %u", p, cases[i].quorum);
                setup.bad_share = p;
                scenario_count(&setup, scenario_runs / 2, &o);
                scenario_print(&setup, &o);
                scenario_json("population", &setup, &o);
                check_share("wrong", o.verified_wrong, o.runs, wrong);
        }
}

static void test_unanimous(void **state) {
        char name[64];

        scenario_header();
        for (size_t i = 0; i < 3; i++) {
                for (unsigned k = 3; k <= 5; k += 2) {
                        struct setup setup = setup_of(&pools[i], name, sizeof(name), "unanimous");
                        struct shares exact = exact_unanimous(&pools[i], k);

                        (void) snprintf(name, sizeof(name), "%u of 10, unanimous, k %u",
                                        pools[i].bad, k);
                        setup.verify = "unanimous";
                        setup.replicas = k;
                        setup.quorum = 0;
                        compare(&setup, &exact);
                }
        }
}

/* All colluders in one /24 are one voter: fewer than the quorum again. */
static void test_one_voter_per_subnet(void **state) {
        char name[64];

        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(pools); i++) {
                struct setup setup = setup_of(&pools[i], name, sizeof(name), "one subnet");
                struct outcome o;

                setup.bad_subnets = 1;
                scenario_count(&setup, scenario_runs, &o);
                scenario_print(&setup, &o);
                scenario_json("subnet", &setup, &o);
                assert_int_equal(o.verified_wrong, 0);
                assert_int_equal(o.verified_right, o.runs);
        }
}

SCENARIO_MAIN(400, UINT32_MAX, cmocka_unit_test(test_uniform_arrival),
              cmocka_unit_test(test_colluders_first), cmocka_unit_test(test_wait),
              cmocka_unit_test(test_large_population), cmocka_unit_test(test_unanimous),
              cmocka_unit_test(test_one_voter_per_subnet))
