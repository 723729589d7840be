#include "common/client/result.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "common/client/private.h"
#include "common/crypto/random.h"
#include "common/wire/peerid.h"

#define TEXT_MAX (48u << 20) /* a cell spelt out: a blob takes two digits a byte */

/* A reset by the coordinator with this code: it has no such job. Codes of the link
 * itself begin at LINK_CODES. */
#define CLIENT_RESULT_NO_JOB 1
#define CLIENT_RESULT_ENDED  2
#define LINK_CODES           RPC_E_TIMEOUT

static const struct unpack_limits frame_limits = {
        .depth = 6, .fields = 65536, .unknown = 64, .memory = CLIENT_FRAME_MAX + (1u << 20)
};

struct result_frame *result_frame_free(struct result_frame *f) {
        if (!f)
                return NULL;
        unpacked_done(&f->message);
        free(f);
        return NULL;
}

/* ---- the channel ---- */

static void return_credit(struct quorate_result *r) {
        if (r->channel && r->owed > 0)
                channel_consumed(r->channel, r->owed);
        r->owed = 0;
}

void result_add_frame(struct quorate_result *r, struct bytes bytes) {
        struct result_frame *f = xnew(struct result_frame);

        if (wire_unpack(&coordinator__result_frame__descriptor, bytes, &frame_limits,
                        &f->message)) {
                r->malformed = true;
                free(f);
                return;
        }
        r->end_came = ((const Coordinator__ResultFrame *) f->message.message)->body_case ==
                      COORDINATOR__RESULT_FRAME__BODY_END;
        list_push_back(&r->frames, &f->link);
        r->n_frames++;
        r->arrived = true;
}

static void add_own_frame(struct quorate_result *r, const Coordinator__ResultFrame *frame) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, CLIENT_FRAME_MAX);
        wire_pack(&b, &frame->base);
        result_add_frame(r, buffer_bytes(&b));
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct quorate_result *r = userdata;
        struct bytes frame;
        int e;

        while ((e = frame_reader_next(&r->reader, &data, &frame)) == FRAME_OK)
                result_add_frame(r, frame);
        if (e != FRAME_E_MORE)
                r->malformed = true;
        r->arrived = r->arrived || r->malformed;
        r->owed++;
        r->is_known = true;
        if (r->n_frames < RESULT_FRAMES_MAX)
                return_credit(r);
}

/* A coordinator that knows nothing of the job we were attached to was restarted after the
 * job's end was in its journal: what we had not read by then is gone. */
static void end_restarted(struct quorate_result *r) {
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultEnd end = COORDINATOR__RESULT_END__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;
        char detail[8 + 2 * HASH_SIZE] = "job=";

        hex_encode(BYTES(r->job, HASH_SIZE), detail + strlen(detail));
        problem.code = OUTCOME_RESTARTED;
        problem.detail = detail;
        problem.position = -1;
        end.problem = &problem;
        end.job = (ProtobufCBinaryData){ HASH_SIZE, r->job };
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_END;
        frame.end = &end;
        add_own_frame(r, &frame);
}

/* The node is going away; await_frame() takes the job up again. */
static void say_reconnecting(struct quorate_result *r) {
        Coordinator__ResultFrame frame = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__JobProgress progress = COORDINATOR__JOB_PROGRESS__INIT;

        progress.stage = (char *) "reconnecting";
        progress.note = (char *) "the node went away; the job goes on when it is back";
        frame.body_case = COORDINATOR__RESULT_FRAME__BODY_PROGRESS;
        frame.progress = &progress;
        add_own_frame(r, &frame);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct quorate_result *r = userdata;
        char shown[448];

        r->channel = NULL;
        r->owed = 0;
        r->arrived = true;
        r->lost_since = loop_now(r->q->loop);
        if ((code == CLIENT_RESULT_NO_JOB || code == CLIENT_RESULT_ENDED) && r->is_known) {
                end_restarted(r);
        } else if (code != 0 &&
                   code < LINK_CODES) { /* the coordinator's own answer, not the link's */
                r->refused = code == CLIENT_RESULT_ENDED ? QUORATE_E_REFUSED : QUORATE_E_LOST;
                (void) client_fail(r->q, r->refused, "%s",
                                   *text ? text_escape(BYTES_STR(text), shown, sizeof(shown))
                                         : "the node does not know this job");
        } else if (code >= LINK_CODES && !r->end_came) {
                say_reconnecting(r);
        }
}

