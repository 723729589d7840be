/* A run that was too much for one engine, on every host that was asked or here: the same
 * question to the other engine, where who asked has not fixed one. Its answer is another job
 * (the descriptor names other classes), told as such: `fell_over` says what came first. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/requester_core.h"

/* Limits that depend on how an engine works; how large a result is does not. */
static bool is_engines_own(const char *detail) {
        static const char *const limits[] = { "which=memory", "which=cpu", "which=wall" };

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

/* Should the other engine not even begin, the limit of the first one is what is told. */
enum outcome_error fallover_problem(const struct job *j, enum outcome_error problem,
                                    const char **detail) {
        bool has_begun = j->stage == JOB_GRID || j->stage == JOB_LOCAL || j->stage >= JOB_ROWS;
        bool is_ours = problem == OUTCOME_CANCELLED || problem == OUTCOME_TIMEOUT;

        if (!j->fell_over.is_so || has_begun || is_ours)
                return problem;
        *detail = j->fell_over.detail;
        return OUTCOME_LIMIT;
}

/* The journal has an end of the job that was; its client finds the new one by its id. */
static void end_former(struct job *j) {
        Coordinator__JobSummary s;

        j->fell_over.former = j->id;
        job_summary(j, &s);
        s.state = (char *) outcome_name(OUTCOME_LIMIT);
        s.problem = j->fell_over.text;
        journal_write(RQ_OF(j), JOURNAL_ENDED, &j->id, &s.base, 0);
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

void fallover_step(struct job *j, nsec_t now) {
        const struct core *core = RQ_OF(j)->core;
        struct bytes name = engine_name(j->engine);

        (void) snprintf(j->fell_over.text, sizeof(j->fell_over.text),
                        "%.*s: LIMIT %.60s; the other engine was asked%s", (int) name.len,
                        (const char *) name.data, j->fell_over.detail,
                        j->is_portable ? ", which answers it alike" : "");
        job_event(j, EVENT_INFO, "engine_fell_over", NULL);
        for (size_t i = 0; i < core->n_engines; i++)
                if (engine_is_same(core->engines[i], j->engine))
                        job_engine_tried(j, i);
        end_former(j);
        job_run_end(j, ACTION_WORK_CANCEL);
        describe_done(j);
        forget_hosts(j, now);
        forget_analysis(j);
        j->stage = JOB_ANALYSING;
}
