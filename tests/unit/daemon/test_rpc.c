#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "common/daemon/listen.h"
#include "common/daemon/packet.h"
#include "common/daemon/rpc_answers.h"
#include "proto/bus.pb-c.h"
#include "tests/support/test.h"
#include "tests/unit/daemon/fixture.h"

#define LONG (60 * NSEC_PER_SEC)

static const enum transport transports[] = { OVER_SEQPACKET, OVER_BUS };

static void check_answers(enum transport transport) {
        struct outcome a, b, c;
        struct fixture f;

        fixture_init(&f, transport);
        fixture_connect(&f); /* before there is a server: calls wait */
        fixture_request(&f, "Say", 5, 0, LONG, &a);
        fixture_serve(&f, 0);
        fixture_request(&f, "Say", 100000, 0, LONG, &b);
        fixture_request(&f, "Say", 0, 7, LONG, &c);
        assert_int_equal(a.n_done + b.n_done + c.n_done, 0); /* never inside rpc_call() */
        RUN_UNTIL(&f, a.n_done && b.n_done && c.n_done);
        assert_int_equal(a.code, RPC_OK);
        assert_int_equal(a.len, 5);
        assert_int_equal(b.code, RPC_OK);
        assert_int_equal(b.len, 100000);
        assert_int_equal(c.code, 7);
        assert_string_equal(c.text, "as you wished");
        assert_int_equal(fixture_link(&f)->peer.uid, geteuid());
        fixture_done(&f);
        assert_int_equal(a.n_done + b.n_done + c.n_done, 3);
}

/* Root and ourselves always; others only where the socket's file decides. */
static void test_policy(void **state) {
        const struct link_policy own = {}, people = { .by_file = true };

        assert_true(link_policy_allows(&own, 0));
        assert_true(link_policy_allows(NULL, geteuid()));
        assert_false(link_policy_allows(NULL, geteuid() + 1));
        assert_false(link_policy_allows(&own, geteuid() + 1));
        assert_true(link_policy_allows(&people, geteuid() + 1));
}

static void test_answers(void **state) {
        FOREACH_CASE (t, transports)
                check_answers(*t);
}

static void check_deadline(enum transport transport) {
        struct outcome a, b;
        struct fixture f;

        fixture_init(&f, transport);
        fixture_connect(&f);
        fixture_request(&f, "Say", 1, 0, 20 * NSEC_PER_MSEC, &a); /* nobody serves */
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.code, RPC_E_TIMEOUT);
        fixture_serve(&f, 0);
        fixture_request(&f, "Hold", 1, 0, 300 * NSEC_PER_MSEC, &b);
        RUN_UNTIL(&f, f.service.n_held == 1);
        RUN_UNTIL(&f, b.n_done && f.service.n_moot == 1);
        assert_int_equal(b.code, RPC_E_TIMEOUT);
        assert_int_equal(rpc_server_outstanding(f.rpc), 1); /* until its handler ends it */
        call_fail(f.service.held[--f.service.n_held], 5, NULL);
        assert_int_equal(rpc_server_outstanding(f.rpc), 0);
        fixture_done(&f);
        assert_int_equal(b.n_done, 1);
}

static void test_deadline(void **state) {
        FOREACH_CASE (t, transports)
                check_deadline(*t);
}

static void check_gone(enum transport transport) {
        struct outcome held, after;
        struct fixture f;
        uint64_t first;
        nsec_t killed;

        fixture_init(&f, transport);
        fixture_spawn(&f, 0);
        fixture_connect(&f);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        first = fixture_link(&f)->peer.instance;
        fixture_request(&f, "Hold", 1, 0, LONG, &held);
        assert_int_equal(loop_turn(f.loop, 20 * NSEC_PER_MSEC), 0);
        fixture_kill(&f);
        killed = loop_now(f.loop);
        RUN_UNTIL(&f, held.n_done);
        assert_int_equal(held.code, RPC_E_GONE);
        assert_true(loop_now(f.loop) - killed < NSEC_PER_SEC);
        fixture_request(&f, "Say", 3, 0, LONG, &after);
        fixture_spawn(&f, 0);
        RUN_UNTIL(&f, after.n_done);
        assert_int_equal(after.code, RPC_OK);
        assert_int_equal(after.n_runs, 1);
        assert_true(fixture_link(&f)->peer.instance != first);
        fixture_done(&f);
}

