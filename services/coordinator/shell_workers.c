#include "services/coordinator/shell_actions.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/descriptor.h"
#include "common/client/executor.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/hosts.h"
#include "services/coordinator/lane.h"
#include "services/coordinator/shell_import.h"
#include "services/coordinator/shell_workers.h"

_Static_assert(JOB_INPUTS_MAX == EXECUTOR_INPUTS_MAX, "jobs of more inputs cannot run");

#define ENGINES_MAX 16
#define NOTES_MAX   16

struct worker {
        struct shell *shell;
        struct list in_shell;
        struct link *link;
        char *name;
        char *engines[ENGINES_MAX];
        size_t n_engines;
        char *notes[NOTES_MAX];
        size_t n_notes;
        struct governor_worker has;
};

/* One channel to a worker, one executor. */
struct run {
        struct shell *shell;
        struct worker *worker;
        uint64_t id;
        struct channel *channel;
        struct frame_reader frames;
        unsigned units;    /* taken over, credit not yet returned */
        uint64_t reports;  /* told to the core, not yet consumed by it */
        struct buffer out; /* Fetch requests waiting for credit */
        bool is_released, is_executing;
        uint64_t memory;
        struct hash_value pins[DESCRIPTOR_DATASETS_MAX]; /* imports that it reads */
        size_t n_pins;
};

/* ---- Workers ---- */

/* What it says of itself; its runs stay. */
static void worker_forget_facts(struct worker *w) {
        for (size_t i = 0; i < w->n_engines; i++)
                free(w->engines[i]);
        for (size_t i = 0; i < w->n_notes; i++)
                free(w->notes[i]);
        free(w->name);
        w->n_engines = w->n_notes = 0;
        w->name = NULL;
}

static void worker_free(struct worker *w) {
        list_remove(&w->in_shell);
        worker_forget_facts(w);
        free(w);
}

static struct worker *worker_new(struct shell *s, struct link *link) {
        struct worker *w = xnew(struct worker);

        w->shell = s;
        w->link = link;
        list_push_back(&s->workers, &w->in_shell);
        return w;
}

static struct worker *worker_of(struct shell *s, const struct link *link) {
        LIST_FOREACH (l, &s->workers) {
                struct worker *w = LIST_ENTRY(l, struct worker, in_shell);

                if (w->link == link)
                        return w;
        }
        return NULL;
}

static bool has_string(const char *const *list, size_t n, const char *text) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(list[i], text) == 0)
                        return true;
        return false;
}

size_t shell_engines(struct shell *s, const char **ret, size_t max) {
        size_t n = 0;

        LIST_FOREACH (l, &s->workers) {
                struct worker *w = LIST_ENTRY(l, struct worker, in_shell);

                for (size_t i = 0; i < w->n_engines && n < max; i++)
                        if (!has_string(ret, n, w->engines[i]))
                                ret[n++] = w->engines[i];
        }
        return n;
}

size_t shell_worker_notes(struct shell *s, const char **ret, size_t max) {
        size_t n = 0;

        LIST_FOREACH (l, &s->workers) {
                struct worker *w = LIST_ENTRY(l, struct worker, in_shell);

                for (size_t i = 0; i < w->n_notes && n < max; i++)
                        if (!has_string(ret, n, w->notes[i]))
                                ret[n++] = w->notes[i];
        }
        return n;
}

uint32_t shell_slots(const struct shell *s, uint32_t *ret_busy, uint32_t *ret_workers) {
        uint32_t slots = 0;

        *ret_busy = *ret_workers = 0;
        LIST_FOREACH (l, &s->workers) {
                const struct worker *w = LIST_ENTRY(l, struct worker, in_shell);

                slots += w->has.slots;
                *ret_busy += w->has.busy;
                ++*ret_workers;
        }
        return slots;
}

static void tell_capacity(struct shell *s) {
        const char *engines[ENGINES_MAX];
        size_t n = shell_engines(s, engines, ENGINES_MAX);
        uint32_t busy, workers, slots = shell_slots(s, &busy, &workers), i = 0;
        CLEANUP(freep)
        struct governor_worker *list = xnew_n(struct governor_worker, workers + 1);

        LIST_FOREACH (l, &s->workers)
                list[i++] = LIST_ENTRY(l, struct worker, in_shell)->has;
        s->gauges.workers = workers;
        s->gauges.slots = slots;
        coordinator_capacity(s->core, list, workers, engines, n, shell_now(s));
        shell_turn(s);
}

