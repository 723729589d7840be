#pragma once

/* A file of rows that can be checked later: declared schema, then batches, one
 * frame each (README.md, "Rows file"). What a receipt is checked against with
 * `receipt verify --rows`. Says nothing of who answered; pure. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define QROWS_VERSION   1
#define QROWS_FRAME_MAX (16u << 20) /* bytes of one batch */

enum qrows_result {
        QROWS_OK = 0,
        QROWS_END, /* after the last batch, totals right, nothing behind it */
        QROWS_E_FORMAT,
        QROWS_E_COUNT, /* the end frame counts other batches or bytes than there were */
};

/* Writing: into any buffer, which the caller may empty in between. */
struct qrows_writer {
        uint64_t batches, bytes;
};
void qrows_begin(struct qrows_writer *w, struct bytes schema, struct buffer *b);
void qrows_put(struct qrows_writer *w, struct bytes batch, struct buffer *b);
void qrows_end(struct qrows_writer *w, struct buffer *b);

/* Reading: the whole file as one view (mapped or read). */
struct qrows_reader {
        struct reader reader;
        struct bytes schema;
        uint64_t batches, bytes;
};
int qrows_open(struct qrows_reader *r, struct bytes file);
/* QROWS_OK and a view of the next batch, QROWS_END, or what is wrong. */
int qrows_next(struct qrows_reader *r, struct bytes *ret_batch);
