/* common/streams against two real nodes: a question and its answer in each of the ways it can
 * end, and what a service is told when transport is killed, or takes its channel "watch" away. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "common/daemon/service.h"
#include "common/streams/exchange.h"
#include "tests/support/node.h"
#include "tests/support/test.h"

#define SEC      NSEC_PER_SEC
#define MS       NSEC_PER_MSEC
#define CONFIG   "dial-timeout = 1s\nidle-timeout = 3s\n"
#define PROTOCOL "/test/exchange/1"
#define IDLE     "/test/idle/1" /* its streams keep no connection alive */
#define FRAME    4096
#define PEERS    8

enum { ANSWERS, REFUSES, IS_SILENT, ANSWERS_TOO_MUCH };

/* A service of one node, as gossip is one. */
struct service_side {
        struct test_node *node;
        struct service_context ctx;
        struct streams *streams;
        struct exchange *exchange;
        int manner;
        uint64_t n_up, n_down, n_self, n_gone, n_news;
        struct peer_id id, connected[PEERS];
        struct multiaddr address; /* the first one it listens on */
        size_t n_connected;
        /* the latest question of ours */
        bool is_done;
        enum exchange_result result;
        char answer[64];
};

struct pair {
        struct loop *loop;
        struct service_side a, b;
};

static void *on_inbound(void *userdata, size_t protocol, const struct framed_remote *remote) {
        if (protocol > 0)
                return userdata;
        return exchange_inbound(((struct service_side *) userdata)->exchange, protocol, remote);
}

static void on_accepted(void *userdata, void *stream, struct framed *f) {
        if (stream != userdata)
                exchange_accepted(((struct service_side *) userdata)->exchange, stream, f);
}

static void on_withdrawn(void *userdata, size_t protocol, void *stream) {
        if (protocol == 0)
                exchange_withdrawn(((struct service_side *) userdata)->exchange, stream);
}

static size_t place_of(const struct service_side *s, const struct peer_id *peer) {
        size_t i = 0;

        while (i < s->n_connected && !peer_id_equal(&s->connected[i], peer))
                i++;
        return i;
}

static void on_peer(void *userdata, const Transport__PeerChange *in) {
        struct service_side *s = userdata;
        struct peer_id peer;
        size_t at;

        assert_true(peer_id_parse(BYTES(in->peer.data, in->peer.len), &peer));
        at = place_of(s, &peer);
        s->n_news++;
        if (in->connected && at == s->n_connected) {
                assert_true(at < PEERS);
                s->connected[s->n_connected++] = peer;
        } else if (!in->connected && at < s->n_connected) {
                s->connected[at] = s->connected[--s->n_connected];
        }
}

static void on_self(void *userdata, const Transport__SelfReply *self) {
        struct service_side *s = userdata;

        assert_true(peer_id_parse(BYTES(self->peer.data, self->peer.len), &s->id));
        if (self->n_listen > 0 && multiaddr_parse(BYTES(self->listen[0].data, self->listen[0].len),
                                                  &s->address) == MULTIADDR_OK)
                s->n_self++;
}

static void on_up(void *userdata) {
        struct service_side *s = userdata;

        s->n_up++;
        exchange_up(s->exchange);
}

static void on_down(void *userdata) {
        struct service_side *s = userdata;

        s->n_down++;
        s->n_connected = 0;
}

static const struct streams_events streams_events = { .on_inbound = on_inbound,
                                                      .on_accepted = on_accepted,
                                                      .on_withdrawn = on_withdrawn,
                                                      .on_peer = on_peer,
                                                      .on_self = on_self,
                                                      .on_up = on_up,
                                                      .on_down = on_down };

static void on_done(void *userdata, uint64_t id, enum exchange_result result,
                    const struct framed_remote *remote, struct bytes answer) {
        struct service_side *s = userdata;

        s->is_done = true;
        s->result = result;
        (void) snprintf(s->answer, sizeof(s->answer), "%.*s", (int) answer.len,
                        (const char *) answer.data);
}

static void on_question(void *userdata, uint64_t question, size_t protocol,
                        const struct framed_remote *remote, struct bytes frame) {
        static const uint8_t big[FRAME + 1];
        struct service_side *s = userdata;

        if (s->manner == ANSWERS)
                exchange_answer(s->exchange, question, frame);
        else if (s->manner == ANSWERS_TOO_MUCH)
                exchange_answer(s->exchange, question, BYTES_OF(big));
        else if (s->manner == REFUSES)
                exchange_refuse(s->exchange, question);
}

/* A core that hears of it may carry out at once what it had to do, for that question as well. */
static void on_gone(void *userdata, uint64_t question) {
        struct service_side *s = userdata;

        s->n_gone++;
        exchange_refuse(s->exchange, question);
}

static const struct exchange_events exchange_events = { .on_done = on_done,
                                                        .on_question = on_question,
                                                        .on_gone = on_gone };

