#pragma once

/* Unsigned LEB128 as libp2p uses it: minimal form only, at most 9 bytes, so
 * values below 2^63. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define VARINT_SIZE_MAX  9
#define VARINT_VALUE_MAX ((uint64_t) INT64_MAX)

enum varint_result {
        VARINT_OK = 0,
        VARINT_E_MORE,    /* the bytes so far may still become one */
        VARINT_E_INVALID, /* not minimal, or longer than 9 bytes */
};

/* v <= VARINT_VALUE_MAX, else a bug. */
size_t varint_size(uint64_t v);
size_t varint_write(uint64_t v, uint8_t ret[VARINT_SIZE_MAX]); /* returns varint_size(v) */

/* From the front of `in`; ret_used is the bytes it took. Returns enum varint_result. */
int varint_read(struct bytes in, uint64_t *ret, size_t *ret_used);

/* With the sticky failure of common/base/bytes.h. */
void buffer_put_varint(struct buffer *b, uint64_t v);
void buffer_put_prefixed(struct buffer *b, struct bytes v); /* varint length, then v */
uint64_t reader_varint(struct reader *r);
struct bytes reader_prefixed(struct reader *r); /* a view */
