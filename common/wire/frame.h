#pragma once

/* Frames on a byte stream: varint length, then that many bytes (libp2p's RPC
 * framing, and Quorate's own). Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/wire/varint.h"

enum frame_result {
        FRAME_OK = 0,
        FRAME_E_MORE,    /* all input taken, no whole frame yet */
        FRAME_E_TOO_BIG, /* the length is above the cap: end the stream */
        FRAME_E_INVALID, /* the length is malformed: end the stream */
        FRAME_E_QUOTA,   /* `may_keep` said no: end the stream */
};

/* Asked before that many bytes of an incomplete frame are copied. */
typedef bool (*frame_keep_fn)(void *userdata, size_t n);

/* Keeps only bytes that have arrived, never more than cap + 9. */
struct frame_reader {
        struct buffer held;     /* an incomplete frame, with its prefix */
        size_t cap, taken;      /* taken: bytes of `held` already given out */
        int failed;             /* enum frame_result, sticky */
        frame_keep_fn may_keep; /* NULL: the cap alone counts */
        void *userdata;
};

void frame_reader_init(struct frame_reader *r, size_t cap);
void frame_reader_done(struct frame_reader *r);

/* Takes bytes off the front of *in. FRAME_OK: *ret is a frame, a view into *in's
 * memory or the reader's, valid until the next call; call again for the next.
 * Returns enum frame_result. */
int frame_reader_next(struct frame_reader *r, struct bytes *in, struct bytes *ret);
size_t frame_reader_held(const struct frame_reader *r); /* bytes, for whoever charges them */

/* After FRAME_E_MORE: gives back the memory that a frame before has left. It is kept otherwise, for
 * the next one of that size. */
void frame_reader_trim(struct frame_reader *r);

/* The prefix alone goes before a payload sent from elsewhere. */
static inline size_t frame_prefix(size_t len, uint8_t ret[VARINT_SIZE_MAX]) {
        return varint_write(len, ret);
}
void frame_put(struct buffer *b, struct bytes payload);
