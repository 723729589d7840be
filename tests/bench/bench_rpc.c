/* Round trips through rpc and bus against a bare ROUTER/DEALER of the same libzmq,
 * alternating in one run, and 64 KiB units through a stream. The server is a child
 * process. p50 of the rounds; one line of JSON. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/listen.h"
#include "common/daemon/loop.h"
#include "proto/bus.pb-c.h"

#define ROUNDS  15
#define CALLS   1000
#define UNITS   4096 /* 256 MiB */
#define BATCH   64   /* calls outstanding in the pipelined figure */
#define BATCHED 100000

struct bench {
        char folder[64], path[96], bare[96];
        struct loop *loop;
        struct bus_client *bus;
        struct rpc_client *rpc;
        pid_t children[2];
        /* one round */
        unsigned done, wanted, window;
        double samples[CALLS];
        nsec_t began;
        /* streams */
        struct refbuf *unit;
        unsigned units_left;
};

/* ---- the server ---- */

static void monitor_metrics(Bus__Monitor_Service *s, const Bus__MetricsRequest *in,
                            Bus__MetricsReply_Closure closure, void *data) {
        Bus__MetricsReply reply = BUS__METRICS_REPLY__INIT;

        closure(&reply, data);
}

static void monitor_follow(Bus__Monitor_Service *s, const Bus__FollowRequest *in,
                           Bus__FollowReply_Closure closure, void *data) {
        Bus__FollowReply reply = BUS__FOLLOW_REPLY__INIT;

        closure(&reply, data);
}

static void take(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void answer_finish(struct channel *c, void *userdata) {
        check(channel_finish(c) == CHANNEL_OK);
}

static const struct channel_handler sink = { .on_data = take, .on_finish = answer_finish };

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes metadata) {
        check(channel_accept(c, BYTES_NONE, &sink, NULL) == 0);
}

static void serve(struct bench *b) {
        static const Bus__Monitor_Service service = BUS__MONITOR__INIT(monitor_);
        static struct channel_acceptor acceptor = { .on_open = on_open };
        char data[128];
        struct bus_server_options o = { .path = b->path,
                                        .service = "bench",
                                        .acceptor = &acceptor };
        struct bus_server *server;
        struct loop *loop;

        (void) snprintf(data, sizeof(data), "%s.data", b->path);
        check(loop_new(&loop) == 0);
        o.rpc = rpc_server_new(loop, &service.base, 0);
        o.fd = listen_create(b->path, CAPABILITY_BUS, 0600);
        o.data_fd = listen_create(data, CAPABILITY_BUS, 0600);
        check(bus_server_new(loop, &o, &server) == 0);
        _exit(loop_run(loop));
}

static void serve_bare(struct bench *b) {
        void *socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
        char frames[2][256];

        check(zmq_bind(socket, b->bare) == 0);
        for (;;) {
                int id = zmq_recv(socket, frames[0], sizeof(frames[0]), 0);
                int n = zmq_recv(socket, frames[1], sizeof(frames[1]), 0);

                check(id > 0 && zmq_send(socket, frames[0], (size_t) id, ZMQ_SNDMORE) == id);
                check(zmq_send(socket, frames[1], (size_t) n, 0) == n);
        }
}

