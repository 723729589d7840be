#include "services/worker/executor.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/base/budget.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/nsec.h"
#include "common/canonical/outcome.h"
#include "common/client/packets.h"
#include "common/client/spool_format.h"
#include "common/daemon/io.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "services/worker/analysis_said.h"
#include "services/worker/import.h"
#include "services/worker/oddities.h"
#include "services/worker/own_limit.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/import_schema.h"

#define PROGRESS_EVERY  (200 * NSEC_PER_MSEC)
#define ROW_GUESSED     64 /* bytes, of data nobody has counted */
#define PARAMETERS_MAX  1000
#define SET_DIGESTS_MAX (ANSWER_SET_ROWS * (uint64_t) HASH_SIZE)

struct run {
        struct executor_task *task;
        struct packets in;
        struct unpacked job_message, text_message;
        const Worker__Job *job;
        const Worker__JobText *text;
        struct engine_job engine_job;
        struct bytes parameters[PARAMETERS_MAX];
        struct engine_session *session;
        struct answer_builder builder;
        struct budget digests;
        struct schema *schema;
        uint64_t spooled;
        nsec_t started, deadline, progress_at;
        bool is_over_cpu;
        struct engine_problem problem;
};

static nsec_t now_of(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

/* ---- reports ---- */

static int report(struct run *r, Worker__Report *m) {
        return packets_send_message(r->task->job_fd, &m->base);
}

static void meter(const struct run *r, Types__Metering *m) {
        m->cpu_us = now_of(CLOCK_PROCESS_CPUTIME_ID) / NSEC_PER_USEC;
        m->wall_us = nsec_sub(now_of(CLOCK_MONOTONIC), r->started) / NSEC_PER_USEC;
        m->peak_memory = r->session ? r->task->engine->memory(r->session) : 0;
        m->rows = r->builder.rows;
        m->bytes = r->builder.bytes;
}

static int report_failed(struct run *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Failed failed = WORKER__FAILED__INIT;
        Types__Problem problem = TYPES__PROBLEM__INIT;
        Types__Metering metering = TYPES__METERING__INIT;

        if (r->is_over_cpu && r->problem.outcome == OUTCOME_TIMEOUT) {
                r->problem.outcome = OUTCOME_LIMIT;
                (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "which=cpu");
        }
        engine_problem_code(&r->problem);
        problem.code = r->problem.outcome;
        problem.detail = r->problem.detail;
        problem.text = r->problem.text;
        problem.position = r->problem.position;
        meter(r, &metering);
        failed.problem = &problem;
        failed.metering = &metering;
        m.body_case = WORKER__REPORT__BODY_FAILED;
        m.failed = &failed;
        return report(r, &m);
}

static int fail(struct run *r, uint32_t outcome, const char *detail, const char *text) {
        (void) engine_problem_set(&r->problem, ENGINE_E_PROBLEM, outcome, 0, -1, text);
        (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "%s", detail);
        return report_failed(r);
}

#define PROGRESS_SIZE 128

/* May have come in the middle of malloc(): nothing here allocates. */
static void report_progress(struct run *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Progress p = WORKER__PROGRESS__INIT;
        uint8_t storage[PROGRESS_SIZE];
        struct buffer b = buffer_over(storage, sizeof(storage));

        p.rows = r->builder.rows;
        p.bytes = r->builder.bytes;
        p.batches = r->builder.batches;
        p.imports = r->job->mode == WORKER__JOB__MODE__IMPORT;
        p.cpu_us = now_of(CLOCK_PROCESS_CPUTIME_ID) / NSEC_PER_USEC;
        p.memory = r->session ? r->task->engine->memory(r->session) : 0;
        m.body_case = WORKER__REPORT__BODY_PROGRESS;
        m.progress = &p;
        wire_pack(&b, &m.base);
        /* When nobody listens, the next one that matters will say so. */
        (void) packets_send(r->task->job_fd, buffer_bytes(&b));
}

/* Asked by the engine every few milliseconds, also while no row comes out and out of a
 * signal handler. */
static bool is_over(void *userdata) {
        struct run *r = userdata;
        nsec_t now = now_of(CLOCK_MONOTONIC);

        if (now >= r->progress_at) {
                r->progress_at = now + PROGRESS_EVERY;
                report_progress(r);
        }
        r->is_over_cpu = now < r->deadline && r->task->cpu_ms > 0 &&
                         now_of(CLOCK_PROCESS_CPUTIME_ID) / NSEC_PER_MSEC > r->task->cpu_ms;
        return now >= r->deadline || r->is_over_cpu;
}

/* ---- analysis ---- */

/* The analysis is out by now: EXPLAIN computes constants, and may be killed at that. */
static int report_promise(struct run *r, const char *sql, Worker__Report *m) {
        struct engine_promise promise;

        r->task->engine->promise(r->session, sql, &promise);
        if (!promise.is_known)
                return 0;
        m->analysis->has_plan = true;
        m->analysis->plan_rows = (uint64_t) promise.rows;
        m->analysis->plan_work = (uint64_t) promise.work;
        return report(r, m);
}

/* Said of the statement by the engine; of its inputs it is the same for all. */
static const char *not_portable(const struct run *r, const struct engine_analysis *a) {
        for (size_t i = 0; i < r->engine_job.n_inputs && !a->not_portable; i++)
                if (strcmp(r->engine_job.inputs[i].format, "parquet") == 0)
                        return "a Parquet file, whose types are not all those of SQLite";
        return a->not_portable;
}

static int report_analysis(struct run *r, const struct engine_analysis *a) {
        Worker__Report m = WORKER__REPORT__INIT;
        struct analysis_said said;
        int sent;

        analysis_say(r->task->engine, a, not_portable(r, a), &said);
        m.body_case = WORKER__REPORT__BODY_ANALYSIS;
        m.analysis = &said.message;
        sent = report(r, &m);
        return sent || !r->job->with_plan ? sent : report_promise(r, a->rewrite, &m);
}

static struct bytes sql_of(const struct run *r) {
        return BYTES_STR(r->text->sql);
}

static int analyse(struct run *r) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};

        if (r->task->engine->analyse(r->session, sql_of(r), r->job->no_rewrite, &a, &r->problem))
                return report_failed(r);
        return report_analysis(r, &a);
}

