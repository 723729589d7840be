#include "tests/support/executor_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int image_of(const char *sql, uint64_t *ret_length) {
        sqlite3 *db = NULL;
        sqlite3_int64 size = 0;
        unsigned char *image;
        int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s", sqlite3_errmsg(db));
        image = sqlite3_serialize(db, "main", &size, 0);
        assert_true(fd >= 0 && image);
        assert_int_equal(write(fd, image, (size_t) size), size);
        assert_int_equal(
                fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
                0);
        sqlite3_free(image);
        (void) sqlite3_close(db);
        *ret_length = (uint64_t) size;
        return fd;
}

struct executor_zygote *zygote_of_engine(const char *path, const char *engine) {
        struct executor_zygote *z = NULL;
        int r = executor_zygote_start(path, engine, 10 * NSEC_PER_SEC, &z);

        if (r)
                fail_msg("no zygote of %s from %s: %d", engine, path, r);
        return z;
}

struct executor_zygote *zygote_of(const char *path) {
        return zygote_of_engine(path, "sqlite");
}

static void copy_text(char *ret, size_t size, const char *text) {
        (void) snprintf(ret, size, "%s", text);
}

static void on_report(void *userdata, const Worker__Report *m) {
        struct executed *e = userdata;

        switch (m->body_case) {
        case WORKER__REPORT__BODY_STARTED:
                e->missing_layers = m->started->missing_layers;
                return;
        case WORKER__REPORT__BODY_PROGRESS:
                e->n_progress++;
                e->progress_rows = m->progress->rows;
                return;
        case WORKER__REPORT__BODY_FAILED:
                e->outcome = m->failed->problem->code;
                e->position = m->failed->problem->position;
                copy_text(e->detail, sizeof(e->detail), m->failed->problem->detail);
                copy_text(e->text, sizeof(e->text), m->failed->problem->text);
                break;
        case WORKER__REPORT__BODY_ANALYSIS:
                copy_text(e->class_name, sizeof(e->class_name), m->analysis->class_name);
                copy_text(e->rewrite, sizeof(e->rewrite), m->analysis->rewrite);
                if (m->analysis->n_findings)
                        copy_text(e->why, sizeof(e->why), m->analysis->findings[0]->why);
                e->is_ordered = m->analysis->ordered;
                buffer_init(&e->schema, SCHEMA_BYTES_MAX);
                buffer_put(&e->schema, m->analysis->schema.data, m->analysis->schema.len);
                break;
        case WORKER__REPORT__BODY_DESCRIBED:
                buffer_init(&e->schema, SCHEMA_BYTES_MAX);
                buffer_put(&e->schema, m->described->schema.data, m->described->schema.len);
                buffer_init(&e->options, SCHEMA_BYTES_MAX);
                buffer_put(&e->options, m->described->options.data, m->described->options.len);
                break;
        case WORKER__REPORT__BODY_COMMITTED:
                e->form = m->committed->form;
                e->error = m->committed->error;
                e->position = m->committed->position;
                copy_text(e->text, sizeof(e->text), m->committed->text);
                memcpy(e->answer, m->committed->answer.data, sizeof(e->answer));
                memcpy(e->root, m->committed->sequence_root.data, sizeof(e->root));
                e->rows = m->committed->rows;
                e->batches = m->committed->batches;
                e->bytes = m->committed->bytes;
                break;
        default:
                fail_msg("report %d", (int) m->body_case);
        }
        e->last = m->body_case;
}