static void test_gone(void **state) {
        FOREACH_CASE (t, transports)
                check_gone(*t);
}

static uint64_t send_id(struct fixture *f, const char *method, uint64_t id, struct outcome *ret) {
        Echo__SayRequest message = ECHO__SAY_REQUEST__INIT;
        struct rpc_request request = {
                .method = method, .message = &message, .id = id, .fn = on_outcome, .userdata = ret
        };

        *ret = (struct outcome){};
        return rpc_send(f->client, &request);
}

static void check_retry(enum transport transport) {
        struct outcome a, b;
        struct fixture f;
        uint64_t first, id;

        fixture_init(&f, transport);
        fixture_serve(&f, RPC_EFFECTS);
        fixture_connect(&f);
        first = send_id(&f, "Say", 0, &a);
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.n_runs, 1);
        id = send_id(&f, "Say", first, &b);
        assert_int_equal(id, first);
        RUN_UNTIL(&f, b.n_done);
        assert_int_equal(b.n_runs, 1); /* the recorded answer */
        assert_int_equal(f.service.n_runs, 1);
        for (unsigned i = 0; i < RPC_RECORDED_MAX; i++) {
                (void) send_id(&f, "Say", 0, &a);
                RUN_UNTIL(&f, a.n_done);
        }
        (void) send_id(&f, "Say", first, &b);
        RUN_UNTIL(&f, b.n_done);
        assert_int_equal(b.code, RPC_E_EXPIRED); /* forgotten: not run again */
        assert_int_equal(f.service.n_runs, 1 + RPC_RECORDED_MAX);
        fixture_done(&f);
}

static void test_retry(void **state) {
        FOREACH_CASE (t, transports)
                check_retry(*t);
}

/* However many other callers came meanwhile: an id that ran does not run again. */
static void test_many_callers(void **state) {
        const struct answer answer = { .code = 7, .text = (char *) "done" };
        const struct link_peer first = { .instance = 1 };
        struct answers *a = answers_new(1);

        answers_begin(a, &first, 5);
        answers_store(a, &first, 5, &answer);
        assert_int_equal(answers_find(a, &first, 5)->code, 7);
        for (uint64_t i = 2; i < 1000; i++) {
                struct link_peer other = { .instance = i };

                answers_begin(a, &other, 1);
                answers_store(a, &other, 1, &answer);
        }
        assert_true(answers_is_old(a, &first, 5));
        assert_null(answers_find(a, &first, 5)); /* RPC_E_EXPIRED */
        answers_begin(a, &first, 6);
        answers_store(a, &first, 6, &answer);
        assert_int_equal(answers_find(a, &first, 6)->code, 7);
        for (uint64_t i = 1000; i < 10000; i++) /* bounded all the same */
                answers_begin(a, &(struct link_peer){ .instance = i }, 1);
        assert_false(answers_is_old(a, &first, 5));
        answers_free(a);
}

/* Large answers of many: those of whoever was not heard of for longest go. */
static void test_many_bytes(void **state) {
        CLEANUP(freep) uint8_t *large = xmalloc(3u << 20);
        CLEANUP(refbuf_unrefp) struct refbuf *body = refbuf_new(BYTES(large, 3u << 20));
        const struct answer answer = { .body = body };
        struct answers *a = answers_new(1);
        unsigned kept = 0;

        for (uint64_t i = 1; i <= 20; i++) {
                struct link_peer caller = { .instance = i };

                answers_begin(a, &caller, 1);
                answers_store(a, &caller, 1, &answer);
        }
        for (uint64_t i = 1; i <= 20; i++)
                kept += answers_find(a, &(struct link_peer){ .instance = i }, 1) != NULL;
        assert_int_equal(kept, 5); /* of 3 MiB in 16 */
        assert_non_null(answers_find(a, &(struct link_peer){ .instance = 20 }, 1));
        assert_true(answers_is_old(a, &(struct link_peer){ .instance = 1 }, 1));
        answers_free(a);
}

