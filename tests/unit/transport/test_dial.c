#include "services/transport/dial.h"
#include "tests/support/test.h"

#define MS NSEC_PER_MSEC

static struct multiaddr address(const char *text) {
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static struct peer_id peer_number(uint8_t n) {
        struct sign_public key = { .bytes = { n } };

        return peer_id_from_ed25519(&key);
}

/* A dialer with one request for these addresses under way. */
struct bench {
        struct dialer *d;
        struct multiaddr addrs[8];
        struct dial_request request;
        uint64_t dial;
        nsec_t retry;
};

static int bench_begin(struct bench *b, const char *const *texts, nsec_t now) {
        b->request.n_addrs = 0;
        for (; *texts; texts++)
                b->addrs[b->request.n_addrs++] = address(*texts);
        b->request.addrs = b->addrs;
        b->request.peer = peer_number(1);
        b->request.deadline = now + 10000 * MS;
        return dialer_request(b->d, &b->request, now, &b->dial, &b->retry);
}

static struct dial_order expect_order(struct bench *b, nsec_t now, enum dial_order_kind kind,
                                      const char *to) {
        struct dial_order o;
        char text[ENDPOINT_TEXT_SIZE];

        assert_true(dialer_order(b->d, now, &o));
        assert_int_equal(o.kind, kind);
        if (to)
                assert_string_equal(endpoint_text(&o.to, text), to);
        return o;
}

static void expect_quiet(struct bench *b, nsec_t now) {
        struct dial_order o;

        assert_false(dialer_order(b->d, now, &o));
}

static struct dial_ending expect_end(struct bench *b, enum dial_outcome outcome) {
        struct dial_ending e;

        assert_true(dialer_finished(b->d, &e));
        assert_int_equal(e.outcome, outcome);
        return e;
}

static const char *const mixed[] = { "/ip4/192.0.2.1/udp/1/quic-v1", "/ip4/10.0.0.2/udp/2/quic-v1",
                                     "/ip6/fd00::3/udp/3/quic-v1", "/ip4/10.0.0.4/tcp/4", NULL };
static const char *const single[] = { "/ip4/10.0.0.1/udp/1/quic-v1", NULL };

static void test_families_take_turns_and_attempts_are_staggered(void **state) {
        const char *const addrs[] = { "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.2/udp/2/quic-v1",
                                      "/ip6/fd00::3/udp/3/quic-v1", "/ip4/10.0.0.4/tcp/4", NULL };
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        struct dial_order first, second;
        struct dial_ending e;

        assert_int_equal(bench_begin(&b, addrs, 0), DIAL_OK);
        first = expect_order(&b, 0, DIAL_ORDER_CONNECT, "10.0.0.1:1");
        expect_quiet(&b, 249 * MS);
        assert_int_equal(dialer_deadline(b.d), 250 * MS);
        second = expect_order(&b, 250 * MS, DIAL_ORDER_CONNECT, "[fd00::3]:3");
        expect_quiet(&b, 251 * MS);

        dialer_ended(b.d, first.attempt, DIAL_REFUSED, "would not have us", 300 * MS);
        (void) expect_order(&b, 300 * MS, DIAL_ORDER_CONNECT, "10.0.0.2:2");
        dialer_ended(b.d, second.attempt, DIAL_CONNECTED, "", 400 * MS);
        (void) expect_order(&b, 400 * MS, DIAL_ORDER_CANCEL, NULL);
        expect_quiet(&b, 400 * MS);
        e = expect_end(&b, DIAL_CONNECTED);
        assert_int_equal(e.attempt, second.attempt);
        assert_int_equal(dialer_deadline(b.d), NSEC_NEVER);
        dialer_free(b.d);
}

static void test_silence_rests_longer_each_time(void **state) {
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        struct dial_ending e;
        nsec_t now = 0, pauses[4];

        dialer_set_alive(b.d, 1);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(bench_begin(&b, single, now), DIAL_OK);
                (void) expect_order(&b, now, DIAL_ORDER_CONNECT, "10.0.0.1:1");
                now += 2000 * MS;
                assert_int_equal(dialer_deadline(b.d), now);
                dialer_expire(b.d, now);
                (void) expect_order(&b, now, DIAL_ORDER_CANCEL, NULL);
                e = expect_end(&b, DIAL_NO_ANSWER);
                assert_string_equal(e.tried, "10.0.0.1:1 no answer in 2s");
                assert_int_equal(bench_begin(&b, single, now), DIAL_E_BACKING_OFF);
                pauses[i] = b.retry - now;
                now = b.retry;
        }
        assert_in_range(pauses[0], 375 * MS, 500 * MS);
        assert_in_range(pauses[1], 750 * MS, 1000 * MS);
        assert_in_range(pauses[2], 1500 * MS, 2000 * MS);
        assert_in_range(pauses[3], 3000 * MS, 4000 * MS);

        b.request.force = true;
        assert_int_equal(bench_begin(&b, single, now - 1), DIAL_OK);
        dialer_free(b.d);
}

