/* What a connection costs that carries little. */
#include "services/transport/quic.h"
#include "tests/support/test.h"
#include "tests/unit/transport/flow.h"
#include "tests/unit/transport/net.h"

static bool both_connected(struct net *net) {
        return net->nodes[0].n_connected > 0 && net->nodes[1].n_connected > 0;
}

static void connected(struct net *net, uint64_t seed) {
        net_init(net, seed);
        net_add(net, NULL);
        net_add(net, NULL);
        net_dial(&net->nodes[0], &net->nodes[1], NULL);
        assert_true(net_run(net, 10 * NSEC_PER_SEC, both_connected));
}

static uint64_t datagrams_of_both(struct net *net) {
        struct quic_stats a, b;

        quic_stats(net->nodes[0].quic, &a);
        quic_stats(net->nodes[1].quic, &b);
        return a.datagrams_out + b.datagrams_out;
}

/* Both sides need it, one of them asks: a PING and its ACK in each interval. (ngtcp2 wants some
 * of the ACKs acknowledged.) */
static void test_signs_of_life_are_not_doubled(void **state) {
        const unsigned intervals = 25;
        struct quic_config config;
        uint64_t before;
        struct net net;

        connected(&net, 8);
        connection_need(net.nodes[0].connection);
        connection_need(net.nodes[1].connection);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        before = datagrams_of_both(&net);
        quic_config_default(&config);
        net_run(&net, intervals * config.keep_alive, NULL);
        assert_in_range(datagrams_of_both(&net) - before, 2 * intervals - 2,
                        2 * intervals + intervals / 3);
        net_done(&net);
}

/* What a peer announces does not set the pace of what we send. */
static void test_a_peer_does_not_set_the_pace(void **state) {
        struct quic_config hasty;
        uint64_t before;
        struct net net;

        quic_config_default(&hasty);
        hasty.idle_timeout = 10 * NSEC_PER_MSEC;
        net_init(&net, 10);
        net_add(&net, NULL);
        net_add(&net, &hasty);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, 10 * NSEC_PER_SEC, both_connected));
        connection_need(net.nodes[0].connection);
        net_run(&net, NSEC_PER_SEC, NULL);
        before = datagrams_of_both(&net);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        assert_in_range(datagrams_of_both(&net) - before, 0, 60);
        net_done(&net);
}

/* Only who sends much looks for a larger MTU: that costs as much as the handshake. */
static void test_mtu_is_looked_for_when_it_pays(void **state) {
        struct flow a = { .to_send = 300000 }, b = {};
        struct connection_stats stats;
        struct net net;

        connected(&net, 9);
        net_run(&net, 5 * NSEC_PER_SEC, NULL);
        connection_stats(net.nodes[0].connection, &stats);
        assert_int_equal(stats.max_payload, 1200);
        assert_true(stats.bytes_out < 4000);
        net.nodes[1].acceptor = &flow_handler;
        net.nodes[1].acceptor_userdata = &b;
        connection_open_stream(net.nodes[0].connection, &flow_handler, &a, NULL);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        connection_stats(net.nodes[0].connection, &stats);
        assert_true(stats.max_payload > 1400);
        net_done(&net);
}

TEST_MAIN(cmocka_unit_test(test_signs_of_life_are_not_doubled),
          cmocka_unit_test(test_a_peer_does_not_set_the_pace),
          cmocka_unit_test(test_mtu_is_looked_for_when_it_pays))