static bool is_table(const struct run *r) {
        return table_format_of(r->engine_job.inputs[0].format) != TABLE_FORMAT_NONE;
}

/* Table files are read by us, alike for every engine, and before one has seen them. */
static bool needs_no_engine(const struct run *r) {
        return (r->job->mode == WORKER__JOB__MODE__IMPORT ||
                r->job->mode == WORKER__JOB__MODE__DESCRIBE) &&
               r->engine_job.n_inputs == 1 && r->engine_job.inputs[0].data && is_table(r);
}

static uint64_t count_rows(struct run *r) {
        const struct engine_input *in = &r->engine_job.inputs[0];

        if (needs_no_engine(r))
                return tables_count_lines(BYTES(in->data, in->length));
        return r->task->engine->count ? r->task->engine->count(r->session) : 0;
}

static int describe(struct run *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Described out = WORKER__DESCRIBED__INIT;
        CLEANUP(buffer_donep) struct buffer schema = {}, options = {};
        CLEANUP(freep) struct describe_odd *odd = xnew(struct describe_odd);
        struct oddities said;
        char class_name[ENGINE_CLASS_SIZE];

        if (r->engine_job.n_inputs != 1 || !r->engine_job.inputs[0].data)
                return fail(r, OUTCOME_USAGE, "", "one file is described at a time");
        buffer_init(&schema, 2 << 20);
        buffer_init(&options, 256);
        if (needs_no_engine(r)
                    ? tables_describe(&r->engine_job, &options, &schema, odd, &r->problem)
                    : r->task->engine->describe(r->session, &schema, &r->problem))
                return report_failed(r);
        r->task->engine->class_name(class_name);
        out.schema = (ProtobufCBinaryData){ schema.len, schema.data };
        out.options = (ProtobufCBinaryData){ options.len, options.data };
        out.engine = class_name;
        out.rows = count_rows(r);
        oddities_say(odd, &said, &out);
        m.body_case = WORKER__REPORT__BODY_DESCRIBED;
        m.described = &out;
        return report(r, &m);
}

/* ---- run ---- */

static int report_committed(struct run *r, const struct answer *a) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Committed out = WORKER__COMMITTED__INIT;
        Types__Metering metering = TYPES__METERING__INIT;
        char class_name[ENGINE_CLASS_SIZE];

        meter(r, &metering);
        r->task->engine->class_name(class_name);
        out.form = (uint32_t) a->form;
        out.answer = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->hash.bytes };
        out.sequence_root = (ProtobufCBinaryData){ HASH_SIZE, (uint8_t *) a->sequence_root.bytes };
        out.batches = a->batches;
        out.rows = a->rows;
        out.bytes = a->bytes;
        out.metering = &metering;
        out.engine = class_name;
        out.error = a->error;
        out.position = (int32_t) a->position;
        out.text = a->form == ANSWER_ERROR ? r->problem.text : out.text;
        m.body_case = WORKER__REPORT__BODY_COMMITTED;
        m.committed = &out;
        return report(r, &m);
}

