/* One job: its channel to the coordinator, its executor, its spool. The last
 * report waits until the executor is reaped, so that it carries what the kernel
 * measured; then the spool is served until the coordinator finishes or resets. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "common/wire/frame.h"
#include "services/worker/job.h"

#define KILL_GRACE     (500 * NSEC_PER_MSEC) /* the executor stops itself first */
#define PLAN_TIME      (1 * NSEC_PER_SEC)    /* for EXPLAIN, once all else is said; mostly 5 ms */
#define ZYGOTE_GRACE   (2 * NSEC_PER_SEC)    /* then its zygote says that it ended */
#define PROGRESS_QUEUE (64u << 10)
#define SPOOL_SMALL    (1u << 20) /* of a job without rows */

/* ---- to the coordinator ---- */

void job_report(struct job *j, const Worker__Report *m) {
        CLEANUP(buffer_donep) struct buffer packed = {};

        buffer_init(&packed, ROW_REPORT_MAX);
        wire_pack(&packed, &m->base);
        check(!packed.failed);
        frame_put(&j->out, buffer_bytes(&packed));
        job_pump(j);
}

void job_fail(struct job *j, uint32_t outcome, const char *detail, const char *text) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;

        problem.code = outcome;
        problem.detail = (char *) detail;
        problem.text = (char *) text;
        problem.position = -1;
        failed.problem = &problem;
        m.body_case = WORKER__REPORT__BODY_FAILED;
        m.failed = &failed;
        j->is_answered = true;
        j->is_over = true;
        j->worker->stats.failed++;
        spool_done(&j->spool); /* the coordinator may take its time to end the channel */
        job_report(j, &m);
}

static bool send_out(struct job *j) {
        size_t sent = 0;
        int r = CHANNEL_OK;

        while (sent < j->out.len && r == CHANNEL_OK) {
                size_t n = j->out.len - sent < CHANNEL_UNIT ? j->out.len - sent : CHANNEL_UNIT;

                r = channel_send(j->channel, BYTES(j->out.data + sent, n));
                sent += r == CHANNEL_OK ? n : 0;
        }
        buffer_consume(&j->out, sent);
        return j->out.len == 0;
}

void job_pump(struct job *j) {
        bool more = true;

        while (more && send_out(j) && !j->is_over)
                more = job_serve_some(j);
        if (j->out.len == 0 && j->is_over && !j->is_finished) {
                j->is_finished = true;
                (void) channel_finish(j->channel);
        }
}

/* ---- life ---- */

static void close_executor(struct job *j) {
        j->io = loop_source_free(j->io);
        j->executor_fd = fd_close(j->executor_fd);
}

static void kill_executor(struct job *j) {
        j->is_doomed = true; /* also one whose fork we have not heard of yet */
        if (j->pidfd >= 0 && !j->was_killed) {
                j->was_killed = true;
                j->worker->stats.killed++;
        }
        executor_kill(j->pidfd);
}

static void stop_waiting(struct job *j) {
        if (j->is_waiting)
                j->worker->stats.running--;
        j->is_waiting = false;
}

/* The channel is gone or going; what the executor still does goes nowhere. */
static void job_free(struct job *j) {
        struct worker *w = j->worker;

        kill_executor(j);
        close_executor(j);
        group_leave(j);
        j->pidfd = fd_close(j->pidfd);
        if (j->is_running)
                w->stats.running--;
        stop_waiting(j);
        job_inputs_given(j);
        (void) map_remove_u64(w->by_id, j->id);
        j->deadline = loop_source_free(j->deadline);
        for (size_t i = 0; i < j->n_watched; i++)
                fd_close(j->watched[i].fd);
        spool_done(&j->spool);
        unpacked_done(&j->message);
        packets_done(&j->in);
        for (size_t i = 0; i < 2; i++)
                buffer_done(&j->parts[i]);
        buffer_done(&j->out);
        unpacked_done(&j->last);
        frame_reader_done(&j->fetches);
        list_remove(&j->in_worker);
        free(j);
        if (w->is_draining && jobs_are_done(w))
                service_drained(w->ctx);
}