static const struct channel_handler handler = {
        .on_data = on_data,
        .on_end = on_end,
};

static bool open_channel(struct quorate_result *r) {
        Coordinator__ResultOpen open = COORDINATOR__RESULT_OPEN__INIT;

        open.job = (ProtobufCBinaryData){ HASH_SIZE, r->job };
        open.from_batch = r->next_batch;
        frame_reader_done(&r->reader);
        frame_reader_init(&r->reader, CLIENT_FRAME_MAX);
        r->has_begun = false;
        r->channel = channel_open_message(bus_client_link(r->q->bus), "result", &open, &handler, r);
        return r->channel;
}

static struct quorate_result *result_new(struct quorate *q, const uint8_t job[HASH_SIZE],
                                         uint64_t from_batch) {
        struct quorate_result *r = xnew(struct quorate_result);

        r->q = q;
        r->next_batch = from_batch;
        r->lost_since = loop_now(q->loop);
        memcpy(r->job, job, HASH_SIZE);
        list_init(&r->frames);
        frame_reader_init(&r->reader, CLIENT_FRAME_MAX);
        return r;
}

/* ---- starting ---- */

int quorate_attach(struct quorate *q, const uint8_t job[32], uint64_t from_batch,
                   struct quorate_result **ret) {
        struct quorate_result *r;

        if (q->executor)
                return client_fail(q, QUORATE_E_NO_NODE, "%s",
                                   quorate_code_text(QUORATE_E_NO_NODE));
        r = result_new(q, job, from_batch);
        if (!open_channel(r)) {
                quorate_result_free(r);
                return client_fail(q, QUORATE_E_LOST,
                                   "the node went away; look at `quorate doctor`");
        }
        *ret = r;
        return QUORATE_OK;
}

static int query_privately(struct quorate *q, const struct quorate_question *question,
                           struct quorate_result **ret) {
        uint8_t job[HASH_SIZE];
        struct quorate_result *r;
        int e;

        random_bytes(job, sizeof(job));
        r = result_new(q, job, 0);
        e = private_query(q, question, r);
        if (e != QUORATE_OK) {
                quorate_result_free(r);
                return e;
        }
        *ret = r;
        return QUORATE_OK;
}

int quorate_query(struct quorate *q, const struct quorate_question *question,
                  struct quorate_result **ret) {
        CLEANUP(unpacked_donep) struct unpacked reply = {};
        const Coordinator__SubmitReply *m;
        int r;

        if (q->executor)
                return query_privately(q, question, ret);
        r = question_submit(q, question, &reply);
        if (r)
                return r;
        m = reply.message;
        if (m->job.len != HASH_SIZE)
                return client_fail(q, QUORATE_E_PROTOCOL, "the node gave no job id");
        r = quorate_attach(q, m->job.data, 0, ret);
        if (r == QUORATE_OK)
                (*ret)->is_known = true;
        return r;
}

int quorate_cancel(struct quorate_result *r) {
        CLEANUP(unpacked_donep) struct unpacked reply = {};
        Coordinator__JobRef ref = COORDINATOR__JOB_REF__INIT;

        if (r->private) {
                private_cancel(r);
                return QUORATE_OK;
        }
        ref.job = (ProtobufCBinaryData){ HASH_SIZE, r->job };
        return client_call(r->q, "Cancel", &ref, &types__empty__descriptor, &reply);
}

