/* A run that was too much for one engine, on every host that was asked or here: the same
 * question to the other engine, where who asked has not fixed one. Its answer is another job
 * (the descriptor names other classes), told as such: `fell_over` says what came first. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/requester_core.h"

/* Limits that depend on how an engine works; how large a result is does not. */
static bool is_engines_own(const char *detail) {
        static const char *const limits[] = { "which=memory", "which=cpu", "which=wall" };

        if (strstr(detail, " most=")) /* was asked for, and not given: no engine is */
                return false;
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                size_t len = strlen(limits[i]);

                if (strncmp(detail, limits[i], len) == 0 && (!detail[len] || detail[len] == ' '))
                        return true;
        }
        return false;
}

/* One engine was asked of those that may answer (has_another()), not all at once. */
static bool may_choose(const struct job *j) {
        return !j->request->remote_analysis && j->rule.engines < 2 && j->classes.engines < 2 &&
               !j->is_restored;
}

static bool has_another(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        for (size_t i = 0; i < core->n_engines; i++)
                if (!engine_is_same(core->engines[i], j->engine) && job_engine_is_usable(j, i))
                        return true;
        return false;
}

bool fallover_begin(struct job *j, enum outcome_error problem, const char *detail, nsec_t now) {
        if ((j->stage != JOB_GRID && j->stage != JOB_LOCAL) || problem != OUTCOME_LIMIT ||
            j->fell_over.is_so || !is_engines_own(detail) || !may_choose(j) || !has_another(j))
                return false;
        j->fell_over.is_so = true;
        (void) snprintf(j->fell_over.detail, sizeof(j->fell_over.detail), "%s", detail);
        j->problem = problem; /* what that engine was short of is learned */
        (void) snprintf(j->detail, sizeof(j->detail), "%s", detail);
        cost_learn(j, now);
        j->problem = OUTCOME_OK;
        j->detail[0] = 0;
        j->stage = JOB_FALLING_OVER;
        return true;
}

/* An engine of ours that does not read these inputs, and can have them imported; "": none. */
static struct bytes importing_engine(const struct job *j) {
        const struct core *core = RQ_OF(j)->core;

        for (size_t i = 0; i < core->n_engines; i++) {
                const char *engine = core->engines[i];
                bool imports = false, can = !engine_is_same(engine, j->engine);

                for (size_t k = 0; k < j->n_inputs && can; k++) {
                        bool reads = engine_reads(engine, j->inputs[k].format);

                        can = reads || engine_imports(engine, j->inputs[k].format);
                        imports = imports || !reads;
                }
                if (can && imports)
                        return engine_name(engine);
        }
        return BYTES_NONE;
}

void fallover_advise(struct job *j) {
        bool is_short = j->problem == OUTCOME_LIMIT &&
                        strncmp(j->detail, "which=memory", 12) == 0 && is_engines_own(j->detail);
        /* Others had another reason, as not to have that engine. */
        bool some_were = j->problem == OUTCOME_TOO_FEW_HOSTS && roomier_is_wanted(j);
        struct bytes other = BYTES_NONE;

        if ((is_short || some_were) && !j->fell_over.is_so && j->engine && !j->host_text[0])
                other = importing_engine(j);
        if (other.len > 0)
                (void) snprintf(j->host_text, sizeof(j->host_text),
                                "%sor ask with --engine %.*s: hosts import the data first, which "
                                "takes longer, and answer from disk",
                                some_were ? "hosts were short of memory: raise --max-memory, " : "",
                                (int) other.len, (const char *) other.data);
}

/* Should the other engine not even begin, the limit of the first one is what is told. */
enum outcome_error fallover_problem(const struct job *j, enum outcome_error problem,
                                    const char **detail) {
        bool is_ours = problem == OUTCOME_CANCELLED || problem == OUTCOME_TIMEOUT;

        if (!fallover_is_between(j) || is_ours)
                return problem;
        *detail = j->fell_over.detail;
        return OUTCOME_LIMIT;
}

void fallover_say(const struct job *j, char ret[FELL_OVER_MAX]) {
        static const char *const answered[] = { "was asked", "was asked, which answers it alike" };
        const char *then = fallover_is_between(j) ? "did not begin"
                           : j->problem           ? "did not answer either"
                                                  : answered[j->is_portable];

        ret[0] = 0;
        if (j->fell_over.is_so)
                (void) snprintf(ret, FELL_OVER_MAX, "%s; the other engine %s", j->fell_over.text,
                                then);
}

