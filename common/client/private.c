#include "common/client/private_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/budget.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "common/client/spool_format.h"
#include "common/crypto/random.h"
#include "common/daemon/io.h"

#define ANALYSE_WITHIN (30 * NSEC_PER_SEC)
#define DEFAULT_WALL   (300 * NSEC_PER_SEC)
#define DEFAULT_MEMORY (UINT64_C(64) << 20)
#define SPOOL_MAX      (UINT64_C(1) << 30)
#define DIGESTS_MAX    (ANSWER_SET_ROWS * (uint64_t) HASH_SIZE)
#define RECORD_MAX     (17u << 20)
#define CPU_SPARE_MS   1000
#define KILL_GRACE     (2 * NSEC_PER_SEC) /* the executor ends itself at its limits */

static void fail(struct private_job *p, uint32_t outcome, const char *detail) {
        p->outcome = outcome;
        p->position = -1;
        p->text[0] = 0;
        (void) snprintf(p->detail, sizeof(p->detail), "%s", detail);
        private_put_end(p);
}

/* ---- what the executor says ---- */

static void take_problem(struct private_job *p, const Types__Problem *from) {
        p->is_failed = true;
        p->outcome = from && outcome_name(from->code) && from->code ? from->code : OUTCOME_INTERNAL;
        p->position = from ? from->position : -1;
        (void) snprintf(p->detail, sizeof(p->detail), "%s", from ? from->detail : "what=executor");
        (void) snprintf(p->text, sizeof(p->text), "%s", from ? from->text : "");
}

static void take_commit(struct private_job *p, const Worker__Committed *c) {
        if (c->answer.len != HASH_SIZE || c->sequence_root.len != HASH_SIZE ||
            c->form < ANSWER_SET || c->form > ANSWER_ERROR) {
                take_problem(p, NULL);
                return;
        }
        p->is_committed = true;
        p->answer = (struct answer){ .form = c->form,
                                     .error = c->error,
                                     .position = c->position > 0 ? (uint32_t) c->position : 0,
                                     .batches = c->batches,
                                     .rows = c->rows,
                                     .bytes = c->bytes };
        memcpy(p->answer.hash.bytes, c->answer.data, HASH_SIZE);
        memcpy(p->answer.sequence_root.bytes, c->sequence_root.data, HASH_SIZE);
        if (c->form == ANSWER_ERROR)
                (void) snprintf(p->text, sizeof(p->text), "%s", c->text);
}

/* The report is the executor's: keep a copy by packing it once more. */
static void take_analysis(struct private_job *p, const Worker__Report *report) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, PACKETS_MESSAGE_MAX);
        wire_pack(&b, &report->base);
        if (b.failed ||
            wire_unpack(&worker__report__descriptor, buffer_bytes(&b), NULL, &p->analysis))
                take_problem(p, NULL);
}

static void take_description(struct private_job *p, const Worker__Described *d) {
        buffer_put(&p->schemas[p->describing], d->schema.data, d->schema.len);
        buffer_put(&p->options[p->describing], d->options.data, d->options.len);
}

static void on_report(void *userdata, const Worker__Report *report) {
        struct private_job *p = userdata;

        if (report->body_case == WORKER__REPORT__BODY_PROGRESS && p->run)
                private_put_progress(p, report->progress);
        else if (report->body_case == WORKER__REPORT__BODY_FAILED)
                take_problem(p, report->failed->problem);
        else if (report->body_case == WORKER__REPORT__BODY_COMMITTED)
                take_commit(p, report->committed);
        else if (report->body_case == WORKER__REPORT__BODY_ANALYSIS)
                take_analysis(p, report);
        else if (report->body_case == WORKER__REPORT__BODY_DESCRIBED)
                take_description(p, report->described);
}

/* It ended without a word: its limits, or a fault of ours. */
static void take_silence(struct private_job *p, const struct executor_event *ended) {
        bool memory = ended->signal == 9 || ended->status != 0;

        take_problem(p, NULL);
        if (ended->signal == 24 || memory)
                p->outcome = OUTCOME_LIMIT;
        (void) snprintf(p->detail, sizeof(p->detail), "%s",
                        ended->signal == 24 ? "which=cpu"
                        : memory            ? "which=memory"
                                            : "what=executor");
}

/* ---- jobs ---- */

/* Views into p. */
struct work {
        Worker__Job job;
        Worker__Source sources[EXECUTOR_INPUTS_MAX], *pointers[EXECUTOR_INPUTS_MAX];
        struct executor_begin begin;
};

