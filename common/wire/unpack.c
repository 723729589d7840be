#include "common/wire/unpack.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

#define ALIGN         16
#define ALIGNED(n)    (((n) + ALIGN - 1) / ALIGN * ALIGN)
#define FIELDS_MAX    256 /* of one message type */
#define FIELD_ID_MAX  ((1u << 29) - 1)
#define VALUE_MAX     10 /* bytes of a varint value; lengths and tags use at most 9 */
#define SCRATCH       96 /* protobuf-c's bookkeeping per field: slabs of 40 bytes, doubling */
#define SCRATCH_FIXED 1280

const struct unpack_limits unpack_limits_default = {
        .depth = 8,
        .fields = 4096,
        .unknown = 16,
        .memory = 4 << 20,
};

const struct unpack_limits unpack_limits_reply = {
        .depth = 8,
        .fields = 64 << 10,
        .unknown = 16,
        .memory = 16 << 20,
};

/* What the walk has used up so far. */
struct scan {
        const struct unpack_limits *limits;
        size_t fields, unknown, memory;
        int result; /* enum unpack_result, first failure */
};

/* One message on the way. */
struct level {
        const ProtobufCMessageDescriptor *type;
        size_t depth;
        uint64_t seen[FIELDS_MAX / 64];
};

static bool fail(struct scan *s, int result) {
        if (s->result == UNPACK_OK)
                s->result = result;
        return false;
}

static bool charge(struct scan *s, size_t memory) {
        if (memory > s->limits->memory - s->memory)
                return fail(s, UNPACK_E_LIMIT);
        s->memory += memory;
        return true;
}

static bool count_fields(struct scan *s, size_t n, size_t element_size) {
        if (n > s->limits->fields - s->fields)
                return fail(s, UNPACK_E_LIMIT);
        s->fields += n;
        return charge(s, n * element_size);
}

