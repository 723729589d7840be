#include "common/wire/peerid.h"

#include "common/base/text.h"
#include "common/wire/multibase.h"
#include "tests/support/test.h"
#include "tests/unit/wire/vectors/wire.h"

static struct bytes from_hex(const char *text, uint8_t *storage) {
        size_t n = strlen(text) / 2;

        assert_true(hex_decode(text, storage, n));
        return BYTES(storage, n);
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, id_vectors) {
                struct peer_id id, again;
                uint8_t key[512], want[64];
                char text[PEER_ID_TEXT_SIZE];

                assert_true(peer_id_from_public_key(from_hex(c->key, key), &id));
                assert_bytes_equal(peer_id_bytes(&id), from_hex(c->id, want));
                assert_true(peer_id_parse(from_hex(c->id, want), &again));
                assert_true(peer_id_equal(&id, &again));
                assert_string_equal(peer_id_text(&id, text), c->base58);
                assert_true(peer_id_from_text(BYTES_STR(c->base58), &again));
                assert_true(peer_id_equal(&id, &again));
                assert_true(peer_id_from_text(BYTES_STR(c->base32), &again));
                assert_true(peer_id_equal(&id, &again));
        }
}

/* libp2p's own: the key of seed 07 x 32. */
static void test_known(void **state) {
        uint8_t seed[32];
        struct sign_secret secret;
        struct sign_public public, inside;
        struct peer_id id;
        char text[PEER_ID_TEXT_SIZE];

        memset(seed, 7, sizeof(seed));
        sign_keypair(seed, &secret, &public);
        id = peer_id_from_ed25519(&public);
        assert_string_equal(peer_id_text(&id, text),
                            "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7");
        assert_true(peer_id_ed25519(&id, &inside));
        assert_memory_equal(&inside, &public, sizeof(public));
}

static void test_refused_bytes(void **state) {
        uint8_t raw[64], longer[64];
        struct bytes good = from_hex(id_vectors[0].id, raw);
        struct peer_id id = { .len = 77 };

        memcpy(longer, raw, sizeof(longer));
        assert_false(peer_id_parse(BYTES(longer, good.len + 1), &id));
        assert_false(peer_id_parse(BYTES(longer, good.len - 1), &id));
        assert_false(peer_id_parse(BYTES_NONE, &id));
        for (size_t i = 0; i < 6; i++) { /* multihash code, length, both tags, type, length */
                longer[i] ^= 0x40;
                assert_false(peer_id_parse(BYTES(longer, good.len), &id));
                longer[i] ^= 0x40;
        }
        assert_int_equal(id.len, 77); /* untouched on failure */

        /* An identity hash of anything but a key, and of a key too short to be one. */
        assert_false(peer_id_parse(BYTES_LIT("\0\4abcd"), &id));
        assert_false(peer_id_parse(BYTES_LIT("\0\5\x08\0\x12\1a"), &id));
}

static void test_refused_text(void **state) {
        static const char *const bad[] = {
                "",
                "1",
                "b",
                "0OIl",
                "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az",
                "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az77",
                "bafzaajaiaejc",
                "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5",
                "k51qzi5uqu5d",
        };
        struct peer_id id;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(peer_id_from_text(BYTES_STR(bad[i]), &id));
}

static void test_bases(void **state) {
        for (size_t n = 0; n <= MULTIBASE_IN_MAX; n++) {
                uint8_t in[MULTIBASE_IN_MAX], out[MULTIBASE_IN_MAX];
                char text[BASE32_TEXT_SIZE(MULTIBASE_IN_MAX)];
                size_t len;

                for (size_t i = 0; i < n; i++)
                        in[i] = i < n / 4 ? 0 : (uint8_t) (i * 37 + n);
                base58_encode(BYTES(in, n), text);
                assert_true(base58_decode(BYTES_STR(text), out, sizeof(out), &len));
                assert_bytes_equal(BYTES(out, len), BYTES(in, n));
                base32_encode(BYTES(in, n), text);
                assert_true(base32_decode(BYTES_STR(text), out, sizeof(out), &len));
                assert_bytes_equal(BYTES(out, len), BYTES(in, n));
                assert_true(n == 0 || !base32_decode(BYTES_STR(text), out, n - 1, &len));
        }
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_known),
          cmocka_unit_test(test_refused_bytes), cmocka_unit_test(test_refused_text),
          cmocka_unit_test(test_bases))
