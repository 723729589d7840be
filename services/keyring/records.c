#include "common/base/error.h"
#include "services/keyring/packed.h"
#include "services/keyring/permit.h"

#define MESSAGE_MAX       (60 * 1024) /* a pubsub Message without its signature; an RPC has 64 KiB */
#define MESSAGE_FIELDS    4           /* from, data, seqno, topic */
#define CAPABILITY_MAX    512
#define CAPABILITY_FIELDS 64 /* room for later ones */

/* A profile says where to send what only we can read. */
static bool is_foreign_profile(const struct keyring *k, const struct record_statement *s) {
        struct profile_payload p;

        return s->kind == RECORD_PROFILE &&
               (!profile_payload_read(s->payload, &p) ||
                memcmp(p.x25519, k->identity.x25519_public, X25519_SIZE) != 0);
}

int keyring_sign_record(struct keyring *k, const struct keyring_ask *ask,
                        const struct record_statement *s, struct keyring_signed *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};
        struct record_statement own = *s;
        struct signature signature;
        int r;

        buffer_init(&bytes, RECORD_BYTES_MAX);
        own.publisher = k->self;
        if (is_foreign_profile(k, s))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        if (record_encode(&own, &bytes) != RECORD_OK || bytes.failed)
                return keyring_refuse(k, KEYRING_E_FIELD);
        r = keyring_sign(k, ask, KEYRING_DHT_RECORD, buffer_bytes(&bytes), &signature);
        if (r)
                return r;
        ret->signature = signature;
        ret->bytes = bytes;
        buffer_init(&bytes, 0);
        return KEYRING_OK;
}

/* What others packed, behind the prefix of its row. */
static int sign_packed(struct keyring *k, const struct keyring_ask *ask,
                       enum keyring_statement what, struct bytes message, struct signature *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};
        struct bytes prefix = keyring_rules[what].prefix;

        buffer_init(&bytes, prefix.len + message.len);
        buffer_put_bytes(&bytes, prefix);
        buffer_put_bytes(&bytes, message);
        check(!bytes.failed);
        return keyring_sign(k, ask, what, buffer_bytes(&bytes), ret);
}

int keyring_sign_message(struct keyring *k, const struct keyring_ask *ask, struct bytes message,
                         struct signature *ret) {
        if (message.len > MESSAGE_MAX)
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (!packed_speaks_for(message, peer_id_bytes(&k->self), MESSAGE_FIELDS))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return sign_packed(k, ask, KEYRING_MESSAGE, message, ret);
}

int keyring_sign_capability(struct keyring *k, const struct keyring_ask *ask, struct bytes body,
                            struct signature *ret) {
        if (body.len > CAPABILITY_MAX)
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (!packed_speaks_for(body, peer_id_bytes(&k->self), CAPABILITY_FIELDS))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return sign_packed(k, ask, KEYRING_CAPABILITY, body, ret);
}

/* Whose key it is, by his own word: a caller cannot put another's key under a name. */
static bool read_profile(struct bytes profile, struct letter_key *ret) {
        struct record_parts parts;
        struct profile_payload p;

        if (record_split(profile, &parts) != RECORD_OK || parts.fields.kind != RECORD_PROFILE ||
            !profile_payload_read(parts.fields.payload, &p) || !record_verify(&parts))
                return false;
        ret->peer = parts.fields.publisher;
        memcpy(ret->x25519, p.x25519, X25519_SIZE);
        return true;
}

int keyring_seal_mailbox(struct keyring *k, const struct keyring_ask *ask, struct bytes profile,
                         struct bytes text, const uint8_t ephemeral[BOX_KEY_SIZE],
                         struct buffer *ret) {
        CLEANUP(buffer_donep) struct buffer statement = {};
        uint8_t public[BOX_KEY_SIZE];
        struct signature signature;
        struct letter_key to;
        int r;

        buffer_init(&statement, LETTER_BOX_MAX);
        x25519_public(ephemeral, public);
        if (!read_profile(profile, &to) ||
            !letter_put_signed(&statement, &to, public, &k->self, text))
                return keyring_refuse(k, KEYRING_E_FIELD);
        r = keyring_sign(k, ask, KEYRING_LETTER, buffer_bytes(&statement), &signature);
        if (r)
                return r;
        if (!letter_seal(ret, &to, ephemeral, &k->self, signature_bytes(&signature), text))
                return keyring_refuse(k, KEYRING_E_FIELD);
        return KEYRING_OK;
}

int keyring_open_mailbox(struct keyring *k, const struct keyring_ask *ask, struct bytes box,
                         struct buffer *b, struct letter_opened *ret) {
        struct letter_key self = { .peer = k->self };
        int r = keyring_permit(k, ask, KEYRING_OPEN_LETTER, BYTES_NONE);

        if (r)
                return keyring_refuse(k, r);
        memcpy(self.x25519, k->identity.x25519_public, X25519_SIZE);
        if (!letter_unseal(b, &self, k->identity.x25519_secret, box, ret))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return KEYRING_OK;
}
