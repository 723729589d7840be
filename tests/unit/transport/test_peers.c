#include "services/transport/peers.h"

#include "common/crypto/identity.h"
#include "tests/support/test.h"

static struct multiaddr address(const char *text) {
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static struct multiaddr numbered(unsigned n) {
        char text[64];

        (void) snprintf(text, sizeof(text), "/ip4/10.0.0.1/udp/%u/quic-v1", n);
        return address(text);
}

static struct peer_id peer_number(uint8_t n) {
        struct sign_public key = { .bytes = { n } };

        return peer_id_from_ed25519(&key);
}

static void test_the_unused_make_room(void **state) {
        struct peers *p = peers_new(3, 1);
        struct peer_id ids[6];

        for (uint8_t i = 0; i < 6; i++)
                ids[i] = peer_number(i);
        peer_hold(peers_get(p, &ids[0]));
        peers_get(p, &ids[1])->pinned = true;
        assert_non_null(peers_get(p, &ids[2]));
        assert_non_null(peers_get(p, &ids[3]));
        assert_null(peers_find(p, &ids[2]));
        peer_hold(peers_find(p, &ids[3]));
        assert_null(peers_get(p, &ids[4]));
        peer_release(peers_find(p, &ids[0]));
        assert_non_null(peers_get(p, &ids[5]));
        assert_null(peers_find(p, &ids[0]));
        assert_int_equal(peers_count(p), 3);
        peers_free(p);
}

/* Coming to us costs a stranger little; whom we reached is worth more. */
static void test_strangers_make_room_first(void **state) {
        struct peers *p = peers_new(3, 1);
        struct multiaddr at = numbered(1);
        struct peer_id ids[8];

        for (uint8_t i = 0; i < 8; i++)
                ids[i] = peer_number(i);
        peer_address_worked(peers_get(p, &ids[0]), &at, 7);
        peer_add_address(peers_get(p, &ids[1]), &at, ADDRESS_CACHED);
        for (int i = 2; i < 7; i++)
                peer_add_address(peers_get(p, &ids[i]), &at, ADDRESS_SIGNED);
        assert_non_null(peers_find(p, &ids[0]));
        assert_non_null(peers_find(p, &ids[1]));
        peer_hold(peers_find(p, &ids[6]));
        assert_non_null(peers_get(p, &ids[7]));
        assert_null(peers_find(p, &ids[0]));
        peers_free(p);
}

static void test_older_records_are_not_taken(void **state) {
        struct identify newer = { .has_addrs = true, .n_addrs = 1, .record_seq = 9 };
        struct identify older = { .has_addrs = true, .n_addrs = 1, .record_seq = 8 };
        struct peers *p = peers_new(3, 1);
        struct peer_id id = peer_number(1);
        struct peer *peer = peers_get(p, &id);

        newer.addrs[0] = numbered(9);
        older.addrs[0] = numbered(8);
        peer_identified(peer, &newer);
        peer_identified(peer, &older);
        assert_int_equal(peer->n_addrs, 1);
        assert_true(multiaddr_equal(&peer->addrs[0].addr, &newer.addrs[0]));
        peers_free(p);
}

static struct identify with_record(uint64_t seq, size_t len, uint8_t fill) {
        struct identify id = { .has_addrs = true, .record_seq = seq, .record_len = len };