void quorate_result_free(struct quorate_result *r) {
        struct list *link;

        if (!r)
                return;
        if (r->channel)
                channel_reset(r->channel, 0, "done");
        private_free(r->private);
        while ((link = list_pop_front(&r->frames)))
                result_frame_free(LIST_ENTRY(link, struct result_frame, link));
        result_frame_free(r->batch);
        result_frame_free(r->progress_frame);
        result_frame_free(r->end_frame);
        frame_reader_done(&r->reader);
        for (size_t i = 0; r->schema && i < r->schema->n_columns; i++) {
                buffer_done(&r->texts[i]);
                free(r->column_types[i]);
                free(r->column_names[i]);
        }
        schema_free(r->schema);
        free(r->column_types);
        free(r->column_names);
        free(r->cells);
        free(r->values);
        free(r->texts);
        free(r->filled);
        free(r->progress_hosts);
        free(r->end_hosts);
        free(r->peers);
        free(r->problems);
        free(r);
}

/* ---- rows ---- */

/* A schema for the second time on one channel: the rows before it were not the
 * answer. Who has read some cannot be given the others after them. */
int result_take_schema(struct quorate_result *r, const Coordinator__ResultSchema *s) {
        bool is_restart = r->has_begun && r->next_batch > 0;
        size_t n;

        if (is_restart)
                return client_fail(r->q, QUORATE_E_LOST,
                                   "the rows so far were withdrawn: hosts contested them and "
                                   "another answer was accepted; ask again");
        r->has_begun = true;
        if (r->schema) /* again after a re-attachment */
                return QUORATE_OK;
        if (schema_decode(BYTES(s->schema.data, s->schema.len), &r->schema))
                return QUORATE_E_PROTOCOL;
        n = r->schema->n_columns;
        r->cells = xnew_n(struct cell, n);
        r->values = xnew_n(struct quorate_value, n);
        r->texts = xnew_n(struct buffer, n);
        r->filled = xnew_n(bool, n);
        r->column_types = xnew_n(char *, n);
        r->column_names = xnew_n(char *, n);
        for (size_t i = 0; i < n; i++) {
                const struct schema_type *t = r->schema->columns[i];
                char text[64];

                buffer_init(&r->texts[i], TEXT_MAX);
                r->column_types[i] = xstrdup(schema_type_text(t, text, sizeof(text)));
                r->column_names[i] = xcalloc(t->name.len + 1, 1);
                memcpy(r->column_names[i], t->name.data, t->name.len);
        }
        return QUORATE_OK;
}

static int take_batch(struct quorate_result *r, struct result_frame *f) {
        const Coordinator__ResultBatch *b =
                ((const Coordinator__ResultFrame *) f->message.message)->batch;

        if (!r->schema || b->index != r->next_batch) {
                result_frame_free(f);
                return QUORATE_E_PROTOCOL;
        }
        result_frame_free(r->batch);
        r->batch = f;
        r->rows = reader_of(BYTES(b->data.data, b->data.len));
        r->batch_begins = true;
        r->next_batch++;
        return QUORATE_OK;
}

static int next_row(struct quorate_result *r) {
        r->batch_begins = r->rows.pos == 0;
        for (size_t i = 0; i < r->schema->n_columns; i++) {
                if (cell_read(&r->rows, &r->cells[i]))
                        return QUORATE_E_PROTOCOL;
                r->filled[i] = false;
        }
        return QUORATE_ROW;
}

static int take_frame(struct quorate_result *r, struct result_frame *f) {
        const Coordinator__ResultFrame *m = f->message.message;
        int e;

        switch (m->body_case) {
        case COORDINATOR__RESULT_FRAME__BODY_SCHEMA:
                e = result_take_schema(r, m->schema);
                result_frame_free(f);
                return e;
        case COORDINATOR__RESULT_FRAME__BODY_BATCH:
                return take_batch(r, f);
        case COORDINATOR__RESULT_FRAME__BODY_PROGRESS:
                result_take_progress(r, f);
                return QUORATE_PROGRESS;
        case COORDINATOR__RESULT_FRAME__BODY_END:
                result_take_end(r, f);
                return QUORATE_END;
        default:
                result_frame_free(f); /* newer than us */
                return QUORATE_OK;
        }
}

