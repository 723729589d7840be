#include "services/coordinator/host.h"

#include "common/base/error.h"
#include "common/base/map.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/denied.h"

#define STREAM_IDLE (30 * NSEC_PER_SEC) /* a stream that says nothing and waits for nothing */
#define SLOT_RETRY  (10 * NSEC_PER_MSEC)
#define SAYS_EVERY  (3 * NSEC_PER_SEC) /* a requester gives up on silence of ten */

void host_event(struct host *h, enum event_level level, const char *name,
                const struct host_job *j) {
        struct event e = { .level = level, .name = name, .text = "" };

        if (j && j->peer)
                e.peer = j->peer->id;
        actions_event(h->core->actions, &e);
}

/* ---- ids ---- */

uint64_t host_id(struct host_job *j) {
        uint64_t id = core_id(j->host->core, ROLE_HOST);

        map_set_u64(j->host->ids, id, j);
        return id;
}

void host_forget_id(struct host *h, uint64_t *id) {
        if (*id)
                map_remove_u64(h->ids, *id);
        *id = 0;
}

/* ---- Timers: one per job, at the earliest of what its state waits for ---- */

/* Of what was dispatched. */
static nsec_t run_end(const struct host_job *j) {
        const struct host *h = j->host;
        nsec_t end = j->state == HOST_RUNNING
                             ? j->run_until
                             : nsec_add(j->touched, h->core->settings.host.wall_max);

        return nsec_min(end, h->core->governor->drain_until);
}

/* A description ends before its requester gives up on silence, and has no progress. */
static bool has_to_say(const struct host_job *j) {
        return j->state == HOST_FETCHING ||
               (j->state == HOST_RUNNING && !j->is_describing && !host_is_silenced(j));
}

static nsec_t job_deadline(const struct host_job *j) {
        const struct host_settings *s = &j->host->core->settings.host;
        nsec_t idle = nsec_add(j->touched, STREAM_IDLE);

        switch (j->state) {
        case HOST_BID:
                return j->is_promised ? j->bid_until : idle;
        case HOST_FETCHING:
        case HOST_WAITING:
        case HOST_RUNNING:
                return has_to_say(j) ? nsec_min(nsec_add(j->said, SAYS_EVERY), run_end(j))
                                     : run_end(j);
        case HOST_COMMITTING:
                return j->not_before ? j->not_before : NSEC_NEVER;
        case HOST_HELD:
                return nsec_min(nsec_add(j->touched, s->unread_timeout),
                                nsec_add(j->read, s->held_unread_max));
        default:
                return idle;
        }
}

void host_timer(struct host_job *j) {
        nsec_t when = job_deadline(j);

        if (when == NSEC_NEVER)
                heap_remove(&j->host->timers, &j->timer);
        else
                heap_set(&j->host->timers, &j->timer, when);
}

void host_touch(struct host_job *j, nsec_t now) {
        j->touched = now;
        host_timer(j);
}

/* ---- Messages out ---- */

void host_message_init(Grid__JobMessage *m, Grid__JobMessage__BodyCase which) {
        grid__job_message__init(m);
        m->body_case = which;
}

void host_send(struct host_job *j, const Grid__JobMessage *m) {
        if (!j->has_stream || lane_send(&j->lane, m) == LANE_OK)
                return;
        j->host->counters.quota++;
        lane_reset(&j->lane);
        host_event(j->host, EVENT_WARNING, "host_out_of_budget", j);
}

void host_refuse(struct host_job *j, const struct host_problem *problem) {
        Types__Problem p = TYPES__PROBLEM__INIT;
        Grid__Refusal refusal = GRID__REFUSAL__INIT;
        Grid__JobMessage m;
        char text[512];

        p.code = problem->code;
        p.detail = (char *) (problem->detail ? problem->detail : "");
        p.text = text_escape(problem->text, text, sizeof(text));
        p.position = problem->position;
        refusal.problem = &p;
        refusal.retry_ms = problem->retry_ms;
        if (!j->is_dispatched) {
                host_message_init(&m, GRID__JOB_MESSAGE__BODY_REFUSAL);
                m.refusal = &refusal;
                j->host->counters.refusals++;
        } else {
                host_message_init(&m, GRID__JOB_MESSAGE__BODY_FAILURE);
                m.failure = &refusal;
                j->host->counters.failures++;
        }
        host_send(j, &m);
        host_job_stop(j);
}

