#include "services/keyring/keyring.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "tests/support/test.h"

#define SEC NSEC_PER_SEC

static const uint8_t seed[IDENTITY_SEED_SIZE] = { 42 };
static const struct hash_value job = { { 1, 2, 3 } };

static int setup(void **state) {
        struct keyring *k = xnew(struct keyring);
        struct certkey *tls[_CERTKEY_N] = {};

        assert_int_equal(certkey_new(CERTKEY_ED25519, seed, &tls[CERTKEY_ED25519]), 0);
        assert_int_equal(certkey_new(CERTKEY_P256, seed, &tls[CERTKEY_P256]), 0);
        keyring_init(k, seed, tls);
        *state = k;
        return 0;
}

static int teardown(void **state) {
        struct keyring *k = *state;

        keyring_done(k);
        for (size_t i = 0; i < sizeof(*k); i++)
                assert_int_equal(((uint8_t *) k)[i], 0); /* nothing is left behind */
        free(k);
        return 0;
}

static struct keyring_ask ask(enum keyring_socket socket) {
        return (struct keyring_ask){ .socket = socket, .now = 100 * SEC };
}

static struct peer_id other_peer(void) {
        const uint8_t other_seed[32] = { 7 };
        struct sign_public public;

        identity_public(other_seed, &public);
        return peer_id_from_ed25519(&public);
}

/* ---- statements about jobs ---- */

static void test_dispatch(void **state) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        struct keyring *k = *state;
        struct keyring_ask requester = ask(KEYRING_REQUESTER), host = ask(KEYRING_HOST);
        struct peer_id peer = other_peer();
        struct dispatch_statement s = {
                .job = job, .host = peer_id_bytes(&peer), .ticket = BYTES_LIT("ticket"), .run = 1
        };
        struct dispatch_statement back;

        assert_int_equal(keyring_sign_dispatch(k, &host, &s, &got), KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_OK);
        assert_true(sign_verify(&k->identity.sign_public, buffer_bytes(&got.bytes),
                                signature_bytes(&got.signature)));
        assert_int_equal(memcmp(got.bytes.data, "quorate/1/dispatch", 19), 0);
        assert_int_equal(dispatch_decode(buffer_bytes(&got.bytes), &back), STATEMENT_OK);
        assert_bytes_equal(back.host, s.host);
        assert_bytes_equal(back.ticket, s.ticket);
        assert_int_equal(back.run, 1);
        assert_int_equal(k->signed_n[KEYRING_DISPATCH], 1);
        assert_int_equal(k->refused_n[KEYRING_E_SOCKET], 1);

        s.host = BYTES_LIT("nobody");
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_E_FIELD);
        s.host = peer_id_bytes(&peer);
        s.run = 2;
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_E_FIELD);
}

static void test_commit_is_for_self(void **state) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        struct keyring *k = *state;
        struct keyring_ask host = ask(KEYRING_HOST), requester = ask(KEYRING_REQUESTER);
        struct peer_id peer = other_peer();
        struct commit_statement s = { .job = job,
                                      .host = peer_id_bytes(&peer),
                                      .engine_class = BYTES_LIT("sqlite-3.40.1") };
        struct signed_statement whole;
        struct commit_statement back;

        assert_int_equal(keyring_sign_commit(k, &host, &s, &got), KEYRING_E_FOREIGN);
        s.host = peer_id_bytes(&k->self);
        assert_int_equal(keyring_sign_commit(k, &requester, &s, &got), KEYRING_E_SOCKET);
        assert_int_equal(keyring_sign_commit(k, &host, &s, &got), KEYRING_OK);
        whole = (struct signed_statement){ .bytes = buffer_bytes(&got.bytes),
                                           .signature = signature_bytes(&got.signature),
                                           .key = k->identity.sign_public };
        assert_true(commit_verify(&whole, &back));
}

static void test_verdict(void **state) {
        CLEANUP(keyring_signed_donep) struct keyring_signed got = {};
        struct keyring *k = *state;
        struct keyring_ask requester = ask(KEYRING_REQUESTER);
        struct peer_id peer = other_peer();
        struct verdict_statement s = { .job = job,
                                       .host = peer_id_bytes(&peer),
                                       .verdict = VERDICT_CORRECT,
                                       .state = STATE_VERIFIED,
                                       .mode = MODE_QUORUM,
                                       .replicas = 3,
                                       .quorum = 2,
                                       .voter_group = BYTES_LIT("192.0.2.0/24") };

        assert_int_equal(keyring_sign_verdict(k, &requester, &s, &got), KEYRING_OK);
        s.quorum = 4;
        assert_int_equal(keyring_sign_verdict(k, &requester, &s, &got), KEYRING_E_FIELD);
        s.quorum = 2;
        s.host = peer_id_bytes(&k->self);
        assert_int_equal(keyring_sign_verdict(k, &requester, &s, &got), KEYRING_E_FOREIGN);
}