static pid_t spawn(struct bench *b, void (*fn)(struct bench *)) {
        pid_t pid = fork();

        check(pid >= 0);
        if (pid > 0)
                return pid;
        check(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        fn(b);
        _exit(1);
}

/* ---- round trips ---- */

static int ascending(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *v, size_t n) {
        qsort(v, n, sizeof(*v), ascending);
        return v[n / 2];
}

static void call(struct bench *b);

static void on_reply(void *userdata, const struct rpc_result *result) {
        struct bench *b = userdata;

        check(result->code == RPC_OK);
        if (b->window == 1)
                b->samples[b->done] = (double) (loop_now(b->loop) - b->began) / 1000;
        if (++b->done + b->window <= b->wanted)
                call(b);
}

static void call(struct bench *b) {
        Bus__MetricsRequest request = BUS__METRICS_REQUEST__INIT;

        b->began = loop_now(b->loop);
        (void) rpc_call(b->rpc, "Metrics", &request, 10 * NSEC_PER_SEC, on_reply, b);
}

static void run_calls(struct bench *b, unsigned wanted, unsigned window) {
        b->done = 0;
        b->wanted = wanted;
        b->window = window;
        for (unsigned i = 0; i < window; i++)
                call(b);
        while (b->done < wanted)
                check(loop_turn(b->loop, NSEC_NEVER) == 0);
}

/* The same number of bytes, nothing but ZeroMQ, blocking on both sides. */
static double bare_round(struct bench *b, void *socket) {
        char ping[24] = "", reply[64];

        for (unsigned i = 0; i < CALLS; i++) {
                nsec_t began = loop_now(b->loop);

                check(zmq_send(socket, ping, sizeof(ping), 0) == sizeof(ping));
                check(zmq_recv(socket, reply, sizeof(reply), 0) == sizeof(ping));
                b->samples[i] = (double) (loop_now(b->loop) - began) / 1000;
        }
        return median(b->samples, CALLS);
}

/* ---- streams ---- */

static void push(struct bench *b, struct channel *c) {
        while (b->units_left > 0) {
                int r = channel_send_refbuf(c, b->unit, 0, b->unit->len);

                if (r == CHANNEL_E_FULL)
                        return;
                check(r == CHANNEL_OK);
                b->units_left--;
        }
        check(channel_finish(c) == CHANNEL_OK);
}

static void on_accepted(struct channel *c, void *userdata, struct bytes metadata) {
        push(userdata, c);
}

static void on_writable(struct channel *c, void *userdata) {
        push(userdata, c);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        struct bench *b = userdata;

        check(code == 0);
        b->done = 1;
}

static const struct channel_handler source = {
        .on_accepted = on_accepted, .on_data = take, .on_writable = on_writable, .on_end = on_end
};

static double stream_round(struct bench *b) {
        nsec_t began = loop_now(b->loop);

        b->done = 0;
        b->units_left = UNITS;
        check(channel_open(bus_client_link(b->bus), "sink", BYTES_NONE, &source, b));
        while (!b->done)
                check(loop_turn(b->loop, NSEC_NEVER) == 0);
        return (double) UNITS * CHANNEL_UNIT / 1e6 /
               ((double) (loop_now(b->loop) - began) / (double) NSEC_PER_SEC);
}

/* ---- all ---- */

static void start(struct bench *b) {
        struct bus_client_options o = { .path = b->path, .service = "bench", .data = true };

        strcpy(b->folder, "/tmp/quorate-bench-XXXXXX");
        check(mkdtemp(b->folder));
        (void) snprintf(b->path, sizeof(b->path), "%s/bus", b->folder);
        (void) snprintf(b->bare, sizeof(b->bare), "ipc://%s/bare", b->folder);
        b->children[0] = spawn(b, serve);
        b->children[1] = spawn(b, serve_bare);
        check(loop_new(&b->loop) == 0);
        check(bus_client_new(b->loop, &o, &b->bus) == 0);
        b->rpc = rpc_client_new(bus_client_link(b->bus), &bus__monitor__descriptor);
        b->unit = refbuf_alloc(CHANNEL_UNIT);
        memset(b->unit->data, 7, CHANNEL_UNIT);
        while (!bus_client_link(b->bus)->is_up)
                check(loop_turn(b->loop, NSEC_PER_SEC) == 0);
}

static void finish(struct bench *b) {
        char path[160];

        for (size_t i = 0; i < ELEMENTSOF(b->children); i++) {
                check(kill(b->children[i], SIGKILL) == 0);
                check(waitpid(b->children[i], NULL, 0) == b->children[i]);
        }
        rpc_client_free(b->rpc);
        bus_client_free(b->bus);
        loop_free(b->loop);
        refbuf_unref(b->unit);
        (void) unlink(b->path);
        (void) unlink(b->bare + strlen("ipc://"));
        (void) snprintf(path, sizeof(path), "%s.data", b->path);
        (void) unlink(path);
        (void) rmdir(b->folder);
}

int main(void) {
        static struct bench b;
        double rpc[ROUNDS], bare[ROUNDS], stream[ROUNDS], rate;
        nsec_t began;
        void *socket;

        start(&b);
        socket = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
        check(zmq_connect(socket, b.bare) == 0);
        run_calls(&b, CALLS, 1);
        (void) bare_round(&b, socket);
        for (unsigned i = 0; i < ROUNDS; i++) {
                run_calls(&b, CALLS, 1);
                rpc[i] = median(b.samples, CALLS);
                bare[i] = bare_round(&b, socket);
                stream[i] = stream_round(&b);
        }
        began = loop_now(b.loop);
        run_calls(&b, BATCHED, BATCH);
        rate = BATCHED / ((double) (loop_now(b.loop) - began) / (double) NSEC_PER_SEC);
        printf("{\"bench\": \"rpc\", \"rpc_us\": %.1f, \"bare_us\": %.1f, \"rpc_ratio\": %.2f, "
               "\"rpc_per_s\": %.0f, \"channel_mb_s\": %.0f}\n",
               median(rpc, ROUNDS), median(bare, ROUNDS),
               median(rpc, ROUNDS) / median(bare, ROUNDS), rate, median(stream, ROUNDS));
        finish(&b);
        return 0;
}
