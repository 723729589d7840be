/* How many connections an address or a network may have, and what strangers get for their bytes. */

#include "services/transport/quic/internal.h"
#include "tests/support/test.h"
#include "tests/unit/transport/net.h"

static bool dialler_closed(struct net *net) {
        return net->nodes[0].n_closed > 0;
}

static void two_nodes(struct net *net, uint64_t seed, const struct quic_config *config) {
        net_init(net, seed);
        net_add(net, config);
        net_add(net, config);
}

static void test_limits_per_address(void **state) {
        struct quic_config config;
        struct quic_stats stats;
        struct net net;

        quic_config_default(&config);
        config.limits.connections_per_ip = 2;
        two_nodes(&net, 12, &config);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_connected, 1);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_connected, 2);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_PEER_REFUSED);
        assert_int_equal(net.nodes[0].last_end.code, NGTCP2_CONNECTION_REFUSED);
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.refused_limit, 1);
        connection_close(net.nodes[0].connection, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[0].n_connected, 3); /* the place came free */
        net_done(&net);
}

/* Weakness N10: one network has a share of the inbound connections, whatever its addresses. */
static void test_limits_per_net(void **state) {
        struct quic_config config;
        struct quic_stats stats;
        struct net net;

        quic_config_default(&config);
        config.limits.connections_per_ip = 1000;
        config.limits.connections_per_net = 5;
        two_nodes(&net, 24, &config);
        for (unsigned i = 0; i < 12; i++) {
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                (void) net_run(&net, 200 * NSEC_PER_MSEC, NULL);
        }
        quic_stats(net.nodes[1].quic, &stats);
        assert_int_equal(stats.n_inbound, 5);
        assert_int_equal(stats.refused_limit, 7);
        assert_true(stats.retries > 0); /* the later ones had to show that they are there */
        net_done(&net);
}

/* Weakness A8: whoever writes another's address above a request sends him at most three times as
 * much (RFC 9000, 8.1), and no more for all that we repeat; with Retry, less than it cost. */
static void test_amplification(void **state) {
        static const struct {
                uint32_t retry_above;
                unsigned factor;
        } cases[] = { { 1000, 3 }, { 0, 1 } };

        FOREACH_CASE (k, cases) {
                const uint8_t victim_ip[4] = { 9, 9, 9, 9 };
                struct endpoint victim = endpoint_ip4(victim_ip, 4001);
                struct quic_config config;
                struct quic_stats stats;
                uint8_t forged[1500];
                struct net net;
                size_t len;

                quic_config_default(&config);
                config.limits.retry_above = k->retry_above;
                two_nodes(&net, 25, &config);
                net_dial(&net.nodes[0], &net.nodes[1], NULL);
                net_flush(&net);
                len = net.packets[0].len;
                memcpy(forged, net.packets[0].data, len);
                net.n_packets = 0;
                net.loss = 1; /* the forger hears nothing, and the victim says nothing */
                net_inject(&net.nodes[1], &victim, BYTES(forged, len));
                (void) net_run(&net, 60 * NSEC_PER_SEC, NULL);
                quic_stats(net.nodes[1].quic, &stats);
                print_message("# %zu bytes forged, %llu sent to the victim\n", len,
                              (unsigned long long) stats.bytes_out);
                assert_in_range(stats.bytes_out, 1, k->factor * len);
                assert_int_equal(stats.n_connections, 0);
                net_done(&net);
        }
}

TEST_MAIN(cmocka_unit_test(test_limits_per_address), cmocka_unit_test(test_limits_per_net),
          cmocka_unit_test(test_amplification))
