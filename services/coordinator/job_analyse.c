/* From the text of a query to its descriptor and its route. */

#include <limits.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/unpack.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/requester_core.h"

#define WORKER_WAIT  (5 * NSEC_PER_SEC) /* a node that has just started has none yet */
#define ANALYSES_MAX 3 /* an executor may be killed; a query that kills it stops here */

static enum data_class data_class_for(const struct job *j) {
        unsigned asked = data_class_of(BYTES_STR(j->request->data_class));

        if (asked)
                return asked;
        for (size_t i = 0; i < j->n_inputs; i++)
                if (!j->inputs[i].is_public)
                        return DATA_INTERNAL;
        return DATA_PUBLIC;
}

/* None of our engines will do, or none is to. */
static void analyse_elsewhere(struct job *j, nsec_t now) {
        bool has_worker = RQ_OF(j)->core->n_engines > 0;

        if (!has_worker && !job_due(j, nsec_add(j->began, WORKER_WAIT), now))
                return;
        if (job_importing_engine(j) && !j->request->remote_analysis)
                job_no_engine(j, now);
        else if (describe_is_possible(j))
                describe_begin(j, now);
        else if (j->request->remote_analysis)
                job_fail(j, OUTCOME_USAGE,
                         "what=--remote shows the statement to hosts: of public data only, and not "
                         "with --prefer local",
                         now);
        else if (has_worker)
                job_no_engine(j, now);
        else
                job_fail(j, OUTCOME_INTERNAL, "what=no-worker", now);
}

void job_analysing_step(struct job *j, nsec_t now) {
        Worker__Source sources[DESCRIPTOR_DATASETS_MAX], *pointers[DESCRIPTOR_DATASETS_MAX];
        Types__Limits limits;
        Worker__Job w;
        const char *engine;

        if (j->run.id)
                return;
        j->data_class = data_class_for(j);
        engine = job_choose_engine(j);
        if (!engine || j->request->remote_analysis) {
                analyse_elsewhere(j, now);
                return;
        }
        free(j->engine);
        j->engine = xstrdup(engine);
        job_run_fill(j, &w, sources, pointers, &limits);
        w.mode = WORKER__JOB__MODE__ANALYSE;
        w.sql = j->request->sql;
        w.with_plan = true;
        j->n_analyses += job_run_start(j, &w, now);
}

bool job_is_exact(const struct job *j) {
        return strcmp(j->class_name, "EXACT") == 0 || strcmp(j->class_name, "ORDERED") == 0;
}

static enum comparison comparison_for(const struct job *j) {
        unsigned asked = comparison_of(BYTES_STR(j->request->comparison));

        if (asked)
                return asked;
        if (j->rule.engines > 1)
                return COMPARISON_PORTABLE;
        return job_is_exact(j) ? COMPARISON_ENGINE : COMPARISON_CLASS;
}

static void take_limits(const Types__Limits *l, struct descriptor_limits *ret) {
        *ret = (struct descriptor_limits){};
        if (l)
                *ret = (struct descriptor_limits){ l->rows, l->bytes, l->memory, l->cpu_ms,
                                                   l->wall_ms };
}

static void take_engines(const struct job *j, struct descriptor *d) {
        d->n_classes = j->classes.n;
        for (size_t i = 0; i < d->n_classes; i++)
                d->classes[i] = BYTES_STR(j->classes.list[i]);
}

static const char *network_of(const struct job *j) {
        return j->request->network[0] ? j->request->network : SET_OF(j)->network;
}