void jobs_stop(struct worker *w) {
        while (!list_is_empty(&w->jobs)) {
                struct job *j = LIST_ENTRY(list_first(&w->jobs), struct job, in_worker);

                channel_reset(j->channel, RPC_E_CANCELLED, "the worker stops");
                job_free(j);
        }
}

bool jobs_are_done(const struct worker *w) {
        return list_is_empty(&w->jobs);
}

static int on_deadline(void *userdata) {
        struct job *j = userdata;

        if (j->is_late) { /* killed, and still not reaped: the zygote hangs */
                log_error("zygote %d does not answer; it is killed", (int) j->zygote->zygote->pid);
                executor_zygote_kill(j->zygote->zygote);
                return 0;
        }
        j->is_late = true;
        kill_executor(j);
        return loop_timer_set(j->deadline, nsec_add(loop_now(j->worker->ctx->loop), ZYGOTE_GRACE));
}

/* ---- from the executor ---- */

static void admit_inputs(struct job *j) {
        for (size_t i = 0; i < j->job->n_inputs; i++) {
                const Worker__Source *s = j->job->inputs[i];

                if (s->has_file)
                        inputs_admit(&j->worker->inputs, BYTES(s->root.data, s->root.len));
        }
}

/* Started, and whatever an executor says that got past its inputs. */
static void take_progress(struct job *j, const Worker__Report *report) {
        if (report->body_case == WORKER__REPORT__BODY_STARTED)
                admit_inputs(j);
        if (report->body_case == WORKER__REPORT__BODY_PROGRESS &&
            spool_index(&j->spool, report->progress->batches) == SPOOL_OK)
                job_serve(j);
        if (j->out.len < PROGRESS_QUEUE)
                job_report(j, report);
}

static bool lacks_plan(const struct job *j) {
        const Worker__Report *last = j->last.message;

        return last && last->body_case == WORKER__REPORT__BODY_ANALYSIS && j->job->with_plan &&
               !last->analysis->has_plan;
}

/* Nothing comes after the last, but for an analysis that is said again with the plan. */
static bool may_come(const struct job *j, const Worker__Report *report) {
        bool is_plan =
                report->body_case == WORKER__REPORT__BODY_ANALYSIS && report->analysis->has_plan;

        return !j->last.message ||
               (lacks_plan(j) && (is_plan || report->body_case == WORKER__REPORT__BODY_PROGRESS));
}

static void take_last(struct job *j, struct unpacked *u) {
        nsec_t until = nsec_add(loop_now(j->worker->ctx->loop), PLAN_TIME);

        unpacked_done(&j->last);
        j->last = *u;
        *u = (struct unpacked){};
        if (lacks_plan(j) && until < j->until)
                (void) loop_timer_set(j->deadline, until);
}

static int take_report(struct job *j, struct unpacked *u, const Worker__Report *report) {
        if (!may_come(j, report))
                return EXECUTOR_E_MALFORMED;
        if (executor_report_is_last(report)) {
                take_last(j, u);
                return EXECUTOR_OK;
        }
        if (report->body_case != WORKER__REPORT__BODY_STARTED &&
            report->body_case != WORKER__REPORT__BODY_PROGRESS)
                return EXECUTOR_E_MALFORMED;
        take_progress(j, report);
        return EXECUTOR_OK;
}

static void send_parts(struct job *j) {
        while (j->part < 2) {
                int r = packets_send_from(j->executor_fd, buffer_bytes(&j->parts[j->part]),
                                          &j->part_pos);

                if (r == PACKETS_E_MORE)
                        break;
                j->part = r < 0 ? 2 : j->part + 1;
                j->part_pos = 0;
        }
        if (j->io)
                (void) loop_io_set(j->io, EPOLLIN | (j->part < 2 ? EPOLLOUT : 0));
}

