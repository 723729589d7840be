#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/crypto/sign.h"
#include "services/transport/quic/internal.h"
#include "services/transport/tls.h"
#include "services/transport/tls/der.h"
#include "tests/support/test.h"
#include "tests/unit/transport/net.h"
#include "tests/unit/transport/vectors/tls.h"

#define WALL      1800000000
#define OID_P2P   "\x2b\x06\x01\x04\x01\x83\xa2\x5a\x01\x01"
#define OID_OTHER "\x2b\x06\x01\x04\x01\x83\xa2\x5a\x01\x63"
#define PREFIX    "libp2p-tls-handshake:"

static void test_spec_vectors(void **state) {
        FOREACH_CASE (v, tls_vectors) {
                uint8_t der[1024];
                size_t n = strlen(v->der) / 2;
                char text[PEER_ID_TEXT_SIZE];
                struct peer_id peer;

                assert_true(hex_decode(v->der, der, n));
                assert_int_equal(tls_verify_certificate(BYTES(der, n), WALL, &peer), v->verdict);
                if (v->peer)
                        assert_string_equal(peer_id_text(&peer, text), v->peer);
        }
}

/* A certificate built by hand, so that each rule can be broken alone. */
struct forge {
        const char *name;
        int want;
        const char *not_before, *not_after; /* default: valid */
        bool no_extension, twice, other_critical, usage_critical, trailing_in_key, trailing;
        bool version1, broken_self, broken_host, short_key, short_signature, long_varint;
        bool critical, inner_algorithm_differs, bare_signature, long_exponent;
        gnutls_pk_algorithm_t host; /* 0: Ed25519 */
        unsigned host_bits;
        unsigned weak_bits; /* the certificate's own key is RSA of this size */
};

static const struct forge forges[] = {
        { .name = "good", .want = TLS_OK },
        { .name = "good, extension critical", .want = TLS_OK, .critical = true },
        { .name = "good, key usage critical", .want = TLS_OK, .usage_critical = true },
        { .name = "good, host P-256",
          .want = TLS_OK,
          .host = GNUTLS_PK_ECDSA,
          .host_bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
        { .name = "good, host RSA", .want = TLS_OK, .host = GNUTLS_PK_RSA, .host_bits = 2048 },
        { .name = "host RSA weak",
          .want = TLS_E_HOST_SIGNATURE,
          .host = GNUTLS_PK_RSA,
          .host_bits = 1024 },
        { .name = "host RSA with a long exponent", /* its signature is good */
          .want = TLS_E_HOST_SIGNATURE,
          .host = GNUTLS_PK_RSA,
          .host_bits = 2048,
          .long_exponent = true },
        { .name = "host P-192",
          .want = TLS_E_HOST_SIGNATURE,
          .host = GNUTLS_PK_ECDSA,
          .host_bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP192R1) },
        { .name = "key RSA weak", .want = TLS_E_KEY, .weak_bits = 1024 },
        { .name = "expired", .want = TLS_E_TIME, .not_after = "20200101000000Z" },
        { .name = "not yet valid", .want = TLS_E_TIME, .not_before = "20900101000000Z" },
        { .name = "no extension", .want = TLS_E_EXTENSION_MISSING, .no_extension = true },
        { .name = "two extensions", .want = TLS_E_EXTENSION_TWICE, .twice = true },
        { .name = "unknown critical", .want = TLS_E_EXTENSION_CRITICAL, .other_critical = true },
        { .name = "bytes behind SignedKey", .want = TLS_E_EXTENSION_FORM, .trailing_in_key = true },
        { .name = "only a signature", .want = TLS_E_EXTENSION_FORM, .bare_signature = true },
        { .name = "bytes behind all", .want = TLS_E_PARSE, .trailing = true },
        { .name = "version 1", .want = TLS_E_PARSE, .version1 = true },
        { .name = "two algorithms", .want = TLS_E_PARSE, .inner_algorithm_differs = true },
        { .name = "broken self signature", .want = TLS_E_SELF_SIGNATURE, .broken_self = true },
        { .name = "broken host signature", .want = TLS_E_HOST_SIGNATURE, .broken_host = true },
        { .name = "key of 31 bytes", .want = TLS_E_HOST_KEY, .short_key = true },
        { .name = "signature of 63", .want = TLS_E_HOST_SIGNATURE, .short_signature = true },
        { .name = "varint not minimal", .want = TLS_E_HOST_KEY, .long_varint = true },
};

