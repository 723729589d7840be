#include "tests/support/gossips.h"
#include "tests/support/test.h"

static void begin(struct gossips *s, unsigned n, uint64_t seed) {
        struct gossips_settings c = gossips_defaults;

        c.n_nodes = n;
        c.seed = seed;
        gossips_init(s, &c);
        gossips_start(s);
        gossips_run(s, 60 * NSEC_PER_SEC);
}

static void draw(struct gossips *s, unsigned who, const struct gossip_draw *d) {
        gossip_draw(s->nodes[who].core, 1000, d, s->now);
        assert_true(gossips_wait(s, who));
}

static void test_finds(void **state) {
        struct bytes common = BYTES_LIT("common"), absent = BYTES_LIT("absent");
        struct gossip_draw d = { .filter = { .engines = &common, .n_engines = 1 } };
        struct gossips s;

        (void) state;
        begin(&s, 60, 1);
        draw(&s, 3, &d);
        assert_int_equal(s.nodes[3].drawn->n, 16);
        for (size_t i = 0; i < 16; i++)
                for (size_t k = 0; k < i; k++)
                        assert_false(bytes_equal(refbuf_bytes(s.nodes[3].drawn->list[i].record),
                                                 refbuf_bytes(s.nodes[3].drawn->list[k].record)));
        gossips_forget(&s.nodes[3]);
        d.filter.engines = &absent;
        draw(&s, 3, &d);
        assert_int_equal(s.nodes[3].drawn->n, 0);
        assert_true(s.nodes[3].drawn->unusable > 0);
        gossips_done(&s);
}

static void test_rubbish(void **state) {
        struct gossip_draw d = { .count = 16 };
        struct gossips s;

        (void) state;
        begin(&s, 60, 2);
        for (unsigned i = 0; i < 60; i += 2)
                s.nodes[i].mutters = true;
        draw(&s, 3, &d);
        assert_true(s.nodes[3].drawn->n > 0);
        gossips_done(&s);
}

static void test_local(void **state) {
        struct gossip_draw d = { .count = 4, .local = true };
        struct gossips s;
        uint64_t before;

        (void) state;
        begin(&s, 60, 3);
        before = gossips_counter(&s.nodes[3], "asked");
        draw(&s, 3, &d);
        assert_int_equal(s.nodes[3].drawn->n, 4);
        assert_int_equal(gossips_counter(&s.nodes[3], "asked"), before);
        gossips_done(&s);
}

static uint64_t trace_of(uint64_t seed) {
        struct gossip_draw d = { .count = 16 };
        struct gossips s;
        uint64_t trace;

        begin(&s, 60, seed);
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

TEST_MAIN(cmocka_unit_test(test_finds), cmocka_unit_test(test_rubbish),
          cmocka_unit_test(test_local), cmocka_unit_test(test_same_seed_same_trace))