/* Waits for a frame; opens the channel again when it was lost. */
static int await_frame(struct quorate_result *r, nsec_t deadline) {
        struct quorate *q = r->q;

        if (r->private)
                return r->malformed ? QUORATE_E_PROTOCOL : private_step(r, deadline);
        while (list_is_empty(&r->frames)) {
                nsec_t until = deadline;
                int e;

                if (r->malformed)
                        return client_fail(q, QUORATE_E_PROTOCOL, "malformed result from the node");
                if (r->refused)
                        return r->refused;
                if (!r->channel && q->up)
                        (void) open_channel(r);
                if (!r->channel) {
                        nsec_t give_up = nsec_add(r->lost_since, REATTACH_WITHIN);

                        if (loop_now(q->loop) >= give_up)
                                return client_fail(q, QUORATE_E_LOST,
                                                   "the node went away and did not come back");
                        until = nsec_min(until, nsec_add(loop_now(q->loop), NSEC_PER_SEC / 10));
                }
                r->arrived = false;
                e = client_wait(q, &r->arrived, until);
                if (e != QUORATE_OK && (e != QUORATE_AGAIN || until == deadline ||
                                        loop_now(q->loop) >= deadline || r->channel))
                        return e;
        }
        return QUORATE_OK;
}

int quorate_next(struct quorate_result *r, int timeout_ms) {
        nsec_t deadline = timeout_ms < 0 ? NSEC_NEVER
                                         : nsec_add(loop_now(r->q->loop),
                                                    (nsec_t) timeout_ms * NSEC_PER_MSEC);

        if (r->ended)
                return QUORATE_END;
        for (;;) {
                struct result_frame *f;
                int e;

                if (reader_left(&r->rows) > 0)
                        e = next_row(r);
                else
                        e = await_frame(r, deadline);
                if (e == QUORATE_E_PROTOCOL)
                        return client_fail(r->q, e, "malformed result from the node");
                if (e != QUORATE_OK)
                        return e;
                f = LIST_ENTRY(list_pop_front(&r->frames), struct result_frame, link);
                r->n_frames--;
                return_credit(r);
                e = take_frame(r, f);
                if (e == QUORATE_E_PROTOCOL)
                        return client_fail(r->q, e, "malformed result from the node");
                if (e != QUORATE_OK)
                        return e;
        }
}

/* ---- reading ---- */

const uint8_t *quorate_job(const struct quorate_result *r) {
        return r->job;
}

size_t quorate_n_columns(const struct quorate_result *r) {
        return r->schema ? r->schema->n_columns : 0;
}

const char *quorate_column_name(const struct quorate_result *r, size_t column) {
        return column < quorate_n_columns(r) ? r->column_names[column] : "";
}

const char *quorate_column_type(const struct quorate_result *r, size_t column) {
        return column < quorate_n_columns(r) ? r->column_types[column] : "";
}

const struct quorate_value *quorate_value(struct quorate_result *r, size_t column) {
        if (column >= quorate_n_columns(r))
                return NULL;
        if (!r->filled[column])
                value_fill(&r->cells[column], r->schema->columns[column], &r->texts[column],
                           &r->values[column]);
        r->filled[column] = true;
        return &r->values[column];
}

const void *quorate_schema(const struct quorate_result *r, size_t *ret_len) {
        *ret_len = r->schema ? r->schema->encoded.len : 0;
        return r->schema ? r->schema->encoded.data : NULL;
}

const void *quorate_batch(const struct quorate_result *r, size_t *ret_len) {
        const Coordinator__ResultFrame *m = r->batch ? r->batch->message.message : NULL;

        *ret_len = m && r->batch_begins ? m->batch->data.len : 0;
        return m && r->batch_begins ? m->batch->data.data : NULL;
}

const struct quorate_progress *quorate_progress(const struct quorate_result *r) {
        return &r->progress;
}

const struct quorate_end *quorate_end(const struct quorate_result *r) {
        return r->ended ? &r->end : NULL;
}
