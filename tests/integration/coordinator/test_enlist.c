/* A worker that says twice who it is while it has a run: what it said first is forgotten,
 * its runs are not. */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/daemon/rpc.h"
#include "proto/coordinator.pb-c.h"
#include "tests/integration/coordinator/node.h"

#define WITHIN 200 /* turns of 100 ms */

struct worker {
        struct node node;
        struct loop *loop;
        struct bus_client *bus;
        struct rpc_client *rpc;
        struct channel *run;
        struct channel_acceptor acceptor;
        bool is_up;
        unsigned enlisted;
        pid_t client;
};

static void on_enlisted(void *userdata, const struct rpc_result *result) {
        ((struct worker *) userdata)->enlisted += result->code == RPC_OK;
}

static void enlist(struct worker *w) {
        Coordinator__WorkerHello hello = COORDINATOR__WORKER_HELLO__INIT;
        char *engines[] = { (char *) "sqlite-3.40.1" };

        hello.name = (char *) "worker";
        hello.engines = engines;
        hello.n_engines = 1;
        hello.slots = 4;
        hello.memory = 1u << 30;
        (void) rpc_call(w->rpc, "Enlist", &hello, NSEC_PER_SEC, on_enlisted, w);
}

static void on_up(void *userdata) {
        ((struct worker *) userdata)->is_up = true;
}

static void on_data(struct channel *c, void *userdata, struct bytes data) {
        channel_consumed(c, 1);
}

static void on_end(struct channel *c, void *userdata, uint32_t code, const char *text) {
        ((struct worker *) userdata)->run = NULL;
}

static void on_open(struct channel *c, void *userdata, const char *name, struct bytes meta) {
        static const struct channel_handler handler = { .on_data = on_data, .on_end = on_end };
        struct worker *w = userdata;

        if (channel_accept(c, BYTES_NONE, &handler, w) == 0)
                w->run = c;
}

static void turn_until(struct worker *w, const bool *done) {
        for (unsigned i = 0; i < WITHIN && !*done; i++)
                assert_true(loop_turn(w->loop, 100 * NSEC_PER_MSEC) >= 0);
        assert_true(*done);
}

static int setup(void **state) {
        struct worker *w = xnew(struct worker);
        char path[CAPABILITY_PATH_SIZE];
        struct bus_client_options options = {
                .path = path, .service = "worker", .data = true, .acceptor = &w->acceptor
        };

        w->acceptor = (struct channel_acceptor){ .on_open = on_open, .userdata = w };
        node_init(&w->node, NULL);
        node_start(&w->node, NODE_KEYRING);
        node_start(&w->node, NODE_COORDINATOR);
        assert_int_equal(capability_path(w->node.runtime, "coordinator/jobs", false, path), 0);
        assert_int_equal(loop_new(&w->loop), 0);
        assert_int_equal(bus_client_new(w->loop, &options, &w->bus), 0);
        w->rpc = rpc_client_new(bus_client_link(w->bus), &coordinator__jobs__descriptor);
        rpc_client_watch(w->rpc, on_up, NULL, w);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct worker *w = *state;

        rpc_client_free(w->rpc);
        bus_client_free(w->bus);
        loop_free(w->loop);
        node_done(&w->node);
        free(w);
        return 0;
}

static pid_t ask(const struct worker *w) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) execl(getenv("QUORATE_CTL"), "quorate", "query", "--runtime",
                             w->node.runtime, "SELECT 42", (char *) NULL);
                _exit(127);
        }
        return pid;
}

static void enlisting_again_keeps_its_runs(void **state) {
        struct worker *w = *state;
        pid_t client;
        int status;

        turn_until(w, &w->is_up);
        enlist(w);
        for (unsigned i = 0; i < WITHIN && w->enlisted < 1; i++)
                (void) loop_turn(w->loop, 100 * NSEC_PER_MSEC);
        client = ask(w);
        for (unsigned i = 0; i < WITHIN && !w->run; i++)
                (void) loop_turn(w->loop, 100 * NSEC_PER_MSEC);
        assert_non_null(w->run);
        enlist(w);
        for (unsigned i = 0; i < WITHIN && w->enlisted < 2; i++)
                (void) loop_turn(w->loop, 100 * NSEC_PER_MSEC);
        assert_int_equal(w->enlisted, 2);
        assert_int_equal(node_status(&w->node, "workers"), 1);
        channel_reset(w->run, 5, "given up");
        w->run = NULL;
        for (unsigned i = 0; i < 5; i++)
                (void) loop_turn(w->loop, 100 * NSEC_PER_MSEC);
        assert_int_equal(node_status(&w->node, "workers"), 1); /* it is alive and answers */
        (void) kill(client, SIGTERM);
        (void) waitpid(client, &status, 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(enlisting_again_keeps_its_runs, setup, teardown))
