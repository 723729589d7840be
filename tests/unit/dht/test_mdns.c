#include "services/dht/mdns.h"
#include "tests/support/test.h"

static const struct mdns_service p2p = { "_p2p" };

static struct multiaddr address(const char *text) {
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static struct peer_id peer(uint8_t n) {
        struct sign_public key = { { n } };

        return peer_id_from_ed25519(&key);
}

/* ---- Messages ---- */

/* A question as avahi and js-libp2p send it (bytes by hand from RFC 1035). */
static const uint8_t question[] = "\0\0\0\0\0\1\0\0\0\0\0\0\4_p2p\4_udp\5local\0\0\x0c\0\1";

static void test_question(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct mdns_message m;

        (void) state;
        buffer_init(&b, MDNS_OWN_MAX);
        mdns_put_query(&b, &p2p);
        assert_bytes_equal(buffer_bytes(&b), BYTES(question, sizeof(question) - 1));
        assert_true(mdns_read(buffer_bytes(&b), &p2p, &m));
        assert_int_equal(m.kind, MDNS_QUERY);
        assert_true(mdns_read(buffer_bytes(&b), &(struct mdns_service){ "_p2p-ab12" }, &m));
        assert_int_equal(m.kind, MDNS_OTHER);
}

static void test_answer(void **state) {
        struct multiaddr own[] = { address("/ip4/10.0.0.7/udp/4001/quic-v1"),
                                   address("/ip6/fd00::7/udp/4001/quic-v1") };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct mdns_message m;

        (void) state;
        buffer_init(&b, MDNS_OWN_MAX);
        assert_int_equal(mdns_put_answer(&b, &p2p, "somebody", own, 2), 2);
        assert_true(mdns_read(buffer_bytes(&b), &p2p, &m));
        assert_int_equal(m.kind, MDNS_ANSWER);
        assert_string_equal(m.peer_name, "somebody");
        assert_int_equal(m.n_addresses, 2);
        assert_true(multiaddr_equal(&m.addresses[0], &own[0]));
        assert_true(multiaddr_equal(&m.addresses[1], &own[1]));
        for (size_t n = 0; n < b.len; n++)
                assert_false(mdns_read(BYTES(b.data, n), &p2p, &m));
}

#define HEADER_ANSWER "\0\0\x84\0\0\0\0\1\0\0\0\0"
#define SERVICE       "\4_p2p\4_udp\5local\0"
#define TTL           "\0\0\0\x78"

/* Hostile names. All are refused, in bounded time. */
static const struct {
        const char *name;
        struct bytes packet;
} hostile[] = {
        { "a pointer to itself", BYTES_LIT(HEADER_ANSWER "\xc0\x0c\0\x0c\0\1" TTL "\0\0") },
        { "a pointer forward", BYTES_LIT(HEADER_ANSWER "\xc0\x10\0\x0c\0\1" TTL "\0\0") },
        { "a pointer into the header", BYTES_LIT(HEADER_ANSWER "\xc0\x02\0\x0c\0\1" TTL "\0\0") },
        { "a loop of two", BYTES_LIT(HEADER_ANSWER "\1a\xc0\x0c\0\x0c\0\1" TTL "\0\0") },
        { "a label of 64", BYTES_LIT(HEADER_ANSWER "\x40") },
        { "a label past the end", BYTES_LIT(HEADER_ANSWER "\5_p2p") },
        { "data past the end", BYTES_LIT(HEADER_ANSWER SERVICE "\0\x0c\0\1" TTL "\0\x09\1a\0") },
        { "a PTR with a tail", BYTES_LIT(HEADER_ANSWER SERVICE "\0\x0c\0\1" TTL "\0\4\1a\0\0") },
        { "a string past its record",
          BYTES_LIT(HEADER_ANSWER "\1x" SERVICE "\0\x10\0\1" TTL "\0\2\5a") },
        { "65 records", BYTES_LIT("\0\0\x84\0\0\0\0\x41\0\0\0\0") },
        { "half a header", BYTES_LIT("\0\0\x84\0") },
};

static void test_hostile(void **state) {
        struct mdns_message m;

        (void) state;
        FOREACH_CASE (c, hostile)
                assert_false(mdns_read(c->packet, &p2p, &m));
}

/* js-libp2p answers with TXT among the answers, names compressed or not. */
static void test_foreign_answer(void **state) {
        static const char packet[] =
                "\0\0\x84\0\0\0\0\2\0\0\0\0" SERVICE "\0\x0c\0\1" TTL "\0\x0a\7PeerOne\xc0\x0c"
                "\7peerone" SERVICE "\0\x10\x80\1" TTL "\0\x2a"
                "\x29"
                "dnsaddr=/ip4/192.168.1.9/udp/4001/quic-v1";
        struct multiaddr want = address("/ip4/192.168.1.9/udp/4001/quic-v1");
        struct mdns_message m;

        (void) state;
        assert_true(mdns_read(BYTES(packet, sizeof(packet) - 1), &p2p, &m));
        assert_int_equal(m.kind, MDNS_ANSWER);
        assert_string_equal(m.peer_name, "peerone");
        assert_int_equal(m.n_addresses, 1);
        assert_true(multiaddr_equal(&m.addresses[0], &want));
}

/* ---- Peers on one network ---- */

#define HOSTS 5

struct lan {
        struct mdns *hosts[HOSTS];
        struct peer_id peers[HOSTS];
        bool met[HOSTS][HOSTS];
        nsec_t now;
};

static void lan_init(struct lan *l, unsigned n) {
        struct mdns_config config;

        *l = (struct lan){ .now = NSEC_PER_SEC };
        mdns_config_default(&config);
        for (unsigned i = 0; i < n; i++) {
                char text[64];
                struct multiaddr a;

                (void) snprintf(text, sizeof(text), "/ip4/10.0.0.%u/udp/4001/quic-v1", i + 1);
                a = address(text);
                l->peers[i] = peer((uint8_t) (i + 1));
                l->hosts[i] = mdns_new(&config, &l->peers[i], i);
                mdns_addresses(l->hosts[i], &a, 1, l->now);
        }
}

static void lan_done(struct lan *l) {
        for (unsigned i = 0; i < HOSTS; i++)
                l->hosts[i] = mdns_free(l->hosts[i]);
}

static void lan_hear(struct lan *l, unsigned i) {
        struct contact c;

        while (mdns_found(l->hosts[i], &c)) {
                for (unsigned k = 0; k < HOSTS; k++)
                        if (peer_id_equal(&c.peer, &l->peers[k]))
                                l->met[i][k] = true;
                contact_done(&c);
        }
}

/* A step: multicast reaches everybody, the sender too. */
static void lan_step(struct lan *l) {
        for (unsigned i = 0; i < HOSTS && l->hosts[i]; i++) {
                CLEANUP(buffer_donep) struct buffer b = {};

                buffer_init(&b, MDNS_OWN_MAX);
                while (mdns_output(l->hosts[i], &b, l->now)) {
                        for (unsigned k = 0; k < HOSTS && l->hosts[k]; k++) {
                                mdns_input(l->hosts[k], buffer_bytes(&b), l->now);
                                lan_hear(l, k);
                        }
                        buffer_clear(&b);
                }
        }
        l->now += 10 * NSEC_PER_MSEC;
}

static void test_everybody_within_a_second(void **state) {
        struct lan l;

        (void) state;
        lan_init(&l, HOSTS);
        for (unsigned i = 0; i < 100; i++)
                lan_step(&l);
        for (unsigned i = 0; i < HOSTS; i++)
                for (unsigned k = 0; k < HOSTS; k++)
                        assert_int_equal(l.met[i][k], i != k);
        lan_done(&l);
}

static void test_quiet_when_known(void **state) {
        struct lan l;
        uint64_t sent = 0;

        (void) state;
        lan_init(&l, HOSTS);
        for (unsigned i = 0; i < 6000; i++) /* a minute */
                lan_step(&l);
        for (unsigned i = 0; i < HOSTS; i++)
                sent += mdns_stats(l.hosts[i])->answers_sent + mdns_stats(l.hosts[i])->queries_sent;
        /* 5 hosts, 9 questions each; each question answered by all, once a second at most */
        assert_true(sent < HOSTS * 60);
        lan_done(&l);
}

static void put_stranger(struct buffer *b, unsigned i, const char *text) {
        struct peer_id who = peer_id_from_ed25519(&(struct sign_public){ { i, i >> 8, 7 } });
        struct multiaddr a = address(text);

        assert_true(multiaddr_append_peer(&a, &who));
        buffer_clear(b);
        assert_int_equal(mdns_put_answer(b, &p2p, "stranger", &a, 1), 1);
}

static void test_flood_of_newcomers(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct contact c;
        unsigned n = 0;
        struct lan l;

        (void) state;
        lan_init(&l, 1);
        buffer_init(&b, MDNS_OWN_MAX);
        for (unsigned i = 0; i < 5000; i++) {
                put_stranger(&b, i, "/ip4/10.9.9.9/udp/4001/quic-v1");
                mdns_input(l.hosts[0], buffer_bytes(&b), l.now);
                while (mdns_found(l.hosts[0], &c)) {
                        contact_done(&c);
                        n++;
                }
        }
        assert_int_equal(n, 64);
        assert_int_equal(mdns_stats(l.hosts[0])->refused, 5000 - 64);
        lan_done(&l);
}

static const struct {
        const char *name, *address;
        bool found;
} strangers[] = {
        { "on this network", "/ip4/192.168.0.3/udp/1/quic-v1", true },
        { "loopback, on one machine", "/ip4/127.0.0.1/udp/1/quic-v1", true },
        { "link-local", "/ip4/169.254.3.4/udp/1/quic-v1", true },
        { "a public address is no business of a LAN", "/ip4/8.8.8.8/udp/1/quic-v1", false },
        { "not QUIC", "/ip4/10.0.0.3/tcp/1", false },
        { "a name to be resolved", "/dns4/example.org/udp/1/quic-v1", false },
};

static void test_which_addresses(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct lan l;

        (void) state;
        buffer_init(&b, MDNS_OWN_MAX);
        FOREACH_CASE (x, strangers) {
                struct contact c = {};

                lan_init(&l, 1);
                put_stranger(&b, 9, x->address);
                mdns_input(l.hosts[0], buffer_bytes(&b), l.now);
                assert_int_equal(mdns_found(l.hosts[0], &c), x->found);
                contact_done(&c);
                lan_done(&l);
        }
}

static void test_moved(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct contact c;
        struct lan l;

        (void) state;
        lan_init(&l, 1);
        buffer_init(&b, MDNS_OWN_MAX);
        put_stranger(&b, 9, "/ip4/10.0.0.3/udp/1/quic-v1");
        for (unsigned i = 0; i < 3; i++)
                mdns_input(l.hosts[0], buffer_bytes(&b), l.now);
        assert_true(mdns_found(l.hosts[0], &c));
        contact_done(&c);
        assert_false(mdns_found(l.hosts[0], &c));
        put_stranger(&b, 9, "/ip4/10.0.0.4/udp/1/quic-v1");
        mdns_input(l.hosts[0], buffer_bytes(&b), l.now);
        assert_true(mdns_found(l.hosts[0], &c));
        contact_done(&c);
        lan_done(&l);
}

TEST_MAIN(cmocka_unit_test(test_question), cmocka_unit_test(test_answer),
          cmocka_unit_test(test_hostile), cmocka_unit_test(test_foreign_answer),
          cmocka_unit_test(test_everybody_within_a_second), cmocka_unit_test(test_quiet_when_known),
          cmocka_unit_test(test_flood_of_newcomers), cmocka_unit_test(test_which_addresses),
          cmocka_unit_test(test_moved))