/* Of this host, not of the job: others may give more rows. */
static bool is_own_limit(struct run *r) {
        const Types__Limits *limits = r->job->limits, *agreed = r->job->agreed;
        uint64_t rows = r->builder.rows, bytes = r->builder.bytes;
        const char *which, *said;

        if (r->problem.sql_error != SQL_RESULT_LIMIT)
                return false;
        if ((said = job_limit(limits, agreed, rows, bytes)))
                (void) snprintf(r->problem.text, sizeof(r->problem.text), "%s", said);
        if (!(which = own_limit(limits, agreed, rows, bytes)))
                return false;
        (void) engine_problem_set(&r->problem, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1,
                                  "the result is above what this host gives");
        (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "which=%s", which);
        return true;
}

/* An error every build of the engine gives alike is an answer like any other. */
static bool is_answer(const struct run *r) {
        if (strcmp(r->job->comparison, "portable") == 0)
                return false;
        return strcmp(r->job->comparison, "class") == 0 ||
               engine_builds_err_alike(r->task->engine, &r->problem);
}

static int commit_error(struct run *r) {
        struct hash_value digest = schema_digest(BYTES(r->job->schema.data, r->job->schema.len));
        uint32_t position = sql_error_has_position(r->problem.sql_error) && r->problem.position > 0
                                    ? (uint32_t) r->problem.position
                                    : 0;
        struct answer a = {};

        if (is_own_limit(r) || !is_answer(r) ||
            !answer_of_error(r->problem.sql_error, position, &digest, &a))
                return report_failed(r);
        return report_committed(r, &a);
}

/* What is wrong with the rows of an input is so on every host. */
static int not_opened(struct run *r, int result) {
        if (r->job->mode == WORKER__JOB__MODE__RUN && result == ENGINE_E_SQL &&
            r->problem.sql_error == SQL_ENCODING)
                return commit_error(r);
        return report_failed(r);
}

/* Its import has found it. */
static bool has_faulty_input(struct run *r) {
        for (size_t i = 0; i < r->job->n_inputs; i++) {
                const Worker__Source *in = r->job->inputs[i];

                if (!in->fault[0] || r->job->mode != WORKER__JOB__MODE__RUN)
                        continue;
                (void) engine_problem_data(&r->problem, in->fault);
                engine_problem_name(&r->problem, in->name);
                return true;
        }
        return false;
}

static int spool_bytes(struct run *r, struct bytes batch) {
        uint8_t header[SPOOL_HEADER_SIZE];
        struct iovec iov[] = { { header, sizeof(header) }, { (void *) batch.data, batch.len } };

        r->spooled += SPOOL_RECORD_EXTRA + batch.len;
        if (r->spooled > r->task->spool)
                return -EFBIG;
        store_be32(header, (uint32_t) batch.len);
        return io_writev(r->task->spool_fd, iov, 2);
}

static int spool_digest(struct run *r, const struct hash_value *digest) {
        struct iovec iov = { (void *) digest->bytes, HASH_SIZE };

        return io_writev(r->task->spool_fd, &iov, 1);
}

static int spool_batch(struct run *r) {
        int result = spool_bytes(r, answer_batch(&r->builder));
        struct hash_value digest = answer_next(&r->builder);

        return result ? result : spool_digest(r, &digest);
}

static int spool_full(struct run *r, const char *text) {
        (void) engine_problem_set(&r->problem, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1, text);
        (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "which=spool");
        return ENGINE_E_PROBLEM;
}

static int run_rows(struct run *r) {
        for (;;) {
                int result = r->task->engine->step(r->session, &r->builder, &r->problem);

                if (result != ENGINE_BATCH)
                        return result;
                if (spool_batch(r) < 0)
                        return spool_full(r, "the result does not fit the spool");
                if (is_over(r)) {
                        (void) engine_problem_set(&r->problem, ENGINE_E_PROBLEM, OUTCOME_TIMEOUT, 0,
                                                  -1, "");
                        (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "stage=run");
                        return ENGINE_E_PROBLEM;
                }
        }
}

static int report_started(struct run *r) {
        Worker__Report m = WORKER__REPORT__INIT;
        Worker__Started started = WORKER__STARTED__INIT;

        started.missing_layers = r->task->missing_layers;
        m.body_case = WORKER__REPORT__BODY_STARTED;
        m.started = &started;
        return report(r, &m);
}

