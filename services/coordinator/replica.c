/* One host's part in a job: life and times. What it says: replica_messages.c. */

#include "services/coordinator/replica.h"

#include "common/base/memory.h"
#include "services/coordinator/requester_core.h"

void job_message_init(Grid__JobMessage *m, Grid__JobMessage__BodyCase which) {
        grid__job_message__init(m);
        m->body_case = which;
}

bool replica_is_live(const struct replica *r) {
        return r->stage >= REPLICA_SIGNING && r->stage <= REPLICA_RUNNING;
}

bool replica_is_waiting(const struct replica *r) {
        return r->stage <= REPLICA_OFFERED;
}

/* NULL: this job has had its share of dials. */
struct replica *replica_open(struct job *j, struct prospect *p, uint32_t run, nsec_t now) {
        struct action *a;
        struct replica *r;
        uint64_t id;

        if (j->n_replicas >= JOB_REPLICAS_MAX) {
                p->is_out = true;
                return NULL;
        }
        r = xnew(struct replica);
        r->job = j;
        r->prospect = p;
        r->run = run;
        r->opened = r->heard = now;
        p->is_busy = true;
        list_push_back(&j->replicas, &r->in_job);
        j->n_replicas++;
        buffer_init(&r->dispatch.bytes, STATEMENT_BYTES_MAX);
        buffer_init(&r->commit.bytes, STATEMENT_BYTES_MAX);
        buffer_init(&r->verdict.bytes, STATEMENT_BYTES_MAX);
        buffer_init(&r->second.bytes, STATEMENT_BYTES_MAX);
        id = handle_open(RQ_OF(j), &r->stream, HANDLE_STREAM);
        lane_init(&r->lane, ACTIONS(j), id, 0, LANE_BATCH_MAX, &RQ_OF(j)->held);
        r->has_lane = true;
        a = actions_add(ACTIONS(j), ACTION_OPEN, id);
        a->peer = p->candidate.peer;
        a->n_addresses = p->candidate.n_addresses;
        a->addresses =
                xmemdup(p->candidate.addresses, a->n_addresses * sizeof(p->candidate.addresses[0]));
        return r;
}

void replica_drop_lane(struct replica *r) {
        if (!r->has_lane)
                return;
        lane_done(&r->lane);
        r->has_lane = false;
        handle_close(RQ_OF(r->job), &r->stream);
        rows_source_lost(r->job, r);
}

void replica_free(struct replica *r) {
        if (r->has_lane)
                lane_reset(&r->lane);
        replica_drop_lane(r);
        handle_close(RQ_OF(r->job), &r->request);
        buffer_done(&r->dispatch.bytes);
        buffer_done(&r->commit.bytes);
        buffer_done(&r->verdict.bytes);
        buffer_done(&r->second.bytes);
        list_remove(&r->in_job);
        free(r->said);
        free(r);
}

void replica_send(struct replica *r, const Grid__JobMessage *m, nsec_t now) {
        if (r->has_lane && lane_send(&r->lane, m))
                replica_fail(r, 0, OUTCOME_LIMIT, "which=memory", now);
}

/* Nothing more is read: a peer that goes on sending meets a reset. */
void replica_finish(struct replica *r) {
        if (!r->has_lane)
                return;
        if (r->stage == REPLICA_OPENING)
                lane_reset(&r->lane);
        else
                lane_finish(&r->lane);
        if (lane_queued(&r->lane) == 0 || r->stage == REPLICA_OPENING) {
                replica_drop_lane(r);
                return;
        }
        r->is_finishing = true;
}

static void replica_say_cancel(struct replica *r, nsec_t now) {
        Grid__Cancel cancel = GRID__CANCEL__INIT;
        Grid__JobMessage m;

        if (r->stage == REPLICA_OPENING || !r->has_lane || r->is_cancelled)
                return;
        job_message_init(&m, GRID__JOB_MESSAGE__BODY_CANCEL);
        m.cancel = &cancel;
        cancel.code = OUTCOME_CANCELLED;
        replica_send(r, &m, now);
        r->is_cancelled = true;
}

void replica_cancel(struct replica *r, nsec_t now) {
        replica_say_cancel(r, now);
        if (r->stage != REPLICA_COMMITTED && r->stage != REPLICA_OVER) {
                if (r->dispatched)
                        r->judged = VERDICT_CANCELLED;
                if (r->stage == REPLICA_OPENING)
                        replica_finish(r);
                r->stage = REPLICA_OVER;
                r->over = now;
                /* It may be asked anew: who agreed may not have the rows. */
                if (r->run == 0)
                        r->prospect->is_busy = vote_holder(r->job, r->prospect);
        }
}

