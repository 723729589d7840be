#include "services/coordinator/job.h"

#include "common/base/memory.h"
#include "services/coordinator/requester_core.h"

struct job *job_new(struct requester *rq, nsec_t now) {
        struct job *j = xnew(struct job);

        j->rq = rq;
        j->began = j->idle_since = now;
        j->deadline = nsec_add(now, rq->core->settings.query.job_timeout);
        j->time_us = core_wall_us(rq->core, now);
        j->position = -1;
        list_init(&j->replicas);
        list_push_back(&rq->all, &j->link);
        rq->n_all++;
        buffer_init(&j->descriptor, DESCRIPTOR_BYTES_MAX);
        return j;
}

static void forget_names(struct job *j) {
        const ProtobufCBinaryData *nonce = j->request ? &j->request->client_nonce : NULL;

        if (j->has_id)
                map_remove(RQ_OF(j)->jobs, hash_bytes(&j->id));
        if (j->fell_over.is_so)
                map_remove(RQ_OF(j)->jobs, hash_bytes(&j->fell_over.former));
        if (nonce && nonce->len > 0 &&
            map_get(RQ_OF(j)->nonces, BYTES(nonce->data, nonce->len)) == j)
                map_remove(RQ_OF(j)->nonces, BYTES(nonce->data, nonce->len));
}

struct job *job_free(struct job *j) {
        struct requester *rq = RQ_OF(j);

        if (j->client.id)
                actions_add(ACTIONS(j), ACTION_CLIENT_FINISH, j->client.id);
        client_detach(j, 0);
        j->rows.source = NULL;
        FOREACH_REPLICA (r, j)
                replica_free(r);
        rows_done(j);
        job_run_end(j, ACTION_WORK_CANCEL);
        describe_done(j);
        job_inputs_done(j);
        handle_close(rq, &j->journal);
        handle_close(rq, &j->find);
        handle_close(rq, &j->receipt);
        cached_done(j);
        forget_names(j);
        for (unsigned i = 0; i < j->n_groups; i++)
                free(j->groups[i]);
        schema_free(j->schema);
        buffer_done(&j->descriptor);
        unpacked_done(&j->request_memory);
        free(j->sql);
        free(j->class_name);
        free(j->engine);
        heap_remove(&rq->timers, &j->timer);
        list_remove(&j->link);
        rq->n_all--;
        free(j);
        return NULL;
}

void job_event(struct job *j, enum event_level level, const char *name,
               const struct peer_id *peer) {
        struct event e = { .level = level, .name = name, .text = "" };

        if (peer)
                e.peer = *peer;
        actions_event(ACTIONS(j), &e);
}

void job_fail(struct job *j, enum outcome_error problem, const char *detail, nsec_t now) {
        if (j->stage >= JOB_CLOSING)
                return;
        check(outcome_is_error(problem)); /* OK is told by job_close() alone */
        if (fallover_begin(j, problem, detail, now))
                return;
        problem = fallover_problem(j, problem, &detail);
        j->problem = problem;
        (void) snprintf(j->detail, sizeof(j->detail), "%s", detail);
        fallover_advise(j);
        job_close(j, now);
}

bool job_due(struct job *j, nsec_t when, nsec_t now) {
        if (when <= now)
                return true;
        j->wake = nsec_min(j->wake, when);
        return false;
}

static const struct {
        const char *name; /* in progress, and as TIMEOUT{stage} */
        void (*step)(struct job *j, nsec_t now);
} stages[_JOB_STAGE_N] = {
        [JOB_INPUTS] = { "analysing", job_inputs_step },
        [JOB_RESTORED] = { "restored", job_restored_step },
        [JOB_ANALYSING] = { "analysing", job_analysing_step },
        [JOB_DESCRIBING] = { "analysing", job_describing_step },
        [JOB_FINDING] = { "planning", job_finding_step },
        [JOB_RECALLING] = { "planning", cached_step },
        [JOB_GRID] = { "running", job_grid_step },
        [JOB_LOCAL] = { "running", job_local_step },
        [JOB_FALLING_OVER] = { "analysing", fallover_step },
        [JOB_ROWS] = { "rows", rows_step },
        [JOB_CLOSING] = { "done", job_closing_step },
        [JOB_ENDED] = { "done", job_ended_step },
};

const char *job_stage_name(const struct job *j) {
        if (j->stage == JOB_LOCAL && j->is_importing)
                return "importing";
        if (j->stage == JOB_GRID && j->round.is_active && !j->first_dispatch)
                return "offering";
        if (j->stage == JOB_GRID && j->reached)
                return "agreeing";
        return stages[j->stage].name;
}

/* Ends by its deadline, or because nobody has wanted the result for long. */
static void check_ends(struct job *j, nsec_t now) {
        char detail[DETAIL_MAX];

        if (j->stage >= JOB_CLOSING)
                return;
        (void) snprintf(detail, sizeof(detail), "stage=%s", job_stage_name(j));
        if (j->stage != JOB_ROWS && job_due(j, j->deadline, now))
                job_fail(j, j->was_contested ? OUTCOME_CONTESTED : OUTCOME_TIMEOUT, detail, now);
        else if (!j->client.id && j->is_journalled &&
                 job_due(j, nsec_add(j->idle_since, SET_OF(j)->client_grace), now))
                job_fail(j, OUTCOME_CANCELLED, "", now);
}

void job_step(struct job *j, nsec_t now) {
        enum job_stage stage;

        j->wake = NSEC_NEVER;
        FOREACH_REPLICA (r, j)
                replica_expire(r, now);
        check_ends(j, now);
        do {
                stage = j->stage;
                stages[stage].step(j, now);
        } while (stage != j->stage);
        job_answer_calls(j);
        rows_pump(j);
        client_progress(j, now);
        if (j->stage == JOB_ENDED) {
                client_end(j);
                if (j->client.has_all)
                        job_ended_step(j, now);
        }
        if (j->is_dead)
                job_free(j);
        else if (j->wake == NSEC_NEVER)
                heap_remove(&RQ_OF(j)->timers, &j->timer);
        else
                heap_set(&RQ_OF(j)->timers, &j->timer, nsec_max(j->wake, now));
}
