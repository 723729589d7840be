/* A quorate-worker process between a coordinator's socket and real executors. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zstd.h>

#include "common/base/error.h"
#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/listen.h"
#include "common/daemon/loop.h"
#include "common/wire/frame.h"
#include "common/wire/unpack.h"
#include "proto/coordinator.pb-c.h"
#include "proto/worker.pb-c.h"
#include "tests/support/test.h"

#define WAIT (20 * NSEC_PER_SEC)

struct coordinator {
        Coordinator__Jobs_Service base;
        char folder[64];
        struct loop *loop;
        struct rpc_server *rpc;
        struct bus_server *bus;
        struct link *worker;
        pid_t pid;
        char engine[96];
        unsigned missing, slots;
};

/* One job as the coordinator sees it. */
struct seen {
        struct channel *channel;
        struct frame_reader frames;
        bool is_accepted, is_ended, is_finished, is_started, is_committed, is_failed, has_end;
        uint32_t end_code, outcome, error;
        char detail[128];
        struct answer answer;
        uint64_t cpu_us, peak_memory, next_batch;
        unsigned n_progress, n_batches, n_compressed;
        struct answer_checker checker;
        bool checks;
        uint8_t digests[64 * HASH_SIZE];
        size_t n_digests;
        int check_result;
};

static void jobs_enlist(Coordinator__Jobs_Service *base, const Coordinator__WorkerHello *in,
                        Coordinator__WorkerWelcome_Closure closure, void *data) {
        struct coordinator *c = (struct coordinator *) base;
        Coordinator__WorkerWelcome reply = COORDINATOR__WORKER_WELCOME__INIT;
        struct call *call = call_begin(data, (ProtobufCClosure) closure);
        char datasets[96];

        c->worker = call_link(call);
        (void) snprintf(c->engine, sizeof(c->engine), "%s", in->engines[0]);
        c->missing = (unsigned) in->n_missing_layers;
        c->slots = in->slots;
        (void) snprintf(datasets, sizeof(datasets), "%s/datasets", c->folder);
        reply.datasets = datasets;
        call_reply(call, &reply);
}

static const Coordinator__Jobs_Service jobs = COORDINATOR__JOBS__INIT(jobs_);

static void in_folder(const struct coordinator *c, const char *name, char ret[160]) {
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

static uint64_t dataset_length(const struct coordinator *c, const char *name) {
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
        (void) sigemptyset(&none);
        (void) posix_spawnattr_init(&a);
        (void) posix_spawnattr_setsigmask(&a, &none);
        (void) posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK);
        assert_int_equal(posix_spawn(&c->pid, getenv("QUORATE_WORKER"), NULL, &a, argv, environ),
                         0);
        (void) posix_spawnattr_destroy(&a);
}

static bool wait_for(struct coordinator *c, const bool *flag) {
        nsec_t until = loop_now(c->loop) + WAIT;

        while (!*flag && loop_now(c->loop) < until)
                assert_true(loop_turn(c->loop, 100 * NSEC_PER_MSEC) >= 0);
        return *flag;
}

