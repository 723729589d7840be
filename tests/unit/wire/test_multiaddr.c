#include "common/wire/multiaddr.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/wire/vectors/wire.h"

#define ID_A "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"

static struct multiaddr of(const char *text) {
        struct multiaddr a = {};

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, addr_vectors) {
                char text[MULTIADDR_TEXT_SIZE];
                struct multiaddr a, b;
                uint8_t raw[MULTIADDR_MAX];
                size_t n = strlen(c->binary) / 2;

                assert_true(hex_decode(c->binary, raw, n));
                assert_int_equal(multiaddr_parse(BYTES(raw, n), &a), MULTIADDR_OK);
                assert_string_equal(multiaddr_text(&a, text), c->text);
                b = of(c->text);
                assert_bytes_equal(multiaddr_bytes(&b), BYTES(raw, n));
                assert_true(multiaddr_equal(&a, &b));
                for (size_t i = 1; i < n; i++) /* a cut address is never longer than what is left */
                        if (multiaddr_parse(BYTES(raw, i), &b) == MULTIADDR_OK)
                                assert_int_equal(b.len, i);
        }
}

static const struct {
        const char *text;
        int result;
} bad_texts[] = {
        { "", MULTIADDR_E_INVALID },
        { "/", MULTIADDR_E_INVALID },
        { "ip4/1.2.3.4", MULTIADDR_E_INVALID },
        { "/ip4", MULTIADDR_E_INVALID },
        { "/ip4/", MULTIADDR_E_INVALID },
        { "/ip4/1.2.3", MULTIADDR_E_INVALID },
        { "/ip4/1.2.3.256", MULTIADDR_E_INVALID },
        { "/ip6/::g", MULTIADDR_E_INVALID },
        { "/ip4/1.2.3.4/udp/65536", MULTIADDR_E_INVALID },
        { "/ip4/1.2.3.4/udp/-1", MULTIADDR_E_INVALID },
        { "/ip4/1.2.3.4/udp/1/quic", MULTIADDR_E_UNKNOWN },
        { "/unix/tmp", MULTIADDR_E_UNKNOWN },
        { "//", MULTIADDR_E_UNKNOWN },
        { "/p2p/Qm", MULTIADDR_E_INVALID },
        { "/dns4/a b", MULTIADDR_E_INVALID },
        { "/dns4/a\x1b[2J", MULTIADDR_E_INVALID },
        { "/certhash/uXX", MULTIADDR_E_INVALID },
        { "/certhash/zXX", MULTIADDR_E_INVALID },
};

static void test_bad_texts(void **state) {
        FOREACH_CASE (c, bad_texts) {
                struct multiaddr a;

                assert_int_equal(multiaddr_from_text(BYTES_STR(c->text), &a), c->result);
        }
}

static const struct {
        struct bytes in;
        int result;
} bad_bytes[] = {
        { { NULL, 0 }, MULTIADDR_E_INVALID },
        { { (const uint8_t *) "\x04\x7f\0\0", 4 }, MULTIADDR_E_INVALID },
        { { (const uint8_t *) "\x84\x00\x7f\0\0\1", 6 }, MULTIADDR_E_INVALID }, /* not minimal */
        { { (const uint8_t *) "\xcc\x03", 2 }, MULTIADDR_E_UNKNOWN },           /* draft quic */
        { { (const uint8_t *) "\x35\x7f"
                              "a",
            3 },
          MULTIADDR_E_INVALID },
        { { (const uint8_t *) "\x35\x00", 2 }, MULTIADDR_E_INVALID },
        { { (const uint8_t *) "\x35\x02"
                              "a/",
            4 },
          MULTIADDR_E_INVALID },
        { { (const uint8_t *) "\xa5\x03\x01\x00", 4 }, MULTIADDR_E_INVALID },
};

static void test_bad_bytes(void **state) {
        uint8_t many[2 * 17];
        struct multiaddr a;

        FOREACH_CASE (c, bad_bytes)
                assert_int_equal(multiaddr_parse(c->in, &a), c->result);
        for (size_t i = 0; i < sizeof(many); i += 2)
                memcpy(many + i, "\xa2\x02", 2);
        assert_int_equal(multiaddr_parse(BYTES(many, 32), &a), MULTIADDR_OK);
        assert_int_equal(multiaddr_parse(BYTES(many, 34), &a), MULTIADDR_E_INVALID);
}

