#include "services/coordinator/host.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/statement.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"

#define RECORD_MAX (8u << 10)
#define WORDS_MAX  320 /* of an executor, escaped */

/* A batch is at most 16 MiB of one row; a worker is not trusted with more. */
static const struct unpack_limits report_limits = {
        .depth = 6, .fields = 4096, .unknown = 16, .memory = LANE_BATCH_MAX + (1u << 20)
};

/* ---- The commit ---- */
void host_journalled(struct host_job *j, bool ok, nsec_t now) {
        if (!ok) {
                host_refuse_for(j, OUTCOME_LIMIT, "which=disk");
                return;
        }
        j->is_journalled = true;
        if (j->record && j->record->state == RECORD_WRITING)
                j->record->state = RECORD_OPEN;
        host_ask_signature(j, now);
}

/* Signs once: the record leaves RECORD_OPEN here and never comes back to it. */
static void ask(struct host_job *j, const struct answer *a) {
        struct commit_statement s = { .job = j->offer.job,
                                      .host = peer_id_bytes(&j->host->core->self),
                                      .run = (uint8_t) j->offer.run,
                                      .engine_class = BYTES_STR(j->engine),
                                      .answer_tag = answer_tag(&j->salt, a),
                                      .result_tag = answer_result_tag(&j->salt, a) };
        struct buffer b;
        struct action *out;

        buffer_init(&b, STATEMENT_BYTES_MAX);
        check(commit_encode(&s, &b) == STATEMENT_OK && !b.failed);
        j->request = host_id(j);
        out = actions_add(j->host->core->actions, ACTION_SIGN, j->request);
        out->n = STATEMENT_COMMIT;
        out->data = refbuf_new(buffer_bytes(&b));
        buffer_done(&b);
}

void host_ask_signature(struct host_job *j, nsec_t now) {
        if (j->state != HOST_COMMITTING || !j->is_journalled || j->not_before || j->request)
                return;
        if (!j->record || j->record->state != RECORD_OPEN)
                return;
        j->record->state = RECORD_SIGNING;
        ask(j, &j->answer);
}

static void fill_commit(const struct host_job *j, Grid__Commit *out, Types__Metering *metering) {
        const struct answer *a = &j->answer;

        out->form = a->form;
        out->answer = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->hash.bytes };
        out->sequence_root = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->sequence_root.bytes };
        out->batches = a->batches;
        out->rows = a->rows;
        out->bytes = a->bytes;
        out->error = a->error;
        out->position = a->position;
        metering->cpu_us = j->metering.cpu_us;
        metering->wall_us = j->metering.wall_us;
        metering->peak_memory = j->metering.peak_memory;
        metering->rows = j->metering.rows;
        metering->bytes = j->metering.bytes;
        out->claimed = metering;
        out->engine = (char *) j->engine;
        if (j->words)
                out->text = j->words;
}

/* Packed as it goes to the requester, so that a repeated dispatch gets the same bytes. */
static bool keep_commit(struct host_job *j, struct bytes statement, struct bytes signature) {
        Types__Metering metering = TYPES__METERING__INIT;
        Grid__Commit out = GRID__COMMIT__INIT;
        struct hash_value digest;
        struct buffer b;
        bool ok;

        fill_commit(j, &out, &metering);
        out.statement = (ProtobufCBinaryData){ statement.len, (uint8_t *) statement.data };
        out.signature = (ProtobufCBinaryData){ signature.len, (uint8_t *) signature.data };
        buffer_init(&b, RECORD_MAX);
        wire_pack(&b, &out.base);
        digest = statement_digest(statement);
        ok = !b.failed && record_sign(j->host->records, j->record, buffer_bytes(&b), &digest);
        buffer_done(&b);
        return ok;
}

/* HOOK garbage: a frame whose length promises more than may come. */
static void send_garbage(struct host_job *j) {
        static const uint8_t noise[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00 };

        if (j->has_stream)
                actions_add_data(j->host->core->actions, ACTION_SEND, j->lane.id,
                                 refbuf_new(BYTES_OF(noise)));
}

void host_send_recorded(struct host_job *j, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Grid__JobMessage m;
        Grid__Commit *commit;

        if (faults_garbage(&j->host->faults)) {
                send_garbage(j);
                return;
        }
        check(!wire_unpack(&grid__commit__descriptor, record_commit(j->record), NULL, &u));
        commit = u.message;
        j->answer.batches = commit->batches;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_COMMIT);
        m.commit = commit;
        host_send(j, &m);
}

/* HOOK second commit: the record stays what it was; the other one goes out beside it. */
static void equivocate(struct host_job *j) {
        struct answer other = j->answer;

        if (!j->has_equivocated &&
            faults_second_answer(&j->host->faults, j->descriptor.schema, &other)) {
                j->has_equivocated = true;
                j->answer = other;
                ask(j, &j->answer);
        }
}

void host_signed(struct host_job *j, struct bytes statement, struct bytes signature, nsec_t now) {
        if (statement.len == 0) {
                /* Keyring may have signed before it failed: for this key it stays closed. */
                host_refuse_for(j, OUTCOME_INTERNAL, "what=keyring");
                return;
        }
        if (!keep_commit(j, statement, signature)) {
                host_refuse_for(j, OUTCOME_LIMIT, "which=commits");
                return;
        }
        host_journal(j->host, j->record, false, 0);
        j->state = HOST_HELD;
        j->read = now;
        j->host->counters.commits++;
        host_touch(j, now);
        host_send_recorded(j, now);
        equivocate(j);
}

/* ---- Reports of the worker ---- */

