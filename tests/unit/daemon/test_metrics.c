#include <stdlib.h>

#include "common/daemon/metrics.h"
#include "tests/support/test.h"

struct numbers {
        uint64_t lookups, peers;
};

static const struct metric table[] = {
        METRIC(numbers, lookups, METRIC_COUNTER, "lookups finished"),
        METRIC(numbers, peers, METRIC_GAUGE, "peers connected now"),
        {},
};

/* The text is what an OpenMetrics 1.0 reader expects, character by character. */
static void test_text(void **state) {
        static const char want[] = "# TYPE quorate_dht_table_lookups counter\n"
                                   "# HELP quorate_dht_table_lookups lookups finished\n"
                                   "quorate_dht_table_lookups_total 7\n"
                                   "# TYPE quorate_dht_table_peers gauge\n"
                                   "# HELP quorate_dht_table_peers peers connected now\n"
                                   "quorate_dht_table_peers 18446744073709551615\n"
                                   "# EOF\n";
        struct numbers n = { .lookups = 3, .peers = UINT64_MAX };
        CLEANUP(metrics_freep) struct metrics *m = metrics_new("dht");
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 4096);
        metrics_register(m, "table", table, &n);
        n.lookups += 4; /* read at the snapshot, not at the registration */
        metrics_text(m, true, &b);
        assert_bytes_equal(buffer_bytes(&b), BYTES_STR(want));
}

TEST_MAIN(cmocka_unit_test(test_text))
