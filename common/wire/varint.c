#include "common/wire/varint.h"

#include "common/base/error.h"

size_t varint_size(uint64_t v) {
        uint8_t unused[VARINT_SIZE_MAX];

        return varint_write(v, unused);
}

size_t varint_write(uint64_t v, uint8_t ret[VARINT_SIZE_MAX]) {
        size_t n = 0;

        check(v <= VARINT_VALUE_MAX);
        while (v >= 0x80) {
                ret[n++] = (uint8_t) (v | 0x80);
                v >>= 7;
        }
        ret[n++] = (uint8_t) v;
        return n;
}

int varint_read(struct bytes in, uint64_t *ret, size_t *ret_used) {
        uint64_t v = 0;

        for (size_t i = 0; i < VARINT_SIZE_MAX; i++) {
                if (i == in.len)
                        return VARINT_E_MORE;
                v |= (uint64_t) (in.data[i] & 0x7f) << (7 * i);
                if (in.data[i] & 0x80)
                        continue;
                if (in.data[i] == 0 && i > 0)
                        return VARINT_E_INVALID; /* a shorter form exists */
                *ret = v;
                *ret_used = i + 1;
                return VARINT_OK;
        }
        return VARINT_E_INVALID;
}

void buffer_put_varint(struct buffer *b, uint64_t v) {
        uint8_t bytes[VARINT_SIZE_MAX];

        buffer_put(b, bytes, varint_write(v, bytes));
}

void buffer_put_prefixed(struct buffer *b, struct bytes v) {
        buffer_put_varint(b, v.len);
        buffer_put_bytes(b, v);
}

uint64_t reader_varint(struct reader *r) {
        size_t used;
        uint64_t v;

        if (r->failed)
                return 0;
        if (varint_read(BYTES(r->data + r->pos, r->len - r->pos), &v, &used) != VARINT_OK) {
                r->failed = true;
                return 0;
        }
        r->pos += used;
        return v;
}

struct bytes reader_prefixed(struct reader *r) {
        return reader_take(r, reader_varint(r));
}