static struct bytes spki_of(gnutls_privkey_t key, uint8_t *ret, size_t size) {
        gnutls_pubkey_t public;
        size_t n = size;

        check(gnutls_pubkey_init(&public) >= 0);
        check(gnutls_pubkey_import_privkey(public, key, 0, 0) >= 0);
        check(gnutls_pubkey_export(public, GNUTLS_X509_FMT_DER, ret, &n) >= 0);
        gnutls_pubkey_deinit(public);
        return BYTES(ret, n);
}

static void sign_with(gnutls_privkey_t key, gnutls_sign_algorithm_t how, struct bytes message,
                      struct buffer *ret) {
        gnutls_datum_t in = { (unsigned char *) message.data, (unsigned) message.len }, out;

        check(gnutls_privkey_sign_data2(key, how, 0, &in, &out) >= 0);
        buffer_put(ret, out.data, out.size);
        gnutls_free(out.data);
}

static void wrap(struct buffer *to, uint8_t tag, struct buffer *content) {
        der_put(to, tag, buffer_bytes(content));
        buffer_done(content);
}

static struct buffer fresh(void) {
        struct buffer b;

        buffer_init(&b, 8192);
        return b;
}

static void varint(struct buffer *b, size_t n) {
        if (n >= 0x80)
                buffer_put_u8(b, (uint8_t) (n | 0x80));
        buffer_put_u8(b, (uint8_t) (n >= 0x80 ? n >> 7 : n));
}

static void host_ed25519(const struct forge *f, struct bytes message, struct buffer *key,
                         struct buffer *signature) {
        uint8_t seed[32] = { 9 };
        struct sign_secret secret;
        struct sign_public public;
        struct signature s;

        sign_keypair(seed, &secret, &public);
        s = sign_make(&secret, message);
        if (f->broken_host)
                s.bytes[5] ^= 1;
        buffer_put(key, f->long_varint ? "\x08\x81\x00\x12" : "\x08\x01\x12",
                   f->long_varint ? 4 : 3);
        varint(key, f->short_key ? 31 : 32);
        buffer_put(key, public.bytes, f->short_key ? 31 : 32);
        buffer_put(signature, s.bytes, f->short_signature ? 63 : 64);
}

/* The same key with the exponents in each other's place. */
static gnutls_privkey_t exchange_exponents(gnutls_privkey_t key) {
        gnutls_datum_t m, e, d, p, q, u;
        gnutls_privkey_t other;

        check(gnutls_privkey_export_rsa_raw(key, &m, &e, &d, &p, &q, &u, NULL, NULL) >= 0);
        check(gnutls_privkey_init(&other) >= 0);
        check(gnutls_privkey_import_rsa_raw(other, &m, &d, &e, &p, &q, NULL, NULL, NULL) >= 0);
        gnutls_free(m.data);
        gnutls_free(e.data);
        gnutls_free(d.data);
        gnutls_free(p.data);
        gnutls_free(q.data);
        gnutls_free(u.data);
        gnutls_privkey_deinit(key);
        return other;
}

static void host_other(const struct forge *f, struct bytes message, struct buffer *key,
                       struct buffer *signature) {
        bool rsa = f->host == GNUTLS_PK_RSA;
        gnutls_privkey_t host;
        uint8_t spki[1024];
        struct bytes v;

        check(gnutls_privkey_init(&host) >= 0);
        check(gnutls_privkey_generate(host, f->host, f->host_bits, 0) >= 0);
        if (f->long_exponent)
                host = exchange_exponents(host);
        v = spki_of(host, spki, sizeof(spki));
        buffer_put(key, rsa ? "\x08\x00\x12" : "\x08\x03\x12", 3);
        varint(key, v.len);
        buffer_put_bytes(key, v);
        sign_with(host, rsa ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_ECDSA_SHA256, message,
                  signature);
        gnutls_privkey_deinit(host);
}