/* Not among equal builds alone: what builds, or engines, differ in is no answer. */
static bool is_compared_widely(const struct run *r) {
        return strcmp(r->job->comparison, "engine") == 0 ||
               strcmp(r->job->comparison, "portable") == 0;
}

/* A host signs nothing that another honest host might answer differently. What is
 * neither EXACT nor ORDERED is compared among equal builds only. */
static bool may_run_as(const struct run *r, const struct engine_analysis *a) {
        bool is_exact = a->class == ENGINE_EXACT || a->class == ENGINE_ORDERED;

        if (r->job->class_name[0] && strcmp(r->job->class_name, engine_class_name(a->class)) != 0)
                return false;
        if (strcmp(r->job->comparison, "class") == 0)
                return true;
        if (strcmp(r->job->comparison, "portable") == 0 && a->not_portable)
                return false;
        return is_compared_widely(r) && is_exact && (a->is_ordered || r->job->form == ANSWER_SET);
}

/* Some build of this engine has read the statement, or it would not be compared among
 * builds: that this one cannot is a difference between builds, and no answer. */
static int unread(struct run *r, int result) {
        if (result != ENGINE_E_SQL || !is_compared_widely(r))
                return result;
        r->problem.outcome = OUTCOME_CLASS_MISMATCH;
        (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "class=none code=%s",
                        sql_error_name(r->problem.sql_error));
        return ENGINE_E_PROBLEM;
}

static int prepare(struct run *r) {
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        struct engine_statement statement = { .sql = sql_of(r),
                                              .parameters = r->parameters,
                                              .n_parameters = r->engine_job.n_parameters,
                                              .schema = r->schema };
        int result = r->task->engine->analyse(r->session, sql_of(r), true, &a, &r->problem);

        if (result)
                return unread(r, result);
        if (!may_run_as(r, &a)) {
                (void) engine_problem_set(&r->problem, ENGINE_E_PROBLEM, OUTCOME_CLASS_MISMATCH, 0,
                                          -1, a.n_findings ? a.findings[0].why : "");
                (void) snprintf(r->problem.detail, sizeof(r->problem.detail), "class=%s%s",
                                engine_class_name(a.class), a.is_ordered ? "" : " unordered");
                return ENGINE_E_PROBLEM;
        }
        statement.is_exact = a.class == ENGINE_EXACT || a.class == ENGINE_ORDERED;
        return r->task->engine->prepare(r->session, &statement, &r->problem);
}

static int run(struct run *r) {
        const struct answer_limits limits = {
                .rows = r->job->limits ? r->job->limits->rows : 0,
                .bytes = r->job->limits ? r->job->limits->bytes : 0,
                .sequence_beyond = strcmp(r->job->comparison, "class") == 0,
        };
        struct answer a = {};
        int result;

        if (schema_decode(BYTES(r->job->schema.data, r->job->schema.len), &r->schema) ||
            (r->job->form != ANSWER_SET && r->job->form != ANSWER_SEQUENCE))
                return fail(r, OUTCOME_USAGE, "", "no declared schema, or no form");
        budget_init(&r->digests, SET_DIGESTS_MAX, NULL);
        answer_begin(&r->builder, (enum answer_form) r->job->form, &r->schema->digest, &limits,
                     &r->digests);
        result = prepare(r);
        if (result == ENGINE_OK) {
                int sent = report_started(r);

                if (sent)
                        return sent;
                result = run_rows(r);
        }
        if (result == ENGINE_E_SQL)
                return commit_error(r);
        if (result != ENGINE_END)
                return report_failed(r);
        answer_result(&r->builder, &a);
        return report_committed(r, &a);
}

/* ---- import ---- */

static int on_import_open(void *userdata, struct import_rows **ret, struct engine_problem *p) {
        struct run *r = userdata;
        const struct engine_input *in = &r->engine_job.inputs[0];
        int result;

        if (!r->session)
                return import_table_rows(&r->engine_job, ret, p);
        result = r->schema ? ENGINE_OK : import_schema(in, &r->schema, p);
        return result ? result
                      : import_engine_rows(r->task->engine, r->session, in, r->schema, ret, p);
}

/* Nobody asks for the digests of these. */
static int on_import_batch(void *userdata, struct bytes batch, struct engine_problem *p) {
        static const struct hash_value none;
        struct run *r = userdata;

        if (spool_bytes(r, batch) < 0 || spool_digest(r, &none) < 0)
                return spool_full(r, "the table does not fit the spool as a SQLite file; raise "
                                     "[worker] spool-job, or ask hosts with DuckDB");
        r->builder.batches++; /* for progress */
        r->builder.bytes += batch.len;
        return ENGINE_OK;
}