static void check_bound(enum transport transport) {
        struct outcome calls[RPC_OUTSTANDING_MAX], extra;
        struct fixture f;

        fixture_init(&f, transport);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        for (size_t i = 0; i < RPC_OUTSTANDING_MAX; i++)
                fixture_request(&f, "Hold", 1, 0, LONG, &calls[i]);
        fixture_request(&f, "Hold", 1, 0, LONG, &extra);
        RUN_UNTIL(&f, extra.n_done && f.service.n_held == RPC_OUTSTANDING_MAX);
        assert_int_equal(extra.code, RPC_E_BUSY);
        assert_int_equal(rpc_client_outstanding(f.client), RPC_OUTSTANDING_MAX);
        while (f.service.n_held > 0)
                call_fail(f.service.held[--f.service.n_held], 9, NULL);
        RUN_UNTIL(&f, rpc_client_outstanding(f.client) == 0);
        for (size_t i = 0; i < RPC_OUTSTANDING_MAX; i++) {
                assert_int_equal(calls[i].n_done, 1);
                assert_int_equal(calls[i].code, 9);
        }
        fixture_done(&f);
}

static void test_bound(void **state) {
        FOREACH_CASE (t, transports)
                check_bound(*t);
}

static void check_oversize(enum transport transport, size_t len) {
        struct outcome a, b;
        struct fixture f;

        fixture_init(&f, transport);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        fixture_request(&f, "Say", len, 0, LONG, &a);
        fixture_request(&f, "Say", 1, 0, LONG, &b);
        RUN_UNTIL(&f, a.n_done && b.n_done);
        assert_int_equal(a.code, RPC_E_QUOTA);
        assert_int_equal(b.code, RPC_OK); /* the connection is not harmed */
        fixture_done(&f);
}

static void test_oversize(void **state) {
        check_oversize(OVER_SEQPACKET, SEQPACKET_MAX);
        check_oversize(OVER_BUS, BUS_MESSAGE_MAX);
}

/* What a client has outstanding is bounded in bytes, too: while it waits for its server as well. */
static void test_outstanding_bytes(void **state) {
        static struct outcome calls[RPC_BYTES_MAX / 1000000 + 2];
        const unsigned n = ELEMENTSOF(calls), fit = RPC_BYTES_MAX / 1000000;
        struct fixture f;

        fixture_init(&f, OVER_BUS);
        fixture_connect(&f);
        for (unsigned i = 0; i < n; i++)
                fixture_request(&f, "Hold", 1000000 - 16, 0, LONG, &calls[i]);
        RUN_UNTIL(&f, calls[n - 1].n_done);
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(calls[i].n_done, i >= fit);
        assert_int_equal(calls[n - 1].code, RPC_E_BUSY);
        assert_int_equal(rpc_client_outstanding(f.client), fit);
        fixture_done(&f);
}

static int faulty_send(struct link *l, const struct frame *f, bool data) {
        return -EMSGSIZE;
}

/* A call that cannot be sent for a fault of ours: its peer is not gone, and it will not go better
 * next time. */
static void test_fault_in_sending(void **state) {
        static const struct link_ops ops = { .send = faulty_send };
        const struct link_peer peer = { .instance = 1 };
        struct fixture f;
        struct outcome a;
        struct link l;

        fixture_init(&f, OVER_SEQPACKET);
        link_init(&l, &ops, f.loop);
        link_came_up(&l, &peer);
        f.client = rpc_client_new(&l, &echo__echo__descriptor);
        fixture_request(&f, "Say", 1, 0, LONG, &a);
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.code, RPC_E_INTERNAL);
        fixture_done(&f);
}

