#include "common/canonical/record.h"

#include "common/base/text.h"
#include "common/wire/varint.h"

static bool is_good(const struct record_statement *s) {
        struct sign_public key;

        return s->kind >= RECORD_ENDPOINT && s->kind < _RECORD_SIGNED_N && s->network.len > 0 &&
               s->network.len <= RECORD_NETWORK_MAX && utf8_is_valid(s->network) &&
               s->label.len <= RECORD_LABEL_MAX && peer_id_ed25519(&s->publisher, &key) &&
               s->created_us >= 0 && s->ttl_s >= 1 && s->ttl_s <= RECORD_TTL_MAX &&
               s->payload.len <= RECORD_PAYLOAD_MAX;
}

int record_encode(const struct record_statement *s, struct buffer *b) {
        if (!is_good(s))
                return RECORD_E_FIELD;
        buffer_put_bytes(b, RECORD_PREFIX);
        buffer_put_u8(b, (uint8_t) s->kind);
        buffer_put_prefixed(b, s->network);
        buffer_put_prefixed(b, s->label);
        buffer_put_prefixed(b, peer_id_bytes(&s->publisher));
        buffer_put_u64(b, s->sequence);
        buffer_put_u64(b, (uint64_t) s->created_us);
        buffer_put_u32(b, s->ttl_s);
        buffer_put_prefixed(b, s->payload);
        return RECORD_OK;
}

int record_decode(struct bytes statement, struct record_statement *ret) {
        struct reader r = reader_of(statement);
        bool is_peer;

        *ret = (struct record_statement){};
        if (statement.len > RECORD_BYTES_MAX - SIGNATURE_SIZE ||
            !bytes_equal(reader_take(&r, RECORD_PREFIX.len), RECORD_PREFIX))
                return RECORD_E_FORMAT;
        ret->kind = reader_u8(&r);
        ret->network = reader_prefixed(&r);
        ret->label = reader_prefixed(&r);
        is_peer = peer_id_parse(reader_prefixed(&r), &ret->publisher);
        ret->sequence = reader_u64(&r);
        ret->created_us = (int64_t) reader_u64(&r);
        ret->ttl_s = reader_u32(&r);
        ret->payload = reader_prefixed(&r);
        if (!reader_done(&r))
                return RECORD_E_FORMAT;
        return is_peer && is_good(ret) ? RECORD_OK : RECORD_E_FIELD;
}

int record_split(struct bytes record, struct record_parts *ret) {
        if (record.len < SIGNATURE_SIZE)
                return RECORD_E_FORMAT;
        ret->statement = BYTES(record.data, record.len - SIGNATURE_SIZE);
        ret->signature = BYTES(record.data + ret->statement.len, SIGNATURE_SIZE);
        return record_decode(ret->statement, &ret->fields);
}

bool record_verify(const struct record_parts *r) {
        struct sign_public key;

        return peer_id_ed25519(&r->fields.publisher, &key) &&
               sign_verify(&key, r->statement, r->signature);
}

void profile_payload_put(struct buffer *b, const struct profile_payload *p) {
        buffer_put(b, p->x25519, X25519_SIZE);
        buffer_put_prefixed(b, p->name);
}

bool profile_payload_read(struct bytes payload, struct profile_payload *ret) {
        struct reader r = reader_of(payload);

        reader_copy(&r, ret->x25519, X25519_SIZE);
        ret->name = reader_prefixed(&r);
        return !r.failed && ret->name.len <= RECORD_TEXT_MAX && utf8_is_valid(ret->name);
}

/* An address of a protocol we do not know is somebody's, but not ours to dial. */
bool endpoint_payload_read(struct bytes payload, struct multiaddr ret[RECORD_ADDRESSES_MAX],
                           size_t *ret_n) {
        struct reader r = reader_of(payload);
        struct multiaddr address;
        size_t n = 0, n_known = 0;

        for (; reader_left(&r) > 0 && n < RECORD_ADDRESSES_MAX; n++) {
                int parsed = multiaddr_parse(reader_prefixed(&r), &address);

                if (r.failed || parsed == MULTIADDR_E_INVALID)
                        return false;
                if (ret && parsed == MULTIADDR_OK)
                        ret[n_known] = address;
                n_known += parsed == MULTIADDR_OK;
        }
        if (ret_n)
                *ret_n = n_known;
        return n > 0 && reader_done(&r);
}
