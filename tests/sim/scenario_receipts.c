/* One rule for who counts: what ends VERIFIED has a receipt that verifies offline, alone and
 * with the rows, before the re-checks and after; what ends otherwise has none that says
 * VERIFIED. And whoever was honest is blamed for nothing, whatever was late, lost or said
 * twice. */

#include "common/canonical/receipt.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "tests/sim/scenario.h"
#include "tests/sim/sim_parts.h"

static const char *const shapes[] = {
        "rows=12 ordered=0 mixed=0 wide=8",     "rows=12 ordered=0 mixed=1 wide=8",
        "rows=12 ordered=1 mixed=0 wide=8",     "rows=0 ordered=0 mixed=0 wide=8",
        "rows=8 ordered=0 mixed=1 wide=200000",
};
static const char *const modes[] = { "quorum", "unanimous", "fast", "quorum", "unanimous" };

struct tally_of_runs {
        unsigned by_mode[3][2]; /* quorum, unanimous, fast: VERIFIED or not */
        unsigned wrong, hardware, undone;
};

static void make_faulty(struct sim *s, struct sim_node *n) {
        if (rng_chance(&s->rng, 0.5)) {
                n->lie = (enum sim_lie)(1 + rng_below(&s->rng, _SIM_LIE_N - 1));
                return;
        }
        do
                n->fault = (enum fault_mode)(1 + rng_below(&s->rng, _FAULT_N - 1));
        while (n->fault == FAULT_COLLUDE); /* SIM_COLLUDES serves the rows of its lie, too */
}

static bool is_honest(const struct sim_node *n) {
        return n->lie == SIM_HONEST && n->fault == FAULT_NONE;
}

static struct sim *begin(uint64_t seed) {
        struct sim_settings settings = sim_defaults;
        struct sim *s;

        settings.seed = seed * UINT64_C(0x9e3779b97f4a7c15);
        settings.coordinator = settings_default;
        settings.real_signatures = true;
        settings.n_nodes = 4 + (unsigned) (seed % 7);
        settings.resent = seed % 3 == 0 ? 0.2 : 0;
        settings.breaks = seed % 4 == 0 ? 0.01 : 0;
        s = sim_new(&settings);
        for (unsigned i = 0; i < settings.n_nodes; i++) {
                struct sim_node *n = &s->nodes[i];

                if (seed % 3 == 1) { /* public: some share a voter */
                        memcpy(n->ip, (uint8_t[]){ 8, 8, (uint8_t) rng_below(&s->rng, 6), 1 }, 4);
                        n->ip[3] = (uint8_t) (i + 1);
                }
                if (i > 0 && rng_chance(&s->rng, (double) (seed % 5) / 8))
                        make_faulty(s, n);
        }
        (void) snprintf(s->client.sql, sizeof(s->client.sql), "q%u %s", (unsigned) seed,
                        shapes[rng_below(&s->rng, ELEMENTSOF(shapes))]);
        s->client.sim = s;
        return s;
}

static void ask(struct sim *s, uint64_t seed) {
        const char *mode = modes[seed % ELEMENTSOF(modes)];
        unsigned k = 2 + (unsigned) rng_below(&s->rng, 3);

        sim_start(s);
        if (seed % 6 == 0)
                sim_crash(s, 0, s->now + rng_below(&s->rng, 400 * NSEC_PER_MSEC),
                          rng_chance(&s->rng, 0.5) ? 500 * NSEC_PER_MSEC : 45 * NSEC_PER_SEC);
        if (strcmp(mode, "fast") == 0)
                sim_query(s, mode, 0, 0, 0);
        else
                sim_query(s, mode, k,
                          strcmp(mode, "quorum") == 0 ? 1 + (unsigned) rng_below(&s->rng, k) : 0,
                          7);
}

/* ---- What has to hold ---- */

static void fail_check(const struct receipt_report *report, uint64_t seed) {
        for (unsigned i = 0; i < _RECEIPT_CHECK_MAX; i++)
                if (report->checks[i].status == CHECK_FAILED)
                        print_message("# seed %llu: %s: %s\n", (unsigned long long) seed,
                                      receipt_check_name((enum receipt_check) i),
                                      report->checks[i].detail);
}

static void check_proof(struct sim *s, struct receipt_report *report, uint64_t seed) {
        const struct sim_client *c = &s->client;
        struct bytes rows = buffer_bytes(&c->qrows);

        assert_non_null(s->nodes[0].receipt);
        receipt_verify(refbuf_bytes(s->nodes[0].receipt), rows, report);
        fail_check(report, seed);
        assert_true(report->valid);
        assert_int_equal(report->checks[RECEIPT_ROWS].status, CHECK_PASSED);
        assert_int_equal(report->state, STATE_VERIFIED);
        assert_true(hash_equal(&report->job, &c->job));
        assert_int_equal(report->agreement, c->result.agreement);
}

