#include "services/coordinator/requester.h"

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/unpack.h"
#include "common/wire/varint.h"
#include "services/coordinator/requester_core.h"

/* ---- Handles ---- */

uint64_t handle_open(struct requester *rq, struct handle *h, enum handle_kind kind) {
        handle_close(rq, h);
        *h = (struct handle){ core_id(rq->core, ROLE_REQUESTER), kind };
        map_set_u64(rq->handles, h->id, h);
        return h->id;
}

void handle_close(struct requester *rq, struct handle *h) {
        if (h->id)
                map_remove_u64(rq->handles, h->id);
        h->id = 0;
}

/* NULL: cancelled meanwhile, or an id of another kind. */
static struct handle *find(struct requester *rq, uint64_t id, enum handle_kind kind) {
        struct handle *h = map_get_u64(rq->handles, id);

        return h && h->kind == kind ? h : NULL;
}

static struct replica *stream_of(struct requester *rq, uint64_t id) {
        struct handle *h = find(rq, id, HANDLE_STREAM);

        return h ? container_of(h, struct replica, stream) : NULL;
}

/* ---- Life ---- */

static void *requester_new(struct core *core, uint64_t seed) {
        struct requester *rq = xnew(struct requester);

        rq->core = core;
        rng_init(&rq->rng, seed);
        rq->handles = map_new(rng_u64(&rq->rng));
        rq->jobs = map_new(rng_u64(&rq->rng));
        rq->nonces = map_new(rng_u64(&rq->rng));
        rq->clients = map_new(rng_u64(&rq->rng));
        rq->trust = trust_new(&core->settings.trust, rng_u64(&rq->rng));
        /* Drawn from nothing: what hosts see of a seed stays as it was. */
        rq->estimates = estimates_new(
                (int64_t) (core->settings.query.estimate_half_life / NSEC_PER_USEC), ~seed);
        rq->rows = map_new(seed ^ 1);
        retry_init(&rq->retry, &core->settings.query);
        rq->verdicts = verdicts_new(core, rng_u64(&rq->rng));
        budget_init(&rq->held, core->settings.query.held_bytes, NULL);
        cached_all_init(&rq->cached);
        heap_init(&rq->timers);
        list_init(&rq->all);
        return rq;
}

static void requester_free(void *role) {
        struct requester *rq = role;

        LIST_FOREACH_SAFE (it, &rq->all)
                job_free(LIST_ENTRY(it, struct job, link));
        heap_done(&rq->timers);
        verdicts_free(rq->verdicts);
        trust_free(rq->trust);
        estimates_free(rq->estimates);
        cost_rows_free(rq);
        map_free(rq->clients);
        map_free(rq->nonces);
        map_free(rq->jobs);
        map_free(rq->handles);
        free(rq->candidates);
        free(rq);
}

static int requester_restore(void *role, enum journal_kind kind, struct bytes record, nsec_t now) {
        struct requester *rq = role;

        if (kind == JOURNAL_OWED || kind == JOURNAL_OWED_DROP)
                return verdicts_restore(rq->verdicts, kind, record, now);
        return journal_restore(role, kind, record, now);
}

const struct verdicts_counters *requester_owed(const void *role) {
        const struct requester *rq = role;

        return verdicts_count(rq->verdicts);
}

static void step_all(struct requester *rq, nsec_t now) {
        LIST_FOREACH_SAFE (it, &rq->all)
                job_step(LIST_ENTRY(it, struct job, link), now);
}

static void requester_start(void *role, nsec_t now) {
        struct requester *rq = role;

        rq->is_started = true;
        rq->started = now;
        LIST_FOREACH_SAFE (it, &rq->all) {
                struct job *j = LIST_ENTRY(it, struct job, link);

                job_step(j, now);
        }
}

static nsec_t requester_deadline(const void *role) {
        const struct requester *rq = role;

        return nsec_min(heap_when(&rq->timers), verdicts_deadline(rq->verdicts));
}

static void requester_expire(void *role, nsec_t now) {
        struct requester *rq = role;
        struct heap_entry *e;

        while ((e = heap_pop_due(&rq->timers, now)))
                job_step(container_of(e, struct job, timer), now);
        verdicts_expire(rq->verdicts, now);
}

/* ---- Clients ---- */

static void refuse(struct requester *rq, uint64_t call, enum outcome_error why,
                   const char *detail) {
        struct action *a = actions_add(rq->core->actions, ACTION_REPLY, call);

        a->n = why;
        a->event.text = detail;
}

