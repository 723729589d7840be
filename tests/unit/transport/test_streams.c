#include "services/transport/quic.h"
#include "services/transport/quic/internal.h"
#include "tests/support/test.h"
#include "tests/unit/transport/flow.h"
#include "tests/unit/transport/net.h"

static bool both_connected(struct net *net) {
        return net->nodes[0].n_connected > 0 && net->nodes[1].n_connected > 0;
}

static void connected(struct net *net, uint64_t seed, const struct quic_config *config) {
        net_init(net, seed);
        net_add(net, config);
        net_add(net, config);
        net_dial(&net->nodes[0], &net->nodes[1], NULL);
        assert_true(net_run(net, 10 * NSEC_PER_SEC, both_connected));
}

static struct connection *dialled(struct net *net) {
        return net->nodes[0].connection;
}

static void accept_with(struct net *net, struct flow *f) {
        net->nodes[1].acceptor = &flow_handler;
        net->nodes[1].acceptor_userdata = f;
}

static struct flow *watched; /* net_run()'s question has no userdata */

static bool is_closed(struct net *net) {
        return watched->n_close > 0;
}

static bool run_until_closed(struct net *net, struct flow *f, nsec_t limit) {
        watched = f;
        return net_run(net, limit, is_closed);
}

/* 2 MiB each way through loss and reordering arrive whole and in order. */
static void test_bytes_survive_a_bad_network(void **state) {
        static const uint64_t seeds[] = { 1, 2, 3 };

        FOREACH_CASE (seed, seeds) {
                struct flow a = { .key = 5, .to_send = 2 << 20 };
                struct flow b = { .key = 5, .to_send = 2 << 20 };
                struct net net;

                connected(&net, *seed, NULL);
                net.loss = 0.03;
                net.jitter = 4 * NSEC_PER_MSEC;
                accept_with(&net, &b);
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
                assert_true(run_until_closed(&net, &a, 120 * NSEC_PER_SEC));
                assert_true(net.n_dropped > 20);
                assert_int_equal(a.received, b.to_send);
                assert_int_equal(b.received, a.to_send);
                assert_false(a.is_corrupt || b.is_corrupt);
                assert_int_equal(a.end, STREAM_END_CLEAN);
                assert_int_equal(a.n_fin + b.n_fin, 2);
                assert_true(a.n_full > 0 && a.n_writable > 0); /* 2 MiB do not fit the queue */
                net_done(&net);
        }
}

static void test_a_thousand_streams_in_turn(void **state) {
        struct net net;

        connected(&net, 4, NULL);
        net.delay = NSEC_PER_MSEC;
        for (uint64_t i = 0; i < 1000; i++) {
                struct flow a = { .key = i, .to_send = 100 + i }, b = { .key = i, .echoes = true };

                accept_with(&net, &b);
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
                assert_true(run_until_closed(&net, &a, NSEC_PER_SEC));
                assert_int_equal(a.received, a.to_send);
                assert_false(a.is_corrupt);
                assert_true(run_until_closed(&net, &b, 100 * NSEC_PER_MSEC)); /* a late ACK */
        }
        assert_int_equal(net.nodes[1].n_inbound_streams, 1000);
        net_done(&net);
}

static void test_the_257th_waits(void **state) {
        struct flow flows[257] = {}, other = { .keeps = true, .no_finish = true };
        struct net net;

        connected(&net, 5, NULL);
        accept_with(&net, &other);
        for (size_t i = 0; i < 256; i++) {
                flows[i].no_finish = true;
                flows[i].to_send = 1;
                assert_int_equal(
                        connection_open_stream(dialled(&net), &flow_handler, &flows[i], NULL),
                        CONNECTION_OK);
        }
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &flows[256], NULL),
                         CONNECTION_E_BUSY);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].n_inbound_streams, 256);
        assert_int_equal(net.nodes[0].n_streams_events, 0);
        stream_reset(flows[7].stream, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(flows[7].end, STREAM_END_RESET);
        assert_int_equal(net.nodes[0].n_streams_events, 1);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &flows[256], NULL),
                         CONNECTION_OK);
        net_done(&net);
}

/* Who does not consume gets no more than the window, and the rest once it does. */
static void test_flow_control_holds(void **state) {
        struct flow a = { .key = 1, .to_send = 4 << 20 };
        struct flow b = { .key = 1, .keeps = true, .no_finish = true };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.stream_window = config.limits.connection_window = 200000;
        connected(&net, 6, &config);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 5 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, 200000);
        b.keeps = false;
        stream_consumed(b.stream, b.received);
        assert_false(run_until_closed(&net, &a, 20 * NSEC_PER_SEC)); /* b has not finished */
        assert_int_equal(b.received, a.to_send);
        assert_false(b.is_corrupt);
        stream_finish(b.stream);
        assert_true(run_until_closed(&net, &a, NSEC_PER_SEC));
        net_done(&net);
}