void host_refuse_for(struct host_job *j, enum outcome_error code, const char *detail) {
        const struct host_problem p = { .code = code, .detail = detail, .position = -1 };

        host_refuse(j, &p);
}

/* ---- The end of a job ---- */

static void void_ticket(struct host_job *j) {
        if (!j->is_promised)
                return;
        j->peer->bids--;
        j->is_promised = false;
}

void host_promise_done(struct host_job *j) {
        if (j->has_place)
                governor_unpromise(j->host->core->governor);
        j->has_place = false;
}

/* Whatever it holds of the machine: a promise, a place in the queue, a slot. */
static void give_back_run(struct host_job *j) {
        void_ticket(j);
        host_promise_done(j);
        if (j->has_slot)
                governor_give(j->host->core->governor, GOVERNOR_SERVED, j->memory);
        if (j->has_run)
                shares_give(j->host->runs_shared, &j->peer->id, &j->subnet);
        j->has_slot = j->has_run = false;
}

void host_inputs_done(struct host_job *j) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                struct host_input *in = &j->inputs[i];

                if (in->fetch)
                        actions_add(j->host->core->actions, ACTION_INPUT_CANCEL, in->fetch);
                host_forget_id(j->host, &in->fetch);
                free(in->format);
                free(in->path);
                free((void *) in->options.data);
                free((void *) in->schema.data);
        }
        free(j->inputs);
        j->inputs = NULL;
        j->n_inputs = j->n_ready = 0;
}

static void drop_run(struct host_job *j) {
        if (!j->run)
                return;
        actions_add(j->host->core->actions,
                    j->state == HOST_HELD ? ACTION_WORK_RELEASE : ACTION_WORK_CANCEL, j->run);
        host_forget_id(j->host, &j->run);
}

/* What was never given to keyring may be forgotten, on disk too; what was may not. */
static void drop_record(struct host_job *j) {
        struct record *record = TAKE(j->record);

        if (!record)
                return;
        record->busy = NULL;
        if (record->state == RECORD_SIGNING)
                record_lose(j->host->records, record);
        else if (record->state == RECORD_WRITING || record->state == RECORD_OPEN) {
                host_journal(j->host, record, true, 0);
                j->host->counters.records_dropped++;
                records_drop(j->host->records, record);
        }
}

void host_executor_done(struct host_job *j) {
        give_back_run(j);
        host_inputs_done(j);
}

void host_job_stop(struct host_job *j) {
        list_remove(&j->in_waiting);
        drop_run(j);
        host_describe_done(j);
        host_executor_done(j);
        drop_record(j);
        host_forget_id(j->host, &j->journal);
        host_forget_id(j->host, &j->request);
        host_forget_id(j->host, &j->recall);
        host_unhear(j);
        buffer_done(&j->descriptor_bytes);
        buffer_done(&j->sql);
        free(TAKE(j->words));
        budget_give(&j->peer->memory, j->charged + j->rows_charged);
        budget_give(&j->host->spool, j->spooled);
        j->charged = j->rows_charged = j->spooled = 0;
        j->is_reading = j->is_fetching = false;
        j->state = HOST_OVER;
        host_timer(j);
}

void host_job_free(struct host_job *j, nsec_t now) {
        struct host *h = j->host;

        host_job_stop(j);
        heap_remove(&h->timers, &j->timer);
        if (j->has_stream)
                map_remove_u64(h->streams, j->lane.id);
        lane_done(&j->lane);
        list_remove(&j->in_host);
        h->n_jobs--;
        shares_give(h->streams_shared, &j->peer->id, &j->subnet);
        host_peers_leave(h->peers, j->peer, now);
        free(j);
}

void host_reset(struct host_job *j, nsec_t now) {
        if (j->has_stream)
                lane_reset(&j->lane);
        host_job_free(j, now);
}

/* ---- Time ---- */

void host_say_progress(struct host_job *j, nsec_t now) {
        Grid__Progress out = GRID__PROGRESS__INIT;
        Grid__JobMessage m;

        j->said = now;
        host_timer(j);
        if (lane_queued(&j->lane) > 0)
                return;
        out.stage = (char *) j->progress.stage;
        out.rows = j->progress.rows;
        out.bytes = j->progress.bytes;
        out.cpu_us = j->progress.cpu_us;
        host_message_init(&m, GRID__JOB_MESSAGE__BODY_PROGRESS);
        m.progress = &out;
        host_send(j, &m);
}

/* Providers that go silent are the fetch's to give up, so one that lasts makes headway. An
 * engine may be in one instruction for seconds (replace() in a long text): its worker says
 * when it has ended, and ends it in time. */
