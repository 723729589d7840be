/* What happens to a query when things break that nobody lied about: the requester's
 * coordinator dies at any moment, hosts die, streams break, units come late; and a
 * hundred nodes. Also that what is left behind is right: receipts verify offline,
 * verdicts name the liars and nobody else. */

#include "common/canonical/receipt.h"
#include "tests/sim/scenario.h"

static struct sim *begin(uint64_t seed, unsigned nodes, const char *shape, double resent,
                         double breaks) {
        struct sim_settings settings = sim_defaults;
        struct sim *s;

        settings.seed = seed;
        settings.n_nodes = nodes;
        settings.coordinator = settings_default;
        settings.resent = resent;
        settings.breaks = breaks;
        s = sim_new(&settings);
        (void) snprintf(s->client.sql, sizeof(s->client.sql), "q%u %s", (unsigned) seed, shape);
        s->client.sim = s;
        return s;
}

static const char *const shapes[] = {
        "rows=12 ordered=0 mixed=0 wide=8",
        "rows=12 ordered=0 mixed=1 wide=8",
        "rows=12 ordered=1 mixed=0 wide=8",
        "rows=8 ordered=1 mixed=0 wide=200000",
};

/* ---- Our own route ---- */

static void test_local(void **state) {
        for (uint64_t seed = 1; seed <= 40; seed++) {
                struct sim *s = begin(seed, 1, shapes[seed % ELEMENTSOF(shapes)], 0, 0);
                const struct sim_result *r;

                (void) snprintf(s->client.prefer, sizeof(s->client.prefer),
                                seed % 2 ? "auto" : "local");
                sim_start(s);
                sim_query(s, "", 0, 0, 0);
                r = sim_run(s, 100 * NSEC_PER_SEC);
                assert_true(r->is_done);
                assert_string_equal(r->state, "LOCAL");
                assert_true(r->is_right);
                sim_free(s);
        }
}

/* ---- The requester dies ---- */

struct ends {
        unsigned verified, restarted, other, wrong, undone;
};

static void end_of(struct sim *s, struct ends *e) {
        const struct sim_result *r = sim_run(s, 900 * NSEC_PER_SEC);

        e->undone += !r->is_done;
        e->wrong += strcmp(r->state, "VERIFIED") == 0 && !r->is_right;
        if (strcmp(r->state, "VERIFIED") == 0)
                e->verified++;
        else if (r->is_restarted || r->problem == OUTCOME_RESTARTED)
                e->restarted++;
        else
                e->other++;
}

/* At a moment drawn over the whole life of a job, the coordinator is killed and comes
 * back half a second later from what its journal had synced. The client attaches
 * again: it gets the answer, or is told RESTARTED; never a wrong row, never nothing. */
static void test_requester_dies(void **state) {
        struct ends e = {};
        unsigned under_way = 0;

        for (uint64_t seed = 1; seed <= scenario_runs; seed++) {
                struct sim *s = begin(seed, 6, shapes[seed % ELEMENTSOF(shapes)], 0, 0);

                sim_start(s);
                if (seed % 4 == 3) /* the wide shape: so slow that most die among the rows */
                        s->settings.bandwidth = 3000000;
                sim_crash(s, 0,
                          s->now + rng_below(&s->rng, (seed % 4 == 3 ? 1400 : 400) * NSEC_PER_MSEC),
                          500 * NSEC_PER_MSEC);
                sim_query(s, "quorum", 0, 0, 0);
                end_of(s, &e);
                under_way += s->nodes[0].epoch > 0;
                sim_free(s);
        }
        print_message("# requester dies: %u runs, %u while the job was under way, VERIFIED %u, "
                      "RESTARTED %u, other %u, wrong %u\n",
                      scenario_runs, under_way, e.verified, e.restarted, e.other, e.wrong);
        assert_true(under_way > scenario_runs / 3);
        print_message("# json {\"scenario\":\"requester_dies\",\"runs\":%u,\"verified\":%u,"
                      "\"restarted\":%u,\"other\":%u,\"wrong\":%u}\n",
                      scenario_runs, e.verified, e.restarted, e.other, e.wrong);
        assert_int_equal(e.wrong + e.undone + e.other, 0);
        assert_int_equal(e.verified + e.restarted, scenario_runs);
        assert_true(e.verified >= scenario_runs * 8 / 10);
}