static int import(struct run *r) {
        struct import_result done;
        struct answer a = { .form = ANSWER_SEQUENCE };

        if (r->engine_job.n_inputs != 1 || !r->engine_job.inputs[0].data)
                return fail(r, OUTCOME_USAGE, "", "one table file is imported at a time");
        if (import_write(on_import_open, on_import_batch, r, &done, &r->problem))
                return report_failed(r);
        r->builder.rows = a.rows = done.rows;
        a.bytes = done.bytes;
        a.batches = done.batches;
        return report_committed(r, &a);
}

/* ---- the job's two messages ---- */

static int receive(struct run *r, const ProtobufCMessageDescriptor *type, struct unpacked *ret) {
        struct bytes message;
        int result = packets_receive(&r->in, r->task->job_fd, &message);

        if (result)
                return result < 0 ? result : error_origin(-EPROTO);
        return wire_unpack(type, message, NULL, ret) == UNPACK_OK ? 0 : error_origin(-EPROTO);
}

static int take_inputs(struct run *r) {
        size_t with_file = 0;

        if (r->job->n_inputs > ENGINE_INPUTS_MAX)
                return error_origin(-EPROTO);
        for (size_t i = 0; i < r->job->n_inputs; i++) {
                const Worker__Source *source = r->job->inputs[i];
                struct engine_input *in = &r->engine_job.inputs[i];

                (void) snprintf(in->name, sizeof(in->name), "%s", source->name);
                (void) snprintf(in->format, sizeof(in->format), "%s", source->format);
                in->options = BYTES(source->options.data, source->options.len);
                in->schema = BYTES(source->schema.data, source->schema.len);
                in->admitted = source->admitted;
                in->imported = source->imported;
                in->rows = source->rows ? source->rows : source->length / ROW_GUESSED;
                if (!source->has_file)
                        continue;
                if (with_file == r->task->n_inputs)
                        return error_origin(-EPROTO);
                in->data = r->task->inputs[with_file];
                in->length = r->task->lengths[with_file++];
        }
        r->engine_job.n_inputs = r->job->n_inputs;
        return 0;
}

static int take_job(struct run *r) {
        uint64_t wall_ms;
        int result = receive(r, &worker__job__descriptor, &r->job_message);

        if (result < 0)
                return result;
        r->job = r->job_message.message;
        r->engine_job.time_us = r->job->time_us;
        if (r->job->seed.len == sizeof(r->engine_job.seed))
                memcpy(r->engine_job.seed, r->job->seed.data, sizeof(r->engine_job.seed));
        r->engine_job.memory = r->task->memory;
        r->engine_job.is_over = is_over;
        r->engine_job.userdata = r;
        wall_ms = r->job->limits ? r->job->limits->wall_ms : 0;
        r->started = now_of(CLOCK_MONOTONIC);
        r->deadline = wall_ms ? nsec_add(r->started, wall_ms * NSEC_PER_MSEC) : NSEC_NEVER;
        r->progress_at = r->started + PROGRESS_EVERY;
        return take_inputs(r);
}

static int by_mode(struct run *r) {
        size_t n = r->engine_job.n_parameters = r->text->n_parameters;

        if (n > PARAMETERS_MAX)
                return fail(r, OUTCOME_USAGE, "", "more than 1000 parameters");
        for (size_t i = 0; i < n; i++)
                r->parameters[i] = BYTES(r->text->parameters[i].data, r->text->parameters[i].len);
        r->engine_job.parameters = r->parameters;
        switch (r->job->mode) {
        case WORKER__JOB__MODE__RUN:
                return run(r);
        case WORKER__JOB__MODE__ANALYSE:
                return analyse(r);
        case WORKER__JOB__MODE__DESCRIBE:
                return describe(r);
        case WORKER__JOB__MODE__IMPORT:
                return import(r);
        default:
                return fail(r, OUTCOME_USAGE, "", "no such mode");
        }
}

int executor_run(struct executor_task *t) {
        struct run *r = xnew(struct run);
        int result;

        r->task = t;
        packets_init(&r->in);
        result = take_job(r);
        if (result < 0)
                return result;
        if (has_faulty_input(r))
                return commit_error(r);
        if (!needs_no_engine(r))
                result = t->engine->open(&r->engine_job, &r->session, &r->problem);
        if (result)
                return not_opened(r, result);
        result = receive(r, &worker__job_text__descriptor, &r->text_message);
        if (result < 0)
                return result;
        r->text = r->text_message.message;
        return by_mode(r); /* memory goes with the process */
}
