/* libquorate against a scripted coordinator in another process, over real sockets. */

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/canonical/cell.h"
#include "common/client/internal.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "common/wire/frame.h"
#include "tests/support/test.h"

#define ROWS_PER_BATCH 3
#define BATCHES        4

/* How the coordinator behaves. */
struct script {
        size_t split;      /* bytes of a unit; 0: CHANNEL_UNIT */
        unsigned stall_at; /* batches sent before it says no more; 0: all */
        enum {
                SOUND = 0,
                BAD_FRAME,
                BAD_LENGTH,
                BAD_CELL,
                WRONG_BATCH,
                NO_SCHEMA,
                FORGOT,
                ENDED,
                WITHDRAWN,
                DIES_AT_SUBMIT
        } fault;
};

struct fixture {
        char folder[32], path[96];
        int fds[2];
        pid_t child;
        struct quorate *q;
        struct quorate_result *r;
        unsigned n_reconnecting; /* times the loss of the node was said */
};

/* ---- the coordinator ---- */

struct sender {
        struct script script;
        struct buffer out;
        size_t sent;
};

static struct script script_now;
static uint8_t (*nonces)[16]; /* shared: that the first and the second coordinator saw */
static uint8_t job_id[32] = "a job of the script, 32 bytes..";

static void put_frame(struct sender *s, const Coordinator__ResultFrame *m) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1 << 20);
        wire_pack(&b, &m->base);
        frame_put(&s->out, buffer_bytes(&b));
}

static void put_schema(struct sender *s) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultSchema schema = COORDINATOR__RESULT_SCHEMA__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 4096);
        schema_begin(&b, 2);
        schema_put_name(&b, BYTES_LIT("i"));
        schema_put_type(&b, CELL_INTEGER);
        schema_put_name(&b, BYTES_LIT("t"));
        schema_put_type(&b, CELL_TEXT);
        schema.schema = (ProtobufCBinaryData){ b.len, b.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_SCHEMA;
        m.schema = &schema;
        put_frame(s, &m);
}

static void put_batch(struct sender *s, uint64_t index) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultBatch batch = COORDINATOR__RESULT_BATCH__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, 1 << 20);
        for (unsigned i = 0; i < ROWS_PER_BATCH; i++) {
                char text[4096];

                memset(text, 'x', sizeof(text));
                cell_put_integer(&b, (int64_t) (index * ROWS_PER_BATCH + i));
                (void) cell_put_text(&b, BYTES(text, 100 * (i + 1)));
        }
        if (s->script.fault == BAD_CELL && index == 1)
                b.data[0] = 0xee;
        batch.index = s->script.fault == WRONG_BATCH && index == 1 ? 7 : index;
        batch.rows = ROWS_PER_BATCH;
        batch.data = (ProtobufCBinaryData){ b.len, b.data };
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_BATCH;
        m.batch = &batch;
        put_frame(s, &m);
}

static void put_progress(struct sender *s) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__JobProgress p = COORDINATOR__JOB_PROGRESS__INIT;

        p.stage = (char *) "rows";
        p.rows = 5;
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_PROGRESS;
        m.progress = &p;
        put_frame(s, &m);
}

static void put_end(struct sender *s) {
        Coordinator__ResultFrame m = COORDINATOR__RESULT_FRAME__INIT;
        Coordinator__ResultEnd e = COORDINATOR__RESULT_END__INIT;

        e.state = (char *) "VERIFIED";
        e.agreement = 2;
        e.rows = BATCHES * ROWS_PER_BATCH;
        m.body_case = COORDINATOR__RESULT_FRAME__BODY_END;
        m.end = &e;
        put_frame(s, &m);
}