static bool write_descriptor(struct job *j, const char **ret_field) {
        CLEANUP(buffer_donep) struct buffer parameters = {};
        CLEANUP(freep) struct descriptor *d = xnew(struct descriptor);

        buffer_init(&parameters, DESCRIPTOR_PARAMETER_MAX);
        for (size_t i = 0; i < j->request->n_parameters; i++)
                buffer_put(&parameters, j->request->parameters[i].data,
                           j->request->parameters[i].len);
        d->requester = peer_id_bytes(&RQ_OF(j)->core->self);
        memcpy(d->nonce, j->entropy.nonce, sizeof(d->nonce));
        memcpy(d->seed, j->entropy.seed, sizeof(d->seed));
        d->query = query_hash(BYTES_STR(j->sql));
        d->n_parameters = j->request->n_parameters;
        d->parameters = buffer_bytes(&parameters);
        d->comparison = j->comparison;
        take_engines(j, d);
        d->n_datasets = j->n_inputs;
        for (size_t i = 0; i < j->n_inputs; i++)
                d->datasets[i] = (struct descriptor_dataset){ BYTES_STR(j->inputs[i].name),
                                                              j->inputs[i].root };
        take_limits(j->request->limits, &d->limits);
        d->schema = j->schema->encoded;
        d->ordered = j->is_ordered;
        d->time_us = j->time_us;
        d->network = BYTES_STR(network_of(j));
        d->data_class = j->data_class;
        *ret_field = "parameters";
        return !parameters.failed && descriptor_encode(d, &j->descriptor, ret_field) == 0;
}

static void name_job(struct job *j, struct hash_value id) {
        j->id = id;
        j->has_id = true;
        map_set(RQ_OF(j)->jobs, hash_bytes(&j->id), j);
}

unsigned job_need(const struct job *j) {
        return j->rule.mode == MODE_UNANIMOUS ? j->rule.replicas : j->rule.quorum;
}

/* UINT_MAX candidates: what would be if there were hosts enough. */
static bool is_uniform(const struct job *j, unsigned candidates) {
        return candidates < UINT_MAX && j->classes.engines < j->rule.engines;
}

static struct plan plan_for(const struct job *j, unsigned candidates) {
        struct plan plan;
        const struct planner_facts f = {
                .prefer = job_prefer(j),
                .mode = j->rule.mode,
                .asked_for_check = j->has_asked_check || !job_may_run_here(j),
                .names_hosts = j->request->n_hosts > 0,
                .is_refused = strcmp(j->class_name, "REFUSED") == 0,
                .is_incomparable = j->comparison != COMPARISON_CLASS && !job_is_exact(j),
                .is_unportable =
                        j->comparison == COMPARISON_PORTABLE && job_is_exact(j) && !j->is_portable,
                .is_uniform = is_uniform(j, candidates),
                .is_foreign = !job_may_run_here(j),
                .has_workers = RQ_OF(j)->core->n_engines > 0,
                .has_private_data = j->data_class != DATA_PUBLIC,
                .is_sent_by_setting = job_is_sent_by_setting(j),
                .candidates = candidates,
                .need = job_need(j),
                .estimate_us = job_estimate_work_us(j),
                .needs_memory = job_estimate_memory(j),
                .memory_here = RQ_OF(j)->core->governor->most,
                .local_below_us = SET_OF(j)->local_below_us,
        };

        planner_decide(&f, &plan);
        return plan;
}

void job_plan(struct job *j) {
        cost_estimate(j);
        job_choose_classes(j);
        job_prospects(j);
        j->plan = plan_for(j, j->n_prospects);
}

bool job_would_be_grid(const struct job *j) {
        const struct plan plan = plan_for(j, UINT_MAX);

        return !plan.is_local && !plan.error;
}

/* ---- What the worker said ---- */

static bool take_analysis(struct job *j, const Worker__Analysis *a, nsec_t now) {
        j->unread[0] = j->host_text[0] = 0;
        j->position = -1;
        j->class_name = xstrdup(a->class_name);
        j->sql = xstrdup(a->rewrite[0] ? a->rewrite : j->request->sql);
        j->is_ordered = a->ordered;
        j->is_portable = a->portable;
        j->is_repeatable = a->repeatable;
        j->comparison = comparison_for(j);
        cost_take_analysis(j, a);
        if (a->engine[0]) {
                free(j->engine);
                j->engine = xstrdup(a->engine);
        }
        if (schema_decode(BYTES(a->schema.data, a->schema.len), &j->schema)) {
                job_fail(j, OUTCOME_INTERNAL, "what=schema", now);
                return false;
        }
        return true;
}

