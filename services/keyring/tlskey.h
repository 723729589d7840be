#pragma once

/* A TLS certificate key: Ed25519 where every peer takes it, else P-256. It lives
 * and dies with this process and is tied to the node by the libp2p extension.
 *
 * P-256 is GnuTLS's, which draws its own randomness from the kernel; Ed25519 is
 * made from a seed the caller has drawn. Every signature is verified before it is
 * given out, so that a fault while computing cannot leak the key. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"

#define TLS_KEY_SIGNATURE_MAX 80 /* Ed25519: 64; P-256 in DER: at most 72 */
#define TLS_KEY_DIGEST_SIZE   32

enum tls_key_type { TLS_KEY_ED25519, TLS_KEY_P256, _TLS_KEY_N };

enum tls_key_result {
        TLS_KEY_OK = 0,
        TLS_KEY_E_FORM,  /* not that way with this type of key */
        TLS_KEY_E_FAULT, /* the signature did not verify; nothing is given out */
};

struct tls_key;

struct tls_signature {
        uint8_t bytes[TLS_KEY_SIGNATURE_MAX];
        size_t len;
};

/* Returns 0 or a fault. The seed is for Ed25519. */
int tls_key_new(enum tls_key_type type, const uint8_t seed[32], struct tls_key **ret);
struct tls_key *tls_key_free(struct tls_key *k);
DEFINE_CLEANUP(struct tls_key *, tls_key_free);

enum tls_key_type tls_key_type(const struct tls_key *k);
struct bytes tls_key_spki(const struct tls_key *k); /* DER SubjectPublicKeyInfo; a view */

/* Return enum tls_key_result. Ed25519 takes the whole message, P-256 its SHA-256. */
int tls_key_sign(struct tls_key *k, struct bytes message, struct tls_signature *ret);
int tls_key_sign_digest(struct tls_key *k, struct bytes digest, struct tls_signature *ret);
