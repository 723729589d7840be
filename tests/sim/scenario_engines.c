/* Hosts of two engines, alpha and beta, and of several builds: which of them are asked, and
 * that no lie is VERIFIED whatever the hosts of one engine say. */

#include <stdio.h>

#include "common/base/memory.h"
#include "tests/sim/scenario.h"

#define ALPHA_1 "alpha/1/x"
#define ALPHA_2 "alpha/2/x"
#define BETA    "beta/1/x"

enum kind { A1 = 1, A2, B, BOTH };

struct grid {
        const char *name, *shape, *comparison;
        enum kind own, hosts[10]; /* the order is drawn anew for each seed */
        unsigned beta_liars, alpha_liars;
        enum sim_lie lie;
        bool diverse, lies_first;
        unsigned quorum, replicas;
        unsigned engines_least, engines_most; /* among the hosts counted */
        const char *engine;                   /* asked for */
        bool delivers, never_verified;
        bool not_first; /* the first engine of whoever asks answers nothing */
};

static const struct grid *grid;

static void give(struct sim_node *n, enum kind kind) {
        static const char *const classes[][2] = {
                [A1] = { ALPHA_1 },
                [A2] = { ALPHA_2 },
                [B] = { BETA },
                [BOTH] = { ALPHA_1, BETA },
        };

        n->n_engines = 0;
        for (size_t i = 0; i < 2 && classes[kind][i]; i++)
                n->engines[n->n_engines++] = classes[kind][i];
}

static void make_liars(struct sim *s, enum kind kind, unsigned n) {
        for (unsigned i = 1; i < s->settings.n_nodes && n > 0; i++) {
                bool is_beta = strcmp(s->nodes[i].engines[0], BETA) == 0;

                if (is_beta != (kind == B))
                        continue;
                s->nodes[i].lie = grid->lie;
                if (grid->lies_first)
                        s->nodes[i].run_min = s->nodes[i].run_max = 0;
                n--;
        }
}

static void prepare(struct sim *s) {
        unsigned order[SIM_NODES_MAX], n = s->settings.n_nodes - 1;

        for (unsigned i = 0; i < n; i++)
                order[i] = i + 1;
        for (unsigned i = n; i-- > 1;) {
                unsigned k = (unsigned) rng_below(&s->rng, i + 1), swap = order[i];

                order[i] = order[k];
                order[k] = swap;
        }
        give(&s->nodes[0], grid->own);
        for (unsigned i = 0; i < n; i++)
                give(&s->nodes[order[i]], grid->hosts[i]);
        make_liars(s, B, grid->beta_liars);
        make_liars(s, A1, grid->alpha_liars);
        (void) snprintf(s->client.comparison, sizeof(s->client.comparison), "%s", grid->comparison);
        s->client.engine_diverse = grid->diverse;
        s->client.engine = grid->engine;
}

#define PLAIN    "rows=12 ordered=0 mixed=0 wide=8 float=0 portable=0 differ=0"
#define FLOAT    "rows=12 ordered=0 mixed=0 wide=8 float=1 portable=0 differ=0"
#define PORTABLE "rows=12 ordered=0 mixed=1 wide=8 float=0 portable=1 differ=0"
#define DIFFER   "rows=12 ordered=0 mixed=0 wide=8 float=0 portable=1 differ=1"

#define FOREIGN  "rows=12 ordered=0 mixed=0 wide=8 float=0 portable=0 differ=0 foreign=1"

