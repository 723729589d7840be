#include "common/base/error.h"
#include "services/dht/message.h"
#include "tests/support/test.h"

static struct contact contact(uint8_t n, size_t n_addrs) {
        struct sign_public key = { .bytes = { n } };
        struct peer_id peer = peer_id_from_ed25519(&key);
        struct multiaddr addrs[CONTACT_ADDRESSES_MAX];
        struct contact c;

        for (size_t i = 0; i < n_addrs; i++) {
                struct endpoint e = endpoint_ip4((uint8_t[4]){ 1, 2, 3, n }, (uint16_t) (i + 1));

                addrs[i] = multiaddr_from_endpoint(&e);
        }
        contact_init(&c, &peer, addrs, n_addrs);
        return c;
}

/* Written by hand from the field numbers of the specification. */
static void reads_the_published_form(void **state) {
        struct contact c = contact(9, 1);
        struct bytes id = peer_id_bytes(&c.peer);
        CLEANUP(kad_message_donep) struct kad_message m = {};
        uint8_t raw[128] = { 0x08, 4, 0x12, 3, 'k', 'e', 'y', 0x42, 0 }, *p = raw + 9;
        static const uint8_t addr[] = { 0x04, 1, 2, 3, 9, 0x91, 0x02, 0, 1, 0xcd, 0x03 };

        *p++ = 0x0a, *p++ = (uint8_t) id.len;
        memcpy(p, id.data, id.len), p += id.len;
        *p++ = 0x12, *p++ = sizeof(addr);
        memcpy(p, addr, sizeof(addr)), p += sizeof(addr);
        *p++ = 0x18, *p++ = 1;
        raw[8] = (uint8_t) (p - raw - 9);
        assert_int_equal(kad_message_read(BYTES(raw, p - raw), &m), KAD_OK);
        assert_int_equal(m.type, KAD_FIND_NODE);
        assert_bytes_equal(m.key, BYTES_LIT("key"));
        assert_int_equal(m.n_closer, 1);
        assert_true(peer_id_equal(&m.closer[0].peer, &c.peer));
        assert_bytes_equal(refbuf_bytes(m.closer[0].addresses), refbuf_bytes(c.addresses));
        contact_done(&c);
}

static void what_is_written_is_read(void **state) {
        struct contact closer[KAD_PEERS_MAX], providers[2];
        CLEANUP(refbuf_unrefp) struct refbuf *out = NULL;
        CLEANUP(kad_message_donep) struct kad_message m = {};
        struct kad_parts parts = { .type = KAD_GET_VALUE,
                                   .key = BYTES_LIT("/a/b"),
                                   .has_record = true,
                                   .record_key = BYTES_LIT("/a/b"),
                                   .value = BYTES_LIT("value"),
                                   .received = BYTES_LIT("2026-01-01T00:00:00Z"),
                                   .closer = closer,
                                   .providers = providers,
                                   .n_closer = KAD_PEERS_MAX,
                                   .n_providers = 2 };

        for (uint8_t i = 0; i < KAD_PEERS_MAX; i++)
                closer[i] = contact(i + 1, i % (CONTACT_ADDRESSES_MAX + 1));
        providers[0] = contact(77, 1), providers[1] = contact(78, 0);
        out = kad_message_new(&parts);
        assert_non_null(out);
        assert_int_equal(kad_message_read(refbuf_bytes(out), &m), KAD_OK);
        assert_int_equal(m.n_closer, KAD_PEERS_MAX);
        assert_int_equal(m.n_providers, 2);
        assert_bytes_equal(m.value, parts.value);
        assert_bytes_equal(m.record_key, parts.key);
        assert_bytes_equal(m.received, parts.received);
        for (size_t i = 0; i < KAD_PEERS_MAX; i++) {
                assert_true(key_equal(&m.closer[i].key, &closer[i].key));
                contact_done(&closer[i]);
        }
        contact_done(&providers[0]);
        contact_done(&providers[1]);
}

static void put_repeated(struct buffer *b, uint8_t tag, size_t n, struct bytes v) {
        for (size_t i = 0; i < n; i++) {
                buffer_put_u8(b, tag);
                buffer_put_u8(b, (uint8_t) v.len);
                buffer_put_bytes(b, v);
        }
}

static int read_it(struct buffer *b) {
        struct kad_message m;
        int r = kad_message_read(buffer_bytes(b), &m);

        if (r == KAD_OK)
                kad_message_done(&m);
        buffer_done(b);
        return r;
}

static void refuses_long_lists(void **state) {
        struct buffer b, peer;

        buffer_init(&b, 1 << 20);
        put_repeated(&b, 0x42, KAD_PEERS_MAX, BYTES_LIT("\x0a\x01x")); /* bad ids are skipped */
        assert_int_equal(read_it(&b), KAD_OK);
        put_repeated(&b, 0x42, KAD_PEERS_MAX + 1, BYTES_LIT("\x0a\x01x"));
        assert_int_equal(read_it(&b), KAD_E_LIMIT);
        put_repeated(&b, 0x4a, KAD_PEERS_MAX + 1, BYTES_LIT(""));
        assert_int_equal(read_it(&b), KAD_E_LIMIT);

        buffer_init(&peer, 1000);
        put_repeated(&peer, 0x12, KAD_ADDRESSES_MAX + 1, BYTES_LIT("z"));
        put_repeated(&b, 0x42, 1, buffer_bytes(&peer));
        assert_int_equal(read_it(&b), KAD_E_LIMIT);
        buffer_done(&peer);
}

static void refuses_what_is_too_big(void **state) {
        static uint8_t big[KAD_MESSAGE_MAX + 1];
        static const uint8_t recursion[] = { 0x42, 2, 0x42, 0 };
        struct buffer b;

        assert_int_equal(kad_message_read(BYTES_OF(big), &(struct kad_message){}), KAD_E_LIMIT);
        buffer_init(&b, 1 << 20);
        buffer_put(&b, (uint8_t[]){ 0x12, 0x81, 0x08 }, 3); /* a key of 1025 bytes */
        buffer_put(&b, big, 1025);
        assert_int_equal(read_it(&b), KAD_E_LIMIT);
        buffer_put(&b, (uint8_t[]){ 0x1a, 0x85, 0x80, 1, 0x12, 0x81, 0x80, 1 }, 8);
        buffer_put(&b, big, 16385); /* a value of 16 KiB and a byte */
        assert_int_equal(read_it(&b), KAD_E_LIMIT);
        buffer_put(&b, (uint8_t[]){ 0x08, 6 }, 2); /* no such type */
        assert_int_equal(read_it(&b), KAD_E_INVALID);
        buffer_put(&b, (uint8_t[]){ 0x12, 9, 'x' }, 3); /* cut short */
        assert_int_equal(read_it(&b), KAD_E_INVALID);
        buffer_put(&b, recursion,
                   sizeof(recursion)); /* an unknown field, not a message in itself */
        assert_int_equal(read_it(&b), KAD_OK);
}

TEST_MAIN(cmocka_unit_test(reads_the_published_form), cmocka_unit_test(what_is_written_is_read),
          cmocka_unit_test(refuses_long_lists), cmocka_unit_test(refuses_what_is_too_big))
