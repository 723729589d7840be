#include "common/crypto/identity.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/crypto/vectors/identity.h"

static void assert_hex(const uint8_t *got, size_t n, const char *want) {
        char text[129];

        hex_encode(BYTES(got, n), text);
        assert_string_equal(text, want);
}

static void test_vectors(void **state) {
        FOREACH_CASE (c, identity_vectors) {
                struct sign_public public;
                struct identity id;
                uint8_t seed[32];

                assert_true(hex_decode(c->seed, seed, sizeof(seed)));
                identity_init(&id, seed);
                assert_hex(id.sign_public.bytes, 32, c->ed25519);
                assert_hex(id.x25519_public, 32, c->x25519);
                assert_int_equal(identity_work(&id.sign_public), c->work);
                identity_public(seed, &public);
                assert_memory_equal(&public, &id.sign_public, sizeof(public));
        }
}

/* RFC 8032, 7.1, test 2. */
static void test_sign(void **state) {
        struct sign_secret secret;
        struct sign_public public;
        struct signature s;
        uint8_t seed[32], message = 0x72;

        assert_true(hex_decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                               seed, 32));
        sign_keypair(seed, &secret, &public);
        assert_hex(public.bytes, 32,
                   "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        s = sign_make(&secret, BYTES(&message, 1));
        assert_hex(s.bytes, 64,
                   "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                   "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
        assert_true(sign_verify(&public, BYTES(&message, 1), signature_bytes(&s)));
        assert_false(sign_verify(&public, BYTES_NONE, signature_bytes(&s)));
        assert_false(sign_verify(&public, BYTES(&message, 1), BYTES(s.bytes, 63)));
        s.bytes[63] ^= 0x10; /* S not reduced any more */
        assert_false(sign_verify(&public, BYTES(&message, 1), signature_bytes(&s)));
}

/* A key of small order would "verify" anything. */
static void test_small_order(void **state) {
        struct sign_public zero = { { 1 } };
        struct signature s = { { 1 } };

        assert_false(sign_verify(&zero, BYTES_LIT("x"), signature_bytes(&s)));
}

static void test_wipe(void **state) {
        struct identity id;
        static const struct identity empty;
        uint8_t seed[32] = { 9 };

        identity_init(&id, seed);
        assert_false(crypto_equal(&id, &empty, sizeof(id)));
        identity_wipe(&id);
        assert_true(crypto_equal(&id, &empty, sizeof(id)));
}

TEST_MAIN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_sign),
          cmocka_unit_test(test_small_order), cmocka_unit_test(test_wipe))
