/* What a client asked for, made into a job; its datasets looked up. */

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/receipt.h"
#include "common/wire/unpack.h"
#include "services/coordinator/requester_core.h"

#define SQL_MAX        (1u << 20)
#define VOTERS_MAX     QUORUM_VOTES_MAX
#define UNANIMOUS_MAX  (RECEIPT_VOTERS_MAX / 2) /* a re-check stands beside each first run */
#define TIMEOUT_MAX_MS (24u * 3600 * 1000)

static const struct unpack_limits request_limits = {
        .depth = 4, .fields = 8192, .unknown = 16, .memory = 8u << 20
};

static const struct {
        const char *name;
        enum prefer prefer;
} prefer_names[] = {
        { "", PREFER_AUTO },
        { "auto", PREFER_AUTO },
        { "local", PREFER_LOCAL },
        { "remote", PREFER_REMOTE },
};

static enum prefer prefer_of(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(prefer_names); i++)
                if (strcmp(name, prefer_names[i].name) == 0)
                        return prefer_names[i].prefer;
        return 0;
}

enum prefer job_prefer(const struct job *j) {
        enum prefer asked = prefer_of(j->request->prefer);

        return asked == PREFER_AUTO && SET_OF(j)->remote_only ? PREFER_REMOTE : asked;
}

bool job_is_sent_by_setting(const struct job *j) {
        return SET_OF(j)->remote_only && prefer_of(j->request->prefer) == PREFER_AUTO &&
               !j->has_asked_check;
}

/* k, q and the end of escalation from what was asked and what is configured. */
static void fill_rule(const struct query_settings *s, const Coordinator__SubmitRequest *request,
                      struct quorum_rule *r) {
        r->engines = 1;
        r->replicas = request->replicas ? request->replicas : s->replicas;
        r->quorum = request->quorum ? request->quorum : s->quorum;
        if (!request->replicas && r->replicas < r->quorum)
                r->replicas = r->quorum + 1;
        /* Two hosts still check each other; one checks nothing (lowers_to_one()). */
        if (!request->quorum && r->quorum > r->replicas)
                r->quorum = r->replicas;
        if (r->mode == MODE_UNANIMOUS)
                r->quorum = r->replicas;
        r->max_replicas = request->max_replicas ? request->max_replicas : s->max_replicas;
        if (!request->max_replicas && r->max_replicas < r->replicas)
                r->max_replicas = r->replicas;
}

/* VERIFIED would then be one host's word, of which nobody said that it is enough: a quorum of
 * one is given or configured, and never follows from fewer replicas. */
static bool lowers_to_one(const struct query_settings *s,
                          const Coordinator__SubmitRequest *request) {
        return request->replicas == 1 && (request->quorum ? request->quorum : s->quorum) > 1;
}

/* NULL, or what is wrong. */
static const char *take_rule(struct job *j, const Coordinator__SubmitRequest *request) {
        struct quorum_rule *r = &j->rule;

        r->mode = request->verify[0] ? query_mode_of(request->verify) : MODE_QUORUM;
        if (!r->mode)
                return "what=verify: one of quorum, unanimous, fast";
        if (request->replicas > VOTERS_MAX || request->quorum > VOTERS_MAX ||
            request->max_replicas > VOTERS_MAX)
                return "what=replicas, quorum and max-replicas: at most 32";
        if (r->mode == MODE_FAST && request->engine_diverse)
                return "what=verify fast asks one host: leave --engine-diverse out";
        if (r->mode == MODE_FAST) {
                *r = (struct quorum_rule){ MODE_FAST, 1, 1, 1, 1 };
                return request->replicas <= 1 && request->quorum <= 1
                               ? NULL
                               : "what=verify fast asks one host: replicas and quorum are 1";
        }
        if (prefer_of(request->prefer) != PREFER_LOCAL && lowers_to_one(SET_OF(j), request))
                return "what=replicas 1 leaves nobody to check the answer: give --quorum 1, too, "
                       "to accept one host's word, or --verify fast, which says UNVERIFIED";
        fill_rule(SET_OF(j), request, r);
        if (r->mode == MODE_UNANIMOUS && r->replicas > UNANIMOUS_MAX)
                return "what=verify unanimous: at most 16 replicas";
        if (request->engine_diverse || (SET_OF(j)->engine_diverse && !request->comparison[0]))
                r->engines = 2;
        if (r->engines > r->quorum)
                return "what=engine-diverse needs a quorum of two or more";
        if (r->quorum > r->replicas)
                return "what=quorum: at most as many as replicas";
        return r->max_replicas >= r->replicas && r->max_replicas <= VOTERS_MAX
                       ? NULL
                       : "what=max-replicas: from the replicas on to 32";
}

