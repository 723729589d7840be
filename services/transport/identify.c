#include "services/transport/identify.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/envelope.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "proto/libp2p/identify.pb-c.h"

static const struct unpack_limits limits = {
        .depth = 1,
        .fields = 512,
        .unknown = 16,
        .memory = 64 * 1024,
};

static ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

void identify_put(struct buffer *b, const struct identify_self *self,
                  const struct multiaddr *observed) {
        Identify__Identify m = IDENTIFY__IDENTIFY__INIT;
        CLEANUP(buffer_donep) struct buffer key = {};
        CLEANUP(buffer_donep) struct buffer body = {};
        CLEANUP(freep) ProtobufCBinaryData *listen = xnew_n(ProtobufCBinaryData, self->n_listen);

        buffer_init(&key, PUBLIC_KEY_ED25519_SIZE);
        buffer_init(&body, IDENTIFY_MESSAGE_MAX);
        public_key_put_ed25519(&key, &self->key);
        for (size_t i = 0; i < self->n_listen; i++)
                listen[i] = binary(multiaddr_bytes(&self->listen[i]));

        m.has_publickey = true;
        m.publickey = binary(buffer_bytes(&key));
        m.n_listenaddrs = self->n_listen;
        m.listenaddrs = listen;
        m.n_protocols = self->n_protocols;
        m.protocols = (char **) self->protocols;
        m.protocolversion = (char *) IDENTIFY_VERSION;
        m.agentversion = (char *) self->agent;
        if (observed) {
                m.has_observedaddr = true;
                m.observedaddr = binary(multiaddr_bytes(observed));
        }
        if (self->record.len > 0) {
                m.has_signedpeerrecord = true;
                m.signedpeerrecord = binary(self->record);
        }

        wire_pack(&body, &m.base);
        if (body.failed)
                b->failed = true;
        else
                frame_put(b, buffer_bytes(&body));
}

void identify_init(struct identify *id) {
        *id = (struct identify){};
}

static bool key_is_of(const ProtobufCBinaryData *key, const struct peer_id *from) {
        struct peer_id id;

        return peer_id_from_public_key(BYTES(key->data, key->len), &id) && peer_id_equal(&id, from);
}

static bool holds(const struct identify *id, const struct multiaddr *a) {
        for (size_t i = 0; i < id->n_addrs; i++)
                if (multiaddr_equal(&id->addrs[i], a))
                        return true;
        return false;
}

/* `a` may lead to nobody else than `from`; what is kept names no peer. */
static void add_address(struct identify *id, struct multiaddr a, const struct peer_id *from) {
        struct peer_id leads_to;

        if (multiaddr_peer(&a, &leads_to)) {
                if (!peer_id_equal(&leads_to, from)) {
                        id->n_skipped++;
                        return;
                }
                multiaddr_strip_peer(&a);
        }
        if (a.len == 0 || holds(id, &a))
                return;
        if (id->n_addrs == IDENTIFY_ADDRS_MAX)
                id->n_skipped++;
        else
                id->addrs[id->n_addrs++] = a;
}

static void take_addresses(struct identify *id, const Identify__Identify *m,
                           const struct peer_id *from) {
        id->has_addrs = true;
        for (size_t i = 0; i < m->n_listenaddrs; i++) {
                const ProtobufCBinaryData *v = &m->listenaddrs[i];
                struct multiaddr a;

                if (multiaddr_parse(BYTES(v->data, v->len), &a) == MULTIADDR_OK)
                        add_address(id, a, from);
                else
                        id->n_skipped++;
        }
}

static void take_protocols(struct identify *id, const Identify__Identify *m) {
        id->has_protocols = true;
        for (size_t i = 0; i < m->n_protocols; i++) {
                size_t size = strlen(m->protocols[i]) + 1;

                if (id->n_protocols == IDENTIFY_PROTOCOLS_MAX || size == 1 ||
                    size > sizeof(id->names) - id->names_len) {
                        id->n_skipped++;
                        continue;
                }
                memcpy(id->names + id->names_len, m->protocols[i], size);
                id->names_len += size;
                id->n_protocols++;
        }
}

/* Signed addresses win over plain ones, also over those of later messages. */
static void take_record(struct identify *id, const ProtobufCBinaryData *envelope,
                        const struct peer_id *from) {
        struct peer_record record;

        if (peer_record_open(BYTES(envelope->data, envelope->len), &record) != ENVELOPE_OK ||
            !peer_id_equal(&record.peer, from)) {
                id->n_skipped++;
                return;
        }
        id->record_seq = record.seq;
        id->record_len = envelope->len <= sizeof(id->record) ? envelope->len : 0;
        memcpy(id->record, envelope->data, id->record_len);
        id->has_addrs = true;
        id->n_addrs = 0;
        for (size_t i = 0; i < record.n_addrs; i++)
                add_address(id, record.addrs[i], from);
}

static void take_agent(struct identify *id, const char *agent) {
        id->has_agent = true;
        (void) snprintf(id->agent, sizeof(id->agent), "%s", agent);
}

int identify_add(struct identify *id, struct bytes message, const struct peer_id *from) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Identify__Identify *m;

        if (id->n_messages == IDENTIFY_MESSAGES_MAX)
                return IDENTIFY_E_TOO_MANY;
        if (message.len > IDENTIFY_MESSAGE_MAX ||
            wire_unpack(&identify__identify__descriptor, message, &limits, &u) != UNPACK_OK)
                return IDENTIFY_E_INVALID;
        m = u.message;
        if (m->has_publickey && !key_is_of(&m->publickey, from))
                return IDENTIFY_E_KEY;

        id->n_messages++;
        if (m->n_listenaddrs > 0 && id->record_seq == 0)
                take_addresses(id, m, from);
        if (m->n_protocols > 0)
                take_protocols(id, m);
        if (m->agentversion)
                take_agent(id, m->agentversion);
        if (m->has_observedaddr)
                id->has_observed = multiaddr_parse(BYTES(m->observedaddr.data, m->observedaddr.len),
                                                   &id->observed) == MULTIADDR_OK;
        if (m->has_signedpeerrecord && id->record_seq == 0)
                take_record(id, &m->signedpeerrecord, from);
        return IDENTIFY_OK;
}

const char *identify_protocol(const struct identify *id, size_t i) {
        const char *name = id->names;

        check(i < id->n_protocols);
        while (i-- > 0)
                name += strlen(name) + 1;
        return name;
}