/* A call repeated after a loss: the job of the first one. */
static bool is_repeated(struct requester *rq, uint64_t call,
                        const Coordinator__SubmitRequest *request) {
        struct bytes nonce = BYTES(request->client_nonce.data, request->client_nonce.len);
        struct job *j = nonce.len > 0 ? map_get(rq->nonces, nonce) : NULL;

        if (!j)
                return false;
        if (j->n_calls == JOB_CALLS_MAX)
                refuse(rq, call, OUTCOME_LIMIT, "which=calls");
        else
                j->calls[j->n_calls++] = call;
        job_answer_calls(j);
        return true;
}

/* Ended jobs that only wait for a client or a last statement make room first. */
static bool make_room(struct requester *rq) {
        if (rq->n_all < rq->core->settings.query.jobs_max)
                return true;
        LIST_FOREACH_SAFE (it, &rq->all) {
                struct job *j = LIST_ENTRY(it, struct job, link);

                if (j->stage == JOB_ENDED) {
                        job_free(j);
                        return true;
                }
        }
        return false;
}

void requester_submit(void *role, uint64_t call, const Coordinator__SubmitRequest *request,
                      const struct entropy *entropy, nsec_t now) {
        struct requester *rq = role;
        const char *wrong;
        struct job *j;

        if (entropy && is_repeated(rq, call, request))
                return;
        if (request->client_nonce.len > 64 || !make_room(rq)) {
                refuse(rq, call, OUTCOME_LIMIT, "which=jobs");
                return;
        }
        j = job_new(rq, now);
        wrong = job_take_request(j, request);
        if (wrong) {
                job_free(j);
                refuse(rq, call, OUTCOME_USAGE, wrong);
                return;
        }
        j->is_explain = !entropy;
        if (entropy)
                j->entropy = *entropy;
        j->calls[j->n_calls++] = call;
        if (entropy)
                job_remember_nonce(j);
        job_step(j, now);
}

static struct job *job_of(struct requester *rq, struct bytes id) {
        return map_get(rq->jobs, id);
}

bool requester_cancel(void *role, struct bytes id, nsec_t now) {
        struct job *j = job_of(role, id);

        if (!j)
                return false;
        job_fail(j, j->is_contested ? OUTCOME_CONTESTED : OUTCOME_CANCELLED, "", now);
        job_step(j, now);
        return true;
}

bool requester_attach(void *role, uint64_t client, struct bytes id, uint64_t from_batch,
                      nsec_t now) {
        struct job *j = job_of(role, id);

        if (!j)
                return false;
        client_attach(j, client, from_batch, now);
        job_step(j, now);
        return true;
}

void requester_client_credit(void *role, uint64_t client, uint32_t units, nsec_t now) {
        struct requester *rq = role;
        struct job *j = map_get_u64(rq->clients, client);

        if (!j)
                return;
        client_credit(j, units);
        job_step(j, now);
}

void requester_client_closed(void *role, uint64_t client, nsec_t now) {
        struct requester *rq = role;
        struct job *j = map_get_u64(rq->clients, client);

        if (!j)
                return;
        j->was_read = j->was_read || j->client.has_all;
        client_detach(j, now);
        job_step(j, now);
}

size_t requester_jobs(const void *role, struct buffer *ret, size_t max) {
        const struct requester *rq = role;
        size_t n = 0;

        LIST_FOREACH (it, &rq->all) {
                const struct job *j = LIST_ENTRY(it, struct job, link);
                Coordinator__JobSummary s;

                if (!j->has_id || j->stage >= JOB_CLOSING || n == max)
                        continue;
                job_summary(j, &s);
                buffer_put_varint(ret, protobuf_c_message_get_packed_size(&s.base));
                wire_pack(ret, &s.base);
                n++;
        }
        return n;
}

void requester_candidates(void *role, const struct candidate *list, size_t n, nsec_t now) {
        struct requester *rq = role;

        n = n < CANDIDATES_MAX ? n : CANDIDATES_MAX;
        free(rq->candidates);
        rq->candidates = xmemdup(list, n * sizeof(*list));
        rq->n_candidates = n;
        LIST_FOREACH_SAFE (it, &rq->all) {
                struct job *j = LIST_ENTRY(it, struct job, link);

                if (j->stage <= JOB_RESTORED)
                        job_step(j, now);
        }
}

/* ---- Answers ---- */

static void on_opened(void *role, uint64_t stream, const struct stream_remote *remote,
                      uint32_t window, nsec_t now) {
        struct requester *rq = role;
        struct replica *r = stream_of(rq, stream);

        if (verdicts_opened(rq->verdicts, stream, remote, window, now) ||
            describe_opened(rq, stream, remote, window, now))
                return;
        if (!r) {
                actions_add(rq->core->actions, ACTION_RESET, stream);
                return;
        }
        replica_opened(r, remote, window, now);
        job_step(r->job, now);
}