static void say_that_it_lasts(struct host_job *j, nsec_t now) {
        if (j->state == HOST_FETCHING)
                j->progress = (struct host_progress){ .stage = "fetching", .bytes = j->fetched };
        host_say_progress(j, now);
}

static void on_timer(struct host_job *j, nsec_t now) {
        static const char *const stages[] = { [HOST_FETCHING] = "stage=fetch",
                                              [HOST_WAITING] = "stage=slot",
                                              [HOST_RUNNING] = "stage=run" };
        struct host *h = j->host;

        if (j->state == HOST_BID && j->is_promised) {
                give_back_run(j);
                h->counters.expired++;
                host_touch(j, now);
        } else if (j->state == HOST_COMMITTING) {
                j->not_before = 0;
                host_ask_signature(j, now);
                host_timer(j);
        } else if (has_to_say(j) && now < run_end(j)) {
                say_that_it_lasts(j, now);
        } else if (j->state >= HOST_FETCHING && j->state <= HOST_RUNNING) {
                bool drained = h->core->governor->drain_until <= now;

                host_refuse_for(j, drained ? OUTCOME_REFUSED : OUTCOME_TIMEOUT,
                                drained ? "rule=paused" : stages[j->state]);
                host_touch(j, now);
        } else {
                host_reset(j, now);
        }
        host_next_waiting(h, now);
}

void host_expire_records(struct host *h, nsec_t now) {
        size_t before = records_count(h->records);

        for (uint32_t run = 0; run < RECORD_RUNS; run++)
                if (records_expire(h->records, run, core_wall_us(h->core, now)))
                        host_journal_horizon(h, run, now);
        h->counters.records_expired += before - records_count(h->records);
}

static void expire(void *role, nsec_t now) {
        struct host *h = role;
        struct heap_entry *e;

        while ((e = heap_pop_due(&h->timers, now)))
                on_timer(container_of(e, struct host_job, timer), now);
        host_expire_records(h, now);
        h->retry_at = nsec_add(now, SLOT_RETRY);
        host_next_waiting(h, now);
}

static nsec_t deadline(const void *role) {
        const struct host *h = role;

        /* Own jobs give their slots back without telling us. */
        return list_is_empty(&h->waiting) ? heap_when(&h->timers)
                                          : nsec_min(heap_when(&h->timers), h->retry_at);
}

/* ---- Answers to actions ---- */

/* Over the budget while answering: the lane is gone, and with it the job. */
static void settle(struct host_job *j, nsec_t now) {
        struct host *h = j->host;

        if (j->has_stream && j->lane.is_ended)
                host_job_free(j, now);
        else
                host_timer(j);
        host_next_waiting(h, now);
}

static void on_answered(void *role, uint64_t request, struct bytes statement,
                        struct bytes signature, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, request);

        if (!j || j->request != request)
                return;
        host_forget_id(h, &j->request);
        host_signed(j, statement, signature, now);
        settle(j, now);
}

static void on_report(void *role, uint64_t run, struct bytes report, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, run);

        if (!j || j->run != run)
                return;
        actions_add(h->core->actions, ACTION_WORK_CONSUMED, run)->n = 1;
        host_report(j, report, now);
        settle(j, now);
}

static void on_run_lost(void *role, uint64_t run, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, run);

        if (!j || j->run != run)
                return;
        host_forget_id(h, &j->run);
        host_run_lost(j, now);
        settle(j, now);
}

static void on_input(void *role, uint64_t fetch, const struct input_facts *facts,
                     const struct input_failure *failure, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, fetch);

        if (!j)
                return;
        if (j->state == HOST_LOOKING)
                host_looked_up(j, fetch, facts, now);
        else
                host_input(j, fetch, facts, failure, now);
        settle(j, now);
}

void host_recalled(void *role, uint64_t id, struct bytes record, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, id);

        if (!j || j->recall != id)
                return;
        host_forget_id(h, &j->recall);
        if (j->state == HOST_RECALLING)
                host_commit_recalled(j, record, now);
        else
                host_heard_recalled(j, record, now);
        settle(j, now);
}

static void on_journalled(void *role, uint64_t id, bool ok, nsec_t now) {
        struct host *h = role;
        struct host_job *j = map_get_u64(h->ids, id);

        if (!j || j->journal != id)
                return;
        host_forget_id(h, &j->journal);
        if (j->state == HOST_HEARING)
                host_heard(j, ok, now);
        else
                host_journalled(j, ok, now);
        settle(j, now);
}