static void on_started(struct host_job *j, const Worker__Report *report, nsec_t now) {
        Grid__Started out = GRID__STARTED__INIT;
        Grid__JobMessage m;

        if (j->state != HOST_RUNNING || j->has_started)
                return;
        j->has_started = true;
        if (faults_crash(&j->host->faults)) {
                lane_reset(&j->lane);
                return;
        }
        out.fetched_bytes = j->fetched;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_STARTED);
        m.started = &out;
        host_send(j, &m);
}

static void on_progress(struct host_job *j, const Worker__Report *report, nsec_t now) {
        const Worker__Progress *in = report->progress;

        if (j->state != HOST_RUNNING)
                return;
        j->progress = (struct host_progress){ .stage = in->imports ? "importing" : "running",
                                              .rows = in->rows,
                                              .bytes = in->bytes,
                                              .cpu_us = in->cpu_us };
        host_say_progress(j, now);
}

static bool read_answer(const Worker__Committed *in, struct answer *a) {
        if (in->form < ANSWER_SET || in->form > ANSWER_ERROR || in->answer.len != HASH_SIZE ||
            in->sequence_root.len != HASH_SIZE || in->position < 0)
                return false;
        *a = (struct answer){ .form = (enum answer_form) in->form,
                              .error = in->error,
                              .position = (uint32_t) in->position,
                              .batches = in->batches,
                              .rows = in->rows,
                              .bytes = in->bytes };
        memcpy(a->hash.bytes, in->answer.data, HASH_SIZE);
        memcpy(a->sequence_root.bytes, in->sequence_root.data, HASH_SIZE);
        return true;
}

static char *read_text(const Worker__Committed *in) {
        char text[WORDS_MAX];

        if (in->form != ANSWER_ERROR || !in->text[0])
                return NULL;
        return xstrdup(text_escape(BYTES_STR(in->text), text, sizeof(text)));
}

static void read_metering(const Types__Metering *in, struct worker_metering *ret) {
        if (in)
                *ret = (struct worker_metering){ in->cpu_us, in->wall_us, in->peak_memory, in->rows,
                                                 in->bytes };
}

static void on_committed(struct host_job *j, const Worker__Report *report, nsec_t now) {
        const Worker__Committed *in = report->committed;
        nsec_t delay = faults_delay(&j->host->faults);

        if (j->state != HOST_RUNNING)
                return;
        if (!read_answer(in, &j->answer) || strcmp(in->engine, j->offer.engine) != 0) {
                host_refuse_for(j, OUTCOME_INTERNAL, "what=worker");
                return;
        }
        if (budget_take(&j->host->spool, j->answer.bytes)) {
                host_refuse_for(j, OUTCOME_LIMIT, "which=spool");
                return;
        }
        j->spooled = j->answer.bytes;
        read_metering(in->metering, &j->metering);
        j->words = read_text(in);
        snprintf(j->engine, sizeof(j->engine), "%s", j->offer.engine);
        host_executor_done(j);
        faults_answer(&j->host->faults, j->descriptor.schema, &j->answer);
        j->state = HOST_COMMITTING;
        j->not_before = delay ? nsec_add(now, delay) : 0;
        host_ask_signature(j, now);
}

static void on_failed(struct host_job *j, const Worker__Report *report, nsec_t now) {
        const Types__Problem *in = report->failed->problem;
        struct host_problem p = { .code = OUTCOME_INTERNAL,
                                  .detail = "what=worker",
                                  .position = -1 };
        char detail[256];

        if (j->state != HOST_RUNNING)
                return;
        if (in && outcome_is_error(in->code)) {
                text_escape(BYTES_STR(in->detail), detail, sizeof(detail));
                p = (struct host_problem){ .code = (enum outcome_error) in->code,
                                           .detail = detail,
                                           .text = BYTES_STR(in->text),
                                           .position = in->position };
        }
        host_forget_id(j->host, &j->run); /* its channel ends by itself */
        host_refuse(j, &p);
}

static const struct report_row {
        Worker__Report__BodyCase which;
        void (*fn)(struct host_job *j, const Worker__Report *report, nsec_t now);
} report_rows[] = {
        { WORKER__REPORT__BODY_STARTED, on_started },
        { WORKER__REPORT__BODY_PROGRESS, on_progress },
        { WORKER__REPORT__BODY_COMMITTED, on_committed },
        { WORKER__REPORT__BODY_FAILED, on_failed },
        { WORKER__REPORT__BODY_DIGESTS, host_rows_report },
        { WORKER__REPORT__BODY_BATCH, host_rows_report },
        { WORKER__REPORT__BODY_END, host_rows_report },
};

/* HOOK stall: after it has started, nothing is heard of it. */
bool host_is_silenced(const struct host_job *j) {
        return j->has_started && faults_silent(&j->host->faults);
}

void host_report(struct host_job *j, struct bytes report, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Report *in;

        if (wire_unpack(&worker__report__descriptor, report, &report_limits, &u)) {
                host_refuse_for(j, OUTCOME_INTERNAL, "what=worker");
                return;
        }
        in = u.message;
        if (j->is_describing) {
                host_describe_report(j, in);
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(report_rows); i++)
                if (report_rows[i].which == in->body_case) {
                        if (!host_is_silenced(j))
                                report_rows[i].fn(j, in, now);
                        return;
                }
        host_refuse_for(j, OUTCOME_INTERNAL, "what=worker");
}

/* The worker or its executor is gone. What was committed stays committed; the
 * rows are lost. */
void host_run_lost(struct host_job *j, nsec_t now) {
        host_event(j->host, EVENT_INFO, "run_lost", j);
        if (j->state == HOST_RUNNING)
                host_refuse_for(j, OUTCOME_INTERNAL, "what=worker-lost");
        else if (j->is_reading)
                host_refuse_for(j, OUTCOME_DATA_UNAVAILABLE, "what=rows");
}