void shell_worker_enlist(struct shell *s, struct link *link, const struct worker_facts *f) {
        struct worker *w = worker_of(s, link);

        if (!w)
                w = worker_new(s, link);
        worker_forget_facts(w); /* it may say them again, amid its runs */
        w->name = xstrdup(f->name);
        w->has.slots = f->slots < 4096 ? f->slots : 4096;
        w->has.memory = f->memory;
        for (size_t i = 0; i < f->n_engines && i < ENGINES_MAX; i++)
                w->engines[w->n_engines++] = xstrdup(f->engines[i]);
        for (size_t i = 0; i < f->n_missing && i < NOTES_MAX; i++)
                w->notes[w->n_notes++] = xasprintf("sandbox layer missing: %s", f->missing[i]);
        for (size_t i = 0; i < f->n_problems && w->n_notes < NOTES_MAX; i++)
                w->notes[w->n_notes++] = xstrdup(f->problems[i]);
        log_notice("worker %s enlisted: %u slots", w->name, w->has.slots);
        tell_capacity(s);
}

static void on_worker_gone(void *userdata, struct link *link) {
        struct shell *s = userdata;
        struct worker *w = worker_of(s, link);
        struct bytes key;
        void *value;
        size_t cursor = 0;

        if (!w || !s->core)
                return;
        /* No warning: every orderly stop comes by here, and who supervises tells of a crash. */
        log_notice("worker %s is gone", w->name);
        while (map_next(s->runs, &cursor, &key, &value))
                if (((struct run *) value)->worker == w)
                        ((struct run *) value)->worker = NULL;
        worker_free(w);
        tell_capacity(s);
}

/* ---- Runs ---- */

static void executor_ended(struct run *x) {
        if (!x->is_executing)
                return;
        x->is_executing = false;
        x->shell->gauges.slots_busy--;
        if (!x->worker)
                return;
        x->worker->has.busy--;
        x->worker->has.taken -= x->memory;
}

static void run_free(struct run *x) {
        executor_ended(x);
        for (size_t i = 0; i < x->n_pins; i++)
                store_unpin(x->shell->store, &x->pins[i]);
        if (map_get_u64(x->shell->runs, x->id) == x)
                map_remove_u64(x->shell->runs, x->id);
        frame_reader_done(&x->frames);
        buffer_done(&x->out);
        free(x);
}

static void return_credit(struct run *x) {
        if (x->reports > 0 || x->units == 0 || !x->channel)
                return;
        channel_consumed(x->channel, x->units);
        x->units = 0;
}

/* The body's field number alone, to know when the executor has left its slot. */
static bool is_last_of_executor(struct bytes report) {
        return report.len > 0 && report.data[0] >> 3 != WORKER__REPORT__BODY_STARTED &&
               report.data[0] >> 3 != WORKER__REPORT__BODY_PROGRESS;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct run *x = userdata;
        struct shell *s = x->shell;
        uint64_t id = x->id;
        struct bytes frame;
        int r;

        if (map_get_u64(s->runs, id) != x) {
                channel_consumed(c, 1);
                return;
        }
        x->units++;
        while ((r = frame_reader_next(&x->frames, &data, &frame)) == FRAME_OK) {
                if (is_last_of_executor(frame))
                        executor_ended(x);
                x->reports++;
                coordinator_report(s->core, id, frame, shell_now(s));
                shell_turn(s);
                if (map_get_u64(s->runs, id) != x)
                        return;
        }
        if (r != FRAME_E_MORE) {
                log_warning("worker sent what is not a report; its run is given up");
                channel_reset(c, RPC_E_MALFORMED, "not a report");
                run_free(x);
                coordinator_run_lost(s->core, id, shell_now(s));
                shell_turn(s);
                return;
        }
        return_credit(x);
}

static void flush(struct run *x) {
        while (x->out.len > 0) {
                size_t n = x->out.len < CHANNEL_UNIT ? x->out.len : CHANNEL_UNIT;

                if (channel_send(x->channel, BYTES(x->out.data, n)) != CHANNEL_OK)
                        return;
                buffer_consume(&x->out, n);
        }
        if (x->is_released)
                (void) channel_finish(x->channel);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        flush(userdata);
}

static void on_writable(struct channel *c, void *userdata) {
        flush(userdata);
}

static void on_finish(struct channel *c, void *userdata) {
        struct run *x = userdata;

        x->is_released = true;
        flush(x);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct run *x = userdata;
        struct shell *s = x->shell;
        uint64_t id = x->id;
        bool is_known = map_get_u64(s->runs, id) == x;

        if (code)
                log_info("run ended by its worker: code %u \"%s\"", code, text);
        run_free(x);
        if (is_known) {
                coordinator_run_lost(s->core, id, shell_now(s));
                shell_turn(s);
        }
}

static const struct channel_handler run_handler = { .on_accepted = on_accepted,
                                                    .on_data = on_data,
                                                    .on_writable = on_writable,
                                                    .on_finish = on_finish,
                                                    .on_end = on_end };

static bool can_run(const struct worker *w, const char *engine) {
        if (!engine[0])
                return true;
        for (size_t i = 0; i < w->n_engines; i++)
                if (strcmp(w->engines[i], engine) == 0)
                        return true;
        return false;
}

