/* Honest hosts, all forms and both tiers: every answer is VERIFIED and right; the
 * same seed gives the same trace; the receipt verifies offline. */

#include "common/canonical/receipt.h"
#include "tests/sim/scenario.h"

static void run_one(uint64_t seed, const char *shape, uint64_t *ret_trace) {
        struct sim_settings settings = sim_defaults;
        const struct sim_result *r;
        struct sim *s;

        settings.seed = seed;
        settings.coordinator = settings_default;
        settings.real_signatures = seed % 16 == 0;
        s = sim_new(&settings);
        (void) snprintf(s->client.sql, sizeof(s->client.sql), "q%u %s", (unsigned) seed, shape);
        s->client.sim = s;
        sim_start(s);
        sim_query(s, "quorum", 0, 0, 0);
        r = sim_run(s, 600 * NSEC_PER_SEC);
        if (!r->is_done || strcmp(r->state, "VERIFIED") != 0 || !r->is_right)
                print_message("# seed %u %s: state '%s' problem %u right %d wrong %d done %d\n",
                              (unsigned) seed, shape, r->state, r->problem, r->is_right,
                              r->is_wrong, r->is_done);
        assert_true(r->is_done);
        assert_string_equal(r->state, "VERIFIED");
        assert_true(r->is_right);
        assert_true(r->agreement >= 2);
        *ret_trace = s->trace;
        sim_free(s);
}

static const char *const shapes[] = {
        "rows=20 ordered=0 mixed=0 wide=8",      "rows=20 ordered=0 mixed=1 wide=8",
        "rows=20 ordered=1 mixed=0 wide=8",      "rows=0 ordered=0 mixed=0 wide=8",
        "rows=0 ordered=1 mixed=0 wide=8",       "rows=300 ordered=1 mixed=0 wide=20000",
        "rows=300 ordered=0 mixed=1 wide=20000",
};

static void test_honest(void **state) {
        uint64_t trace, again;

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++)
                for (uint64_t seed = 1; seed <= 20; seed++) {
                        run_one(seed, shapes[i], &trace);
                        run_one(seed, shapes[i], &again);
                        assert_int_equal(trace, again);
                }
}

TEST_MAIN(cmocka_unit_test(test_honest))
