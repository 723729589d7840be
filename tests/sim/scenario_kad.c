/* Dhts whose sessions last 30 minutes: what it costs, and whether it works. 300 of them, a
 * thousand with QUORATE_LONG=1, or QUORATE_NODES. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "services/dht/counters.h"
#include "tests/support/dhts.h"
#include "tests/support/test.h"

#define SECOND  NSEC_PER_SEC
#define MINUTE  (60 * SECOND)
#define SESSION (30 * MINUTE)

static unsigned n_nodes = 300, n_identities;

/* As many are up at any time; who comes is a stranger, or was away for half an hour. */
static void churn(struct dhts *net, struct rng *rng, size_t *up, size_t *next, nsec_t duration) {
        nsec_t end = net->now + duration;

        while (net->now < end) {
                double pause = -log(1 - rng_unit(rng)) * (double) SESSION / n_nodes;
                size_t victim = rng_below(rng, n_nodes), gone = up[victim], at[3];

                dhts_run(net, (nsec_t) pause);
                dhts_kill(net, gone);
                up[victim] = *next;
                for (size_t j = 0; j < 3; j++)
                        at[j] = up[(victim + 1 + rng_below(rng, n_nodes - 1)) % n_nodes];
                dhts_start(net, *next, at, 3);
                do
                        *next = (*next + 1) % n_identities;
                while (net->nodes[*next].is_up);
        }
}

struct sums {
        uint64_t bytes, handshakes, requests;
};

static struct sums sum_of(const struct dhts *net) {
        struct sums s = {};

        for (size_t i = 0; i < net->config.n; i++) {
                s.bytes += net->nodes[i].bytes_in + net->nodes[i].bytes_out;
                s.handshakes += net->nodes[i].n_handshakes;
                s.requests += net->nodes[i].n_requests;
        }
        return s;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static void print_counters(const struct dhts *net) {
        const struct dht_counter *c;
        uint64_t sums[_COUNT_N] = {};
        size_t n = 0;

        for (size_t i = 0; i < net->config.n; i++) {
                if (!net->nodes[i].is_up)
                        continue;
                n = dht_counters(net->nodes[i].dht, &c);
                for (size_t j = 0; j < n; j++)
                        sums[j] += c[j].value;
        }
        for (size_t j = 0; j < n; j++)
                if (sums[j])
                        print_message("# %s %.1f\n", c[j].name, (double) sums[j] / n_nodes);
}

static void choose_size(void) {
        const char *value = getenv("QUORATE_LONG"), *nodes = getenv("QUORATE_NODES");

        if (value && strcmp(value, "1") == 0)
                n_nodes = 1000;
        if (nodes)
                n_nodes = (unsigned) strtoul(nodes, NULL, 10);
        n_identities = n_nodes * 9 / 5;
}

static struct dhts *network(size_t *up) {
        struct dhts_config config;
        struct dhts *net;

        dhts_config_default(&config);
        config.n = n_identities;
        config.loss = 0.005;
        net = dhts_new(&config);
        for (size_t i = 0; i < n_nodes; i++) {
                dhts_start(net, up[i] = i, NULL, 0);
                dhts_run(net, 100 * NSEC_PER_MSEC);
        }
        return net;
}

static unsigned count_good(struct dhts *net, struct rng *rng, const size_t *up, unsigned n) {
        unsigned good = 0;

        for (unsigned i = 0; i < n; i++) {
                struct key key = key_of(BYTES_OF(((uint32_t[]){ i })));
                size_t node = up[rng_below(rng, n_nodes)];
                struct dhts_outcome o = dhts_find(net, node, &key);

                good += o.code == DHT_OK &&
                        dhts_true_closest(net, node, &key, o.contacts, o.n) >= 18;
                dhts_outcome_done(&o);
        }
        return good;
}

struct estimates {
        double median;  /* of all */
        double holding; /* share of intervals that hold the size, of those who came to all of it …
                         */
        double founders; /* … and of those who came while it grew, and counted a smaller one at
                            first */
};

static struct estimates report_estimates(const struct dhts *net, const size_t *up, nsec_t grown) {
        CLEANUP(freep) double *sizes = xnew_n(double, n_nodes);
        unsigned late = 0, holding = 0, founders = 0, entries = 0;

