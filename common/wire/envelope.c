#include "common/wire/envelope.h"

#include "common/base/error.h"
#include "common/wire/varint.h"
#include "proto/libp2p/envelope.pb-c.h"
#include "proto/libp2p/peer_record.pb-c.h"

static const struct unpack_limits envelope_limits = {
        .depth = 1,
        .fields = 16,
        .unknown = 8,
        .memory = 2 * ENVELOPE_MAX,
};
static const struct unpack_limits record_limits = {
        .depth = 2,
        .fields = 512,
        .unknown = 8,
        .memory = 256 * 1024,
};

static struct bytes bytes_of(const ProtobufCBinaryData *v) {
        return BYTES(v->data, v->len);
}

static ProtobufCBinaryData binary_of(struct bytes v) {
        return (ProtobufCBinaryData){ .len = v.len, .data = (uint8_t *) v.data };
}

void envelope_put_signed(struct buffer *b, struct bytes domain, struct bytes type,
                         struct bytes payload) {
        buffer_put_prefixed(b, domain);
        buffer_put_prefixed(b, type);
        buffer_put_prefixed(b, payload);
}

static int verify(const Envelope__Envelope *e, struct bytes domain, struct bytes type,
                  struct envelope *ret) {
        CLEANUP(buffer_donep) struct buffer signed_bytes = {};

        buffer_init(&signed_bytes, ENVELOPE_MAX + 256);
        if (!bytes_equal(bytes_of(&e->payload_type), type))
                return ENVELOPE_E_TYPE;
        if (!peer_id_from_public_key(bytes_of(&e->public_key), &ret->signer))
                return ENVELOPE_E_INVALID;
        if (!peer_id_ed25519(&ret->signer, &ret->key))
                return ENVELOPE_E_KEY;
        envelope_put_signed(&signed_bytes, domain, type, bytes_of(&e->payload));
        if (signed_bytes.failed ||
            !sign_verify(&ret->key, buffer_bytes(&signed_bytes), bytes_of(&e->signature)))
                return ENVELOPE_E_SIGNATURE;
        return ENVELOPE_OK;
}

int envelope_open(struct bytes in, struct bytes domain, struct bytes type, struct envelope *ret) {
        struct envelope result = {};
        const Envelope__Envelope *e;
        int r;

        if (in.len > ENVELOPE_MAX ||
            wire_unpack(&envelope__envelope__descriptor, in, &envelope_limits, &result.unpacked))
                return ENVELOPE_E_INVALID;
        e = result.unpacked.message;
        r = verify(e, domain, type, &result);
        if (r) {
                envelope_done(&result);
                return r;
        }
        result.payload = bytes_of(&e->payload);
        *ret = result;
        return ENVELOPE_OK;
}

void envelope_done(struct envelope *e) {
        unpacked_done(&e->unpacked);
}

void envelope_put(struct buffer *b, const struct sign_public *key, struct bytes type,
                  struct bytes payload, const struct signature *signature) {
        Envelope__Envelope e = ENVELOPE__ENVELOPE__INIT;
        uint8_t storage[PUBLIC_KEY_ED25519_SIZE];
        struct buffer public_key = buffer_over(storage, sizeof(storage));

        public_key_put_ed25519(&public_key, key);
        e.public_key = binary_of(buffer_bytes(&public_key));
        e.payload_type = binary_of(type);
        e.payload = binary_of(payload);
        e.signature = binary_of(signature_bytes(signature));
        wire_pack(b, &e.base);
}

static int read_record(struct bytes payload, const struct peer_id *signer,
                       struct peer_record *ret) {
        CLEANUP(unpacked_donep) struct unpacked unpacked = {};
        const PeerRecord__PeerRecord *record;
        struct multiaddr addr;

        if (wire_unpack(&peer_record__peer_record__descriptor, payload, &record_limits, &unpacked))
                return ENVELOPE_E_PAYLOAD;
        record = unpacked.message;
        if (!bytes_equal(bytes_of(&record->peer_id), peer_id_bytes(signer)))
                return ENVELOPE_E_PAYLOAD;

        ret->peer = *signer;
        ret->seq = record->seq;
        ret->n_addrs = ret->n_skipped = 0;
        for (size_t i = 0; i < record->n_addresses; i++) {
                if (ret->n_addrs == PEER_RECORD_ADDRS_MAX ||
                    multiaddr_parse(bytes_of(&record->addresses[i]->multiaddr), &addr))
                        ret->n_skipped++;
                else
                        ret->addrs[ret->n_addrs++] = addr;
        }
        return ENVELOPE_OK;
}

int peer_record_open(struct bytes in, struct peer_record *ret) {
        CLEANUP(envelope_donep) struct envelope envelope = {};
        int r;

        r = envelope_open(in, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, &envelope);
        return r ? r : read_record(envelope.payload, &envelope.signer, ret);
}

void peer_record_put(struct buffer *b, const struct peer_record *record) {
        PeerRecord__PeerRecord r = PEER_RECORD__PEER_RECORD__INIT;
        PeerRecord__AddressInfo infos[PEER_RECORD_ADDRS_MAX];
        PeerRecord__AddressInfo *pointers[PEER_RECORD_ADDRS_MAX];

        check(record->n_addrs <= PEER_RECORD_ADDRS_MAX);
        for (size_t i = 0; i < record->n_addrs; i++) {
                infos[i] = (PeerRecord__AddressInfo) PEER_RECORD__ADDRESS_INFO__INIT;
                infos[i].multiaddr = binary_of(multiaddr_bytes(&record->addrs[i]));
                pointers[i] = &infos[i];
        }
        r.peer_id = binary_of(peer_id_bytes(&record->peer));
        r.seq = record->seq;
        r.n_addresses = record->n_addrs;
        r.addresses = pointers;
        wire_pack(b, &r.base);
}
