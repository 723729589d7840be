/* What a restart needs: the jobs that were submitted and did not end, which
 * sequence of rows their clients may already hold, and what hosts were judged. */

#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/requester_core.h"

#define RECORD_MAX (8u << 20)
#define RESUME_AGE (50 * 60 * INT64_C(1000000)) /* hosts refuse a job time an hour away */

void journal_write(struct requester *rq, enum journal_kind kind, const struct hash_value *name,
                   const ProtobufCMessage *m, uint64_t id) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct action *a = actions_add(rq->core->actions, ACTION_JOURNAL, id);

        buffer_init(&b, RECORD_MAX);
        wire_pack(&b, m);
        a->n = kind;
        a->hash = *name;
        a->data = refbuf_new(buffer_bytes(&b));
}

static void write_record(struct job *j, enum journal_kind kind, const ProtobufCMessage *m,
                         uint64_t id) {
        journal_write(RQ_OF(j), kind, &j->id, m, id);
}

void journal_submitted(struct job *j) {
        CLEANUP(buffer_donep) struct buffer request = {};
        Journal__Submitted s = JOURNAL__SUBMITTED__INIT;
        bool is_new = j->fell_over.is_so && !fallover_is_between(j);
        int64_t wall = core_wall_us(RQ_OF(j)->core, j->began);

        buffer_init(&request, RECORD_MAX);
        wire_pack(&request, &j->request->base);
        s.job = binary(hash_bytes(&j->id));
        s.request = binary(buffer_bytes(&request));
        s.descriptor = binary(buffer_bytes(&j->descriptor));
        s.sql = j->sql ? j->sql : (char *) "";
        s.class_name = j->class_name ? j->class_name : (char *) "";
        s.engine = j->engine ? j->engine : (char *) "";
        s.is_local = j->plan.is_local || cached_is_served(j); /* no host knows of it */
        s.runs_here = j->plan.is_local && !cached_is_served(j);
        s.memory = s.runs_here ? job_memory_here(j) : 0;
        s.time_us = wall;
        s.deadline_us = wall + (int64_t) (nsec_sub(j->deadline, j->began) / NSEC_PER_USEC);
        if (is_new) { /* of one turn, so both are there after a crash, or neither */
                fallover_end_former(j);
                s.former = binary(hash_bytes(&j->fell_over.former));
                s.fell_over = j->fell_over.text;
        }
        write_record(j, JOURNAL_SUBMITTED, &s.base,
                     handle_open(RQ_OF(j), &j->journal, HANDLE_JOURNAL));
}

void journal_accepted(struct job *j) {
        Journal__Step s = JOURNAL__STEP__INIT;

        if (j->rows.tier != ROWS_STREAM)
                return;
        s.job = binary(hash_bytes(&j->id));
        s.sequence_root = binary(hash_bytes(&j->rows.want.sequence_root));
        s.batches = j->rows.want.batches;
        write_record(j, JOURNAL_RECORD, &s.base, 0);
}

void job_summary(const struct job *j, Coordinator__JobSummary *ret) {
        coordinator__job_summary__init(ret);
        ret->job = binary(hash_bytes(&j->id));
        ret->sql = j->request ? j->request->sql : (char *) "";
        ret->state = (char *) (j->stage < JOB_CLOSING ? "running"
                               : j->problem           ? outcome_name(j->problem)
                                                      : result_state_name(j->state));
        ret->started_us = j->time_us;
        ret->elapsed_us = j->elapsed / NSEC_PER_USEC;
        ret->rows = j->accepted.rows;
        ret->problem = (char *) j->detail;
        ret->requester = binary(peer_id_bytes(&RQ_OF(j)->core->self));
}

void journal_ended(struct job *j) {
        Coordinator__JobSummary s;

        if (!j->has_id)
                return;
        job_summary(j, &s);
        write_record(j, JOURNAL_ENDED, &s.base, 0);
}