bool fallover_is_between(const struct job *j) {
        return j->fell_over.is_so && hash_equal(&j->id, &j->fell_over.former);
}

/* ---- The journal ---- */

static void write_between(struct job *j) {
        Journal__FellOver m = JOURNAL__FELL_OVER__INIT;

        m.job = binary(hash_bytes(&j->id));
        m.engine = j->fell_over.engine;
        m.detail = j->fell_over.detail;
        m.text = j->fell_over.text;
        journal_write(RQ_OF(j), JOURNAL_FELL_OVER, &j->id, &m.base, 0);
}

void fallover_end_former(struct job *j) {
        Coordinator__JobSummary s;
        char text[FELL_OVER_MAX];

        job_summary(j, &s);
        s.job = binary(hash_bytes(&j->fell_over.former));
        s.state = (char *) outcome_name(OUTCOME_LIMIT);
        (void) snprintf(text, sizeof(text), "%s; the other engine was asked", j->fell_over.text);
        s.problem = text;
        journal_write(RQ_OF(j), JOURNAL_ENDED, &j->fell_over.former, &s.base, 0);
}

static void forget_hosts(struct job *j, nsec_t now) {
        round_stop(j, now);
        FOREACH_REPLICA (r, j) {
                replica_cancel(r, now);
                replica_free(r);
        }
        for (unsigned i = 0; i < j->n_groups; i++)
                free(j->groups[i]);
        j->n_groups = j->n_prospects = j->rounds_failed = j->fewest_again = 0;
        j->n_replicas = 0;
        j->round = (struct round){};
        j->quorum = (struct quorum){};
        j->retry_at = j->reached = j->first_dispatch = j->hold_at = 0;
        j->is_contested = j->was_contested = j->has_strangers = false;
        j->has_given_up = j->has_dialled_again = j->has_found = false;
        handle_close(RQ_OF(j), &j->find);
}

static void forget_analysis(struct job *j) {
        free(j->sql);
        free(j->class_name);
        j->sql = j->class_name = NULL;
        j->schema = schema_free(j->schema);
        buffer_clear(&j->descriptor);
        j->classes = (struct classes){};
        j->plan = (struct plan){};
        j->cached.may_keep = false;
        j->refused = (struct refused){};
        j->cost = (struct job_cost){};
        j->n_analyses = 0;
        j->unread[0] = j->host_text[0] = 0;
        j->position = -1;
}

bool fallover_restore(struct job *j, const Journal__FellOver *m) {
        struct fell_over *f = &j->fell_over;

        if (!j->request) /* it cannot go on: it is ended */
                return false;
        forget_analysis(j);
        *f = (struct fell_over){ .is_so = true, .former = j->id };
        (void) snprintf(f->engine, sizeof(f->engine), "%s", m->engine);
        (void) snprintf(f->detail, sizeof(f->detail), "%s", m->detail);
        (void) snprintf(f->text, sizeof(f->text), "%s", m->text);
        j->is_restored = j->is_hopeless = false; /* nothing of the new one is anywhere */
        return true;
}

void fallover_restore_new(struct job *j, const Journal__Submitted *m) {
        struct fell_over *f = &j->fell_over;

        if (m->former.len != HASH_SIZE)
                return;
        f->is_so = true;
        memcpy(f->former.bytes, m->former.data, HASH_SIZE);
        (void) snprintf(f->text, sizeof(f->text), "%s", m->fell_over);
        map_set(RQ_OF(j)->jobs, hash_bytes(&f->former), j);
}

void fallover_step(struct job *j, nsec_t now) {
        struct bytes name = engine_name(j->engine);

        (void) snprintf(j->fell_over.engine, sizeof(j->fell_over.engine), "%.*s", (int) name.len,
                        (const char *) name.data);
        /* Its first word: how many hosts said so is of no use beside what the others say. */
        (void) snprintf(j->fell_over.text, sizeof(j->fell_over.text), "%.60s: LIMIT %.*s",
                        j->fell_over.engine, (int) strcspn(j->fell_over.detail, " "),
                        j->fell_over.detail);
        job_event(j, EVENT_INFO, "engine_fell_over", NULL);
        j->fell_over.former = j->id;
        write_between(j);
        job_run_end(j, ACTION_WORK_CANCEL);
        describe_done(j);
        forget_hosts(j, now);
        forget_analysis(j);
        j->stage = JOB_ANALYSING;
}
