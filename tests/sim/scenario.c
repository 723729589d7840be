#include "tests/sim/scenario.h"

#include <malloc.h>
#include <stdlib.h>

#include "quorate-config.h"

unsigned scenario_runs;
uint64_t scenario_seed = 1;

void scenario_options(int argc, char **argv, unsigned fallback, unsigned most) {
        scenario_runs = QUORATE_SANITIZED ? fallback / 8 + 1 : fallback;
        if (scenario_runs > most)
                scenario_runs = most;
        (void) mallopt(M_TRIM_THRESHOLD,
                       1 << 29); /* a run frees all it has: keep it for the next */
        (void) mallopt(M_MMAP_THRESHOLD, 1 << 29);
        for (int i = 1; i + 1 < argc; i++) {
                if (strcmp(argv[i], "--runs") == 0)
                        scenario_runs = (unsigned) strtoul(argv[i + 1], NULL, 10);
                if (strcmp(argv[i], "--seed") == 0)
                        scenario_seed = strtoull(argv[i + 1], NULL, 10);
        }
}

static const char *const shapes[] = {
        "rows=12 ordered=0 mixed=0 wide=8",
        "rows=12 ordered=0 mixed=1 wide=8",
        "rows=12 ordered=1 mixed=0 wide=8",
};
/* Two batches cost as much as a hundred small runs: one run in 32 has them. */
static const char *const wide_shapes[] = {
        "rows=6 ordered=0 mixed=0 wide=200000",
        "rows=6 ordered=0 mixed=1 wide=200000",
        "rows=6 ordered=1 mixed=0 wide=200000",
};

static const char *shape_of(uint64_t seed) {
        return seed % 32 == 31 ? wide_shapes[seed / 32 % ELEMENTSOF(wide_shapes)]
                               : shapes[seed % ELEMENTSOF(shapes)];
}

static void make_bad(struct sim *s, const struct setup *setup, struct sim_node *n,
                     unsigned number) {
        n->fault = setup->fault;
        n->lie = setup->lie;
        /* Half of the plain liars lie in the commit alone, half in the data as well. */
        if (setup->fault == FAULT_WRONG_RESULT && rng_chance(&s->rng, 0.5)) {
                n->fault = FAULT_NONE;
                n->lie = SIM_LIES_ALONE;
        }
        if (setup->bad_is_first)
                n->run_min = n->run_max = 0;
        if (setup->bad_subnets)
                n->ip[2] = (uint8_t) (200 + number % setup->bad_subnets);
}

static void give_public_addresses(struct sim *s) {
        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                s->nodes[i].ip[0] = 8;
                s->nodes[i].ip[1] = 8;
                s->nodes[i].ip[3] = (uint8_t) (i + 1);
        }
}

static void choose_bad(struct sim *s, const struct setup *setup) {
        unsigned left = setup->bad, hosts = setup->hosts, number = 0;

        for (unsigned i = 1; i <= setup->hosts; i++, hosts--) {
                double p = setup->bad_share > 0 ? setup->bad_share : (double) left / hosts;

                if (!rng_chance(&s->rng, p))
                        continue;
                make_bad(s, setup, &s->nodes[i], number++);
                left -= left > 0;
        }
}

void scenario_one(const struct setup *setup, uint64_t seed, struct sim_result *ret) {
        struct sim_settings settings = sim_defaults;
        const char *shape = setup->shape ? setup->shape : shape_of(seed);
        struct sim *s;

        settings.seed = seed * UINT64_C(0x9e3779b97f4a7c15) + setup->hosts;
        settings.n_nodes = setup->hosts + 1;
        settings.coordinator = settings_default;
        settings.resent = setup->resent;
        settings.breaks = setup->breaks;
        settings.coordinator.query.candidates_max = 32;
        if (!setup->waits)
                settings.coordinator.query.agree_wait_min =
                        settings.coordinator.query.agree_wait_share = 0;
        s = sim_new(&settings);
        if (setup->bad_subnets)
                give_public_addresses(s);
        choose_bad(s, setup);
        if (setup->prepare)
                setup->prepare(s);
        (void) snprintf(s->client.sql, sizeof(s->client.sql), "q%u %s", (unsigned) seed, shape);
        s->client.sim = s;
        sim_start(s);
        sim_query(s, setup->verify, setup->replicas, setup->quorum, setup->max_replicas);
        *ret = *sim_run(s, setup->limit ? setup->limit : 900 * NSEC_PER_SEC);
        sim_free(s);
}

void scenario_add(struct outcome *o, const struct sim_result *r) {
        bool is_verified = strcmp(r->state, "VERIFIED") == 0;

        o->runs++;
        o->replicas += r->replicas_run;
        o->seconds += (double) r->elapsed / 1e9;
        o->wrong_rows += is_verified && r->is_wrong;
        o->verified_right += is_verified && r->is_right;
        o->verified_wrong += is_verified && !r->is_right;
        o->split += r->problem == OUTCOME_SPLIT;
        o->contested += r->is_contested;
        o->restarted += r->is_restarted || r->problem == OUTCOME_RESTARTED;
        o->other += !is_verified && r->problem != OUTCOME_SPLIT;
        o->by_problem[r->problem < 32 ? r->problem : 31] += !is_verified;
}

void scenario_count(const struct setup *setup, unsigned runs, struct outcome *ret) {
        *ret = (struct outcome){};
        for (unsigned i = 0; i < runs; i++) {
                struct sim_result r;

                scenario_one(setup, scenario_seed + i, &r);
                scenario_add(ret, &r);
        }
}

void scenario_header(void) {
        print_message("# %-34s %7s %8s %6s %6s %6s %9s %9s\n", "set-up", "runs", "right", "wrong",
                      "SPLIT", "other", "replicas", "seconds");
}

void scenario_print(const struct setup *setup, const struct outcome *o) {
        print_message("# %-34s %7llu %8llu %6llu %6llu %6llu %9.3f %9.3f\n", setup->name,
                      (unsigned long long) o->runs, (unsigned long long) o->verified_right,
                      (unsigned long long) o->verified_wrong, (unsigned long long) o->split,
                      (unsigned long long) o->other, (double) o->replicas / (double) o->runs,
                      o->seconds / (double) o->runs);
        for (unsigned i = 0; i < 32; i++)
                if (o->by_problem[i] && outcome_name(i) && i != OUTCOME_SPLIT)
                        print_message("#     %s: %llu\n", outcome_name(i),
                                      (unsigned long long) o->by_problem[i]);
}

void scenario_json(const char *scenario, const struct setup *setup, const struct outcome *o) {
        print_message("# json {\"scenario\":\"%s\",\"setup\":\"%s\",\"runs\":%llu,\"right\":%llu,"
                      "\"wrong\":%llu,\"split\":%llu,\"other\":%llu,\"replicas\":%.3f}\n",
                      scenario, setup->name, (unsigned long long) o->runs,
                      (unsigned long long) o->verified_right,
                      (unsigned long long) o->verified_wrong, (unsigned long long) o->split,
                      (unsigned long long) o->other, (double) o->replicas / (double) o->runs);
}
