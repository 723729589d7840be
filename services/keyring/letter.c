#include "services/keyring/letter.h"

#include "common/base/error.h"
#include "common/crypto/kdf.h"
#include "common/wire/varint.h"

#define VERSION     1
#define CONTEXT_MAX 160

static void put_context(struct buffer *b, const struct letter_key *to, const uint8_t *ephemeral) {
        buffer_put_bytes(b, LETTER_PREFIX);
        buffer_put_prefixed(b, peer_id_bytes(&to->peer));
        buffer_put(b, to->x25519, X25519_SIZE);
        buffer_put(b, ephemeral, BOX_KEY_SIZE);
}

static bool derive(const uint8_t *secret, const uint8_t *public, struct bytes context,
                   uint8_t ret[BOX_KEY_SIZE]) {
        uint8_t shared[BOX_KEY_SIZE];
        bool good = x25519_shared(secret, public, shared);

        if (good)
                hkdf_sha256(BYTES_OF(shared), BYTES_NONE, context, ret, BOX_KEY_SIZE);
        crypto_wipe(shared, sizeof(shared));
        return good;
}

bool letter_put_signed(struct buffer *b, const struct letter_key *to,
                       const uint8_t ephemeral_public[BOX_KEY_SIZE], const struct peer_id *sender,
                       struct bytes text) {
        if (text.len > LETTER_TEXT_MAX)
                return false;
        put_context(b, to, ephemeral_public);
        buffer_put_prefixed(b, peer_id_bytes(sender));
        buffer_put_bytes(b, text);
        return !b->failed;
}

bool letter_seal(struct buffer *b, const struct letter_key *to,
                 const uint8_t ephemeral[BOX_KEY_SIZE], const struct peer_id *sender,
                 struct bytes signature, struct bytes text) {
        uint8_t room[CONTEXT_MAX], key[BOX_KEY_SIZE], public[BOX_KEY_SIZE];
        struct buffer context = buffer_over(room, sizeof(room)), inside;
        bool good;

        x25519_public(ephemeral, public);
        put_context(&context, to, public);
        check(!context.failed);
        good = derive(ephemeral, to->x25519, buffer_bytes(&context), key);
        if (!good)
                return false;
        buffer_init(&inside, LETTER_BOX_MAX);
        buffer_put_prefixed(&inside, peer_id_bytes(sender));
        buffer_put_bytes(&inside, signature);
        buffer_put_bytes(&inside, text);
        buffer_put_u8(b, VERSION);
        buffer_put(b, public, sizeof(public));
        box_seal(b, key, buffer_bytes(&context), buffer_bytes(&inside));
        good = !inside.failed && !b->failed;
        if (inside.data)
                crypto_wipe(inside.data, inside.capacity);
        buffer_done(&inside);
        crypto_wipe(key, sizeof(key));
        return good;
}

/* The inside, which whoever sealed it could write as he liked. */
static bool read_inside(struct bytes inside, const struct letter_key *self,
                        const uint8_t *ephemeral_public, struct letter_opened *ret) {
        CLEANUP(buffer_donep) struct buffer statement = {};
        struct reader r = reader_of(inside);
        struct sign_public sender;
        struct bytes signature;
        bool is_peer = peer_id_parse(reader_prefixed(&r), &ret->sender) &&
                       peer_id_ed25519(&ret->sender, &sender);

        buffer_init(&statement, LETTER_BOX_MAX);
        signature = reader_take(&r, SIGNATURE_SIZE);
        ret->text = reader_take(&r, reader_left(&r));
        return !r.failed && is_peer &&
               letter_put_signed(&statement, self, ephemeral_public, &ret->sender, ret->text) &&
               sign_verify(&sender, buffer_bytes(&statement), signature);
}

bool letter_unseal(struct buffer *b, const struct letter_key *self,
                   const uint8_t secret[X25519_SIZE], struct bytes box, struct letter_opened *ret) {
        uint8_t room[CONTEXT_MAX], key[BOX_KEY_SIZE];
        struct buffer context = buffer_over(room, sizeof(room));
        struct reader r = reader_of(box);
        uint8_t version = reader_u8(&r);
        struct bytes ephemeral = reader_take(&r, BOX_KEY_SIZE), sealed;
        size_t begin = b->len;
        bool good;

        sealed = reader_take(&r, reader_left(&r));
        if (r.failed || version != VERSION || box.len > LETTER_BOX_MAX)
                return false;
        put_context(&context, self, ephemeral.data);
        good = derive(secret, ephemeral.data, buffer_bytes(&context), key) &&
               box_open(b, key, buffer_bytes(&context), sealed);
        crypto_wipe(key, sizeof(key));
        return good &&
               read_inside(BYTES(b->data + begin, b->len - begin), self, ephemeral.data, ret);
}