static void fill(struct sender *s, uint64_t from) {
        unsigned last = s->script.stall_at ? s->script.stall_at : BATCHES;

        if (s->script.fault != NO_SCHEMA)
                put_schema(s);
        put_progress(s);
        for (uint64_t i = from; i < last; i++)
                put_batch(s, i);
        if (s->script.fault == WITHDRAWN) /* and the accepted answer has no rows */
                put_schema(s);
        if (s->script.fault == BAD_FRAME)
                frame_put(&s->out, BYTES_LIT("\xff\xff\xff\xff\xff"));
        if (s->script.fault == BAD_LENGTH)
                buffer_put(&s->out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
        if (!s->script.stall_at && s->script.fault != BAD_FRAME && s->script.fault != BAD_LENGTH)
                put_end(s);
}

static void send_on(struct channel *c, void *userdata) {
        struct sender *s = userdata;
        size_t split = s->script.split ? s->script.split : CHANNEL_UNIT;

        while (s->sent < s->out.len) {
                size_t left = s->out.len - s->sent, n = left < split ? left : split;

                if (channel_send(c, BYTES(s->out.data + s->sent, n)) != CHANNEL_OK)
                        return;
                s->sent += n;
        }
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct sender *s = userdata;

        buffer_done(&s->out);
        free(s);
}

static const struct channel_handler sending = { .on_data = on_data,
                                                .on_writable = send_on,
                                                .on_end = on_end };

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Coordinator__ResultOpen *open;
        struct sender *s = xnew(struct sender);

        s->script = script_now;
        buffer_init(&s->out, 4 << 20);
        if (s->script.fault == ENDED) { /* as the coordinator does it: accepted first */
                (void) channel_accept(c, BYTES_NONE, &sending, s);
                channel_reset(c, 2, "this job has ended: VERIFIED; see its receipt x.receipt");
                return;
        }
        if (s->script.fault == FORGOT || strcmp(name, "result") != 0 ||
            wire_unpack(&coordinator__result_open__descriptor, metadata, NULL, &u)) {
                channel_reset(c, 5, "the node does not know this job");
                free(s);
                return;
        }
        open = u.message;
        fill(s, open->from_batch);
        if (channel_accept(c, BYTES_NONE, &sending, s) == CHANNEL_OK)
                send_on(c, s);
}

static void query_submit(Coordinator__Query_Service *q, const Coordinator__SubmitRequest *in,
                         Coordinator__SubmitReply_Closure closure, void *data) {
        Coordinator__SubmitReply reply = COORDINATOR__SUBMIT_REPLY__INIT;

        memcpy(nonces[script_now.fault != DIES_AT_SUBMIT], in->client_nonce.data, 16);
        if (script_now.fault == DIES_AT_SUBMIT)
                _exit(0);
        reply.job = (ProtobufCBinaryData){ sizeof(job_id), job_id };
        closure(&reply, data);
}

static void query_cancel(Coordinator__Query_Service *q, const Coordinator__JobRef *in,
                         Types__Empty_Closure closure, void *data) {
        Types__Empty empty = TYPES__EMPTY__INIT;

        closure(&empty, data);
}

static void query_explain(Coordinator__Query_Service *q, const Coordinator__SubmitRequest *in,
                          Coordinator__ExplainReply_Closure closure, void *data) {
        struct call *c = call_begin(data, (ProtobufCClosure) closure);

        call_fail(c, 3, "not \033[2Jtoday");
}

_Noreturn static void coordinator_main(const struct fixture *f) {
        Coordinator__Query_Service service = COORDINATOR__QUERY__INIT(query_);
        struct channel_acceptor acceptor = { .on_open = on_open };
        struct bus_server *server;
        struct loop *loop;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (loop_new(&loop))
                _exit(1);
        struct bus_server_options o = { .path = f->path,
                                        .fd = fcntl(f->fds[0], F_DUPFD_CLOEXEC, 3),
                                        .data_fd = fcntl(f->fds[1], F_DUPFD_CLOEXEC, 3),
                                        .service = "coordinator",
                                        .rpc = rpc_server_new(loop, &service.base, 0),
                                        .acceptor = &acceptor };

        if (bus_server_new(loop, &o, &server))
                _exit(1);
        _exit(loop_run(loop) ? 1 : 0);
}

/* ---- the test's side ---- */