static const struct grid grids[] = {
        { .name = "the engine of ours that most have",
          .shape = PLAIN,
          .comparison = "",
          .own = BOTH,
          .hosts = { A1, A1, B, B, B },
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true,
          .not_first = true },
        { .name = "the engine of ours that can read it",
          .shape = FOREIGN,
          .comparison = "",
          .own = BOTH,
          .hosts = { A1, A1, A1, B, B },
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true,
          .not_first = true },
        { .name = "hosts read what we cannot",
          .shape = PLAIN,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, B, B, B, B },
          .engine = "beta",
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true,
          .not_first = true },
        { .name = "and one of them reads something else",
          .shape = PLAIN,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, B, B, B, B, B },
          .engine = "beta",
          .beta_liars = 1,
          .lie = SIM_COLLUDES,
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true,
          .not_first = true },
        { .name = "each of four of six something else",
          .shape = PLAIN,
          .comparison = "",
          .own = A1,
          .hosts = { B, B, B, B, B, B },
          .engine = "beta",
          .beta_liars = 4,
          .lie = SIM_LIES_ALONE,
          .engines_least = 1,
          .engines_most = 1 },
        { .name = "one host could read it: too few",
          .shape = PLAIN,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, B },
          .engine = "beta",
          .never_verified = true },
        { .name = "builds of one engine agree",
          .shape = PLAIN,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A2, A2, B, B, B },
          .engines_least = 1,
          .engines_most = 2,
          .delivers = true },
        { .name = "FLOAT: the class most hosts have",
          .shape = FLOAT,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A2, A2, A2, B, B },
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true },
        { .name = "portable: two engines",
          .shape = PORTABLE,
          .comparison = "portable",
          .own = A1,
          .hosts = { A1, A1, B, B, B },
          .engines_least = 1,
          .engines_most = 2,
          .delivers = true },
        { .name = "portable: one liar of beta",
          .shape = PORTABLE,
          .comparison = "portable",
          .own = A1,
          .hosts = { A1, A1, A1, B, B, B },
          .beta_liars = 1,
          .lie = SIM_COLLUDES,
          .engines_least = 1,
          .engines_most = 2,
          .delivers = true },
        { .name = "portable: all of beta lie alone",
          .shape = PORTABLE,
          .comparison = "portable",
          .own = A1,
          .hosts = { A1, A1, A1, A1, B, B },
          .beta_liars = 2,
          .lie = SIM_LIES_ALONE,
          .engines_least = 1,
          .engines_most = 1,
          .delivers = true },
        { .name = "diverse: all honest",
          .shape = PORTABLE,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, B },
          .diverse = true,
          .engines_least = 2,
          .engines_most = 2,
          .delivers = true },
        { .name = "diverse: each host has both",
          .shape = PORTABLE,
          .comparison = "",
          .own = BOTH,
          .hosts = { BOTH, BOTH, BOTH },
          .diverse = true,
          .engines_least = 2,
          .engines_most = 2,
          .delivers = true },
        { .name = "diverse: all three of beta collude",
          .shape = PORTABLE,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, B, B, B },
          .diverse = true,
          .beta_liars = 3,
          .lie = SIM_COLLUDES,
          .lies_first = true,
          .never_verified = true },
        { .name = "diverse: two of three of beta collude",
          .shape = PORTABLE,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, A1, B, B, B },
          .diverse = true,
          .beta_liars = 2,
          .lie = SIM_COLLUDES,
          .engines_least = 2,
          .engines_most = 2 },
        { .name = "diverse: one host of beta, a liar",
          .shape = PORTABLE,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, B },
          .diverse = true,
          .beta_liars = 1,
          .lie = SIM_LIES_ALONE,
          .never_verified = true },
        { .name = "diverse: engines that differ",
          .shape = DIFFER,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, B, B, B },
          .diverse = true,
          .never_verified = true },
        { .name = "diverse: one engine alone",
          .shape = PORTABLE,
          .comparison = "",
          .own = A1,
          .hosts = { A1, A1, A1, A2 },
          .diverse = true,
          .never_verified = true },
};

static unsigned count_hosts(const struct grid *g) {
        unsigned n = 0;

        while (n < ELEMENTSOF(g->hosts) && g->hosts[n])
                n++;
        return n;
}

static void check_engines(const struct grid *g, const struct sim_result *r) {
        if (strcmp(r->state, "VERIFIED") != 0)
                return;
        assert_true(r->engines >= g->engines_least);
        assert_true(r->engines <= g->engines_most);
        if (g->not_first)
                assert_int_equal(r->by_first, 0);
}

static void run_grid(const struct grid *g) {
        const struct setup setup = { .name = g->name,
                                     .hosts = count_hosts(g),
                                     .verify = "quorum",
                                     .replicas = 3,
                                     .quorum = 2,
                                     .waits = !g->lies_first,
                                     .shape = g->shape,
                                     .prepare = prepare };
        struct outcome o = {};

        grid = g;
        for (unsigned i = 0; i < scenario_runs; i++) {
                struct sim_result r;

                scenario_one(&setup, scenario_seed + i, &r);
                check_engines(g, &r);
                scenario_add(&o, &r);
        }
        scenario_print(&setup, &o);
        scenario_json("engines", &setup, &o);
        assert_int_equal(o.verified_wrong, 0);
        if (g->delivers)
                assert_int_equal(o.verified_right, o.runs);
        if (g->never_verified)
                assert_int_equal(o.verified_right, 0);
}

static void test_grids(void **state) {
        scenario_header();
        for (size_t i = 0; i < ELEMENTSOF(grids); i++)
                run_grid(&grids[i]);
}

SCENARIO_MAIN(150, UINT32_MAX, cmocka_unit_test(test_grids))