static struct coordinator *coordinator_new(void) {
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

static void coordinator_free(struct coordinator *c) {
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
                s->answer.form = (enum answer_form) m->committed->form;
                memcpy(s->answer.hash.bytes, m->committed->answer.data, HASH_SIZE);
                memcpy(s->answer.sequence_root.bytes, m->committed->sequence_root.data, HASH_SIZE);
                s->answer.batches = m->committed->batches;
                s->answer.rows = m->committed->rows;
                s->answer.bytes = m->committed->bytes;
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

struct wanted {
        const char *sql, *path;
        uint64_t length, wall_ms;
        uint32_t form;
        bool stream;
};

static const uint8_t schema_any[] = { 1, 0x30, 1, 'x', 0xff };

static void submit(struct coordinator *c, struct seen *s, const struct wanted *want) {
        Worker__Job job = WORKER__JOB__INIT;
        Worker__Source source = WORKER__SOURCE__INIT, *sources = &source;
        Types__Limits limits = TYPES__LIMITS__INIT;
        uint8_t seed[32] = {}, root[32] = {};

        *s = (struct seen){};
        frame_reader_init(&s->frames, 20 << 20);
        job.engine = c->engine;
        job.sql = (char *) want->sql;
        limits.wall_ms = want->wall_ms;
        job.limits = &limits;
        job.seed = (ProtobufCBinaryData){ sizeof(seed), seed };
        job.schema = (ProtobufCBinaryData){ sizeof(schema_any), (uint8_t *) schema_any };
        job.form = want->form ? want->form : ANSWER_SET;
        job.comparison = (char *) "class";
        job.stream = want->stream;
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

static void fetch(struct seen *s, uint64_t from, uint64_t count, bool digests) {
        Worker__Fetch m = WORKER__FETCH__INIT;
        CLEANUP(buffer_donep) struct buffer packed = {}, framed = {};

        m.from_batch = from;
        m.count = count;
        m.digests = digests;
        buffer_init(&packed, 1024);
        buffer_init(&framed, 1024);
        wire_pack(&packed, &m.base);
        frame_put(&framed, buffer_bytes(&packed));
        s->has_end = false;
        assert_int_equal(channel_send(s->channel, buffer_bytes(&framed)), CHANNEL_OK);
}

static void finish(struct coordinator *c, struct seen *s) {
        if (s->channel) { /* data overtakes the acceptance */
                assert_true(wait_for(c, &s->is_accepted));
                assert_int_equal(channel_finish(s->channel), CHANNEL_OK);
        }
        assert_true(wait_for(c, &s->is_ended));
        frame_reader_done(&s->frames);
}

/* ---- tests ---- */

static struct coordinator *shared;

static void test_rows(void **state) {
        struct wanted want = { .sql = "SELECT t FROM n ORDER BY i, 1",
                               .path = "people.db",
                               .length = dataset_length(shared, "datasets/people.db"),
                               .form = ANSWER_SEQUENCE };
        CLEANUP(schema_freep) struct schema *schema = NULL;
        struct answer_checker fresh;
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_committed));
        assert_true(s.is_started);
        assert_int_equal(s.answer.rows, 20000);
        assert_int_equal(s.answer.batches, 5);
        assert_true(s.cpu_us > 0 && s.peak_memory > 0);

        assert_int_equal(schema_decode(BYTES_OF(schema_any), &schema), SCHEMA_OK);
        answer_check_begin(&s.checker, &s.answer, schema, true, NULL);
        s.checks = true;
        fetch(&s, 0, 2, true);
        assert_true(wait_for(shared, &s.has_end));
        assert_int_equal(s.next_batch, 2);
        assert_int_equal(s.n_batches, 2);
        assert_int_equal(s.n_digests, 5 * HASH_SIZE); /* of all batches */
        answer_check_begin(&fresh, &s.answer, schema, true, NULL);
        assert_int_equal(answer_check_digests(&fresh, BYTES(s.digests, s.n_digests)), CHECK_OK);
        answer_check_done(&fresh);
        fetch(&s, 2, 0, false);
        assert_true(wait_for(shared, &s.has_end));
        assert_int_equal(s.next_batch, 5);
        assert_int_equal(s.n_batches, 5);
        assert_true(s.n_compressed > 0);
        assert_int_equal(s.check_result, CHECK_OK);
        assert_int_equal(answer_check_end(&s.checker), CHECK_OK);
        answer_check_done(&s.checker);
        finish(shared, &s);
        assert_int_equal(s.end_code, 0);
}

/* Rows before the commit: `fast`. */
static void test_stream(void **state) {
        struct wanted want = { .sql = "SELECT t FROM n ORDER BY i, 1",
                               .path = "people.db",
                               .length = dataset_length(shared, "datasets/people.db"),
                               .form = ANSWER_SEQUENCE,
                               .stream = true };
        struct seen s;

        submit(shared, &s, &want);
        assert_true(wait_for(shared, &s.is_accepted));
        fetch(&s, 0, 0, false);
        assert_true(wait_for(shared, &s.has_end));
        assert_true(s.is_committed);
        assert_int_equal(s.n_batches, 5);
        finish(shared, &s);
}

static void test_failures(void **state) {
        const uint64_t length = dataset_length(shared, "datasets/people.db");
        const struct {
                struct wanted want;
                uint32_t outcome;
                const char *detail;
        } cases[] = {
                { { .sql = "SELECT 1", .path = "nothere.db", .length = 4096 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "people.db", .length = length + 1 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "../outside/secret", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "/etc/passwd", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "link", .length = 6 },
                  OUTCOME_DATA_UNAVAILABLE,
                  "input" },
                { { .sql = "SELECT 1", .path = "text", .length = 5 }, OUTCOME_REFUSED, "input" },
                { { .sql = "ATTACH 'x' AS y" }, OUTCOME_REFUSED, "ATTACH" },
                { { .sql = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT "
                           "count(*) FROM c",
                    .wall_ms = 300 },
                  OUTCOME_TIMEOUT,
                  "stage=run" },
        };
        char path[160];
        int fd;

        in_folder(shared, "outside/secret", path);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "secret", 6), 6);
        (void) close(fd);
        in_folder(shared, "datasets/link", path);
        assert_int_equal(symlink("../outside/secret", path), 0);
        in_folder(shared, "datasets/text", path);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "text\n", 5), 5);
        (void) close(fd);
        FOREACH_CASE (t, cases) {
                struct seen s;

                submit(shared, &s, &t->want);
                assert_true(wait_for(shared, &s.is_failed));
                assert_int_equal(s.outcome, t->outcome);
                assert_non_null(strstr(s.detail, t->detail));
                assert_true(wait_for(shared, &s.is_finished));
                finish(shared, &s);
        }
}

