/* Two transports with their keyrings, as real processes with real sockets: everything a
 * service sees of transport/streams. */

#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/peers.h"
#include "tests/support/streams.h"
#include "tests/support/test.h"

#define SEC      NSEC_PER_SEC
#define PROTOCOL "/test/move/1"
#define CONFIG   "idle-timeout = 2s\nkeep-alive = 500ms\ndial-timeout = 1s\n"
#define MIB      (UINT64_C(1) << 20)

struct side {
        struct test_node *node;
        struct peers_client peers;
        struct streams_client streams;
        struct peer_id id;
        char address[256];
};

struct pair {
        struct loop *loop;
        struct side a, b;
};

/* A transport that has just been started answers once keyring has; the link may still be
 * that to the one before. */
static void learn(struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r = NULL;

        for (int i = 0; i < 10 && !r; i++)
                r = peers_call(&s->peers, "Status", &in, 10 * SEC);
        assert_non_null(r);
        assert_true(peer_id_parse(BYTES(r->peer.data, r->peer.len), &s->id));
        assert_int_equal(r->n_listen, 1);
        (void) snprintf(s->address, sizeof(s->address), "%s", r->listen[0]);
}

static void side_init(struct pair *p, struct side *s) {
        s->node = test_node_new(CONFIG);
        peers_client_init(&s->peers, p->loop, test_node_path(s->node, "transport/peers"));
        streams_client_init(&s->streams, p->loop, test_node_path(s->node, "transport/streams"));
        learn(s);
}

static void side_done(struct side *s) {
        streams_client_done(&s->streams);
        peers_client_done(&s->peers);
        test_node_free(s->node);
}

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        side_init(p, &p->a);
        side_init(p, &p->b);
        assert_int_equal(streams_client_serve(&p->b.streams, PROTOCOL), 0);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        struct pair *p = *state;

        side_done(&p->a);
        side_done(&p->b);
        loop_free(p->loop);
        free(p);
        return 0;
}

static struct test_stream *open_stream(struct pair *p) {
        return streams_client_open(&p->a.streams, &p->b.id, PROTOCOL, p->b.address);
}

static struct test_stream *latest(struct side *s) {
        assert_true(s->streams.n_streams > 0);
        return &s->streams.streams[s->streams.n_streams - 1];
}

/* a's stream to b, open at both ends; the serving one is b's latest. Each end hears of it from
 * its own transport, in any order. */
static struct test_stream *open_both(struct pair *p) {
        size_t before = p->b.streams.n_streams;
        struct test_stream *s = open_stream(p);
        nsec_t end = nsec_add(loop_now(p->loop), 10 * SEC);

        assert_true(streams_wait(p->loop, &s->is_accepted, 10 * SEC));
        while (p->b.streams.n_streams == before && loop_now(p->loop) < end)
                assert_true(loop_turn(p->loop, SEC) >= 0);
        assert_int_equal(p->b.streams.n_streams, before + 1);
        return s;
}

/* Starts the test with fresh lists, since ends stay in them. */
static void forget(struct pair *p) {
        for (size_t i = 0; i < p->a.streams.n_streams; i++)
                assert_null(p->a.streams.streams[i].channel);
        for (size_t i = 0; i < p->b.streams.n_streams; i++)
                assert_null(p->b.streams.streams[i].channel);
        p->a.streams.n_streams = p->b.streams.n_streams = 0;
        memset(&p->b.streams.defaults, 0, sizeof(p->b.streams.defaults));
}

static void test_both_ways_and_finish(void **state) {
        struct pair *p = *state;
        struct test_stream *s;

        p->b.streams.defaults.to_send = 1000;
        p->b.streams.defaults.wants_finish = true;
        s = open_stream(p);
        test_stream_send(s, 100000, true);
        assert_true(streams_wait(p->loop, &s->has_ended, 10 * SEC));
        assert_int_equal(s->code, 0);
        assert_string_equal(s->protocol, PROTOCOL);
        assert_int_equal(s->received, 1000);
        assert_false(s->is_wrong);
        assert_true(streams_wait(p->loop, &latest(&p->b)->has_ended, 10 * SEC));
        assert_int_equal(latest(&p->b)->received, 100000);
        assert_false(latest(&p->b)->is_wrong);
        assert_string_equal(latest(&p->b)->protocol, PROTOCOL);
        forget(p);
}

