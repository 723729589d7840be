#include <errno.h>
#include <poll.h>

#include "services/transport/udp.h"
#include "tests/support/test.h"

#define LINK 7

/* What arrived, put together again. */
struct catch {
        uint8_t data[70000];
        size_t len, n_datagrams, n_trains, segment;
        uint8_t ecn;
        struct path path;
};

static void on_datagrams(void *userdata, const struct datagrams *in) {
        struct catch *c = userdata;
        size_t segment = in->segment ? in->segment : in->len;

        assert_true(c->len + in->len <= sizeof(c->data));
        memcpy(c->data + c->len, in->data, in->len);
        c->len += in->len;
        c->n_datagrams += (in->len + segment - 1) / segment;
        c->n_trains++;
        c->segment = segment;
        c->ecn = in->ecn;
        c->path = in->path;
}

static struct udp *open_at(bool ip6, bool any, const struct udp_options *o) {
        const uint8_t localhost[4] = { 127, 0, 0, 1 }, localhost6[16] = { [15] = 1 }, none[16] = {};
        struct endpoint at = ip6 ? endpoint_ip6(any ? none : localhost6, 0, 0)
                                 : endpoint_ip4(any ? none : localhost, 0);
        struct udp *u = NULL;

        assert_int_equal(udp_new(&at, LINK, o, &u), 0);
        assert_true(udp_bound(u)->port != 0);
        return u;
}

static void receive(struct udp *u, struct catch *c, size_t want) {
        while (c->len < want) {
                struct pollfd p = { udp_fd(u), POLLIN, 0 };

                assert_int_equal(poll(&p, 1, 2000), 1);
                while (udp_receive(u, on_datagrams, c) == UDP_OK)
                        ;
        }
}

/* 20 datagrams of 1200 bytes and one of 77 in a single call, ECT(0). */
static void send_train(bool ip6, const struct udp_options *from, const struct udp_options *to) {
        static struct catch got;
        static uint8_t data[20 * 1200 + 77];
        struct udp *a = open_at(ip6, true, from), *b = open_at(ip6, true, to);
        const uint8_t localhost[4] = { 127, 0, 0, 1 }, localhost6[16] = { [15] = 1 };
        struct datagrams out = { .data = data, .len = sizeof(data), .segment = 1200, .ecn = 2 };
        size_t sent = 0;

        memset(&got, 0, sizeof(got));
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (uint8_t) (i * 7 + i / 1200);
        out.path.local = *udp_bound(a);
        out.path.remote = ip6 ? endpoint_ip6(localhost6, 0, udp_bound(b)->port)
                              : endpoint_ip4(localhost, udp_bound(b)->port);
        assert_int_equal(udp_send(a, &out, &sent), UDP_OK);
        assert_int_equal(sent, sizeof(data));
        receive(b, &got, sizeof(data));
        assert_int_equal(got.n_datagrams, 21);
        assert_memory_equal(got.data, data, sizeof(data));
        assert_int_equal(got.ecn, to->no_ecn ? 0 : 2);
        assert_int_equal(got.path.link, LINK);
        /* bound to every address, yet it knows at which one it was reached */
        assert_true(endpoint_equal(&got.path.local, &out.path.remote));
        assert_int_equal(got.path.remote.port, udp_bound(a)->port);
        udp_free(a);
        udp_free(b);
}

static void test_trains(void **state) {
        static const struct udp_options options[] = {
                {},
                { .no_gso = true },
                { .no_gro = true },
                { .no_gso = true, .no_gro = true },
                { .no_ecn = true },
        };

        FOREACH_CASE (from, options) {
                FOREACH_CASE (to, options)
                        send_train(false, from, to);
                send_train(true, from, from);
        }
}

/* The answer leaves from the address that was asked, as replies of servers must. */
static void test_replies_come_from_the_address_asked(void **state) {
        const uint8_t second[4] = { 127, 0, 0, 2 };
        const struct udp_options o = {};
        struct udp *client = open_at(false, false, &o), *server = open_at(false, true, &o);
        struct datagrams out = { .data = (const uint8_t *) "hello", .len = 5 };
        struct catch *got = xnew(struct catch), *back = xnew(struct catch);
        size_t sent = 0;

        out.path.local = *udp_bound(client);
        out.path.remote = endpoint_ip4(second, udp_bound(server)->port);
        assert_int_equal(udp_send(client, &out, &sent), UDP_OK);
        receive(server, got, 5);
        assert_true(endpoint_equal(&got->path.local, &out.path.remote));
        out.path = got->path;
        sent = 0;
        assert_int_equal(udp_send(server, &out, &sent), UDP_OK);
        receive(client, back, 5);
        assert_memory_equal(back->path.remote.addr, second, 4);
        free(got);
        free(back);
        udp_free(client);
        udp_free(server);
}

static void test_what_cannot_leave_is_gone(void **state) {
        static uint8_t data[66000];
        const struct udp_options o = {};
        struct udp *u = open_at(false, false, &o);
        struct datagrams out = { .path.remote = *udp_bound(u), .data = data, .len = sizeof(data) };
        struct catch got = {};
        size_t sent = 0;

        out.path.local = *udp_bound(u);
        assert_int_equal(udp_send(u, &out, &sent), UDP_E_GONE); /* larger than any datagram */
        assert_int_equal(udp_receive(u, on_datagrams, &got), UDP_E_BLOCKED);
        udp_free(u);
}

static void test_a_taken_port_is_a_fault(void **state) {
        const struct udp_options o = {};
        struct udp *first = open_at(false, false, &o), *second = NULL;

        assert_int_equal(udp_new(udp_bound(first), LINK, &o, &second), -EADDRINUSE);
        assert_null(second);
        udp_free(first);
}

TEST_MAIN(cmocka_unit_test(test_trains), cmocka_unit_test(test_replies_come_from_the_address_asked),
          cmocka_unit_test(test_what_cannot_leave_is_gone),
          cmocka_unit_test(test_a_taken_port_is_a_fault))
