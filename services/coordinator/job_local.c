/* Our own worker: analysis, and execution of what stays here. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/unpack.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/requester_core.h"

#define SLOT_RETRY    (5 * NSEC_PER_MSEC) /* slots come back from the other role, too */
#define WORKER_WAIT   (5 * NSEC_PER_SEC)  /* a node that has just started: for all of them */
#define FETCH_BATCHES 2

static const struct unpack_limits report_limits = {
        .depth = 8, .fields = 65536, .unknown = 16, .memory = 20u << 20
};

/* Everything that both modes say alike; views into the job. */
void job_run_fill(struct job *j, Worker__Job *ret, Worker__Source *sources,
                  Worker__Source **pointers, Types__Limits *limits) {
        worker__job__init(ret);
        for (size_t i = 0; i < j->n_inputs; i++) {
                const struct job_input *in = &j->inputs[i];

                worker__source__init(&sources[i]);
                sources[i].name = in->name;
                sources[i].format = in->format;
                sources[i].path = in->path;
                sources[i].schema = binary(buffer_bytes(&in->schema));
                sources[i].options = binary(buffer_bytes(&in->options));
                sources[i].length = in->length;
                sources[i].root = binary(hash_bytes(&in->root));
                sources[i].rows = cost_rows_of(RQ_OF(j), &in->root);
                pointers[i] = &sources[i];
        }
        types__limits__init(limits);
        if (j->request->limits)
                *limits = *j->request->limits;
        limits->memory = job_memory_here(j); /* always said: it gets what is charged for it */
        ret->limits = limits;
        ret->engine = j->engine;
        ret->n_inputs = j->n_inputs;
        ret->inputs = pointers;
        ret->n_parameters = j->request->n_parameters;
        ret->parameters = j->request->parameters;
        ret->time_us = j->time_us;
        ret->seed = binary(BYTES_OF(j->entropy.seed));
        ret->no_rewrite = j->request->no_rewrite;
        ret->comparison = j->request->comparison;
}

bool job_run_start(struct job *j, const Worker__Job *job, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer b = {};
        char detail[64];

        j->slot_memory = job->limits->memory;
        switch (governor_take(RQ_OF(j)->core->governor, GOVERNOR_OWN, j->slot_memory)) {
        case GOVERNOR_OK:
                break;
        case GOVERNOR_E_TOO_BIG:
                (void) snprintf(detail, sizeof(detail), "which=memory most=%llu",
                                (unsigned long long) RQ_OF(j)->core->governor->most);
                job_fail(j, OUTCOME_LIMIT, detail, now);
                return false;
        default:
                (void) job_due(j, nsec_add(now, SLOT_RETRY), now);
                return false;
        }
        j->has_slot = true;
        j->is_importing = false;
        j->imported = 0;
        buffer_init(&b, 16u << 20);
        wire_pack(&b, &job->base);
        actions_add_data(ACTIONS(j), ACTION_WORK, handle_open(RQ_OF(j), &j->run, HANDLE_RUN),
                         refbuf_new(buffer_bytes(&b)));
        return true;
}

void job_run_end(struct job *j, enum action_type how) {
        if (j->has_slot)
                governor_give(RQ_OF(j)->core->governor, GOVERNOR_OWN, j->slot_memory);
        j->has_slot = false;
        if (!j->run.id)
                return;
        if (how != ACTION_NONE)
                actions_add(ACTIONS(j), how, j->run.id);
        handle_close(RQ_OF(j), &j->run);
}

void job_run_fetch(struct job *j, uint64_t from, uint64_t count, bool digests) {
        Worker__Fetch f = WORKER__FETCH__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        f.from_batch = from;
        f.count = count;
        f.digests = digests;
        buffer_init(&b, 64);
        wire_pack(&b, &f.base);
        actions_add_data(ACTIONS(j), ACTION_WORK_FETCH, j->run.id, refbuf_new(buffer_bytes(&b)));
}

/* Another coordinator analysed it, before a restart; workers have enlisted since, and none has
 * that class of engine any more. */
static bool has_lost_its_engine(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        if (!j->is_restored || core->n_engines == 0)
                return false;
        for (size_t i = 0; i < core->n_engines; i++)
                if (strcmp(core->engines[i], j->engine) == 0)
                        return false;
        return true;
}

void job_local_step(struct job *j, nsec_t now) {
        Worker__Source sources[DESCRIPTOR_DATASETS_MAX], *pointers[DESCRIPTOR_DATASETS_MAX];
        Types__Limits limits;
        Worker__Job w;

        if (j->run.id)
                return;
        if (has_lost_its_engine(j)) {
                if (job_due(j, nsec_add(RQ_OF(j)->started, WORKER_WAIT), now))
                        job_fail(j, OUTCOME_RESTARTED, "", now);
                return;
        }
        job_run_fill(j, &w, sources, pointers, &limits);
        w.mode = WORKER__JOB__MODE__RUN;
        w.sql = j->sql;
        w.schema = binary(j->schema->encoded);
        w.form = j->is_ordered ? ANSWER_SEQUENCE : ANSWER_SET;
        w.class_name = j->class_name;
        /* Nobody compares it: what builds or engines differ in may run here all the same. */
        w.comparison =
                (char *) comparison_name(job_is_exact(j) ? COMPARISON_ENGINE : COMPARISON_CLASS);
        if (job_run_start(j, &w, now))
                j->run_began = now;
}

