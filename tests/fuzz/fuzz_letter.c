/* A letter, as whoever may write one wrote it, and the profile that names for whom to seal one. The
 * first byte says whether the rest is the box, what is sealed in it, a text of ours, or a profile.
 */

#include "common/base/error.h"
#include "common/crypto/kdf.h"
#include "common/wire/varint.h"
#include "services/keyring/keyring.h"
#include "services/keyring/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BOX, INSIDE, TEXT, PROFILE, _KIND_N };

static const uint8_t seed[32] = { 1 }, ephemeral[BOX_KEY_SIZE] = { 3 };

static struct keyring *the_keyring(void) {
        static struct keyring k;
        struct certkey *tls[_CERTKEY_N] = {};

        if (k.self.len == 0) {
                check(certkey_new(CERTKEY_ED25519, seed, &tls[CERTKEY_ED25519]) == 0);
                keyring_init(&k, seed, tls);
        }
        return &k;
}

static struct letter_key own(const struct keyring *k) {
        struct letter_key to = { .peer = k->self };

        memcpy(to.x25519, k->identity.x25519_public, X25519_SIZE);
        return to;
}

static bool open_it(struct bytes box, struct bytes *ret, struct buffer *room) {
        const struct keyring *k = the_keyring();
        struct letter_key self = own(k);
        struct letter_opened opened;

        if (!letter_unseal(room, &self, k->identity.x25519_secret, box, &opened))
                return false;
        check(opened.text.len <= LETTER_TEXT_MAX && opened.sender.len > 0);
        *ret = opened.text;
        return true;
}

/* As letter.h says, whatever is inside. */
static void put_box(struct buffer *b, struct bytes inside) {
        struct letter_key to = own(the_keyring());
        uint8_t room[160], public[BOX_KEY_SIZE], shared[BOX_KEY_SIZE], key[BOX_KEY_SIZE];
        struct buffer context = buffer_over(room, sizeof(room));

        x25519_public(ephemeral, public);
        check(x25519_shared(ephemeral, to.x25519, shared));
        buffer_put_bytes(&context, LETTER_PREFIX);
        buffer_put_prefixed(&context, peer_id_bytes(&to.peer));
        buffer_put(&context, to.x25519, X25519_SIZE);
        buffer_put(&context, public, sizeof(public));
        hkdf_sha256(BYTES_OF(shared), BYTES_NONE, buffer_bytes(&context), key, sizeof(key));
        buffer_put_u8(b, 1);
        buffer_put(b, public, sizeof(public));
        box_seal(b, key, buffer_bytes(&context), inside);
}

/* What we seal for ourselves opens as it was. */
static void try_text(struct bytes text, struct buffer *b, struct buffer *room) {
        CLEANUP(buffer_donep) struct buffer statement = {};
        struct keyring *k = the_keyring();
        struct letter_key to = own(k);
        uint8_t public[BOX_KEY_SIZE];
        struct signature signature;
        struct bytes back;

        buffer_init(&statement, LETTER_BOX_MAX);
        x25519_public(ephemeral, public);
        if (!letter_put_signed(&statement, &to, public, &k->self, text))
                return;
        signature = sign_make(&k->identity.sign_secret, buffer_bytes(&statement));
        check(letter_seal(b, &to, ephemeral, &k->self, signature_bytes(&signature), text));
        check(open_it(buffer_bytes(b), &back, room) && bytes_equal(back, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static nsec_t now;
        struct keyring_ask ask = { .socket = KEYRING_ADMIN, .now = now += NSEC_PER_SEC };
        CLEANUP(buffer_donep) struct buffer box = {}, room = {};
        struct bytes in = BYTES(data + 1, size - 1), text;
        struct letter_opened opened;

        if (size == 0)
                return 0;
        buffer_init(&box, 2 * LETTER_BOX_MAX);
        buffer_init(&room, 2 * LETTER_BOX_MAX);
        if (data[0] % _KIND_N == BOX) {
                (void) keyring_open_mailbox(the_keyring(), &ask, in, &room, &opened);
        } else if (data[0] % _KIND_N == INSIDE) {
                put_box(&box, in);
                if (!box.failed)
                        (void) open_it(buffer_bytes(&box), &text, &room);
        } else if (data[0] % _KIND_N == TEXT) {
                try_text(in, &box, &room);
        } else {
                (void) keyring_seal_mailbox(the_keyring(), &ask, in, BYTES_LIT("hello"), ephemeral,
                                            &box);
        }
        return 0;
}