/* Held calls of one peer may keep 32 MiB of input together. */
static void check_budget(enum transport transport) {
        static struct outcome calls[400];
        unsigned n_busy = 0, n = ELEMENTSOF(calls);
        struct fixture f;

        fixture_init(&f, transport);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        for (unsigned i = 0; i < n; i++) {
                fixture_request(&f, "Hold", 150000, 0, LONG, &calls[i]);
                RUN_UNTIL(&f, calls[i].n_done || f.service.n_held + n_busy == i + 1);
                n_busy += calls[i].n_done;
        }
        assert_in_range(f.service.n_held, 200, (32u << 20) / 150000);
        assert_int_equal(calls[n - 1].code, RPC_E_BUSY);
        call_fail(f.service.held[--f.service.n_held], 3, NULL);
        fixture_request(&f, "Hold", 150000, 0, LONG, &calls[0]); /* its room is free again */
        n_busy = (unsigned) f.service.n_held;
        RUN_UNTIL(&f, f.service.n_held == n_busy + 1);
        fixture_done(&f);
}

static void test_budget(void **state) {
        FOREACH_CASE (t, transports)
                check_budget(*t);
}

static void check_cancel(enum transport transport) {
        struct outcome a;
        struct fixture f;
        uint64_t id;

        fixture_init(&f, transport);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        rpc_cancel(f.client, UINT64_MAX);
        rpc_cancel(f.client, send_id(&f, "Hold", 0, &a)); /* not even sent */
        assert_int_equal(a.n_done, 0);
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.code, RPC_E_CANCELLED);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        id = send_id(&f, "Hold", 0, &a);
        RUN_UNTIL(&f, f.service.n_held == 1);
        rpc_cancel(f.client, id);
        RUN_UNTIL(&f, a.n_done && f.service.n_moot == 1);
        assert_true(call_is_moot(f.service.held[0]));
        assert_int_equal(a.code, RPC_E_CANCELLED);
        fixture_done(&f);
}

static void test_cancel(void **state) {
        FOREACH_CASE (t, transports)
                check_cancel(*t);
}

/* What a broken or hostile client may send; each case on a connection of its own. */
#define LIT(s) \
        { (const uint8_t *) (s), sizeof(s) - 1 }

static const struct {
        const char *name;
        struct bytes packet;
} garbage[] = {
        { "empty prefix", { (const uint8_t *) "\0", 1 } },
        { "header longer than the packet", { (const uint8_t *) "\xff\xff\x08\x01", 4 } },
        { "not a header", { (const uint8_t *) "\0\4\xff\xff\xff\xff", 6 } },
        { "a call before the hello", { (const uint8_t *) "\0\4\x08\x02\x10\x01", 6 } },
        { "unknown kind", { (const uint8_t *) "\0\2\x08\x1f", 4 } },
        { "hello without instance", { (const uint8_t *) "\0\2\x08\x01", 4 } },
};

static void test_garbage(void **state) {
        struct outcome a;
        struct fixture f;

        fixture_init(&f, OVER_SEQPACKET);
        fixture_serve(&f, 0);
        FOREACH_CASE (c, garbage) {
                uint8_t buffer[512];
                size_t n_fds = 0;
                ssize_t n = 1;
                int fd = seqpacket_dial(f.path);

                assert_true(fd >= 0);
                assert_int_equal(seqpacket_send_raw(fd, c->packet, NULL, 0), 0);
                for (int i = 0; i < 20; i++)
                        assert_int_equal(loop_turn(f.loop, NSEC_PER_MSEC), 0);
                while (n > 0) /* its hello, then the end */
                        n = seqpacket_receive_raw(fd, buffer, sizeof(buffer), NULL, &n_fds);
                assert_int_equal(n, 0);
                fd_close(fd);
        }
        fixture_connect(&f);
        fixture_request(&f, "Say", 1, 0, LONG, &a);
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.code, RPC_OK);
        fixture_done(&f);
}

static void send_header(int fd, Bus__Header *header, struct bytes body) {
        uint8_t packet[2 + LINK_HEADER_MAX + 256];
        size_t n = packet_begin(header, packet);

        memcpy(packet + n, body.data, body.len);
        assert_int_equal(seqpacket_send_raw(fd, BYTES(packet, n + body.len), NULL, 0), 0);
}

