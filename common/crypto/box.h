#pragma once

/* X25519 (RFC 7748) and ChaCha20-Poly1305 (RFC 8439), for boxes that one recipient
 * can open. Pure: ephemeral secrets are arguments; the caller draws them. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define BOX_KEY_SIZE 32
#define BOX_TAG_SIZE 16

void x25519_public(const uint8_t secret[BOX_KEY_SIZE], uint8_t ret[BOX_KEY_SIZE]);
/* False: the other's key is of small order, the result would be known to all. */
bool x25519_shared(const uint8_t secret[BOX_KEY_SIZE], const uint8_t public[BOX_KEY_SIZE],
                   uint8_t ret[BOX_KEY_SIZE]);

/* `key` is for this one message: the nonce is zero. Appends message.len + BOX_TAG_SIZE bytes. */
void box_seal(struct buffer *b, const uint8_t key[BOX_KEY_SIZE], struct bytes context,
              struct bytes message);
/* Appends the message; false: altered, or of another key or context. */
bool box_open(struct buffer *b, const uint8_t key[BOX_KEY_SIZE], struct bytes context,
              struct bytes sealed);
