/* What transport costs on the wire, measured on real nodes: the constants that the simulator
 * charges (services/sim/costs.h) are those of the real service, within 15 %. */

#include <math.h>
#include <stdlib.h>

#include "common/daemon/service.h"
#include "common/streams/exchange.h"
#include "services/sim/costs.h"
#include "tests/support/side.h"
#include "tests/support/test.h"

#define SEC         NSEC_PER_SEC
#define MS          NSEC_PER_MSEC
#define CONFIG      "" /* idle and keep-alive times are those of the real service */
#define KAD         "/quorate/kad/1.0.0"
#define MESH        "/meshsub/1.2.0"
#define FRAME_MAX   (64 * 1024)
#define TOLERANCE   0.15
#define QUIET       SEC       /* after it nothing is on its way, and no sign of life was due */
#define PAUSE       (60 * MS) /* the same within a chat: acknowledgements wait 25 ms at most */
#define QUESTION    40
#define ANSWER      40
#define LARGE       (48 * 1024)
#define MESSAGE     100
#define REPETITIONS 21
#define SIGNS       3

/* A node with the protocols of all services. */
struct whole {
        struct side side;
        struct service_context ctx;
        struct streams *streams;
        struct exchange *exchange;
        size_t answer_len;
        struct framed *mesh; /* ours to the other */
        bool is_open, is_done;
        unsigned n_messages;
};

struct bench {
        struct loop *loop;
        struct whole a, b;       /* what is measured */
        struct side idle, other; /* meanwhile these two do nothing */
        nsec_t idle_since;
};

/* ---- A whole node's streams ---- */

static void *on_inbound(void *userdata, size_t protocol, const struct framed_remote *remote) {
        struct whole *w = userdata;

        return protocol == 0 ? exchange_inbound(w->exchange, protocol, remote) : w;
}

static void on_accepted(void *userdata, void *stream, struct framed *f) {
        if (framed_handler_of(f) == &exchange_serving)
                exchange_accepted(((struct whole *) userdata)->exchange, stream, f);
}

static void on_withdrawn(void *userdata, size_t protocol, void *stream) {
        if (protocol == 0)
                exchange_withdrawn(((struct whole *) userdata)->exchange, stream);
}

static void on_self(void *userdata, const Transport__SelfReply *self) {
}

static const struct streams_events streams_events = { .on_inbound = on_inbound,
                                                      .on_accepted = on_accepted,
                                                      .on_withdrawn = on_withdrawn,
                                                      .on_self = on_self };

static void on_done(void *userdata, uint64_t id, enum exchange_result result,
                    const struct framed_remote *remote, struct bytes answer) {
        assert_int_equal(result, EXCHANGE_OK);
        ((struct whole *) userdata)->is_done = true;
}

static void on_question(void *userdata, uint64_t question, size_t protocol,
                        const struct framed_remote *remote, struct bytes frame) {
        static const uint8_t answer[LARGE];
        struct whole *w = userdata;

        exchange_answer(w->exchange, question, BYTES(answer, w->answer_len));
}

static void on_gone(void *userdata, uint64_t question) {
}

static const struct places_limits limits = { .bytes = 1 << 20,
                                             .bytes_per_group = 1 << 20,
                                             .bytes_per_peer = 1 << 20,
                                             .first = 5 * NSEC_PER_SEC,
                                             .idle = 60 * NSEC_PER_SEC,
                                             .frame = 15 * NSEC_PER_SEC };
static const struct exchange_events exchange_events = { .on_done = on_done,
                                                        .on_question = on_question,
                                                        .on_gone = on_gone };

static void mesh_open(struct framed *f, void *userdata, const char *protocol,
                      const struct framed_remote *remote) {
        ((struct whole *) userdata)->is_open = true;
}

static void mesh_frame(struct framed *f, void *userdata, struct bytes frame) {
        ((struct whole *) userdata)->n_messages++;
}

static void mesh_end(struct framed *f, void *userdata, uint32_t code, const char *text) {
        ((struct whole *) userdata)->mesh = NULL;
}

static const struct framed_handler mesh = { .on_open = mesh_open,
                                            .on_frame = mesh_frame,
                                            .on_end = mesh_end };

static void serve(struct whole *w) {
        static const struct streams_protocol protocols[] = {
                { KAD, 0, FRAME_MAX, &exchange_serving },
                { "/quorate/record/1", 0, FRAME_MAX, &mesh },
                { MESH, 0, FRAME_MAX, &mesh },
                { "/meshsub/1.1.0", 0, FRAME_MAX, &mesh },
                { "/quorate/peers/1", 0, FRAME_MAX, &mesh },
                { "/quorate/job/1", 0, FRAME_MAX, &mesh },
                { "/quorate/data/1", 0, FRAME_MAX, &mesh },
        };

        streams_serve(w->streams, protocols, ELEMENTSOF(protocols));
}

