/* What hosts offer, in shards: how much traffic that is, how soon a requester has its
 * candidates, how many of them are dead, how fair the draw is.
 *   scenario_offers [--runs N] [--nodes N] [--draws N] [--seed S]
 * --runs: at the size of the design, 1,000 nodes and 1,000 draws. What stands behind it counts. */

#include <stdlib.h>

#include "tests/support/gossips.h"
#include "tests/support/test.h"

static unsigned n_nodes = 200, n_draws = 100;
static uint64_t seed = 1;

static void begin(struct gossips *s) {
        struct gossips_settings c = gossips_defaults;

        c.seed = seed;
        c.n_nodes = n_nodes;
        gossips_init(s, &c);
        gossips_start(s);
        gossips_run(s, 120 * NSEC_PER_SEC);
}

static double total_bytes(const struct gossips *s) {
        double sum = 0;

        for (unsigned i = 0; i < n_nodes; i++)
                sum += (double) (s->nodes[i].bytes_sent + s->nodes[i].bytes_received);
        return sum;
}

static void test_traffic(void **state) {
        struct gossip_status status;
        struct gossips s;
        double before, rate;

        (void) state;
        begin(&s);
        before = total_bytes(&s);
        gossips_run(&s, 120 * NSEC_PER_SEC);
        rate = (total_bytes(&s) - before) / 120 / n_nodes / 1024;
        gossip_status(s.nodes[0].core, &status);
        print_message("# offers: %u nodes, %u bits, %zu records known, mesh %zu, peers %zu: "
                      "%.2f KiB/s per node, sent and received\n",
                      n_nodes, status.bits, status.offers, status.mesh, status.peers, rate);
        print_message("# json {\"scenario\":\"offers\",\"nodes\":%u,\"bits\":%u,"
                      "\"kib_per_node_s\":%.3f}\n",
                      n_nodes, status.bits, rate);
        assert_true(rate <= 8);
        gossips_done(&s);
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* Half an hour of sessions, exponential: one of 1,000 nodes dies every 1.8 s. */
static void kill_one(struct gossips *s, unsigned draw) {
        double per_draw = 0.4 / 1800 * n_nodes; /* a draw every 0.4 s, about */
        unsigned whom = (unsigned) rng_below(&s->rng, n_nodes);

        if (rng_chance(&s->rng, per_draw) && s->nodes[whom].is_up)
                gossips_kill(s, whom);
}

/* Who was drawn; returns how many of them are dead. */
static unsigned count_drawn(struct gossips *s, const struct gossip_drawn *d, unsigned *drawn) {
        unsigned dead = 0;

        for (size_t k = 0; k < d->n; k++) {
                CLEANUP(capability_donep) struct capability c = {};
                unsigned whom;

                assert_int_equal(capability_read(refbuf_bytes(d->list[k].record), &c), 0);
                whom = gossips_find(s, &c.peer);
                assert_true(s->nodes[whom].is_rare);
                drawn[whom]++;
                dead += !s->nodes[whom].is_up;
        }
        return dead;
}

/* Candidates of a class that one in twenty offers; nodes die meanwhile as in real
 * life. */
static void test_draws(void **state) {
        struct bytes rare = BYTES_LIT("rare");
        struct gossip_draw draw = { .filter = { .engines = &rare, .n_engines = 1 } };
        CLEANUP(freep) double *took = xnew_n(double, n_draws);
        CLEANUP(freep) unsigned *drawn = xnew_n(unsigned, n_nodes);
        unsigned n_rare = 0, worst_dead = 0, with_dead = 0, lowest = UINT32_MAX, highest = 0;
        double sum = 0, found = 0, asked = 0;
        struct gossips s;

        (void) state;
        begin(&s);
        for (unsigned i = 0; i < n_nodes; i++)
                n_rare += s.nodes[i].is_rare;
        for (unsigned i = 0; i < n_draws; i++) {
                unsigned who = (unsigned) rng_below(&s.rng, n_nodes), dead;
                nsec_t began;
                struct gossips_node *n = &s.nodes[who];

                kill_one(&s, i);
                while (!n->is_up) {
                        who = (who + 1) % n_nodes;
                        n = &s.nodes[who];
                }
                began = s.now;
                gossip_draw(n->core, 1000 + i, &draw, s.now);
                assert_true(gossips_wait(&s, who));
                took[i] = (double) (n->ended - began) / 1e9;
                found += (double) n->drawn->n;
                asked += (double) n->drawn->asked;
                dead = count_drawn(&s, n->drawn, drawn);
                worst_dead = dead > worst_dead ? dead : worst_dead;
                with_dead += dead > 1;
                gossips_forget(n);
                gossips_run(&s, 300 * NSEC_PER_MSEC);
        }
        for (unsigned i = 0; i < n_nodes; i++)
                if (s.nodes[i].is_rare && s.nodes[i].is_up) {
                        lowest = drawn[i] < lowest ? drawn[i] : lowest;
                        highest = drawn[i] > highest ? drawn[i] : highest;
                        sum += drawn[i];
                }
        qsort(took, n_draws, sizeof(*took), compare);
        print_message("# draws: %.1f candidates of %u, %.1f asked, p50 %.3f s, p99 %.3f s, dead at "
                      "most %u, "
                      "two or more in %u; share of the fair one: %.2f to %.2f\n",
                      found / n_draws, n_rare, asked / n_draws, took[n_draws / 2],
                      took[n_draws * 99 / 100], worst_dead, with_dead, lowest * n_rare / sum,
                      highest * n_rare / sum);
        print_message("# json {\"scenario\":\"draws\",\"nodes\":%u,\"found\":%.2f,\"p99_s\":%.3f,"
                      "\"dead_max\":%u,\"share_min\":%.3f,\"share_max\":%.3f}\n",
                      n_nodes, found / n_draws, took[n_draws * 99 / 100], worst_dead,
                      lowest * n_rare / sum, highest * n_rare / sum);
        assert_true(took[n_draws * 99 / 100] <= 1.0);
        assert_in_range(worst_dead, 0, 1);
        if (n_draws >= 1000) {
                assert_true(lowest * n_rare / sum >= 0.25);
                assert_true(highest * n_rare / sum <= 4);
        }
        gossips_done(&s);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_traffic),
                                            cmocka_unit_test(test_draws) };

        for (int i = 1; i + 1 < argc; i += 2) {
                if (strcmp(argv[i], "--nodes") == 0)
                        n_nodes = (unsigned) atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--runs") == 0)
                        n_nodes = n_draws = 1000;
                else if (strcmp(argv[i], "--draws") == 0)
                        n_draws = (unsigned) atoi(argv[i + 1]);
                else if (strcmp(argv[i], "--seed") == 0)
                        seed = strtoull(argv[i + 1], NULL, 10);
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
