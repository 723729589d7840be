/* Which engine analyses a query of our own, and which engine classes may answer it. */

#include <limits.h>

#include "common/base/memory.h"
#include "services/coordinator/requester_core.h"

struct question {
        struct classes_question question;
        const struct candidate *candidates[CANDIDATES_MAX];
        const char *formats[DESCRIPTOR_DATASETS_MAX];
};

static struct question *question_of(const struct job *j) {
        struct question *q = xnew(struct question);

        for (size_t i = 0; i < j->n_inputs; i++)
                q->formats[i] = j->inputs[i].format;
        q->question = (struct classes_question){
                .comparison = j->comparison,
                .own = j->engine,
                .wanted = j->request->engines,
                .n_wanted = j->request->n_engines,
                .formats = q->formats,
                .n_formats = j->n_inputs,
                .candidates = q->candidates,
                .n_candidates = job_candidates(j, q->candidates),
                .independence = SET_OF(j)->independence,
        };
        return q;
}

/* ---- Analysis ---- */

/* What has to be imported by another engine is so only where this one was asked for by name. */
static const char *unread_format(const struct job *j, const char *engine) {
        for (size_t i = 0; i < j->n_inputs; i++)
                if (!engine_reads(engine, j->inputs[i].format) &&
                    !(j->request->n_engines > 0 && engine_imports(engine, j->inputs[i].format)))
                        return j->inputs[i].format;
        return NULL;
}

bool job_can_import(const struct job *j, const struct candidate *c) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                const char *importer = engine_importer(j->inputs[i].format);
                bool has = !importer || engine_reads(j->engine, j->inputs[i].format) ||
                           c->claims.n_engines == 0;

                for (size_t k = 0; k < c->claims.n_engines && !has; k++)
                        has = strncmp(c->claims.engines[k], importer, strlen(importer)) == 0;
                if (!has)
                        return false;
        }
        return true;
}

/* Any build of ours can read what another one is to answer; here it runs only as asked. */
static bool is_asked_for(const struct job *j, const char *engine) {
        const Coordinator__SubmitRequest *r = j->request;

        if (job_prefer(j) == PREFER_LOCAL)
                return engine_is_wanted(engine, r->engines, r->n_engines);
        for (size_t i = 0; i < r->n_engines; i++)
                if (engine_is_same(engine, r->engines[i]))
                        return true;
        return r->n_engines == 0;
}

bool job_engine_is_usable(const struct job *j, size_t engine) {
        const struct core *core = RQ_OF(j)->core;

        if (j->fell_over.is_so && engine_is_same(core->engines[engine], j->fell_over.engine))
                return false;
        return engine < sizeof(j->engines_tried) * CHAR_BIT && !(j->engines_tried >> engine & 1) &&
               is_asked_for(j, core->engines[engine]) && !unread_format(j, core->engines[engine]);
}

#define IMPORT_MAX (16u << 20) /* bytes that may well be imported first */

/* Whether it would import so much that another engine is better where enough hosts have that. */
static bool is_strained(const struct job *j, const char *engine) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < j->n_inputs; i++)
                bytes += engine_imports(engine, j->inputs[i].format) ? j->inputs[i].length : 0;
        return bytes > IMPORT_MAX;
}

/* Better by: enough hosts have it; it does not import much; more have it. */
static bool is_better(const struct job *j, const char *a, unsigned n_a, const char *b,
                      unsigned n_b) {
        bool enough_a = n_a >= j->rule.replicas, enough_b = n_b >= j->rule.replicas;

        if (enough_a != enough_b)
                return enough_a;
        if (enough_a && is_strained(j, a) != is_strained(j, b))
                return is_strained(j, b);
        return n_a > n_b;
}

/* Of those that are here, read the inputs and may be used. */
const char *job_choose_engine(const struct job *j) {
        CLEANUP(freep) struct question *q = question_of(j);
        const struct core *core = RQ_OF(j)->core;
        const char *best = NULL;
        unsigned most = 0;

        for (size_t i = 0; i < core->n_engines; i++) {
                struct bytes name = engine_name(core->engines[i]);
                CLEANUP(freep) char *text = strndup((const char *) name.data, name.len);
                unsigned n;

                if (!job_engine_is_usable(j, i))
                        continue;
                n = classes_count(&q->question, &text, 1);
                if (!best || is_better(j, core->engines[i], n, best, most)) {
                        best = core->engines[i];
                        most = n;
                }
        }
        return best;
}

static void mark_tried(struct job *j, size_t engine) {
        if (engine < sizeof(j->engines_tried) * CHAR_BIT)
                j->engines_tried |= 1u << engine;
}

void job_engine_failed(struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        for (size_t i = 0; i < core->n_engines; i++)
                if (strcmp(core->engines[i], j->engine) == 0)
                        mark_tried(j, i);
}

static bool is_here(const struct core *core, const char *beginning) {
        for (size_t i = 0; i < core->n_engines; i++)
                if (strncmp(core->engines[i], beginning, strlen(beginning)) == 0)
                        return true;
        return false;
}

