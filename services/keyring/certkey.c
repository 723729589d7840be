#include "services/keyring/certkey.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/crypto/sign.h"

#define SPKI_MAX 128

struct certkey {
        const struct certkey_ops *ops;
        enum certkey_type type;
        uint8_t spki[SPKI_MAX];
        size_t spki_len;

        struct sign_secret secret; /* Ed25519 */
        struct sign_public public;

        gnutls_privkey_t private_key; /* P-256 */
        gnutls_pubkey_t public_key;
};

struct certkey_ops {
        int (*make)(struct certkey *k, const uint8_t seed[32]); /* 0 or a fault */
        int (*sign)(struct certkey *k, struct bytes input, struct certkey_signature *ret);
        size_t input_size; /* 0: any */
};

/* RFC 8410, 4: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING }. */
static const uint8_t ed25519_spki[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                        0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 };

static int ed25519_make(struct certkey *k, const uint8_t seed[32]) {
        sign_keypair(seed, &k->secret, &k->public);
        memcpy(k->spki, ed25519_spki, sizeof(ed25519_spki));
        memcpy(k->spki + sizeof(ed25519_spki), k->public.bytes, SIGN_PUBLIC_SIZE);
        k->spki_len = sizeof(ed25519_spki) + SIGN_PUBLIC_SIZE;
        return 0;
}

static int ed25519_sign(struct certkey *k, struct bytes message, struct certkey_signature *ret) {
        struct signature s = sign_make(&k->secret, message);

        if (!sign_verify(&k->public, message, signature_bytes(&s)))
                return CERTKEY_E_FAULT;
        memcpy(ret->bytes, s.bytes, SIGNATURE_SIZE);
        ret->len = SIGNATURE_SIZE;
        return CERTKEY_OK;
}

static int p256_make(struct certkey *k, const uint8_t seed[32]) {
        size_t n = sizeof(k->spki);
        int r;

        (void) seed;
        r = gnutls_privkey_init(&k->private_key);
        if (r >= 0)
                r = gnutls_privkey_generate(k->private_key, GNUTLS_PK_ECDSA,
                                            GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
        if (r >= 0)
                r = gnutls_pubkey_init(&k->public_key);
        if (r >= 0)
                r = gnutls_pubkey_import_privkey(k->public_key, k->private_key, 0, 0);
        if (r >= 0)
                r = gnutls_pubkey_export(k->public_key, GNUTLS_X509_FMT_DER, k->spki, &n);
        if (r < 0)
                return error_origin(-EPROTO);
        k->spki_len = n;
        return 0;
}

static int p256_sign(struct certkey *k, struct bytes digest, struct certkey_signature *ret) {
        gnutls_datum_t in = { (unsigned char *) digest.data, (unsigned) digest.len }, out = {};
        int r;

        r = gnutls_privkey_sign_hash(k->private_key, GNUTLS_DIG_SHA256, 0, &in, &out);
        if (r < 0)
                return CERTKEY_E_FAULT;
        r = gnutls_pubkey_verify_hash2(k->public_key, GNUTLS_SIGN_ECDSA_SHA256, 0, &in, &out);
        if (r >= 0 && out.size <= sizeof(ret->bytes)) {
                memcpy(ret->bytes, out.data, out.size);
                ret->len = out.size;
        } else {
                r = -1;
        }
        gnutls_free(out.data);
        return r < 0 ? CERTKEY_E_FAULT : CERTKEY_OK;
}

static const struct certkey_ops ops_of[_CERTKEY_N] = {
        [CERTKEY_ED25519] = { ed25519_make, ed25519_sign, 0 },
        [CERTKEY_P256] = { p256_make, p256_sign, CERTKEY_DIGEST_SIZE },
};

int certkey_new(enum certkey_type type, const uint8_t seed[32], struct certkey **ret) {
        CLEANUP(certkey_freep) struct certkey *k = xnew(struct certkey);
        int r;

        check(type < _CERTKEY_N);
        k->type = type;
        k->ops = &ops_of[type];
        r = k->ops->make(k, seed);
        if (r)
                return error_fold(r);
        *ret = TAKE(k);
        return 0;
}

struct certkey *certkey_free(struct certkey *k) {
        if (!k)
                return NULL;
        if (k->private_key)
                gnutls_privkey_deinit(k->private_key);
        if (k->public_key)
                gnutls_pubkey_deinit(k->public_key);
        crypto_wipe(k, sizeof(*k));
        free(k);
        return NULL;
}

enum certkey_type certkey_type(const struct certkey *k) {
        return k->type;
}

struct bytes certkey_spki(const struct certkey *k) {
        return BYTES(k->spki, k->spki_len);
}

int certkey_sign(struct certkey *k, struct bytes message, struct certkey_signature *ret) {
        uint8_t digest[SHA256_SIZE];

        if (k->ops->input_size == 0)
                return k->ops->sign(k, message, ret);
        sha256_of(message, digest);
        return k->ops->sign(k, BYTES_OF(digest), ret);
}

int certkey_sign_digest(struct certkey *k, struct bytes digest, struct certkey_signature *ret) {
        if (k->ops->input_size == 0 || digest.len != k->ops->input_size)
                return CERTKEY_E_FORM;
        return k->ops->sign(k, digest, ret);
}