static const struct {
        const char *in, *want; /* want NULL: refused */
} config_cases[] = {
        { "1.2.3.4:5", "/ip4/1.2.3.4/udp/5/quic-v1" },
        { "[::1]:5", "/ip6/::1/udp/5/quic-v1" },
        { "host.example:4001", "/dns/host.example/udp/4001/quic-v1" },
        { ID_A "@h:1", "/dns/h/udp/1/quic-v1/p2p/" ID_A },
        { "/ip4/1.2.3.4/tcp/5", "/ip4/1.2.3.4/tcp/5" },
        { "1.2.3.4", NULL },
        { "1.2.3.4:0", NULL },
        { "1.2.3.4:65536", NULL },
        { "::1:5", NULL },
        { "[1.2.3.4]:5", NULL },
        { "[::1:5", NULL },
        { ":5", NULL },
        { "", NULL },
        { "@h:1", NULL },
        { "nonsense@h:1", NULL },
        { "h/udp/1:5", NULL },
        { "a@b@c:1", NULL },
};

static void test_config(void **state) {
        FOREACH_CASE (c, config_cases) {
                char text[MULTIADDR_TEXT_SIZE];
                struct multiaddr a;
                int r = multiaddr_from_config(BYTES_STR(c->in), &a);

                assert_int_equal(r == MULTIADDR_OK, c->want != NULL);
                if (c->want)
                        assert_string_equal(multiaddr_text(&a, text), c->want);
        }
}

static const struct {
        const char *text;
        bool dialable, relayed;
        enum endpoint_scope scope;
        const char *endpoint; /* or NULL */
} meanings[] = {
        { "/ip4/9.9.9.9/udp/4001/quic-v1", true, false, SCOPE_PUBLIC, "9.9.9.9:4001" },
        { "/ip4/10.1.2.3/udp/1/quic-v1/p2p/" ID_A, true, false, SCOPE_PRIVATE, "10.1.2.3:1" },
        { "/ip6/::1/udp/1/quic-v1", true, false, SCOPE_LOOPBACK, "[::1]:1" },
        { "/ip6/::ffff:127.0.0.1/udp/1/quic-v1", true, false, SCOPE_LOOPBACK, "127.0.0.1:1" },
        { "/ip6/fe80::1/udp/1/quic-v1", true, false, SCOPE_LINK, "[fe80::1]:1" },
        { "/ip4/172.32.0.1/udp/1/quic-v1", true, false, SCOPE_PUBLIC, "172.32.0.1:1" },
        { "/ip4/172.31.0.1/udp/1/quic-v1", true, false, SCOPE_PRIVATE, "172.31.0.1:1" },
        { "/ip4/224.0.0.1/udp/1/quic-v1", false, false, SCOPE_UNUSABLE, "224.0.0.1:1" },
        { "/ip4/0.0.0.0/udp/1/quic-v1", false, false, SCOPE_UNUSABLE, "0.0.0.0:1" },
        { "/ip4/9.9.9.9/udp/0/quic-v1", false, false, SCOPE_PUBLIC, NULL },
        { "/ip4/9.9.9.9/tcp/1", false, false, SCOPE_PUBLIC, NULL },
        { "/ip4/9.9.9.9/udp/1", false, false, SCOPE_PUBLIC, NULL },
        { "/ip4/9.9.9.9/udp/1/quic-v1/webtransport", false, false, SCOPE_PUBLIC, NULL },
        { "/ip4/9.9.9.9/udp/1/quic-v1/p2p/" ID_A "/p2p-circuit", false, true, SCOPE_PUBLIC,
          "9.9.9.9:1" },
        { "/p2p-circuit", false, true, SCOPE_PUBLIC, NULL },
};