static bool wait_for(struct loop *loop, const uint64_t *count, uint64_t least, nsec_t timeout) {
        nsec_t end = nsec_add(loop_now(loop), timeout);

        while (*count < least && loop_now(loop) < end)
                assert_true(loop_turn(loop, 20 * MS) >= 0);
        return *count >= least;
}

static void turn(struct loop *loop, nsec_t duration) {
        const uint64_t never = 0;

        (void) wait_for(loop, &never, 1, duration);
}

/* exchange_serving, and how often a peer said that it asks no more. */
static struct framed_handler serving;
static uint64_t n_finished;

static void on_finish(struct framed *f, void *userdata) {
        n_finished++;
        exchange_serving.on_finish(f, userdata);
}

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

static void served_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
}

static const struct framed_handler idle = { .on_open = idle_open,
                                            .on_frame = idle_frame,
                                            .on_end = idle_end };
static const struct framed_handler idle_served = { .on_frame = idle_frame, .on_end = served_end };

static void service_init(struct service_side *s, struct loop *loop) {
        const struct streams_protocol protocols[] = {
                { PROTOCOL, 4, FRAME, &serving },
                { IDLE, 4, FRAME, &idle_served, .is_idle = true },
        };

        serving = exchange_serving;
        serving.on_finish = on_finish;
        s->ctx = (struct service_context){ .name = "gossip",
                                           .loop = loop,
                                           .runtime = s->node->folder };
        assert_int_equal(streams_new(&s->ctx, &streams_events, s, &s->streams), 0);
        s->exchange = exchange_new(loop, s->streams, &exchange_events, s, 16);
        streams_serve(s->streams, protocols, ELEMENTSOF(protocols));
        assert_true(wait_for(loop, &s->n_self, 1, 10 * SEC));
}

static void service_done(struct service_side *s) {
        s->exchange = exchange_free(s->exchange);
        s->streams = streams_free(s->streams);
}

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        p->a.node = test_node_new(CONFIG);
        p->b.node = test_node_new(CONFIG);
        service_init(&p->a, p->loop);
        service_init(&p->b, p->loop);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        struct pair *p = *state;

        service_done(&p->a);
        service_done(&p->b);
        test_node_free(p->a.node);
        test_node_free(p->b.node);
        loop_free(p->loop);
        free(p);
        return 0;
}

static bool ends_late;

static uint64_t begin(struct pair *p, const char *protocol, bool wants_answer) {
        static uint64_t id;
        const struct exchange_ask question = { .id = ++id,
                                               .peer = p->b.id,
                                               .addresses = &p->b.address,
                                               .n_addresses = 1,
                                               .protocol = protocol,
                                               .frame = BYTES_LIT("how late is it?"),
                                               .answer_max = FRAME,
                                               .timeout = 2 * SEC,
                                               .wants_answer = wants_answer,
                                               .ends_late = ends_late };

        p->a.is_done = false;
        exchange_begin(p->a.exchange, &question);
        assert_false(p->a.is_done); /* never inside the call */
        return id;
}

/* a asks b; what came of it. */
static enum exchange_result ask(struct pair *p, const char *protocol, bool wants_answer) {
        nsec_t end = nsec_add(loop_now(p->loop), 6 * SEC);

        begin(p, protocol, wants_answer);
        while (!p->a.is_done && loop_now(p->loop) < end)
                assert_true(loop_turn(p->loop, 20 * MS) >= 0);
        assert_true(p->a.is_done);
        assert_int_equal(exchange_open(p->a.exchange), 0);
        return p->a.result;
}

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

        n_finished = 0;
        p->b.manner = IS_SILENT;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_TIMEOUT);
        assert_int_equal(n_finished, 1);
        n_finished = 0;
        ends_late = true;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_E_TIMEOUT);
        assert_int_equal(n_finished, 0);
        p->b.manner = ANSWERS;
        assert_int_equal(ask(p, PROTOCOL, true), EXCHANGE_OK);
        assert_true(wait_for(p->loop, &n_finished, 1, 5 * SEC));
        assert_int_equal(ask(p, PROTOCOL, false), EXCHANGE_OK);
        assert_true(wait_for(p->loop, &n_finished, 2, 5 * SEC)); /* no answer: at once */
        ends_late = false;
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

TEST_MAIN(cmocka_unit_test_setup_teardown(test_ends_of_a_question, setup, teardown),
          cmocka_unit_test_setup_teardown(test_a_question_may_end_late, setup, teardown),
          cmocka_unit_test_setup_teardown(test_idle_streams_keep_nothing, setup, teardown),
          cmocka_unit_test_setup_teardown(test_transport_is_killed, setup, teardown),
          cmocka_unit_test_setup_teardown(test_transport_is_away, setup, teardown),
          cmocka_unit_test_setup_teardown(test_watch_comes_again, setup, teardown))
