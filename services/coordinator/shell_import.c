#include "services/coordinator/shell_import.h"

#include <errno.h>
#include <inttypes.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/outcome.h"
#include "common/daemon/log.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/data/derived.h"
#include "services/coordinator/engines.h"
#include "services/coordinator/lane.h"
#include "services/coordinator/shell_actions.h"
#include "services/coordinator/shell_dataset.h"
#include "services/coordinator/shell_waiting.h"
#include "services/coordinator/shell_workers.h"

#define RETRY      (20 * NSEC_PER_MSEC)
#define SLOT_WAIT  (60 * NSEC_PER_SEC)
#define CODEC_NONE 0
/* A few packed bytes can stand for any number of rows. */
#define GROWS_BY   32
#define GROWS_FREE (UINT64_C(16) << 20)

struct import {
        struct list in_shell;
        struct shell *shell;
        uint64_t number;
        struct hash_value source;
        struct list waiting; /* never empty */
        struct loop_source *retry;
        struct channel *channel;
        struct frame_reader frames;
        struct upload *upload;
        bool is_needed;          /* SQLite does not read that format by itself */
        struct import_room room; /* it was begun with */
        bool is_again;           /* with that of the narrowest */
        char class[ENGINE_TEXT_SIZE];
        nsec_t began;
};

/* ---- The end of an import ---- */

static void import_free(struct import *i) {
        if (i->channel)
                channel_reset(i->channel, 0, "done");
        list_remove(&i->in_shell);
        loop_source_free(i->retry);
        frame_reader_done(&i->frames);
        upload_free(i->upload);
        free(i);
}

static void go_on(struct waiting *w);

/* Nobody waits for it any more; those who did are in `ret`. */
static void import_end(struct import *i, struct list *ret) {
        struct list *l;

        list_init(ret);
        while ((l = list_first(&i->waiting))) {
                list_remove(l);
                list_push_back(ret, l);
        }
        import_free(i);
}

static struct waiting *take_waiting(struct list *waiting) {
        struct list *l = list_first(waiting);

        if (!l)
                return NULL;
        list_remove(l);
        list_init(l);
        return LIST_ENTRY(l, struct waiting, link);
}

static void import_made(struct import *i, const struct hash_value *made) {
        struct hash_value source = i->source;
        struct list waiting;
        struct waiting *w;

        import_end(i, &waiting);
        while ((w = take_waiting(&waiting))) {
                waiting_made(w, &source, made);
                go_on(w);
        }
}

/* There is no room for it: jobs read the file themselves. */
static void import_direct(struct import *i) {
        struct hash_value source = i->source;
        struct list waiting;
        struct waiting *w;

        import_end(i, &waiting);
        while ((w = take_waiting(&waiting))) {
                waiting_as_it_is(w, &source);
                go_on(w);
        }
}

static void import_lost(struct import *i) {
        struct shell *s = i->shell;
        struct list waiting;
        struct waiting *w;

        import_end(i, &waiting);
        while ((w = take_waiting(&waiting))) {
                uint64_t id = w->id;

                waiting_free(w);
                coordinator_run_lost(s->core, id, shell_now(s));
        }
}

/* What one run is told; it goes on where the failure is an answer to it, or none. */
static void fail_one(struct waiting *w, const struct hash_value *source, Types__Problem *problem) {
        if (!import_failure_is_answer(problem->code, problem->detail)) {
                waiting_fail_import(w, source, problem);
                return;
        }
        waiting_faulty(w, source, problem->text);
        go_on(w);
}

static void import_failed(struct import *i, Types__Problem *problem) {
        struct hash_value source = i->source;
        struct list waiting;
        struct waiting *w;

        import_end(i, &waiting);
        while ((w = take_waiting(&waiting)))
                fail_one(w, &source, problem);
}

