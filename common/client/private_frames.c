/* What a private job has to say, in the frames a node sends. */

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/client/private_job.h"

static void put_frame(struct private_job *p, const Coordinator__ResultFrame *m) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, CLIENT_FRAME_MAX + (1u << 20));
        wire_pack(&b, &m->base);
        if (b.failed)
                p->result->malformed = true;
        else
                result_add_frame(p->result, buffer_bytes(&b));
}

void private_put_schema(struct private_job *p) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultSchema s = COORDINATOR__RESULT_SCHEMA__INIT;

        s.schema = (ProtobufCBinaryData){ p->schema->encoded.len,
                                          (uint8_t *) p->schema->encoded.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_SCHEMA;
        m.schema = &s;
        put_frame(p, &m);
}

static uint64_t elapsed_us(const struct private_job *p) {
        return nsec_sub(loop_now(p->q->loop), p->began) / NSEC_PER_USEC;
}

void private_put_progress(struct private_job *p, const Worker__Progress *from) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__JobProgress progress = COORDINATOR__JOB_PROGRESS__INIT;

        progress.stage = (char *) "running";
        progress.rows = from->rows;
        progress.bytes = from->bytes;
        progress.elapsed_us = elapsed_us(p);
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_PROGRESS;
        m.progress = &progress;
        put_frame(p, &m);
}

void private_put_end(struct private_job *p) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultEnd end = COORDINATOR__RESULT_END__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;

        problem.code = p->outcome;
        problem.position = p->position;
        problem.detail = p->detail;
        problem.text = p->text;
        end.route = (char *) "local";
        end.reason = (char *) PRIVATE_REASON;
        end.class_name = p->class_name;
        end.elapsed_us = elapsed_us(p);
        end.first_row_us = nsec_sub(p->first_row, p->began) / NSEC_PER_USEC;
        end.job = (ProtobufCBinaryData){ HASH_SIZE, p->result->job };
        end.executed_locally = p->is_committed;
        if (p->outcome == OUTCOME_OK) {
                end.state = (char *) result_state_name(STATE_LOCAL);
                end.answer = (ProtobufCBinaryData){ HASH_SIZE, p->answer.hash.bytes };
                end.rows = p->answer.rows;
                end.bytes = p->answer.bytes;
                end.replicas = 1;
        } else {
                end.problem = &problem;
        }
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_END;
        m.end = &end;
        put_frame(p, &m);
}

void private_put_batch(struct private_job *p, uint64_t rows) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultBatch b = COORDINATOR__RESULT_BATCH__INIT;

        b.index = p->next_batch++;
        b.rows = rows;
        b.data = (ProtobufCBinaryData){ p->record.len, p->record.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_BATCH;
        m.batch = &b;
        put_frame(p, &m);
}