/* "" for no route at all. */
static const char *route_of(const struct job *j) {
        if (!j->plan.reason || j->plan.error)
                return "";
        return j->plan.is_local ? "local" : cached_is_served(j) ? "cache" : "grid";
}

/* Those of which a host that answers in SQLite makes a SQLite file first. */
static size_t list_imports(const struct job *j, char **ret) {
        size_t n = 0;

        for (size_t i = 0; i < j->n_inputs; i++)
                for (size_t k = 0; k < j->classes.n; k++)
                        if (engine_imports(j->classes.list[k], j->inputs[i].format)) {
                                ret[n++] = j->inputs[i].name;
                                break;
                        }
        return n;
}

static struct refbuf *explain_reply(const struct job *j, const Worker__Analysis *a) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(freep)
        Coordinator__Reason *reasons = xnew_n(Coordinator__Reason, a->n_findings + 1);
        CLEANUP(freep)
        Coordinator__Reason **list = xnew_n(Coordinator__Reason *, a->n_findings + 1);
        Coordinator__ExplainReply reply = COORDINATOR__EXPLAIN_REPLY__INIT;
        Coordinator__Estimate estimate;
        char reason[REASON_MAX], *engines[DESCRIPTOR_CLASSES_MAX],
                *imports[DESCRIPTOR_DATASETS_MAX];

        for (size_t i = 0; i < a->n_findings; i++) {
                coordinator__reason__init(&reasons[i]);
                reasons[i].expression = a->findings[i]->expression;
                reasons[i].position = a->findings[i]->position;
                reasons[i].why = a->findings[i]->why;
                list[i] = &reasons[i];
        }
        (void) job_reason(j, reason);
        cost_fill(j, &estimate);
        reply.estimate = &estimate;
        reply.class_name = j->class_name;
        reply.n_reasons = a->n_findings;
        reply.reasons = list;
        reply.rewrite = a->rewrite;
        reply.route = (char *) route_of(j);
        reply.reason = reason;
        reply.schema = (ProtobufCBinaryData){ j->schema->encoded.len,
                                              (uint8_t *) j->schema->encoded.data };
        reply.ordered = j->is_ordered;
        reply.comparison = (char *) comparison_name(j->comparison);
        reply.engine = j->engine;
        reply.engines = engines;
        reply.n_engines = job_list_classes(j, engines);
        reply.imports = imports;
        reply.n_imports = list_imports(j, imports);
        reply.usable = j->classes.usable;
        reply.unusable = j->classes.unusable;
        reply.portable = j->is_portable;
        reply.not_portable = a->not_portable;
        reply.not_portable_at = a->not_portable_at;
        reply.not_portable_expression = (char *) j->not_portable.expression;
        reply.error = j->plan.error;
        buffer_init(&b, 8u << 20);
        wire_pack(&b, &reply.base);
        return refbuf_new(buffer_bytes(&b));
}

static void finish_explain(struct job *j, struct refbuf *reply) {
        for (size_t i = 0; i < j->n_calls; i++)
                actions_add_data(ACTIONS(j), ACTION_REPLY, j->calls[i], refbuf_ref(reply));
        refbuf_unref(reply);
        j->n_calls = 0;
        j->is_dead = true;
}

static void take_portable(struct job *j, const Worker__Analysis *a) {
        struct refused *n = &j->not_portable;

        *n = (struct refused){ .position = -1 };
        if (a->portable)
                return;
        text_escape(BYTES_STR(a->not_portable), n->why, sizeof(n->why));
        if (a->not_portable_at < 0)
                return;
        n->position = a->not_portable_at;
        text_expression(BYTES_STR(j->request->sql), (size_t) n->position, n->expression,
                        sizeof(n->expression));
}