/* It took all that it was given. Who may take more tries again. */
static void import_ran_out(struct import *i, Types__Problem *problem) {
        struct import_room room = i->room;
        struct hash_value source = i->source;
        struct list waiting;
        struct waiting *w;

        import_end(i, &waiting);
        while ((w = take_waiting(&waiting))) {
                struct import_room own = waiting_room(w);

                if (import_room_is_more(&own, &room))
                        go_on(w);
                else
                        waiting_fail_import(w, &source, problem);
        }
}

/* ---- What was made, into the store ---- */

/* For the next run of the same data. */
static void remember(const struct import *i, const Types__Problem *p) {
        struct shell *s = i->shell;
        CLEANUP(freep) struct import_fault *f = xnew(struct import_fault);

        f->source = i->source;
        f->code = p->code;
        (void) snprintf(f->class, sizeof(f->class), "%s", i->class);
        (void) snprintf(f->detail, sizeof(f->detail), "%s", p->detail);
        (void) snprintf(f->text, sizeof(f->text), "%s", p->text);
        import_faults_add(s->import_faults, f, shell_now(s));
}

/* Without room for it a job reads the file into its own memory, as it would without a store. */
static void no_room(struct import *i, const char *detail, const char *why) {
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = OUTCOME_LIMIT;
        p.detail = (char *) detail;
        p.text = (char *) why;
        p.position = -1;
        log_notice("an import is not kept: %s%s", why,
                   i->is_needed ? "" : "; its jobs read the file into their memory");
        i->shell->counters.imports_unkept++;
        if (i->is_needed)
                import_failed(i, &p);
        else
                import_direct(i);
}

static void store_failed(struct import *i, int r) {
        if (r == STORE_E_QUOTA)
                no_room(i, "which=data", "the dataset cache is full of data in use");
        else if (r == STORE_E_DISK)
                no_room(i, "which=disk", "the disk is full");
        else
                import_lost(i);
}

/* Our own code reads CSV and NDJSON alike, whatever the executor it runs in. */
static const char *reader_class(const struct import *i) {
        return i->is_needed ? i->class : "";
}

static void describe(struct import *i, const struct manifest *source) {
        CLEANUP(buffer_donep) struct buffer options = {};
        char version[IMPORT_VERSION_MAX + 1];
        const struct derived d = { i->source, BYTES_STR(import_version(reader_class(i), version)) };

        buffer_init(&options, MANIFEST_SIZE_MAX);
        derived_encode(&d, &options);
        upload_describe(i->upload, buffer_bytes(&options), BYTES_NONE);
        upload_salt(i->upload, source->salt);
}

static const Types__Problem too_large = {
        .base = PROTOBUF_C_MESSAGE_INIT(&types__problem__descriptor),
        .code = OUTCOME_LIMIT,
        .detail = (char *) "which=import",
        .text = (char *) "as a SQLite file it is too large for what it is made of, or for [host] "
                         "input-size; ask hosts with DuckDB",
        .position = -1,
};

static bool is_too_large(const struct import *i, const struct manifest *source, uint64_t bytes) {
        uint64_t most = i->shell->config->input_size;

        return bytes > most || bytes / GROWS_BY > source->length + GROWS_FREE / GROWS_BY;
}

static void on_committed(struct import *i, const Worker__Report *r) {
        static const uint8_t no_secret[DATA_SALT_SIZE];
        CLEANUP(buffer_donep) struct buffer fetch = {}, framed = {}, manifest = {};
        Worker__Fetch all = WORKER__FETCH__INIT;
        struct shell *s = i->shell;
        struct manifest source;
        int result;

        if (i->upload || !dataset_facts(s, &i->source, &manifest, &source)) {
                import_lost(i);
                return;
        }
        if (is_too_large(i, &source, r->committed->bytes)) {
                remember(i, &too_large);
                no_room(i, too_large.detail, too_large.text);
                return;
        }
        result = upload_begin(s->store, BYTES_LIT(IMPORT_FORMAT), r->committed->bytes, no_secret,
                              &i->upload);
        if (result) {
                store_failed(i, result);
                return;
        }
        describe(i, &source);
        buffer_init(&fetch, 64);
        buffer_init(&framed, 64);
        wire_pack(&fetch, &all.base);
        frame_put(&framed, buffer_bytes(&fetch));
        if (channel_send(i->channel, buffer_bytes(&framed)) != CHANNEL_OK)
                import_lost(i);
}