/* Tables are read once more by the run alone: what an analysis wants of them is their schema. */
static bool wants_file(const struct private_job *p, size_t i, Worker__Job__Mode mode) {
        return mode != WORKER__JOB__MODE__ANALYSE || strcmp(p->formats[i], "sqlite") == 0;
}

static void fill_inputs(struct private_job *p, struct work *w, size_t first, size_t n,
                        bool admitted) {
        for (size_t i = 0; i < n; i++) {
                Worker__Source *s = &w->sources[i];
                size_t from = first + i;

                worker__source__init(s);
                s->name = p->names[from];
                s->format = (char *) p->formats[from];
                s->length = p->lengths[from];
                s->options = (ProtobufCBinaryData){ p->options[from].len, p->options[from].data };
                s->schema = (ProtobufCBinaryData){ p->schemas[from].len, p->schemas[from].data };
                s->has_file = wants_file(p, from, w->job.mode);
                s->admitted = admitted;
                w->pointers[i] = s;
                if (!s->has_file)
                        continue;
                w->begin.input_fds[w->begin.n_inputs] = p->fds[from];
                w->begin.input_lengths[w->begin.n_inputs++] = p->lengths[from];
        }
        w->job.inputs = w->pointers;
        w->job.n_inputs = n;
}

static void fill_work(struct private_job *p, struct work *w, Worker__Job__Mode mode) {
        worker__job__init(&w->job);
        w->job.mode = mode;
        w->job.engine = (char *) (p->is_duckdb ? "duckdb" : "sqlite");
        w->job.sql = p->sql;
        w->job.limits = &p->limits;
        w->job.time_us = p->time_us;
        w->job.seed = (ProtobufCBinaryData){ sizeof(p->seed), p->seed };
        w->job.comparison = (char *) "class"; /* one build: nothing is compared among builds */
        w->begin = (struct executor_begin){
                .id = ++p->q->n_private,
                .memory = p->limits.memory,
                .cpu_ms = p->limits.cpu_ms,
                .spool = SPOOL_MAX,
                .spool_fd = p->spool,
        };
}

static void take_timeout(struct private_job *p, const char *detail) {
        take_problem(p, NULL);
        p->outcome = OUTCOME_TIMEOUT;
        (void) snprintf(p->detail, sizeof(p->detail), "%s", detail);
}

/* Analysis of one kind or another. A problem is in p; QUORATE_AGAIN: woken. */
static int consult(struct private_job *p, struct work *w, nsec_t until) {
        struct executor_run *run = NULL;
        struct executor_event ended = {};
        int r = executor_run_start(p->zygote, &w->begin, &w->job, on_report, p, &run);
        nsec_t now = loop_now(p->q->loop);

        if (r == EXECUTOR_OK)
                r = EXECUTOR_E_MORE;
        while (r == EXECUTOR_E_MORE && now < until && !client_is_woken(p->q)) {
                r = executor_run_wait(run, p->q->wake_fd, nsec_sub(until, now), &ended);
                now = loop_now(p->q->loop);
        }
        executor_run_free(run);
        if (r == EXECUTOR_E_MORE && now < until)
                return QUORATE_AGAIN;
        if (r == EXECUTOR_E_MORE)
                take_timeout(p, "stage=analysis");
        else if (r == EXECUTOR_E_GONE && !p->is_failed)
                take_silence(p, &ended);
        else if (r != EXECUTOR_OK && !p->is_failed)
                take_problem(p, NULL);
        return QUORATE_OK;
}

static int open_input(struct private_job *p, const struct quorate_input *in) {
        int r;

        if (!in->path)
                return client_fail(p->q, QUORATE_E_USAGE,
                                   "a dataset by its root needs a node; start one with `quorate "
                                   "run`, or give a file");
        r = private_open_input(p, in->path);
        if (r == QUORATE_OK)
                p->n_inputs++;
        return r;
}

static int describe_input(struct private_job *p, size_t i, const char *path) {
        struct work w;
        int r;

        buffer_init(&p->options[i], SCHEMA_BYTES_MAX);
        buffer_init(&p->schemas[i], SCHEMA_BYTES_MAX + (2u << 20));
        p->describing = i;
        fill_work(p, &w, WORKER__JOB__MODE__DESCRIBE);
        fill_inputs(p, &w, i, 1, false);
        w.job.sql = (char *) "";
        r = consult(p, &w, p->deadline);
        if (r)
                return r;
        if (p->is_failed && p->outcome == OUTCOME_TIMEOUT)
                return client_fail(p->q, QUORATE_E_INPUT,
                                   "%s: reading it took longer than the job may; raise --timeout",
                                   path);
        return p->is_failed ? client_bad_file(p->q, path, p->formats[i], p->detail, p->text)
                            : QUORATE_OK;
}

