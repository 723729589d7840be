#pragma once

/* A letter for one recipient. Who sent it stands inside, and nothing of it can be
 * taken apart or given another sender, recipient or key:
 *
 *   box     = u8 1  ephemeral X25519 key (32)  ChaCha20-Poly1305(key, context, inside)
 *   context = "quorate/1/letter" 00  peer recipient  recipient's X25519 key  ephemeral key
 *   key     = HKDF-SHA256(X25519(ephemeral, recipient's), no salt, context)
 *   inside  = peer sender  signature (64)  text
 *   signature: by the sender over  context  peer sender  text
 *
 * The sender cannot be in the box's associated data, which must be known to open it
 * while the sender must not be seen: the signature covers the associated data
 * instead. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/crypto/box.h"
#include "common/crypto/identity.h"
#include "common/wire/peerid.h"

#define LETTER_PREFIX   BYTES_LIT("quorate/1/letter\0")
#define LETTER_TEXT_MAX 15872
#define LETTER_BOX_MAX                                                             \
        (16 * 1024 - 64) /* leaves room for what storing nodes see (dht/mailbox.h) \
                          */

struct letter_key {
        struct peer_id peer; /* recipient */
        uint8_t x25519[X25519_SIZE];
};

/* Appends the bytes that the sender signs; false: a field out of its limits. */
bool letter_put_signed(struct buffer *b, const struct letter_key *to,
                       const uint8_t ephemeral_public[BOX_KEY_SIZE], const struct peer_id *sender,
                       struct bytes text);
/* Appends the box. False: the recipient's key is of small order. */
bool letter_seal(struct buffer *b, const struct letter_key *to,
                 const uint8_t ephemeral[BOX_KEY_SIZE], const struct peer_id *sender,
                 struct bytes signature, struct bytes text);

struct letter_opened {
        struct peer_id sender;
        struct bytes text; /* view into the buffer */
};
/* For `self`; the sender's signature is checked. The inside is appended to b. False: not for us,
 * not whole, or not by whom it says. */
bool letter_unseal(struct buffer *b, const struct letter_key *self,
                   const uint8_t secret[X25519_SIZE], struct bytes box, struct letter_opened *ret);