static void check_no_proof(struct sim *s, struct receipt_report *report) {
        if (!s->nodes[0].receipt)
                return;
        receipt_verify(refbuf_bytes(s->nodes[0].receipt), BYTES_NONE, report);
        assert_false(report->valid && report->state == STATE_VERIFIED);
}

static unsigned count_hardware(const struct receipt_report *report) {
        unsigned n = 0;

        for (size_t i = 0; i < report->receipt.n_hosts; i++) {
                struct verdict_statement v;

                n += receipt_verdict(report, i, &v) && v.verdict == VERDICT_HARDWARE;
        }
        return n;
}

/* A fast answer is nobody's but its host's, and its receipt says that much. */
static void check_fast(struct sim *s, struct receipt_report *report) {
        if (!s->nodes[0].receipt || strcmp(s->client.result.state, "UNVERIFIED") != 0)
                return;
        receipt_verify(refbuf_bytes(s->nodes[0].receipt), BYTES_NONE, report);
        assert_true(report->valid);
        assert_int_equal(report->state, STATE_UNVERIFIED);
}

/* Colluders that won make the truth a dissent: `incorrect` is then what it has to be. */
static void check_blame(struct sim *s, uint64_t seed) {
        LIST_FOREACH (it, &s->nodes[0].journal) {
                struct sim_record *record = LIST_ENTRY(it, struct sim_record, link);
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Journal__Judgement *m;

                if (record->kind != JOURNAL_VERDICT)
                        continue;
                assert_int_equal(wire_unpack(&journal__judgement__descriptor,
                                             refbuf_bytes(record->data), NULL, &u),
                                 0);
                m = u.message;
                for (unsigned i = 1; i < s->settings.n_nodes; i++) {
                        if (!bytes_equal(BYTES(m->peer.data, m->peer.len),
                                         peer_id_bytes(&s->nodes[i].peer)) ||
                            !is_honest(&s->nodes[i]))
                                continue;
                        if (m->verdict == VERDICT_MALFORMED || m->is_proved ||
                            (m->verdict == VERDICT_INCORRECT && !s->client.result.is_wrong))
                                fail_msg("seed %llu: node %u is honest and judged %s",
                                         (unsigned long long) seed, i, verdict_name(m->verdict));
                }
        }
}

static void one(uint64_t seed, struct tally_of_runs *t) {
        CLEANUP(freep) struct receipt_report *report = xnew(struct receipt_report);
        struct sim *s = begin(seed);
        const struct sim_result *r;
        bool is_verified;
        unsigned mode;

        ask(s, seed);
        r = sim_run(s, 1200 * NSEC_PER_SEC);
        t->undone += !r->is_done;
        is_verified = strcmp(r->state, "VERIFIED") == 0;
        mode = query_mode_of(s->client.verify) - MODE_QUORUM;
        t->by_mode[mode][!is_verified]++;
        t->wrong += is_verified && r->is_wrong;
        if (is_verified)
                check_proof(s, report, seed);
        sim_settle(s, 130 * NSEC_PER_SEC);
        if (is_verified) {
                check_proof(s, report, seed);
                t->hardware += count_hardware(report);
        } else {
                check_no_proof(s, report);
                check_fast(s, report);
        }
        check_blame(s, seed);
        sim_free(s);
}

static void test_receipts(void **state) {
        static const char *const names[] = { "quorum", "unanimous", "fast" };
        struct tally_of_runs t = {};

        for (unsigned i = 0; i < scenario_runs; i++)
                one(scenario_seed + i, &t);
        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                print_message("# %s: VERIFIED %u, other %u\n", names[i], t.by_mode[i][0],
                              t.by_mode[i][1]);
        print_message("# verified against the truth by colluders: %u; verdicts `hardware`: %u\n",
                      t.wrong, t.hardware);
        assert_int_equal(t.undone, 0);
        assert_int_equal(t.by_mode[MODE_FAST - MODE_QUORUM][0], 0);
        assert_true(t.by_mode[0][0] > scenario_runs / 8 && t.by_mode[1][0] > scenario_runs / 8);
        assert_true(t.by_mode[1][1] > 0 && t.hardware > 0);
}

SCENARIO_MAIN(3000, 100000, cmocka_unit_test(test_receipts))