static void receive_reports(struct job *j) {
        int r = EXECUTOR_OK;

        while (r == EXECUTOR_OK && j->executor_fd >= 0) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Worker__Report *report = NULL;

                r = executor_receive(&j->in, j->executor_fd, &u, &report);
                if (r == EXECUTOR_OK)
                        r = take_report(j, &u, report);
        }
        if (r == EXECUTOR_OK || r == EXECUTOR_E_MORE)
                return;
        if (r != EXECUTOR_E_GONE) {
                log_warning("an executor said what none of ours says; it is killed");
                kill_executor(j);
        }
        close_executor(j);
}

static int on_executor(void *userdata, uint32_t events) {
        struct job *j = userdata;

        if (events & EPOLLOUT)
                send_parts(j);
        if (events & ~(uint32_t) EPOLLOUT)
                receive_reports(j);
        return 0;
}

/* ---- the end of the executor ---- */

static void meter(const struct executor_event *e, Types__Metering *m) {
        if (!m)
                return;
        m->cpu_us = e->cpu_us;
        if (m->peak_memory < e->peak_memory)
                m->peak_memory = e->peak_memory;
}

static void finish_committed(struct job *j, Worker__Report *m) {
        struct worker *w = j->worker;

        if (spool_index(&j->spool, m->committed->batches) != SPOOL_OK) {
                job_fail(j, OUTCOME_INTERNAL, "what=executor",
                         "the executor's spool is not what it said");
                return;
        }
        spool_shrink(&j->spool);
        j->is_committed = true;
        j->is_answered = true;
        w->stats.committed++;
        w->stats.rows += m->committed->rows;
        w->stats.bytes += m->committed->bytes;
        admit_inputs(j);
        job_report(j, m);
        job_serve(j);
}

static void finish_last(struct job *j, const struct executor_event *e) {
        Worker__Report *m = j->last.message;

        if (!job_inputs_hold(j)) /* whatever it says, it says of bytes nobody vouches for */
                return;
        if (m->body_case == WORKER__REPORT__BODY_COMMITTED) {
                meter(e, m->committed->metering);
                finish_committed(j, m);
                return;
        }
        j->is_answered = true;
        j->is_over = true;
        if (m->body_case == WORKER__REPORT__BODY_FAILED) {
                meter(e, m->failed->metering);
                j->worker->stats.failed++;
        } else {
                admit_inputs(j);
        }
        spool_done(&j->spool);
        job_report(j, m);
}

/* It ended without a word: why, as far as the kernel tells. */
static void finish_silent(struct job *j, const struct executor_event *e) {
        char text[96];

        if (j->is_late) {
                job_fail(j, OUTCOME_TIMEOUT, "stage=run", "killed at its deadline");
        } else if ((e->signal == SIGKILL || e->signal == SIGXCPU) &&
                   e->cpu_us / 1000 >= j->begin.cpu_ms) {
                job_fail(j, OUTCOME_LIMIT, "which=cpu", "killed for its use of the processor");
        } else if (e->signal) {
                (void) snprintf(text, sizeof(text), "the executor was killed by signal %d",
                                e->signal);
                log_warning("job ended by signal %d%s", e->signal,
                            e->signal == SIGSYS ? ": a system call it may not make" : "");
                job_fail(j, OUTCOME_INTERNAL, "what=executor", text);
        } else {
                job_fail(j, OUTCOME_INTERNAL, "what=executor",
                         "the executor ended without an answer");
        }
}

static void on_ended(struct job *j, struct executor_event *e) {
        receive_reports(j); /* what it said before it ended */
        close_executor(j);
        j->pidfd = fd_close(j->pidfd);
        j->deadline = loop_source_free(j->deadline);
        spool_writer_ended(&j->spool);
        (void) map_remove_u64(j->worker->by_id, j->id);
        j->is_running = false;
        group_meter(j, e);
        group_leave(j);
        j->worker->stats.running--;
        j->worker->stats.cpu_us += e->cpu_us;
        /* Killed at the plan, it has said all that is needed; by a system call, nothing counts. */
        if (j->last.message && (!e->signal || (lacks_plan(j) && e->signal != SIGSYS)))
                finish_last(j, e);
        else
                finish_silent(j, e);
}

