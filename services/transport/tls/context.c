#include "services/transport/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/transport/tls/der.h"
#include "services/transport/tls/session.h"

#define LIBP2P_OID_TEXT "1.3.6.1.4.1.53594.1.1"
#define BACKDATE        3600                          /* for peers whose clock is behind */
#define LIFETIME        (100 * 365 * (int64_t) 86400) /* as other implementations do */
#define MESSAGE_MAX     16384 /* one handshake message: a certificate has up to 4,096 bytes */

struct tls_context {
        size_t n_refs;            /* the owner, and sessions */
        struct tls_signer signer; /* its bytes point into `copies` */
        struct buffer copies;
        gnutls_certificate_credentials_t credentials;
        gnutls_priority_t priority;
        uint8_t certificate[TLS_CERTIFICATE_MAX];
        size_t certificate_len;
        struct peer_id peer;
        int64_t wall;
};

/* No RSA certificate keys, which libp2p discourages: GnuTLS verifies with a key of whatever size
 * and exponent before anybody is asked about the certificate (2 s at 32,768 bits). RSA
 * identities are another matter: verify.c. */
static const char priority_text[] =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
        "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"
        "-SIGN-ALL:+SIGN-EDDSA-ED25519:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:"
        "+SIGN-ECDSA-SECP521R1-SHA512:%DISABLE_TLS13_COMPAT_MODE";

static int fault(int gnutls) {
        return gnutls == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EPROTO;
}

static int sign(struct tls_context *t, enum tls_sign_what what, const gnutls_datum_t *input,
                gnutls_datum_t *ret) {
        uint8_t signature[TLS_SIGNATURE_MAX];
        size_t n = 0;

        if (t->signer.sign(t->signer.userdata, what, BYTES(input->data, input->size), signature,
                           &n) < 0)
                return GNUTLS_E_PK_SIGN_FAILED;
        ret->data = gnutls_malloc(n);
        if (!ret->data)
                return GNUTLS_E_MEMORY_ERROR;
        memcpy(ret->data, signature, n);
        ret->size = (unsigned) n;
        return 0;
}

static int on_sign_data(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
                        unsigned flags, const gnutls_datum_t *data, gnutls_datum_t *ret) {
        return sign(userdata, TLS_SIGN_DATA, data, ret);
}

static int on_sign_hash(gnutls_privkey_t key, gnutls_sign_algorithm_t algorithm, void *userdata,
                        unsigned flags, const gnutls_datum_t *hash, gnutls_datum_t *ret) {
        return sign(userdata, TLS_SIGN_HASH, hash, ret);
}

