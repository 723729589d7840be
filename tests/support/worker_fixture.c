#include "tests/support/worker_fixture.h"

#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zstd.h>

#include "common/base/error.h"
#include "common/daemon/listen.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"

#define WAIT (20 * NSEC_PER_SEC)

const uint8_t worker_schema_any[5] = { 1, 0x30, 1, 'x', 0xff };

static void jobs_enlist(Coordinator__Jobs_Service *base, const Coordinator__WorkerHello *in,
                        Coordinator__WorkerWelcome_Closure closure, void *data) {
        struct coordinator *c = (struct coordinator *) base;
        Coordinator__WorkerWelcome reply = COORDINATOR__WORKER_WELCOME__INIT;
        struct call *call = call_begin(data, (ProtobufCClosure) closure);
        char datasets[96];

        c->worker = call_link(call);
        (void) snprintf(c->engine, sizeof(c->engine), "%s", in->engines[0]);
        c->n_engines = (unsigned) in->n_engines;
        c->n_problems = (unsigned) in->n_problems;
        c->missing = (unsigned) in->n_missing_layers;
        c->slots = in->slots;
        (void) snprintf(datasets, sizeof(datasets), "%s/datasets", c->folder);
        reply.datasets = datasets;
        call_reply(call, &reply);
}

static const Coordinator__Jobs_Service jobs = COORDINATOR__JOBS__INIT(jobs_);

void in_folder(const struct coordinator *c, const char *name, char ret[160]) {
        (void) snprintf(ret, 160, "%s/%s", c->folder, name);
}

static void make_dataset(const struct coordinator *c) {
        char path[160];
        sqlite3 *db = NULL;

        in_folder(c, "datasets/people.db", path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(
                sqlite3_exec(db,
                             "CREATE TABLE n(i INTEGER PRIMARY KEY, t TEXT) STRICT;"
                             "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE "
                             "i < 20000) INSERT INTO n SELECT i, 'row number ' || i FROM c",
                             NULL, NULL, NULL),
                SQLITE_OK);
        (void) sqlite3_close(db);
}

uint64_t dataset_length(const struct coordinator *c, const char *name) {
        char path[160];
        struct stat st;

        in_folder(c, name, path);
        assert_int_equal(stat(path, &st), 0);
        return (uint64_t) st.st_size;
}

static void serve(struct coordinator *c) {
        char path[160], data[170];
        struct bus_server_options o = { .path = path, .service = "coordinator" };

        in_folder(c, "coordinator/jobs", path);
        (void) snprintf(data, sizeof(data), "%s.data", path);
        o.fd = listen_create(path, CAPABILITY_BUS, 0600);
        o.data_fd = listen_create(data, CAPABILITY_BUS, 0600);
        assert_true(o.fd >= 0 && o.data_fd >= 0);
        c->rpc = rpc_server_new(c->loop, &c->base.base, 0);
        o.rpc = c->rpc;
        assert_int_equal(bus_server_new(c->loop, &o, &c->bus), 0);
}

static void spawn_worker(struct coordinator *c) {
        extern char **environ;
        char state[160];
        char *argv[] = { (char *) "quorate-worker",
                         (char *) "--runtime",
                         c->folder,
                         (char *) "--state",
                         state,
                         NULL };
        sigset_t none;
        posix_spawnattr_t a;

        in_folder(c, "state", state);
        (void) setenv("QUORATE_WORKER_DUCKDB", "none", 0); /* tests count its processes */
        (void) sigemptyset(&none);
        (void) posix_spawnattr_init(&a);
        (void) posix_spawnattr_setsigmask(&a, &none);
        (void) posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK);
        assert_int_equal(posix_spawn(&c->pid, getenv("QUORATE_WORKER"), NULL, &a, argv, environ),
                         0);
        (void) posix_spawnattr_destroy(&a);
}

bool wait_for(struct coordinator *c, const bool *flag) {
        nsec_t until = loop_now(c->loop) + WAIT;

        while (!*flag && loop_now(c->loop) < until)
                assert_true(loop_turn(c->loop, 100 * NSEC_PER_MSEC) >= 0);
        return *flag;
}