        for (size_t i = 0; i < n_nodes; i++) {
                const struct dhts_node *n = &net->nodes[up[i]];
                struct dht_status s;
                bool holds;

                dht_status(n->dht, &s);
                holds = s.size_low <= n_nodes && s.size_high >= n_nodes;
                late += n->born >= grown;
                holding += n->born >= grown && holds;
                founders += n->born < grown && holds;
                entries += s.peers;
                sizes[i] = s.size;
        }
        qsort(sizes, n_nodes, sizeof(*sizes), by_value);
        print_message("# size: 5 %% below %.0f, median %.0f, 5 %% above %.0f\n",
                      sizes[n_nodes / 20], sizes[n_nodes / 2], sizes[n_nodes - n_nodes / 20]);
        print_message(
                "# %u of %u intervals of latecomers hold the size, %u of %u of founders; %.0f "
                "entries\n",
                holding, late, founders, n_nodes - late, (double) entries / n_nodes);
        return (struct estimates){ sizes[n_nodes / 2], (double) holding / late,
                                   (double) founders / (n_nodes - late) };
}

/* From its first answer on a node knows the size, to its interval; before it says that it does not.
 */
static void young_nodes_know_or_say_so(struct dhts *net, struct rng *rng, size_t *up,
                                       size_t *next) {
        unsigned young = 0, unknown = 0, late = 0, holding = 0;

        for (unsigned i = 0; i < 12; i++) {
                churn(net, rng, up, next, 10 * SECOND);
                for (size_t j = 0; j < n_nodes; j++) {
                        const struct dhts_node *n = &net->nodes[up[j]];
                        struct dht_status s;

                        if (net->now - n->born > 2 * MINUTE)
                                continue;
                        dht_status(n->dht, &s);
                        young++;
                        unknown += s.size == 0;
                        late += s.size == 0 && net->now - n->born > 30 * SECOND;
                        holding += s.size_low <= n_nodes && s.size_high >= n_nodes;
                }
        }
        print_message(
                "# younger than 2 minutes: %u; size not known to %u (%u after 30 s), within its "
                "interval for %u\n",
                young, unknown, late, holding);
        assert_true(unknown > 0);
        assert_true(late <= 0.02 * young);
        assert_true(holding >= 0.93 * (young - unknown));
}

/* In KiB/s and node. */
static double report_traffic(const struct sums *before, const struct sums *after, double minutes) {
        double rate = (double) (after->bytes - before->bytes) / n_nodes / minutes / 60 / 1024;

        print_message("# %.2f KiB/s per node, %.2f handshakes and %.2f requests a minute\n", rate,
                      (double) (after->handshakes - before->handshakes) / n_nodes / minutes,
                      (double) (after->requests - before->requests) / n_nodes / minutes);
        return rate;
}

static void traffic_and_success_under_churn(void **state) {
        CLEANUP(freep) size_t *up = NULL;
        struct sums before, after;
        const double minutes = 10;
        struct dhts *net;
        struct rng rng;
        struct estimates sizes;
        unsigned good;
        nsec_t grown;
        size_t next;
        double rate;

        choose_size();
        next = n_nodes;
        up = xnew_n(size_t, n_nodes);
        rng_init(&rng, 11);
        net = network(up);
        grown = net->now;
        churn(net, &rng, up, &next, 10 * MINUTE);
        before = sum_of(net);
        churn(net, &rng, up, &next, (nsec_t) minutes * MINUTE);
        after = sum_of(net);
        good = count_good(net, &rng, up, 200);
        print_counters(net);
        rate = report_traffic(&before, &after, minutes);
        sizes = report_estimates(net, up, grown);
        print_message("# %u of 200 lookups good; trace %016" PRIx64 "\n", good, net->trace);
        assert_true(rate <= 6);
        assert_true(good >= 190);
        assert_true(sizes.median > 0.75 * n_nodes && sizes.median < 1.25 * n_nodes);
        assert_true(sizes.holding >= 0.9);
        assert_true(sizes.founders >= 0.85);
        young_nodes_know_or_say_so(net, &rng, up, &next);
        dhts_free(net);
}

TEST_MAIN(cmocka_unit_test(traffic_and_success_under_churn))