void job_on_event(struct worker *w, struct executor_event *e) {
        struct job *j = map_get_u64(w->by_id, e->id);

        if (!j) { /* reset meanwhile */
                if (e->kind == EXECUTOR_ENDED)
                        group_reaped(w, e->id);
                executor_kill(e->pidfd);
                fd_closep(&e->pidfd);
        } else if (e->kind == EXECUTOR_ENDED || e->error) {
                on_ended(j, e);
        } else {
                j->pidfd = e->pidfd;
                group_soon(j, e->pid);
                if (j->is_doomed)
                        kill_executor(j);
        }
}

void job_zygote_gone(struct worker *w, struct zygote_use *z) {
        struct executor_event e = { .kind = EXECUTOR_ENDED, .signal = SIGKILL };

        LIST_FOREACH_SAFE (it, &w->jobs) {
                struct job *j = LIST_ENTRY(it, struct job, in_worker);

                if (j->is_running && j->zygote == z)
                        on_ended(j, &e);
        }
}

/* ---- the beginning ---- */

/* Most jobs are taken at once: the executor need not wait for our next turn. */
static void send_first_parts(struct job *j) {
        executor_pack_job(j->job, &j->parts[0], &j->parts[1]);
        send_parts(j);
}

static int begin_executor(struct job *j) {
        struct worker *w = j->worker;
        struct zygote_use *z = pool_take(j->pool);
        int r;

        if (!z && pool_is_starting(j->pool)) {
                j->is_waiting = true;
                w->stats.running++; /* it has its slot */
                return error_origin(-EAGAIN);
        }
        if (!z || pool_of(w, j->job->engine) != j->pool) /* it may be another class by now */
                return error_origin(-EAGAIN);
        j->begin.id = j->id;
        j->begin.spool_fd = j->spool.file.write_fd;
        r = executor_begin(z->zygote, &j->begin, &j->executor_fd);
        if (r)
                return r;
        z->n_running++;
        j->zygote = z;
        j->is_running = true;
        w->stats.running++;
        w->stats.jobs++;
        (void) map_set_u64(w->by_id, j->id, j);
        if (fcntl(j->executor_fd, F_SETFL, O_NONBLOCK) < 0)
                return error_origin(-errno);
        send_first_parts(j);
        r = loop_add_io(w->ctx->loop, j->executor_fd, EPOLLIN | (j->part < 2 ? EPOLLOUT : 0),
                        on_executor, j, &j->io);
        if (r == 0)
                r = loop_add_timer(w->ctx->loop, on_deadline, j, &j->deadline);
        j->until = nsec_add(loop_now(w->ctx->loop), j->limits.wall_ms * NSEC_PER_MSEC + KILL_GRACE);
        return r ? r : loop_timer_set(j->deadline, j->until);
}

static uint64_t at_most(uint64_t asked, uint64_t most) {
        return asked && asked < most ? asked : most;
}

/* The coordinator counts what all jobs may have: one may get as much as all slots. */
static uint64_t memory_of(const struct worker_config *c, uint64_t asked) {
        return at_most(asked ? asked : c->memory, worker_memory(c));
}

static void fill_limits(struct job *j) {
        const struct worker_config *c = worker_config_of(j->worker);
        const Types__Limits *asked = j->job->limits;

        j->limits = (Types__Limits) TYPES__LIMITS__INIT;
        if (asked)
                j->limits = *asked;
        j->limits.memory = memory_of(c, j->limits.memory);
        j->limits.cpu_ms = at_most(j->limits.cpu_ms, c->cpu / NSEC_PER_MSEC);
        j->limits.wall_ms = at_most(j->limits.wall_ms, c->wall / NSEC_PER_MSEC);
        j->job->limits = &j->limits;
        j->begin.memory = j->limits.memory;
        j->begin.cpu_ms = j->limits.cpu_ms;
}

/* What one job may write. When finished results fill the disk's share, new jobs get
 * less of it before they get nothing. */