/* The same for a minute, and with no host to spare: those that had committed have let
 * their rows go by then. One of them runs the job again; its rows are those of the
 * commits that stand. */
static void test_hosts_let_go(void **state) {
        unsigned runs = scenario_runs / 4 + 1, late = 0;
        struct ends e = {};

        for (uint64_t seed = 1; seed <= runs; seed++) {
                struct sim *s = begin(seed, 4, "rows=30 ordered=0 mixed=1 wide=200000", 0, 0);

                sim_start(s);
                s->settings.bandwidth = 3000000;
                sim_crash(s, 0, s->now + rng_below(&s->rng, 2000 * NSEC_PER_MSEC),
                          60 * NSEC_PER_SEC);
                sim_query(s, "quorum", 0, 0, 0);
                end_of(s, &e);
                for (unsigned i = 1; i < 4; i++)
                        late += s->nodes[i].n_runs > 1;
                sim_free(s);
        }
        print_message("# hosts let go: %u runs, VERIFIED %u, RESTARTED %u, other %u, wrong %u; "
                      "%u ran twice\n",
                      runs, e.verified, e.restarted, e.other, e.wrong, late);
        assert_int_equal(e.wrong + e.undone + e.other, 0);
        assert_true(e.verified >= runs * 8 / 10);
        assert_true(late > runs / 4);
}

/* All machines lose their power before anything ran; the requester is back first. */
static void test_all_die(void **state) {
        unsigned runs = scenario_runs / 8 + 1;
        struct ends e = {};

        for (uint64_t seed = 1; seed <= runs; seed++) {
                struct sim *s = begin(seed, 6, shapes[seed % ELEMENTSOF(shapes)], 0, 0);

                sim_start(s);
                for (unsigned i = 0; i < 6; i++)
                        sim_crash(s, i, s->now + 20 * NSEC_PER_MSEC,
                                  i ? 3500 * NSEC_PER_MSEC : 500 * NSEC_PER_MSEC);
                sim_query(s, "quorum", 0, 0, 0);
                end_of(s, &e);
                sim_free(s);
        }
        print_message("# all die: %u runs, VERIFIED %u, RESTARTED %u, other %u\n", runs, e.verified,
                      e.restarted, e.other);
        assert_int_equal(e.verified, runs);
}

/* One host of five dies at any moment, and stays away or comes back. */
static void test_host_dies(void **state) {
        struct ends e = {};

        for (uint64_t seed = 1; seed <= scenario_runs; seed++) {
                struct sim *s = begin(seed, 6, shapes[seed % ELEMENTSOF(shapes)], 0, 0);

                sim_start(s);
                sim_crash(s, 1 + (unsigned) rng_below(&s->rng, 5),
                          s->now + rng_below(&s->rng, 400 * NSEC_PER_MSEC),
                          seed % 2 ? 500 * NSEC_PER_MSEC : 1000 * NSEC_PER_SEC);
                sim_query(s, "quorum", 0, 0, 0);
                end_of(s, &e);
                sim_free(s);
        }
        print_message("# one host dies: %u runs, VERIFIED %u, other %u, wrong %u\n", scenario_runs,
                      e.verified, e.other + e.restarted, e.wrong);
        assert_int_equal(e.verified, scenario_runs);
        assert_int_equal(e.wrong + e.undone, 0);
}

/* ---- Bad links ---- */

static void test_lossy(void **state) {
        static const struct {
                const char *name;
                double resent, breaks;
        } links[] = {
                { "5 % of units resent", 0.05, 0 },
                { "30 % of units resent", 0.3, 0 },
                { "1 % of units break the stream", 0.05, 0.01 },
        };

        for (size_t i = 0; i < ELEMENTSOF(links); i++) {
                struct ends e = {};

                for (uint64_t seed = 1; seed <= scenario_runs; seed++) {
                        struct sim *s = begin(seed, 8, shapes[seed % ELEMENTSOF(shapes)],
                                              links[i].resent, links[i].breaks);

                        sim_start(s);
                        sim_query(s, "quorum", 0, 0, 0);
                        end_of(s, &e);
                        sim_free(s);
                }
                print_message("# %s: %u runs, VERIFIED %u, other %u, wrong %u\n", links[i].name,
                              scenario_runs, e.verified, e.other, e.wrong);
                assert_int_equal(e.wrong + e.undone, 0);
                assert_true(e.verified >= scenario_runs * 99 / 100);
        }
}

