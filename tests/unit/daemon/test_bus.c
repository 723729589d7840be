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

static void turns(struct fixture *f, int n) {
        for (int i = 0; i < n; i++)
                assert_int_equal(loop_turn(f->loop, NSEC_PER_MSEC), 0);
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

/* ---- a bare socket at the other end ---- */

struct bare {
        void *context, *socket[2]; /* control, data */
        char identity[2][16];
        size_t identity_len[2];
};

static void bare_init(struct bare *b, const struct fixture *f, int type) {
        const int linger = 0, few = 10;
        char address[128];

        *b = (struct bare){ .context = zmq_ctx_new() };
        for (int i = 0; i < 2; i++) {
                void *s = b->socket[i] = zmq_socket(b->context, type);

                assert_int_equal(zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger)), 0);
                assert_int_equal(zmq_setsockopt(s, ZMQ_RCVHWM, &few, sizeof(few)), 0);
                (void) snprintf(address, sizeof(address), "ipc://%s%s", f->path, i ? ".data" : "");
                assert_int_equal(
                        type == ZMQ_ROUTER ? zmq_bind(s, address) : zmq_connect(s, address), 0);
        }
}

static void bare_done(struct bare *b) {
        assert_int_equal(zmq_close(b->socket[0]), 0);
        assert_int_equal(zmq_close(b->socket[1]), 0);
        assert_int_equal(zmq_ctx_term(b->context), 0);
}

static void bare_send(struct bare *b, int i, const Bus__Header *header, struct bytes body) {
        uint8_t packed[LINK_HEADER_MAX];
        size_t n = link_header_pack(header, packed);

        if (b->identity_len[i])
                assert_true(zmq_send(b->socket[i], b->identity[i], b->identity_len[i],
                                     ZMQ_SNDMORE) >= 0);
        assert_true(zmq_send(b->socket[i], packed, n, ZMQ_SNDMORE) >= 0);
        assert_true(zmq_send(b->socket[i], body.data, body.len, 0) >= 0);
}

static void bare_hello(struct bare *b, int i, uint64_t connection) {
        Bus__Header header = BUS__HEADER__INIT;
        uint8_t hello[256];

        header.kind = BUS__KIND__HELLO;
        bare_send(b, i, &header,
                  BYTES(hello, link_hello_pack("bare", connection, i, hello, sizeof(hello))));
}

/* A ROUTER: the next hello of each path, turning the client's loop meanwhile. */
static void bare_greeted(struct bare *b, struct fixture *f) {
        for (int i = 0; i < 2; i++) {
                char rest[512];
                int n = -1;

                RUN_UNTIL(f, (n = zmq_recv(b->socket[i], b->identity[i], sizeof(b->identity[i]),
                                           ZMQ_DONTWAIT)) > 0);
                b->identity_len[i] = (size_t) n;
                assert_true(zmq_recv(b->socket[i], rest, sizeof(rest), 0) > 0);
                assert_true(zmq_recv(b->socket[i], rest, sizeof(rest), 0) > 0);
        }
}

/* A server that says something before the client has heard both hellos: it is connected anew, and
 * not taken for one that breaks the rules. */
static void test_early_frames(void **state) {
        Bus__Header event = BUS__HEADER__INIT;
        struct fixture f;
        struct bare b;

        fixture_init(&f, OVER_BUS);
        bare_init(&b, &f, ZMQ_ROUTER);
        fixture_connect(&f);
        for (int i = 0; i < 2; i++) { /* a first word, and one that comes between the two */
                bare_greeted(&b, &f);
                event.kind = BUS__KIND__EVENT;
                event.name = (char *) "Tick";
                if (i == 1)
                        bare_hello(&b, 0, 0);
                bare_send(&b, 0, &event, BYTES_LIT(""));
        }
        bare_greeted(&b, &f);
        bare_hello(&b, 0, 0);
        bare_hello(&b, 1, 0);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        turns(&f, 20);
        assert_true(fixture_link(&f)->is_up);
        f.client = rpc_client_free(f.client);
        f.bus_client = bus_client_free(f.bus_client);
        bare_done(&b);
        fixture_done(&f);
}

static void keep_link(void *userdata, struct link *peer) {
        *(struct link **) userdata = peer;
}

static void forget_link(void *userdata, struct link *peer) {
        *(struct link **) userdata = NULL;
}

/* Reads what there is. True: a refusal was among it. */
static bool hears_refusal(struct bare *b) {
        struct link_header_space space;
        uint8_t header[LINK_HEADER_MAX];
        char body[2048];
        int n;

        while ((n = zmq_recv(b->socket[0], header, sizeof(header), ZMQ_DONTWAIT)) >= 0) {
                Bus__Header *h = link_header_unpack(BYTES(header, (size_t) n), &space);

                assert_true(h && zmq_recv(b->socket[0], body, sizeof(body), 0) >= 0);
                if (h->kind == BUS__KIND__HELLO && h->status)
                        return true;
        }
        return false;
}

/* Who stood still and was cut with a full pipe learns of it when it reads, though it says no
 * word: one that only waits for events would wait for ever. */
static void test_refusal_after_a_full_pipe(void **state) {
        CLEANUP(freep) uint8_t *data = xcalloc(1, 1000);
        Echo__SayReply event = ECHO__SAY_REPLY__INIT;
        struct link *peer = NULL;
        struct fixture f;
        struct bare b;
        int r = LINK_OK;

        fixture_init(&f, OVER_BUS);
        fixture_serve(&f, 0);
        rpc_server_watch(f.rpc, keep_link, forget_link, &peer);
        bare_init(&b, &f, ZMQ_DEALER);
        bare_hello(&b, 0, 1);
        bare_hello(&b, 1, 1);
        RUN_UNTIL(&f, peer);
        event.data.data = data;
        event.data.len = 1000;
        for (int i = 0; i < 100000 && r == LINK_OK; i++) {
                r = rpc_event(peer, "Tick", &event, RPC_EVENT_MUST);
                if (i % 100 == 0) /* ZeroMQ's thread writes what it can */
                        usleep(1000);
        }
        assert_int_equal(r, LINK_E_FULL);
        RUN_UNTIL(&f, !peer);
        RUN_UNTIL(&f, hears_refusal(&b));
        bare_done(&b);
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_dies_unread), cmocka_unit_test(test_no_descriptor_to_connect),
          cmocka_unit_test(test_early_frames), cmocka_unit_test(test_refusal_after_a_full_pipe))