/* What keeps it from being verified, should that be the end of it. */
static void take_finding(struct job *j, const Worker__Analysis *a) {
        const Worker__Finding *f = a->n_findings ? a->findings[0] : NULL;

        take_portable(j, a);
        if (!f)
                return;
        j->refused = (struct refused){ .position = f->position };
        text_escape(BYTES_STR(f->expression), j->refused.expression, sizeof(j->refused.expression));
        text_escape(BYTES_STR(f->why), j->refused.why,
                    sizeof(j->refused.why)); /* perhaps a host's */
}

/* The position comes first: the expression is anybody's text. */
static void fail_not_verifiable(struct job *j, nsec_t now) {
        const struct refused *f = &j->refused;
        char detail[DETAIL_MAX], place[32] = "";

        if (f->position >= 0)
                (void) snprintf(place, sizeof(place), "position=%d ", f->position);
        (void) snprintf(detail, sizeof(detail), "%sexpression=%s", place,
                        *f->expression ? f->expression : "the query");
        j->position = f->position;
        (void) strcpy(j->host_text, f->why);
        job_fail(j, OUTCOME_NOT_VERIFIABLE, detail, now);
}

/* Hosts would refuse it one by one, and seem to be too few: who differ in what, where, why, and
 * what to ask instead. */
static void fail_incomparable(struct job *j, nsec_t now) {
        bool is_exact = job_is_exact(j); /* then it is engines that differ, not builds */
        const struct refused *r = is_exact ? &j->not_portable : &j->refused;
        char detail[JOB_DETAIL_MAX], place[32] = "";

        if (r->position >= 0 && *r->why)
                (void) snprintf(place, sizeof(place), " at byte %d", r->position);
        (void) snprintf(
                detail, sizeof(detail), "what=comparison %s: %s may differ in `%s`%s%s%s; %s",
                comparison_name(j->comparison), is_exact ? "engines" : "builds",
                *r->expression ? r->expression : "the query", place, *r->why ? ": " : "", r->why,
                j->request->engine_diverse ? "leave --engine-diverse out"
                : is_exact                 ? "give --comparison engine"
                                           : "give --comparison class");
        j->position = r->position;
        job_fail(j, OUTCOME_USAGE, detail, now);
}

void job_on_analysis(struct job *j, const Worker__Analysis *a, nsec_t now) {
        job_run_end(j, ACTION_WORK_RELEASE);
        if (j->stage != JOB_ANALYSING || !take_analysis(j, a, now))
                return;
        take_finding(j, a);
        job_plan(j);
        if (j->is_explain && !job_has_class(j, now))
                return;
        if (j->is_explain)
                finish_explain(j, explain_reply(j, a));
        else if (job_wants_more(j))
                job_find(j, now);
        else
                job_begin(j, now);
}

void job_enter(struct job *j) {
        j->salt = job_salt(buffer_bytes(&j->descriptor));
        name_job(j, job_id(buffer_bytes(&j->descriptor)));
        journal_submitted(j);
}

void job_begin(struct job *j, nsec_t now) {
        const char *field = "";
        char detail[DETAIL_MAX];

        if (!job_has_class(j, now))
                return;
        if (!write_descriptor(j, &field)) {
                (void) snprintf(detail, sizeof(detail), "what=%s: too much of it", field);
                buffer_clear(&j->descriptor);
                job_fail(j, OUTCOME_USAGE, detail, now);
                return;
        }
        if (cached_ask(j))
                return;
        job_enter(j);
        job_route(j, now);
}

void job_route(struct job *j, nsec_t now) {
        char why[DETAIL_MAX], detail[DETAIL_MAX + 16];

        if (j->plan.error == OUTCOME_NOT_VERIFIABLE) {
                fail_not_verifiable(j, now);
        } else if (j->plan.error == OUTCOME_USAGE) {
                fail_incomparable(j, now);
        } else if (j->plan.error) {
                (void) snprintf(detail, sizeof(detail), "why=%s", job_why_nobody(j, why));
                job_fail(j, j->plan.error, detail, now);
        } else if (j->plan.is_local) {
                j->stage = JOB_LOCAL;
        } else {
                quorum_init(&j->quorum, &j->rule);
                j->stage = JOB_GRID;
                round_begin(j, j->rule.replicas,
                            j->rule.mode == MODE_UNANIMOUS ? j->rule.replicas : j->rule.quorum,
                            now);
        }
}

