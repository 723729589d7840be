#include "services/transport/quic.h"
#include "tests/support/test.h"
#include "tests/unit/transport/net.h"

static bool both_connected(struct net *net) {
        return net->nodes[0].n_connected > 0 && net->nodes[1].n_connected > 0;
}

static bool dialler_closed(struct net *net) {
        return net->nodes[0].n_closed > 0;
}

static void test_handshake(void **state) {
        struct net net;
        struct net_node *a, *b;

        net_init(&net, 1);
        a = net_add(&net, NULL);
        b = net_add(&net, NULL);
        net_dial(a, b, NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, both_connected));
        assert_true(peer_id_equal(connection_peer(a->connection), net_peer(b)));
        assert_true(peer_id_equal(connection_peer(b->connection), net_peer(a)));
        /* two round trips of 20 ms until the client knows that it was accepted */
        assert_in_range(net.now - NSEC_PER_SEC, 40 * NSEC_PER_MSEC, 45 * NSEC_PER_MSEC);
        connection_close(a->connection, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a->last_end.kind, CONNECTION_END_LOCAL);
        assert_int_equal(b->last_end.kind, CONNECTION_END_PEER);
        assert_true(b->last_end.was_confirmed);
        net_done(&net);
}

static void test_wrong_peer_is_refused(void **state) {
        struct net net;
        struct net_node *a;

        net_init(&net, 2);
        a = net_add(&net, NULL);
        net_add(&net, NULL);
        net_dial(a, &net.nodes[1], net_peer(a));
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(a->n_connected, 0);
        assert_int_equal(a->last_end.kind, CONNECTION_END_TLS);
        assert_int_equal(a->last_end.verdict, TLS_E_WRONG_PEER);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].n_connected, 0);
        net_done(&net);
}

TEST_MAIN(cmocka_unit_test(test_handshake), cmocka_unit_test(test_wrong_peer_is_refused))
