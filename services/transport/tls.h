#pragma once

/* TLS 1.3 the libp2p way (libp2p/specs tls/tls.md): both sides show exactly one
 * self-signed certificate, whose extension 1.3.6.1.4.1.53594.1.1 ties its key to
 * the node's identity. No private key need live here: signatures are asked from
 * a tls_signer, which the shell connects to keyring. No tickets, no 0-RTT.
 *
 * GnuTLS draws its handshake randomness from the kernel by itself. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/wire/peerid.h"

#define TLS_SPKI_MAX           128
#define TLS_SIGNATURE_MAX      80 /* Ed25519: 64; ECDSA P-256 in DER: at most 72 */
#define TLS_HOST_SIGNATURE_MAX 512
#define TLS_CERTIFICATE_MAX    4096

enum tls_key_type { TLS_KEY_ED25519 = 0, TLS_KEY_P256 };

/* What is to be signed with the certificate's key. */
enum tls_sign_what {
        TLS_SIGN_DATA = 0, /* the whole: a CertificateVerify context (RFC 8446 4.4.3) or the
                              certificate's TBS part; Ed25519 */
        TLS_SIGN_HASH,     /* its SHA-256; P-256 */
};

/* The certificate's key pair, wherever its private half lives. */
struct tls_signer {
        void *userdata;
        enum tls_key_type type;
        struct bytes spki;           /* DER SubjectPublicKeyInfo of the certificate key */
        struct bytes host_key;       /* serialised libp2p PublicKey of the identity */
        struct bytes host_signature; /* by it, over "libp2p-tls-handshake:" || spki */
        /* Writes at most TLS_SIGNATURE_MAX bytes (raw Ed25519, or DER ECDSA). Returns 0 or a
         * negative errno; blocks for its answer. */
        int (*sign)(void *userdata, enum tls_sign_what what, struct bytes input, uint8_t *ret,
                    size_t *ret_len);
};

/* Why a certificate was refused. */
enum tls_verdict {
        TLS_OK = 0,
        TLS_E_COUNT, /* not exactly one certificate */
        TLS_E_PARSE, /* not an X.509 v3 certificate in DER */
        TLS_E_TIME,  /* expired or not yet valid */
        TLS_E_SELF_SIGNATURE,
        TLS_E_EXTENSION_MISSING,
        TLS_E_EXTENSION_TWICE,
        TLS_E_EXTENSION_CRITICAL, /* an unknown critical one */
        TLS_E_EXTENSION_FORM,     /* not a SignedKey, or bytes behind it */
        TLS_E_HOST_KEY,           /* not a valid PublicKey */
        TLS_E_HOST_KEY_TYPE,      /* secp256k1 or unknown: not supported here */
        TLS_E_HOST_SIGNATURE,
        TLS_E_WRONG_PEER, /* a valid certificate of somebody else */
        TLS_E_NOT_ALLOWED,
        TLS_E_KEY, /* the certificate's own key is of an unknown kind or too weak */
        TLS_VERDICT_N,
};
const char *tls_verdict_text(enum tls_verdict v); /* one English line; static */

struct tls_context;

/* Makes the certificate and what sessions share. The signer's bytes are copied; its
 * userdata must outlive the context. `wall` is the time of day in seconds since 1970.
 * Returns 0 or a negative errno. */
int tls_context_new(const struct tls_signer *signer, int64_t wall, struct tls_context **ret);
/* Sessions that use it keep it alive. */
struct tls_context *tls_context_free(struct tls_context *t);
DEFINE_CLEANUP(struct tls_context *, tls_context_free);

/* Certificates are judged by this clock; the shell sets it about once a minute. */
void tls_context_set_wall(struct tls_context *t, int64_t wall);
const struct peer_id *tls_context_peer(const struct tls_context *t); /* our own */
struct bytes tls_context_certificate(const struct tls_context *t);   /* DER */

/* Judges one certificate as a peer's; TLS_OK sets *ret. enum tls_verdict. */
int tls_verify_certificate(struct bytes der, int64_t wall, struct peer_id *ret);

/* A certificate key and an identity made here, in this process: for tests, benchmarks
 * and tools. The seed makes the identity; the certificate key is fresh. */
struct tls_local_signer;
int tls_local_signer_new(const uint8_t seed[32], enum tls_key_type type,
                         struct tls_local_signer **ret);
struct tls_local_signer *tls_local_signer_free(struct tls_local_signer *s);
DEFINE_CLEANUP(struct tls_local_signer *, tls_local_signer_free);
const struct tls_signer *tls_local_signer(const struct tls_local_signer *s);
