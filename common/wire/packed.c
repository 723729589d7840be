#include "common/wire/packed.h"

#include <stdlib.h>

#include <zstd.h>

#include "common/base/memory.h"

#define LEVEL 1

/* All that can be said before anything is allocated. */
static int check_frame(const struct packed *p) {
        unsigned long long inside = ZSTD_getFrameContentSize(p->data.data, p->data.len);
        size_t whole;

        if (inside == ZSTD_CONTENTSIZE_ERROR)
                return PACKED_E_FRAME;
        if (inside != p->length) /* also: not said; and 0, of a skippable frame */
                return PACKED_E_LENGTH;
        whole = ZSTD_findFrameCompressedSize(p->data.data, p->data.len);
        return ZSTD_isError(whole) || whole != p->data.len ? PACKED_E_FRAME : PACKED_OK;
}

static int open_frame(const struct packed *p, uint8_t **ret_memory, struct bytes *ret) {
        CLEANUP(freep) uint8_t *memory = NULL;
        size_t n;
        int r = check_frame(p);

        if (r)
                return r;
        memory = xmalloc(p->length);
        n = ZSTD_decompress(memory, p->length, p->data.data, p->data.len);
        if (ZSTD_isError(n) || n != p->length)
                return PACKED_E_FRAME;
        *ret = BYTES(memory, n);
        *ret_memory = TAKE(memory);
        return PACKED_OK;
}

int packed_open(const struct packed *p, uint64_t max, uint8_t **ret_memory, struct bytes *ret) {
        if (p->length == 0 || p->length > max)
                return PACKED_E_LENGTH;
        if (p->codec == PACKED_ZSTD)
                return open_frame(p, ret_memory, ret);
        if (p->codec != PACKED_PLAIN)
                return PACKED_E_CODEC;
        if (p->data.len != p->length)
                return PACKED_E_LENGTH;
        *ret = p->data;
        return PACKED_OK;
}

bool packed_put(struct bytes plain, struct buffer *out) {
        CLEANUP(freep) uint8_t *space = NULL;
        size_t n;

        if (plain.len < PACKED_LEAST)
                return false;
        /* No larger than what is of use: zstd gives up where it does not fit. */
        space = xmalloc(plain.len - 1);
        n = ZSTD_compress(space, plain.len - 1, plain.data, plain.len, LEVEL);
        if (ZSTD_isError(n) || n > out->max - out->len)
                return false;
        buffer_put(out, space, n);
        return !out->failed;
}