static void put_extension(struct buffer *list, struct bytes oid, bool critical,
                          struct bytes value) {
        struct buffer e = fresh();

        der_put(&e, DER_OID, oid);
        if (critical)
                der_put(&e, DER_BOOLEAN, BYTES_LIT("\xff"));
        der_put(&e, DER_OCTET_STRING, value);
        wrap(list, DER_SEQUENCE, &e);
}

static void put_libp2p(const struct forge *f, struct bytes spki, struct buffer *list) {
        struct buffer message = fresh(), key = fresh(), signature = fresh(), both = fresh(),
                      value = fresh();

        buffer_put_bytes(&message, BYTES_LIT(PREFIX));
        buffer_put_bytes(&message, spki);
        if (f->host)
                host_other(f, buffer_bytes(&message), &key, &signature);
        else
                host_ed25519(f, buffer_bytes(&message), &key, &signature);
        if (!f->bare_signature)
                wrap(&both, DER_OCTET_STRING, &key);
        wrap(&both, DER_OCTET_STRING, &signature);
        wrap(&value, DER_SEQUENCE, &both);
        if (f->trailing_in_key)
                buffer_put_u8(&value, 0);
        put_extension(list, BYTES_LIT(OID_P2P), f->critical, buffer_bytes(&value));
        if (f->twice)
                put_extension(list, BYTES_LIT(OID_P2P), false, buffer_bytes(&value));
        buffer_done(&message);
        buffer_done(&key);
        buffer_done(&value);
}

static void put_extensions(const struct forge *f, struct bytes spki, struct buffer *tbs) {
        struct buffer list = fresh(), outer = fresh();

        if (!f->no_extension)
                put_libp2p(f, spki, &list);
        if (f->other_critical)
                put_extension(&list, BYTES_LIT(OID_OTHER), true, BYTES_LIT("x"));
        if (f->usage_critical)
                put_extension(&list, BYTES_LIT("\x55\x1d\x0f"), true,
                              BYTES_LIT("\x03\x02\x07\x80"));
        wrap(&outer, DER_SEQUENCE, &list);
        wrap(tbs, DER_CONTEXT_3, &outer);
}

static struct bytes algorithm_of(const struct forge *f) {
        return f->weak_bits ? BYTES_LIT("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")
                            : BYTES_LIT("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");
}

static void put_tbs(const struct forge *f, struct bytes spki, struct buffer *ret) {
        const char *from = f->not_before ? f->not_before : "20200101000000Z";
        const char *to = f->not_after ? f->not_after : "21000101000000Z";
        struct buffer tbs = fresh(), validity = fresh();

        if (!f->version1)
                der_put(&tbs, DER_CONTEXT_0, BYTES_LIT("\x02\x01\x02"));
        der_put(&tbs, DER_INTEGER, BYTES_LIT("\x01"));
        der_put(&tbs, DER_SEQUENCE,
                f->inner_algorithm_differs ? BYTES_LIT("\x06\x03\x2b\x65\x70") : algorithm_of(f));
        der_put(&tbs, DER_SEQUENCE, BYTES_NONE);
        der_put(&validity, DER_GENERALIZED_TIME, BYTES_STR(from));
        der_put(&validity, DER_GENERALIZED_TIME, BYTES_STR(to));
        wrap(&tbs, DER_SEQUENCE, &validity);
        der_put(&tbs, DER_SEQUENCE, BYTES_NONE);
        buffer_put_bytes(&tbs, spki);
        put_extensions(f, spki, &tbs);
        wrap(ret, DER_SEQUENCE, &tbs);
}