static void test_rate(void **state) {
        struct keyring *k = *state;
        struct keyring_ask requester = ask(KEYRING_REQUESTER);
        const struct keyring_rule *rule = &keyring_rules[KEYRING_DISPATCH];
        struct peer_id peer = other_peer();
        struct dispatch_statement s = { .host = peer_id_bytes(&peer), .ticket = BYTES_LIT("t") };
        struct keyring_signed got;

        for (uint32_t i = 0; i < rule->burst; i++) {
                assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_OK);
                keyring_signed_done(&got);
        }
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_E_RATE);
        requester.now += SEC / rule->per_second + 1;
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_OK);
        keyring_signed_done(&got);
        assert_int_equal(keyring_sign_dispatch(k, &requester, &s, &got), KEYRING_E_RATE);
}

/* ---- libp2p ---- */

static void test_peer_record(void **state) {
        CLEANUP(buffer_donep) struct buffer envelope = {};
        struct keyring *k = *state;
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);
        static struct peer_record record;
        struct multiaddr a;
        struct bytes addrs[2];

        buffer_init(&envelope, ENVELOPE_MAX);
        assert_int_equal(multiaddr_from_text(BYTES_LIT("/ip4/1.2.3.4/udp/5/quic-v1"), &a), 0);
        addrs[0] = addrs[1] = multiaddr_bytes(&a);
        assert_int_equal(keyring_sign_peer_record(k, &transport, 9, addrs, 2, &envelope), 0);
        assert_int_equal(peer_record_open(buffer_bytes(&envelope), &record), ENVELOPE_OK);
        assert_true(peer_id_equal(&record.peer, &k->self));
        assert_int_equal(record.seq, 9);
        assert_int_equal(record.n_addrs, 2);

        assert_int_equal(keyring_sign_peer_record(k, &transport, 9, addrs, 2, &envelope),
                         KEYRING_E_FIELD); /* not newer */
        addrs[1] = BYTES_LIT("junk");
        assert_int_equal(keyring_sign_peer_record(k, &transport, 10, addrs, 2, &envelope),
                         KEYRING_E_FIELD);
        assert_int_equal(keyring_sign_peer_record(k, &transport, 10, addrs, 0, &envelope), 0);
}

static void check_binding(struct keyring *k, enum certkey_type type) {
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);
        CLEANUP(buffer_donep) struct buffer b = {};
        struct keyring_binding binding;
        struct peer_id id;

        buffer_init(&b, 512);
        assert_int_equal(keyring_bind_tls(k, &transport, type, &binding), KEYRING_OK);
        buffer_put_bytes(&b, BYTES_LIT("libp2p-tls-handshake:"));
        buffer_put_bytes(&b, binding.spki);
        assert_true(sign_verify(&k->identity.sign_public, buffer_bytes(&b),
                                signature_bytes(&binding.signature)));
        assert_true(peer_id_from_public_key(BYTES_OF(binding.public_key), &id));
        assert_true(peer_id_equal(&id, &k->self));
}

static void test_binding(void **state) {
        struct keyring_ask requester = ask(KEYRING_REQUESTER), transport = ask(KEYRING_TRANSPORT);
        struct keyring_binding binding;
        struct keyring *k = *state;

        check_binding(k, CERTKEY_ED25519);
        check_binding(k, CERTKEY_P256);
        assert_int_equal(keyring_bind_tls(k, &requester, CERTKEY_P256, &binding), KEYRING_E_SOCKET);
        assert_int_equal(keyring_bind_tls(k, &transport, _CERTKEY_N, &binding), KEYRING_E_KEY);
}

/* ---- TLS ---- */

/* RFC 8446, 4.4.3, written out by hand. */
static size_t verify_content(uint8_t *ret, const char *context, size_t hash_size) {
        size_t n = strlen(context) + 1;

        memset(ret, ' ', 64);
        memcpy(ret + 64, context, n);
        memset(ret + 64 + n, 0x5a, hash_size);
        return 64 + n + hash_size;
}

