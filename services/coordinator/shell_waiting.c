#include "services/coordinator/shell_waiting.h"

#include "common/base/memory.h"
#include "services/coordinator/engines.h"
#include "services/coordinator/shell_actions.h"
#include "services/coordinator/shell_workers.h"

/* ---- What a run needs ---- */

static bool imports(const Worker__Job *job, const Worker__Source *in) {
        return job->mode == WORKER__JOB__MODE__RUN && engine_imports(job->engine, in->format) &&
               in->path[0] && in->root.len == HASH_SIZE;
}

struct hash_value waiting_root(const Worker__Source *in) {
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

struct import_room waiting_room(const struct waiting *w) {
        const Types__Limits *l = w->job->limits;

        return l ? (struct import_room){ l->memory, l->cpu_ms, l->wall_ms }
                 : (struct import_room){};
}

struct import_room waiting_rooms(const struct list *waiting, bool is_narrow) {
        void (*fit)(struct import_room * room, const struct import_room *other) =
                is_narrow ? import_room_narrow : import_room_widen;
        struct import_room room =
                waiting_room(LIST_ENTRY(list_first(waiting), struct waiting, link));

        LIST_FOREACH (l, waiting) {
                struct import_room own = waiting_room(LIST_ENTRY(l, struct waiting, link));

                fit(&room, &own);
        }
        return room;
}

/* With a row that cannot be kept there is nothing more to find out: its answer is that error. */
static bool is_faulty(const struct waiting *w) {
        for (size_t i = 0; i < w->job->n_inputs; i++)
                if (w->how[i] == FAULTY)
                        return true;
        return false;
}

/* Made by what would make it now. After an engine's upgrade it is made anew: two builds may read
 * one file differently, and the newer one was perhaps installed for that. Where no build is here
 * none goes on with what another one read. */
static bool is_current(const struct waiting *w, const Worker__Source *in,
                       const struct hash_value *source) {
        const char *class = store_import_class(w->shell->store, source), *found = "";

        if (!class || !*class || engine_reads(w->job->engine, in->format))
                return class && !*class && engine_reads(w->job->engine, in->format);
        return !shell_worker_for(w->shell, engine_importer(in->format), 0, &found) ||
               (shell_worker_for(w->shell, class, 0, &found) && strcmp(found, class) == 0);
}

size_t waiting_look_up(struct waiting *w) {
        for (size_t i = 0; i < w->job->n_inputs && !is_faulty(w); i++) {
                struct hash_value source, made;

                if (w->how[i] != UNKNOWN)
                        continue;
                source = waiting_root(w->job->inputs[i]);
                if (!is_current(w, w->job->inputs[i], &source) ||
                    !store_import_of(w->shell->store, &source, &made) || !use(w, i, &made))
                        return i;
        }
        return w->job->n_inputs;
}

static bool is_of(const struct waiting *w, size_t i, const struct hash_value *source) {
        struct hash_value root;

        if (w->how[i] != UNKNOWN)
                return false;
        root = waiting_root(w->job->inputs[i]);
        return hash_equal(&root, source);
}

const Worker__Source *waiting_source(const struct waiting *w, const struct hash_value *source) {
        for (size_t i = 0; i < w->job->n_inputs; i++)
                if (is_of(w, i, source))
                        return w->job->inputs[i];
        return NULL;
}

void waiting_made(struct waiting *w, const struct hash_value *source,
                  const struct hash_value *made) {
        w->was_again = false; /* of this dataset's import it was */
        for (size_t i = 0; i < w->job->n_inputs; i++)
                if (is_of(w, i, source) && !use(w, i, made))
                        w->how[i] = AS_IT_IS;
}

void waiting_as_it_is(struct waiting *w, const struct hash_value *source) {
        for (size_t i = 0; i < w->job->n_inputs; i++)
                if (is_of(w, i, source))
                        w->how[i] = AS_IT_IS;
}

void waiting_faulty(struct waiting *w, const struct hash_value *source, const char *text) {
        for (size_t i = 0; i < w->job->n_inputs; i++) {
                if (!is_of(w, i, source))
                        continue;
                w->how[i] = FAULTY;
                w->faults[i] = xstrdup(text);
        }
}

/* ---- Life ---- */

struct waiting *waiting_new(struct shell *s, uint64_t id, struct bytes job) {
        struct waiting *w = xnew(struct waiting);

