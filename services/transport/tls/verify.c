#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "common/base/memory.h"
#include "common/crypto/sign.h"
#include "services/transport/tls.h"
#include "services/transport/tls/der.h"
#include "services/transport/tls/session.h"

/* 1.3.6.1.4.1.53594.1.1 */
const struct bytes tls_libp2p_oid = BYTES_LIT("\x2b\x06\x01\x04\x01\x83\xa2\x5a\x01\x01");

#define RSA_BITS_MIN     2048
#define RSA_BITS_MAX     8192 /* as other implementations */
#define RSA_EXPONENT_MAX 5    /* bytes, a leading zero included: the work grows with it */
#define ECC_BITS_MIN     256

static const char *const verdict_text[TLS_VERDICT_N] = {
        [TLS_OK] = "accepted",
        [TLS_E_COUNT] = "the peer did not show exactly one certificate",
        [TLS_E_PARSE] = "the peer's certificate is not X.509 version 3 in DER",
        [TLS_E_TIME] = "the peer's certificate is not valid at this time; compare the clocks",
        [TLS_E_SELF_SIGNATURE] = "the peer's certificate is not signed by its own key",
        [TLS_E_EXTENSION_MISSING] = "the peer's certificate has no libp2p extension",
        [TLS_E_EXTENSION_TWICE] = "the peer's certificate has two libp2p extensions",
        [TLS_E_EXTENSION_CRITICAL] = "the peer's certificate has an unknown critical extension",
        [TLS_E_EXTENSION_FORM] = "the libp2p extension is malformed",
        [TLS_E_HOST_KEY] = "the peer's identity key is malformed",
        [TLS_E_HOST_KEY_TYPE] = "the peer's identity key is of a kind not supported here",
        [TLS_E_HOST_SIGNATURE] = "the peer's identity did not sign its certificate key",
        [TLS_E_WRONG_PEER] = "somebody else answered at this address",
        [TLS_E_NOT_ALLOWED] = "the peer is not on the allowlist",
        [TLS_E_KEY] = "the peer's certificate key is weak or of an unknown kind",
};

const char *tls_verdict_text(enum tls_verdict v) {
        return (unsigned) v < TLS_VERDICT_N ? verdict_text[v] : "unknown verdict";
}

/* Signature algorithms of certificates; RFC 8410, RFC 5758, RFC 4055. */
static const struct algorithm {
        struct bytes oid;
        gnutls_sign_algorithm_t sign;
} algorithms[] = {
        { BYTES_LIT("\x2b\x65\x70"), GNUTLS_SIGN_EDDSA_ED25519 },
        { BYTES_LIT("\x2a\x86\x48\xce\x3d\x04\x03\x02"), GNUTLS_SIGN_ECDSA_SHA256 },
        { BYTES_LIT("\x2a\x86\x48\xce\x3d\x04\x03\x03"), GNUTLS_SIGN_ECDSA_SHA384 },
        { BYTES_LIT("\x2a\x86\x48\xce\x3d\x04\x03\x04"), GNUTLS_SIGN_ECDSA_SHA512 },
        { BYTES_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), GNUTLS_SIGN_RSA_SHA256 },
        { BYTES_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), GNUTLS_SIGN_RSA_SHA384 },
        { BYTES_LIT("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), GNUTLS_SIGN_RSA_SHA512 },
};

/* Critical extensions that say nothing against a libp2p peer: key usage, basic
 * constraints, extended key usage. */
static const struct bytes harmless[] = {
        BYTES_LIT("\x55\x1d\x0f"),
        BYTES_LIT("\x55\x1d\x13"),
        BYTES_LIT("\x55\x1d\x25"),
};

static gnutls_datum_t datum(struct bytes v) {
        return (gnutls_datum_t){ (unsigned char *) v.data, (unsigned) v.len };
}

static void pubkey_deinitp(gnutls_pubkey_t *p) {
        if (*p)
                gnutls_pubkey_deinit(*p);
}

/* Neither weak nor made to keep its verifiers busy. */
static bool is_sound_rsa(gnutls_pubkey_t key, unsigned bits) {
        gnutls_datum_t modulus = {}, exponent = {};
        bool small;

        if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX ||
            gnutls_pubkey_export_rsa_raw(key, &modulus, &exponent) < 0)
                return false;
        small = exponent.size <= RSA_EXPONENT_MAX;
        gnutls_free(modulus.data);
        gnutls_free(exponent.data);
        return small;
}

static bool is_sound(gnutls_pubkey_t key) {
        unsigned bits = 0;
        int algorithm = gnutls_pubkey_get_pk_algorithm(key, &bits);

        if (algorithm == GNUTLS_PK_RSA)
                return is_sound_rsa(key, bits);
        return algorithm == GNUTLS_PK_EDDSA_ED25519 ||
               (algorithm == GNUTLS_PK_ECDSA && bits >= ECC_BITS_MIN);
}