static void report(const struct pair *p, const char *what, uint64_t bytes, nsec_t took) {
        print_message("# %s: %.0f MB/s; resident now/peak KiB: a %ld/%ld, b %ld/%ld\n", what,
                      (double) bytes * 1e3 / (double) took, test_node_rss(p->a.node, false),
                      test_node_rss(p->a.node, true), test_node_rss(p->b.node, false),
                      test_node_rss(p->b.node, true));
}

/* QUORATE_TEST_MIB: how much each way. */
static uint64_t amount(void) {
        const char *text = getenv("QUORATE_TEST_MIB");

        return (text ? strtoull(text, NULL, 10) : getenv("QUORATE_SANITIZED") ? 32 : 256) * MIB;
}

static void test_much_in_flat_memory(void **state) {
        uint64_t n = amount();
        struct pair *p = *state;
        struct test_stream *s;
        nsec_t began;

        s = open_both(p);
        began = loop_now(p->loop);
        test_stream_send(s, n, true);
        assert_true(streams_wait(p->loop, &latest(&p->b)->peer_finished, 120 * SEC));
        assert_int_equal(latest(&p->b)->received, n);
        report(p, "a to b", n, loop_now(p->loop) - began);

        began = loop_now(p->loop);
        test_stream_send(latest(&p->b), n, true);
        assert_true(streams_wait(p->loop, &s->has_ended, 120 * SEC));
        assert_int_equal(s->code, 0);
        assert_int_equal(s->received, n);
        assert_false(s->is_wrong || latest(&p->b)->is_wrong);
        report(p, "b to a", n, loop_now(p->loop) - began);
        assert_true(streams_wait(p->loop, &latest(&p->b)->has_ended, 10 * SEC));
        if (!getenv("QUORATE_SANITIZED")) {
                assert_true(test_node_rss(p->a.node, true) < 64 * 1024);
                assert_true(test_node_rss(p->b.node, true) < 64 * 1024);
        }
        forget(p);
}

static void await_streams_of_b(struct pair *p, size_t n) {
        while (p->b.streams.n_streams < n)
                assert_true(loop_turn(p->loop, SEC) >= 0);
}

static void finish_slow(struct pair *p, struct test_stream *slow, struct test_stream *end) {
        test_stream_release(end);
        assert_true(streams_wait(p->loop, &end->peer_finished, 30 * SEC));
        assert_int_equal(end->received, 64 * MIB);
        assert_false(end->is_wrong);
        test_stream_send(end, 0, true);
        assert_true(streams_wait(p->loop, &slow->has_ended, 10 * SEC));
        assert_int_equal(slow->code, 0);
        assert_true(streams_wait(p->loop, &end->has_ended, 10 * SEC));
}

/* Readers that take nothing: their writers are stopped by credit, nothing is lost, and
 * another stream of the same services still gets through. */
static void test_slow_readers_stop_their_writers_alone(void **state) {
        enum { SLOW = 3 };
        struct test_stream *slow[SLOW], *quick;
        struct pair *p = *state;
        bool never = false;

        p->b.streams.defaults.holds = true;
        for (size_t i = 0; i < SLOW; i++) {
                slow[i] = open_stream(p);
                test_stream_send(slow[i], 64 * MIB, true);
                await_streams_of_b(p, i + 1);
        }
        assert_false(streams_wait(p->loop, &never, SEC));
        for (size_t i = 0; i < SLOW; i++) {
                assert_true(slow[i]->sent < 40 * MIB);
                assert_true(p->b.streams.streams[i].received < 17 * MIB);
        }

        p->b.streams.defaults.holds = false;
        quick = open_stream(p);
        test_stream_send(quick, MIB, true);
        await_streams_of_b(p, SLOW + 1);
        assert_true(streams_wait_count(p->loop, &latest(&p->b)->received, MIB, 10 * SEC));
        test_stream_send(latest(&p->b), 0, true);
        assert_true(streams_wait(p->loop, &quick->has_ended, 10 * SEC));
        for (size_t i = 0; i < SLOW; i++)
                finish_slow(p, slow[i], &p->b.streams.streams[i]);
        if (!getenv("QUORATE_SANITIZED"))
                assert_true(test_node_rss(p->b.node, true) < 64 * 1024);
        forget(p);
}

static void test_resets_cross(void **state) {
        struct pair *p = *state;
        struct test_stream *s = open_both(p);

        test_stream_send(s, 10, false);
        assert_true(streams_wait_count(p->loop, &latest(&p->b)->received, 10, 10 * SEC));
        test_stream_reset(s);
        assert_true(streams_wait(p->loop, &latest(&p->b)->has_ended, 10 * SEC));
        assert_int_equal(latest(&p->b)->code, TRANSPORT__STREAM_ERROR__PEER_RESET);
        assert_string_equal(latest(&p->b)->text, "the peer reset the stream (code 0)");
        forget(p);
}

