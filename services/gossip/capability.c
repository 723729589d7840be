#include "services/gossip/capability.h"

#include <string.h>

#include "common/base/text.h"
#include "common/wire/varint.h"

/* Read by hand over the bytes themselves: an offer is kept as one buffer with
 * views into it, a tenth of what unpacked messages of a few hundred hosts take. */

enum { SIGNED_BODY = 1, SIGNED_SIGNATURE = 2 };
enum field_number {
        FIELD_PEER = 1,
        FIELD_SEQUENCE,
        FIELD_NETWORK,
        FIELD_ADDRESS,
        FIELD_ENGINE,
        FIELD_CORES,
        FIELD_MEMORY,
        FIELD_SLOTS,
        FIELD_FREE_SLOTS,
        FIELD_DATA_CLASSES,
        FIELD_GROUP,
        FIELD_REGION,
        FIELD_PRICE,
        FIELD_ATTESTATION,
        FIELD_OPERATOR,
        FIELD_NAME,
        FIELD_VERSION,
        FIELD_DATASETS,
        _FIELD_N,
};

#define WIRE_VARINT 0
#define WIRE_BYTES  2
#define UNKNOWN_MAX 8

struct field {
        unsigned number, type;
        uint64_t value;
        struct bytes data;
};

static bool next_field(struct reader *r, struct field *ret) {
        uint64_t tag;

        if (reader_left(r) == 0)
                return false;
        tag = reader_varint(r);
        *ret = (struct field){ .number = (unsigned) (tag >> 3), .type = tag & 7 };
        if (ret->type == WIRE_BYTES)
                ret->data = reader_prefixed(r);
        else if (ret->type == WIRE_VARINT)
                ret->value = reader_varint(r);
        else
                r->failed = true;
        if (tag >> 3 == 0 || tag >> 3 > UINT16_MAX)
                r->failed = true;
        return !r->failed;
}

/* ---- Tables: what each field is, and where it goes ---- */

enum field_kind { KIND_NONE = 0, KIND_U32, KIND_U64, KIND_TEXT, KIND_BYTES, KIND_LIST };

static const struct {
        enum field_kind kind;
        size_t offset, count; /* of the value or the list, of its counter */
        size_t max, length;   /* elements, bytes of one */
} fields[_FIELD_N] = {
#define AT(member) offsetof(struct capability, member)
        [FIELD_PEER] = { KIND_BYTES, AT(peer), 0, 0, PEER_ID_MAX },
        [FIELD_SEQUENCE] = { KIND_U64, AT(sequence) },
        [FIELD_NETWORK] = { KIND_TEXT, AT(network), 0, 0, CAPABILITY_TEXT_MAX },
        [FIELD_ADDRESS] = { KIND_LIST, AT(addresses), AT(n_addresses), CAPABILITY_ADDRESSES_MAX,
                            MULTIADDR_MAX },
        [FIELD_ENGINE] = { KIND_LIST, AT(engines), AT(n_engines), CAPABILITY_ENGINES_MAX,
                           CAPABILITY_CLASS_MAX },
        [FIELD_CORES] = { KIND_U32, AT(cores) },
        [FIELD_MEMORY] = { KIND_U32, AT(memory_mib) },
        [FIELD_SLOTS] = { KIND_U32, AT(slots) },
        [FIELD_FREE_SLOTS] = { KIND_U32, AT(free_slots) },
        [FIELD_DATA_CLASSES] = { KIND_U32, AT(data_classes) },
        [FIELD_GROUP] = { KIND_LIST, AT(groups), AT(n_groups), CAPABILITY_GROUPS_MAX,
                          CAPABILITY_TEXT_MAX },
        [FIELD_REGION] = { KIND_TEXT, AT(region), 0, 0, CAPABILITY_TEXT_MAX },
        [FIELD_PRICE] = { KIND_U64, AT(price) },
        [FIELD_ATTESTATION] = { KIND_U32, AT(attestation) },
        [FIELD_OPERATOR] = { KIND_BYTES, AT(operator_certificate), 0, 0, 256 },
        [FIELD_NAME] = { KIND_TEXT, AT(name), 0, 0, CAPABILITY_TEXT_MAX },
        [FIELD_VERSION] = { KIND_TEXT, AT(version), 0, 0, CAPABILITY_TEXT_MAX },
        [FIELD_DATASETS] = { KIND_U32, AT(datasets) },
#undef AT
};

/* U+0080 to U+009F are control characters too: U+009B begins a terminal's command. */
static bool is_control(struct bytes v, size_t i) {
        uint8_t c = v.data[i];

        return c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < v.len && v.data[i + 1] < 0xa0);
}

/* Text for people and for filters: no control characters, whatever is shown later. */
static bool is_text(struct bytes v) {
        for (size_t i = 0; i < v.len; i++)
                if (is_control(v, i))
                        return false;
        return utf8_is_valid(v);
}