struct coordinator *coordinator_new(void) {
        static const char *const folders[] = { "coordinator", "datasets", "state", "outside" };
        struct coordinator *c = xnew(struct coordinator);
        nsec_t until;
        char path[160];

        c->base = jobs;
        strcpy(c->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(c->folder));
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                in_folder(c, folders[i], path);
                assert_int_equal(mkdir(path, 0700), 0);
        }
        (void) setenv("QUORATE_WORKER_SLOTS", "2", 1);
        (void) setenv("QUORATE_WORKER_DUCKDB", "none", 0); /* unless the test wants it */
        make_dataset(c);
        assert_int_equal(loop_new(&c->loop), 0);
        serve(c);
        spawn_worker(c);
        until = loop_now(c->loop) + WAIT;
        while (!c->worker && loop_now(c->loop) < until)
                (void) loop_turn(c->loop, 100 * NSEC_PER_MSEC);
        assert_non_null(c->worker);
        print_message("# %s, %u slots, %u layers missing\n", c->engine, c->slots, c->missing);
        return c;
}

void coordinator_free(struct coordinator *c) {
        char command[128];
        int status = -1;

        assert_int_equal(kill(c->pid, SIGTERM), 0);
        for (int i = 0; i < 200 && waitpid(c->pid, &status, WNOHANG) == 0; i++)
                (void) loop_turn(c->loop, 50 * NSEC_PER_MSEC);
        assert_int_equal(status, 0);
        bus_server_free(c->bus);
        rpc_server_free(c->rpc);
        loop_free(c->loop);
        (void) snprintf(command, sizeof(command), "rm -rf %s", c->folder);
        assert_int_equal(system(command), 0);
        free(c);
}

/* ---- a job's channel ---- */

static void on_batch(struct seen *s, const Worker__Batch *b) {
        uint8_t *plain = xmalloc(b->length ? b->length : 1);
        struct bytes batch = BYTES(b->data.data, b->data.len);

        if (b->codec == 1) {
                assert_int_equal(ZSTD_decompress(plain, b->length, b->data.data, b->data.len),
                                 b->length);
                batch = BYTES(plain, b->length);
                s->n_compressed++;
        }
        s->n_batches++;
        if (s->checks)
                s->check_result |= answer_check_batch(&s->checker, batch);
        free(plain);
}

static void on_report(struct seen *s, const Worker__Report *m) {
        switch (m->body_case) {
        case WORKER__REPORT__BODY_STARTED:
                s->is_started = true;
                break;
        case WORKER__REPORT__BODY_PROGRESS:
                s->n_progress++;
                break;
        case WORKER__REPORT__BODY_COMMITTED:
                s->is_committed = true;
                s->error = m->committed->error;
                s->cpu_us = m->committed->metering->cpu_us;
                s->peak_memory = m->committed->metering->peak_memory;
                (void) snprintf(s->engine, sizeof(s->engine), "%s", m->committed->engine);
                s->answer.form = (enum answer_form) m->committed->form;
                memcpy(s->answer.hash.bytes, m->committed->answer.data, HASH_SIZE);
                memcpy(s->answer.sequence_root.bytes, m->committed->sequence_root.data, HASH_SIZE);
                s->answer.batches = m->committed->batches;
                s->answer.rows = m->committed->rows;
                s->answer.bytes = m->committed->bytes;
                break;
        case WORKER__REPORT__BODY_ANALYSIS:
                s->is_analysed = true;
                s->n_analyses++;
                s->has_plan = m->analysis->has_plan;
                (void) snprintf(s->engine, sizeof(s->engine), "%s", m->analysis->engine);
                break;
        case WORKER__REPORT__BODY_FAILED:
                s->is_failed = true;
                s->outcome = m->failed->problem->code;
                (void) snprintf(s->detail, sizeof(s->detail), "%s", m->failed->problem->detail);
                print_message("# failed: %u %s\n", s->outcome, s->detail);
                break;
        case WORKER__REPORT__BODY_DIGESTS:
                memcpy(s->digests + s->n_digests, m->digests->digests.data,
                       m->digests->digests.len);
                s->n_digests += m->digests->digests.len;
                break;
        case WORKER__REPORT__BODY_BATCH:
                on_batch(s, m->batch);
                break;
        case WORKER__REPORT__BODY_END:
                s->has_end = true;
                s->next_batch = m->end->next_batch;
                break;
        default:
                fail_msg("report %d", (int) m->body_case);
        }
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        ((struct seen *) userdata)->is_accepted = true;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        struct seen *s = userdata;
        struct bytes frame;

        while (frame_reader_next(&s->frames, &data, &frame) == FRAME_OK) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const struct unpack_limits limits = { 4, 1024, 0, 20 << 20 };

                assert_int_equal(wire_unpack(&worker__report__descriptor, frame, &limits, &u), 0);
                on_report(s, u.message);
        }
        channel_consumed(c, 1);
}

