#include "services/keyring/keyring.h"

#include "common/wire/unpack.h"
#include "proto/libp2p/gossipsub.pb-c.h"
#include "proto/peers.pb-c.h"
#include "services/keyring/sign.h"

/* What gossip may have signed: messages from this node and offers of this node, and
 * only in the one form in which their fields can be written, so that nothing else
 * travels along. */

static const struct unpack_limits limits = {
        .depth = 1,
        .fields = 64,
        .unknown = 0,
        .memory = 2 * KEYRING_MESSAGE_MAX,
};

/* Unpacked, packed again: the same bytes. */
static bool is_whole(const ProtobufCMessage *message, struct bytes sent) {
        CLEANUP(buffer_donep) struct buffer again;

        buffer_init(&again, KEYRING_MESSAGE_MAX);
        wire_pack(&again, message);
        return !again.failed && bytes_equal(buffer_bytes(&again), sent);
}

static bool is_from_self(const struct keyring *k, const ProtobufCBinaryData *peer) {
        return bytes_equal(BYTES(peer->data, peer->len), peer_id_bytes(&k->self));
}

static int sign_behind_prefix(struct keyring *k, const struct keyring_ask *ask,
                              enum keyring_statement what, struct bytes body,
                              struct keyring_signed *ret) {
        CLEANUP(buffer_donep) struct buffer bytes;

        buffer_init(&bytes, KEYRING_MESSAGE_MAX + 64);
        buffer_put_bytes(&bytes, keyring_rules[what].prefix);
        buffer_put_bytes(&bytes, body);
        return keyring_finish(k, ask, what, STATEMENT_OK, &bytes, ret);
}

int keyring_sign_pubsub(struct keyring *k, const struct keyring_ask *ask, struct bytes message,
                        struct keyring_signed *ret) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Gossipsub__Message *m;

        if (message.len > KEYRING_MESSAGE_MAX ||
            wire_unpack(&gossipsub__message__descriptor, message, &limits, &u) != UNPACK_OK)
                return keyring_refuse(k, KEYRING_E_FIELD);
        m = u.message;
        if (!m->has_from || !m->has_data || !m->has_seqno || !m->topic || m->has_signature ||
            m->has_key || !is_whole(&m->base, message))
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (!is_from_self(k, &m->from))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return sign_behind_prefix(k, ask, KEYRING_PUBSUB, message, ret);
}

int keyring_sign_capability(struct keyring *k, const struct keyring_ask *ask,
                            struct bytes capability, struct keyring_signed *ret) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Peers__Capability *c;

        if (capability.len > KEYRING_CAPABILITY_MAX ||
            wire_unpack(&peers__capability__descriptor, capability, &limits, &u) != UNPACK_OK)
                return keyring_refuse(k, KEYRING_E_FIELD);
        c = u.message;
        if (!is_whole(&c->base, capability))
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (!is_from_self(k, &c->peer))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return sign_behind_prefix(k, ask, KEYRING_CAPABILITY, capability, ret);
}