/* Calls that wait behind the packet for which a peer is cut are not run any more. */
static void test_nothing_after_a_cut(void **state) {
        Bus__Header hello = BUS__HEADER__INIT, call = BUS__HEADER__INIT;
        uint8_t body[256];
        struct fixture f;
        char byte;
        int fd;

        fixture_init(&f, OVER_SEQPACKET);
        fixture_serve(&f, 0);
        fd = seqpacket_dial(f.path);
        assert_true(fd >= 0);
        hello.kind = BUS__KIND__HELLO;
        send_header(fd, &hello, BYTES(body, link_hello_pack("test", 0, false, body, sizeof(body))));
        assert_int_equal(seqpacket_send_raw(fd, BYTES_LIT("\xff\xff?"), NULL, 0), 0);
        call.kind = BUS__KIND__CALL;
        call.name = (char *) "Say";
        for (call.id = 1; call.id <= 10; call.id++)
                send_header(fd, &call, BYTES_LIT(""));
        RUN_UNTIL(&f, recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) == 0 || errno == ECONNRESET);
        assert_int_equal(f.service.n_runs, 0);
        close(fd);
        fixture_done(&f);
}

/* The same over the bus: one frame, three, a header that is none, a call without a hello,
 * a hello that lies about its path; each from a bare DEALER. */
static void test_garbage_bus(void **state) {
        static const struct {
                const char *name;
                struct bytes frames[3];
                int n;
        } cases[] = {
                { "one frame", { LIT("x") }, 1 },
                { "three frames", { LIT("x"), LIT("y"), LIT("z") }, 3 },
                { "not a header", { LIT("\xff\xff"), LIT("") }, 2 },
                { "a call before the hello", { LIT("\x08\x02\x10\x01"), LIT("") }, 2 },
                { "hello for data on control",
                  { LIT("\x08\x01"), LIT("\x09\1\1\1\1\1\1\1\1\x20\x01") },
                  2 },
                { "empty frames", { LIT(""), LIT("") }, 2 },
        };
        void *context = zmq_ctx_new();
        char address[128];
        struct outcome a;
        struct fixture f;

        fixture_init(&f, OVER_BUS);
        fixture_serve(&f, 0);
        (void) snprintf(address, sizeof(address), "ipc://%s", f.path);
        FOREACH_CASE (c, cases) {
                void *dealer = zmq_socket(context, ZMQ_DEALER);
                const int linger = 0;

                assert_int_equal(zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof(linger)), 0);
                assert_int_equal(zmq_connect(dealer, address), 0);
                for (int i = 0; i < c->n; i++)
                        assert_int_equal(zmq_send(dealer, c->frames[i].data, c->frames[i].len,
                                                  i + 1 < c->n ? ZMQ_SNDMORE : 0),
                                         c->frames[i].len);
                for (int i = 0; i < 20; i++)
                        assert_int_equal(loop_turn(f.loop, NSEC_PER_MSEC), 0);
                assert_int_equal(zmq_close(dealer), 0);
        }
        assert_int_equal(f.service.n_runs, 0);
        fixture_connect(&f);
        fixture_request(&f, "Say", 1, 0, LONG, &a);
        RUN_UNTIL(&f, a.n_done);
        assert_int_equal(a.code, RPC_OK);
        fixture_done(&f);
        assert_int_equal(zmq_ctx_term(context), 0);
}

struct count {
        unsigned n_events, n_up, n_down;
        uint64_t last;
};

static void on_event(void *userdata, const void *message) {
        const Echo__SayReply *reply = message;
        struct count *c = userdata;

        assert_int_equal(reply->n_runs, c->last + 1);
        c->last = reply->n_runs;
        c->n_events++;
}

static void keep_link(void *userdata, struct link *peer) {
        *(struct link **) userdata = peer;
}

static void forget_link(void *userdata, struct link *peer) {
        assert_ptr_equal(*(struct link **) userdata, peer);
        *(struct link **) userdata = NULL;
}