static void expect_refusal(struct pair *p, struct test_stream *s, uint32_t code, const char *text) {
        assert_true(streams_wait(p->loop, &s->has_ended, 15 * SEC));
        assert_int_equal(s->code, code);
        if (!strstr(s->text, text))
                fail_msg("\"%s\" does not say \"%s\"", s->text, text);
}

static void test_refusals_say_what_was_tried(void **state) {
        struct pair *p = *state;
        struct sign_public nobody = { .bytes = { 7 } };
        struct peer_id id = peer_id_from_ed25519(&nobody);

        expect_refusal(p, streams_client_open(&p->a.streams, &p->b.id, "/no/such/1", p->b.address),
                       TRANSPORT__STREAM_ERROR__NO_PROTOCOL, "/no/such/1");
        expect_refusal(p, streams_client_open(&p->a.streams, &id, PROTOCOL, NULL),
                       TRANSPORT__STREAM_ERROR__NO_ADDRESS, "no address known");
        expect_refusal(p, streams_client_open(&p->a.streams, &id, PROTOCOL, p->b.address),
                       TRANSPORT__STREAM_ERROR__WRONG_PEER, "tried 127.0.0.1:");
        nobody.bytes[0] = 8;
        id = peer_id_from_ed25519(&nobody);
        expect_refusal(
                p,
                streams_client_open(&p->a.streams, &id, PROTOCOL, "/ip4/127.0.0.1/udp/9/quic-v1"),
                TRANSPORT__STREAM_ERROR__UNREACHABLE, "127.0.0.1:9 no answer in 1s");
        expect_refusal(p, streams_client_open(&p->a.streams, &id, PROTOCOL, NULL),
                       TRANSPORT__STREAM_ERROR__BACKING_OFF, "failed lately");
        forget(p);
}

static void test_a_protocol_has_one_server(void **state) {
        struct streams_client other;
        struct pair *p = *state;

        streams_client_init(&other, p->loop, test_node_path(p->b.node, "transport/streams"));
        assert_int_equal(streams_client_serve(&other, PROTOCOL), 1);
        assert_int_equal(streams_client_serve(&other, "/test/other/1"), 0);
        streams_client_done(&other);
}

static void test_streams_per_peer_are_limited(void **state) {
        enum { LIMIT = 32 };
        struct pair *p = *state;
        bool never = false;
        size_t n = 0;

        for (int i = 0; i < LIMIT + 1; i++)
                (void) open_stream(p);
        assert_false(streams_wait(p->loop, &never, SEC));
        for (int i = 0; i < LIMIT + 1; i++)
                n += p->a.streams.streams[i].is_accepted && !p->a.streams.streams[i].has_ended;
        assert_int_equal(n, LIMIT);
        for (int i = 0; i < LIMIT + 1; i++)
                if (p->a.streams.streams[i].channel)
                        test_stream_reset(&p->a.streams.streams[i]);
        for (size_t i = 0; i < p->b.streams.n_streams; i++)
                assert_true(streams_wait(p->loop, &p->b.streams.streams[i].has_ended, 5 * SEC));
        /* They count until both sides know that they are over. */
        assert_false(streams_wait(p->loop, &never, SEC / 2));
        forget(p);
}

/* The peer dies without a word: silence ends the stream, and its new life is found. */
static void test_peer_killed(void **state) {
        struct pair *p = *state;
        struct test_stream *s = open_both(p);
        char old[sizeof(p->b.address)];
        nsec_t began;

        test_stream_send(s, 10, false);
        test_node_kill_transport(p->b.node);
        began = loop_now(p->loop);
        assert_true(streams_wait(p->loop, &s->has_ended, 10 * SEC));
        assert_int_equal(s->code, TRANSPORT__STREAM_ERROR__CONNECTION_LOST);
        print_message("# a dead peer is noticed after %.1f s\n",
                      (double) (loop_now(p->loop) - began) / 1e9);
        expect_refusal(p, open_stream(p), TRANSPORT__STREAM_ERROR__UNREACHABLE, "no answer");

        strcpy(old, p->b.address);
        test_node_start_transport(p->b.node);
        learn(&p->b);
        assert_int_equal(streams_client_serve(&p->b.streams, PROTOCOL), 0);
        s = open_both(p);
        test_stream_reset(s);
        assert_string_not_equal(old, p->b.address);
        while (latest(&p->b)->channel)
                assert_true(loop_turn(p->loop, SEC) >= 0);
        forget(p);
}

