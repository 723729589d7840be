#include "services/sim/costs.h"
#include "tests/support/test.h"
#include "tests/unit/sim/quiet.h"

/* The transport model: what is charged adds up, and connections end as they should. */

#define SECOND NSEC_PER_SEC

static struct network net;
static struct node *a, *b;

static int begin(void **state) {
        struct sim_settings settings = sim_settings_default;

        settings.loss = 0;
        memset(quiet_counts, 0, sizeof(quiet_counts));
        network_init(&net, &settings);
        a = node_new(&net, &quiet, UINT32_MAX);
        b = node_new(&net, &quiet, UINT32_MAX);
        node_start(a, NULL, 0);
        node_start(b, NULL, 0);
        return 0;
}

static int finish(void **state) {
        network_done(&net);
        return 0;
}

static void run(nsec_t time) {
        network_run(&net, net.now + time);
}

static void ask(struct node *from, struct node *to, size_t len, bool wants_answer) {
        struct refbuf *data = refbuf_alloc(len);

        memset(data->data, 0, len);
        links_ask(&net, from,
                  &(struct sim_ask){
                          .wants_answer = wants_answer, .id = 7, .to = &to->peer, .data = data });
        refbuf_unref(data);
}

static uint64_t total(void) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < _PARTS; i++)
                sum += net.traffic.bytes[i];
        return sum;
}

static void a_request_costs_what_it_costs(void **state) {
        const uint64_t request = 1000 + 1000 + SIM_COST_REQUEST + 2 * SIM_COST_BYTE_PERMILLE;

        ask(a, b, 1000, true);
        run(2 * SECOND);
        assert_int_equal(quiet_counts[b->slot].asked, 1);
        assert_int_equal(quiet_counts[a->slot].answered, 1);
        assert_int_equal(quiet_counts[a->slot].up + quiet_counts[b->slot].up, 2);
        assert_int_equal(net.traffic.bytes[PART_HANDSHAKE],
                         2 * (SIM_COST_HANDSHAKE_OUT + SIM_COST_HANDSHAKE_IN));
        assert_int_equal(total(), net.traffic.bytes[PART_HANDSHAKE] + 2 * request);
        assert_int_equal(a->bytes + b->bytes, total());
        assert_int_equal(a->bytes, b->bytes);
        ask(b, a, 1000, true); /* no second handshake */
        run(2 * SECOND);
        assert_int_equal(quiet_counts[b->slot].answered, 1);
        assert_int_equal(total(), net.traffic.bytes[PART_HANDSHAKE] + 4 * request);
}

static void what_people_ask_is_apart(void **state) {
        struct refbuf *data = refbuf_new(BYTES_LIT("question"));

        links_ask(&net, a,
                  &(struct sim_ask){ .purpose = PURPOSE_USER,
                                     .wants_answer = true,
                                     .to = &b->peer,
                                     .data = data });
        run(2 * SECOND);
        assert_int_equal(total(), net.traffic.bytes[PART_USER]);
        assert_int_equal(a->bytes, 0);
        refbuf_unref(data);
}

static void idle_connections_end(void **state) {
        ask(a, b, 100, true);
        run(SIM_IDLE_TIMEOUT);
        assert_int_equal(quiet_counts[a->slot].down, 0);
        run(SIM_IDLE_TIMEOUT / 10);
        assert_int_equal(quiet_counts[a->slot].down + quiet_counts[b->slot].down, 2);
        assert_int_equal(net.n_links, 0);
        assert_int_equal(a->n_links + b->n_links, 0);
        assert_int_equal(net.traffic.bytes[PART_KEEPALIVE], 0);
}

static void kept_connections_cost_signs_of_life(void **state) {
        ask(a, b, 100, true);
        run(SECOND);
        links_keep(&net, a, &b->peer, true);
        run(600 * SECOND);
        assert_int_equal(quiet_counts[a->slot].down, 0);
        links_keep(&net, a, &b->peer, false);
        assert_in_range(net.traffic.bytes[PART_KEEPALIVE], 2 * 55 * SIM_COST_KEEPALIVE,
                        2 * 60 * SIM_COST_KEEPALIVE);
        run(2 * SIM_IDLE_TIMEOUT);
        assert_int_equal(quiet_counts[a->slot].down, 1);
}

