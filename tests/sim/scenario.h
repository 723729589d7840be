#pragma once

/* What scenarios share: one seeded run of one set-up, many of them counted, and
 * the table. Everything printed is a `# ` line; figures end in one JSON line. */

#include "tests/sim/sim.h"
#include "tests/support/test.h"

struct setup {
        const char *name;
        unsigned hosts, bad; /* the bad ones are drawn anew for each seed */
        enum fault_mode fault;
        enum sim_lie lie;
        double bad_share; /* > 0: each host is bad with this chance, instead of `bad` */
        const char *verify;
        unsigned replicas, quorum, max_replicas;
        bool bad_is_first;    /* liars compute nothing and answer at once */
        bool waits;           /* the wait after the q-th vote, as configured */
        unsigned bad_subnets; /* > 0: liars share this many /24, all addresses are public */
        const char *shape;    /* NULL: several, by seed */
        void (*prepare)(struct sim *s); /* before the start; or NULL */
        double resent, breaks;
        nsec_t limit;
};

struct outcome {
        uint64_t runs, verified_right, verified_wrong, split, contested, other, restarted;
        uint64_t replicas; /* that ran, over all runs */
        uint64_t wrong_rows;
        double seconds; /* virtual, until the end */
        uint64_t by_problem[32];
};

extern unsigned scenario_runs; /* of each row; --runs N, beginning at --seed N */
extern uint64_t scenario_seed;

/* Call first in main: reads --runs and --seed. fallback: what fits in a short suite, a
 * share of it under sanitizers; most: what is enough in the longest. */
void scenario_options(int argc, char **argv, unsigned fallback, unsigned most);
void scenario_one(const struct setup *setup, uint64_t seed, struct sim_result *ret);
void scenario_add(struct outcome *o, const struct sim_result *r);
void scenario_count(const struct setup *setup, unsigned runs, struct outcome *ret);
void scenario_header(void);
void scenario_print(const struct setup *setup, const struct outcome *o);
void scenario_json(const char *scenario, const struct setup *setup, const struct outcome *o);

#define SCENARIO_MAIN(fallback, most, ...)                         \
        int main(int argc, char **argv) {                          \
                const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
                                                                   \
                scenario_options(argc, argv, (fallback), (most));  \
                cmocka_set_message_output(CM_OUTPUT_TAP);          \
                return cmocka_run_group_tests(tests, NULL, NULL);  \
        }
