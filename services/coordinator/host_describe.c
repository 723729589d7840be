/* What a query is, for a requester that lacks the engine (query.md, 3). An executor reads the
 * statement over empty tables of the schemas that came with it: nothing is run, no data is
 * touched, nothing is signed. It costs an executor for milliseconds, so it is paid for like an
 * offer, has a slot like a run, and few are under way at a time. Public data only: the asker
 * shows its statement to whoever it asks. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/engines.h"
#include "services/coordinator/host.h"

#define DESCRIBE_TIME   (10 * NSEC_PER_SEC)
#define DESCRIBE_MEMORY (UINT64_C(64) << 20)
#define DESCRIBES_MAX   4 /* at a time, of all peers */
#define FINDINGS_MAX    16

struct asked {
        struct host_job *job;
        const Grid__Describe *in;
        nsec_t now;
        const char *engine; /* of ours, that is to read it */
        uint32_t retry_ms;
};

static bool is_welcome(struct asked *a) {
        return !denied_has(a->job->host->core->denied, &a->job->peer->id);
}

static bool rate_holds(struct asked *a) {
        nsec_t wait = host_peer_rate(a->job->host->peers, a->job->peer, a->now);

        a->retry_ms = wait ? (uint32_t) (wait / NSEC_PER_MSEC) + 1 : 0;
        return wait == 0;
}

static bool is_taking_jobs(struct asked *a) {
        return !a->job->host->core->governor->is_paused;
}

static bool network_is_ours(struct asked *a) {
        return strcmp(a->in->network, a->job->host->core->settings.query.network) == 0;
}

static bool is_public(struct asked *a) {
        return data_class_of(BYTES_STR(a->in->data_class)) == DATA_PUBLIC;
}

static bool inputs_have_schemas(struct asked *a) {
        for (size_t i = 0; i < a->in->n_tables; i++)
                if (a->in->tables[i]->schema.len == 0)
                        return false;
        return a->in->n_tables <= JOB_INPUTS_MAX;
}

static bool inputs_are_named(struct asked *a) {
        for (size_t i = 0; i < a->in->n_tables; i++)
                if (!dataset_is_named(BYTES_STR(a->in->tables[i]->name)))
                        return false;
        return true;
}

static bool reads_all(const Grid__Describe *in, const char *engine) {
        for (size_t i = 0; i < in->n_tables; i++)
                if (!engine_reads(engine, in->tables[i]->format))
                        return false;
        return true;
}

static bool engine_is_here(struct asked *a) {
        const struct core *core = a->job->host->core;

        for (size_t i = 0; i < core->n_engines && !a->engine; i++)
                if (engine_is_wanted(core->engines[i], a->in->engines, a->in->n_engines) &&
                    reads_all(a->in, core->engines[i]))
                        a->engine = core->engines[i];
        return a->engine;
}

static bool few_are_under_way(struct asked *a) {
        a->retry_ms = 200;
        return a->job->host->n_describing < DESCRIBES_MAX;
}

/* Counts among the runs of its requester and its subnet. */
static bool is_in_share(struct asked *a) {
        struct host_job *j = a->job;
        struct shares *s = j->host->runs_shared;

        shares_resize(s, governor_places(j->host->core->governor));
        return shares_check(s, &j->peer->id, &j->subnet) == SHARES_OK;
}

static bool slot_is_free(struct asked *a) {
        struct host_job *j = a->job;
        uint64_t ordinary = host_memory_of(j, 0);

        j->memory = ordinary < DESCRIBE_MEMORY ? ordinary : DESCRIBE_MEMORY;
        if (governor_take(j->host->core->governor, GOVERNOR_SERVED, j->memory))
                return false;
        shares_hold(j->host->runs_shared, &j->peer->id, &j->subnet);
        j->has_slot = j->has_run = true;
        return true;
}

static const struct {
        bool (*holds)(struct asked *a);
        const char *detail;
} rules[] = {
        { is_welcome, "rule=denied" },          { rate_holds, "rule=rate" },
        { is_taking_jobs, "rule=paused" },      { network_is_ours, "rule=network" },
        { is_public, "rule=data_class" },       { inputs_are_named, "rule=input name" },
        { inputs_have_schemas, "rule=schema" }, { engine_is_here, "rule=engine" },
        { few_are_under_way, "rule=slots" },    { is_in_share, "rule=share" },
        { slot_is_free, "rule=slots" },
};