/* A peer that is fast gets more room, and the books know of it. */
static void test_windows_grow_with_need(void **state) {
        struct flow a = { .key = 1, .to_send = 8 << 20 }, b = { .key = 1, .no_finish = true };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.stream_send_bytes = 4 << 20;
        config.limits.connection_window = 2 << 20;
        connected(&net, 12, &config);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.to_send);
        assert_int_equal(net.nodes[1].connection->window.size, 2 << 20);
        assert_int_equal(net.nodes[1].quic->receive_budget.used, 2 << 20);
        assert_int_equal(net.nodes[0].quic->receive_budget.used, 512 << 10);
        connection_close(dialled(&net), 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].quic->receive_budget.used, 0);
        net_done(&net);
}

/* Streams that end with unread bytes give their share of the connection's window back. */
static void test_windows_do_not_leak(void **state) {
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.stream_window = config.limits.connection_window = 200000;
        connected(&net, 7, &config);
        for (int i = 0; i < 40; i++) {
                struct flow a = { .key = 1, .to_send = 150000, .no_finish = true };
                struct flow b = { .key = 1, .keeps = true, .no_finish = true };

                accept_with(&net, &b);
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
                net_run(&net, 30 * NSEC_PER_MSEC + i * NSEC_PER_MSEC, NULL);
                if (i % 2)
                        stream_reset(a.stream, 1);
                else
                        stream_reset(b.stream, 2);
                net_run(&net, 2 * NSEC_PER_SEC, NULL);
                assert_int_equal(a.n_close + b.n_close, 2);
        }
        {
                struct flow a = { .key = 1, .to_send = 1 << 20 }, b = { .key = 1 };

                accept_with(&net, &b);
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
                assert_false(run_until_closed(&net, &b, 0));
                assert_true(run_until_closed(&net, &a, 30 * NSEC_PER_SEC));
                assert_int_equal(b.received, 1 << 20);
        }
        net_done(&net);
}

static void consume_at_last(struct stream *s, enum stream_end end) {
        struct flow *f = s->userdata;

        stream_consumed(s, f->received);
        flow_on_close(s, end);
}

/* Nor when they are read in the last moment. */
static void test_consumed_in_on_close(void **state) {
        struct stream_handler handler = flow_handler;
        struct quic_config config;
        struct net net;

        handler.on_close = consume_at_last;
        quic_config_default(&config);
        config.limits.stream_window = config.limits.connection_window = 200000;
        connected(&net, 15, &config);
        for (int i = 0; i < 3; i++) {
                struct flow a = { .key = 1, .to_send = 150000, .no_finish = true };
                struct flow b = { .key = 1, .keeps = true };

                accept_with(&net, &b);
                net.nodes[1].acceptor = &handler;
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
                net_run(&net, NSEC_PER_SEC, NULL);
                assert_int_equal(b.received, a.to_send);
                stream_reset(a.stream, 1);
                stream_reset(b.stream, 1);
                net_run(&net, NSEC_PER_SEC, NULL);
                assert_int_equal(a.n_close + b.n_close, 2);
                assert_int_equal(net.nodes[1].connection->unconsumed, 0);
        }
        net_done(&net);
}

/* Windows that grew to the budget's end leave first ones to connections to come. */
static void test_grown_windows_leave_room_for_others(void **state) {
        struct flow a = { .key = 1, .to_send = 8 << 20 }, b = { .key = 1, .no_finish = true };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.total_receive_bytes = 4 << 20;
        connected(&net, 16, &config);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.to_send);
        assert_int_equal(net.nodes[1].quic->receive_budget.used, 2 << 20);
        net_dial(net_add(&net, &config), &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[2].n_connected, 1);
        net_done(&net);
}

static void test_reset_and_stop_reach_the_other_side(void **state) {
        struct flow a = { .key = 1, .to_send = 1 << 20, .no_finish = true };
        struct flow b = { .key = 1, .no_finish = true };
        struct net net;

        connected(&net, 8, NULL);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 25 * NSEC_PER_MSEC, NULL);
        assert_non_null(b.stream);
        stream_stop(b.stream, 9);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a.n_stop, 1);
        assert_int_equal(b.n_reset, 1);
        assert_int_equal(b.n_close, 0); /* b may still send */
        assert_int_equal(stream_write(b.stream, BYTES_LIT("late")), STREAM_OK);
        stream_finish(b.stream);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a.received, 4);
        assert_int_equal(a.n_close + b.n_close, 2);
        net_done(&net);
}