/* Each is tried once: a slot may be free and the memory of all who wait still not. */
void host_next_waiting(struct host *h, nsec_t now) {
        struct list *last = list_is_empty(&h->waiting) ? NULL : h->waiting.previous, *first = NULL;

        while (first != last && governor_free_slots(h->core->governor) > 0) {
                struct host_job *j;

                first = list_first(&h->waiting);
                j = LIST_ENTRY(first, struct host_job, in_waiting);
                host_start(j, now);
                host_timer(j);
        }
}

static void on_capacity(void *role, nsec_t now) {
        struct host *h = role;

        LIST_FOREACH (link, &h->jobs)
                host_timer(LIST_ENTRY(link, struct host_job, in_host));
        host_next_waiting(h, now);
}

/* What they have under way here ends with their streams. */
static void on_denied(void *role, nsec_t now) {
        struct host *h = role;

        LIST_FOREACH_SAFE (link, &h->jobs) {
                struct host_job *j = LIST_ENTRY(link, struct host_job, in_host);

                if (denied_has(h->core->denied, &j->peer->id))
                        host_reset(j, now);
        }
        host_next_waiting(h, now);
}

/* ---- Life ---- */

static int64_t kept_for(nsec_t max_age) {
        return (int64_t) (max_age / NSEC_PER_USEC) + RECORD_MARGIN_US;
}

static void *host_new(struct core *core, uint64_t seed) {
        const struct host_settings *s = &core->settings.host;
        struct host *h = xnew(struct host);
        struct host_peers_config peers = { .max = s->peers_max,
                                           .peer_memory = s->peer_bytes,
                                           .rate = s->offer_rate,
                                           .burst = s->offer_burst,
                                           .memory = &h->memory };
        const struct records_config records = {
                { s->commits_max, s->requester_commits, s->subnet_commits },
                { kept_for(s->run_max_age), kept_for(s->recheck_max_age) },
                &h->commits,
        };
        const struct shares_config streams = { s->jobs_max, s->requester_jobs, s->subnet_jobs };
        const struct shares_config runs = { 0, s->requester_runs, s->subnet_runs };

        h->core = core;
        rng_init(&h->rng, seed);
        budget_init(&h->memory, s->held_bytes, NULL);
        budget_init(&h->commits, s->commits_bytes, NULL);
        budget_init(&h->spool, s->spool_bytes, NULL);
        h->peers = host_peers_new(rng_u64(&h->rng), &peers);
        h->records = records_new(rng_u64(&h->rng), &records);
        h->streams = map_new(rng_u64(&h->rng));
        h->ids = map_new(rng_u64(&h->rng));
        h->streams_shared = shares_new(rng_u64(&h->rng), &streams);
        h->runs_shared = shares_new(rng_u64(&h->rng), &runs);
        list_init(&h->jobs);
        list_init(&h->waiting);
        heap_init(&h->timers);
        h->faults = (struct faults){ .mode = (enum fault_mode) s->fault, .self = core->self };
        return h;
}

static void host_free(void *role) {
        struct host *h = role;

        if (!h)
                return;
        LIST_FOREACH_SAFE (link, &h->jobs)
                host_job_free(LIST_ENTRY(link, struct host_job, in_host), 0);
        records_free(h->records);
        shares_free(h->streams_shared);
        shares_free(h->runs_shared);
        host_peers_free(h->peers);
        map_free(h->streams);
        map_free(h->ids);
        heap_done(&h->timers);
        free(h);
}

/* Without a memory of what was signed before, nothing from before may be signed. */
static void start(void *role, nsec_t now) {
        struct host *h = role;

        if (h->created_us)
                return;
        h->created_us = core_wall_us(h->core, now);
        host_journal_birth(h, now);
}

const struct host_counters *host_counters(const void *role) {
        const struct host *h = role;

        return &h->counters;
}

size_t host_records_count(const void *role) {
        const struct host *h = role;

        return records_count(h->records);
}

const struct role host_role = {
        .new = host_new,
        .free = host_free,
        .restore = host_restore,
        .start = start,
        .deadline = deadline,
        .expire = expire,
        .opened = host_opened,
        .data = host_data,
        .window = host_window,
        .finished = host_finished,
        .closed = host_closed,
        .answered = on_answered,
        .report = on_report,
        .run_lost = on_run_lost,
        .input = on_input,
        .journalled = on_journalled,
        .capacity = on_capacity,
        .denied = on_denied,
};