static void test_hundred_nodes(void **state) {
        struct ends e = {};
        unsigned runs = scenario_runs / 8 + 1;

        for (uint64_t seed = 1; seed <= runs; seed++) {
                struct sim *s = begin(seed, 101, shapes[seed % 3], 0.05, 0.001);

                for (unsigned i = 1; i <= 100; i++)
                        if (rng_chance(&s->rng, 0.2))
                                s->nodes[i].fault =
                                        (enum fault_mode)(1 + rng_below(&s->rng, _FAULT_N - 1));
                for (unsigned i = 1; i <= 100; i++)
                        if (s->nodes[i].fault == FAULT_COLLUDE)
                                s->nodes[i].fault = FAULT_NONE;
                sim_start(s);
                sim_query(s, "quorum", 0, 0, 0);
                end_of(s, &e);
                sim_free(s);
        }
        print_message(
                "# 100 hosts, a fifth of them faulty: %u runs, VERIFIED %u, other %u, wrong %u\n",
                runs, e.verified, e.other, e.wrong);
        assert_int_equal(e.wrong + e.undone, 0);
        assert_int_equal(e.verified, runs);
}

/* ---- What is left behind ---- */

static void check_receipt(struct sim *s, unsigned liars) {
        CLEANUP(freep) struct receipt_report *report = xnew(struct receipt_report);
        unsigned incorrect = 0;

        assert_non_null(s->nodes[0].receipt);
        receipt_verify(refbuf_bytes(s->nodes[0].receipt), BYTES_NONE, report);
        for (int i = 0; i < _RECEIPT_CHECK_MAX; i++)
                if (report->checks[i].status == CHECK_FAILED)
                        print_message("# receipt: %s: %s\n",
                                      receipt_check_name((enum receipt_check) i),
                                      report->checks[i].detail);
        assert_true(report->valid);
        assert_int_equal(report->state, STATE_VERIFIED);
        assert_true(report->agreement >= report->quorum);
        for (size_t i = 0; i < report->receipt.n_hosts; i++) {
                struct verdict_statement v;

                assert_true(receipt_verdict(report, i, &v));
                incorrect += v.verdict == VERDICT_INCORRECT;
                for (unsigned k = 1; k < s->settings.n_nodes; k++)
                        if (bytes_equal(v.host, peer_id_bytes(&s->nodes[k].peer)) &&
                            s->nodes[k].lie == SIM_HONEST)
                                assert_int_equal(v.verdict, VERDICT_CORRECT);
        }
        assert_true(incorrect <= liars);
}

/* Real signatures: the receipt of each run verifies, re-checks included, and only
 * liars are called incorrect. */
static void test_receipts(void **state) {
        unsigned runs = scenario_runs / 4 + 1, contested = 0;

        for (uint64_t seed = 1; seed <= runs; seed++) {
                struct sim *s = begin(seed, 7, shapes[seed % ELEMENTSOF(shapes)], 0, 0);
                unsigned liars = (unsigned) rng_below(&s->rng, 3);
                const struct sim_result *r;

                s->settings.real_signatures = true;
                for (unsigned i = 1; i <= liars; i++)
                        s->nodes[i].lie = SIM_LIES_ALONE;
                sim_start(s);
                sim_query(s, "quorum", 0, 0, 0);
                r = sim_run(s, 900 * NSEC_PER_SEC);
                assert_string_equal(r->state, "VERIFIED");
                contested += r->is_contested;
                sim_settle(s, 70 * NSEC_PER_SEC);
                check_receipt(s, liars);
                assert_int_equal(coordinator_deadline(s->nodes[0].core), NSEC_NEVER);
                sim_free(s);
        }
        print_message("# receipts: %u verified offline, %u of jobs with dissent\n", runs,
                      contested);
        assert_true(contested > 0);
}

SCENARIO_MAIN(400, 2000, cmocka_unit_test(test_local), cmocka_unit_test(test_requester_dies),
              cmocka_unit_test(test_hosts_let_go), cmocka_unit_test(test_all_die),
              cmocka_unit_test(test_host_dies), cmocka_unit_test(test_lossy),
              cmocka_unit_test(test_hundred_nodes), cmocka_unit_test(test_receipts))
