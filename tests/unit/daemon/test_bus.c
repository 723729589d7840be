/* Connections of the bus that come to nothing, or to an end, in ways ZeroMQ does not tell of. */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "common/base/error.h"
#include "proto/bus.pb-c.h"
#include "tests/support/test.h"
#include "tests/unit/daemon/fixture.h"

#define LONG (60 * NSEC_PER_SEC)

static int n_failing; /* of the next calls of socket(2) */

/* In front of the C library's own, for ZeroMQ's thread. */
__attribute__((visibility("default"))) int socket(int family, int type, int protocol) {
        if (family == AF_UNIX && __atomic_load_n(&n_failing, __ATOMIC_SEQ_CST) > 0) {
                (void) __atomic_sub_fetch(&n_failing, 1, __ATOMIC_SEQ_CST);
                errno = EMFILE;
                return -1;
        }
        return (int) syscall(SYS_socket, family, type, protocol);
}

/* ---- a peer that dies with much unread ---- */

/* All that may be outstanding, and what takes it back, several times. */
static void say_much_and_die(const struct fixture *f, int go) {
        Echo__SayRequest message = ECHO__SAY_REQUEST__INIT;
        struct fixture own = { .transport = OVER_BUS };
        char byte;

        memcpy(own.path, f->path, sizeof(own.path));
        check(loop_new(&own.loop) == 0);
        fixture_connect(&own);
        RUN_UNTIL(&own, fixture_link(&own)->is_up);
        check(read(go, &byte, 1) == 1);
        for (int i = 0; i < 512; i++) {
                struct rpc_request request = { .method = "Say", .message = &message };

                rpc_cancel(own.client, rpc_send(own.client, &request));
        }
        usleep(300000); /* ZeroMQ's thread of it writes that, and that of its server reads it */
        _exit(0);
}

static void came(void *userdata, struct link *peer) {
        *(bool *) userdata = true;
}

static void gone(void *userdata, struct link *peer) {
        *(bool *) userdata = false;
}

/* The next heartbeat finds a full pipe without a peer, and libzmq 4.3 ends the process. */
static void test_dies_unread(void **state) {
        bool is_here = false;
        struct fixture f;
        int go[2];
        pid_t pid;

        fixture_init(&f, OVER_BUS);
        assert_int_equal(pipe(go), 0);
        pid = fork();
        if (pid == 0)
                say_much_and_die(&f, go[0]);
        fixture_serve(&f, 0);
        rpc_server_watch(f.rpc, came, gone, &is_here);
        RUN_UNTIL(&f, is_here);
        assert_int_equal(write(go[1], "x", 1), 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        usleep(1500000); /* we stand still over a heartbeat */
        RUN_UNTIL(&f, !is_here);
        close(go[0]);
        close(go[1]);
        fixture_done(&f);
}

/* ---- nothing comes of it ---- */

static void test_no_descriptor_to_connect(void **state) {
        struct fixture f;
        nsec_t end;

        fixture_init(&f, OVER_BUS);
        fixture_serve(&f, 0);
        __atomic_store_n(&n_failing, 2, __ATOMIC_SEQ_CST);
        fixture_connect(&f);
        end = loop_now(f.loop) + 15 * NSEC_PER_SEC;
        while (!fixture_link(&f)->is_up && loop_now(f.loop) < end)
                assert_int_equal(loop_turn(f.loop, 100 * NSEC_PER_MSEC), 0);
        assert_int_equal(n_failing, 0);
        assert_true(fixture_link(&f)->is_up);
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_dies_unread), cmocka_unit_test(test_no_descriptor_to_connect))