static void test_a_success_ends_the_rest(void **state) {
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        struct dial_order o;

        assert_int_equal(bench_begin(&b, single, 0), DIAL_OK);
        o = expect_order(&b, 0, DIAL_ORDER_CONNECT, NULL);
        dialer_ended(b.d, o.attempt, DIAL_REFUSED, "busy", 0);
        (void) expect_end(&b, DIAL_REFUSED);
        assert_true(dialer_resting(b.d, &o.to) > 0);
        b.request.force = true;
        assert_int_equal(bench_begin(&b, single, 1), DIAL_OK);
        o = expect_order(&b, 1, DIAL_ORDER_CONNECT, NULL);
        dialer_ended(b.d, o.attempt, DIAL_CONNECTED, "", 2);
        (void) expect_end(&b, DIAL_CONNECTED);
        assert_int_equal(dialer_resting(b.d, &o.to), 0);
        dialer_free(b.d);
}

static void test_requests_for_one_peer_are_joined(void **state) {
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        uint64_t dial;

        assert_int_equal(bench_begin(&b, single, 0), DIAL_OK);
        dial = b.dial;
        (void) expect_order(&b, 0, DIAL_ORDER_CONNECT, "10.0.0.1:1");
        assert_int_equal(bench_begin(&b, mixed, 1), DIAL_OK);
        assert_int_equal(b.dial, dial);
        assert_true(dialer_is_dialling(b.d, &b.request.peer));
        (void) expect_order(&b, 250 * MS, DIAL_ORDER_CONNECT, NULL);
        dialer_free(b.d);
}

/* The peer came to us: what runs may end, nothing more is started. */
static void test_satisfied(void **state) {
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        struct dial_order o;

        assert_int_equal(bench_begin(&b, mixed, 0), DIAL_OK);
        o = expect_order(&b, 0, DIAL_ORDER_CONNECT, NULL);
        dialer_satisfied(b.d, &b.request.peer);
        expect_quiet(&b, 1000 * MS);
        assert_false(dialer_is_dialling(b.d, &b.request.peer));
        dialer_ended(b.d, o.attempt, DIAL_CONNECTED, "", 1000 * MS);
        (void) expect_end(&b, DIAL_CONNECTED);
        dialer_free(b.d);
}

/* With nothing answering anywhere and no connection, rests stop growing. */
static void test_outage_does_not_punish(void **state) {
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        const char *const addrs[] = { "/ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.2/udp/1/quic-v1",
                                      "/ip4/10.0.0.3/udp/1/quic-v1", "/ip4/10.0.0.4/udp/1/quic-v1",
                                      NULL };
        nsec_t now = 0;

        b.request.force = true;
        for (int round = 0; round < 8; round++) {
                struct dial_order o;

                assert_int_equal(bench_begin(&b, addrs, now), DIAL_OK);
                for (int i = 0; i < 4; i++) {
                        o = expect_order(&b, now, DIAL_ORDER_CONNECT, NULL);
                        dialer_ended(b.d, o.attempt, DIAL_NO_ROUTE, "no route", now);
                }
                (void) expect_end(&b, DIAL_NO_ROUTE);
                assert_in_range(dialer_resting(b.d, &o.to), now + 1, now + 1000 * MS);
                now += 1000 * MS;
        }
        dialer_free(b.d);
}

static void test_names(void **state) {
        const char *const addrs[] = { "/dns4/grid.example/udp/4001/quic-v1", NULL };
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };
        uint8_t ip[4] = { 10, 0, 0, 9 };
        struct endpoint found = endpoint_ip4(ip, 4001);
        struct dial_order o;
        struct dial_ending e;

        assert_int_equal(bench_begin(&b, addrs, 0), DIAL_OK);
        o = expect_order(&b, 0, DIAL_ORDER_RESOLVE, NULL);
        dialer_resolved(b.d, o.attempt, &found, 1, 10);
        o = expect_order(&b, 10, DIAL_ORDER_CONNECT, "10.0.0.9:4001");
        dialer_ended(b.d, o.attempt, DIAL_WRONG_PEER, "is somebody else", 20);
        e = expect_end(&b, DIAL_WRONG_PEER);
        assert_string_equal(e.tried, "10.0.0.9:4001 is somebody else");

        b.request.force = true;
        assert_int_equal(bench_begin(&b, addrs, 30), DIAL_OK);
        o = expect_order(&b, 30, DIAL_ORDER_RESOLVE, NULL);
        dialer_resolved(b.d, o.attempt, NULL, 0, 40);
        (void) expect_end(&b, DIAL_NO_NAME);
        dialer_free(b.d);
}

static void test_nothing_dialable(void **state) {
        const char *const addrs[] = { "/ip4/10.0.0.4/tcp/4", NULL };
        struct bench b = { .d = dialer_new(&dialer_config_default, 1) };

        assert_int_equal(bench_begin(&b, addrs, 0), DIAL_E_NO_ADDRESS);
        dialer_free(b.d);
}

TEST_MAIN(cmocka_unit_test(test_families_take_turns_and_attempts_are_staggered),
          cmocka_unit_test(test_silence_rests_longer_each_time),
          cmocka_unit_test(test_a_success_ends_the_rest),
          cmocka_unit_test(test_requests_for_one_peer_are_joined), cmocka_unit_test(test_satisfied),
          cmocka_unit_test(test_outage_does_not_punish), cmocka_unit_test(test_names),
          cmocka_unit_test(test_nothing_dialable))
