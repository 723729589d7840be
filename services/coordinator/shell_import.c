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
#include "services/coordinator/shell_workers.h"

#define MEMORY     (UINT64_C(64) << 20) /* a row, a page of each level, and what stands around them */
#define WALL_MS    UINT64_C(3600000)
#define RETRY      (20 * NSEC_PER_MSEC)
#define SLOT_WAIT  (60 * NSEC_PER_SEC)
#define INPUTS_MAX DESCRIPTOR_DATASETS_MAX
#define CODEC_NONE 0
/* A few packed bytes can stand for any number of rows. */
#define GROWS_BY   32
#define GROWS_FREE (UINT64_C(16) << 20)

/* A run whose job cannot be handed to a worker yet. */
struct waiting {
        struct list link; /* in an import */
        struct shell *shell;
        uint64_t id;
        struct unpacked message;
        Worker__Job *job;
        struct hash_value made[INPUTS_MAX]; /* pinned */
        enum { AS_IT_IS, IMPORTED, UNKNOWN } how[INPUTS_MAX];
};

struct import {
        struct list in_shell;
        struct shell *shell;
        struct hash_value source;
        struct list waiting; /* never empty */
        struct loop_source *retry;
        struct channel *channel;
        struct frame_reader frames;
        struct upload *upload;
        bool is_needed; /* SQLite does not read that format by itself */
        nsec_t began;
};

/* ---- What a run needs ---- */

static bool is_imported(const Worker__Job *job, const Worker__Source *in) {
        return job->mode == WORKER__JOB__MODE__RUN && engine_imports(job->engine, in->format) &&
               in->path[0] && in->root.len == HASH_SIZE;
}

static struct hash_value root_of(const Worker__Source *in) {
        struct hash_value root;

        memcpy(root.bytes, in->root.data, HASH_SIZE);
        return root;
}

static bool use(struct waiting *w, size_t i, const struct hash_value *made) {
        if (store_pin(w->shell->store, made) != STORE_OK)
                return false;
        w->made[i] = *made;
        w->how[i] = IMPORTED;
        return true;
}

/* The first input that still has to be imported; its number, or n_inputs. */
static size_t look_up(struct waiting *w) {
        for (size_t i = 0; i < w->job->n_inputs; i++) {
                struct hash_value source, made;

                if (w->how[i] != UNKNOWN)
                        continue;
                source = root_of(w->job->inputs[i]);
                if (!store_import_of(w->shell->store, &source, &made) || !use(w, i, &made))
                        return i;
        }
        return w->job->n_inputs;
}

static void waiting_free(struct waiting *w) {
        for (size_t i = 0; i < INPUTS_MAX; i++)
                if (w->how[i] == IMPORTED)
                        store_unpin(w->shell->store, &w->made[i]);
        list_remove(&w->link);
        unpacked_done(&w->message);
        free(w);
}

/* The job as the worker gets it; its run takes over the pins. */
static void hand_over(struct waiting *w) {
        char names[INPUTS_MAX][STORE_NAME_SIZE];
        struct hash_value pins[INPUTS_MAX];
        CLEANUP(refbuf_unrefp) struct refbuf *packed = NULL;
        size_t n = 0;

        for (size_t i = 0; i < w->job->n_inputs; i++) {
                Worker__Source *in = w->job->inputs[i];

                if (w->how[i] != IMPORTED)
                        continue;
                in->imported = true;
                in->path = (char *) store_name(&w->made[i], names[i]);
                (void) store_length(w->shell->store, &w->made[i], &in->length);
                in->root = (ProtobufCBinaryData){ HASH_SIZE, w->made[i].bytes };
                pins[n++] = w->made[i];
        }
        packed = refbuf_alloc(worker__job__get_packed_size(w->job));
        worker__job__pack(w->job, packed->data);
        shell_run_open(w->shell, w->id, refbuf_bytes(packed), w->job->engine, pins, n);
        memset(w->how, 0, sizeof(w->how));
        waiting_free(w);
}

static void tell(struct waiting *w, Worker__Report *m) {
        struct refbuf *packed = refbuf_alloc(worker__report__get_packed_size(m));

        worker__report__pack(m, packed->data);
        coordinator_report(w->shell->core, w->id, refbuf_bytes(packed), shell_now(w->shell));
        refbuf_unref(packed);
}

static void fail(struct waiting *w, Types__Problem *problem) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;

        failed.problem = problem;
        m.body_case = WORKER__REPORT__BODY_FAILED;
        m.failed = &failed;
        tell(w, &m);
        waiting_free(w);
}

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

enum end { END_MADE, END_DIRECT, END_FAILED, END_LOST };

static void go_on(struct waiting *w);