static void serve(struct fixture *f, const struct script *script) {
        script_now = *script;
        f->child = fork();
        assert_true(f->child >= 0);
        if (f->child == 0)
                coordinator_main(f);
}

static void stop(struct fixture *f) {
        if (f->child > 0) {
                assert_int_equal(kill(f->child, SIGKILL), 0);
                assert_int_equal(waitpid(f->child, NULL, 0), f->child);
        }
        f->child = 0;
}

static int setup(void **state) {
        struct fixture *f = xnew(struct fixture);
        char data[128];

        nonces = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(nonces != MAP_FAILED);
        (void) strcpy(f->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/coordinator/query", f->folder);
        snprintf(data, sizeof(data), "%s.data", f->path);
        f->fds[0] = listen_create(f->path, CAPABILITY_BUS, 0600);
        f->fds[1] = listen_create(data, CAPABILITY_BUS, 0600);
        assert_true(f->fds[0] >= 0 && f->fds[1] >= 0);
        *state = f;
        return 0;
}

static void hang_up(struct fixture *f) {
        quorate_result_free(f->r);
        quorate_close(f->q);
        f->r = NULL;
        f->q = NULL;
}

static int teardown(void **state) {
        struct fixture *f = *state;
        char path[128];

        hang_up(f);
        stop(f);
        assert_int_equal(munmap(nonces, 4096), 0);
        fd_close(f->fds[0]);
        fd_close(f->fds[1]);
        (void) unlink(f->path);
        snprintf(path, sizeof(path), "%s.data", f->path);
        (void) unlink(path);
        snprintf(path, sizeof(path), "%s/coordinator", f->folder);
        (void) rmdir(path);
        (void) rmdir(f->folder);
        free(f);
        return 0;
}

static void ask(struct fixture *f) {
        const struct quorate_question question = { .sql = "SELECT 1" };

        assert_int_equal(quorate_open(f->folder, &f->q), QUORATE_OK);
        assert_int_equal(quorate_query(f->q, &question, &f->r), QUORATE_OK);
        assert_memory_equal(quorate_job(f->r), job_id, sizeof(job_id));
}

/* Reads rows from `first` on until something else comes; returns the next one's number. */
static int64_t read_rows(struct fixture *f, int64_t first, int *ret_code) {
        int code;

        while ((code = quorate_next(f->r, 10000)) == QUORATE_ROW || code == QUORATE_PROGRESS) {
                if (code == QUORATE_PROGRESS) {
                        bool is_lost = strcmp(quorate_progress(f->r)->stage, "reconnecting") == 0;

                        f->n_reconnecting += is_lost;
                        if (!is_lost)
                                assert_string_equal(quorate_progress(f->r)->stage, "rows");
                        continue;
                }
                assert_int_equal(quorate_n_columns(f->r), 2);
                assert_int_equal(quorate_value(f->r, 0)->integer, first);
                assert_int_equal(quorate_value(f->r, 1)->text_len, 100 * (first % 3 + 1));
                first++;
        }
        *ret_code = code;
        return first;
}

static const size_t splits[] = { 1, 2, 3, 5, 17, 100, 333, 1000, 4096, 0 };

/* Frames cut at every kind of place. */
static void test_splits(void **state) {
        struct fixture *f = *state;

        FOREACH_CASE (split, splits) {
                const struct script script = { .split = *split };
                int code;

                serve(f, &script);
                ask(f);
                assert_int_equal(read_rows(f, 0, &code), BATCHES * ROWS_PER_BATCH);
                assert_int_equal(code, QUORATE_END);
                assert_string_equal(quorate_end(f->r)->state, "VERIFIED");
                assert_int_equal(quorate_end(f->r)->exit_code, 0);
                assert_string_equal(quorate_column_name(f->r, 1), "t");
                hang_up(f);
                stop(f);
        }
}

static const struct {
        int fault, code;
        int64_t rows; /* good ones before it */
} faults[] = {
        { BAD_FRAME, QUORATE_E_PROTOCOL, -1 }, { BAD_LENGTH, QUORATE_E_PROTOCOL, -1 },
        { BAD_CELL, QUORATE_E_PROTOCOL, 3 },   { WRONG_BATCH, QUORATE_E_PROTOCOL, 3 },
        { NO_SCHEMA, QUORATE_E_PROTOCOL, 0 },  { FORGOT, QUORATE_E_LOST, 0 },
        { WITHDRAWN, QUORATE_E_LOST, 12 },
};

static void test_faults(void **state) {
        struct fixture *f = *state;

        FOREACH_CASE (c, faults) {
                const struct script script = { .fault = c->fault };
                int64_t rows;
                int code;

                serve(f, &script);
                ask(f);
                rows = read_rows(f, 0, &code);
                assert_int_equal(code, c->code);
                if (c->rows >= 0)
                        assert_int_equal(rows, c->rows);
                assert_true(strlen(quorate_error(f->q)) > 0);
                assert_null(quorate_end(f->r));
                hang_up(f);
                stop(f);
        }
}

/* The coordinator dies in the middle; another takes its place and goes on where it was. */
static void test_reattach(void **state) {
        const struct script first = { .stall_at = 2 }, second = {};
        struct fixture *f = *state;
        int64_t next;
        int code;

        serve(f, &first);
        ask(f);
        for (next = 0; next < 2 * ROWS_PER_BATCH; next++) {
                while ((code = quorate_next(f->r, 10000)) == QUORATE_PROGRESS)
                        continue;
                assert_int_equal(code, QUORATE_ROW);
                assert_int_equal(quorate_value(f->r, 0)->integer, next);
        }
        assert_int_equal(quorate_next(f->r, 50), QUORATE_AGAIN);
        stop(f);
        serve(f, &second);
        assert_int_equal(read_rows(f, next, &code), BATCHES * ROWS_PER_BATCH);
        assert_int_equal(code, QUORATE_END);
        assert_int_equal(f->n_reconnecting, 1);
}

/* Who attaches at a later batch is given that one first, and goes on from there when the
 * coordinator dies: nothing twice, nothing left out. */
static void test_attach_later(void **state) {
        const struct script first = { .stall_at = 2 }, second = {};
        struct fixture *f = *state;
        int64_t next;
        int code;

        serve(f, &first);
        assert_int_equal(quorate_open(f->folder, &f->q), QUORATE_OK);
        assert_int_equal(quorate_attach(f->q, job_id, 1, &f->r), QUORATE_OK);
        for (next = ROWS_PER_BATCH; next < 2 * ROWS_PER_BATCH; next++) {
                while ((code = quorate_next(f->r, 10000)) == QUORATE_PROGRESS)
                        continue;
                assert_int_equal(code, QUORATE_ROW);
                assert_int_equal(quorate_value(f->r, 0)->integer, next);
        }
        assert_int_equal(quorate_next(f->r, 50), QUORATE_AGAIN);
        stop(f);
        serve(f, &second);
        assert_int_equal(read_rows(f, next, &code), BATCHES * ROWS_PER_BATCH);
        assert_int_equal(code, QUORATE_END);
}

static const struct script dies = { .fault = DIES_AT_SUBMIT }, sound = {};

static sem_t is_over;

static void *replace(void *userdata) {
        struct fixture *f = userdata;
        int status;

        assert_int_equal(waitpid(f->child, &status, 0), f->child);
        serve(f, &sound);
        (void) sem_wait(&is_over); /* a child dies with the thread that made it */
        return NULL;
}

/* It dies when it is asked, before it has answered: the next one is asked the same, with
 * the same nonce, and the caller notices nothing. */
static void test_resubmit(void **state) {
        struct fixture *f = *state;
        pthread_t thread;
        int code;

        assert_int_equal(sem_init(&is_over, 0, 0), 0);
        serve(f, &dies);
        assert_int_equal(pthread_create(&thread, NULL, replace, f), 0);
        ask(f);
        assert_int_equal(read_rows(f, 0, &code), BATCHES * ROWS_PER_BATCH);
        assert_int_equal(code, QUORATE_END);
        assert_int_equal(sem_post(&is_over), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_memory_equal(nonces[0], nonces[1], sizeof(nonces[0]));
}

static void test_calls(void **state) {
        const struct quorate_question question = { .sql = "SELECT 1" }, wrong = { .sql = "\xff" };
        const struct quorate_explanation *e;
        const struct script script = {};
        struct fixture *f = *state;
        struct quorate_result *r;

        serve(f, &script);
        ask(f);
        assert_int_equal(quorate_explain(f->q, &question, &e), QUORATE_E_REFUSED);
        assert_non_null(strstr(quorate_error(f->q), "today"));
        assert_null(strchr(quorate_error(f->q), '\033'));
        assert_int_equal(quorate_query(f->q, &wrong, &r), QUORATE_E_USAGE);
        assert_int_equal(quorate_cancel(f->r), QUORATE_OK);
        /* Woken it comes back; the answer may have been faster. */
        quorate_wake(f->q);
        {
                int woken = quorate_cancel(f->r);

                assert_true(woken == QUORATE_AGAIN || woken == QUORATE_OK);
        }
}

static void count_waits(void *userdata, uint64_t waited_ms) {
        assert_true(waited_ms >= 500);
        ++*(unsigned *) userdata;
}

static void *serve_later(void *userdata) {
        static const struct script script = {};

        sleep(3);
        serve(userdata, &script);
        (void) sem_wait(&is_over); /* as in replace() */
        return NULL;
}

/* Its supervisor holds the sockets, and the node comes after some seconds. */
static void test_node_is_restarting(void **state) {
        struct fixture *f = *state;
        unsigned n_waits = 0;
        pthread_t later;

        assert_int_equal(sem_init(&is_over, 0, 0), 0);
        assert_int_equal(pthread_create(&later, NULL, serve_later, f), 0);
        assert_int_equal(quorate_open_within(f->folder, UINT64_MAX, count_waits, &n_waits, &f->q),
                         QUORATE_OK);
        assert_int_equal(sem_post(&is_over), 0);
        assert_int_equal(pthread_join(later, NULL), 0);
        assert_in_range(n_waits, 4, 12);
}

/* Taking up a job that has ended says so; for one that was ours it is a restart. */
static void test_ended(void **state) {
        const struct script script = { .fault = ENDED };
        struct fixture *f = *state;
        int code;

        serve(f, &script);
        assert_int_equal(quorate_open(f->folder, &f->q), QUORATE_OK);
        assert_int_equal(quorate_attach(f->q, job_id, 0, &f->r), QUORATE_OK);
        assert_int_equal(quorate_next(f->r, 10000), QUORATE_E_REFUSED);
        assert_string_equal(quorate_error(f->q),
                            "this job has ended: VERIFIED; see its receipt x.receipt");
        hang_up(f);
        ask(f);
        while ((code = quorate_next(f->r, 10000)) == QUORATE_PROGRESS)
                continue;
        assert_int_equal(code, QUORATE_END);
        assert_string_equal(quorate_end(f->r)->error, "RESTARTED");
}

/* Nobody, or somebody who never answers. */
static void test_nobody(void **state) {
        struct fixture *f = *state;
        unsigned n_waits = 0;
        struct quorate *q;

        assert_int_equal(quorate_open("/nonexistent", &q), QUORATE_E_NO_NODE);
        assert_null(q);
        assert_int_equal(quorate_open_within(f->folder, 1200, count_waits, &n_waits, &q),
                         QUORATE_E_SILENT);
        assert_in_range(n_waits, 1, 2);
        fd_close(f->fds[0]);
        fd_close(f->fds[1]);
        f->fds[0] = f->fds[1] = -1;
        assert_int_equal(quorate_open(f->folder, &q), QUORATE_E_NO_NODE);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_splits), TEST(test_faults), TEST(test_reattach), TEST(test_attach_later),
          TEST(test_resubmit), TEST(test_calls), TEST(test_ended), TEST(test_nobody),
          TEST(test_node_is_restarting))