static bool takes_with_imports(const struct job *j, const char *engine) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                const char *format = j->inputs[i].format, *importer = engine_importer(format);

                if (!engine_reads(engine, format) &&
                    !(engine_imports(engine, format) && is_here(RQ_OF(j)->core, importer)))
                        return false;
        }
        return true;
}

const char *job_importing_engine(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        if (j->request->n_engines > 0 || j->fell_over.is_so || j->engines_tried)
                return NULL;
        for (size_t i = 0; i < core->n_engines; i++)
                if (unread_format(j, core->engines[i]) && takes_with_imports(j, core->engines[i]))
                        return core->engines[i];
        return NULL;
}

void job_no_engine(struct job *j, nsec_t now) {
        const struct core *core = RQ_OF(j)->core;
        const char *format = NULL, *importing = job_importing_engine(j);
        char detail[DETAIL_MAX];

        for (size_t i = 0; i < core->n_engines && !format; i++)
                if (is_asked_for(j, core->engines[i]))
                        format = unread_format(j, core->engines[i]);
        if (format && j->request->n_engines > 0)
                (void) snprintf(detail, sizeof(detail),
                                "what=--engine %.40s does not read %.16s data; give another one",
                                j->request->engines[0], format);
        else if (format && importing)
                (void) snprintf(detail, sizeof(detail),
                                "what=no engine reads all these data as they are; --engine %.*s "
                                "does, once it has imported the %.16s",
                                (int) engine_name(importing).len, importing,
                                unread_format(j, importing));
        else if (format)
                (void) snprintf(detail, sizeof(detail),
                                "what=no engine of this node reads these data (%.16s)", format);
        else
                (void) snprintf(detail, sizeof(detail),
                                "what=--engine %.40s: no worker here has it; `quorate status` "
                                "lists those there are",
                                j->request->engines[0]);
        job_fail(j, OUTCOME_USAGE, detail, now);
}

/* ---- Answers ---- */

void job_choose_classes(struct job *j) {
        CLEANUP(freep) struct question *q = question_of(j);

        classes_choose(&q->question, &j->classes);
}

#define KNOWN_MAX 256

/* "A, B", of an engine as far as there is room; once each. */
static size_t list_class(const char *class, const char *wanted, char *ret, size_t n) {
        size_t len = strlen(class);

        if (!engine_is_same(class, wanted) || strstr(ret, class) || n + len + 3 >= KNOWN_MAX)
                return n;
        return n + (size_t) snprintf(ret + n, len + 3, "%s%s", n ? ", " : "", class);
}

bool job_has_class(struct job *j, nsec_t now) {
        const struct core *core = RQ_OF(j)->core;
        const char *wanted = j->request->n_engines ? j->request->engines[0] : "";
        const struct candidate *candidates[CANDIDATES_MAX];
        char detail[JOB_DETAIL_MAX], known[KNOWN_MAX] = "";
        size_t n = 0, n_candidates;

        if (!*wanted || j->classes.n > 0)
                return true;
        for (size_t i = 0; i < core->n_engines; i++)
                n = list_class(core->engines[i], wanted, known, n);
        n_candidates = job_candidates(j, candidates);
        for (size_t i = 0; i < n_candidates; i++)
                for (size_t k = 0; k < candidates[i]->claims.n_engines; k++)
                        n = list_class(candidates[i]->claims.engines[k], wanted, known, n);
        (void) snprintf(detail, sizeof(detail),
                        "what=--engine %.40s: no host that is known here has it; %s%s", wanted,
                        n ? "of that engine there are " : "there is no other of that engine",
                        known);
        job_fail(j, OUTCOME_USAGE, detail, now);
        return false;
}

bool job_may_run_here(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        for (size_t i = 0; i < core->n_engines; i++)
                if (strcmp(core->engines[i], j->engine) == 0)
                        return engine_is_wanted(j->engine, j->request->engines,
                                                j->request->n_engines);
        return false;
}

void job_take_classes(struct job *j, const struct descriptor *d) {
        classes_take(d->classes, d->n_classes, &j->classes);
}

/* ---- Said to people ---- */

size_t job_list_classes(const struct job *j, char **ret) {
        for (size_t i = 0; i < j->classes.n; i++)
                ret[i] = (char *) j->classes.list[i];
        return j->classes.n;
}

const char *job_say_classes(const struct job *j, char ret[DETAIL_MAX]) {
        const struct classes *c = &j->classes;
        int n = 0;

        if (c->n == 1)
                n = snprintf(ret, DETAIL_MAX, "engine %.60s", c->list[0]);
        else if (c->n > 1)
                n = snprintf(ret, DETAIL_MAX, "%u engine%s in %zu classes", c->engines,
                             c->engines == 1 ? "" : "s", c->n);
        else
                ret[0] = 0;
        if (c->unusable > 0)
                (void) snprintf(ret + n, (size_t) (DETAIL_MAX - n),
                                "; %u known host%s left out: another class", c->unusable,
                                c->unusable == 1 ? "" : "s");
        return ret;
}