/* Returns the key that the certificate is for. */
static gnutls_privkey_t forge(const struct forge *f, struct buffer *ret) {
        struct buffer all = fresh(), tbs = fresh(), signature = fresh();
        gnutls_privkey_t key;
        uint8_t spki[1024];

        check(gnutls_privkey_init(&key) >= 0);
        check(gnutls_privkey_generate(key, f->weak_bits ? GNUTLS_PK_RSA : GNUTLS_PK_ECDSA,
                                      f->weak_bits
                                              ? f->weak_bits
                                              : GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                      0) >= 0);
        put_tbs(f, spki_of(key, spki, sizeof(spki)), &tbs);
        buffer_put_u8(&signature, 0);
        sign_with(key, f->weak_bits ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_ECDSA_SHA256,
                  buffer_bytes(&tbs), &signature);
        if (f->broken_self)
                signature.data[signature.len - 1] ^= 1;
        buffer_put_bytes(&all, buffer_bytes(&tbs));
        der_put(&all, DER_SEQUENCE, algorithm_of(f));
        wrap(&all, DER_BIT_STRING, &signature);
        wrap(ret, DER_SEQUENCE, &all);
        if (f->trailing)
                buffer_put_u8(ret, 0);
        buffer_done(&tbs);
        return key;
}

static void test_each_rule(void **state) {
        FOREACH_CASE (f, forges) {
                struct buffer der = fresh();
                struct peer_id peer;

                print_message("# %s\n", f->name);
                gnutls_privkey_deinit(forge(f, &der));
                assert_int_equal(tls_verify_certificate(buffer_bytes(&der), WALL, &peer), f->want);
                buffer_done(&der);
        }
}

/* No prefix of a good certificate, and no copy with one byte changed, passes as
 * somebody else's; nothing crashes. */
static void test_mutations(void **state) {
        struct buffer der = fresh();
        struct peer_id good, peer;

        gnutls_privkey_deinit(forge(&forges[0], &der));
        assert_int_equal(tls_verify_certificate(buffer_bytes(&der), WALL, &good), TLS_OK);
        for (size_t n = 0; n < der.len; n++)
                assert_int_equal(tls_verify_certificate(BYTES(der.data, n), WALL, &peer),
                                 TLS_E_PARSE);
        for (size_t i = 0; i < der.len; i++) {
                der.data[i] ^= 1;
                if (tls_verify_certificate(buffer_bytes(&der), WALL, &peer) == TLS_OK)
                        assert_true(peer_id_equal(&peer, &good));
                der.data[i] ^= 1;
        }
        buffer_done(&der);
}

static void test_own_certificate(void **state) {
        static const enum tls_key_type types[] = { TLS_KEY_ED25519, TLS_KEY_P256 };

        FOREACH_CASE (type, types) {
                CLEANUP(tls_local_signer_freep) struct tls_local_signer *signer = NULL;
                CLEANUP(tls_context_freep) struct tls_context *t = NULL;
                uint8_t seed[32] = { 4 };
                struct der_certificate c;
                struct der_extension e;
                struct sign_secret secret;
                struct sign_public public;
                struct peer_id want, peer;
                struct reader r;

                sign_keypair(seed, &secret, &public);
                want = peer_id_from_ed25519(&public);
                assert_int_equal(tls_local_signer_new(seed, *type, &signer), 0);
                assert_int_equal(tls_context_new(tls_local_signer(signer), WALL, &t), 0);
                assert_true(peer_id_equal(tls_context_peer(t), &want));
                assert_int_equal(tls_verify_certificate(tls_context_certificate(t), WALL, &peer),
                                 TLS_OK);
                assert_true(peer_id_equal(&peer, &want));
                assert_true(der_certificate(tls_context_certificate(t), &c));
                r = reader_of(c.extensions);
                assert_true(der_next_extension(&r, &e)); /* js-libp2p looks at the first alone */
                assert_bytes_equal(e.oid, BYTES_LIT(OID_P2P));
                assert_int_equal(e.value.len, 106);
                assert_true(c.not_before == WALL - 3600);
                assert_int_equal(
                        tls_verify_certificate(tls_context_certificate(t), WALL - 3601, &peer),
                        TLS_E_TIME);
        }
}