struct executed execute(struct executor_zygote *z, enum _Worker__Job__Mode mode,
                        const struct asked *a) {
        static uint64_t id;
        struct executed e = { .spool = memfd_create("spool", MFD_CLOEXEC) };
        Worker__Job job = WORKER__JOB__INIT;
        Worker__Source sources[2] = { WORKER__SOURCE__INIT, WORKER__SOURCE__INIT };
        Worker__Source *inputs[2] = { &sources[0], &sources[1] };
        Types__Limits limits = TYPES__LIMITS__INIT;
        uint8_t seed[32] = { a->seed };
        size_t n_sources = 0;
        char path[64];
        struct executor_begin b = {
                .id = ++id,
                .memory = a->memory ? a->memory : 64 << 20,
                .cpu_ms = a->cpu_ms ? a->cpu_ms : 20000,
                .spool = a->spool ? a->spool : 1 << 30,
        };

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", e.spool);
        b.spool_fd = open(path, O_WRONLY | O_CLOEXEC);
        if (a->image || a->source_schema.len) {
                sources[0].name = (char *) (a->name ? a->name : "main");
                sources[0].format = (char *) (a->format ? a->format : "sqlite");
                sources[0].schema = (ProtobufCBinaryData){ a->source_schema.len,
                                                           (uint8_t *) a->source_schema.data };
                sources[0].options = (ProtobufCBinaryData){ a->source_options.len,
                                                            (uint8_t *) a->source_options.data };
                n_sources++;
        }
        if (a->image) {
                sources[0].has_file = true;
                sources[0].admitted = a->admitted;
                b.input_fds[b.n_inputs] = a->image;
                b.input_lengths[b.n_inputs++] = a->length;
        }
        if (a->second_image) {
                sources[1].name = (char *) a->second_name;
                sources[1].has_file = true;
                n_sources++;
                b.input_fds[b.n_inputs] = a->second_image;
                b.input_lengths[b.n_inputs++] = a->second_length;
        }
        job.mode = mode;
        job.sql = (char *) (a->sql ? a->sql : "");
        job.inputs = inputs;
        job.n_inputs = n_sources;
        job.time_us = a->time_us;
        job.seed = (ProtobufCBinaryData){ sizeof(seed), seed };
        limits.wall_ms = a->wall_ms ? a->wall_ms : 20000;
        limits.rows = a->rows;
        job.limits = &limits;
        job.class_name = (char *) (a->class_name ? a->class_name : "");
        job.comparison = (char *) (a->comparison ? a->comparison : "engine");
        job.schema = (ProtobufCBinaryData){ a->answer_schema_len, (uint8_t *) a->answer_schema };
        job.form = a->form;
        e.result = executor_run_job(z, &b, &job, a->timeout ? a->timeout : 30 * NSEC_PER_SEC,
                                    on_report, &e, &e.ended);
        (void) close(b.spool_fd);
        return e;
}

void executed_done(struct executed *e) {
        buffer_done(&e->schema);
        buffer_done(&e->options);
        (void) close(e->spool);
}

struct executed run_query(struct executor_zygote *z, const struct asked *a) {
        struct executed analysis = execute(z, WORKER__JOB__MODE__ANALYSE, a), ran;
        struct asked b = *a;

        if (analysis.last != WORKER__REPORT__BODY_ANALYSIS)
                return analysis;
        b.sql = analysis.rewrite;
        b.answer_schema = analysis.schema.data;
        b.answer_schema_len = analysis.schema.len;
        b.class_name = analysis.class_name;
        b.form = analysis.is_ordered ? ANSWER_SEQUENCE : ANSWER_SET;
        if (!b.comparison)
                b.comparison = analysis.class_name[0] == 'F' || analysis.class_name[0] == 'R'
                                       ? "class"
                                       : "engine";
        ran = execute(z, WORKER__JOB__MODE__RUN, &b);
        memcpy(ran.class_name, analysis.class_name, sizeof(ran.class_name));
        ran.schema = analysis.schema;
        (void) close(analysis.spool);
        return ran;
}

const char *first_text(const struct executed *e, char *ret, size_t size) {
        uint8_t bytes[4096];
        ssize_t n = pread(e->spool, bytes, sizeof(bytes), 4);
        struct reader r;
        struct cell c;

        assert_true(n > 0);
        r = reader_of(BYTES(bytes, (size_t) n));
        assert_int_equal(cell_read(&r, &c), CELL_OK);
        if (c.type == CELL_INTEGER)
                (void) snprintf(ret, size, "%lld", (long long) c.integer);
        else
                (void) snprintf(ret, size, "%.*s", (int) c.bytes.len, (const char *) c.bytes.data);
        return ret;
}