static bool put_list(struct capability *c, unsigned n, struct bytes data) {
        struct bytes *list = (void *) ((char *) c + fields[n].offset);
        size_t *count = (void *) ((char *) c + fields[n].count);

        if (*count == fields[n].max)
                return false;
        list[(*count)++] = data;
        return true;
}

static bool is_usable(unsigned n, struct bytes data) {
        struct multiaddr a;

        if (data.len > fields[n].length)
                return false;
        if (n == FIELD_ADDRESS)
                return multiaddr_parse(data, &a) == MULTIADDR_OK;
        return fields[n].kind == KIND_BYTES || is_text(data);
}

/* Returns enum capability_result. */
static int put_field(struct capability *c, const struct field *f) {
        enum field_kind kind = fields[f->number].kind;
        void *at = (char *) c + fields[f->number].offset;

        if ((kind == KIND_U32 || kind == KIND_U64) != (f->type == WIRE_VARINT))
                return CAPABILITY_E_MALFORMED;
        if (kind == KIND_U32) {
                if (f->value > UINT32_MAX)
                        return CAPABILITY_E_LIMIT;
                *(uint32_t *) at = (uint32_t) f->value;
        } else if (kind == KIND_U64) {
                *(uint64_t *) at = f->value;
        } else if (!is_usable(f->number, f->data)) {
                return CAPABILITY_E_LIMIT;
        } else if (f->number == FIELD_PEER) {
                struct sign_public key;

                if (!peer_id_parse(f->data, &c->peer) || !peer_id_ed25519(&c->peer, &key))
                        return CAPABILITY_E_MALFORMED;
        } else if (kind == KIND_LIST) {
                return put_list(c, f->number, f->data) ? CAPABILITY_OK : CAPABILITY_E_LIMIT;
        } else {
                *(struct bytes *) at = f->data;
        }
        return CAPABILITY_OK;
}

static int read_body(struct capability *c, struct bytes body) {
        struct reader r = reader_of(body);
        unsigned unknown = 0;
        uint32_t seen = 0;
        struct field f;
        int x;

        while (next_field(&r, &f)) {
                if (f.number >= _FIELD_N) {
                        if (++unknown > UNKNOWN_MAX)
                                return CAPABILITY_E_LIMIT;
                        continue;
                }
                if (fields[f.number].kind != KIND_LIST && seen >> f.number & 1)
                        return CAPABILITY_E_MALFORMED;
                seen |= UINT32_C(1) << f.number;
                x = put_field(c, &f);
                if (x)
                        return x;
        }
        return reader_done(&r) && !peer_id_is_none(&c->peer) && c->sequence > 0
                       ? CAPABILITY_OK
                       : CAPABILITY_E_MALFORMED;
}

/* ---- The envelope ---- */

static bool open_signed(struct bytes in, struct bytes *ret_body, struct bytes *ret_signature) {
        struct reader r = reader_of(in);
        struct field f;

        *ret_body = *ret_signature = BYTES_NONE;
        while (next_field(&r, &f)) {
                struct bytes *to = f.number == SIGNED_BODY ? ret_body : ret_signature;

                if (f.number > SIGNED_SIGNATURE || f.type != WIRE_BYTES || to->data)
                        return false; /* unknown trailing fields would not be signed */
                *to = f.data;
        }
        return reader_done(&r) && ret_body->len > 0 && ret_signature->len == SIGNATURE_SIZE;
}

int capability_read(struct bytes signed_record, struct capability *ret) {
        struct capability c = {};
        struct bytes body, signature;
        int r;

        *ret = (struct capability){};
        if (signed_record.len > CAPABILITY_SIZE_MAX)
                return CAPABILITY_E_LIMIT;
        c.raw = refbuf_new(signed_record);
        r = open_signed(refbuf_bytes(c.raw), &body, &signature) ? read_body(&c, body)
                                                                : CAPABILITY_E_MALFORMED;
        if (r)
                refbuf_unref(c.raw);
        else
                *ret = c;
        return r;
}

void capability_done(struct capability *c) {
        refbuf_unref(c->raw);
        *c = (struct capability){};
}

bool capability_verify(const struct capability *c, capability_verify_fn verify, void *userdata) {
        uint8_t storage[CAPABILITY_SIZE_MAX + 32];
        struct buffer b = buffer_over(storage, sizeof(storage));
        struct bytes body, signature;
        struct sign_public key;

        if (!open_signed(refbuf_bytes(c->raw), &body, &signature) ||
            !peer_id_ed25519(&c->peer, &key))
                return false;
        buffer_put_bytes(&b, CAPABILITY_PREFIX);
        buffer_put_bytes(&b, body);
        return !b.failed && verify(userdata, &key, buffer_bytes(&b), signature);
}

void capability_put(struct buffer *b, struct bytes body, struct bytes signature) {
        buffer_put_varint(b, SIGNED_BODY << 3 | WIRE_BYTES);
        buffer_put_prefixed(b, body);
        buffer_put_varint(b, SIGNED_SIGNATURE << 3 | WIRE_BYTES);
        buffer_put_prefixed(b, signature);
}