/* A DER SubjectPublicKeyInfo; NULL when malformed, of another kind, or not sound. */
static gnutls_pubkey_t pubkey_new(struct bytes spki) {
        CLEANUP(pubkey_deinitp) gnutls_pubkey_t key = NULL;
        gnutls_datum_t d = datum(spki);

        if (gnutls_pubkey_init(&key) < 0 ||
            gnutls_pubkey_import(key, &d, GNUTLS_X509_FMT_DER) < 0 || !is_sound(key))
                return NULL;
        return TAKE(key);
}

static bool is_signed(gnutls_pubkey_t key, gnutls_sign_algorithm_t sign, struct bytes message,
                      struct bytes signature) {
        gnutls_datum_t m = datum(message), s = datum(signature);

        if (gnutls_sign_supports_pk_algorithm(sign, gnutls_pubkey_get_pk_algorithm(key, NULL)) == 0)
                return false;
        return gnutls_pubkey_verify_data2(key, sign, 0, &m, &s) >= 0;
}

static int check_self_signature(const struct der_certificate *c) {
        CLEANUP(pubkey_deinitp) gnutls_pubkey_t key = pubkey_new(c->spki);

        if (!key)
                return TLS_E_KEY;
        for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
                if (bytes_equal(c->algorithm, algorithms[i].oid))
                        return is_signed(key, algorithms[i].sign, c->tbs, c->signature)
                                       ? TLS_OK
                                       : TLS_E_SELF_SIGNATURE;
        return TLS_E_SELF_SIGNATURE;
}

static bool is_harmless(struct bytes oid) {
        for (size_t i = 0; i < ELEMENTSOF(harmless); i++)
                if (bytes_equal(oid, harmless[i]))
                        return true;
        return false;
}

static int find_extension(const struct der_certificate *c, struct bytes *ret) {
        struct reader r = reader_of(c->extensions);
        struct der_extension e;
        bool found = false;

        while (der_next_extension(&r, &e)) {
                if (bytes_equal(e.oid, tls_libp2p_oid)) {
                        if (found)
                                return TLS_E_EXTENSION_TWICE;
                        found = true;
                        *ret = e.value;
                } else if (e.critical && !is_harmless(e.oid)) {
                        return TLS_E_EXTENSION_CRITICAL;
                }
        }
        if (r.failed)
                return TLS_E_PARSE;
        return found ? TLS_OK : TLS_E_EXTENSION_MISSING;
}

static bool host_signed_ed25519(struct bytes key, struct bytes message, struct bytes signature) {
        struct sign_public k;

        memcpy(k.bytes, key.data, sizeof(k.bytes)); /* public_key_parse() saw to the length */
        return sign_verify(&k, message, signature);
}

static bool host_signed_spki(struct bytes spki, gnutls_sign_algorithm_t sign, struct bytes message,
                             struct bytes signature) {
        CLEANUP(pubkey_deinitp) gnutls_pubkey_t key = pubkey_new(spki);

        return key && is_signed(key, sign, message, signature);
}

static int check_host(const struct public_key *key, struct bytes spki, struct bytes signature) {
        CLEANUP(buffer_donep) struct buffer message = {};
        struct bytes m;
        bool ok;

        buffer_init(&message, TLS_CERTIFICATE_MAX + 64);
        buffer_put_bytes(&message, BYTES_LIT("libp2p-tls-handshake:"));
        buffer_put_bytes(&message, spki);
        if (message.failed)
                return TLS_E_PARSE;
        m = buffer_bytes(&message);
        switch (key->type) {
        case PUBLIC_KEY_ED25519:
                ok = host_signed_ed25519(key->data, m, signature);
                break;
        case PUBLIC_KEY_ECDSA:
                ok = host_signed_spki(key->data, GNUTLS_SIGN_ECDSA_SHA256, m, signature);
                break;
        case PUBLIC_KEY_RSA:
                ok = host_signed_spki(key->data, GNUTLS_SIGN_RSA_SHA256, m, signature);
                break;
        default: /* secp256k1 is in no library that we link */
                return TLS_E_HOST_KEY_TYPE;
        }
        return ok ? TLS_OK : TLS_E_HOST_SIGNATURE;
}

/* The cheap checks come first: nothing is verified for a certificate that fails anyway. */
int tls_verify_certificate(struct bytes der, int64_t wall, struct peer_id *ret) {
        struct bytes value, host, signature;
        struct der_certificate c;
        struct public_key key;
        struct peer_id peer;
        int r;

        if (der.len > TLS_CERTIFICATE_MAX || !der_certificate(der, &c))
                return TLS_E_PARSE;
        if (wall < c.not_before || wall > c.not_after)
                return TLS_E_TIME;
        r = find_extension(&c, &value);
        if (r != TLS_OK)
                return r;
        if (!der_signed_key(value, &host, &signature))
                return TLS_E_EXTENSION_FORM;
        if (!public_key_parse(host, &key) || !peer_id_from_public_key(host, &peer))
                return TLS_E_HOST_KEY;
        r = check_host(&key, c.spki, signature);
        if (r != TLS_OK)
                return r;
        r = check_self_signature(&c);
        if (r != TLS_OK)
                return r;
        *ret = peer;
        return TLS_OK;
}
