#pragma once

/* A result of frames made here, without a node: what quorate_next() gives is what
 * was put in. */

#include "common/canonical/cell.h"
#include "common/client/result.h"
#include "tests/support/test.h"

struct canned {
        struct quorate *q;
        struct quorate_result *r;
        struct buffer rows;
        uint64_t n_rows, n_batches;
};

static inline void canned_put(struct canned *c, const Coordinator__ResultFrame *m) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, CLIENT_FRAME_MAX);
        wire_pack(&b, &m->base);
        result_add_frame(c->r, buffer_bytes(&b));
}

/* Columns of type ANY. */
static inline void canned_init(struct canned *c, const char *const *names, size_t n_names) {
        CLEANUP(buffer_donep) struct buffer schema = {};
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultSchema s = COORDINATOR__RESULT_SCHEMA__INIT;

        *c = (struct canned){};
        assert_int_equal(quorate_open_private("/nonexistent", &c->q), QUORATE_OK);
        c->r = xnew(struct quorate_result);
        c->r->q = c->q;
        list_init(&c->r->frames);
        buffer_init(&c->rows, 1 << 20);
        buffer_init(&schema, 1 << 16);
        schema_begin(&schema, n_names);
        for (size_t i = 0; i < n_names; i++) {
                schema_put_name(&schema, BYTES_STR(names[i]));
                schema_put_type(&schema, CELL_ANY);
        }
        s.schema = (ProtobufCBinaryData){ schema.len, schema.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_SCHEMA;
        m.schema = &s;
        canned_put(c, &m);
}

/* The cells written into c->rows since the last one are a batch of n rows. */
static inline void canned_batch(struct canned *c, uint64_t n) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultBatch b = COORDINATOR__RESULT_BATCH__INIT;

        b.index = c->n_batches++;
        b.rows = n;
        b.data = (ProtobufCBinaryData){ c->rows.len, c->rows.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_BATCH;
        m.batch = &b;
        canned_put(c, &m);
        buffer_clear(&c->rows);
        c->n_rows += n;
}

static inline void canned_end(struct canned *c, const char *state) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultEnd e = COORDINATOR__RESULT_END__INIT;

        e.state = (char *) state;
        e.rows = c->n_rows;
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_END;
        m.end = &e;
        canned_put(c, &m);
}

static inline void canned_done(struct canned *c) {
        quorate_result_free(c->r);
        quorate_close(c->q);
        buffer_done(&c->rows);
}
