/* common/streams against two real nodes: a question and its answer in each of the ways it can
 * end, and what a service is told when transport is killed, or takes its channel "watch" away. */

#include "common/daemon/bus.h"
#include "tests/support/services.h"
#include "tests/support/test.h"

/* ---- Streams that stay open and carry nothing ---- */

static void idle_open(struct framed *f, void *userdata, const char *protocol,
                      const struct framed_remote *remote) {
        *(struct framed **) userdata = f;
}

static void idle_frame(struct framed *f, void *userdata, struct bytes frame) {
}

static void idle_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        *(struct framed **) userdata = NULL;
}

static const struct framed_handler idle = { .on_open = idle_open,
                                            .on_frame = idle_frame,
                                            .on_end = idle_end };

static void test_ends_of_a_question(void **state) {
        static const struct {
                int manner;
                const char *protocol;
                bool wants_answer;
                enum exchange_result result;
        } cases[] = {
                { ANSWERS, PROTOCOL, true, EXCHANGE_OK },
                { REFUSES, PROTOCOL, true, EXCHANGE_E_RESET },
                { ANSWERS, "/test/unknown/1", true, EXCHANGE_E_PROTOCOL },
                { IS_SILENT, PROTOCOL, true, EXCHANGE_E_TIMEOUT },
                { ANSWERS_TOO_MUCH, PROTOCOL, true, EXCHANGE_E_RESET },
                { IS_SILENT, PROTOCOL, false, EXCHANGE_OK },
                { ANSWERS, PROTOCOL, true, EXCHANGE_OK },
        };
        struct pair *p = *state;

        FOREACH_CASE (c, cases) {
                p->b.manner = c->manner;
                assert_int_equal(ask(p, c->protocol, c->wants_answer), c->result);
                assert_string_equal(p->a.answer, c->wants_answer && c->result == EXCHANGE_OK
                                                         ? "how late is it?"
                                                         : "");
        }
}

/* js-libp2p drops its answer when it reads the end of a stream before the answer has left. */
static void test_a_question_may_end_late(void **state) {
        struct pair *p = *state;

        services_finished = 0;
        p->b.manner = IS_SILENT;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_TIMEOUT);
        assert_int_equal(services_finished, 1);
        services_finished = 0;
        services_end_late = true;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_TIMEOUT);
        assert_int_equal(services_finished, 0);
        p->b.manner = ANSWERS;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
        assert_true(wait_for(p->loop, &services_finished, 1, 5 * SEC));
        assert_int_equal(ask(p, PROTOCOL, false), EXCHANGE_OK);
        assert_true(wait_for(p->loop, &services_finished, 2, 5 * SEC)); /* no answer: at once */
        services_end_late = false;
}

static void test_transport_is_killed(void **state) {
        struct pair *p = *state;
        nsec_t asked;

        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
        assert_int_equal(p->a.n_connected, 1);
        p->b.manner = IS_SILENT;
        begin(p, PROTOCOL, true);
        turn(p->loop, 300 * MS);
        test_node_kill_transport(p->a.node);
        assert_true(wait_for(p->loop, &p->a.n_down, 1, 10 * SEC));
        assert_true(p->a.is_done);
        assert_int_equal(p->a.result, EXCHANGE_E_RESET);
        assert_int_equal(p->a.n_connected, 0);
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_UNREACHABLE); /* it stayed away */
        turn(p->loop, 2 * SEC);
        asked = loop_now(p->loop);
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_UNREACHABLE);
        assert_true(loop_now(p->loop) - asked < SEC); /* nobody waits for it any more */
        test_node_start_transport(p->a.node);
        assert_true(wait_for(p->loop, &p->a.n_up, 2, 10 * SEC));
        p->b.manner = ANSWERS;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
        turn(p->loop, 500 * MS);
        assert_int_equal(p->a.n_connected, 1);
        assert_true(wait_for(p->loop, &p->b.n_gone, 1, 15 * SEC)); /* who had asked was killed */
}

/* What is asked between two lives of transport waits for the second, and what is taken back
 * does not come. */
