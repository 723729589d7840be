#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/sign.h"
#include "services/transport/tls.h"

struct tls_local_signer {
        struct tls_signer signer; /* its bytes point into this struct */
        gnutls_privkey_t key;
        uint8_t spki[TLS_SPKI_MAX];
        struct buffer host_key;
        struct signature host_signature;
};

static int local_sign(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                      size_t *ret_len) {
        struct tls_local_signer *s = userdata;
        gnutls_datum_t in = { (unsigned char *) input.data, (unsigned) input.len }, out = {};
        int r;

        if (what == TLS_SIGN_DATA)
                r = gnutls_privkey_sign_data(s->key, GNUTLS_DIG_SHA512, 0, &in, &out);
        else
                r = gnutls_privkey_sign_hash(s->key, GNUTLS_DIG_SHA256, 0, &in, &out);
        if (r < 0)
                return error_origin(-EPROTO);
        if (out.size > TLS_SIGNATURE_MAX) {
                gnutls_free(out.data);
                return error_origin(-EOVERFLOW);
        }
        memcpy(ret, out.data, out.size);
        *ret_len = out.size;
        gnutls_free(out.data);
        return 0;
}

static int make_key(struct tls_local_signer *s, enum tls_key_type type) {
        int r = gnutls_privkey_init(&s->key);

        if (r < 0)
                return r;
        if (type == TLS_KEY_ED25519)
                return gnutls_privkey_generate(s->key, GNUTLS_PK_EDDSA_ED25519, 0, 0);
        return gnutls_privkey_generate(s->key, GNUTLS_PK_ECDSA,
                                       GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

static int export_spki(struct tls_local_signer *s) {
        size_t n = sizeof(s->spki);
        gnutls_pubkey_t key = NULL;
        int r = gnutls_pubkey_init(&key);

        if (r >= 0)
                r = gnutls_pubkey_import_privkey(key, s->key, 0, 0);
        if (r >= 0)
                r = gnutls_pubkey_export(key, GNUTLS_X509_FMT_DER, s->spki, &n);
        if (r >= 0)
                s->signer.spki = BYTES(s->spki, n);
        if (key)
                gnutls_pubkey_deinit(key);
        return r;
}

static void make_host(struct tls_local_signer *s, const uint8_t seed[32]) {
        static const char prefix[] = "libp2p-tls-handshake:";
        uint8_t message[sizeof(prefix) - 1 + TLS_SPKI_MAX];
        struct sign_secret secret;
        struct sign_public public;

        sign_keypair(seed, &secret, &public);
        memcpy(message, prefix, sizeof(prefix) - 1);
        memcpy(message + sizeof(prefix) - 1, s->spki, s->signer.spki.len);
        s->host_signature =
                sign_make(&secret, BYTES(message, sizeof(prefix) - 1 + s->signer.spki.len));
        public_key_put_ed25519(&s->host_key, &public);
        s->signer.host_key = buffer_bytes(&s->host_key);
        s->signer.host_signature = signature_bytes(&s->host_signature);
        crypto_wipe(&secret, sizeof(secret));
}

int tls_local_signer_new(const uint8_t seed[32], enum tls_key_type type,
                         struct tls_local_signer **ret) {
        CLEANUP(tls_local_signer_freep)
        struct tls_local_signer *s = xnew(struct tls_local_signer);
        int r;

        buffer_init(&s->host_key, PUBLIC_KEY_MAX);
        s->signer.userdata = s;
        s->signer.type = type;
        s->signer.sign = local_sign;
        r = make_key(s, type);
        if (r >= 0)
                r = export_spki(s);
        if (r < 0)
                return error_origin(-EPROTO);
        make_host(s, seed);
        *ret = TAKE(s);
        return 0;
}

struct tls_local_signer *tls_local_signer_free(struct tls_local_signer *s) {
        if (!s)
                return NULL;
        if (s->key)
                gnutls_privkey_deinit(s->key);
        buffer_done(&s->host_key);
        free(s);
        return NULL;
}

const struct tls_signer *tls_local_signer(const struct tls_local_signer *s) {
        return &s->signer;
}