static void whole_init(struct whole *w, struct loop *loop) {
        side_init(&w->side, loop, CONFIG);
        w->ctx = (struct service_context){ .name = "dht",
                                           .loop = loop,
                                           .runtime = w->side.node->folder };
        assert_int_equal(streams_new(&w->ctx, &limits, &streams_events, w, &w->streams), 0);
        w->exchange = exchange_new(loop, w->streams, &exchange_events, w);
        serve(w);
}

static void whole_done(struct whole *w) {
        w->exchange = exchange_free(w->exchange);
        w->streams = streams_free(w->streams);
        side_done(&w->side);
}

/* ---- Measuring ---- */

static void turn(struct bench *b, nsec_t duration) {
        bool never = false;

        (void) streams_wait(b->loop, &never, duration);
}

struct traffic {
        double a, b; /* bytes sent */
};

static struct traffic traffic(struct bench *b) {
        return (struct traffic){ side_metric(&b->a.side, "quic_bytes_out"),
                                 side_metric(&b->b.side, "quic_bytes_out") };
}

static struct traffic traffic_since(struct bench *b, struct traffic before) {
        struct traffic now = traffic(b);

        return (struct traffic){ now.a - before.a, now.b - before.b };
}

static double sum(struct traffic t) {
        return t.a + t.b;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

/* A slow machine splits what travels together elsewhere: now and then, not mostly. */
static double median(double *list, size_t n) {
        qsort(list, n, sizeof(*list), by_value);
        return list[n / 2];
}

static void expect(const char *what, double measured, double constant) {
        print_message("# %s: %.0f, charged %.0f\n", what, measured, constant);
        assert_true(fabs(measured - constant) <= TOLERANCE * constant);
}

static void connect(struct side *from, const struct side *to) {
        char target[400], id[PEER_ID_TEXT_SIZE];

        (void) snprintf(target, sizeof(target), "%s/p2p/%s", to->address,
                        peer_id_text(&to->id, id));
        assert_true(side_connect(from, target));
}

static int setup(void **state) {
        struct bench *b = xnew(struct bench);

        assert_int_equal(loop_new(&b->loop), 0);
        side_init(&b->idle, b->loop, CONFIG);
        side_init(&b->other, b->loop, CONFIG);
        whole_init(&b->a, b->loop);
        whole_init(&b->b, b->loop);
        turn(b, 3 * SEC); /* what is said of addresses and protocols is settled */
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        whole_done(&b->a);
        whole_done(&b->b);
        side_done(&b->idle);
        side_done(&b->other);
        loop_free(b->loop);
        free(b);
        return 0;
}

static void test_handshake(void **state) {
        struct bench *b = *state;
        struct traffic t = traffic(b);

        connect(&b->a.side, &b->b.side);
        turn(b, 2 * SEC);
        t = traffic_since(b, t);
        expect("handshake, sent by the dialler", t.a, SIM_COST_HANDSHAKE_OUT);
        expect("handshake, sent by the listener", t.b, SIM_COST_HANDSHAKE_IN);
}

/* ---- Questions ---- */

static void ask(struct bench *b) {
        static const uint8_t question[QUESTION];
        static uint64_t id;
        const struct exchange_ask in = { .id = ++id,
                                         .peer = b->b.side.id,
                                         .protocol = KAD,
                                         .frame = BYTES_OF(question),
                                         .answer_max = FRAME_MAX,
                                         .timeout = 5 * SEC,
                                         .wants_answer = true };

        b->a.is_done = false;
        exchange_begin(b->a.exchange, &in);
        assert_true(streams_wait(b->loop, &b->a.is_done, 10 * SEC));
}

static double cost_of_questions(struct bench *b, size_t answer_len) {
        double costs[REPETITIONS];

        b->b.answer_len = answer_len;
        ask(b);
        turn(b, QUIET); /* what only the first one brings */
        for (unsigned i = 0; i < REPETITIONS; i++) {
                struct traffic t = traffic(b);

                ask(b);
                turn(b, PAUSE);
                costs[i] = sum(traffic_since(b, t)) - QUESTION - (double) answer_len;
        }
        return median(costs, REPETITIONS);
}

static void test_request(void **state) {
        expect("request", cost_of_questions(*state, ANSWER), SIM_COST_REQUEST);
}

static void test_large_answer(void **state) {
        double cost = cost_of_questions(*state, LARGE) - SIM_COST_REQUEST;

        expect("per 1,000 bytes", cost * 1000 / LARGE, SIM_COST_BYTE_PERMILLE);
}

/* ---- A stream that stays ---- */

static void test_stream(void **state) {
        static const char *const protocol = MESH;
        struct bench *b = *state;
        const struct framed_open open = { .peer = b->b.side.id,
                                          .protocols = &protocol,
                                          .n_protocols = 1,
                                          .frame_max = FRAME_MAX,
                                          .timeout = 5 * SEC };
        struct traffic t = traffic(b);

        b->a.mesh = streams_open(b->a.streams, &open, &mesh, &b->a);
        assert_non_null(b->a.mesh);
        assert_true(streams_wait(b->loop, &b->a.is_open, 10 * SEC));
        turn(b, QUIET);
        expect("opening a stream", sum(traffic_since(b, t)), SIM_COST_STREAM_OPEN);
}

static void test_message(void **state) {
        static const uint8_t message[MESSAGE];
        struct bench *b = *state;
        double costs[REPETITIONS];

        connect(&b->idle, &b->other); /* for test_idle() */
        b->idle_since = loop_now(b->loop);
        for (unsigned i = 0; i < REPETITIONS; i++) {
                struct traffic t = traffic(b);

                framed_send(b->a.mesh, BYTES_OF(message));
                turn(b, PAUSE);
                costs[i] = sum(traffic_since(b, t)) - MESSAGE;
        }
        assert_int_equal(b->b.n_messages, REPETITIONS);
        expect("message", median(costs, REPETITIONS), SIM_COST_MESSAGE);
}

/* Until the next sign of life has passed; when that was. */
static nsec_t await_traffic(struct bench *b) {
        double before = sum(traffic(b));
        nsec_t end = loop_now(b->loop) + 2 * SIM_KEEPALIVE_INTERVAL, began;

        do
                turn(b, 50 * MS);
        while (sum(traffic(b)) <= before && loop_now(b->loop) < end);
        began = loop_now(b->loop);
        turn(b, 500 * MS);
        return began;
}

static void test_keep_alive(void **state) {
        struct bench *b = *state;
        nsec_t began = await_traffic(b), ended = 0;
        double costs[SIGNS];

        for (unsigned i = 0; i < SIGNS; i++) {
                struct traffic t = traffic(b);

                ended = await_traffic(b);
                costs[i] = sum(traffic_since(b, t));
        }
        expect("sign of life", median(costs, SIGNS), SIM_COST_KEEPALIVE);
        expect("its interval, in ms", (double) (ended - began) / SIGNS / MS,
               (double) SIM_KEEPALIVE_INTERVAL / MS);
}

/* ---- The end ---- */

static bool is_connected(struct side *s) {
        const Transport__StatusReply *r = side_status(s);

        assert_non_null(r);
        return r->connections > 0;
}

static void test_close(void **state) {
        struct bench *b = *state;
        struct traffic t = traffic(b);

        side_disconnect(&b->a.side, &b->b.side);
        turn(b, QUIET);
        expect("closing", sum(traffic_since(b, t)), SIM_COST_CLOSE);
        assert_false(is_connected(&b->a.side));
        assert_null(b->a.mesh);
}

static void test_dial_dead(void **state) {
        struct bench *b = *state;
        struct traffic t = traffic(b);

        assert_false(side_connect(&b->a.side, "/ip4/127.0.0.1/udp/9/quic-v1"));
        expect("a dial that nobody answers", traffic_since(b, t).a, SIM_COST_DIAL_DEAD);
}

static void test_idle(void **state) {
        struct bench *b = *state;
        nsec_t end = b->idle_since + 2 * SIM_IDLE_TIMEOUT;
        double before = side_metric(&b->idle, "quic_bytes_out");

        assert_true(is_connected(&b->idle));
        while (is_connected(&b->idle) && loop_now(b->loop) < end)
                turn(b, 100 * MS);
        expect("idle connections end, in ms", (double) (loop_now(b->loop) - b->idle_since) / MS,
               (double) SIM_IDLE_TIMEOUT / MS);
        assert_true(side_metric(&b->idle, "quic_bytes_out") - before == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_handshake),    cmocka_unit_test(test_request),
                cmocka_unit_test(test_large_answer), cmocka_unit_test(test_stream),
                cmocka_unit_test(test_message),      cmocka_unit_test(test_idle),
                cmocka_unit_test(test_keep_alive),   cmocka_unit_test(test_close),
                cmocka_unit_test(test_dial_dead),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, setup, teardown);
}