static bool names_one_engine(const Coordinator__SubmitRequest *r) {
        for (size_t i = 1; i < r->n_engines; i++)
                if (!engine_is_same(r->engines[0], r->engines[i]))
                        return false;
        return r->n_engines > 0;
}

/* Two engines agree, or one is asked: what says both says neither. */
static const char *check_engines(const struct job *j, const Coordinator__SubmitRequest *r) {
        bool is_local = prefer_of(r->prefer) == PREFER_LOCAL;
        bool is_set = SET_OF(j)->engine_diverse && !r->comparison[0];

        if (r->engine_diverse && is_local)
                return "what=--engine-diverse has hosts of two engines agree, --prefer local asks "
                       "nobody: give one of them";
        if (r->engine_diverse && names_one_engine(r))
                return "what=--engine-diverse has two engines agree, and --engine names one: give "
                       "one of the two options, or --engine for each of the engines";
        if (is_set && !is_local && names_one_engine(r))
                return "what=[query] engine-diverse is set here, and --engine names one engine: "
                       "leave it out, or give --comparison engine";
        if (!r->engine_diverse && !is_set && r->n_engines > 0 && !names_one_engine(r) &&
            strcmp(r->comparison, "portable") != 0)
                return "what=--engine names two engines, of which one would answer: give one, or "
                       "--engine-diverse, too, to have them agree";
        return NULL;
}

_Static_assert(JOB_INPUTS_MAX == 8, "check_inputs() says it in words");

static const char *check_inputs(const Coordinator__SubmitRequest *request) {
        if (request->n_inputs > JOB_INPUTS_MAX) /* said before a host is asked, or a byte sent */
                return "what=inputs: at most 8 datasets in one query; put some into one SQLite "
                       "file as its tables, or join them beforehand, and publish that";
        for (size_t i = 0; i < request->n_inputs; i++)
                if (request->inputs[i]->root.len != HASH_SIZE ||
                    strlen(request->inputs[i]->name) > DESCRIPTOR_TEXT_MAX)
                        return "what=inputs: a root has 32 bytes, a name at most 255";
        return NULL;
}

static const char *check_text(const Coordinator__SubmitRequest *request) {
        size_t len = strlen(request->sql);

        if (len == 0 || len > SQL_MAX || !utf8_is_valid(BYTES(request->sql, len)))
                return "what=sql: one statement in UTF-8, at most 1 MiB";
        if (strlen(request->network) > DESCRIPTOR_TEXT_MAX)
                return "what=network: at most 255 bytes";
        if (request->n_engines > DESCRIPTOR_CLASSES_MAX || request->n_hosts > JOB_PROSPECTS_MAX ||
            request->n_parameters > DESCRIPTOR_PARAMETERS_MAX)
                return "what=too many engines, hosts or parameters";
        if (request->comparison[0] && !comparison_of(BYTES_STR(request->comparison)))
                return "what=comparison: one of class, engine, portable";
        if (request->engine_diverse && request->comparison[0] &&
            strcmp(request->comparison, "portable") != 0)
                return "what=engine-diverse compares engines: leave --comparison out";
        if (request->data_class[0] && !data_class_of(BYTES_STR(request->data_class)))
                return "what=class: one of public, internal, sensitive";
        if (request->cache[0] && strcmp(request->cache, "on") && strcmp(request->cache, "off"))
                return "what=cache: one of on, off";
        if (!prefer_of(request->prefer))
                return "what=prefer: one of auto, local, remote";
        return request->timeout_ms > TIMEOUT_MAX_MS ? "what=timeout: at most 24h" : NULL;
}

static const char *check_limits(const Coordinator__SubmitRequest *request) {
        const Types__Limits *l = request->limits;

        return l && l->memory && l->memory < LIMIT_MEMORY_MIN ? "what=max-memory: from 1M on"
                                                              : NULL;
}

static bool copy_request(struct job *j, const Coordinator__SubmitRequest *request) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, request_limits.memory);
        wire_pack(&b, &request->base);
        if (b.failed || wire_unpack(&coordinator__submit_request__descriptor, buffer_bytes(&b),
                                    &request_limits, &j->request_memory))
                return false;
        j->request = j->request_memory.message;
        return true;
}

/* Others are asked for what is not here, unless it was said that it is no matter of theirs. */
static bool may_search(const Coordinator__SubmitRequest *request) {
        return !request->data_class[0] ||
               data_class_of(BYTES_STR(request->data_class)) == DATA_PUBLIC;
}