static uint64_t spool_limit(const struct job *j) {
        uint64_t most = worker_config_of(j->worker)->spool_job,
                 left = budget_left(&j->worker->spools.budget);

        if (j->job->mode != WORKER__JOB__MODE__RUN && j->job->mode != WORKER__JOB__MODE__IMPORT)
                return SPOOL_SMALL;
        if (left < most && left >= 2 * SPOOL_SMALL)
                return left / 2;
        return most;
}

static void begin(struct job *j) {
        int r = begin_executor(j);

        if (!r || j->is_waiting)
                return;
        if (j->is_running)
                kill_executor(j);
        else
                job_fail(j, OUTCOME_INTERNAL, "what=executor", "no executor could be started");
}

void jobs_go_on(struct pool *p, bool is_started) {
        LIST_FOREACH_SAFE (it, &p->worker->jobs) {
                struct job *j = LIST_ENTRY(it, struct job, in_worker);

                if (!j->is_waiting || j->pool != p)
                        continue;
                stop_waiting(j);
                if (is_started)
                        begin(j);
                else
                        job_fail(j, OUTCOME_INTERNAL, "what=executor",
                                 "no executor could be started");
                if (!j->is_waiting)
                        job_inputs_given(j);
        }
}

static void start(struct job *j) {
        struct worker *w = j->worker;
        int r;

        j->pool = pool_of(w, j->job->engine);
        if (!j->pool) {
                job_fail(j, OUTCOME_REFUSED, "rule=engine", "no such engine here");
                return;
        }
        fill_limits(j);
        j->begin.spool = spool_limit(j);
        r = spool_open(&j->spool, &w->spools, j->begin.spool);
        if (r) {
                job_fail(j, r == SPOOL_E_QUOTA ? OUTCOME_LIMIT : OUTCOME_INTERNAL, "which=spool",
                         "no room for a result");
                return;
        }
        if (job_inputs_open(j))
                begin(j);
}

/* ---- the channel ---- */

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct job *j = userdata;

        if (job_on_fetch(j, data)) {
                channel_consumed(c, 1);
                return;
        }
        job_free(j);
        channel_reset(c, RPC_E_MALFORMED, "not a request for rows");
}

static void on_writable(struct channel *c, void *userdata) {
        job_pump(userdata);
}

/* The coordinator needs nothing more. */
static void on_finish(struct channel *c, void *userdata) {
        struct job *j = userdata;

        j->is_over = true;
        stop_waiting(j);
        kill_executor(j);
        buffer_clear(&j->out);
        job_pump(j);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        job_free(userdata);
}

static const struct channel_handler handler = {
        .on_data = on_data,
        .on_writable = on_writable,
        .on_finish = on_finish,
        .on_end = on_end,
};

static struct job *job_new(struct worker *w, struct channel *c) {
        struct job *j = xnew(struct job);

        j->worker = w;
        j->channel = c;
        j->id = ++w->next_id;
        j->executor_fd = j->pidfd = -1;
        j->spool = (struct spool){ .file = { -1, -1 } };
        packets_init(&j->in);
        buffer_init(&j->out, OUT_MAX);
        frame_reader_init(&j->fetches, FETCH_MAX);
        list_init(&j->in_worker);
        list_push_back(&w->jobs, &j->in_worker);
        return j;
}

void job_open(struct worker *w, struct channel *c, struct bytes metadata) {
        struct unpacked u = {};
        struct job *j;

        if (w->is_draining || w->stats.running >= worker_config_of(w)->slots) {
                channel_reset(c, RPC_E_BUSY, "all slots are taken");
                return;
        }
        if (wire_unpack(&worker__job__descriptor, metadata, NULL, &u)) {
                channel_reset(c, RPC_E_MALFORMED, "not a job");
                return;
        }
        j = job_new(w, c);
        j->message = u;
        j->job = u.message;
        if (channel_accept(c, BYTES_NONE, &handler, j) != CHANNEL_OK) {
                job_free(j);
                return;
        }
        start(j);
        if (!j->is_waiting)
                job_inputs_given(j);
}
