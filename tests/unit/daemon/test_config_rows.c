#include "common/daemon/config_rows.h"
#include "tests/support/test.h"

#define ID "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"

/* want NULL: will do. */
static const struct {
        const char *name;
        bool (*suits)(const char *row, char why[CONFIG_WHY_SIZE]);
        const char *row, *want;
} cases[] = {
        { "a peer id", config_is_peer, ID, NULL },
        { "half a peer id", config_is_peer, "12D3KooWfoo", "is no peer id; write one whole" },
        { "not here", config_is_peer, "all", "is no peer id; write one whole" },
        { "all", config_is_peer_or_all, "all", NULL },
        { "a peer id of all", config_is_peer_or_all, ID, NULL },
        { "everybody", config_is_peer_or_all, "everybody", "or all" },

        { "host and port", config_is_place, "10.0.0.1:4001", NULL },
        { "name and port", config_is_place, "example.org:4001", NULL },
        { "v6 and port", config_is_place, "[2a00::1]:4001", NULL },
        { "with an id", config_is_place, ID "@10.0.0.1:4001", NULL },
        { "QUIC", config_is_place, "/ip4/10.0.0.1/udp/4001/quic-v1", NULL },
        { "QUIC and an id", config_is_place, "/ip4/10.0.0.1/udp/4001/quic-v1/p2p/" ID, NULL },
        { "a name", config_is_place, "/dns4/example.org/udp/4001/quic-v1", NULL },
        { "a list of peers", config_is_place, "/dnsaddr/example.org", NULL },
        { "one of a list", config_is_place, "/dnsaddr/example.org/p2p/" ID, NULL },
        { "a word", config_is_place, "foo", "is no address; write host:port" },
        { "no host", config_is_place, ":4001", "is no address" },
        { "such a number", config_is_place, "/ip4/300.1.1.1/udp/1/quic-v1", "is no address" },
        { "such a port", config_is_place, "127.0.0.1:99999", "is no address" },
        { "port 0", config_is_place, "127.0.0.1:0", "; write " },
        { "anywhere", config_is_place, "0.0.0.0:4001", "leads nowhere" },
        { "of a book", config_is_place, "192.0.2.1:4001", "for examples" },
        { "TCP", config_is_place, "/ip4/127.0.0.1/tcp/1", "nodes speak QUIC over UDP alone" },
        { "UDP alone", config_is_place, "/ip4/127.0.0.1/udp/1", "nodes speak QUIC" },
        { "unknown protocols", config_is_place, "/onion3/x:1", "" },
        { "half an id", config_is_place, "12D3KooWfoo@127.0.0.1:1", "no peer id before its @" },
        { "half an id behind", config_is_place, "/ip4/10.0.0.1/udp/1/quic-v1/p2p/12D3KooWfoo",
          "is no address" },

        { "who alone", config_is_peer_at, ID, NULL },
        { "who and where", config_is_peer_at, ID "@10.0.0.1:4001", NULL },
        { "where alone", config_is_peer_at, "10.0.0.1:4001", "does not say who that is; write" },
        { "who by TCP", config_is_peer_at, "/ip4/127.0.0.1/tcp/1/p2p/" ID, "nodes speak QUIC" },
};

static void test_rows(void **state) {
        FOREACH_CASE (c, cases) {
                char why[CONFIG_WHY_SIZE] = "";

                assert_int_equal(c->suits(c->row, why), c->want == NULL);
                if (c->want)
                        assert_non_null(strstr(why, c->want));
        }
}

/* They are told as any wrong value is: file, line, key, value, remedy. */
static void test_told(void **state) {
        struct sample {
                struct config_list places;
        };
        const struct config_key keys[] = {
                CONFIG_LIST_OF(sample, places, "bootstrap", config_is_place, "where to begin"),
                {},
        };
        CLEANUP(config_freep) struct config *c = config_new("dht", keys, sizeof(struct sample));
        const char *const env[] = { "QUORATE_DHT_BOOTSTRAP=10.0.0.1:1 bar", NULL };
        const struct sample *s = config_values(c);
        char error[CONFIG_ERROR_SIZE];

        assert_int_equal(config_parse(c, "f",
                                      BYTES_LIT("[dht]\nbootstrap = 10.0.0.1:1\n"
                                                "bootstrap = foo\n"),
                                      true, error),
                         CONFIG_E_INVALID);
        assert_string_equal(error, "f:3: [dht] bootstrap: \"foo\" is no address; write host:port, "
                                   "peerid@host:port or "
                                   "/ip4/1.2.3.4/udp/4001/quic-v1/p2p/PEERID");
        assert_int_equal(config_environment(c, env, error), CONFIG_E_INVALID);
        assert_non_null(strstr(error, "environment: [dht] bootstrap: \"bar\" is no address"));
        assert_int_equal(config_parse(c, "f", BYTES_LIT("[dht]\nbootstrap =\n"), true, error),
                         CONFIG_OK);
        assert_int_equal(s->places.n_items, 0); /* no row is a row that will do */
}

TEST_MAIN(cmocka_unit_test(test_rows), cmocka_unit_test(test_told))