static void take_inputs(struct job *j) {
        j->n_inputs = j->request->n_inputs;
        j->inputs = xnew_n(struct job_input, j->n_inputs + 1);
        for (size_t i = 0; i < j->n_inputs; i++) {
                struct job_input *in = &j->inputs[i];
                struct action *a;

                in->job = j;
                in->name = xstrdup(j->request->inputs[i]->name);
                memcpy(in->root.bytes, j->request->inputs[i]->root.data, HASH_SIZE);
                buffer_init(&in->schema, SCHEMA_BYTES_MAX * DESCRIPTOR_DATASETS_MAX);
                buffer_init(&in->options, SCHEMA_BYTES_MAX);
                a = actions_add(ACTIONS(j), ACTION_INPUT,
                                handle_open(RQ_OF(j), &in->handle, HANDLE_INPUT));
                a->hash = in->root;
                a->n = may_search(j->request) ? INPUT_SEARCH : 0;
        }
}

const char *job_take_request(struct job *j, const Coordinator__SubmitRequest *request) {
        const char *wrong = check_text(request);

        if (!wrong)
                wrong = check_inputs(request);
        if (!wrong)
                wrong = check_limits(request);
        if (!wrong && SET_OF(j)->remote_only && prefer_of(request->prefer) == PREFER_LOCAL)
                wrong = "what=[query] remote-only is set on this node: leave --prefer local out";
        if (!wrong)
                wrong = check_engines(j, request);
        if (!wrong)
                wrong = take_rule(j, request);
        if (!wrong && !copy_request(j, request))
                wrong = "what=request: too large";
        if (wrong)
                return wrong;
        j->has_asked_check = request->verify[0] || request->replicas || request->quorum ||
                             request->max_replicas || request->n_hosts || request->engine_diverse;
        if (request->timeout_ms)
                j->deadline = nsec_add(j->began, request->timeout_ms * NSEC_PER_MSEC);
        take_inputs(j);
        return NULL;
}

void job_remember_nonce(struct job *j) {
        const ProtobufCBinaryData *nonce = &j->request->client_nonce;

        if (nonce->len > 0)
                map_set(RQ_OF(j)->nonces, BYTES(nonce->data, nonce->len), j);
}

void job_input_ready(struct job_input *in, const struct input_facts *facts,
                     const struct input_failure *failure, nsec_t now) {
        struct job *j = in->job;
        char detail[sizeof(j->detail)];

        if (!facts) {
                input_failure_detail(failure, &in->root, detail, sizeof(detail));
                actions_add(ACTIONS(j), ACTION_INPUT_CANCEL, in->handle.id);
                handle_close(RQ_OF(j), &in->handle);
                job_fail(j,
                         failure->code == OUTCOME_LIMIT ? OUTCOME_LIMIT : OUTCOME_DATA_UNAVAILABLE,
                         failure->code == OUTCOME_LIMIT ? "which=data" : detail, now);
                return;
        }
        buffer_put_bytes(&in->schema, facts->schema);
        buffer_put_bytes(&in->options, facts->options);
        if (in->schema.failed || in->options.failed) { /* cut, they would tell of other data */
                job_fail(j, OUTCOME_LIMIT, in->schema.failed ? "which=schema" : "which=options",
                         now);
                return;
        }
        in->is_ready = true;
        in->is_public = facts->is_public;
        in->format = xstrdup(facts->format);
        in->path = xstrdup(facts->path);
        in->length = facts->length;
        j->input_bytes += in->length;
}

void job_inputs_done(struct job *j) {
        for (size_t i = 0; i < j->n_inputs; i++) {
                struct job_input *in = &j->inputs[i];

                if (in->handle.id) /* the pin of one that is ready goes too */
                        actions_add(ACTIONS(j), ACTION_INPUT_CANCEL, in->handle.id);
                handle_close(RQ_OF(j), &in->handle);
                free(in->name);
                free(in->format);
                free(in->path);
                buffer_done(&in->schema);
                buffer_done(&in->options);
        }
        free(j->inputs);
        j->inputs = NULL;
        j->n_inputs = 0;
}

bool job_inputs_are_ready(const struct job *j) {
        for (size_t i = 0; i < j->n_inputs; i++)
                if (!j->inputs[i].is_ready)
                        return false;
        return true;
}

void job_inputs_step(struct job *j, nsec_t now) {
        if (!job_inputs_are_ready(j))
                return;
        /* A node that has just started knows nobody yet; who insists on others waits. */
        if (job_prefer(j) == PREFER_REMOTE && RQ_OF(j)->n_candidates == 0 &&
            !job_due(j, nsec_add(RQ_OF(j)->started, CANDIDATES_WAIT), now))
                return;
        /* One that was running here before a restart is analysed. */
        j->stage = j->is_restored && j->plan.is_local ? JOB_LOCAL : JOB_ANALYSING;
}
