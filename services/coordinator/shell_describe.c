#include "services/coordinator/shell_describe.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/shell_workers.h"

#define MEMORY      (UINT64_C(64) << 20) /* the readers keep a row, no more */
#define WALL_MS     UINT64_C(600000)
#define RETRY       (20 * NSEC_PER_MSEC)
#define WORKER_WAIT (5 * NSEC_PER_SEC) /* a node that has just started has none yet */
#define SLOT_WAIT   (60 * NSEC_PER_SEC)
#define REPORT_MAX  (1u << 20)

struct description {
        struct shell *shell;
        struct description_of of;
        description_fn fn;
        void *userdata;
        struct loop_source *retry;
        struct channel *channel;
        struct frame_reader frames;
        nsec_t began;
        uint64_t memory;
        bool has_slot;
};

static void give_slot(struct description *d) {
        if (d->has_slot)
                coordinator_slot_give(d->shell->core, d->memory);
        d->has_slot = false;
}

struct description *description_free(struct description *d) {
        if (!d)
                return NULL;
        if (d->channel)
                channel_reset(d->channel, 0, "done");
        give_slot(d);
        loop_source_free(d->retry);
        frame_reader_done(&d->frames);
        free(d);
        return NULL;
}

/* fn frees it, as a rule: nothing of it is touched afterwards. */
static void fail(struct description *d, unsigned code, const char *detail, const char *text) {
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = code;
        p.detail = (char *) detail;
        p.text = (char *) text;
        p.position = -1;
        d->fn(d->userdata, NULL, &p);
}

static void again(struct description *d) {
        give_slot(d);
        if (loop_timer_set(d->retry, nsec_add(shell_now(d->shell), RETRY)) < 0)
                fail(d, OUTCOME_INTERNAL, "what=timer", "");
}

/* ---- the worker's words ---- */

static void take_report(struct description *d, const Worker__Report *r) {
        if (r->body_case == WORKER__REPORT__BODY_DESCRIBED)
                d->fn(d->userdata, r->described, NULL);
        else if (r->body_case == WORKER__REPORT__BODY_FAILED && r->failed->problem)
                d->fn(d->userdata, NULL, r->failed->problem);
        else
                fail(d, OUTCOME_INTERNAL, "what=worker-report", "");
}

/* True: it is over, and d perhaps gone. */
static bool take_frame(struct description *d, struct bytes frame) {
        CLEANUP(unpacked_donep) struct unpacked m = {};
        const Worker__Report *r;

        if (wire_unpack(&worker__report__descriptor, frame, NULL, &m)) {
                fail(d, OUTCOME_INTERNAL, "what=worker-report", "");
                return true;
        }
        r = m.message;
        if (r->body_case == WORKER__REPORT__BODY_PROGRESS ||
            r->body_case == WORKER__REPORT__BODY_STARTED)
                return false;
        take_report(d, r);
        return true;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct description *d = userdata;
        struct bytes frame;
        int r;

        channel_consumed(c, 1);
        while ((r = frame_reader_next(&d->frames, &data, &frame)) == FRAME_OK)
                if (take_frame(d, frame))
                        return;
        if (r != FRAME_E_MORE)
                fail(d, OUTCOME_INTERNAL, "what=worker-report", "");
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct description *d = userdata;

        d->channel = NULL;
        if (code == RPC_E_BUSY && nsec_sub(shell_now(d->shell), d->began) < SLOT_WAIT) {
                again(d);
                return;
        }
        log_info("description ended by its worker: code %u \"%s\"", code, text);
        fail(d, OUTCOME_INTERNAL, "what=worker-lost", "");
}

static const struct channel_handler handler = { .on_data = on_data, .on_end = on_end };

/* ---- the job ---- */

static void open_job(struct description *d, struct link *worker, const char *class) {
        Worker__Job job = WORKER__JOB__INIT;
        Worker__Source source = WORKER__SOURCE__INIT, *sources[] = { &source };
        Types__Limits limits = TYPES__LIMITS__INIT;

        source.name = (char *) "data";
        source.format = (char *) d->of.format;
        source.path = (char *) d->of.path;
        source.length = d->of.length;
        limits.memory = d->memory;
        limits.wall_ms = limits.cpu_ms = WALL_MS;
        job.mode = WORKER__JOB__MODE__DESCRIBE;
        job.engine = (char *) class;
        job.inputs = sources;
        job.n_inputs = 1;
        job.limits = &limits;
        d->channel = channel_open_message(worker, "job", &job, &handler, d);
        if (!d->channel)
                again(d);
}

/* Whether it is of no use to wait for a worker; then the end was told. */
static bool is_hopeless(struct description *d, nsec_t waited) {
        const char *any;

        if (d->of.engine[0] && shell_worker_for(d->shell, "", 0, &any)) {
                fail(d, OUTCOME_REFUSED, "rule=format",
                     "no worker of this node has the engine that reads it; give the node one with "
                     "DuckDB, or a CSV, NDJSON or SQLite file");
                return true;
        }
        if (waited <= WORKER_WAIT)
                return false;
        fail(d, OUTCOME_INTERNAL, "what=no-worker", "");
        return true;
}

/* One try: a worker that has the engine, and a slot. */
static int on_try(void *userdata) {
        struct description *d = userdata;
        nsec_t waited = nsec_sub(shell_now(d->shell), d->began);
        const char *class = "";
        struct link *worker = shell_worker_for(d->shell, d->of.engine, MEMORY, &class);

        if (!worker && is_hopeless(d, waited))
                return 0;
        if (waited > SLOT_WAIT) {
                fail(d, OUTCOME_LIMIT, "which=slots", "the node is too busy; try again later");
                return 0;
        }
        d->memory = MEMORY;
        d->has_slot = worker && coordinator_slot_take(d->shell->core, &d->memory) == GOVERNOR_OK;
        if (d->has_slot)
                open_job(d, worker, class);
        else
                again(d);
        return 0;
}

struct description *description_new(struct shell *s, const struct description_of *of,
                                    description_fn fn, void *userdata) {
        struct description *d = xnew(struct description);

        d->shell = s;
        d->of = *of;
        d->fn = fn;
        d->userdata = userdata;
        d->began = shell_now(s);
        frame_reader_init(&d->frames, REPORT_MAX);
        if (loop_add_timer(s->loop, on_try, d, &d->retry) || loop_timer_set(d->retry, d->began) < 0)
                return description_free(d);
        return d;
}