        w->shell = s;
        w->id = id;
        list_init(&w->link);
        if (wire_unpack(&worker__job__descriptor, job, NULL, &w->message) ||
            ((const Worker__Job *) w->message.message)->n_inputs > INPUTS_MAX) {
                waiting_free(w);
                return NULL;
        }
        w->job = w->message.message;
        for (size_t i = 0; i < w->job->n_inputs; i++)
                w->how[i] = imports(w->job, w->job->inputs[i]) ? UNKNOWN : AS_IT_IS;
        return w;
}

void waiting_free(struct waiting *w) {
        for (size_t i = 0; i < INPUTS_MAX; i++) {
                if (w->how[i] == IMPORTED)
                        store_unpin(w->shell->store, &w->made[i]);
                free(w->faults[i]);
        }
        list_remove(&w->link);
        unpacked_done(&w->message);
        free(w);
}

/* Views into `w`; the descriptor of the job goes on naming what was asked of. */
static size_t fill_inputs(struct waiting *w, char names[INPUTS_MAX][STORE_NAME_SIZE],
                          struct hash_value pins[INPUTS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < w->job->n_inputs; i++) {
                Worker__Source *in = w->job->inputs[i];

                if (w->how[i] == FAULTY)
                        in->fault = w->faults[i];
                if (w->how[i] != IMPORTED)
                        continue;
                in->imported = true;
                in->path = (char *) store_name(&w->made[i], names[i]);
                (void) store_length(w->shell->store, &w->made[i], &in->length);
                in->root = (ProtobufCBinaryData){ HASH_SIZE, w->made[i].bytes };
                pins[n++] = w->made[i];
        }
        return n;
}

void waiting_hand_over(struct waiting *w) {
        char names[INPUTS_MAX][STORE_NAME_SIZE];
        struct hash_value pins[INPUTS_MAX];
        CLEANUP(refbuf_unrefp) struct refbuf *packed = NULL;
        size_t n = fill_inputs(w, names, pins);

        packed = refbuf_alloc(worker__job__get_packed_size(w->job));
        worker__job__pack(w->job, packed->data);
        shell_run_open(w->shell, w->id, refbuf_bytes(packed), w->job, pins, n);
        for (size_t i = 0; i < w->job->n_inputs; i++)
                w->how[i] = AS_IT_IS; /* the pins are the run's now */
        waiting_free(w);
}

void waiting_tell(struct waiting *w, Worker__Report *m) {
        struct refbuf *packed = refbuf_alloc(worker__report__get_packed_size(m));

        worker__report__pack(m, packed->data);
        coordinator_report(w->shell->core, w->id, refbuf_bytes(packed), shell_now(w->shell));
        refbuf_unref(packed);
}

void waiting_fail(struct waiting *w, const Types__Problem *problem) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;

        failed.problem = (Types__Problem *) problem;
        m.body_case = WORKER__REPORT__BODY_FAILED;
        m.failed = &failed;
        waiting_tell(w, &m);
        waiting_free(w);
}

void waiting_fail_import(struct waiting *w, const struct hash_value *source,
                         const Types__Problem *problem) {
        const Worker__Source *in = waiting_source(w, source);
        char detail[sizeof(((struct import_fault *) NULL)->detail)];
        char text[sizeof(((struct import_fault *) NULL)->text)];
        Types__Problem own = *problem;

        if (in) {
                import_words_for(problem->detail, in->name, detail, sizeof(detail));
                import_words_for(problem->text, in->name, text, sizeof(text));
                own.detail = detail;
                own.text = text;
                own.position = -1; /* of no statement of this run's */
        }
        waiting_fail(w, &own);
}
