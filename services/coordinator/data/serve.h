#pragma once

/* The serving side of /quorate/data/1: one request in, one answer out. Where the
 * bytes come from is an argument. Pure.
 *
 * A root is a capability: whoever knows it may fetch the content. Roots of data
 * that is not public are told only to hosts that were dispatched a job. */

#include "services/coordinator/data/manifest.h"

#define DATA_REQUEST_MAX (4u << 10)                      /* bytes of a request frame */
#define DATA_ANSWER_MAX  (DATA_CHUNK_SIZE + (64u << 10)) /* bytes of an answer frame */
#define DATA_LEAVES_MAX  8192u                           /* hashes in one answer */

enum data_missing {
        DATA_MISSING_ROOT = 1, /* no such dataset here */
        DATA_MISSING_RANGE,    /* it has no such chunk */
        DATA_MISSING_IO,       /* here, but cannot be read now */
};

/* Each appends to the buffer and returns 0, or an enum data_missing. */
struct serve_source {
        int (*manifest)(void *userdata, const struct hash_value *root, struct buffer *b);
        int (*leaves)(void *userdata, const struct hash_value *root, uint64_t first, size_t count,
                      struct buffer *b);
        int (*chunk)(void *userdata, const struct hash_value *root, uint64_t index,
                     struct buffer *b);
};

/* Packs the chunk for an asker that opens frames, when that pays (common/wire/pays.h): true: one
 * frame was appended to b; *length, set to what the chunk has, is what is declared. rate: what the
 * asker says, bytes a second; 0: it does not know. */
struct serve_packer {
        bool (*pack)(void *userdata, uint64_t rate, struct bytes chunk, struct buffer *b,
                     uint64_t *length);
        void *userdata;
};

enum serve_result {
        SERVE_OK = 0,
        SERVE_E_MALFORMED, /* not a request: end the stream */
};

/* Answers one request frame; appends one length-prefixed frame to `out`. packer NULL: chunks go
 * as they are. Returns enum serve_result, or a fault when `out` is full. */
int serve_request(const struct serve_source *source, void *userdata,
                  const struct serve_packer *packer, struct bytes request, struct buffer *out);
