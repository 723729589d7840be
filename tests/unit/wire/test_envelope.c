#include "common/wire/envelope.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/wire/vectors/wire.h"

static struct bytes from_hex(const char *text, uint8_t *storage) {
        size_t n = strlen(text) / 2;

        assert_true(hex_decode(text, storage, n));
        return BYTES(storage, n);
}

static void key_07(struct sign_secret *secret, struct sign_public *public) {
        uint8_t seed[32];

        memset(seed, 7, sizeof(seed));
        sign_keypair(seed, secret, public);
}

static void test_make(void **state) {
        CLEANUP(buffer_donep) struct buffer payload = {}, to_sign = {}, whole = {};
        static struct peer_record record;
        uint8_t want[512];
        struct sign_secret secret;
        struct sign_public public;
        struct signature s;

        buffer_init(&payload, 1024);
        buffer_init(&to_sign, 1024);
        buffer_init(&whole, 1024);
        key_07(&secret, &public);
        record.peer = peer_id_from_ed25519(&public);
        record.seq = 42;
        record.n_addrs = 2;
        multiaddr_from_text(BYTES_LIT("/ip4/127.0.0.1/udp/4001/quic-v1"), &record.addrs[0]);
        multiaddr_from_text(BYTES_LIT("/ip6/2001:db8::1/udp/1/quic-v1"), &record.addrs[1]);

        peer_record_put(&payload, &record);
        assert_bytes_equal(buffer_bytes(&payload), from_hex(record_payload, want));
        envelope_put_signed(&to_sign, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, buffer_bytes(&payload));
        assert_bytes_equal(buffer_bytes(&to_sign), from_hex(record_signed, want));
        s = sign_make(&secret, buffer_bytes(&to_sign));
        envelope_put(&whole, &public, PEER_RECORD_TYPE, buffer_bytes(&payload), &s);
        assert_bytes_equal(buffer_bytes(&whole), from_hex(record_whole, want));
}

static void test_open(void **state) {
        static struct peer_record record;
        char text[MULTIADDR_TEXT_SIZE];
        uint8_t in[512];

        assert_int_equal(peer_record_open(from_hex(record_whole, in), &record), ENVELOPE_OK);
        assert_string_equal(peer_id_text(&record.peer, text),
                            "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7");
        assert_int_equal(record.seq, 42);
        assert_int_equal(record.n_addrs, 2);
        assert_int_equal(record.n_skipped, 0);
        assert_string_equal(multiaddr_text(&record.addrs[1], text),
                            "/ip6/2001:db8::1/udp/1/quic-v1");
}

/* Whatever bit is turned, the record is not accepted. */
static void test_altered(void **state) {
        static struct peer_record record;
        uint8_t in[512];
        struct bytes whole = from_hex(record_whole, in);

        for (size_t i = 0; i < whole.len; i++) {
                in[i] ^= 1 << i % 8;
                assert_int_not_equal(peer_record_open(whole, &record), ENVELOPE_OK);
                in[i] ^= 1 << i % 8;
                assert_int_not_equal(peer_record_open(BYTES(in, i), &record), ENVELOPE_OK);
        }
}

static void test_refused(void **state) {
        static struct peer_record record;
        struct envelope e;
        uint8_t in[512];
        struct bytes whole = from_hex(record_whole, in);

        assert_int_equal(envelope_open(whole, RESERVATION_DOMAIN, PEER_RECORD_TYPE, &e),
                         ENVELOPE_E_SIGNATURE);
        assert_int_equal(envelope_open(whole, PEER_RECORD_DOMAIN, RESERVATION_TYPE, &e),
                         ENVELOPE_E_TYPE);
        assert_int_equal(envelope_open(BYTES(in, ENVELOPE_MAX + 1), PEER_RECORD_DOMAIN,
                                       PEER_RECORD_TYPE, &e),
                         ENVELOPE_E_INVALID);
        /* Correctly signed, but about somebody else. */
        assert_int_equal(peer_record_open(from_hex(record_foreign, in), &record),
                         ENVELOPE_E_PAYLOAD);
}

TEST_MAIN(cmocka_unit_test(test_make), cmocka_unit_test(test_open), cmocka_unit_test(test_altered),
          cmocka_unit_test(test_refused))