static void send_job(struct host_job *j, const struct asked *a) {
        CLEANUP(freep) Worker__Source *sources = xnew_n(Worker__Source, a->in->n_tables + 1);
        CLEANUP(freep) Worker__Source **list = xnew_n(Worker__Source *, a->in->n_tables + 1);
        static const uint8_t seed[DESCRIPTOR_SEED_SIZE];
        Worker__Job job = WORKER__JOB__INIT;
        Types__Limits limits = TYPES__LIMITS__INIT;
        struct refbuf *packed;

        for (size_t i = 0; i < a->in->n_tables; i++) {
                worker__source__init(&sources[i]);
                sources[i].name = a->in->tables[i]->name;
                sources[i].format = a->in->tables[i]->format;
                sources[i].schema = a->in->tables[i]->schema;
                sources[i].options = a->in->tables[i]->options;
                list[i] = &sources[i];
        }
        limits.memory = j->memory;
        limits.cpu_ms = limits.wall_ms = DESCRIBE_TIME / NSEC_PER_MSEC / 2;
        job.mode = WORKER__JOB__MODE__ANALYSE;
        job.engine = (char *) a->engine;
        job.sql = a->in->sql;
        job.n_parameters = a->in->n_parameters;
        job.parameters = a->in->parameters;
        job.n_inputs = a->in->n_tables;
        job.inputs = list;
        job.limits = &limits;
        job.time_us = a->in->time_us;
        job.seed = (ProtobufCBinaryData){ sizeof(seed), (uint8_t *) seed };
        job.no_rewrite = a->in->no_rewrite;
        packed = refbuf_alloc(worker__job__get_packed_size(&job));
        worker__job__pack(&job, packed->data);
        actions_add_data(j->host->core->actions, ACTION_WORK, j->run, packed);
}

void host_on_describe(struct host_job *j, const Grid__JobMessage *m, nsec_t now) {
        struct asked a = { .job = j, .in = m->describe, .now = now };

        j->host->counters.describes++;
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (!rules[i].holds(&a)) {
                        const struct host_problem p = { .code = OUTCOME_REFUSED,
                                                        .detail = rules[i].detail,
                                                        .position = -1,
                                                        .retry_ms = a.retry_ms };

                        host_refuse(j, &p);
                        return;
                }
        j->is_describing = true;
        j->host->n_describing++;
        j->run = host_id(j);
        j->state = HOST_RUNNING;
        j->run_until = nsec_add(now, DESCRIBE_TIME);
        send_job(j, &a);
}

void host_describe_done(struct host_job *j) {
        j->host->n_describing -= j->is_describing;
        j->is_describing = false;
}

/* ---- The answer ---- */

static void say(struct host_job *j, Grid__Description *out) {
        Grid__JobMessage m;

        host_message_init(&m, GRID__JOB_MESSAGE__BODY_DESCRIPTION);
        m.description = out;
        host_send(j, &m);
        host_job_stop(j);
}

static void say_analysis(struct host_job *j, const Worker__Analysis *a) {
        Grid__Finding findings[FINDINGS_MAX], *list[FINDINGS_MAX];
        Grid__Description out = GRID__DESCRIPTION__INIT;

        for (size_t i = 0; i < a->n_findings && i < FINDINGS_MAX; i++) {
                grid__finding__init(&findings[i]);
                findings[i].expression = a->findings[i]->expression;
                findings[i].position = a->findings[i]->position;
                findings[i].why = a->findings[i]->why;
                list[out.n_findings++] = &findings[i];
        }
        out.findings = list;
        out.schema = a->schema;
        out.class_name = a->class_name;
        out.rewrite = a->rewrite;
        out.ordered = a->ordered;
        out.portable = a->portable;
        out.engine = a->engine;
        say(j, &out);
}

static void say_problem(struct host_job *j, const Types__Problem *in) {
        Grid__Description out = GRID__DESCRIPTION__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;
        char detail[256], text[512];

        problem.code = in && outcome_is_error(in->code) ? in->code : OUTCOME_INTERNAL;
        problem.detail = text_escape(BYTES_STR(in ? in->detail : ""), detail, sizeof(detail));
        problem.text = text_escape(BYTES_STR(in ? in->text : ""), text, sizeof(text));
        problem.position = in ? in->position : -1;
        out.problem = &problem;
        say(j, &out);
}

void host_describe_report(struct host_job *j, const Worker__Report *report) {
        if (report->body_case == WORKER__REPORT__BODY_ANALYSIS)
                say_analysis(j, report->analysis);
        else if (report->body_case == WORKER__REPORT__BODY_FAILED)
                say_problem(j, report->failed->problem);
}
