#pragma once

/* Bytes that travel as one zstd frame. Hashes are always of the plain bytes: what is
 * in a frame is a matter between two that speak, and says nothing about content.
 *
 * The frame is foreign: its length is declared beside it and inside it, both must be
 * what the reader knows or admits, and nothing is allocated before. Exactly one frame
 * with its content size; no skippable frame, no dictionary, nothing behind. Pure. */

#include "common/base/bytes.h"

#define PACKED_LEAST 512u /* shorter ones go as they are */

enum packed_codec {
        PACKED_PLAIN = 0,
        PACKED_ZSTD = 1,
};

enum packed_result {
        PACKED_OK = 0,
        PACKED_E_CODEC,  /* none of enum packed_codec */
        PACKED_E_LENGTH, /* declared: 0, over `max`, or other than what the bytes are */
        PACKED_E_FRAME,  /* cut short, something behind it, broken, or not what it declares */
};

/* What was sent, as it says itself. */
struct packed {
        uint32_t codec;  /* enum packed_codec */
        uint64_t length; /* plain bytes */
        struct bytes data;
};

/* *ret is a view into p->data, or into *ret_memory, which the caller frees (set only on
 * PACKED_OK of a frame). Returns enum packed_result. */
int packed_open(const struct packed *p, uint64_t max, uint8_t **ret_memory, struct bytes *ret);

/* Appends one frame (level 1: slower ones give up more time than a link gives back) to `out`.
 * False: it would not be shorter, or out has no room; out is as before. */
bool packed_put(struct bytes plain, struct buffer *out);