void journal_judgement(struct job *j, const struct replica *r) {
        const struct judgement verdict = {
                .verdict = r->is_rows_bad ? VERDICT_MALFORMED : r->judged,
                .is_proved = r->has_lied_twice,
                .time_us = core_wall_us(RQ_OF(j)->core, r->heard),
                .elapsed = nsec_sub(r->has_commit ? r->committed : r->over, r->dispatched),
        };
        ProtobufCBinaryData commits[2] = { binary(buffer_bytes(&r->commit.bytes)),
                                           binary(buffer_bytes(&r->second.bytes)) };
        ProtobufCBinaryData signatures[2] = { binary(BYTES_OF(r->commit.signature)),
                                              binary(BYTES_OF(r->second.signature)) };
        Journal__Judgement m = JOURNAL__JUDGEMENT__INIT;

        trust_add(RQ_OF(j)->trust, &r->prospect->candidate.peer, &verdict);
        m.peer = binary(peer_id_bytes(&r->prospect->candidate.peer));
        m.verdict = verdict.verdict;
        m.time_us = verdict.time_us;
        m.elapsed_us = verdict.elapsed / NSEC_PER_USEC;
        m.is_proved = verdict.is_proved;
        m.job = binary(hash_bytes(&j->id));
        m.n_commits = m.n_signatures = verdict.is_proved ? 2 : 0;
        m.commits = commits;
        m.signatures = signatures;
        write_record(j, JOURNAL_VERDICT, &m.base, 0);
}

/* ---- Reading back ---- */

static struct job *job_of(struct requester *rq, ProtobufCBinaryData id) {
        return map_get(rq->jobs, BYTES(id.data, id.len));
}

static bool take_descriptor(struct job *j) {
        CLEANUP(freep) struct descriptor *d = xnew(struct descriptor);

        if (descriptor_decode(buffer_bytes(&j->descriptor), d, NULL) ||
            schema_decode(d->schema, &j->schema))
                return false;
        j->salt = job_salt(buffer_bytes(&j->descriptor));
        job_take_classes(j, d);
        j->is_ordered = d->ordered;
        j->comparison = d->comparison;
        j->data_class = d->data_class;
        j->time_us = d->time_us;
        memcpy(j->entropy.nonce, d->nonce, sizeof(d->nonce));
        memcpy(j->entropy.seed, d->seed, sizeof(d->seed));
        return true;
}

static nsec_t deadline_of(const struct requester *rq, int64_t deadline_us, nsec_t now) {
        int64_t left = deadline_us - core_wall_us(rq->core, now);

        return left > 0 ? nsec_add(now, (nsec_t) left * NSEC_PER_USEC) : now;
}

static bool restore_submitted(struct requester *rq, const void *message, nsec_t now) {
        const Journal__Submitted *s = message;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct job *j;

        if (s->job.len != HASH_SIZE || job_of(rq, s->job) ||
            wire_unpack(&coordinator__submit_request__descriptor,
                        BYTES(s->request.data, s->request.len), NULL, &u))
                return false;
        j = job_new(rq, now);
        memcpy(j->id.bytes, s->job.data, HASH_SIZE);
        j->has_id = j->is_journalled = j->is_restored = true;
        map_set(rq->jobs, hash_bytes(&j->id), j);
        j->stage = JOB_RESTORED;
        j->sql = xstrdup(s->sql);
        j->class_name = xstrdup(s->class_name);
        j->engine = xstrdup(s->engine);
        j->plan.is_local = s->is_local;
        j->plan.reason = "resumed";
        j->plan.sentence = "the coordinator was restarted";
        buffer_put(&j->descriptor, s->descriptor.data, s->descriptor.len);
        j->cost.memory_before = s->memory;
        j->is_hopeless = s->is_local && !s->runs_here;
        if (job_take_request(j, u.message))
                j->is_hopeless = true; /* it is ended below */
        else
                job_remember_nonce(j);
        j->deadline = deadline_of(rq, s->deadline_us, now);
        if (s->descriptor.len == 0 || !take_descriptor(j))
                j->is_hopeless = true;
        fallover_restore_new(j, s);
        return true;
}

static bool restore_fell_over(struct requester *rq, const void *message, nsec_t now) {
        const Journal__FellOver *m = message;
        struct job *j = job_of(rq, m->job);

        return j && fallover_restore(j, m);
}

