#pragma once

/* Shared by the tests of common/canonical: bytes from hexadecimal text, and the
 * rows that vectors/make_vectors.py hashes. */

#include <stdlib.h>

#include "common/base/text.h"
#include "common/canonical/cell.h"
#include "tests/support/test.h"

/* New memory, in ret->data. */
static inline struct bytes from_hex(const char *text) {
        size_t n = strlen(text) / 2;
        uint8_t *p = xmalloc(n);

        assert_true(hex_decode(text, p, n));
        return BYTES(p, n);
}

static inline void bytes_freep(struct bytes *v) {
        free((void *) v->data);
}

#define assert_hex_equal(v, text)                                         \
        do {                                                              \
                CLEANUP(bytes_freep) struct bytes want_ = from_hex(text); \
                assert_bytes_equal((v), want_);                           \
        } while (0)

static inline void put_sample_row(struct buffer *b, unsigned i, unsigned pad) {
        size_t n = (size_t) ((uint64_t) i * i * 317 % pad);
        CLEANUP(freep) char *text = xmalloc(n);

        memset(text, 'a' + i % 26, n);
        cell_put_integer(b, (int64_t) i * 7919 - 5000);
        assert_int_equal(cell_put_text(b, BYTES(text, n)), CELL_OK);
}