/* Many streams share one small budget: all get their turn and nothing is lost. */
static void test_a_shared_budget_starves_nobody(void **state) {
        enum { N = 12 };
        struct flow a[N] = {}, b = { .keeps = false };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.connection_send_bytes = 600 * 1024;
        connected(&net, 9, &config);
        accept_with(&net, &b);
        for (size_t i = 0; i < N; i++) {
                a[i].to_send = 1 << 20;
                assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a[i], NULL),
                                 0);
        }
        net_run(&net, 60 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, N << 20);
        for (size_t i = 0; i < N; i++)
                assert_int_equal(a[i].sent, a[i].to_send);
        net_done(&net);
}

/* A stream's own buffer larger than its connection's: half of it is never free. */
static void test_a_stream_larger_than_its_connection(void **state) {
        struct flow a = { .to_send = 4 << 20 }, b = { .no_finish = true };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.stream_send_bytes = 8 << 20;
        config.limits.connection_send_bytes = 1 << 20;
        connected(&net, 13, &config);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 60 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.to_send);
        net_done(&net);
}

static void fill(struct flow *f, uint64_t upto) {
        static const uint8_t chunk[8192];

        while (f->sent < upto && stream_write(f->stream, BYTES_OF(chunk)) == STREAM_OK)
                f->sent += sizeof(chunk);
}

/* A stream that was refused while half of its own buffer was full, by a budget that another
 * one takes up until after the first has its last acknowledgement: it is told all the same. */
static void test_a_refused_stream_is_told_by_others(void **state) {
        struct flow a = { .no_finish = true }, greedy = { .no_finish = true };
        struct flow b = { .no_finish = true };
        struct quic_config config;
        struct net net;

        quic_config_default(&config);
        config.limits.connection_send_bytes = 1200 << 10;
        config.limits.connection_window = 200000; /* no more is acknowledged at once */
        connected(&net, 14, &config);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &greedy, NULL), 0);
        fill(&a, 640 << 10);
        fill(&greedy, 1 << 20);
        fill(&a, 1 << 20);
        assert_int_equal(a.sent, 640 << 10);
        while (a.stream && greedy.sent < 8 << 20) {
                net_run(&net, NSEC_PER_MSEC, NULL);
                fill(&greedy, 8 << 20);
        }
        assert_int_equal(a.n_writable, 0);
        net_run(&net, 10 * NSEC_PER_SEC, NULL);
        assert_int_equal(b.received, a.sent + greedy.sent);
        assert_true(a.n_writable > 0);
        net_done(&net);
}

/* Whatever state streams are in, a lost connection closes each once. */
static void test_a_lost_connection_closes_streams(void **state) {
        struct flow a = { .to_send = 1 << 20 }, b = {};
        struct net net;

        connected(&net, 10, NULL);
        accept_with(&net, &b);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, 25 * NSEC_PER_MSEC, NULL);
        connection_close(dialled(&net), 0);
        assert_int_equal(stream_write(a.stream, BYTES_LIT("x")), STREAM_E_CLOSED);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a.end, STREAM_END_LOST);
        assert_int_equal(b.end, STREAM_END_LOST);
        assert_int_equal(a.n_close + b.n_close, 2);
        net_done(&net);
}

static void test_abandoned_streams_call_nobody(void **state) {
        struct flow a = { .to_send = 100000 };
        struct net net;

        connected(&net, 11, NULL);
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        net_run(&net, NSEC_PER_SEC, NULL); /* the other node has no acceptor: it resets */
        assert_int_equal(a.n_reset, 1);
        assert_int_equal(a.n_close, 1);
        a = (struct flow){ .to_send = 10, .no_finish = true };
        assert_int_equal(connection_open_stream(dialled(&net), &flow_handler, &a, NULL), 0);
        stream_abandon(a.stream, 0);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(a.n_close, 0);
        net_done(&net);
}

TEST_MAIN(cmocka_unit_test(test_bytes_survive_a_bad_network),
          cmocka_unit_test(test_a_thousand_streams_in_turn), cmocka_unit_test(test_the_257th_waits),
          cmocka_unit_test(test_flow_control_holds), cmocka_unit_test(test_windows_grow_with_need),
          cmocka_unit_test(test_windows_do_not_leak), cmocka_unit_test(test_consumed_in_on_close),
          cmocka_unit_test(test_grown_windows_leave_room_for_others),
          cmocka_unit_test(test_reset_and_stop_reach_the_other_side),
          cmocka_unit_test(test_a_shared_budget_starves_nobody),
          cmocka_unit_test(test_a_stream_larger_than_its_connection),
          cmocka_unit_test(test_a_refused_stream_is_told_by_others),
          cmocka_unit_test(test_a_lost_connection_closes_streams),
          cmocka_unit_test(test_abandoned_streams_call_nobody))