void replica_hold(struct replica *r) {
        Grid__Hold hold = GRID__HOLD__INIT;
        Grid__JobMessage m;

        job_message_init(&m, GRID__JOB_MESSAGE__BODY_HOLD);
        m.hold = &hold;
        if (r->has_lane)
                (void) lane_send(&r->lane, &m);
}

void replica_release(struct replica *r) {
        Grid__Release release = GRID__RELEASE__INIT;
        Grid__JobMessage m;

        job_message_init(&m, GRID__JOB_MESSAGE__BODY_RELEASE);
        m.release = &release;
        if (r->has_lane)
                (void) lane_send(&r->lane, &m);
}

void replica_fail(struct replica *r, enum verdict judged, enum outcome_error problem,
                  const char *detail, nsec_t now) {
        struct prospect *p = r->prospect;
        struct job *j = r->job;

        if (r->has_lane)
                lane_reset(&r->lane);
        replica_drop_lane(r);
        if (r->stage == REPLICA_OVER)
                return;
        if (r->stage == REPLICA_SIGNING) /* a verdict that is being signed is still wanted */
                handle_close(RQ_OF(j), &r->request);
        if (judged == VERDICT_MALFORMED)
                vote_withdraw(r);
        r->stage = REPLICA_OVER;
        r->over = now;
        r->problem = problem;
        r->is_ours = !r->has_said && (problem == OUTCOME_INTERNAL || problem == OUTCOME_LIMIT);
        (void) snprintf(r->detail, sizeof(r->detail), "%s", detail);
        if (r->run != 0)
                return;
        if (judged || j->stage < JOB_CLOSING)
                r->judged = judged;
        if (judged && verdict_is_fault(judged)) {
                journal_judgement(j, r);
                job_event(j, EVENT_INFO, "replica_failed", &p->candidate.peer);
        }
        p->is_busy = vote_holder(j, p);
        p->attempts++;
        p->is_out = p->is_out || judged == VERDICT_MALFORMED || p->attempts >= ATTEMPTS_MAX;
        p->not_before = nsec_max(
                p->not_before, nsec_add(now, retry_pause(SET_OF(j), p->attempts, &RQ_OF(j)->rng)));
}

/* Lost after a dispatch, the run counts as one that never ended: whether host or
 * network failed cannot be told, so only our own score of the host moves. */
void replica_stream_lost(struct replica *r, nsec_t now) {
        lane_reset(&r->lane); /* a half that was still open */
        replica_drop_lane(r);
        if (r->stage != REPLICA_COMMITTED && r->stage != REPLICA_OVER)
                replica_fail(r, replica_is_live(r) ? VERDICT_TIMEOUT : 0, OUTCOME_TIMEOUT,
                             r->stage == REPLICA_OPENING ? "stage=dial" : "stage=stream", now);
}

/* ---- Times ---- */

static nsec_t attempt_end(const struct replica *r) {
        const struct query_settings *s = SET_OF(r->job);
        double raised = (double) r->bid.estimate_us * 1e3 * s->attempt_estimate_factor;
        nsec_t limit = raised > 1e18 ? NSEC_NEVER : (nsec_t) raised;

        return nsec_add(r->started, nsec_max(s->attempt_timeout, limit));
}

static void time_out(struct replica *r, const char *stage, nsec_t now) {
        replica_say_cancel(r, now);
        replica_fail(r, VERDICT_TIMEOUT, OUTCOME_TIMEOUT, stage, now);
}

void replica_expire(struct replica *r, nsec_t now) {
        const struct query_settings *s = SET_OF(r->job);

        switch (r->stage) {
        case REPLICA_OPENING:
                if (job_due(r->job, nsec_add(r->opened, s->dial_timeout), now))
                        replica_fail(r, 0, OUTCOME_TIMEOUT, "stage=dial", now);
                break;
        case REPLICA_OFFERED: /* of a round: the round waits less */
                if (job_due(r->job, nsec_add(r->offered, s->silence_timeout), now))
                        replica_fail(r, 0, OUTCOME_TIMEOUT, "stage=offer", now);
                break;
        case REPLICA_DISPATCHED:
                if (job_due(r->job, nsec_add(r->heard, s->silence_timeout), now))
                        time_out(r, "stage=dispatch", now);
                break;
        case REPLICA_RUNNING:
                if (job_due(r->job, nsec_add(r->heard, s->silence_timeout), now))
                        time_out(r, "stage=silence", now);
                else if (job_due(r->job, attempt_end(r), now))
                        time_out(r, "stage=attempt", now);
                break;
        default:
                break;
        }
}
