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

#define CERTKEY_SIGNATURE_MAX 80 /* Ed25519: 64; P-256 in DER: at most 72 */
#define CERTKEY_DIGEST_SIZE   32

enum certkey_type { CERTKEY_ED25519, CERTKEY_P256, _CERTKEY_N };

enum certkey_result {
        CERTKEY_OK = 0,
        CERTKEY_E_FORM,  /* not that way with this type of key */
        CERTKEY_E_FAULT, /* the signature did not verify; nothing is given out */
};

struct certkey;

struct certkey_signature {
        uint8_t bytes[CERTKEY_SIGNATURE_MAX];
        size_t len;
};

/* Returns 0 or a fault. The seed is for Ed25519. */
int certkey_new(enum certkey_type type, const uint8_t seed[32], struct certkey **ret);
struct certkey *certkey_free(struct certkey *k);
DEFINE_CLEANUP(struct certkey *, certkey_free);

enum certkey_type certkey_type(const struct certkey *k);
struct bytes certkey_spki(const struct certkey *k); /* DER SubjectPublicKeyInfo; a view */

/* Return enum certkey_result. Ed25519 takes the whole message, P-256 its SHA-256. */
int certkey_sign(struct certkey *k, struct bytes message, struct certkey_signature *ret);
int certkey_sign_digest(struct certkey *k, struct bytes digest, struct certkey_signature *ret);