/* How many there are below it; *ret_last is the one started last. */
static unsigned children_of(pid_t pid, pid_t *ret_last) {
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

static const struct wanted endless = {
        .sql = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c) SELECT count(*) "
               "FROM c",
        .wall_ms = 60000,
};

/* A reset cancels: the executor is gone at once. */
static void test_reset(void **state) {
        struct seen s;
        pid_t executor = 0, last;
        bool is_gone = false;

        submit(shared, &s, &endless);
        assert_true(wait_for(shared, &s.is_started));
        assert_int_equal(children_of(shared->pid, &executor), 2); /* zygote and executor */
        channel_reset(s.channel, 1, "enough");
        for (int i = 0; i < 100 && !is_gone; i++) {
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
                is_gone = kill(executor, 0) < 0;
                if (is_gone) /* the next one waits for its job */
                        assert_true(children_of(shared->pid, &last) <= 2);
        }
        assert_true(is_gone);
        frame_reader_done(&s.frames);
}

static void test_slots(void **state) {
        struct wanted small = { .sql = "SELECT 42" };
        struct seen a, b, c;
        pid_t last;

        submit(shared, &a, &endless);
        submit(shared, &b, &endless);
        assert_true(wait_for(shared, &a.is_started));
        assert_true(wait_for(shared, &b.is_started));
        submit(shared, &c, &small);
        assert_true(wait_for(shared, &c.is_ended));
        assert_int_equal(c.end_code, RPC_E_BUSY);
        frame_reader_done(&c.frames);
        channel_reset(a.channel, 1, "");
        channel_reset(b.channel, 1, "");
        frame_reader_done(&a.frames);
        frame_reader_done(&b.frames);
        for (int i = 0; i < 100 && children_of(shared->pid, &last) > 2; i++)
                (void) loop_turn(shared->loop, 20 * NSEC_PER_MSEC);
        submit(shared, &c, &small);
        assert_true(wait_for(shared, &c.is_committed));
        finish(shared, &c);
}

/* No control group is left behind, wherever they are made. */
static void test_no_groups(void **state) {
        char command[160];

        (void) snprintf(command, sizeof(command),
                        "! find /sys/fs/cgroup -maxdepth 4 -name 'quorate-job-%d-*' | grep -q .",
                        (int) shared->pid);
        assert_int_equal(system(command), 0);
}

/* Nothing the worker wrote has a name. */
static void test_no_files(void **state) {
        char path[160];
        struct dirent *e;
        DIR *d;

        in_folder(shared, "state", path);
        d = opendir(path);
        assert_non_null(d);
        while ((e = readdir(d)))
                assert_null(strstr(e->d_name, "spool"));
        (void) closedir(d);
}

/* The zygote dies under the job: a typed answer, and the next job has a new one. */
static void test_zygote_killed(void **state) {
        struct wanted small = { .sql = "SELECT 42" };
        char command[96];
        pid_t executor = 0;
        int zygote = 0;
        struct seen s;
        FILE *f;

        submit(shared, &s, &endless);
        assert_true(wait_for(shared, &s.is_started));
        assert_true(children_of(shared->pid, &executor) >= 2);
        (void) snprintf(command, sizeof(command), "sed -n 's/^PPid:.//p' /proc/%d/status",
                        (int) executor);
        f = popen(command, "r");
        assert_int_equal(fscanf(f, "%d", &zygote), 1);
        (void) pclose(f);
        assert_int_equal(kill(zygote, SIGKILL), 0);
        assert_true(wait_for(shared, &s.is_failed));
        assert_int_equal(s.outcome, OUTCOME_INTERNAL);
        finish(shared, &s);
        submit(shared, &s, &small);
        assert_true(wait_for(shared, &s.is_committed));
        finish(shared, &s);
}

static int start(void **state) {
        return !(shared = coordinator_new());
}

static int stop(void **state) {
        coordinator_free(shared);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),     cmocka_unit_test(test_stream),
                cmocka_unit_test(test_failures), cmocka_unit_test(test_reset),
                cmocka_unit_test(test_slots),    cmocka_unit_test(test_zygote_killed),
                cmocka_unit_test(test_no_files), cmocka_unit_test(test_no_groups),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, start, stop);
}
