#include "services/gossip/rpc_message.h"
#include "tests/support/pubsubs.h"
#include "tests/support/test.h"

#define TOPIC "quorate/test"

static struct pubsubs_settings settings(unsigned n, bool real) {
        struct pubsubs_settings s = pubsubs_defaults;

        s.n_nodes = n;
        s.real_signatures = real;
        return s;
}

static unsigned n_with(const struct pubsubs *s, uint64_t delivered) {
        unsigned n = 0;

        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                n += s->nodes[i].is_up && s->nodes[i].delivered == delivered;
        return n;
}

static void test_everybody_once(void **state) {
        struct pubsubs_settings c = settings(20, true);
        struct pubsubs s;

        (void) state;
        pubsubs_init(&s, &c);
        pubsubs_connect_randomly(&s, 10);
        pubsubs_subscribe_all(&s, TOPIC);
        pubsubs_run(&s, 5 * NSEC_PER_SEC);
        for (unsigned i = 0; i < 10; i++) {
                uint8_t data[100] = { (uint8_t) i };

                pubsubs_publish(&s, i, TOPIC, BYTES_OF(data));
                pubsubs_run(&s, NSEC_PER_SEC);
        }
        /* ten each, but for the publishers, who do not hear themselves */
        assert_int_equal(n_with(&s, 10), 10);
        assert_int_equal(n_with(&s, 9), 10);
        for (unsigned i = 0; i < 20; i++) {
                assert_true(pubsub_mesh_size(s.nodes[i].router, TOPIC) >= 4);
                assert_true(pubsub_mesh_size(s.nodes[i].router, TOPIC) <= 12);
        }
        pubsubs_done(&s);
}

static uint64_t trace_of(uint64_t seed, bool real) {
        struct pubsubs_settings c = settings(20, real);
        struct pubsubs s;
        uint64_t trace;

        c.seed = seed;
        pubsubs_init(&s, &c);
        pubsubs_connect_randomly(&s, 10);
        pubsubs_subscribe_all(&s, TOPIC);
        pubsubs_run(&s, 3 * NSEC_PER_SEC);
        for (unsigned i = 0; i < 5; i++) {
                uint8_t data[600] = { (uint8_t) i };

                pubsubs_publish(&s, i, TOPIC, BYTES_OF(data));
                pubsubs_run(&s, NSEC_PER_SEC);
        }
        trace = s.trace;
        pubsubs_done(&s);
        return trace;
}

static void test_same_seed_same_trace(void **state) {
        (void) state;
        assert_int_equal(trace_of(7, true), trace_of(7, true));
        assert_int_not_equal(trace_of(7, true), trace_of(8, true));
}

TEST_MAIN(cmocka_unit_test(test_everybody_once), cmocka_unit_test(test_same_seed_same_trace))