static void check_events(enum transport transport) {
        Echo__SayReply event = ECHO__SAY_REPLY__INIT;
        struct link *subscriber = NULL;
        struct count count = {};
        struct fixture f;

        fixture_init(&f, transport);
        fixture_serve(&f, 0);
        rpc_server_watch(f.rpc, keep_link, forget_link, &subscriber);
        fixture_connect(&f);
        rpc_client_on_event(f.client, "Tick", &echo__say_reply__descriptor, on_event, &count);
        RUN_UNTIL(&f, subscriber && fixture_link(&f)->is_up);
        for (event.n_runs = 1; event.n_runs <= 100; event.n_runs++)
                assert_int_equal(rpc_event(subscriber, "Tick", &event, RPC_EVENT_MUST), LINK_OK);
        assert_int_equal(rpc_event(subscriber, "Unheard", &event, 0), LINK_OK);
        RUN_UNTIL(&f, count.n_events == 100);
        f.client = rpc_client_free(f.client);
        f.bus_client = bus_client_free(f.bus_client);
        f.seqpacket = seqpacket_free(f.seqpacket);
        RUN_UNTIL(&f, !subscriber);
        fixture_done(&f);
}

static void test_events(void **state) {
        FOREACH_CASE (t, transports)
                check_events(*t);
}

static void test_blocking(void **state) {
        Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
        struct seqpacket_caller *c;
        const void *reply = NULL;
        struct fixture f;

        fixture_init(&f, OVER_SEQPACKET);
        fixture_spawn(&f, 0);
        c = seqpacket_caller_new(f.path, &echo__echo__descriptor);
        assert_int_equal(seqpacket_call(c, "Say", &request, LONG, &reply), 0);
        assert_int_equal(((const Echo__SayReply *) reply)->n_runs, 1);
        request.fail = 4;
        assert_int_equal(seqpacket_call(c, "Say", &request, LONG, &reply), 4);
        assert_int_equal(seqpacket_call(c, "Hold", &request, 30 * NSEC_PER_MSEC, &reply),
                         RPC_E_TIMEOUT);
        request.fail = 0;
        assert_int_equal(seqpacket_call(c, "Say", &request, LONG, &reply), 0);
        fixture_kill(&f);
        assert_int_equal(seqpacket_call(c, "Say", &request, LONG, &reply), RPC_E_GONE);
        fixture_spawn(&f, 0);
        assert_int_equal(seqpacket_call(c, "Say", &request, LONG, &reply), 0);
        seqpacket_caller_free(c);
        fixture_done(&f);
}

/* A listener that sleeps takes nobody from its queue; once that is full, even connect() would
 * wait for ever. */
static void test_blocking_on_a_sleeper(void **state) {
        Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const void *reply;
        int fd;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/quorate-sleeper-%d",
                        (int) getpid());
        (void) unlink(address.sun_path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        (void) alarm(10);
        for (int i = 0; i < 5; i++) {
                struct seqpacket_caller *c =
                        seqpacket_caller_new(address.sun_path, &echo__echo__descriptor);

                assert_int_equal(seqpacket_call(c, "Say", &request, 20 * NSEC_PER_MSEC, &reply),
                                 RPC_E_TIMEOUT);
                seqpacket_caller_free(c);
        }
        (void) alarm(0);
        (void) close(fd);
        (void) unlink(address.sun_path);
}

TEST_MAIN(cmocka_unit_test(test_policy), cmocka_unit_test(test_answers),
          cmocka_unit_test(test_deadline), cmocka_unit_test(test_gone),
          cmocka_unit_test(test_retry), cmocka_unit_test(test_many_callers),
          cmocka_unit_test(test_many_bytes), cmocka_unit_test(test_bound),
          cmocka_unit_test(test_oversize), cmocka_unit_test(test_outstanding_bytes),
          cmocka_unit_test(test_fault_in_sending), cmocka_unit_test(test_budget),
          cmocka_unit_test(test_cancel), cmocka_unit_test(test_garbage),
          cmocka_unit_test(test_nothing_after_a_cut), cmocka_unit_test(test_garbage_bus),
          cmocka_unit_test(test_events), cmocka_unit_test(test_blocking),
          cmocka_unit_test(test_blocking_on_a_sleeper))
