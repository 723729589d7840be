#include "tests/support/gossips.h"
#include "tests/support/test.h"

/* Two publications of each. */
static void begin(struct gossips *s, unsigned n, uint64_t seed) {
        struct gossips_settings c = gossips_defaults;

        c.n_nodes = n;
        c.seed = seed;
        gossips_init(s, &c);
        gossips_start(s);
        gossips_run(s, 30 * NSEC_PER_SEC);
}

/* A network of 60 that has settled, for the tests that leave it as it is; the one that kills some
 * of them is the last. */
static struct gossips settled;

static int settle(void **state) {
        begin(&settled, 60, 9);
        return 0;
}

static int end(void **state) {
        gossips_done(&settled);
        return 0;
}

static void draw(struct gossips *s, unsigned who, const struct gossip_draw *d) {
        gossip_draw(s->nodes[who].core, 1000, d, s->now);
        assert_true(gossips_wait(s, who));
}

static void test_finds(void **state) {
        struct bytes common = BYTES_LIT("common"), absent = BYTES_LIT("absent");
        struct gossip_draw d = { .filter = { .engines = &common, .n_engines = 1 } };
        struct gossips_node *n = &settled.nodes[3];

        draw(&settled, 3, &d);
        assert_int_equal(n->drawn->n, 16);
        for (size_t i = 0; i < 16; i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(bytes_equal(refbuf_bytes(n->drawn->list[i].record),
                                                 refbuf_bytes(n->drawn->list[k].record)));
        gossips_forget(n);
        d.filter.engines = &absent;
        draw(&settled, 3, &d);
        assert_int_equal(n->drawn->n, 0);
        assert_true(n->drawn->unusable > 0);
        gossips_forget(n);
}

static void test_rubbish(void **state) {
        struct gossip_draw d = { .count = 16 };

        for (unsigned i = 0; i < 60; i += 2)
                settled.nodes[i].mutters = true;
        draw(&settled, 3, &d);
        assert_true(settled.nodes[3].drawn->n > 0);
        gossips_forget(&settled.nodes[3]);
        for (unsigned i = 0; i < 60; i += 2)
                settled.nodes[i].mutters = false;
}

static void test_local(void **state) {
        struct gossip_draw d = { .count = 4, .local = true };
        struct gossips_node *n = &settled.nodes[3];
        uint64_t before = gossips_counter(n, "asked");

        draw(&settled, 3, &d);
        assert_int_equal(n->drawn->n, 4);
        assert_int_equal(gossips_counter(n, "asked"), before);
        gossips_forget(n);
}

/* Nobody gets more of the network than a job asks: 16, whatever the caller or who answers says. */
static void test_cap(void **state) {
        static const size_t counts[] = { 0, 15, 16, 17, 64, SIZE_MAX };
        struct gossips_node *n = &settled.nodes[3];

        FOREACH_CASE (c, counts) {
                struct gossip_draw d = { .count = *c };

                draw(&settled, 3, &d);
                assert_int_equal(n->drawn->n, *c == 15 ? 15 : GOSSIP_DRAW_MAX);
                gossips_forget(n);
        }
}

/* Defect D1: records that are flooded to all. Each node hears those of its shards, a small part. */
static void test_nobody_hears_all(void **state) {
        const unsigned n = 120;
        struct gossip_status status;
        struct gossips s;
        size_t sum = 0;

        (void) state;
        begin(&s, n, 7);
        for (unsigned i = 0; i < n; i++) {
                gossip_status(s.nodes[i].core, &status);
                assert_true(status.offers < n / 2);
                sum += status.offers;
        }
        print_message("# %.1f of %u records known to each\n", (double) sum / n, n - 1);
        assert_in_range(sum, 4 * n, 48 * n);
        gossips_done(&s);
}

/* All but the last, which speak at different times. */
static void begin_apart(struct gossips *s, unsigned n) {
        struct gossips_settings c = gossips_defaults;

        c.n_nodes = n + 1;
        c.seed = 8;
        gossips_init(s, &c);
        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                s->nodes[i].is_up = false;
        for (unsigned i = 0; i < n; i++) {
                gossips_join(s, i, 3);
                gossips_run(s, 400 * NSEC_PER_MSEC);
        }
        gossips_run(s, 20 * NSEC_PER_SEC);
}

/* Weakness I5: whoever comes late need not wait until others speak again: two seconds later it
 * draws like anybody, in one shard or in many. */
static void test_newcomer(void **state) {
        static const unsigned sizes[] = { 5, 15, 80 };

        (void) state;
        FOREACH_CASE (n, sizes) {
                struct gossip_draw d = {};
                struct gossips s;
                size_t found;

                begin_apart(&s, *n);
                gossips_join(&s, *n, 1);
                gossips_run(&s, 2 * NSEC_PER_SEC);
                draw(&s, *n, &d);
                found = s.nodes[*n].drawn->n;
                print_message("# %u others: %zu candidates\n", *n, found);
                assert_true(found >= (*n < 16 ? *n : 16));
                gossips_done(&s);
        }
}

static unsigned n_dead(struct gossips *s, const struct gossip_drawn *d) {
        unsigned n = 0;

        for (size_t i = 0; i < d->n; i++) {
                CLEANUP(capability_donep) struct capability c = {};

                assert_int_equal(capability_read(refbuf_bytes(d->list[i].record), &c), 0);
                n += !s->nodes[gossips_find(s, &c.peer)].is_up;
        }
        return n;
}

/* Three of ten are killed at once, and nobody is told: their records, most of them not older than
 * those of the living, live on for half a minute. */
static void test_dead_hosts_are_not_drawn(void **state) {
        struct gossip_draw d = {};
        struct gossips *s = &settled;

        for (unsigned i = 0; i < 60; i++)
                if (i % 10 < 3)
                        gossips_kill_silently(s, i);
        gossips_run(s, 7 * NSEC_PER_SEC);
        for (unsigned i = 5; i < 60; i += 10) {
                unsigned dead;

                draw(s, i, &d);
                dead = n_dead(s, s->nodes[i].drawn);
                assert_int_equal(s->nodes[i].drawn->n, 16);
                assert_in_range(dead, 0, 1);
                gossips_forget(&s->nodes[i]);
        }
}

static uint64_t trace_of(uint64_t seed) {
        struct gossip_draw d = { .count = 16 };
        struct gossips s;
        uint64_t trace;

        begin(&s, 40, seed);
        draw(&s, 3, &d);
        trace = s.trace;
        gossips_done(&s);
        return trace;
}

static void test_same_seed_same_trace(void **state) {
        (void) state;
        assert_int_equal(trace_of(4), trace_of(4));
        assert_int_not_equal(trace_of(4), trace_of(5));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_finds),
                cmocka_unit_test(test_rubbish),
                cmocka_unit_test(test_local),
                cmocka_unit_test(test_cap),
                cmocka_unit_test(test_nobody_hears_all),
                cmocka_unit_test(test_newcomer),
                cmocka_unit_test(test_same_seed_same_trace),
                cmocka_unit_test(test_dead_hosts_are_not_drawn),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, settle, end);
}