static void test_transport_is_away(void **state) {
        struct pair *p = *state;
        uint64_t taken_back;

        test_node_kill_transport(p->a.node);
        assert_true(wait_for(p->loop, &p->a.n_down, 1, 10 * SEC));
        p->b.manner = ANSWERS;
        taken_back = begin(p, PROTOCOL, true);
        begin(p, PROTOCOL, true);
        exchange_cancel(p->a.exchange, taken_back);
        turn(p->loop, 300 * MS);
        assert_false(p->a.is_done);
        assert_int_equal(exchange_open(p->a.exchange), 1);
        test_node_start_transport(p->a.node);
        assert_true(wait_for(p->loop, &p->a.n_up, 2, 10 * SEC));
        turn(p->loop, SEC);
        assert_true(p->a.is_done);
        assert_int_equal(p->a.result, EXCHANGE_OK);
        assert_int_equal(exchange_open(p->a.exchange), 0);
}

/* Its stream to b, open. */
static void open_idle(struct pair *p, struct framed **ret) {
        static const char *const protocols[] = { IDLE };
        const struct framed_open open = { .peer = p->b.id,
                                          .addresses = &p->b.address,
                                          .n_addresses = 1,
                                          .protocols = protocols,
                                          .n_protocols = 1,
                                          .frame_max = FRAME,
                                          .timeout = 2 * SEC,
                                          .is_idle = true };
        nsec_t end = nsec_add(loop_now(p->loop), 5 * SEC);

        *ret = NULL;
        assert_non_null(streams_open(p->a.streams, &open, &idle, ret));
        while (!*ret && loop_now(p->loop) < end)
                assert_true(loop_turn(p->loop, 20 * MS) >= 0);
        assert_non_null(*ret);
        turn(p->loop, SEC);
        assert_int_equal(p->a.n_connected, 1);
}

/* GossipSub has one to every peer, and needs few of them: Keep says which. */
static void test_idle_streams_keep_nothing(void **state) {
        struct pair *p = *state;
        struct framed *f;

        open_idle(p, &f);
        turn(p->loop, 5 * SEC);
        assert_null(f);
        assert_int_equal(p->a.n_connected, 0);
        open_idle(p, &f);
        streams_keep(p->a.streams, &p->b.id, true);
        turn(p->loop, 8 * SEC);
        assert_non_null(f);
        assert_int_equal(p->a.n_connected, 1);
        streams_keep(p->a.streams, &p->b.id, false);
        turn(p->loop, 5 * SEC);
        assert_null(f);
        assert_int_equal(p->a.n_connected, 0);
}

/* ---- A watch that is taken away ---- */

static void on_watch_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void on_watch_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        *(struct channel **) userdata = NULL;
}

/* Others hold all watches there are: ours is refused, asked for again, and told everything. */
static void test_watch_comes_again(void **state) {
        static const struct channel_handler handler = { .on_data = on_watch_data,
                                                        .on_end = on_watch_end };
        struct pair *p = *state;
        const struct bus_client_options o = { .path = test_node_path(p->a.node,
                                                                     "transport/streams"),
                                              .service = "dht",
                                              .data = true };
        struct channel *others[64] = {};
        struct bus_client *bus;
        uint64_t news;

        service_done(&p->a);
        p->a.n_connected = 0;
        assert_int_equal(bus_client_new(p->loop, &o, &bus), 0);
        turn(p->loop, SEC);
        for (size_t i = 0; i < 64; i++)
                others[i] = channel_open(bus_client_link(bus), "watch", BYTES_NONE, &handler,
                                         &others[i]);
        turn(p->loop, SEC);
        assert_null(others[63]); /* it was one too many */
        p->a.n_self = 0;
        service_init(&p->a, p->loop);
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
        news = p->a.n_news;
        turn(p->loop, 2 * SEC);
        assert_int_equal(p->a.n_news, news);
        for (size_t i = 0; i < 64; i++)
                if (others[i])
                        channel_reset(others[i], 0, "no longer needed");
        turn(p->loop, 2 * SEC);
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK); /* idle connections end meanwhile */
        turn(p->loop, 500 * MS);
        assert_true(p->a.n_news > news);
        assert_int_equal(p->a.n_connected, 1);
        bus_client_free(bus);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_ends_of_a_question, pair_setup, pair_teardown),
          cmocka_unit_test_setup_teardown(test_a_question_may_end_late, pair_setup, pair_teardown),
          cmocka_unit_test_setup_teardown(test_idle_streams_keep_nothing, pair_setup,
                                          pair_teardown),
          cmocka_unit_test_setup_teardown(test_transport_is_killed, pair_setup, pair_teardown),
          cmocka_unit_test_setup_teardown(test_transport_is_away, pair_setup, pair_teardown),
          cmocka_unit_test_setup_teardown(test_watch_comes_again, pair_setup, pair_teardown))