static struct worker *choose(struct shell *s, const char *engine, uint64_t memory) {
        struct worker *best = NULL;

        LIST_FOREACH (l, &s->workers) {
                struct worker *w = LIST_ENTRY(l, struct worker, in_shell);

                if (can_run(w, engine) &&
                    (!best || governor_is_better(&w->has, &best->has, memory)))
                        best = w;
        }
        return best;
}

struct link *shell_worker_for(struct shell *s, const char *engine, uint64_t memory,
                              const char **ret_class) {
        const char *classes[ENGINES_MAX];
        size_t n = shell_engines(s, classes, ENGINES_MAX);
        struct worker *w = NULL;

        for (size_t i = 0; i < n && !w; i++) {
                *ret_class = classes[i];
                if (strncmp(classes[i], engine, strlen(engine)) == 0)
                        w = choose(s, classes[i], memory);
        }
        return w ? w->link : NULL;
}

static struct run *run_new(struct shell *s, struct worker *w, uint64_t id, uint64_t memory,
                           const struct hash_value *pins, size_t n) {
        struct run *x = xnew(struct run);

        x->shell = s;
        x->worker = w;
        x->id = id;
        frame_reader_init(&x->frames, LANE_BATCH_MAX);
        buffer_init(&x->out, 64u << 10);
        x->is_executing = true;
        x->n_pins = n;
        if (n > 0)
                memcpy(x->pins, pins, n * sizeof(*pins));
        x->memory = memory;
        w->has.busy++;
        w->has.taken += memory;
        s->gauges.slots_busy++;
        s->counters.runs++;
        map_set_u64(s->runs, id, x);
        return x;
}

void shell_run_open(struct shell *s, uint64_t id, struct bytes packed, const Worker__Job *job,
                    const struct hash_value *pins, size_t n) {
        uint64_t memory = job->limits ? job->limits->memory : 0;
        struct worker *w = choose(s, job->engine, memory);
        struct run *x = NULL;

        if (w) {
                x = run_new(s, w, id, memory, pins, n);
                x->channel = channel_open(w->link, "job", packed, &run_handler, x);
        }
        if (x && x->channel)
                return;
        if (x)
                run_free(x);
        for (size_t i = 0; !x && i < n; i++)
                store_unpin(s->store, &pins[i]);
        coordinator_run_lost(s->core, id, shell_now(s));
}

void shell_do_work_fetch(struct shell *s, struct action *a) {
        struct run *x = map_get_u64(s->runs, a->id);

        if (!x)
                return;
        frame_put(&x->out, refbuf_bytes(a->data));
        if (x->out.failed)
                log_error("a run was asked for more than it can be told");
        flush(x);
}

void shell_do_work_consumed(struct shell *s, struct action *a) {
        struct run *x = map_get_u64(s->runs, a->id);

        if (!x)
                return;
        x->reports -= a->n < x->reports ? a->n : x->reports;
        return_credit(x);
}

/* The core forgets it at once; the channel goes on until the worker agreed. */
void shell_do_work_release(struct shell *s, struct action *a) {
        struct run *x = map_get_u64(s->runs, a->id);

        if (!x) {
                (void) shell_import_cancel(s, a->id);
                return;
        }
        map_remove_u64(s->runs, a->id);
        x->is_released = true;
        x->reports = 0;
        return_credit(x);
        flush(x);
}

void shell_do_work_cancel(struct shell *s, struct action *a) {
        struct run *x = map_get_u64(s->runs, a->id);

        if (!x) {
                (void) shell_import_cancel(s, a->id);
                return;
        }
        channel_reset(x->channel, 0, "cancelled");
        run_free(x);
}

/* ---- Life ---- */

int shell_workers_start(struct shell *s) {
        int r;

        s->jobs_rpc = rpc_server_new(s->loop, &s->services[2].base, 0);
        rpc_server_watch(s->jobs_rpc, NULL, on_worker_gone, s);
        r = bus_serve(s->ctx, "coordinator/jobs", s->jobs_rpc, NULL, &s->jobs_bus);
        return r ? log_fault(r, "cannot serve coordinator/jobs: was its socket passed down?") : 0;
}

void shell_workers_stop(struct shell *s) {
        struct bytes key;
        void *value;
        size_t cursor = 0;

        shell_imports_stop(s);
        while (s->runs && map_next(s->runs, &cursor, &key, &value)) {
                struct run *x = value;

                channel_reset(x->channel, 0, "coordinator is stopping");
                run_free(x);
        }
        LIST_FOREACH_SAFE (l, &s->workers)
                worker_free(LIST_ENTRY(l, struct worker, in_shell));
        s->jobs_bus = bus_server_free(s->jobs_bus);
        s->jobs_rpc = rpc_server_free(s->jobs_rpc);
}