static void on_batch(struct import *i, const Worker__Report *r) {
        const Worker__Batch *b = r->batch;
        int result = i->upload && b->codec == CODEC_NONE
                             ? upload_write(i->upload, BYTES(b->data.data, b->data.len))
                             : error_origin(-EPROTO);

        if (result)
                store_failed(i, result);
}

static void on_fetched(struct import *i, const Worker__Report *r) {
        struct shell *s = i->shell;
        struct hash_value made;
        int result = i->upload ? upload_finish(i->upload, &made) : error_origin(-EPROTO);

        if (result) {
                store_failed(i, result);
                return;
        }
        if (store_set_import(s->store, &i->source, &made, reader_class(i)))
                log_warning("an import is not noted; it will be made again");
        s->counters.imports++;
        s->gauges.cache_bytes = store_used(s->store);
        log_info("imported a dataset in %" PRIu64 " ms",
                 (uint64_t) (nsec_sub(shell_now(s), i->began) / NSEC_PER_MSEC));
        import_made(i, &made);
        store_unpin(s->store,
                    &made); /* upload_finish() pinned it; those who use it have their own */
}

static void on_failed(struct import *i, const Worker__Report *r) {
        Types__Problem *p = r->failed->problem;
        enum import_failure failure = p ? import_failure_of(p->code, p->detail) : IMPORT_BY_CHANCE;

        if (failure == IMPORT_BY_DATA)
                remember(i, p);
        if (!p)
                import_lost(i);
        else if (failure == IMPORT_BY_ROOM)
                import_ran_out(i, p);
        else if (p->code == OUTCOME_LIMIT)
                no_room(i, p->detail, p->text);
        else
                import_failed(i, p);
}

/* So that nobody takes the host for silent. */
static void on_progress(struct import *i, const Worker__Report *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Progress p = WORKER__PROGRESS__INIT;

        p.cpu_us = r->progress->cpu_us;
        p.bytes = r->progress->bytes;
        p.imports = true;
        m.body_case = WORKER__REPORT__BODY_PROGRESS;
        m.progress = &p;
        LIST_FOREACH_SAFE (l, &i->waiting)
                waiting_tell(LIST_ENTRY(l, struct waiting, link), &m);
}

/* ---- The executor's words ---- */

static const struct {
        Worker__Report__BodyCase which;
        bool goes_on; /* afterwards the import may be there no more */
        void (*fn)(struct import *i, const Worker__Report *r);
} reports[] = {
        { WORKER__REPORT__BODY_PROGRESS, true, on_progress },
        { WORKER__REPORT__BODY_COMMITTED, false, on_committed },
        { WORKER__REPORT__BODY_BATCH, false, on_batch },
        { WORKER__REPORT__BODY_END, false, on_fetched },
        { WORKER__REPORT__BODY_FAILED, false, on_failed },
};

/* Not by its address: the next one may be there. */
static bool is_there(const struct shell *s, uint64_t number) {
        LIST_FOREACH (l, &s->imports)
                if (LIST_ENTRY(l, struct import, in_shell)->number == number)
                        return true;
        return false;
}

