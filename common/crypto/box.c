#include "common/crypto/box.h"

#include <sodium.h>

_Static_assert(BOX_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "");
_Static_assert(BOX_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "");
_Static_assert(BOX_KEY_SIZE == crypto_scalarmult_curve25519_BYTES, "");

static const uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

void x25519_public(const uint8_t secret[BOX_KEY_SIZE], uint8_t ret[BOX_KEY_SIZE]) {
        crypto_scalarmult_curve25519_base(ret, secret);
}

bool x25519_shared(const uint8_t secret[BOX_KEY_SIZE], const uint8_t public[BOX_KEY_SIZE],
                   uint8_t ret[BOX_KEY_SIZE]) {
        return crypto_scalarmult_curve25519(ret, secret, public) == 0;
}

void box_seal(struct buffer *b, const uint8_t key[BOX_KEY_SIZE], struct bytes context,
              struct bytes message) {
        uint8_t *to = buffer_reserve(b, message.len + BOX_TAG_SIZE);

        if (!to)
                return;
        crypto_aead_chacha20poly1305_ietf_encrypt(to, NULL, message.data, message.len, context.data,
                                                  context.len, NULL, nonce, key);
        b->len += message.len + BOX_TAG_SIZE;
}

bool box_open(struct buffer *b, const uint8_t key[BOX_KEY_SIZE], struct bytes context,
              struct bytes sealed) {
        uint8_t *to;

        if (sealed.len < BOX_TAG_SIZE)
                return false;
        to = buffer_reserve(b, sealed.len - BOX_TAG_SIZE + 1); /* never nothing */
        if (!to ||
            crypto_aead_chacha20poly1305_ietf_decrypt(to, NULL, NULL, sealed.data, sealed.len,
                                                      context.data, context.len, nonce, key) != 0)
                return false;
        b->len += sealed.len - BOX_TAG_SIZE;
        return true;
}
