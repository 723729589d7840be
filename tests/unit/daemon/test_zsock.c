/* ZMQ_FD is edge-triggered: whoever sends may take the news of a message with it. Here that
 * happens at the worst time, when the loop is about to sleep. */

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/loop.h"
#include "common/daemon/zsock.h"
#include "tests/support/test.h"

#define NAP                                                                                     \
        (20 * NSEC_PER_MSEC)    /* a message needs less; a throttled socket looks again by then \
                                 */
#define LONG (3 * NSEC_PER_SEC) /* to sleep, if nobody is woken */

struct world {
        struct loop *loop;
        struct loop_source *before, *after; /* preparations; one of them is armed */
        struct loop_source *armed;
        char folder[32], path[64];
        void *context, *peer; /* a bare ROUTER */
        uint8_t identity[32];
        size_t identity_len;
        struct zsock *sock;
        unsigned n_messages, n_prepared;
};

static unsigned n_interruptions; /* of the next calls that ask for events */

/* In front of ZeroMQ's own. */
int zmq_getsockopt(void *socket, int option, void *value, size_t *len) {
        int (*real)(void *socket, int option, void *value, size_t *len);

        if (option == ZMQ_EVENTS && n_interruptions > 0) {
                n_interruptions--;
                errno = EINTR;
                return -1;
        }
        *(void **) &real = dlsym(RTLD_NEXT, "zmq_getsockopt");
        return real(socket, option, value, len);
}

static void nap(void) {
        const struct timespec t = { .tv_nsec = (long) NAP };

        (void) nanosleep(&t, NULL);
}

static void peer_sends(struct world *w) {
        check(zmq_send(w->peer, w->identity, w->identity_len, ZMQ_SNDMORE) >= 0);
        check(zmq_send(w->peer, "header", 6, ZMQ_SNDMORE) >= 0);
        check(zmq_send(w->peer, "body", 4, 0) >= 0);
        nap();
}

static int we_send(struct world *w) {
        return zsock_send(w->sock, BYTES_NONE, BYTES_LIT("header"), BYTES_LIT("body"), NULL);
}

static int on_message(void *userdata, const struct zsock_message *m) {
        struct world *w = userdata;

        w->n_messages++;
        return 0;
}

static int on_closed(void *userdata, int fd) {
        return 0;
}

/* A message comes, and its news are read by our own sending. */
static int prepare(struct world *w, struct loop_source *s) {
        if (w->armed != s)
                return 0;
        w->armed = NULL;
        w->n_prepared++;
        peer_sends(w);
        return we_send(w);
}

static int on_before(void *userdata) {
        struct world *w = userdata;

        return prepare(w, w->before);
}

static int on_after(void *userdata) {
        struct world *w = userdata;

        return prepare(w, w->after);
}

static void make_sock(struct world *w) {
        static const struct zsock_handler handler = { .message = on_message, .closed = on_closed };
        const struct zsock_options o = { .type = ZMQ_DEALER,
                                         .message_max = 100,
                                         .receive_mark = 10,
                                         .path = w->path,
                                         .listen_fd = -1 };

        assert_int_equal(zsock_new(w->loop, &o, &handler, w, &w->sock), 0);
}

static void world_init(struct world *w) {
        char address[80];

        *w = (struct world){ .folder = "/tmp/quorate-zsock-XXXXXX" };
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/sock", w->folder);
        (void) snprintf(address, sizeof(address), "ipc://%s", w->path);
        w->context = zmq_ctx_new();
        w->peer = zmq_socket(w->context, ZMQ_ROUTER);
        assert_int_equal(zmq_bind(w->peer, address), 0);
        assert_int_equal(loop_new(&w->loop), 0);
        assert_int_equal(loop_add_prepare(w->loop, on_before, w, &w->before), 0);
        make_sock(w);
        assert_int_equal(loop_add_prepare(w->loop, on_after, w, &w->after), 0);
}

static void world_done(struct world *w) {
        zsock_free(w->sock);
        loop_source_free(w->before);
        loop_source_free(w->after);
        loop_free(w->loop);
        assert_int_equal(zmq_close(w->peer), 0);
        assert_int_equal(zmq_ctx_term(w->context), 0);
        (void) unlink(w->path);
        assert_int_equal(rmdir(w->folder), 0);
}

/* The peer learns who we are; then nothing is on the way. */
static void greet(struct world *w) {
        char rest[16];
        int n;

        assert_int_equal(we_send(w), 0);
        n = zmq_recv(w->peer, w->identity, sizeof(w->identity), 0);
        assert_true(n > 0);
        w->identity_len = (size_t) n;
        assert_int_equal(zmq_recv(w->peer, rest, sizeof(rest), 0), 6);
        assert_int_equal(zmq_recv(w->peer, rest, sizeof(rest), 0), 4);
        for (int i = 0; i < 5; i++)
                assert_int_equal(loop_turn(w->loop, NAP), 0);
        assert_int_equal(w->n_messages, 0);
}

static void expect_message(struct world *w) {
        nsec_t began = loop_now(w->loop);

        while (w->n_messages == 0 && loop_now(w->loop) - began < LONG)
                assert_int_equal(loop_turn(w->loop, LONG), 0);
        assert_int_equal(w->n_messages, 1);
        assert_true(loop_now(w->loop) - began < LONG / 2);
}

static void test_sending_while_the_loop_prepares(void **state) {
        for (int i = 0; i < 2; i++) {
                struct world w;

                world_init(&w);
                greet(&w);
                w.armed = i == 0 ? w.before : w.after;
                expect_message(&w);
                assert_int_equal(w.n_prepared, 1);
                world_done(&w);
        }
}

/* A socket made while the loop runs has its turn before older preparations, once. */
static void test_a_new_socket(void **state) {
        struct world w;

        world_init(&w);
        greet(&w);
        zsock_free(w.sock);
        make_sock(&w);
        greet(&w);
        world_done(&w);
        world_init(&w);
        assert_int_equal(loop_turn(w.loop, 0), 0);
        zsock_free(w.sock);
        make_sock(&w);
        assert_int_equal(we_send(&w), 0);
        w.identity_len = (size_t) zmq_recv(w.peer, w.identity, sizeof(w.identity), 0);
        w.armed = w.before;
        expect_message(&w);
        world_done(&w);
}

static void test_interrupted(void **state) {
        struct world w;

        world_init(&w);
        greet(&w);
        peer_sends(&w);
        assert_int_equal(we_send(&w), 0);
        n_interruptions = 3;
        expect_message(&w);
        assert_int_equal(n_interruptions, 0);
        world_done(&w);
}

TEST_MAIN(cmocka_unit_test(test_sending_while_the_loop_prepares),
          cmocka_unit_test(test_a_new_socket), cmocka_unit_test(test_interrupted))
