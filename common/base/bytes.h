#pragma once

/* Byte views, a bounded growing buffer, and a reader that never runs over.
 *
 * Buffer and reader have sticky failure: write or read a whole structure, then
 * ask once. Integers are big-endian unless a name says otherwise. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/cleanup.h"

struct bytes {
        const uint8_t *data;
        size_t len;
};

#define BYTES(p, n)  ((struct bytes){ (const uint8_t *) (p), (n) })
#define BYTES_LIT(s) BYTES("" s "", sizeof(s) - 1)
#define BYTES_OF(a)  BYTES((a), sizeof(a)) /* of an array */
#define BYTES_STR(s) BYTES((s), strlen(s))
#define BYTES_NONE   ((struct bytes){ NULL, 0 })

bool bytes_equal(struct bytes a, struct bytes b);
int bytes_compare(struct bytes a, struct bytes b); /* memcmp order, shorter first */

/* Grows up to `max` bytes; past it, or without memory, `failed` is set and
 * nothing more is written. All zero is an empty buffer with max 0: use
 * buffer_init(). */
struct buffer {
        uint8_t *data;
        size_t len, capacity, max;
        bool failed;
};

void buffer_init(struct buffer *b, size_t max);
void buffer_done(struct buffer *b);  /* frees; the buffer may be used again */
void buffer_clear(struct buffer *b); /* len = 0, failed = false, memory kept */
static inline void buffer_donep(struct buffer *b) {
        buffer_done(b);
}
/* Over memory of the caller (size > 0): it never grows, and buffer_done() is not for it. */
static inline struct buffer buffer_over(void *storage, size_t size) {
        return (struct buffer){ .data = (uint8_t *) storage, .capacity = size, .max = size };
}

/* Makes room for n more bytes and returns where they go, NULL when failed.
 * The caller then adds what it wrote to `len`. */
uint8_t *buffer_reserve(struct buffer *b, size_t n);
void buffer_put(struct buffer *b, const void *p, size_t n);
void buffer_put_bytes(struct buffer *b, struct bytes v);
void buffer_put_u8(struct buffer *b, uint8_t v);
void buffer_put_u16(struct buffer *b, uint16_t v);
void buffer_put_u32(struct buffer *b, uint32_t v);
void buffer_put_u64(struct buffer *b, uint64_t v);
void buffer_consume(struct buffer *b, size_t n); /* drops n bytes at the front */
static inline struct bytes buffer_bytes(const struct buffer *b) {
        return (struct bytes){ b->data, b->len };
}

struct reader {
        const uint8_t *data;
        size_t len, pos;
        bool failed; /* something was missing; all later reads give zeros */
};

struct reader reader_of(struct bytes v);
size_t reader_left(const struct reader *r);
bool reader_done(const struct reader *r);             /* nothing failed and nothing is left */
struct bytes reader_take(struct reader *r, size_t n); /* a view into the input */
bool reader_copy(struct reader *r, void *ret, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

static inline uint32_t load_be32(const uint8_t *p) {
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}
static inline uint64_t load_be64(const uint8_t *p) {
        return (uint64_t) load_be32(p) << 32 | load_be32(p + 4);
}
static inline void store_be32(uint8_t *p, uint32_t v) {
        v = __builtin_bswap32(v);
        memcpy(p, &v, sizeof(v));
}
static inline void store_be64(uint8_t *p, uint64_t v) {
        v = __builtin_bswap64(v);
        memcpy(p, &v, sizeof(v));
}