static const struct type_shape {
        uint8_t wire;
        uint8_t size;  /* in memory */
        uint8_t fixed; /* on the wire; 0: varint or length-prefixed */
} shapes[] = {
        [PROTOBUF_C_TYPE_INT32] = { PROTOBUF_C_WIRE_TYPE_VARINT, 4, 0 },
        [PROTOBUF_C_TYPE_SINT32] = { PROTOBUF_C_WIRE_TYPE_VARINT, 4, 0 },
        [PROTOBUF_C_TYPE_SFIXED32] = { PROTOBUF_C_WIRE_TYPE_32BIT, 4, 4 },
        [PROTOBUF_C_TYPE_INT64] = { PROTOBUF_C_WIRE_TYPE_VARINT, 8, 0 },
        [PROTOBUF_C_TYPE_SINT64] = { PROTOBUF_C_WIRE_TYPE_VARINT, 8, 0 },
        [PROTOBUF_C_TYPE_SFIXED64] = { PROTOBUF_C_WIRE_TYPE_64BIT, 8, 8 },
        [PROTOBUF_C_TYPE_UINT32] = { PROTOBUF_C_WIRE_TYPE_VARINT, 4, 0 },
        [PROTOBUF_C_TYPE_FIXED32] = { PROTOBUF_C_WIRE_TYPE_32BIT, 4, 4 },
        [PROTOBUF_C_TYPE_UINT64] = { PROTOBUF_C_WIRE_TYPE_VARINT, 8, 0 },
        [PROTOBUF_C_TYPE_FIXED64] = { PROTOBUF_C_WIRE_TYPE_64BIT, 8, 8 },
        [PROTOBUF_C_TYPE_FLOAT] = { PROTOBUF_C_WIRE_TYPE_32BIT, 4, 4 },
        [PROTOBUF_C_TYPE_DOUBLE] = { PROTOBUF_C_WIRE_TYPE_64BIT, 8, 8 },
        [PROTOBUF_C_TYPE_BOOL] = { PROTOBUF_C_WIRE_TYPE_VARINT, 4, 0 },
        [PROTOBUF_C_TYPE_ENUM] = { PROTOBUF_C_WIRE_TYPE_VARINT, 4, 0 },
        [PROTOBUF_C_TYPE_STRING] = { PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof(char *), 0 },
        [PROTOBUF_C_TYPE_BYTES] = { PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                    sizeof(ProtobufCBinaryData), 0 },
        [PROTOBUF_C_TYPE_MESSAGE] = { PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, sizeof(void *), 0 },
};

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type,
                                                uint32_t id) {
        size_t low = 0, high = type->n_fields;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (type->fields[middle].id == id)
                        return &type->fields[middle];
                if (type->fields[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

/* A varint value: any form of up to ten bytes, as encoders of negative numbers write. */
static bool skip_value(struct reader *r) {
        for (size_t i = 0; i < VALUE_MAX; i++) {
                uint8_t c = reader_u8(r);

                if (!(c & 0x80))
                        return !r->failed;
        }
        return false;
}

/* Takes one value of a wire type; *ret is what it carries (without a length prefix). */
static bool take_value(struct reader *r, unsigned wire, struct bytes *ret) {
        size_t start = r->pos;

        switch (wire) {
        case PROTOBUF_C_WIRE_TYPE_VARINT:
                if (!skip_value(r))
                        return false;
                *ret = BYTES(r->data + start, r->pos - start);
                return true;
        case PROTOBUF_C_WIRE_TYPE_64BIT:
                *ret = reader_take(r, 8);
                return !r->failed;
        case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
                *ret = reader_prefixed(r);
                return !r->failed;
        case PROTOBUF_C_WIRE_TYPE_32BIT:
                *ret = reader_take(r, 4);
                return !r->failed;
        default: /* groups, and what nobody defined */
                return false;
        }
}

static bool scan_message(struct scan *s, const ProtobufCMessageDescriptor *type, struct bytes in,
                         size_t depth);

static bool scan_packed(struct scan *s, const struct type_shape *shape, struct bytes value) {
        struct reader r = reader_of(value);
        size_t n = 0;

        if (shape->fixed) {
                if (value.len % shape->fixed != 0)
                        return fail(s, UNPACK_E_INVALID);
                return count_fields(s, value.len / shape->fixed, shape->size);
        }
        for (; reader_left(&r) > 0; n++)
                if (!skip_value(&r))
                        return fail(s, UNPACK_E_INVALID);
        /* protobuf-c takes every byte of packed booleans for one. */
        return count_fields(s, n, shape->size) && charge(s, (value.len - n) * shape->size);
}

static bool scan_value(struct scan *s, const ProtobufCFieldDescriptor *f, struct bytes value,
                       size_t depth) {
        switch (f->type) {
        case PROTOBUF_C_TYPE_STRING:
                if (!utf8_is_valid(value) || (value.len > 0 && memchr(value.data, 0, value.len)))
                        return fail(s, UNPACK_E_INVALID);
                return charge(s, ALIGNED(value.len + 1));
        case PROTOBUF_C_TYPE_BYTES:
                return charge(s, ALIGNED(value.len));
        case PROTOBUF_C_TYPE_MESSAGE:
                return scan_message(s, f->descriptor, value, depth + 1);
        default:
                return true;
        }
}

/* First time in this message? A repeated field pays for its array then. */
static bool mark_seen(struct scan *s, struct level *l, const ProtobufCFieldDescriptor *f) {
        size_t i = (size_t) (f - l->type->fields);
        uint64_t bit = UINT64_C(1) << (i % 64);
        bool again = l->seen[i / 64] & bit;

        l->seen[i / 64] |= bit;
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
                return again || charge(s, ALIGN);
        return !again || fail(s, UNPACK_E_INVALID);
}

static bool scan_known(struct scan *s, struct level *l, const ProtobufCFieldDescriptor *f,
                       unsigned wire, struct reader *r) {
        const struct type_shape *shape = &shapes[f->type];
        bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
        struct bytes value;

        if (!take_value(r, wire, &value))
                return fail(s, UNPACK_E_INVALID);
        if (!mark_seen(s, l, f))
                return false;
        if (wire == shape->wire)
                return count_fields(s, 1, repeated ? shape->size : 0) &&
                       scan_value(s, f, value, l->depth);
        if (repeated && wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
                return scan_packed(s, shape, value);
        return fail(s, UNPACK_E_INVALID);
}

static bool scan_unknown(struct scan *s, unsigned wire, struct reader *r) {
        size_t start = r->pos;
        struct bytes value;

        if (!take_value(r, wire, &value))
                return fail(s, UNPACK_E_INVALID);
        if (s->unknown >= s->limits->unknown)
                return fail(s, UNPACK_E_LIMIT);
        s->unknown++;
        return count_fields(s, 1, sizeof(ProtobufCMessageUnknownField)) &&
               charge(s, ALIGN + ALIGNED(r->pos - start));
}

static bool scan_field(struct scan *s, struct level *l, struct reader *r) {
        uint64_t tag = reader_varint(r);
        const ProtobufCFieldDescriptor *f;

        if (r->failed || tag >> 3 == 0 || tag >> 3 > FIELD_ID_MAX)
                return fail(s, UNPACK_E_INVALID);
        f = field_of(l->type, (uint32_t) (tag >> 3));
        if (!charge(s, SCRATCH))
                return false;
        return f ? scan_known(s, l, f, tag & 7, r) : scan_unknown(s, tag & 7, r);
}

static bool scan_message(struct scan *s, const ProtobufCMessageDescriptor *type, struct bytes in,
                         size_t depth) {
        struct level level = { .type = type, .depth = depth };
        struct reader r = reader_of(in);

        check(type->n_fields <= FIELDS_MAX);
        if (depth > s->limits->depth)
                return fail(s, UNPACK_E_LIMIT);
        if (!charge(s, ALIGNED(type->sizeof_message) + ALIGNED(FIELDS_MAX / 8)))
                return false;
        while (reader_left(&r) > 0)
                if (!scan_field(s, &level, &r))
                        return false;
        return true;
}

int wire_scan(const ProtobufCMessageDescriptor *type, struct bytes in,
              const struct unpack_limits *limits, size_t *ret_memory) {
        struct scan s = { .limits = limits ? limits : &unpack_limits_default };

        if (!charge(&s, SCRATCH_FIXED) || !scan_message(&s, type, in, 1))
                return s.result;
        *ret_memory = s.memory;
        return UNPACK_OK;
}

/* Bump allocation; nothing is given back before the whole. */
struct arena {
        size_t used, size;
        bool exhausted;
        _Alignas(ALIGN) uint8_t memory[];
};

static void *arena_alloc(void *userdata, size_t n) {
        struct arena *a = userdata;
        void *p;

        if (n > a->size || ALIGNED(n) > a->size - a->used) {
                a->exhausted = true;
                return NULL;
        }
        p = a->memory + a->used;
        a->used += ALIGNED(n);
        return p;
}

static void arena_free(void *userdata, void *p) {
        (void) userdata, (void) p;
}

int wire_unpack(const ProtobufCMessageDescriptor *type, struct bytes in,
                const struct unpack_limits *limits, struct unpacked *ret) {
        ProtobufCAllocator allocator = { .alloc = arena_alloc, .free = arena_free };
        struct arena *arena;
        void *message;
        size_t memory;
        int r;

        r = wire_scan(type, in, limits, &memory);
        if (r)
                return r;
        arena = malloc(sizeof(*arena) + memory);
        if (!arena)
                return UNPACK_E_LIMIT;
        arena->used = 0;
        arena->size = memory;
        arena->exhausted = false;
        allocator.allocator_data = arena;

        message = protobuf_c_message_unpack(type, &allocator, in.len, in.data);
        if (!message) {
                r = arena->exhausted ? UNPACK_E_LIMIT : UNPACK_E_INVALID;
                free(arena);
                return r;
        }
        *ret = (struct unpacked){ .message = message,
                                  .arena = arena,
                                  .memory = sizeof(*arena) + memory };
        return UNPACK_OK;
}

void unpacked_done(struct unpacked *u) {
        free(u->arena);
        *u = (struct unpacked){};
}

void wire_pack(struct buffer *b, const ProtobufCMessage *message) {
        size_t n = protobuf_c_message_get_packed_size(message);
        uint8_t *to = buffer_reserve(b, n);

        if (to)
                b->len += protobuf_c_message_pack(message, to);
}

/* The types from the outermost to this one. */
struct path {
        const struct path *up;
        const ProtobufCMessageDescriptor *type;
};

static bool is_recursive(const ProtobufCMessageDescriptor *type, const struct path *up) {
        struct path here = { .up = up, .type = type };

        for (const struct path *p = up; p; p = p->up)
                if (p->type == type)
                        return true;
        for (unsigned i = 0; i < type->n_fields; i++)
                if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
                    is_recursive(type->fields[i].descriptor, &here))
                        return true;
        return false;
}

bool wire_descriptor_is_recursive(const ProtobufCMessageDescriptor *type) {
        return is_recursive(type, NULL);
}