static bool gnutls_accepts(struct bytes spki, struct bytes message,
                           const struct certkey_signature *s, gnutls_sign_algorithm_t algorithm) {
        gnutls_datum_t der = { (unsigned char *) spki.data, (unsigned) spki.len };
        gnutls_datum_t data = { (unsigned char *) message.data, (unsigned) message.len };
        gnutls_datum_t sig = { (unsigned char *) s->bytes, (unsigned) s->len };
        gnutls_pubkey_t key;
        int r;

        assert_int_equal(gnutls_pubkey_init(&key), 0);
        assert_int_equal(gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER), 0);
        r = gnutls_pubkey_verify_data2(key, algorithm, 0, &data, &sig);
        gnutls_pubkey_deinit(key);
        return r >= 0;
}

static const struct {
        const char *context;
        size_t hash_size;
        int want;
} content_cases[] = {
        { "TLS 1.3, server CertificateVerify", 32, KEYRING_OK },
        { "TLS 1.3, client CertificateVerify", 32, KEYRING_OK },
        { "TLS 1.3, client CertificateVerify", 48, KEYRING_OK },
        { "TLS 1.3, client CertificateVerify", 33, KEYRING_E_FIELD },
        { "TLS 1.3, client CertificateVerify", 0, KEYRING_E_FIELD },
        { "TLS 1.3, Client CertificateVerify", 32, KEYRING_E_FIELD },
        { "quorate/1/dispatch", 32, KEYRING_E_FIELD },
        { "", 32, KEYRING_E_FIELD },
};

static void test_tls_content(void **state) {
        struct keyring *k = *state;
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);

        FOREACH_CASE (c, content_cases) {
                struct certkey_signature s = {};
                uint8_t content[256];
                size_t n = verify_content(content, c->context, c->hash_size);
                struct keyring_tls_request request = {
                        .spki = certkey_spki(k->tls[CERTKEY_ED25519]), .content = BYTES(content, n)
                };

                assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), c->want);
                if (c->want == KEYRING_OK)
                        assert_true(gnutls_accepts(request.spki, request.content, &s,
                                                   GNUTLS_SIGN_EDDSA_ED25519));
        }
}

/* Not one of the 64 spaces, nor the zero, may be anything else. */
static void test_tls_content_exact(void **state) {
        struct keyring *k = *state;
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);
        uint8_t content[256];
        size_t n = verify_content(content, "TLS 1.3, server CertificateVerify", 32);
        struct keyring_tls_request request = { .spki = certkey_spki(k->tls[CERTKEY_ED25519]),
                                               .content = BYTES(content, n) };
        struct certkey_signature s;

        for (size_t i = 0; i < n - 32; i++) {
                content[i] ^= 1;
                assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_E_FIELD);
                content[i] ^= 1;
        }
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_OK);
        request.spki = BYTES_LIT("another key");
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_E_FOREIGN);
}

static void test_tls_p256(void **state) {
        struct keyring *k = *state;
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);
        uint8_t content[256], digest[32];
        size_t n = verify_content(content, "TLS 1.3, server CertificateVerify", 32);
        struct keyring_tls_request request = { .spki = certkey_spki(k->tls[CERTKEY_P256]),
                                               .digest = BYTES_OF(digest) };
        struct certkey_signature s;

        sha256_of(BYTES(content, n), digest);
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_OK);
        assert_true(gnutls_accepts(request.spki, BYTES(content, n), &s, GNUTLS_SIGN_ECDSA_SHA256));

        request.content = BYTES(content, n); /* both: which is meant? */
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_E_FIELD);
        request.digest = BYTES_NONE; /* the content alone is hashed here */
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_OK);
        assert_true(gnutls_accepts(request.spki, BYTES(content, n), &s, GNUTLS_SIGN_ECDSA_SHA256));
        request.content = BYTES_NONE;
        request.digest = BYTES(digest, 31);
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_E_FIELD);
        request.digest = BYTES_OF(digest); /* an Ed25519 key signs no digests */
        request.spki = certkey_spki(k->tls[CERTKEY_ED25519]);
        assert_int_equal(keyring_sign_tls(k, &transport, &request, &s), KEYRING_E_FIELD);
}

/* Of a sequence, with its tag and length. */
static size_t der_header(const uint8_t *p) {
        assert_int_equal(p[0], 0x30);
        return p[1] < 0x80 ? 2 : p[1] == 0x81 ? 3 : 4;
}

static size_t der_size(const uint8_t *p) {
        size_t n = der_header(p), content = 0;

        if (n == 2)
                return n + p[1];
        for (size_t i = 2; i < n; i++)
                content = content << 8 | p[i];
        return n + content;
}