static bool connects(struct pair *p) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;
        char target[400], id[PEER_ID_TEXT_SIZE];

        (void) snprintf(target, sizeof(target), "%s/p2p/%s", p->b.address,
                        peer_id_text(&p->b.id, id));
        in.target = target;
        return peers_call(&p->a.peers, "Connect", &in, 10 * SEC) != NULL;
}

static void disconnect(struct pair *p) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;

        in.peer = (ProtobufCBinaryData){ p->b.id.len, p->b.id.bytes };
        (void) peers_call(&p->a.peers, "Disconnect", &in, 10 * SEC);
}

static bool is_connected(struct pair *p) {
        const Transport__ListRequest in = { .base = PROTOBUF_C_MESSAGE_INIT(
                                                    &transport__list_request__descriptor) };
        const Transport__ListReply *r = peers_call(&p->a.peers, "List", &in, 10 * SEC);

        assert_non_null(r);
        return r->n_peers > 0;
}

/* Idle connections end after two seconds here, unless somebody needs them. */
static void test_kept_peers_stay(void **state) {
        struct pair *p = *state;
        bool never = false;

        assert_true(connects(p));
        assert_int_equal(streams_client_keep(&p->a.streams, &p->b.id, true), 0);
        assert_false(streams_wait(p->loop, &never, 4 * SEC));
        assert_true(is_connected(p));
        disconnect(p);
        assert_false(streams_wait(p->loop, &never, SEC));
        assert_true(is_connected(p));
        assert_int_equal(streams_client_keep(&p->a.streams, &p->b.id, false), 0);
        assert_false(streams_wait(p->loop, &never, 4 * SEC));
        assert_false(is_connected(p));
}

/* A new keyring has new TLS keys: at most one handshake fails for it. */
static void test_keyring_restarted(void **state) {
        struct pair *p = *state;

        assert_true(connects(p));
        test_node_restart_keyring(p->b.node);
        disconnect(p);
        (void) connects(p);
        disconnect(p);
        assert_true(connects(p));
}

/* A restarted node finds its peers by id alone. */
static void test_addresses_survive(void **state) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;
        char id[PEER_ID_TEXT_SIZE], before[sizeof(((struct side *) 0)->address)];
        const Transport__ConnectReply *r;
        struct pair *p = *state;

        assert_true(connects(p));
        strcpy(before, p->a.address);
        test_node_stop_transport(p->a.node);
        test_node_start_transport(p->a.node);
        learn(&p->a);
        assert_string_not_equal(before, p->a.address);
        assert_false(is_connected(p));
        in.target = peer_id_text(&p->b.id, id);
        r = peers_call(&p->a.peers, "Connect", &in, 10 * SEC);
        assert_non_null(r);
        assert_string_equal(r->address, p->b.address);
        while (streams_client_serve(&p->a.streams, NULL)) /* until that link is up again, too */
                continue;
}

/* Stopped on purpose, the peer says goodbye: no silence is waited for. */
static void test_peer_stopped(void **state) {
        struct pair *p = *state;
        struct test_stream *s = open_both(p);
        nsec_t began;

        began = loop_now(p->loop);
        test_node_stop_transport(p->b.node);
        assert_true(streams_wait(p->loop, &s->has_ended, 10 * SEC));
        assert_int_equal(s->code, TRANSPORT__STREAM_ERROR__CONNECTION_LOST);
        assert_true(loop_now(p->loop) - began < SEC);
        while (latest(&p->b)->channel)
                assert_true(loop_turn(p->loop, SEC) >= 0);
        forget(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_ways_and_finish),
                cmocka_unit_test(test_much_in_flat_memory),
                cmocka_unit_test(test_slow_readers_stop_their_writers_alone),
                cmocka_unit_test(test_resets_cross),
                cmocka_unit_test(test_refusals_say_what_was_tried),
                cmocka_unit_test(test_a_protocol_has_one_server),
                cmocka_unit_test(test_streams_per_peer_are_limited),
                cmocka_unit_test(test_peer_killed),
                cmocka_unit_test(test_kept_peers_stay),
                cmocka_unit_test(test_keyring_restarted),
                cmocka_unit_test(test_addresses_survive),
                cmocka_unit_test(test_peer_stopped),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        cmocka_set_test_filter(getenv("QUORATE_TEST_FILTER"));
        return cmocka_run_group_tests(tests, setup, teardown);
}
