#pragma once

/* libp2p peer ids and public keys (libp2p/specs, peer-ids.md).
 *
 * A peer id is a multihash of the serialised PublicKey: the key itself
 * (identity, 00) when that has at most 42 bytes, else its SHA-256 (12 20).
 * Identity ids are accepted only if they parse as an Ed25519 or secp256k1 key,
 * so at most 39 bytes ever stand here. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/crypto/sign.h"

#define PEER_ID_MAX             42
#define PEER_ID_TEXT_SIZE       64   /* base58 with the final 0 */
#define PUBLIC_KEY_ED25519_SIZE 36   /* serialised */
#define PUBLIC_KEY_MAX          2048 /* serialised; room for RSA 8192 */

/* Zero after len, so that memcmp() over the whole struct compares. All zero is no peer. */
struct peer_id {
        uint8_t len;
        uint8_t bytes[PEER_ID_MAX];
};

enum public_key_type {
        PUBLIC_KEY_RSA = 0,
        PUBLIC_KEY_ED25519 = 1,
        PUBLIC_KEY_SECP256K1 = 2,
        PUBLIC_KEY_ECDSA = 3,
};

/* View into the serialised key. */
struct public_key {
        enum public_key_type type;
        struct bytes data;
};

/* The deterministic form only: 08 type 12 length data, nothing else, lengths right
 * for Ed25519 and secp256k1. The data of RSA and ECDSA keys is not looked into. */
bool public_key_parse(struct bytes serialised, struct public_key *ret);
void public_key_put_ed25519(struct buffer *b, const struct sign_public *key);

/* From the binary multihash; false unless valid and nothing follows. */
bool peer_id_parse(struct bytes multihash, struct peer_id *ret);
/* From a serialised PublicKey of any type, at most PUBLIC_KEY_MAX bytes. */
bool peer_id_from_public_key(struct bytes serialised, struct peer_id *ret);
struct peer_id peer_id_from_ed25519(const struct sign_public *key);
/* The Ed25519 key inside an identity id; false for other ids. */
bool peer_id_ed25519(const struct peer_id *id, struct sign_public *ret);

/* Base58btc ("12D3Koo...", "Qm...") or CIDv1 in base32 ("bafz..."). */
bool peer_id_from_text(struct bytes text, struct peer_id *ret);
/* Base58btc; returns ret. No peer is "". */
char *peer_id_text(const struct peer_id *id, char ret[PEER_ID_TEXT_SIZE]);

static inline struct bytes peer_id_bytes(const struct peer_id *id) {
        return (struct bytes){ id->bytes, id->len };
}
static inline bool peer_id_equal(const struct peer_id *a, const struct peer_id *b) {
        return memcmp(a, b, sizeof(*a)) == 0;
}
static inline int peer_id_compare(const struct peer_id *a, const struct peer_id *b) {
        return memcmp(a, b, sizeof(*a));
}
static inline bool peer_id_is_none(const struct peer_id *id) {
        return id->len == 0;
}
