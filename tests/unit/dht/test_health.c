#include "services/dht/health.h"
#include "services/dht/peerstore.h"
#include "tests/support/test.h"

#define SECOND NSEC_PER_SEC

static struct contact contact(unsigned n, const char *a, const char *b) {
        struct sign_public key = { .bytes = { (uint8_t) n, (uint8_t) (n >> 8) } };
        struct peer_id peer = peer_id_from_ed25519(&key);
        const char *texts[] = { a, b };
        struct multiaddr addrs[2];
        struct contact c;
        size_t n_addrs = 0;

        for (size_t i = 0; i < 2 && texts[i]; i++)
                assert_int_equal(multiaddr_from_text(BYTES_STR(texts[i]), &addrs[n_addrs++]), 0);
        contact_init(&c, &peer, addrs, n_addrs);
        return c;
}

static const struct endpoint ip4 = { .family = ENDPOINT_IP4 };
static const struct endpoint ip6 = { .family = ENDPOINT_IP6 };

static void backs_off_per_family(void **state) {
        struct contact both =
                contact(1, "/ip4/1.2.3.4/udp/1/quic-v1", "/ip6/2001:470::1/udp/1/quic-v1");
        struct contact only6 = contact(1, "/ip6/2001:470::1/udp/1/quic-v1", NULL);
        struct health h;
        nsec_t now = SECOND;

        health_init(&h);
        for (unsigned i = 0; i < 14; i++) {
                nsec_t pause = HEALTH_BACKOFF << (i < HEALTH_SHIFT_MAX ? i : HEALTH_SHIFT_MAX);

                assert_true(health_failed(&h, &only6, now));
                assert_false(health_may_ask(&h, &only6, now + pause - 1));
                assert_true(health_may_ask(&h, &only6, now + pause));
                assert_true(health_may_ask(&h, &both, now)); /* the other family is fine */
        }
        assert_false(health_answered(&h, &both.key, &ip4, now));
        assert_false(health_may_ask(&h, &only6, now)); /* v4 says nothing about v6 */
        (void) health_answered(&h, &both.key, &ip6, now);
        assert_true(health_may_ask(&h, &only6, now));
        assert_int_equal(h.n_peers, 0);
        contact_done(&both);
        contact_done(&only6);
}

static void our_own_outage_is_nobodys_fault(void **state) {
        struct health h;
        struct contact c[8];
        nsec_t now = SECOND;

        health_init(&h);
        for (unsigned i = 0; i < 8; i++)
                c[i] = contact(i, "/ip4/1.2.3.4/udp/1/quic-v1", NULL);
        (void) health_answered(&h, &c[0].key, &ip4, now);
        now += 16 * SECOND;
        for (unsigned i = 0; i < 8; i++, now += SECOND)
                assert_int_equal(health_failed(&h, &c[i], now), i < HEALTH_RECENT - 1);
        assert_true(health_has_outage(&h, now));
        assert_int_equal(h.outages, 1);
        assert_true(health_may_ask(&h, &c[7], now)); /* not charged */
        assert_false(health_may_ask(&h, &c[0], now));
        assert_true(health_answered(&h, &c[7].key, &ip4, now));
        assert_false(health_has_outage(&h, now));
        for (unsigned i = HEALTH_RECENT; i < 8; i++)
                assert_true(health_may_ask(&h, &c[i], now));
        assert_int_equal(h.recovered, 1);

        /* Others answer meanwhile: it is they. */
        for (unsigned i = 0; i < 6; i++, now += SECOND) {
                assert_true(health_failed(&h, &c[i], now));
                (void) health_answered(&h, &c[7].key, &ip4, now);
        }
        for (unsigned i = 0; i < 8; i++)
                contact_done(&c[i]);
}

/* Overlay weakness A12: maps of peers that were never pruned. */
static void is_bounded(void **state) {
        struct health h;

        health_init(&h);
        for (unsigned i = 0; i < 10000; i++) {
                struct contact c = contact(i, NULL, NULL);

                (void) health_failed(&h, &c, i);
                contact_done(&c);
        }
        assert_int_equal(h.n_peers, HEALTH_MAX);
}

static void one_peer_alone_is_no_outage(void **state) {
        struct contact c = contact(1, NULL, NULL);
        struct health h;

        health_init(&h);
        (void) health_answered(&h, &c.key, &ip4, SECOND);
        for (unsigned i = 0; i < 10; i++)
                assert_true(health_failed(&h, &c, (100 + i) * SECOND));
        contact_done(&c);
}

static void remembers_whom_it_trusted_and_trusts_less(void **state) {
        struct peerstore p = {}, again = {}, third = {};
        const struct table_config config = { .k = 20 };
        struct buffer b;
        struct reader r;
        struct table t;
        struct key self = {};

        table_init(&t, &config, &self);
        for (unsigned i = 0; i < 100; i++) {
                struct table_peer peer = { .contact =
                                                   contact(i, "/ip4/1.2.3.4/udp/1/quic-v1", NULL) };

                (void) table_answered(&t, &peer, SECOND);
                (void) table_answered(&t, &peer, SECOND + i * 60 * SECOND);
                contact_done(&peer.contact);
        }
        peerstore_update(&p, &t);
        assert_true(p.n > 40 && p.n <= PEERSTORE_MAX);
        for (size_t i = 1; i < p.n; i++)
                assert_true(p.peers[i - 1].trust >= p.peers[i].trust);
        buffer_init(&b, PEERSTORE_STATE_MAX);
        peerstore_pack(&p, &b);
        r = reader_of(buffer_bytes(&b));
        assert_true(peerstore_unpack(&again, &r));
        assert_true(peer_id_equal(&again.peers[0].contact.peer, &p.peers[0].contact.peer));
        assert_int_equal(again.peers[0].trust, p.peers[0].trust / 2 + 1);

        struct key first = again.peers[0].contact.key; /* fades when it does not answer */
        for (unsigned i = 0; i < 10; i++)
                peerstore_failed(&again, &first);
        for (size_t i = 0; i < again.n; i++)
                assert_false(key_equal(&again.peers[i].contact.key, &first));
        for (size_t cut = 0; cut < b.len; cut += 7) {
                r = reader_of(BYTES(b.data, cut));
                assert_false(peerstore_unpack(&third, &r));
        }
        buffer_done(&b);
        peerstore_done(&p);
        peerstore_done(&again);
        peerstore_done(&third);
        table_done(&t);
}

TEST_MAIN(cmocka_unit_test(backs_off_per_family), cmocka_unit_test(our_own_outage_is_nobodys_fault),
          cmocka_unit_test(is_bounded), cmocka_unit_test(one_peer_alone_is_no_outage),
          cmocka_unit_test(remembers_whom_it_trusted_and_trusts_less))