static void take_frame(struct import *i, struct bytes frame) {
        static const struct unpack_limits limits = { 6, 4096, 16, LANE_BATCH_MAX + (1u << 20) };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Report *r;

        if (wire_unpack(&worker__report__descriptor, frame, &limits, &u)) {
                import_lost(i);
                return;
        }
        r = u.message;
        for (size_t k = 0; k < ELEMENTSOF(reports); k++)
                if (reports[k].which == r->body_case) {
                        reports[k].fn(i, r);
                        return;
                }
        import_lost(i);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct import *i = userdata;
        struct shell *s = i->shell;
        uint64_t number = i->number;
        struct bytes frame;
        int r;

        channel_consumed(c, 1);
        while ((r = frame_reader_next(&i->frames, &data, &frame)) == FRAME_OK) {
                take_frame(i, frame);
                if (!is_there(s, number))
                        break;
        }
        if (r != FRAME_OK && r != FRAME_E_MORE)
                import_lost(i);
        shell_turn(s);
}

static void again(struct import *i) {
        if (loop_timer_set(i->retry, nsec_add(shell_now(i->shell), RETRY)) < 0)
                import_lost(i);
}

/* The runs that wait have their slots; the worker may be about to give one back. */
static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct import *i = userdata;
        struct shell *s = i->shell;

        i->channel = NULL;
        if (code == RPC_E_BUSY && nsec_sub(shell_now(s), i->began) < SLOT_WAIT) {
                again(i);
                return;
        }
        log_info("import ended by its worker: code %u \"%s\"", code, text);
        import_lost(i);
        shell_turn(s);
}

static const struct channel_handler handler = { .on_data = on_data, .on_end = on_end };

/* ---- The start ---- */

/* Under a name of its own: whoever comes first is neither to spoil it for the others, nor to be
 * named to them. */
static struct channel *open_channel(struct import *i, struct link *worker,
                                    const Worker__Source *source) {
        Worker__Source input = *source, *inputs = &input;
        Worker__Job job = WORKER__JOB__INIT;
        Types__Limits limits = TYPES__LIMITS__INIT;

        i->room = waiting_rooms(&i->waiting, i->is_again);
        limits.memory = i->room.memory;
        limits.cpu_ms = i->room.cpu_ms;
        limits.wall_ms = i->room.wall_ms;
        input.name = (char *) IMPORT_NAME;
        job.mode = WORKER__JOB__MODE__IMPORT;
        job.engine = i->class;
        job.inputs = &inputs;
        job.n_inputs = 1;
        job.limits = &limits;
        return channel_open_message(worker, "job", &job, &handler, i);
}

static int on_try(void *userdata) {
        struct import *i = userdata;
        struct shell *s = i->shell;
        struct waiting *w = LIST_ENTRY(list_first(&i->waiting), struct waiting, link);
        const Worker__Source *source = waiting_source(w, &i->source);
        const char *class = "";
        struct link *worker =
                source ? shell_worker_for(s, engine_importer(source->format),
                                          waiting_rooms(&i->waiting, i->is_again).memory, &class)
                       : NULL;

        if (source && !worker) { /* the executor says what is missing, or reads it itself */
                import_direct(i);
                shell_turn(s);
                return 0;
        }
        if (source) {
                (void) snprintf(i->class, sizeof(i->class), "%s", class);
                i->channel = open_channel(i, worker, source);
        }
        if (!i->channel) {
                import_lost(i);
                shell_turn(s);
        }
        return 0;
}

static struct import *import_of(struct shell *s, const struct hash_value *source) {
        LIST_FOREACH (l, &s->imports) {
                struct import *i = LIST_ENTRY(l, struct import, in_shell);

                if (hash_equal(&i->source, source))
                        return i;
        }
        return NULL;
}

static bool is_needed(const struct waiting *w, const Worker__Source *in) {
        return !engine_reads(w->job->engine, in->format);
}