/* Which of its inputs was waited for. */
static void settle(struct waiting *w, const struct hash_value *source,
                   const struct hash_value *made) {
        for (size_t k = 0; k < w->job->n_inputs; k++) {
                struct hash_value root;

                if (w->how[k] != UNKNOWN)
                        continue;
                root = root_of(w->job->inputs[k]);
                if (hash_equal(&root, source) && (!made || !use(w, k, made)))
                        w->how[k] = AS_IT_IS;
        }
}

/* END_MADE: `made` is there; END_DIRECT: there is no room for it, jobs read the file themselves;
 * END_FAILED: `problem`. */
static void import_end(struct import *i, enum end how, const struct hash_value *made,
                       Types__Problem *problem) {
        struct shell *s = i->shell;
        struct hash_value source = i->source;
        struct list waiting;
        struct list *l;

        list_init(&waiting);
        while ((l = list_first(&i->waiting))) {
                list_remove(l);
                list_push_back(&waiting, l);
        }
        import_free(i);
        while ((l = list_first(&waiting))) {
                struct waiting *w = LIST_ENTRY(l, struct waiting, link);
                uint64_t id = w->id;

                list_remove(l);
                list_init(l);
                if (how == END_MADE || how == END_DIRECT) {
                        settle(w, &source, how == END_MADE ? made : NULL);
                        go_on(w);
                } else if (how == END_FAILED) {
                        fail(w, problem);
                } else {
                        waiting_free(w);
                        coordinator_run_lost(s->core, id, shell_now(s));
                }
        }
}

/* ---- What was made, into the store ---- */

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
        import_end(i, i->is_needed ? END_FAILED : END_DIRECT, NULL, &p);
}

static void store_failed(struct import *i, int r) {
        if (r == STORE_E_QUOTA)
                no_room(i, "which=data", "the dataset cache is full of data in use");
        else if (r == STORE_E_DISK)
                no_room(i, "which=disk", "the disk is full");
        else
                import_end(i, END_LOST, NULL, NULL);
}

static void describe(struct import *i, const struct manifest *source) {
        CLEANUP(buffer_donep) struct buffer options = {};
        const struct derived d = { i->source, BYTES_LIT(IMPORT_VERSION) };

        buffer_init(&options, MANIFEST_SIZE_MAX);
        derived_encode(&d, &options);
        upload_describe(i->upload, buffer_bytes(&options), BYTES_NONE);
        upload_salt(i->upload, source->salt);
}

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
                import_end(i, END_LOST, NULL, NULL);
                return;
        }
        if (is_too_large(i, &source, r->committed->bytes)) {
                no_room(i, "which=import",
                        "as a SQLite file it is too large for what it is made of, or for [host] "
                        "input-size; ask hosts with DuckDB");
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
                import_end(i, END_LOST, NULL, NULL);
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
        if (store_set_import(s->store, &i->source, &made))
                log_warning("an import is not noted; it will be made again");
        s->counters.imports++;
        s->gauges.cache_bytes = store_used(s->store);
        log_info("imported a dataset in %" PRIu64 " ms",
                 (uint64_t) (nsec_sub(shell_now(s), i->began) / NSEC_PER_MSEC));
        import_end(i, END_MADE, &made, NULL);
        store_unpin(s->store,
                    &made); /* upload_finish() pinned it; those who use it have their own */
}

static void on_failed(struct import *i, const Worker__Report *r) {
        Types__Problem *p = r->failed->problem;

        if (!p)
                import_end(i, END_LOST, NULL, NULL);
        else if (p->code == OUTCOME_LIMIT)
                no_room(i, p->detail, p->text);
        else
                import_end(i, END_FAILED, NULL, p);
}

