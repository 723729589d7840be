/* Every way a query can end without a verified answer has its name, comes in time, and
 * leaves nothing behind: no run, no open stream, no timer. */

#include "tests/sim/scenario.h"

static struct sim *s;

static void begin(unsigned nodes, const char *shape) {
        struct sim_settings settings = sim_defaults;

        settings.seed = 4711;
        settings.n_nodes = nodes;
        settings.coordinator = settings_default;
        s = sim_new(&settings);
        (void) snprintf(s->client.sql, sizeof(s->client.sql), "q1 %s", shape);
        s->client.sim = s;
}

static void ask(const char *verify, unsigned replicas) {
        if (!s->nodes[0].core)
                sim_start(s);
        sim_query(s, verify, replicas, 0, 0);
}

static void set_all(enum fault_mode fault, nsec_t run) {
        for (unsigned i = 1; i < s->settings.n_nodes; i++) {
                s->nodes[i].fault = fault;
                if (run)
                        s->nodes[i].run_min = s->nodes[i].run_max = run;
        }
}

static void end(const char *state, unsigned problem, nsec_t within) {
        const struct sim_result *r = sim_run(s, 1000 * NSEC_PER_SEC);

        print_message("# state '%s' problem %s after %.3f s\n", r->state,
                      r->problem ? outcome_name(r->problem) : "none", (double) r->elapsed / 1e9);
        assert_true(r->is_done);
        assert_string_equal(r->state, state);
        assert_int_equal(r->problem, problem);
        assert_true(r->elapsed <= within);
        assert_int_equal(r->is_wrong, 0);
        sim_settle(s, 600 * NSEC_PER_SEC);
        for (unsigned i = 0; i < s->settings.n_nodes; i++) {
                if (!s->nodes[i].is_up)
                        continue;
                assert_int_equal(map_count(s->nodes[i].runs), 0);
                assert_int_equal(map_count(s->nodes[i].spools), 0);
                assert_int_equal(map_count(s->nodes[i].streams), 0);
        }
        assert_int_equal(coordinator_deadline(s->nodes[0].core), NSEC_NEVER);
        s = sim_free(s);
}

#define PLAIN "rows=12 ordered=0 mixed=0 wide=8"

static void test_no_hosts(void **state) {
        begin(1, PLAIN);
        ask("quorum", 0);
        end("", OUTCOME_NO_CANDIDATES, 4 * NSEC_PER_SEC);
}

/* Three of four hosts are away from now on, for so long; a job may take that long. */
static void begin_away(nsec_t time, nsec_t job_timeout) {
        begin(5, PLAIN);
        s->settings.coordinator.query.job_timeout = job_timeout;
        sim_start(s);
        for (unsigned i = 1; i <= 3; i++)
                sim_crash(s, i, s->now, time);
        sim_settle(s, NSEC_PER_SEC);
}

/* They do not answer: said after twice the two seconds bids may take, for whom no dial
 * reached is dialled once more. */
static void test_hosts_silent(void **state) {
        begin_away(5000 * NSEC_PER_SEC, 300 * NSEC_PER_SEC);
        ask("quorum", 0);
        end("", OUTCOME_TOO_FEW_HOSTS, 4700 * NSEC_PER_MSEC);
}

/* They are there again when they are dialled once more. */
static void test_hosts_silent_at_first(void **state) {
        begin_away(3200 * NSEC_PER_MSEC, 300 * NSEC_PER_SEC);
        ask("quorum", 0);
        end("VERIFIED", 0, 4 * NSEC_PER_SEC);
}

/* A deadline that leaves no room for that is no reason to wait for it. */
static void test_hosts_silent_no_time(void **state) {
        begin_away(5000 * NSEC_PER_SEC, 4500 * NSEC_PER_MSEC);
        ask("quorum", 0);
        end("", OUTCOME_TOO_FEW_HOSTS, 2500 * NSEC_PER_MSEC);
}

static void test_all_stall(void **state) {
        begin(6, PLAIN);
        set_all(FAULT_STALL, 0);
        ask("quorum", 0);
        end("", OUTCOME_TOO_FEW_HOSTS, 120 * NSEC_PER_SEC);
}