static void on_finish(struct channel *c, void *userdata) {
        ((struct seen *) userdata)->is_finished = true;
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct seen *s = userdata;

        s->is_ended = true;
        s->end_code = code;
        s->channel = NULL;
}

static const struct channel_handler handler = {
        .on_accepted = on_accepted,
        .on_data = on_data,
        .on_finish = on_finish,
        .on_end = on_end,
};

void submit(struct coordinator *c, struct seen *s, const struct wanted *want) {
        Worker__Job job = WORKER__JOB__INIT;
        Worker__Source source = WORKER__SOURCE__INIT, *sources = &source;
        Types__Limits limits = TYPES__LIMITS__INIT;
        uint8_t seed[32] = {}, root[32] = {};

        *s = (struct seen){};
        frame_reader_init(&s->frames, 20 << 20);
        job.engine = want->engine ? (char *) want->engine : c->engine;
        job.sql = (char *) want->sql;
        limits.wall_ms = want->wall_ms;
        limits.memory = want->memory;
        job.limits = &limits;
        job.seed = (ProtobufCBinaryData){ sizeof(seed), seed };
        job.schema =
                (ProtobufCBinaryData){ sizeof(worker_schema_any), (uint8_t *) worker_schema_any };
        job.form = want->form ? want->form : ANSWER_SET;
        job.comparison = (char *) "class";
        job.stream = want->stream;
        job.mode = want->analyse ? WORKER__JOB__MODE__ANALYSE : WORKER__JOB__MODE__RUN;
        job.with_plan = want->analyse;
        if (want->path) {
                source.name = (char *) "main";
                source.format = (char *) "sqlite";
                source.path = (char *) want->path;
                source.length = want->length;
                memcpy(root, want->path, strlen(want->path) < 32 ? strlen(want->path) : 32);
                source.root = (ProtobufCBinaryData){ sizeof(root), root };
                job.inputs = &sources;
                job.n_inputs = 1;
        }
        s->channel = channel_open_message(c->worker, "job", &job, &handler, s);
        assert_non_null(s->channel);
}

void fetch(struct seen *s, uint64_t from, uint64_t count, bool digests) {
        Worker__Fetch m = WORKER__FETCH__INIT;
        CLEANUP(buffer_donep) struct buffer packed = {}, framed = {};

        m.from_batch = from;
        m.count = count;
        m.digests = digests;
        m.link = s->link;
        buffer_init(&packed, 1024);
        buffer_init(&framed, 1024);
        wire_pack(&packed, &m.base);
        frame_put(&framed, buffer_bytes(&packed));
        s->has_end = false;
        assert_int_equal(channel_send(s->channel, buffer_bytes(&framed)), CHANNEL_OK);
}

void finish(struct coordinator *c, struct seen *s) {
        if (s->channel) { /* data overtakes the acceptance */
                assert_true(wait_for(c, &s->is_accepted));
                assert_int_equal(channel_finish(s->channel), CHANNEL_OK);
        }
        assert_true(wait_for(c, &s->is_ended));
        frame_reader_done(&s->frames);
}

unsigned children_of(pid_t pid, pid_t *ret_last) {
        char path[64], text[4096] = "";
        unsigned n = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) pid, (int) pid);
        f = fopen(path, "r");
        if (f && fgets(text, sizeof(text), f)) {
                char *save = NULL;

                for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
                        *ret_last = (pid_t) atoi(t);
                        n += 1 + children_of((pid_t) atoi(t), ret_last);
                }
        }
        if (f)
                (void) fclose(f);
        return n;
}