static int on_key_info(gnutls_privkey_t key, unsigned what, void *userdata) {
        struct tls_context *t = userdata;
        bool is_ed25519 = t->signer.type == TLS_KEY_ED25519;

        if (what & GNUTLS_PRIVKEY_INFO_PK_ALGO)
                return is_ed25519 ? GNUTLS_PK_EDDSA_ED25519 : GNUTLS_PK_ECDSA;
        if (what & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
                return 256;
        if (what & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) {
                gnutls_sign_algorithm_t algorithm = GNUTLS_FLAGS_TO_SIGN_ALGO(what);

                if (is_ed25519)
                        return algorithm == GNUTLS_SIGN_EDDSA_ED25519;
                return algorithm == GNUTLS_SIGN_ECDSA_SHA256 ||
                       algorithm == GNUTLS_SIGN_ECDSA_SECP256R1_SHA256;
        }
        return -1;
}

static int private_key(struct tls_context *t, gnutls_privkey_t *ret) {
        gnutls_privkey_t key = NULL;
        int r = gnutls_privkey_init(&key);

        if (r < 0)
                return r;
        r = gnutls_privkey_import_ext4(key, t, on_sign_data, on_sign_hash, NULL, NULL, on_key_info,
                                       0);
        if (r < 0) {
                gnutls_privkey_deinit(key);
                return r;
        }
        *ret = key;
        return 0;
}

static struct bytes signed_key(const struct tls_signer *signer, struct buffer *content,
                               struct buffer *whole) {
        der_put(content, DER_OCTET_STRING, signer->host_key);
        der_put(content, DER_OCTET_STRING, signer->host_signature);
        der_put(whole, DER_SEQUENCE, buffer_bytes(content));
        return buffer_bytes(whole);
}

static int set_extension(gnutls_x509_crt_t crt, const struct tls_signer *signer) {
        CLEANUP(buffer_donep) struct buffer content = {}, whole = {};
        struct bytes value;

        buffer_init(&content, TLS_CERTIFICATE_MAX);
        buffer_init(&whole, TLS_CERTIFICATE_MAX);
        value = signed_key(signer, &content, &whole);
        if (content.failed || whole.failed)
                return GNUTLS_E_SHORT_MEMORY_BUFFER;
        return gnutls_x509_crt_set_extension_by_oid(crt, LIBP2P_OID_TEXT, value.data, value.len, 0);
}

static int set_public_key(gnutls_x509_crt_t crt, struct bytes spki) {
        gnutls_datum_t d = { (unsigned char *) spki.data, (unsigned) spki.len };
        gnutls_pubkey_t key = NULL;
        int r = gnutls_pubkey_init(&key);

        if (r >= 0)
                r = gnutls_pubkey_import(key, &d, GNUTLS_X509_FMT_DER);
        if (r >= 0)
                r = gnutls_x509_crt_set_pubkey(crt, key);
        if (key)
                gnutls_pubkey_deinit(key);
        return r;
}

/* The serial number says nothing; it only has to be positive. */
static int fill(gnutls_x509_crt_t crt, const struct tls_signer *signer, int64_t wall) {
        static const uint8_t serial[] = { 0x01 };
        int r = gnutls_x509_crt_set_version(crt, 3);

        if (r >= 0)
                r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
        if (r >= 0)
                r = gnutls_x509_crt_set_dn(crt, "CN=libp2p", NULL);
        if (r >= 0)
                r = gnutls_x509_crt_set_activation_time(crt, wall - BACKDATE);
        if (r >= 0)
                r = gnutls_x509_crt_set_expiration_time(crt, wall + LIFETIME);
        if (r >= 0)
                r = set_public_key(crt, signer->spki);
        if (r >= 0)
                r = set_extension(crt, signer);
        return r;
}

static int sign_certificate(struct tls_context *t, gnutls_x509_crt_t crt, gnutls_privkey_t key) {
        gnutls_digest_algorithm_t digest =
                t->signer.type == TLS_KEY_ED25519 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256;
        size_t n = sizeof(t->certificate);
        int r;

        r = fill(crt, &t->signer, t->wall);
        if (r >= 0)
                r = gnutls_x509_crt_privkey_sign(crt, crt, key, digest, 0);
        if (r >= 0)
                r = gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_DER, t->certificate, &n);
        if (r >= 0)
                t->certificate_len = n;
        return r;
}

/* The credentials take the key over when they take the certificate. */
static int make_credentials(struct tls_context *t, gnutls_x509_crt_t crt, gnutls_privkey_t *key) {
        gnutls_pcert_st pcert = {};
        int r = gnutls_certificate_allocate_credentials(&t->credentials);

        if (r >= 0)
                r = gnutls_pcert_import_x509(&pcert, crt, 0);
        if (r < 0)
                return r;
        r = gnutls_certificate_set_key(t->credentials, NULL, 0, &pcert, 1, *key);
        if (r < 0) {
                gnutls_pcert_deinit(&pcert);
                return r;
        }
        *key = NULL;
        return 0;
}

static int make_certificate(struct tls_context *t) {
        gnutls_x509_crt_t crt = NULL;
        gnutls_privkey_t key = NULL;
        int r = gnutls_x509_crt_init(&crt);

        if (r >= 0)
                r = private_key(t, &key);
        if (r >= 0)
                r = sign_certificate(t, crt, key);
        if (r >= 0)
                r = make_credentials(t, crt, &key);
        if (key)
                gnutls_privkey_deinit(key);
        if (crt)
                gnutls_x509_crt_deinit(crt);
        return r;
}

static struct bytes keep(struct tls_context *t, struct bytes v) {
        size_t at = t->copies.len;

        buffer_put_bytes(&t->copies, v);
        return BYTES(t->copies.data + at, v.len);
}

static bool copy_signer(struct tls_context *t, const struct tls_signer *signer) {
        buffer_init(&t->copies, TLS_CERTIFICATE_MAX);
        if (!buffer_reserve(&t->copies, TLS_CERTIFICATE_MAX)) /* all at once: views stay valid */
                return false;
        t->signer = *signer;
        t->signer.spki = keep(t, signer->spki);
        t->signer.host_key = keep(t, signer->host_key);
        t->signer.host_signature = keep(t, signer->host_signature);
        return !t->copies.failed;
}