/* Of a stream we are done with: the peer is to stop. */
static void on_data(void *role, uint64_t stream, struct bytes data, nsec_t now) {
        struct requester *rq = role;
        struct replica *r = stream_of(rq, stream);

        if (verdicts_data(rq->verdicts, stream, now) || describe_data(rq, stream, data, now))
                return;
        if (!r) {
                actions_add(rq->core->actions, ACTION_RESET, stream);
                return;
        }
        replica_data(r, data, now);
        job_step(r->job, now);
}

static void on_window(void *role, uint64_t stream, uint32_t units, nsec_t now) {
        struct requester *rq = role;
        struct replica *r = stream_of(rq, stream);

        verdicts_window(rq->verdicts, stream, units);
        if (describe_window(rq, stream, units) || !r)
                return;
        lane_window(&r->lane, units);
        if (r->is_finishing && lane_queued(&r->lane) == 0)
                replica_drop_lane(r);
        job_step(r->job, now);
}

static void on_finished(void *role, uint64_t stream, nsec_t now) {
        struct requester *rq = role;
        struct replica *r = stream_of(rq, stream);

        verdicts_finished(rq->verdicts, stream, now);
        if (describe_closed(rq, stream, false, now) || !r)
                return;
        replica_stream_lost(r, now);
        job_step(r->job, now);
}

static void on_closed(void *role, uint64_t stream, uint32_t code, nsec_t now) {
        struct requester *rq = role;
        struct replica *r = stream_of(rq, stream);

        verdicts_closed(rq->verdicts, stream, now);
        if (describe_closed(rq, stream, true, now) || !r)
                return;
        r->lane.is_ended = true; /* nothing to reset any more */
        replica_stream_lost(r, now);
        job_step(r->job, now);
}

static void on_answered(void *role, uint64_t request, struct bytes statement,
                        struct bytes signature, nsec_t now) {
        struct handle *h = find(role, request, HANDLE_REQUEST);
        struct replica *r = h ? container_of(h, struct replica, request) : NULL;

        if (!r)
                return;
        replica_signed(r, statement, signature, now);
        job_step(r->job, now);
}

static struct job *run_of(struct requester *rq, uint64_t run) {
        struct handle *h = find(rq, run, HANDLE_RUN);

        return h ? container_of(h, struct job, run) : NULL;
}

static void on_report(void *role, uint64_t run, struct bytes report, nsec_t now) {
        struct job *j = run_of(role, run);

        if (!j)
                return;
        job_report(j, report, now);
        job_step(j, now);
}

static void on_run_lost(void *role, uint64_t run, nsec_t now) {
        struct job *j = run_of(role, run);

        if (!j)
                return;
        job_run_lost(j, now);
        job_step(j, now);
}

static void on_input(void *role, uint64_t fetch, const struct input_facts *facts,
                     const struct input_failure *failure, nsec_t now) {
        struct handle *h = find(role, fetch, HANDLE_INPUT);
        struct job_input *in = h ? container_of(h, struct job_input, handle) : NULL;
        struct job *j;

        if (!in || in->is_ready)
                return;
        j = in->job;
        job_input_ready(in, facts, failure, now);
        job_step(j, now);
}

/* A job that cannot be journalled is not begun: a restart would forget it. */
static void submitted(struct job *j, bool ok, nsec_t now) {
        handle_close(RQ_OF(j), &j->journal);
        j->is_journalled = true;
        if (!ok)
                job_fail(j, OUTCOME_LIMIT, "which=journal", now);
}

static void on_journalled(void *role, uint64_t id, bool ok, nsec_t now) {
        struct handle *journal = find(role, id, HANDLE_JOURNAL);
        struct handle *receipt = find(role, id, HANDLE_RECEIPT);
        struct job *j = NULL;

        if (journal) {
                j = container_of(journal, struct job, journal);
                submitted(j, ok, now);
        } else if (receipt) {
                j = container_of(receipt, struct job, receipt);
                job_receipt_stored(j, ok, now);
        }
        if (j)
                job_step(j, now);
}

void requester_spool(void *role, uint64_t spool, struct bytes data, nsec_t now) {
        struct handle *h = find(role, spool, HANDLE_SPOOL);
        struct job *j = h ? container_of(h, struct job, rows.spool) : NULL;

        if (!j)
                return;
        rows_on_spool(j, data, now);
        job_step(j, now);
}

static void on_capacity(void *role, nsec_t now) {
        step_all(role, now);
}

const struct role requester_role = {
        .new = requester_new,
        .free = requester_free,
        .restore = requester_restore,
        .start = requester_start,
        .deadline = requester_deadline,
        .expire = requester_expire,
        .opened = on_opened,
        .data = on_data,
        .window = on_window,
        .finished = on_finished,
        .closed = on_closed,
        .answered = on_answered,
        .report = on_report,
        .run_lost = on_run_lost,
        .input = on_input,
        .journalled = on_journalled,
        .capacity = on_capacity,
        .denied = requester_denied,
};