/* An import of it has failed before, and would again. True: that is what `w` was told. */
static bool is_known_to_fail(struct waiting *w, const struct hash_value *source) {
        struct shell *s = w->shell;
        const Worker__Source *in = waiting_source(w, source);
        const struct import_fault *found = NULL;
        const char *class = "";
        CLEANUP(freep) struct import_fault *f = NULL;
        Types__Problem p = TYPES__PROBLEM__INIT;

        if (shell_worker_for(s, engine_importer(in->format), 0, &class))
                found = import_faults_find(s->import_faults, source, class, shell_now(s));
        if (!found)
                return false;
        f = xmemdup(found, sizeof(*found)); /* going on may forget it */
        s->counters.imports_known++;
        p.code = f->code;
        p.detail = f->detail;
        p.text = f->text;
        p.position = -1;
        if (p.code == OUTCOME_LIMIT && !is_needed(w, in)) {
                waiting_as_it_is(w, source);
                go_on(w);
        } else {
                fail_one(w, source, &p);
        }
        return true;
}

static void join(struct waiting *w, const struct hash_value *source) {
        struct shell *s = w->shell;
        struct import *i = import_of(s, source);

        if (i) {
                list_push_back(&i->waiting, &w->link);
                return;
        }
        if (is_known_to_fail(w, source))
                return;
        i = xnew(struct import);
        i->shell = s;
        i->number = ++s->next_number;
        i->source = *source;
        i->is_needed = is_needed(w, waiting_source(w, source));
        i->began = shell_now(s);
        list_init(&i->waiting);
        frame_reader_init(&i->frames, LANE_BATCH_MAX);
        list_push_back(&s->imports, &i->in_shell);
        list_push_back(&i->waiting, &w->link);
        if (loop_add_timer(s->loop, on_try, i, &i->retry) || loop_timer_set(i->retry, i->began) < 0)
                import_lost(i);
}

static void go_on(struct waiting *w) {
        size_t i = waiting_look_up(w);
        struct hash_value source;

        if (i == w->job->n_inputs) {
                waiting_hand_over(w);
                return;
        }
        source = waiting_root(w->job->inputs[i]);
        join(w, &source);
}

void shell_do_work(struct shell *s, struct action *a) {
        struct waiting *w = waiting_new(s, a->id, refbuf_bytes(a->data));

        if (w)
                go_on(w);
        else
                coordinator_run_lost(s->core, a->id, shell_now(s));
}

static void begin_again(struct import *i) {
        i->shell->counters.imports_again++;
        i->is_again = true;
        i->began = shell_now(i->shell); /* the executor of before may need a while to go */
        LIST_FOREACH (l, &i->waiting)
                LIST_ENTRY(l, struct waiting, link)->was_again = true;
        if (i->channel)
                channel_reset(i->channel, 0, "again");
        i->channel = NULL;
        frame_reader_done(&i->frames);
        frame_reader_init(&i->frames, LANE_BATCH_MAX);
        again(i);
}

static void left(struct import *i) {
        struct import_course course = {
                .has = i->room,
                .was_again = i->is_again,
                .is_fetched = i->upload,
        };

        if (list_is_empty(&i->waiting)) {
                import_free(i);
                return;
        }
        course.rest = waiting_rooms(&i->waiting, false);
        LIST_FOREACH (l, &i->waiting)
                course.was_again |= LIST_ENTRY(l, struct waiting, link)->was_again;
        if (i->channel && import_begins_again(&course))
                begin_again(i);
}

bool shell_import_cancel(struct shell *s, uint64_t run) {
        LIST_FOREACH (l, &s->imports) {
                struct import *i = LIST_ENTRY(l, struct import, in_shell);

                LIST_FOREACH (k, &i->waiting) {
                        struct waiting *w = LIST_ENTRY(k, struct waiting, link);

                        if (w->id != run)
                                continue;
                        waiting_free(w);
                        left(i);
                        return true;
                }
        }
        return false;
}

void shell_imports_stop(struct shell *s) {
        struct list *l, *k;

        while ((l = list_first(&s->imports))) {
                struct import *i = LIST_ENTRY(l, struct import, in_shell);

                while ((k = list_first(&i->waiting)))
                        waiting_free(LIST_ENTRY(k, struct waiting, link));
                import_free(i);
        }
}
