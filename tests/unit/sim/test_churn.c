#include "services/sim/churn.h"
#include "tests/support/test.h"
#include "tests/unit/sim/quiet.h"

/* Who comes and goes: sessions of half an hour, half of the departures kill -9, a third return. */

#define HOURS (3600 * NSEC_PER_SEC)

/* Within four standard deviations of a binomial. */
static void assert_share(uint64_t part, uint64_t all, double share) {
        double wanted = share * (double) all, off = (double) part - wanted;

        print_message("# %llu of %llu, %.0f expected\n", (unsigned long long) part,
                      (unsigned long long) all, wanted);
        assert_true(off * off <= 16 * (double) all * share * (1 - share));
}

static void sessions_are_as_the_settings_say(void **state) {
        struct sim_settings settings = sim_settings_default;
        struct network net;
        uint64_t departed;
        double mean;

        settings.n_nodes = 100;
        network_init(&net, &settings);
        net.honest = &quiet;
        churn_begin(&net);
        network_run(&net, 3 * HOURS); /* until as many return as leave to return */
        departed = net.n_departed;
        network_count(&net);
        net.alive = 0;
        network_run(&net, 27 * HOURS);
        network_count(&net);
        departed = net.n_departed - departed;
        mean = net.alive / (double) departed; /* node seconds a departure */
        print_message("# mean session %.0f s, %.1f nodes up\n", mean, net.alive / (24 * 3600));
        assert_true(mean > 0.94 * 1800 && mean < 1.06 * 1800);
        assert_true(net.alive / (24 * 3600) > 98 && net.alive / (24 * 3600) < 106);
        assert_share(net.n_killed, net.n_departed, 0.5);
        /* Those of the last hours have not returned yet: a few hundredths. */
        assert_true(net.n_returned > 0.3 * (double) net.n_departed &&
                    net.n_returned < 0.35 * (double) net.n_departed);
        network_done(&net);
}

static void slots_and_identities_do_not_grow(void **state) {
        struct sim_settings settings = sim_settings_default;
        struct network net;

        settings.n_nodes = 50;
        network_init(&net, &settings);
        net.honest = &quiet;
        churn_begin(&net);
        network_run(&net, 24 * HOURS);
        assert_true(net.last_identity > 1000);
        assert_true(net.n_slots < 130 && net.n_peers < 130);
        network_done(&net);
}

TEST_MAIN(cmocka_unit_test(sessions_are_as_the_settings_say),
          cmocka_unit_test(slots_and_identities_do_not_grow))
