#pragma once

/* Protobuf from others, bounded. The raw bytes are walked first against the
 * descriptor: depth, number of fields, wire types, memory. Only then protobuf-c
 * unpacks, into one arena of the size just computed, released at once.
 *
 * Stricter than protobuf: a field that is not repeated must not occur twice.
 * Unknown fields are tolerated within a limit and kept by protobuf-c. Message
 * types must not be recursive (wire_descriptor_is_recursive, checked by a test
 * over all descriptors). Pure. */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "common/base/bytes.h"

struct unpack_limits {
        size_t depth;   /* nesting; 1 is the outermost message alone */
        size_t fields;  /* fields and repeated elements (packed ones too), all levels */
        size_t unknown; /* unknown fields among them */
        size_t memory;  /* bytes of the arena */
};
/* 8 levels, 4,096 fields, 16 unknown, 4 MiB. */
extern const struct unpack_limits unpack_limits_default;
/* Of what a service of one's own node replies, which may list a thousand peers; its link bounds
 * the bytes. 8 levels, 65,536 fields, 16 unknown, 16 MiB. */
extern const struct unpack_limits unpack_limits_reply;

enum unpack_result {
        UNPACK_OK = 0,
        UNPACK_E_INVALID, /* not such a message */
        UNPACK_E_LIMIT,   /* perhaps one, but over the limits */
};

/* Owns the message. All zero is none. */
struct unpacked {
        void *message; /* cast to the generated type; everything it points to lives as long */
        void *arena;
        size_t memory; /* bytes of the arena, for whoever charges a budget */
};

/* limits NULL: the default. Returns enum unpack_result. */
int wire_unpack(const ProtobufCMessageDescriptor *type, struct bytes in,
                const struct unpack_limits *limits, struct unpacked *ret);
void unpacked_done(struct unpacked *u); /* may be called again */
static inline void unpacked_donep(struct unpacked *u) {
        unpacked_done(u);
}

/* Only the walk: enum unpack_result, and the memory unpacking would take. */
int wire_scan(const ProtobufCMessageDescriptor *type, struct bytes in,
              const struct unpack_limits *limits, size_t *ret_memory);

/* Packs behind what the buffer holds; the buffer fails when it does not fit. */
void wire_pack(struct buffer *b, const ProtobufCMessage *message);

bool wire_descriptor_is_recursive(const ProtobufCMessageDescriptor *type);
