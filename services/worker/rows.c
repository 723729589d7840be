/* Rows out of the spool: what a Fetch asked for, one message at a time, as long
 * as the queue to the coordinator is short. Packed where that pays. */

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/rpc.h"
#include "common/wire/packed.h"
#include "services/worker/job.h"

#define DIGESTS_AT_ONCE 1024

static void queue(struct job *j, const Worker__Report *m) {
        CLEANUP(buffer_donep) struct buffer packed = {};

        buffer_init(&packed, ROW_REPORT_MAX);
        wire_pack(&packed, &m->base);
        check(!packed.failed);
        frame_put(&j->out, buffer_bytes(&packed));
}

static void lost(struct job *j) {
        j->n_queue = 0;
        job_fail(j, OUTCOME_INTERNAL, "what=rows", "the spool cannot be read");
}

static void queue_digests(struct job *j, struct fetch *f, uint64_t end) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Digests out = WORKER__DIGESTS__INIT;
        uint64_t n = end - f->digest < DIGESTS_AT_ONCE ? end - f->digest : DIGESTS_AT_ONCE;
        CLEANUP(freep) struct hash_value *digests = xnew_n(struct hash_value, n);

        for (uint64_t i = 0; i < n; i++) {
                if (spool_digest(&j->spool, f->digest + i, &digests[i]) != SPOOL_OK) {
                        lost(j);
                        return;
                }
        }
        out.first = f->digest;
        out.digests = (ProtobufCBinaryData){ n * HASH_SIZE, digests->bytes };
        m.body_case = WORKER__REPORT__BODY_DIGESTS;
        m.digests = &out;
        f->digest += n;
        queue(j, &m);
}

/* Only what goes to a reader over a link that is slow enough (0: to our own node). */
static bool pack(struct job *j, uint64_t link, struct bytes batch, struct buffer *b) {
        nsec_t began;
        bool is_shorter;

        if (batch.len < PACKED_LEAST || !pays(&j->pays, link))
                return false;
        began = loop_now(j->worker->ctx->loop);
        is_shorter = packed_put(batch, b);
        pays_tried(&j->pays, batch.len, is_shorter ? b->len : batch.len,
                   nsec_sub(loop_now(j->worker->ctx->loop), began));
        return is_shorter;
}

static void queue_batch(struct job *j, struct fetch *f) {
        CLEANUP(buffer_donep) struct buffer batch = {}, small = {};
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Batch out = WORKER__BATCH__INIT;
        struct bytes data;

        buffer_init(&batch, ROW_REPORT_MAX);
        buffer_init(&small, ROW_REPORT_MAX);
        if (spool_read(&j->spool, f->next, &batch) != SPOOL_OK) {
                lost(j);
                return;
        }
        data = buffer_bytes(&batch);
        out.length = data.len;
        if (pack(j, f->link, data, &small)) {
                out.codec = PACKED_ZSTD;
                data = buffer_bytes(&small);
        }
        out.index = f->next++;
        out.data = (ProtobufCBinaryData){ data.len, (uint8_t *) data.data };
        m.body_case = WORKER__REPORT__BODY_BATCH;
        m.batch = &out;
        queue(j, &m);
}

static void queue_end(struct job *j, const struct fetch *f) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__FetchEnd out = WORKER__FETCH_END__INIT;

        out.next_batch = f->next;
        m.body_case = WORKER__REPORT__BODY_END;
        m.end = &out;
        queue(j, &m);
        j->n_queue--;
        memmove(j->queue, j->queue + 1, j->n_queue * sizeof(j->queue[0]));
}

bool job_serve_some(struct job *j) {
        struct fetch *f = &j->queue[0];
        uint64_t there = j->spool.n, end;

        if (j->n_queue == 0 || j->out.len >= REPORT_QUEUE || !(j->is_committed || j->job->stream))
                return false;
        end = f->end < there ? f->end : there;
        if (f->has_digests && f->digest < there) {
                queue_digests(j, f, there);
                return true;
        }
        if (f->next < end) {
                queue_batch(j, f);
                return true;
        }
        /* Streaming: those asked for may still come. */
        if (!j->is_committed && f->next < f->end)
                return false;
        queue_end(j, f);
        return true;
}

void job_serve(struct job *j) {
        job_pump(j);
}

static bool take_fetch(struct job *j, struct bytes message) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Fetch *in;
        struct fetch *f = &j->queue[j->n_queue];

        if (j->n_queue == FETCHES_MAX ||
            wire_unpack(&worker__fetch__descriptor, message, NULL, &u) != UNPACK_OK)
                return false;
        in = u.message;
        *f = (struct fetch){
                .next = in->from_batch,
                .end = in->count && in->count < UINT64_MAX - in->from_batch
                               ? in->from_batch + in->count
                               : UINT64_MAX,
                .has_digests = in->digests,
                .link = in->link,
        };
        j->n_queue++;
        return true;
}

bool job_on_fetch(struct job *j, struct bytes data) {
        struct bytes message;
        int r = FRAME_OK;

        while (!j->is_over && (r = frame_reader_next(&j->fetches, &data, &message)) == FRAME_OK) {
                if (!take_fetch(j, message))
                        r = FRAME_E_INVALID;
                if (r)
                        break;
        }
        if (r == FRAME_E_INVALID || r == FRAME_E_TOO_BIG)
                return false;
        job_serve(j);
        return true;
}