/* The signed part of a certificate GnuTLS makes for this key. */
static size_t make_tbs(struct bytes spki, uint8_t *ret) {
        gnutls_datum_t der = { (unsigned char *) spki.data, (unsigned) spki.len }, out = {};
        gnutls_x509_privkey_t signer;
        gnutls_pubkey_t key;
        gnutls_x509_crt_t crt, issuer;
        size_t n, size;

        assert_int_equal(gnutls_x509_privkey_init(&signer), 0);
        assert_true(gnutls_x509_privkey_generate(signer, GNUTLS_PK_ECDSA,
                                                 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                                 0) >= 0);
        assert_int_equal(gnutls_pubkey_init(&key), 0);
        assert_int_equal(gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER), 0);
        assert_int_equal(gnutls_x509_crt_init(&crt), 0);
        gnutls_x509_crt_set_version(crt, 3);
        gnutls_x509_crt_set_serial(crt, "\1", 1);
        gnutls_x509_crt_set_activation_time(crt, 1700000000);
        gnutls_x509_crt_set_expiration_time(crt, 1900000000);
        assert_int_equal(gnutls_x509_crt_set_pubkey(crt, key), 0);
        assert_int_equal(gnutls_x509_crt_init(&issuer), 0);
        assert_int_equal(gnutls_x509_crt_set_key(issuer, signer), 0);
        assert_int_equal(gnutls_x509_crt_sign2(crt, issuer, signer, GNUTLS_DIG_SHA256, 0), 0);
        gnutls_x509_crt_deinit(issuer);
        assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &out), 0);
        /* Certificate ::= SEQUENCE { TBSCertificate, ... } */
        n = der_header(out.data);
        size = der_size(out.data + n);
        memcpy(ret, out.data + n, size);
        gnutls_free(out.data);
        gnutls_x509_crt_deinit(crt);
        gnutls_pubkey_deinit(key);
        gnutls_x509_privkey_deinit(signer);
        return size;
}

static void test_certificate(void **state) {
        struct keyring *k = *state;
        struct keyring_ask transport = ask(KEYRING_TRANSPORT);
        struct bytes ed25519 = certkey_spki(k->tls[CERTKEY_ED25519]);
        struct bytes p256 = certkey_spki(k->tls[CERTKEY_P256]);
        struct certkey_signature s;
        uint8_t tbs[1024];
        size_t n = make_tbs(ed25519, tbs);

        assert_int_equal(keyring_sign_certificate(k, &transport, ed25519, BYTES(tbs, n), &s), 0);
        assert_true(gnutls_accepts(ed25519, BYTES(tbs, n), &s, GNUTLS_SIGN_EDDSA_ED25519));
        assert_int_equal(keyring_sign_certificate(k, &transport, p256, BYTES(tbs, n), &s),
                         KEYRING_E_FOREIGN);
        assert_int_equal(keyring_sign_certificate(k, &transport, ed25519, BYTES(tbs, n - 1), &s),
                         KEYRING_E_FIELD);
        tbs[n] = 0;
        assert_int_equal(keyring_sign_certificate(k, &transport, ed25519, BYTES(tbs, n + 1), &s),
                         KEYRING_E_FIELD);
        assert_int_equal(keyring_sign_certificate(k, &transport, ed25519, BYTES_LIT("0\x82"), &s),
                         KEYRING_E_FIELD);
}

/* The table itself: nothing of the node's key without a prefix, no prefix inside another. */
static void test_table(void **state) {
        for (size_t i = 0; i < _KEYRING_STATEMENT_N; i++) {
                const struct keyring_rule *a = &keyring_rules[i];

                assert_non_null(a->name);
                assert_true(a->burst > 0 && a->per_second > 0);
                if (a->key != KEYRING_KEY_NODE)
                        continue;
                assert_true(a->prefix.len >= 14);
                for (size_t j = 0; j < _KEYRING_STATEMENT_N; j++) {
                        const struct keyring_rule *b = &keyring_rules[j];
                        size_t n = a->prefix.len < b->prefix.len ? a->prefix.len : b->prefix.len;

                        if (i != j && b->key == KEYRING_KEY_NODE)
                                assert_int_not_equal(memcmp(a->prefix.data, b->prefix.data, n), 0);
                }
        }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

TEST_MAIN(T(test_dispatch), T(test_commit_is_for_self), T(test_verdict), T(test_rate),
          T(test_peer_record), T(test_binding), T(test_tls_content), T(test_tls_content_exact),
          T(test_tls_p256), T(test_certificate), cmocka_unit_test(test_table))
