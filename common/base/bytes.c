#include "common/base/bytes.h"

#include <stdlib.h>

#include "common/base/error.h"

#define BUFFER_FIRST 64 /* first allocation; by half from there */

bool bytes_equal(struct bytes a, struct bytes b) {
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int bytes_compare(struct bytes a, struct bytes b) {
        size_t n = a.len < b.len ? a.len : b.len;
        int r = n > 0 ? memcmp(a.data, b.data, n) : 0;

        if (r != 0)
                return r;
        return a.len < b.len ? -1 : a.len > b.len;
}

void buffer_init(struct buffer *b, size_t max) {
        *b = (struct buffer){ .max = max };
}

void buffer_done(struct buffer *b) {
        free(b->data);
        buffer_init(b, b->max);
}

void buffer_clear(struct buffer *b) {
        b->len = 0;
        b->failed = false;
}

static bool buffer_grow(struct buffer *b, size_t want) {
        size_t capacity = b->capacity ? b->capacity : BUFFER_FIRST;
        uint8_t *data;

        /* By half, so that many small puts stay linear. What is allocated is far from SIZE_MAX. */
        if (capacity < want)
                capacity = capacity + capacity / 2 > want ? capacity + capacity / 2 : want;
        if (capacity > b->max)
                capacity = b->max;
        data = realloc(b->data, capacity);
        if (!data)
                return false;
        b->data = data;
        b->capacity = capacity;
        return true;
}

uint8_t *buffer_reserve(struct buffer *b, size_t n) {
        if (b->failed)
                return NULL;
        if (n > b->max - b->len || (b->len + n > b->capacity && !buffer_grow(b, b->len + n))) {
                b->failed = true;
                return NULL;
        }
        if (!b->data && !buffer_grow(b, b->max ? 1 : 0)) {
                b->failed = true;
                return NULL;
        }
        return b->data + b->len;
}

void buffer_put(struct buffer *b, const void *p, size_t n) {
        uint8_t *to;

        if (n == 0)
                return;
        to = buffer_reserve(b, n);
        if (!to)
                return;
        memcpy(to, p, n);
        b->len += n;
}

void buffer_put_bytes(struct buffer *b, struct bytes v) {
        buffer_put(b, v.data, v.len);
}

void buffer_put_u8(struct buffer *b, uint8_t v) {
        buffer_put(b, &v, 1);
}

void buffer_put_u16(struct buffer *b, uint16_t v) {
        const uint8_t be[2] = { (uint8_t) (v >> 8), (uint8_t) v };

        buffer_put(b, be, sizeof(be));
}

void buffer_put_u32(struct buffer *b, uint32_t v) {
        uint8_t be[4];

        store_be32(be, v);
        buffer_put(b, be, sizeof(be));
}

void buffer_put_u64(struct buffer *b, uint64_t v) {
        uint8_t be[8];

        store_be64(be, v);
        buffer_put(b, be, sizeof(be));
}

void buffer_consume(struct buffer *b, size_t n) {
        check(n <= b->len);
        if (n == 0)
                return;
        b->len -= n;
        memmove(b->data, b->data + n, b->len);
}

struct reader reader_of(struct bytes v) {
        return (struct reader){ .data = v.data, .len = v.len };
}

size_t reader_left(const struct reader *r) {
        return r->failed ? 0 : r->len - r->pos;
}

bool reader_done(const struct reader *r) {
        return !r->failed && r->pos == r->len;
}

struct bytes reader_take(struct reader *r, size_t n) {
        struct bytes v;

        if (r->failed || n > r->len - r->pos) {
                r->failed = true;
                return BYTES_NONE;
        }
        v = BYTES(n > 0 ? r->data + r->pos : NULL, n);
        r->pos += n;
        return v;
}

bool reader_copy(struct reader *r, void *ret, size_t n) {
        struct bytes v = reader_take(r, n);

        if (r->failed) {
                memset(ret, 0, n);
                return false;
        }
        if (n > 0)
                memcpy(ret, v.data, n);
        return true;
}

uint8_t reader_u8(struct reader *r) {
        uint8_t v = 0;

        reader_copy(r, &v, 1);
        return v;
}

uint16_t reader_u16(struct reader *r) {
        uint8_t be[2];

        reader_copy(r, be, sizeof(be));
        return (uint16_t) (be[0] << 8 | be[1]);
}

uint32_t reader_u32(struct reader *r) {
        uint8_t be[4];

        reader_copy(r, be, sizeof(be));
        return load_be32(be);
}

uint64_t reader_u64(struct reader *r) {
        uint8_t be[8];

        reader_copy(r, be, sizeof(be));
        return load_be64(be);
}