bool job_analyses_again(struct job *j) {
        return j->stage == JOB_ANALYSING && j->n_analyses < ANALYSES_MAX;
}

/* Each engine has its own SQL: what one cannot read, the next one of ours may. Should none, the
 * first one's words are told. */
static bool tries_another_engine(struct job *j, const Types__Problem *p) {
        if (j->stage != JOB_ANALYSING || !p || p->code != OUTCOME_SQL_ERROR)
                return false;
        if (!j->engines_tried) {
                text_escape(BYTES_STR(p->detail), j->unread, sizeof(j->unread));
                text_escape(BYTES_STR(p->text), j->host_text, sizeof(j->host_text));
                j->position = p->position;
        }
        job_engine_failed(j);
        if (!job_choose_engine(j))
                return false;
        j->n_analyses = 0;
        return true;
}

/* An error of the statement, or of the executor. Own executor: its text is ours, what it quotes
 * there and in the detail is anybody's. */
void job_on_failed(struct job *j, const Worker__Failed *f, nsec_t now) {
        const Types__Problem *p = f->problem;
        bool is_ours = !p || p->code == OUTCOME_INTERNAL || !outcome_is_error(p->code);
        char detail[DETAIL_MAX] = "";

        job_run_end(j, ACTION_WORK_CANCEL);
        if (j->stage >= JOB_CLOSING || (is_ours && job_analyses_again(j)) ||
            tries_another_engine(j, p))
                return;
        if (j->unread[0]) {
                job_fail(j, OUTCOME_SQL_ERROR, j->unread, now);
                return;
        }
        j->position = p ? p->position : -1;
        if (p) {
                text_escape(BYTES_STR(p->detail), detail, sizeof(detail));
                text_escape(BYTES_STR(p->text), j->host_text, sizeof(j->host_text));
        }
        job_fail(j, p && outcome_is_error(p->code) ? p->code : OUTCOME_INTERNAL,
                 *detail ? detail : "what=executor", now);
}

/* ---- The answer to Submit ---- */

static struct refbuf *submit_reply(const struct job *j) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Coordinator__SubmitReply reply = COORDINATOR__SUBMIT_REPLY__INIT;
        char reason[REASON_MAX] = "";

        if (j->plan.reason)
                (void) job_reason(j, reason);
        reply.job = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) j->id.bytes };
        reply.route = (char *) route_of(j);
        reply.reason = reason;
        buffer_init(&b, 4096);
        wire_pack(&b, &reply.base);
        return refbuf_new(buffer_bytes(&b));
}

void job_name_without_descriptor(struct job *j) {
        name_job(j, job_id(BYTES_OF(j->entropy.nonce)));
        journal_submitted(j);
}

static struct refbuf *explain_problem(const struct job *j) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Coordinator__ExplainReply reply = COORDINATOR__EXPLAIN_REPLY__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;

        problem.code = j->problem;
        problem.detail = (char *) j->detail;
        problem.text = (char *) j->host_text;
        problem.position = j->position;
        reply.problem = &problem;
        buffer_init(&b, 4096);
        wire_pack(&b, &reply.base);
        return refbuf_new(buffer_bytes(&b));
}

void job_answer_calls(struct job *j) {
        struct refbuf *reply;

        if (j->n_calls == 0)
                return;
        if (j->is_explain && j->problem) {
                finish_explain(j, explain_problem(j));
                return;
        }
        if (!j->is_journalled)
                return;
        reply = submit_reply(j);
        for (size_t i = 0; i < j->n_calls; i++)
                actions_add_data(ACTIONS(j), ACTION_REPLY, j->calls[i], refbuf_ref(reply));
        refbuf_unref(reply);
        j->n_calls = 0;
}