static void streams_carry_in_order_and_keep_nothing_alive(void **state) {
        struct refbuf *data = refbuf_new(BYTES_LIT("rpc"));

        links_send(&net, a, &b->peer, data); /* without a stream: nothing */
        ask(a, b, 100, true);
        run(SECOND);
        links_stream_open(&net, a, &b->peer);
        run(SECOND);
        assert_int_equal(quiet_counts[a->slot].opened, 1);
        for (unsigned i = 0; i < 100; i++)
                links_send(&net, a, &b->peer, data);
        run(SIM_IDLE_TIMEOUT - SECOND);
        assert_int_equal(quiet_counts[b->slot].rpcs, 100);
        assert_int_equal(net.traffic.bytes[PART_GOSSIP],
                         2 * (SIM_COST_STREAM_OPEN + 100 * (data->len + SIM_COST_MESSAGE)));
        assert_int_equal(quiet_counts[a->slot].down, 0);
        run(2 * SECOND);
        assert_int_equal(quiet_counts[a->slot].down, 1);
        assert_int_equal(net.traffic.bytes[PART_KEEPALIVE], 0);
        refbuf_unref(data);
}

static void nobody_answers_for_the_dead(void **state) {
        nsec_t began = net.now;

        node_kill(b);
        run(2 * SECOND);
        ask(a, b, 100, true);
        assert_int_equal(net.traffic.bytes[PART_HANDSHAKE], SIM_COST_DIAL_DEAD);
        run(5 * SECOND);
        assert_int_equal(quiet_counts[a->slot].failed, 1);
        assert_int_equal(quiet_counts[a->slot].why, SIM_UNREACHABLE);
        assert_int_equal(quiet_counts[a->slot].when, began + 4 * SECOND);
}

static void who_is_killed_is_missed_and_who_leaves_says_so(void **state) {
        ask(a, b, 100, true);
        run(10 * SECOND);
        node_kill(b);
        run(2 * SECOND);
        ask(a, b, 100, true); /* into a connection whose other end is dead */
        run(15 * SECOND);
        assert_int_equal(quiet_counts[a->slot].answered, 1);
        assert_int_equal(quiet_counts[a->slot].down, 0);
        run(SIM_IDLE_TIMEOUT);
        assert_int_equal(quiet_counts[a->slot].down, 1);
        node_start(b, NULL, 0);
        ask(a, b, 100, true);
        run(SECOND);
        assert_int_equal(quiet_counts[a->slot].answered, 2);
        node_stop(b);
        run(SECOND);
        assert_int_equal(quiet_counts[a->slot].down, 2);
        assert_int_equal(net.n_links, 0);
}

static void who_comes_back_is_another_connection(void **state) {
        ask(a, b, 100, true);
        run(SECOND);
        node_kill(b);
        run(2 * SECOND);
        node_start(b, NULL, 0);
        ask(a, b, 100, true);
        assert_int_equal(quiet_counts[a->slot].down, 1); /* a stateless reset */
        run(2 * SECOND);
        assert_int_equal(quiet_counts[a->slot].answered, 2);
        assert_int_equal(net.traffic.handshakes[PURPOSE_REFRESH], 2);
}

static void a_split_network_is_two(void **state) {
        a->half = 0;
        b->half = 1;
        ask(a, b, 100, true);
        run(SECOND);
        net.settings.split_at = net.now;
        net.settings.split_for = 100 * SECOND;
        ask(a, b, 100, true);
        run(50 * SECOND);
        assert_int_equal(quiet_counts[a->slot].answered, 1);
        assert_int_equal(quiet_counts[a->slot].down, 1);
        ask(a, b, 100, true);
        run(5 * SECOND);
        assert_int_equal(quiet_counts[a->slot].failed, 1);
        run(50 * SECOND);
        ask(a, b, 100, true);
        run(5 * SECOND);
        assert_int_equal(quiet_counts[a->slot].answered, 2);
}

static void silent_links_swallow_what_is_said(void **state) {
        net.settings.silent = 1;
        ask(a, b, 100, true);
        run(10 * SECOND);
        assert_int_equal(quiet_counts[a->slot].up, 1);
        assert_int_equal(quiet_counts[b->slot].asked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)
TEST_MAIN(TEST(a_request_costs_what_it_costs), TEST(what_people_ask_is_apart),
          TEST(idle_connections_end), TEST(kept_connections_cost_signs_of_life),
          TEST(streams_carry_in_order_and_keep_nothing_alive), TEST(nobody_answers_for_the_dead),
          TEST(who_is_killed_is_missed_and_who_leaves_says_so),
          TEST(who_comes_back_is_another_connection), TEST(a_split_network_is_two),
          TEST(silent_links_swallow_what_is_said))