int tls_context_new(const struct tls_signer *signer, int64_t wall, struct tls_context **ret) {
        CLEANUP(tls_context_freep) struct tls_context *t = xnew(struct tls_context);
        int r;

        t->wall = wall;
        if (!copy_signer(t, signer))
                return error_origin(-EINVAL);
        r = gnutls_priority_init2(&t->priority, priority_text, NULL, 0);
        if (r >= 0)
                r = make_certificate(t);
        if (r < 0)
                return error_origin(fault(r));
        /* What a peer would say of it: the signer's bytes may be wrong. */
        if (tls_verify_certificate(tls_context_certificate(t), wall, &t->peer) != TLS_OK)
                return error_origin(-EKEYREJECTED);
        t->n_refs = 1;
        *ret = TAKE(t);
        return 0;
}

struct tls_context *tls_context_free(struct tls_context *t) {
        if (!t || (t->n_refs > 0 && --t->n_refs > 0))
                return NULL;
        if (t->credentials)
                gnutls_certificate_free_credentials(t->credentials);
        if (t->priority)
                gnutls_priority_deinit(t->priority);
        buffer_done(&t->copies);
        free(t);
        return NULL;
}

void tls_context_set_wall(struct tls_context *t, int64_t wall) {
        t->wall = wall;
}

const struct peer_id *tls_context_peer(const struct tls_context *t) {
        return &t->peer;
}

struct bytes tls_context_certificate(const struct tls_context *t) {
        return BYTES(t->certificate, t->certificate_len);
}

static enum tls_verdict judge(const struct tls_session *s, struct peer_id *ret) {
        unsigned n = 0;
        const gnutls_datum_t *list = gnutls_certificate_get_peers(s->gnutls, &n);
        struct peer_id peer;
        int r;

        if (!list || n != 1)
                return TLS_E_COUNT;
        r = tls_verify_certificate(BYTES(list[0].data, list[0].size), s->context->wall, &peer);
        if (r != TLS_OK)
                return r;
        if (!peer_id_is_none(&s->expected) && !peer_id_equal(&s->expected, &peer))
                return TLS_E_WRONG_PEER;
        if (s->allow && !s->allow(s->allow_userdata, &peer, s->is_inbound))
                return TLS_E_NOT_ALLOWED;
        *ret = peer;
        return TLS_OK;
}

static int on_verify(gnutls_session_t gnutls) {
        ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(gnutls);
        struct tls_session *s = container_of(ref, struct tls_session, ref);

        s->verdict = judge(s, &s->peer);
        return s->verdict == TLS_OK ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int configure(struct tls_session *s) {
        static const gnutls_datum_t alpn = { (unsigned char *) "libp2p", 6 };
        int r = gnutls_priority_set(s->gnutls, s->context->priority);

        if (r >= 0)
                r = gnutls_credentials_set(s->gnutls, GNUTLS_CRD_CERTIFICATE,
                                           s->context->credentials);
        if (r >= 0)
                r = gnutls_alpn_set_protocols(s->gnutls, &alpn, 1, GNUTLS_ALPN_MANDATORY);
        if (r < 0)
                return r;
        gnutls_handshake_set_max_packet_length(s->gnutls, MESSAGE_MAX);
        gnutls_session_set_ptr(s->gnutls, &s->ref);
        gnutls_session_set_verify_function(s->gnutls, on_verify);
        if (!s->is_inbound)
                return qc_configure_client_session(s->gnutls);
        gnutls_certificate_server_set_request(s->gnutls, GNUTLS_CERT_REQUIRE);
        return qc_configure_server_session(s->gnutls);
}

int tls_session_init(struct tls_session *s, struct tls_context *context,
                     ngtcp2_conn *(*get_conn)(ngtcp2_crypto_conn_ref *), void *userdata) {
        unsigned flags = GNUTLS_NO_TICKETS | GNUTLS_NO_END_OF_EARLY_DATA;
        int r;

        s->context = context;
        context->n_refs++;
        s->ref.get_conn = get_conn;
        s->ref.user_data = userdata;
        r = gnutls_init(&s->gnutls, flags | (s->is_inbound ? GNUTLS_SERVER : GNUTLS_CLIENT));
        if (r < 0) {
                tls_session_done(s);
                return error_origin(-ENOMEM);
        }
        r = configure(s);
        if (r < 0) {
                tls_session_done(s);
                return error_origin(fault(r));
        }
        return 0;
}

void tls_session_done(struct tls_session *s) {
        if (s->gnutls)
                gnutls_deinit(s->gnutls);
        s->gnutls = NULL;
        s->context = tls_context_free(s->context);
}