static bool take_answer(const Worker__Committed *c, struct answer *ret) {
        if (c->answer.len != HASH_SIZE || c->sequence_root.len != HASH_SIZE)
                return false;
        *ret = (struct answer){ .form = c->form,
                                .error = c->error,
                                .position = c->position > 0 ? (uint32_t) c->position : 0,
                                .batches = c->batches,
                                .rows = c->rows,
                                .bytes = c->bytes };
        memcpy(ret->hash.bytes, c->answer.data, HASH_SIZE);
        memcpy(ret->sequence_root.bytes, c->sequence_root.data, HASH_SIZE);
        return true;
}

static void on_committed(struct job *j, const Worker__Report *report, nsec_t now) {
        if (j->stage != JOB_LOCAL)
                return;
        if (!take_answer(report->committed, &j->accepted)) {
                job_fail(j, OUTCOME_INTERNAL, "what=worker-report", now);
                return;
        }
        cost_take_own(j, report->committed->metering);
        /* The executor is gone; the slot is free although the spool is still read. */
        governor_give(RQ_OF(j)->core->governor, GOVERNOR_OWN, j->slot_memory);
        j->has_slot = false;
        j->is_accepted = true;
        if (j->accepted.form == ANSWER_ERROR)
                text_escape(BYTES_STR(report->committed->text), j->host_text, sizeof(j->host_text));
        j->stage = JOB_ROWS;
        rows_begin(j, now);
}

static void on_analysis(struct job *j, const Worker__Report *report, nsec_t now) {
        job_on_analysis(j, report->analysis, now);
}
static void on_failed(struct job *j, const Worker__Report *report, nsec_t now) {
        job_on_failed(j, report->failed, now);
}
static void on_progress(struct job *j, const Worker__Report *report, nsec_t now) {
        const Worker__Progress *p = report->progress;

        j->is_importing = p->imports;
        j->imported = p->imports ? p->bytes : 0;
}

static void on_started(struct job *j, const Worker__Report *report, nsec_t now) {
        j->is_importing = false;
        j->imported = 0;
}

static void on_digests(struct job *j, const Worker__Report *report, nsec_t now) {
        const Worker__Digests *d = report->digests;

        if (!rows_on_digests(j, d->first, BYTES(d->digests.data, d->digests.len), now))
                job_fail(j, OUTCOME_INTERNAL, "what=own-rows", now);
}

static void on_batch(struct job *j, const Worker__Report *report, nsec_t now) {
        const Worker__Batch *b = report->batch;
        const struct rows_batch batch = {
                b->index, { b->codec, b->length, BYTES(b->data.data, b->data.len) }
        };

        if (!rows_on_batch(j, &batch, now))
                job_fail(j, OUTCOME_INTERNAL, "what=own-rows", now);
}

static void on_fetch_end(struct job *j, const Worker__Report *report, nsec_t now) {
        j->rows.is_asked = false;
}

static void (*const report_handlers[])(struct job *, const Worker__Report *, nsec_t) = {
        [WORKER__REPORT__BODY_ANALYSIS] = on_analysis,
        [WORKER__REPORT__BODY_STARTED] = on_started,
        [WORKER__REPORT__BODY_PROGRESS] = on_progress,
        [WORKER__REPORT__BODY_COMMITTED] = on_committed,
        [WORKER__REPORT__BODY_FAILED] = on_failed,
        [WORKER__REPORT__BODY_DIGESTS] = on_digests,
        [WORKER__REPORT__BODY_BATCH] = on_batch,
        [WORKER__REPORT__BODY_END] = on_fetch_end,
};

void job_report(struct job *j, struct bytes report, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Report *r;

        actions_add(ACTIONS(j), ACTION_WORK_CONSUMED, j->run.id)->n = 1;
        if (wire_unpack(&worker__report__descriptor, report, &report_limits, &u) == 0) {
                r = u.message;
                if ((size_t) r->body_case < ELEMENTSOF(report_handlers) &&
                    report_handlers[r->body_case]) {
                        report_handlers[r->body_case](j, r, now);
                        return;
                }
        }
        job_run_end(j, ACTION_WORK_CANCEL);
        job_fail(j, OUTCOME_INTERNAL, "what=worker-report", now);
}

void job_run_lost(struct job *j, nsec_t now) {
        job_run_end(j, ACTION_NONE);
        if (j->stage < JOB_CLOSING && !job_analyses_again(j))
                job_fail(j, OUTCOME_INTERNAL, "what=worker-lost", now);
}