/* So that nobody takes the host for silent; rows and bytes would be those of the import. */
static void on_progress(struct import *i, const Worker__Report *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Progress p = WORKER__PROGRESS__INIT;

        p.cpu_us = r->progress->cpu_us;
        m.body_case = WORKER__REPORT__BODY_PROGRESS;
        m.progress = &p;
        LIST_FOREACH_SAFE (l, &i->waiting)
                tell(LIST_ENTRY(l, struct waiting, link), &m);
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

static bool is_there(const struct shell *s, const struct import *import) {
        LIST_FOREACH (l, &s->imports)
                if (LIST_ENTRY(l, struct import, in_shell) == import)
                        return true;
        return false;
}

static void take_frame(struct import *i, struct bytes frame) {
        static const struct unpack_limits limits = { 6, 4096, 16, LANE_BATCH_MAX + (1u << 20) };
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Worker__Report *r;

        if (wire_unpack(&worker__report__descriptor, frame, &limits, &u)) {
                import_end(i, END_LOST, NULL, NULL);
                return;
        }
        r = u.message;
        for (size_t k = 0; k < ELEMENTSOF(reports); k++)
                if (reports[k].which == r->body_case) {
                        reports[k].fn(i, r);
                        return;
                }
        import_end(i, END_LOST, NULL, NULL);
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct import *i = userdata;
        struct shell *s = i->shell;
        struct bytes frame;
        int r;

        channel_consumed(c, 1);
        while ((r = frame_reader_next(&i->frames, &data, &frame)) == FRAME_OK) {
                take_frame(i, frame);
                if (!is_there(s, i))
                        break;
        }
        if (r != FRAME_OK && r != FRAME_E_MORE)
                import_end(i, END_LOST, NULL, NULL);
        shell_turn(s);
}

static void again(struct import *i) {
        if (loop_timer_set(i->retry, nsec_add(shell_now(i->shell), RETRY)) < 0)
                import_end(i, END_LOST, NULL, NULL);
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
        import_end(i, END_LOST, NULL, NULL);
        shell_turn(s);
}

static const struct channel_handler handler = { .on_data = on_data, .on_end = on_end };

/* ---- The start ---- */

static Worker__Source *source_of(const struct waiting *w, const struct hash_value *root) {
        for (size_t i = 0; i < w->job->n_inputs; i++) {
                struct hash_value r;

                if (w->how[i] != UNKNOWN)
                        continue;
                r = root_of(w->job->inputs[i]);
                if (hash_equal(&r, root))
                        return w->job->inputs[i];
        }
        return NULL;
}

/* Another engine needs what the job may have, which was set aside for it. */
static uint64_t memory_of(const struct waiting *w) {
        uint64_t memory = w->job->limits ? w->job->limits->memory : 0;

        return memory > MEMORY ? memory : MEMORY;
}

static int on_try(void *userdata) {
        struct import *i = userdata;
        struct shell *s = i->shell;
        struct waiting *w = LIST_ENTRY(list_first(&i->waiting), struct waiting, link);
        Worker__Source *source = source_of(w, &i->source);
        Worker__Job job = WORKER__JOB__INIT;
        Types__Limits limits = TYPES__LIMITS__INIT;
        const char *class = "";
        struct link *worker =
                source ? shell_worker_for(s, engine_importer(source->format), &class) : NULL;

        if (source && !worker) { /* the executor says what is missing, or reads it itself */
                import_end(i, END_DIRECT, NULL, NULL);
                shell_turn(s);
                return 0;
        }
        if (source) {
                limits.memory = memory_of(w);
                limits.wall_ms = limits.cpu_ms = WALL_MS;
                job.mode = WORKER__JOB__MODE__IMPORT;
                job.engine = (char *) class;
                job.inputs = &source;
                job.n_inputs = 1;
                job.limits = &limits;
                i->channel = channel_open_message(worker, "job", &job, &handler, i);
        }
        if (!i->channel) {
                import_end(i, END_LOST, NULL, NULL);
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

static void join(struct waiting *w, const struct hash_value *source) {
        struct shell *s = w->shell;
        struct import *i = import_of(s, source);

        if (i) {
                list_push_back(&i->waiting, &w->link);
                return;
        }
        i = xnew(struct import);
        i->shell = s;
        i->source = *source;
        i->is_needed = !engine_reads(w->job->engine, source_of(w, source)->format);
        i->began = shell_now(s);
        list_init(&i->waiting);
        frame_reader_init(&i->frames, LANE_BATCH_MAX);
        list_push_back(&s->imports, &i->in_shell);
        list_push_back(&i->waiting, &w->link);
        if (loop_add_timer(s->loop, on_try, i, &i->retry) || loop_timer_set(i->retry, i->began) < 0)
                import_end(i, END_LOST, NULL, NULL);
}

static void go_on(struct waiting *w) {
        size_t i = look_up(w);
        struct hash_value source;

        if (i == w->job->n_inputs) {
                hand_over(w);
                return;
        }
        source = root_of(w->job->inputs[i]);
        join(w, &source);
}

void shell_do_work(struct shell *s, struct action *a) {
        struct waiting *w = xnew(struct waiting);

        w->shell = s;
        w->id = a->id;
        list_init(&w->link);
        if (wire_unpack(&worker__job__descriptor, refbuf_bytes(a->data), NULL, &w->message) ||
            ((const Worker__Job *) w->message.message)->n_inputs > INPUTS_MAX) {
                waiting_free(w);
                coordinator_run_lost(s->core, a->id, shell_now(s));
                return;
        }
        w->job = w->message.message;
        for (size_t i = 0; i < w->job->n_inputs; i++)
                w->how[i] = is_imported(w->job, w->job->inputs[i]) ? UNKNOWN : AS_IT_IS;
        go_on(w);
}

bool shell_import_cancel(struct shell *s, uint64_t run) {
        LIST_FOREACH (l, &s->imports) {
                struct import *i = LIST_ENTRY(l, struct import, in_shell);

                LIST_FOREACH (k, &i->waiting) {
                        struct waiting *w = LIST_ENTRY(k, struct waiting, link);

                        if (w->id != run)
                                continue;
                        waiting_free(w);
                        if (list_is_empty(&i->waiting))
                                import_free(i);
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