/* An identity that did not sign is found out before anybody is dialled. */
static void test_bad_signer_is_refused(void **state) {
        CLEANUP(tls_local_signer_freep) struct tls_local_signer *signer = NULL;
        uint8_t seed[32] = { 5 }, wrong[64] = {};
        struct tls_context *t = NULL;
        struct tls_signer bad;

        assert_int_equal(tls_local_signer_new(seed, TLS_KEY_ED25519, &signer), 0);
        bad = *tls_local_signer(signer);
        bad.host_signature = BYTES_OF(wrong);
        assert_true(tls_context_new(&bad, WALL, &t) < 0);
        assert_null(t);
}

static bool dialler_closed(struct net *net) {
        return net->nodes[0].n_closed > 0;
}

static void test_two_certificates_are_refused(void **state) {
        gnutls_certificate_credentials_t credentials;
        struct buffer der = fresh();
        gnutls_pcert_st chain[2];
        gnutls_privkey_t key;
        struct connection *c;
        gnutls_datum_t d;
        struct net net;

        key = forge(&forges[0], &der);
        d = (gnutls_datum_t){ der.data, (unsigned) der.len };
        for (size_t i = 0; i < 2; i++)
                assert_true(gnutls_pcert_import_x509_raw(&chain[i], &d, GNUTLS_X509_FMT_DER, 0) >=
                            0);
        gnutls_certificate_allocate_credentials(&credentials);
        gnutls_certificate_set_flags(credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
        assert_true(gnutls_certificate_set_key(credentials, NULL, 0, chain, 2, key) >= 0);
        net_init(&net, 1);
        net_add(&net, NULL);
        net_add(&net, NULL);
        c = net_dial(&net.nodes[0], &net.nodes[1], NULL);
        gnutls_credentials_set(c->tls.gnutls, GNUTLS_CRD_CERTIFICATE, credentials);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_PEER_REFUSED);
        assert_int_equal(net.nodes[0].last_end.code, NGTCP2_CRYPTO_ERROR | 42);
        assert_int_equal(net.nodes[1].n_connected, 0);
        net_done(&net);
        gnutls_certificate_free_credentials(credentials);
        buffer_done(&der);
}

struct moody {
        const struct tls_signer *real;
        bool refuses;
};

static int moody_sign(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                      size_t *ret_len) {
        struct moody *m = userdata;

        return m->refuses ? -EIO : m->real->sign(m->real->userdata, what, input, ret, ret_len);
}

/* keyring may be gone: the handshake fails, nothing else does. */
static void test_signer_that_fails(void **state) {
        CLEANUP(tls_context_freep) struct tls_context *t = NULL;
        struct tls_signer signer;
        struct moody moody;
        struct net net;

        net_init(&net, 2);
        net_add(&net, NULL);
        net_add(&net, NULL);
        moody = (struct moody){ .real = tls_local_signer(net.nodes[1].signer) };
        signer = *moody.real;
        signer.userdata = &moody;
        signer.sign = moody_sign;
        assert_int_equal(tls_context_new(&signer, WALL, &t), 0);
        net.nodes[1].quic->config.tls = t;
        moody.refuses = true;
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        assert_true(net_run(&net, NSEC_PER_SEC, dialler_closed));
        assert_int_equal(net.nodes[0].last_end.kind, CONNECTION_END_PEER_REFUSED);
        assert_int_equal(net.nodes[1].n_connected, 0);
        moody.refuses = false;
        net_dial(&net.nodes[0], &net.nodes[1], NULL);
        net_run(&net, NSEC_PER_SEC, NULL);
        assert_int_equal(net.nodes[1].n_connected, 1);
        net_done(&net);
}

TEST_MAIN(cmocka_unit_test(test_spec_vectors), cmocka_unit_test(test_each_rule),
          cmocka_unit_test(test_mutations), cmocka_unit_test(test_own_certificate),
          cmocka_unit_test(test_bad_signer_is_refused),
          cmocka_unit_test(test_two_certificates_are_refused),
          cmocka_unit_test(test_signer_that_fails))