static void take_limits(struct private_job *p, const struct quorate_question *question) {
        uint64_t wall = question->timeout_ms ? question->timeout_ms : DEFAULT_WALL / NSEC_PER_MSEC;

        types__limits__init(&p->limits);
        p->limits.rows = question->max_rows;
        p->limits.bytes = question->max_bytes;
        p->limits.memory = question->max_memory ? question->max_memory : DEFAULT_MEMORY;
        /* Of one thread: the wall clock's end is the one that is told. */
        p->limits.cpu_ms = question->max_cpu_ms ? question->max_cpu_ms : wall + CPU_SPARE_MS;
        p->limits.wall_ms = wall;
        p->deadline = nsec_add(p->began, nsec_add(wall * NSEC_PER_MSEC, KILL_GRACE));
}

static struct private_job *job_new(struct quorate *q, const struct quorate_question *question) {
        struct private_job *p = xnew(struct private_job);
        struct timespec now;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        p->q = q;
        p->spool = -1;
        p->position = -1;
        for (size_t i = 0; i < EXECUTOR_INPUTS_MAX; i++)
                p->fds[i] = -1;
        p->began = p->first_row = loop_now(q->loop);
        p->time_us = (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
        p->sql = xstrdup(question->sql);
        p->class_name = xstrdup("");
        buffer_init(&p->record, RECORD_MAX);
        random_bytes(p->seed, sizeof(p->seed));
        take_limits(p, question);
        return p;
}

/* Who wants others to answer wants a node: alone would be another answer than was asked for. */
static int refuse_others(struct quorate *q, const struct quorate_question *question) {
        const struct {
                bool is_given;
                const char *option;
        } wishes[] = {
                { question->prefer && strcmp(question->prefer, "remote") == 0, "--prefer remote" },
                { question->n_hosts > 0, "--host" },
                { question->quorum > 1, "--quorum" },
                { question->replicas > 1, "--replicas" },
                { question->verify && strcmp(question->verify, "unanimous") == 0,
                  "--verify unanimous" },
                { question->engine_diverse, "--engine-diverse" },
                { !private_wants_engine(question, "sqlite") &&
                          !private_wants_engine(question, "duckdb"),
                  "--engine with a class" },
        };

        for (size_t i = 0; i < ELEMENTSOF(wishes); i++)
                if (wishes[i].is_given)
                        return client_fail(q, QUORATE_E_NO_NODE,
                                           "no node is running here, and %s needs one; start it "
                                           "with `quorate run`",
                                           wishes[i].option);
        return QUORATE_OK;
}

_Static_assert(QUORATE_INPUTS_MAX == EXECUTOR_INPUTS_MAX, "no executor takes more");

/* Everything before the run. */
static int prepare(struct private_job *p, const struct quorate_question *question) {
        struct work w;
        int r;

        if (question->n_inputs > QUORATE_INPUTS_MAX)
                return client_fail_inputs(p->q);
        if (!utf8_is_valid(BYTES_STR(question->sql)))
                return client_fail(p->q, QUORATE_E_USAGE, "the SQL is not UTF-8");
        r = refuse_others(p->q, question);
        if (r)
                return r;
        r = private_open_spool(p->q, &p->spool);
        if (r == QUORATE_OK)
                r = data_file_names(p->q, question->inputs, question->n_inputs, p->names);
        for (size_t i = 0; r == QUORATE_OK && i < question->n_inputs; i++)
                r = open_input(p, &question->inputs[i]);
        if (r == QUORATE_OK)
                r = private_choose_engine(p, question);
        for (size_t i = 0; r == QUORATE_OK && i < p->n_inputs; i++)
                r = describe_input(p, i, question->inputs[i].path);
        if (r)
                return r;
        fill_work(p, &w, WORKER__JOB__MODE__ANALYSE);
        fill_inputs(p, &w, 0, p->n_inputs, true);
        w.job.no_rewrite = question->no_rewrite;
        return consult(p, &w, nsec_add(loop_now(p->q->loop), ANALYSE_WITHIN));
}

static const Worker__Analysis *analysis_of(const struct private_job *p) {
        const Worker__Report *report = p->analysis.message;

        return report && report->body_case == WORKER__REPORT__BODY_ANALYSIS ? report->analysis
                                                                            : NULL;
}

static void set_text(char **to, const char *text) {
        free(*to);
        *to = xstrdup(text);
}

static void start_run(struct private_job *p) {
        const Worker__Analysis *a = analysis_of(p);
        struct work w;

        if (!a || schema_decode(BYTES(a->schema.data, a->schema.len), &p->schema)) {
                fail(p, OUTCOME_INTERNAL, "what=analysis");
                return;
        }
        set_text(&p->sql, *a->rewrite ? a->rewrite : p->sql);
        set_text(&p->class_name, a->class_name);
        private_put_schema(p);
        fill_work(p, &w, WORKER__JOB__MODE__RUN);
        fill_inputs(p, &w, 0, p->n_inputs, true);
        w.job.schema = a->schema;
        w.job.form = a->ordered ? ANSWER_SEQUENCE : ANSWER_SET;
        w.job.class_name = p->class_name;
        w.job.no_rewrite = true;
        if (executor_run_start(p->zygote, &w.begin, &w.job, on_report, p, &p->run))
                fail(p, OUTCOME_INTERNAL, "what=executor");
}

int private_query(struct quorate *q, const struct quorate_question *question,
                  struct quorate_result *r) {
        struct private_job *p = job_new(q, question);
        int e = prepare(p, question);

