/* GossipSub over a thousand routers: how soon a message is everywhere, how many
 * copies that takes, with links that silently drop everything and nodes that die.
 *   scenario_gossip [--runs N] [--nodes N] [--hours H] [--seed S]
 * --runs: at the size of the design, 1,000 routers and a day; seeds of the broken network, 50 at
 * most. What stands behind it counts. */

#include <stdlib.h>
#include <time.h>

#include "tests/support/pubsubs.h"
#include "tests/support/test.h"

#define TOPIC    "quorate/caps/1/default/0"
#define DEGREE   20
#define ROUNDS   20
#define RUNS_MAX 50

static unsigned n_nodes = 200, n_runs = 10;
static double hours = 0.2;
static uint64_t first_seed = 1;

struct flight {
        nsec_t published;
        double *seconds; /* until it was delivered, one each */
        size_t n;
};

static void on_delivered(struct pubsubs_node *n, const struct pubsub_output *o) {
        struct flight *f = n->net->userdata;

        if (f)
                f->seconds[f->n++] = (double) (n->net->now - f->published) / 1e9;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double percentile(struct flight *f, double share) {
        qsort(f->seconds, f->n, sizeof(*f->seconds), compare);
        return f->n > 0 ? f->seconds[(size_t) (share * (double) (f->n - 1))] : 0;
}

static void begin(struct pubsubs *s, const struct pubsub_config *config) {
        struct pubsubs_settings c = pubsubs_defaults;

        c.seed = first_seed;
        c.n_nodes = n_nodes;
        c.real_signatures = false;
        if (config)
                c.config = *config;
        pubsubs_init(s, &c);
        s->on_delivered = on_delivered;
        pubsubs_connect_randomly(s, DEGREE);
        pubsubs_subscribe_all(s, TOPIC);
        pubsubs_run(s, 30 * NSEC_PER_SEC);
}

static void flight_begin(struct pubsubs *s, struct flight *f) {
        f->published = s->now;
        f->n = 0;
        s->userdata = f;
}

static unsigned n_up(const struct pubsubs *s) {
        unsigned n = 0;

        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                n += s->nodes[i].is_up;
        return n;
}

static void publish(struct pubsubs *s, unsigned round, size_t size) {
        CLEANUP(freep) uint8_t *data = xcalloc(1, size);
        unsigned node = round * 7919u % n_nodes;

        memcpy(data, &s->now, sizeof(s->now));
        while (!s->nodes[node].is_up)
                node = (node + 1) % n_nodes;
        pubsubs_publish(s, node, TOPIC, BYTES(data, size));
}

/* ---- Without faults ---- */

static void measure(const char *name, size_t size, const struct pubsub_config *config,
                    double most_copies) {
        struct flight f = { .seconds = xnew_n(double, (size_t) n_nodes *ROUNDS) };
        double worst = 0, copies;
        uint64_t before, total = 0;
        struct pubsubs s;

        begin(&s, config);
        before = pubsubs_total(&s, "received");
        for (unsigned i = 0; i < ROUNDS; i++) {
                flight_begin(&s, &f);
                publish(&s, i, size);
                pubsubs_run(&s, 4 * NSEC_PER_SEC);
                total += f.n;
                if (percentile(&f, 0.99) > worst)
                        worst = percentile(&f, 0.99);
        }
        copies = (double) (pubsubs_total(&s, "received") - before) / ROUNDS / n_nodes;
        print_message("# %-22s delivered %.4f  p99 %.3f s  copies per node %.2f\n", name,
                      (double) total / ROUNDS / (n_nodes - 1), worst, copies);
        print_message("# json {\"scenario\":\"gossip\",\"case\":\"%s\",\"nodes\":%u,"
                      "\"delivered\":%.5f,\"p99_s\":%.3f,\"copies\":%.2f}\n",
                      name, n_nodes, (double) total / ROUNDS / (n_nodes - 1), worst, copies);
        assert_int_equal(total, (uint64_t) ROUNDS * (n_nodes - 1));
        assert_true(worst <= 1.0);
        assert_true(copies <= most_copies);
        free(f.seconds);
        pubsubs_done(&s);
}

static void test_quiet(void **state) {
        struct pubsub_config without;

        (void) state;
        measure("300 bytes", 300, NULL, 5);
        measure("2 KiB", 2048, NULL, 3);
        pubsub_config_default(&without);
        without.without_idontwant = true;
        measure("2 KiB, no IDONTWANT", 2048, &without, 12);
}

/* ---- Links that drop everything, nodes that die ---- */

/* A fifth of all mesh links, in both directions; nobody is told. */
static void break_links(struct pubsubs *s) {
        for (unsigned a = 0; a < n_nodes; a++)
                for (unsigned b = a + 1; b < n_nodes; b++) {
                        if (!pubsubs_is_connected(s, a, b))
                                continue;
                        if (!pubsub_in_mesh(s->nodes[a].router, TOPIC, &s->nodes[b].peer) ||
                            !rng_chance(&s->rng, 0.2))
                                continue;
                        pubsubs_drop(s, a, b, true);
                        pubsubs_drop(s, b, a, true);
                }
}

static void kill_some(struct pubsubs *s, unsigned spared) {
        for (unsigned i = 0; i < n_nodes / 10; i++) {
                unsigned k = (unsigned) rng_below(&s->rng, n_nodes);

                if (k != spared && s->nodes[k].is_up)
                        pubsubs_kill(s, k);
        }
}

static double broken_run(const struct pubsub_config *config, uint64_t *ret_by_asking) {
        struct flight f = { .seconds = xnew_n(double, n_nodes) };
        struct pubsubs s;
        double share;

        begin(&s, config);
        break_links(&s);
        flight_begin(&s, &f);
        publish(&s, 0, 300);
        kill_some(&s, 0);
        pubsubs_run(&s, 3 * NSEC_PER_SEC + 100 * NSEC_PER_MSEC);
        share = (double) f.n / (n_up(&s) - 1);
        *ret_by_asking = pubsubs_total(&s, "iwant_delivered");
        free(f.seconds);
        pubsubs_done(&s);
        return share;
}

static void test_broken(void **state) {
        struct pubsub_config without;
        uint64_t asked = 0, none;
        double sum = 0, sum_without = 0;
        const unsigned runs = n_runs;

        (void) state;
        pubsub_config_default(&without);
        without.without_ihave = true;
        for (unsigned i = 0; i < runs; i++) {
                uint64_t n;

                first_seed++;
                sum += broken_run(NULL, &n);
                asked += n;
                sum_without += broken_run(&without, &none);
                assert_int_equal(none, 0);
        }
        print_message("# broken: delivered %.5f of the live within 3 heartbeats, %u messages by "
                      "IWANT; without gossip %.5f\n",
                      sum / runs, (unsigned) asked, sum_without / runs);
        print_message("# json {\"scenario\":\"gossip\",\"case\":\"broken\",\"nodes\":%u,"
                      "\"delivered\":%.5f,\"by_iwant\":%u,\"delivered_without\":%.5f}\n",
                      n_nodes, sum / runs, (unsigned) asked, sum_without / runs);
        assert_true(sum / runs >= 0.999);
        assert_true(asked > 0);
}

/* ---- Long: nobody honest falls ---- */

static void test_long(void **state) {
        unsigned minutes = (unsigned) (hours * 60);
        double lowest = 0;
        struct pubsubs s;
        clock_t began = clock();

        (void) state;
        begin(&s, NULL);
        for (unsigned m = 0; m < minutes; m++) {
                for (unsigned i = 0; i < 4; i++) {
                        publish(&s, m * 4 + i, 300);
                        pubsubs_run(&s, 15 * NSEC_PER_SEC);
                }
                for (unsigned a = 0; a < n_nodes; a++)
                        for (unsigned k = 0; k < 4; k++) {
                                unsigned b = (a + k * 31 + 1) % n_nodes;
                                double score = pubsub_score(s.nodes[a].router, &s.nodes[b].peer);

                                lowest = score < lowest ? score : lowest;
                        }
        }
        print_message("# long: %.1f hours, lowest score %.2f, graylisted RPCs %u, cpu %.1f s\n",
                      hours, lowest, (unsigned) pubsubs_total(&s, "graylisted"),
                      (double) (clock() - began) / CLOCKS_PER_SEC);
        print_message(
                "# json {\"scenario\":\"gossip\",\"case\":\"long\",\"nodes\":%u,\"hours\":%.2f,"
                "\"lowest_score\":%.2f,\"cpu_s\":%.1f}\n",
                n_nodes, hours, lowest, (double) (clock() - began) / CLOCKS_PER_SEC);
        assert_true(lowest >= 0);
        assert_int_equal(pubsubs_total(&s, "graylisted"), 0);
        assert_int_equal(pubsubs_total(&s, "rejected"), 0);
        pubsubs_done(&s);
}

static void whole_size(unsigned runs) {
        n_nodes = 1000;
        hours = 24;
        n_runs = runs < RUNS_MAX ? runs : RUNS_MAX;
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_quiet),
                                            cmocka_unit_test(test_broken),
                                            cmocka_unit_test(test_long) };

        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--nodes") == 0)
                        n_nodes = (unsigned) atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--runs") == 0)
                        whole_size((unsigned) strtoul(argv[i + 1], NULL, 10));
                else if (strcmp(argv[i], "--hours") == 0)
                        hours = atof(argv[i + 1]);
                else if (strcmp(argv[i], "--seed") == 0)
                        first_seed = strtoull(argv[i + 1], NULL, 10);
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