        memset(id.record, fill, len);
        return id;
}

/* As sent, the newest one, and all together within a budget. */
static void test_records_are_kept(void **state) {
        struct identify first = with_record(5, 900, 1), newer = with_record(6, 2000, 2);
        struct identify plain = { .has_addrs = true }, older = with_record(4, 10, 3);
        struct peers *p = peers_new(2, 1);
        struct peer_id a = peer_number(1), b = peer_number(2), c = peer_number(3);
        struct peer *peer = peers_get(p, &a);

        peer_identified(peer, &first);
        assert_bytes_equal(BYTES(peer->record, peer->record_len), BYTES(first.record, 900));
        peer_identified(peer, &newer);
        peer_identified(peer, &older);
        peer_identified(peer, &plain);
        assert_bytes_equal(BYTES(peer->record, peer->record_len), BYTES(newer.record, 2000));
        assert_int_equal(peers_records(p)->used, 2000);

        peer_identified(peers_get(p, &b), &first); /* 2 KiB for two peers: no room */
        assert_null(peers_find(p, &b)->record);
        assert_int_equal(peers_records(p)->refused, 1);
        assert_non_null(peers_get(p, &c)); /* the first one makes room, with its record */
        assert_int_equal(peers_records(p)->used, 0);
        peer_identified(peers_find(p, &b), &newer);
        newer.record_seq++;
        newer.record_len = 0; /* too long to keep: the one of before is out of date */
        peer_identified(peers_find(p, &b), &newer);
        assert_null(peers_find(p, &b)->record);
        assert_int_equal(peers_records(p)->used, 0);
        peers_free(p);
}

static void test_work_of_the_key(void **state) {
        struct peers *p = peers_new(300, 1);
        bool some = false;

        for (unsigned i = 0; i < 256; i++) {
                struct sign_public key = { .bytes = { (uint8_t) i } };
                struct peer_id id = peer_id_from_ed25519(&key);

                assert_int_equal(peers_get(p, &id)->work, identity_work(&key));
                some |= identity_work(&key) > 0;
        }
        assert_true(some);
        peers_free(p);
}

static void test_addresses(void **state) {
        struct peers *p = peers_new(3, 1);
        struct peer_id id = peer_number(1);
        struct peer *peer = peers_get(p, &id);
        struct multiaddr a = numbered(1), with_peer = numbered(1);
        struct identify said = { .has_addrs = true, .n_addrs = 1 };

        assert_true(multiaddr_append_peer(&with_peer, &id));
        peer_add_address(peer, &with_peer, ADDRESS_PINNED);
        peer_add_address(peer, &a, ADDRESS_CALLER);
        assert_int_equal(peer->n_addrs, 1);
        for (unsigned i = 2; i < 100; i++) {
                struct multiaddr more = numbered(i);

                peer_add_address(peer, &more, ADDRESS_IDENTIFY);
        }
        assert_int_equal(peer->n_addrs, PEER_ADDRS_MAX);
        a = numbered(200);
        peer_address_worked(peer, &a, 7);
        assert_int_equal(peer->n_addrs, PEER_ADDRS_MAX);

        said.addrs[0] = numbered(300);
        peer_identified(peer, &said);
        assert_int_equal(peer->n_addrs, 3);
        a = numbered(1);
        peer_drop_address(peer, &a);
        assert_int_equal(peer->n_addrs, 3);
        a = numbered(300);
        peer_drop_address(peer, &a);
        assert_int_equal(peer->n_addrs, 2);
        peers_free(p);
}

static void test_protocols(void **state) {
        struct peers *p = peers_new(3, 1);
        struct peer_id id = peer_number(1);
        struct peer *peer = peers_get(p, &id);
        struct identify said = { .has_protocols = true, .n_protocols = 2, .names_len = 8 };
        size_t cursor = 0;

        memcpy(said.names, "/a/1\0/b", 8);
        assert_false(peer_speaks(peer, "/a/1"));
        peer_identified(peer, &said);
        assert_true(peer_speaks(peer, "/a/1") && peer_speaks(peer, "/b"));
        assert_false(peer_speaks(peer, "/a"));
        assert_string_equal(peer_next_protocol(peer, &cursor), "/a/1");
        assert_string_equal(peer_next_protocol(peer, &cursor), "/b");
        assert_null(peer_next_protocol(peer, &cursor));
        peers_free(p);
}

static void test_attempts_are_a_ring(void **state) {
        struct peers *p = peers_new(3, 1);
        struct peer_id id = peer_number(1);
        struct peer *peer = peers_get(p, &id);

        for (nsec_t i = 0; i < 20; i++)
                peer_attempted(peer, &(struct peer_attempt){ .began = i });
        for (size_t i = 0; i < PEER_ATTEMPTS_MAX; i++)
                assert_int_equal(peer_attempt(peer, i)->began, 19 - i);
        assert_null(peer_attempt(peer, PEER_ATTEMPTS_MAX));
        peers_free(p);
}

TEST_MAIN(cmocka_unit_test(test_the_unused_make_room),
          cmocka_unit_test(test_strangers_make_room_first),
          cmocka_unit_test(test_older_records_are_not_taken),
          cmocka_unit_test(test_records_are_kept), cmocka_unit_test(test_work_of_the_key),
          cmocka_unit_test(test_addresses), cmocka_unit_test(test_protocols),
          cmocka_unit_test(test_attempts_are_a_ring))