        p->result = r;
        r->private = p;
        if (e)
                return e;
        if (p->is_failed)
                private_put_end(p);
        else
                start_run(p);
        return QUORATE_OK;
}

/* ---- rows ---- */

static void begin_rows(struct private_job *p) {
        if (p->answer.form == ANSWER_ERROR) {
                p->outcome = OUTCOME_SQL_ERROR;
                p->position =
                        sql_error_has_position(p->answer.error) ? (int32_t) p->answer.position : -1;
                (void) snprintf(p->detail, sizeof(p->detail), "code=%s",
                                sql_error_name(p->answer.error));
                private_put_end(p);
                return;
        }
        budget_init(&p->digests, DIGESTS_MAX, NULL);
        answer_check_begin(&p->checker, &p->answer, p->schema, true, &p->digests);
        p->is_checking = true;
}

/* The next batch of the spool into p->record. */
static bool read_record(struct private_job *p) {
        uint8_t header[SPOOL_HEADER_SIZE];
        uint32_t len;

        if (io_read_at(p->spool, header, sizeof(header), p->at))
                return false;
        len = load_be32(header);
        buffer_clear(&p->record);
        if (!buffer_reserve(&p->record, len) ||
            io_read_at(p->spool, p->record.data, len, p->at + SPOOL_HEADER_SIZE))
                return false;
        p->record.len = len;
        p->at += SPOOL_RECORD_EXTRA + len;
        return true;
}

/* One batch, hashed again, or the end. */
static void read_on(struct private_job *p) {
        uint64_t rows = p->checker.rows;

        if (p->next_batch == p->answer.batches) {
                if (answer_check_end(&p->checker) == CHECK_OK)
                        private_put_end(p);
                else
                        fail(p, OUTCOME_INTERNAL, "what=the rows are not those of the answer");
                return;
        }
        if (!read_record(p) ||
            answer_check_batch(&p->checker, buffer_bytes(&p->record)) != CHECK_OK) {
                fail(p, OUTCOME_INTERNAL, "what=the spool is not what was written");
                return;
        }
        if (p->next_batch == 0)
                p->first_row = loop_now(p->q->loop);
        private_put_batch(p, p->checker.rows - rows);
}

static void finish_run(struct private_job *p, int result, const struct executor_event *ended) {
        p->run = executor_run_free(p->run);
        if (result == EXECUTOR_E_GONE && !p->is_failed)
                take_silence(p, ended);
        else if (result != EXECUTOR_OK && !p->is_failed)
                take_problem(p, NULL);
        if (p->is_failed)
                private_put_end(p);
        else
                begin_rows(p);
}

static bool was_woken(struct quorate *q) {
        uint64_t n;

        return read(q->wake_fd, &n, sizeof(n)) == sizeof(n);
}

int private_step(struct quorate_result *r, nsec_t deadline) {
        struct private_job *p = r->private;

        while (list_is_empty(&r->frames)) {
                nsec_t now = loop_now(p->q->loop);
                struct executor_event ended;
                int e;

                if (was_woken(p->q) || (now >= deadline && p->run))
                        return QUORATE_AGAIN;
                if (!p->run) {
                        read_on(p);
                        continue;
                }
                if (now >= p->deadline) {
                        p->run = executor_run_free(p->run);
                        fail(p, OUTCOME_TIMEOUT, "stage=run");
                        continue;
                }
                e = executor_run_wait(p->run, p->q->wake_fd,
                                      nsec_sub(nsec_min(deadline, p->deadline), now), &ended);
                if (e != EXECUTOR_E_MORE)
                        finish_run(p, e, &ended);
        }
        return QUORATE_OK;
}

void private_cancel(struct quorate_result *r) {
        struct private_job *p = r->private;

        if (!p->run)
                return;
        p->run = executor_run_free(p->run);
        fail(p, OUTCOME_CANCELLED, "");
}

struct private_job *private_free(struct private_job *p) {
        if (!p)
                return NULL;
        executor_run_free(p->run);
        for (size_t i = 0; i < EXECUTOR_INPUTS_MAX; i++) {
                fd_close(p->fds[i]);
                buffer_done(&p->options[i]);
                buffer_done(&p->schemas[i]);
        }
        if (p->is_checking)
                answer_check_done(&p->checker);
        unpacked_done(&p->analysis);
        schema_free(p->schema);
        buffer_done(&p->record);
        fd_close(p->spool);
        free(p->sql);
        free(p->class_name);
        free(p);
        return NULL;
}

/* ---- explain ---- */

static void fill_explanation(const Worker__Analysis *a, Coordinator__ExplainReply *m,
                             Coordinator__Reason *reasons, Coordinator__Reason **list) {
        for (size_t i = 0; i < a->n_findings; i++) {
                coordinator__reason__init(&reasons[i]);
                reasons[i].expression = a->findings[i]->expression;
                reasons[i].position = a->findings[i]->position;
                reasons[i].why = a->findings[i]->why;
                list[i] = &reasons[i];
        }
        m->class_name = a->class_name;
        m->reasons = list;
        m->n_reasons = a->n_findings;
        m->rewrite = a->rewrite;
        m->schema = a->schema;
        m->ordered = a->ordered;
        m->engine = a->engine;
        m->engines = &m->engine;
        m->n_engines = 1;
        m->portable = a->portable;
        m->not_portable = a->not_portable;
        m->not_portable_at = a->not_portable_at;
        m->route = (char *) "local";
        m->reason = (char *) PRIVATE_REASON;
        m->comparison = (char *) (strcmp(a->class_name, "EXACT") == 0 ||
                                                  strcmp(a->class_name, "ORDERED") == 0
                                          ? "engine"
                                          : "class");
}

int private_explain(struct quorate *q, const struct quorate_question *question,
                    struct unpacked *ret) {
        struct private_job *p = job_new(q, question);
        Coordinator__ExplainReply m = COORDINATOR__EXPLAIN_REPLY__INIT;
        Coordinator__Reason *reasons = NULL, **list = NULL;
        Types__Problem problem = TYPES__PROBLEM__INIT;
        struct buffer b = {};
        const Worker__Analysis *a;
        char expression[80];
        int r = prepare(p, question);

        a = analysis_of(p);
        if (r == QUORATE_OK && a) {
                reasons = xnew_n(Coordinator__Reason, a->n_findings + 1);
                list = xnew_n(Coordinator__Reason *, a->n_findings + 1);
                fill_explanation(a, &m, reasons, list);
        }
        if (r == QUORATE_OK && a && a->not_portable_at >= 0)
                m.not_portable_expression =
                        text_expression(BYTES_STR(question->sql), (size_t) a->not_portable_at,
                                        expression, sizeof(expression));
        problem.code = p->outcome;
        problem.position = p->position;
        problem.detail = p->detail;
        problem.text = p->text;
        m.problem = p->is_failed ? &problem : NULL;
        buffer_init(&b, PACKETS_MESSAGE_MAX);
        wire_pack(&b, &m.base);
        if (r == QUORATE_OK &&
            wire_unpack(&coordinator__explain_reply__descriptor, buffer_bytes(&b), NULL, ret))
                r = client_fail(q, QUORATE_E_PROTOCOL, "malformed analysis");
        buffer_done(&b);
        free(reasons);
        free(list);
        private_free(p);
        return r;
}