static void test_meanings(void **state) {
        FOREACH_CASE (c, meanings) {
                struct multiaddr a = of(c->text);
                char text[ENDPOINT_TEXT_SIZE];
                struct endpoint e, again;

                assert_int_equal(multiaddr_is_dialable_quic(&a), c->dialable);
                assert_int_equal(multiaddr_is_relayed(&a), c->relayed);
                assert_int_equal(multiaddr_scope(&a), c->scope);
                assert_int_equal(multiaddr_endpoint(&a, &e), c->endpoint != NULL);
                if (!c->endpoint)
                        continue;
                assert_string_equal(endpoint_text(&e, text), c->endpoint);
                assert_true(endpoint_from_text(c->endpoint, &again));
                assert_true(endpoint_equal(&e, &again));
        }
}

static void test_peer(void **state) {
        struct multiaddr a = of("/ip4/1.2.3.4/udp/5/quic-v1"), plain = a;
        struct peer_id id, got;

        assert_true(peer_id_from_text(BYTES_STR(ID_A), &id));
        assert_false(multiaddr_peer(&a, &got));
        assert_true(multiaddr_append_peer(&a, &id));
        assert_true(multiaddr_peer(&a, &got));
        assert_true(peer_id_equal(&id, &got));
        multiaddr_strip_peer(&a);
        assert_true(multiaddr_equal(&a, &plain));
        multiaddr_strip_peer(&a); /* nothing to strip */
        assert_true(multiaddr_equal(&a, &plain));

        for (size_t i = 0; multiaddr_append_peer(&a, &id); i++)
                assert_true(i < 8);
        assert_true(a.len <= MULTIADDR_MAX);
        assert_true(multiaddr_append_circuit(&plain));
        assert_true(multiaddr_is_relayed(&plain));
}

static void test_from_endpoint(void **state) {
        struct endpoint e, again;
        struct multiaddr a;
        char text[MULTIADDR_TEXT_SIZE];

        assert_true(endpoint_from_text("[fe80::1%3]:7", &e));
        assert_int_equal(e.zone, 3);
        a = multiaddr_from_endpoint(&e);
        assert_string_equal(multiaddr_text(&a, text), "/ip6/fe80::1/udp/7/quic-v1");
        assert_true(endpoint_from_text("1.2.3.4:7", &e));
        a = multiaddr_from_endpoint(&e);
        assert_true(multiaddr_endpoint(&a, &again));
        assert_true(endpoint_equal(&e, &again));
        assert_false(endpoint_from_text("1.2.3.4", &e));
        assert_false(endpoint_from_text("::1:7", &e));
}

static void test_name(void **state) {
        struct multiaddr a = of("/dns6/h.example/udp/9/quic-v1/p2p/" ID_A);
        enum endpoint_family family;
        struct bytes name;
        uint16_t port;

        assert_true(multiaddr_name(&a, &name, &port, &family));
        assert_bytes_equal(name, BYTES_LIT("h.example"));
        assert_int_equal(port, 9);
        assert_int_equal(family, ENDPOINT_IP6);
        assert_false(multiaddr_dnsaddr(&a, &name));
        a = of("/dnsaddr/h.example");
        assert_false(multiaddr_name(&a, &name, &port, &family));
        assert_true(multiaddr_dnsaddr(&a, &name));
        assert_bytes_equal(name, BYTES_LIT("h.example"));
        a = of("/dnsaddr/h.example/p2p/" ID_A);
        assert_true(multiaddr_dnsaddr(&a, &name));
        a = of("/dnsaddr/h.example/udp/9/quic-v1");
        assert_false(multiaddr_dnsaddr(&a, &name));
}

static void test_same_net(void **state) {
        struct endpoint a, b;

        assert_true(endpoint_from_text("1.2.3.4:1", &a) && endpoint_from_text("1.2.3.200:2", &b));
        assert_true(endpoint_same_net(&a, &b, 24));
        assert_false(endpoint_same_net(&a, &b, 25));
        assert_true(endpoint_from_text("[2001:db9::1]:1", &b));
        assert_false(endpoint_same_net(&a, &b, 0));
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_bad_texts),
          cmocka_unit_test(test_bad_bytes), cmocka_unit_test(test_config),
          cmocka_unit_test(test_meanings), cmocka_unit_test(test_peer),
          cmocka_unit_test(test_from_endpoint), cmocka_unit_test(test_name),
          cmocka_unit_test(test_same_net))