static bool restore_step(struct requester *rq, const void *message, nsec_t now) {
        const Journal__Step *s = message;
        struct job *j = job_of(rq, s->job);

        if (!j || s->sequence_root.len != HASH_SIZE)
                return false;
        memcpy(j->before.sequence_root.bytes, s->sequence_root.data, HASH_SIZE);
        j->before.batches = s->batches;
        j->has_before = true;
        return true;
}

static bool restore_ended(struct requester *rq, const void *message, nsec_t now) {
        const Coordinator__JobSummary *s = message;
        struct job *j = job_of(rq, s->job);

        if (j)
                job_free(j);
        return true;
}

static bool restore_judgement(struct requester *rq, const void *message, nsec_t now) {
        const Journal__Judgement *m = message;
        const struct judgement verdict = { .verdict = m->verdict,
                                           .is_proved = m->is_proved,
                                           .time_us = m->time_us,
                                           .elapsed = m->elapsed_us * NSEC_PER_USEC };
        struct peer_id peer;

        if (!peer_id_parse(BYTES(m->peer.data, m->peer.len), &peer) || !verdict_name(m->verdict))
                return false;
        trust_add(rq->trust, &peer, &verdict);
        return true;
}

static const struct {
        const ProtobufCMessageDescriptor *type;
        bool (*restore)(struct requester *rq, const void *message, nsec_t now);
} records[] = {
        [JOURNAL_SUBMITTED] = { &journal__submitted__descriptor, restore_submitted },
        [JOURNAL_RECORD] = { &journal__step__descriptor, restore_step },
        [JOURNAL_ENDED] = { &coordinator__job_summary__descriptor, restore_ended },
        [JOURNAL_VERDICT] = { &journal__judgement__descriptor, restore_judgement },
        [JOURNAL_RUN] = { &journal__run_sample__descriptor, cost_restore_run },
        [JOURNAL_ROWS] = { &journal__dataset_rows__descriptor, cost_restore_rows },
        [JOURNAL_FELL_OVER] = { &journal__fell_over__descriptor, restore_fell_over },
};

int journal_restore(struct requester *rq, enum journal_kind kind, struct bytes record, nsec_t now) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        if ((size_t) kind >= ELEMENTSOF(records) || !records[kind].type ||
            wire_unpack(records[kind].type, record, NULL, &u) ||
            !records[kind].restore(rq, u.message, now))
                return 1;
        return 0;
}

/* What is no longer possible: too old, kept answers, a request that cannot be read, or a run here
 * where the configuration has none any more. */
static bool is_hopeless(const struct job *j, nsec_t now) {
        int64_t age = core_wall_us(RQ_OF(j)->core, now) - j->time_us;

        return j->is_hopeless || age > RESUME_AGE || j->deadline <= now ||
               (j->plan.is_local && SET_OF(j)->remote_only);
}

/* Goes on where other hosts still have it: those that committed repeat their
 * commit, the others run it. What ran here runs again, with the same time and seed. */
void job_restored_step(struct job *j, nsec_t now) {
        bool is_anew;

        if (!RQ_OF(j)->is_started) /* a client was quicker than the candidates */
                return;
        if (!j->plan.is_local && !j->is_hopeless && RQ_OF(j)->n_candidates < j->rule.replicas &&
            !job_due(j, nsec_add(j->began, CANDIDATES_WAIT), now))
                return;
        j->plan.error = OUTCOME_OK;
        if (is_hopeless(j, now)) {
                j->plan.is_local = true;
                job_fail(j, OUTCOME_RESTARTED, "", now);
                return;
        }
        /* No host has it: it is asked as it would have been, or runs once its inputs are there. */
        is_anew = fallover_is_between(j) || j->plan.is_local;
        if (!is_anew && !job_inputs_are_ready(j)) /* an offer says how long they are */
                return;
        job_event(j, EVENT_INFO, "job_resumed", NULL);
        if (is_anew) {
                j->stage = JOB_INPUTS;
                return;
        }
        job_prospects(j);
        job_route(j, now);
}