static void test_deadline(void **state) {
        begin(6, PLAIN);
        set_all(FAULT_NONE, 400 * NSEC_PER_SEC);
        ask("quorum", 0);
        end("", OUTCOME_TIMEOUT, 301 * NSEC_PER_SEC);
}

static void test_cancel(void **state) {
        static const nsec_t moments[] = { 20, 60, 150, 1000, 5000 };

        for (size_t i = 0; i < ELEMENTSOF(moments); i++) {
                begin(6, "rows=300 ordered=1 mixed=0 wide=20000");
                set_all(FAULT_NONE, 3 * NSEC_PER_SEC);
                ask("quorum", 0);
                sim_settle(s, moments[i] * NSEC_PER_MSEC);
                sim_cancel(s);
                if (moments[i] < 5000)
                        end("", OUTCOME_CANCELLED, 2 * NSEC_PER_SEC);
                else
                        end("VERIFIED", 0, 10 * NSEC_PER_SEC);
        }
}

/* Nobody reads: the job waits, holds its hosts, and ends after the grace. */
static void test_client_leaves(void **state) {
        begin(6, "rows=300 ordered=1 mixed=0 wide=20000");
        ask("quorum", 0);
        sim_settle(s, 170 * NSEC_PER_MSEC);
        coordinator_client_closed(s->nodes[0].core, s->client.id, s->now);
        sim_settle(s, 400 * NSEC_PER_SEC);
        assert_false(
                coordinator_attach(s->nodes[0].core, 99, hash_bytes(&s->client.job), 0, s->now));
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                assert_int_equal(map_count(s->nodes[i].runs), 0);
        assert_int_equal(coordinator_deadline(s->nodes[0].core), NSEC_NEVER);
        s = sim_free(s);
}

static void test_fast(void **state) {
        begin(6, PLAIN);
        ask("fast", 0);
        end("UNVERIFIED", 0, NSEC_PER_SEC);
}

static void test_unanimous(void **state) {
        begin(6, PLAIN);
        ask("unanimous", 4);
        end("VERIFIED", 0, NSEC_PER_SEC);
}

static void test_split(void **state) {
        begin(4, PLAIN);
        s->nodes[1].lie = SIM_LIES_ALONE;
        ask("unanimous", 3);
        end("", OUTCOME_SPLIT, 5 * NSEC_PER_SEC);
}

/* A host that signed goes down before the verdict and comes back: it is told within a
 * minute, on a stream of its own, even when the requester was restarted meanwhile. */
static void test_every_host_hears(void **state) {
        for (unsigned restarts = 0; restarts < 2; restarts++) {
                const struct sim_result *r;

                begin(6, PLAIN);
                s->nodes[1].run_min = s->nodes[1].run_max = 3 * NSEC_PER_SEC;
                ask("unanimous", 5);
                sim_crash(s, 2, 2 * NSEC_PER_SEC, 20 * NSEC_PER_SEC);
                r = sim_run(s, 1000 * NSEC_PER_SEC);
                assert_string_equal(r->state, "VERIFIED");
                assert_true(s->now < 20 * NSEC_PER_SEC);
                sim_settle(s, NSEC_PER_SEC);
                assert_int_equal(coordinator_owed(s->nodes[0].core)->owed, 1);
                if (restarts)
                        sim_crash(s, 0, s->now + NSEC_PER_SEC, 10 * NSEC_PER_MSEC);
                sim_settle(s, 57 * NSEC_PER_SEC);
                assert_int_equal(coordinator_owed(s->nodes[0].core)->delivered, 1);
                for (unsigned i = 1; i < s->settings.n_nodes; i++)
                        assert_int_equal(coordinator_host(s->nodes[i].core)->verdicts_kept, 1);
                s = sim_free(s);
        }
}

SCENARIO_MAIN(1, 1, cmocka_unit_test(test_no_hosts), cmocka_unit_test(test_hosts_silent),
              cmocka_unit_test(test_hosts_silent_at_first),
              cmocka_unit_test(test_hosts_silent_no_time), cmocka_unit_test(test_all_stall),
              cmocka_unit_test(test_deadline), cmocka_unit_test(test_cancel),
              cmocka_unit_test(test_client_leaves), cmocka_unit_test(test_fast),
              cmocka_unit_test(test_unanimous), cmocka_unit_test(test_split),
              cmocka_unit_test(test_every_host_hears))
