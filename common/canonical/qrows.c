#include "common/canonical/qrows.h"

#include "common/base/error.h"
#include "common/canonical/schema.h"
#include "common/wire/varint.h"

static const uint8_t magic[] = { 'Q', 'R', 'O', 'W', QROWS_VERSION };

void qrows_begin(struct qrows_writer *w, struct bytes schema, struct buffer *b) {
        *w = (struct qrows_writer){};
        buffer_put(b, magic, sizeof(magic));
        buffer_put_prefixed(b, schema);
}

void qrows_put(struct qrows_writer *w, struct bytes batch, struct buffer *b) {
        check(batch.len > 0 && batch.len <= QROWS_FRAME_MAX);
        w->batches++;
        w->bytes += batch.len;
        buffer_put_u32(b, (uint32_t) batch.len);
        buffer_put_bytes(b, batch);
}

void qrows_end(struct qrows_writer *w, struct buffer *b) {
        buffer_put_u32(b, 0);
        buffer_put_u64(b, w->batches);
        buffer_put_u64(b, w->bytes);
}

int qrows_open(struct qrows_reader *r, struct bytes file) {
        *r = (struct qrows_reader){ .reader = reader_of(file) };
        if (!bytes_equal(reader_take(&r->reader, sizeof(magic)), BYTES_OF(magic)))
                return QROWS_E_FORMAT;
        r->schema = reader_prefixed(&r->reader);
        return r->reader.failed || r->schema.len > SCHEMA_BYTES_MAX ? QROWS_E_FORMAT : QROWS_OK;
}

int qrows_next(struct qrows_reader *r, struct bytes *ret_batch) {
        uint32_t n = reader_u32(&r->reader);
        uint64_t batches, bytes;

        if (r->reader.failed || n > QROWS_FRAME_MAX)
                return QROWS_E_FORMAT;
        if (n > 0) {
                *ret_batch = reader_take(&r->reader, n);
                r->batches++;
                r->bytes += n;
                return r->reader.failed ? QROWS_E_FORMAT : QROWS_OK;
        }
        batches = reader_u64(&r->reader);
        bytes = reader_u64(&r->reader);
        if (!reader_done(&r->reader))
                return QROWS_E_FORMAT;
        return batches == r->batches && bytes == r->bytes ? QROWS_END : QROWS_E_COUNT;
}
