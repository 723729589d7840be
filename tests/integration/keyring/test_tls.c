/* Certificates signed by keyring, judged by transport's own verifier: the two sides of
 * the line that no private key crosses. */

#include <errno.h>

#include "services/keyring/keyring.h"
#include "services/transport/tls.h"
#include "tests/support/test.h"

#define WALL 1800000000 /* seconds since 1970 */

struct bridge {
        struct keyring *keyring;
        struct keyring_binding binding;
        unsigned n_signed;
};

/* As transport's shell does it: what begins like DER is a certificate. */
static int sign(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                size_t *ret_len) {
        struct bridge *b = userdata;
        struct keyring_ask ask = { .socket = KEYRING_TRANSPORT,
                                   .now = b->n_signed++ * NSEC_PER_SEC };
        struct keyring_tls_request request = { .spki = b->binding.spki };
        struct certkey_signature s;
        int r;

        if (what == TLS_SIGN_HASH) {
                request.digest = input;
                r = keyring_sign_tls(b->keyring, &ask, &request, &s);
        } else {
                r = keyring_sign_certificate(b->keyring, &ask, b->binding.spki, input, &s);
        }
        if (r)
                return -EPERM;
        memcpy(ret, s.bytes, s.len);
        *ret_len = s.len;
        return 0;
}

static void check_type(enum certkey_type type, enum tls_key_type transport_type) {
        static const uint8_t seed[32] = { 5 };
        struct keyring_ask ask = { .socket = KEYRING_TRANSPORT };
        struct certkey *keys[_CERTKEY_N] = {};
        CLEANUP(tls_context_freep) struct tls_context *context = NULL;
        struct keyring keyring;
        struct bridge b = { .keyring = &keyring };
        struct tls_signer signer = { .userdata = &b, .type = transport_type, .sign = sign };
        struct peer_id peer;

        assert_int_equal(certkey_new(type, seed, &keys[type]), 0);
        keyring_init(&keyring, seed, keys);
        assert_int_equal(keyring_bind_tls(&keyring, &ask, type, &b.binding), KEYRING_OK);
        signer.spki = b.binding.spki;
        signer.host_key = BYTES_OF(b.binding.public_key);
        signer.host_signature = signature_bytes(&b.binding.signature);

        assert_int_equal(tls_context_new(&signer, WALL, &context), 0);
        assert_true(b.n_signed >= 1);
        assert_true(peer_id_equal(tls_context_peer(context), &keyring.self));
        assert_int_equal(tls_verify_certificate(tls_context_certificate(context), WALL, &peer),
                         TLS_OK);
        assert_true(peer_id_equal(&peer, &keyring.self));
        keyring_done(&keyring);
}

static void test_ed25519(void **state) {
        check_type(CERTKEY_ED25519, TLS_KEY_ED25519);
}

static void test_p256(void **state) {
        check_type(CERTKEY_P256, TLS_KEY_P256);
}

TEST_MAIN(cmocka_unit_test(test_ed25519), cmocka_unit_test(test_p256))
