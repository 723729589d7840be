#include "tests/unit/daemon/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/listen.h"
#include "tests/support/test.h"

static void echo_say(Echo__Echo_Service *base, const Echo__SayRequest *in,
                     Echo__SayReply_Closure closure, void *data) {
        struct echo_service *s = (struct echo_service *) base;
        struct call *c = call_begin(data, (ProtobufCClosure) closure);
        Echo__SayReply reply = ECHO__SAY_REPLY__INIT;
        size_t n_fds;
        int *fds = call_fds(c, &n_fds);

        s->n_runs++;
        if (in->fail) {
                call_fail(c, (int) in->fail, "as you wished");
                return;
        }
        reply.data = in->data;
        reply.n_runs = s->n_runs;
        if (n_fds > 0)
                call_reply_fds(c, &reply, fds, n_fds); /* an echo of descriptors */
        else
                closure(&reply, data);
}

static void on_moot(void *userdata) {
        struct echo_service *s = userdata;

        s->n_moot++;
}

static void echo_hold(Echo__Echo_Service *base, const Echo__SayRequest *in,
                      Echo__SayReply_Closure closure, void *data) {
        struct echo_service *s = (struct echo_service *) base;
        struct call *c = call_begin(data, (ProtobufCClosure) closure);

        s->n_runs++;
        check(s->n_held < HELD_MAX);
        call_on_moot(c, on_moot, s);
        s->held[s->n_held++] = c;
}

static const Echo__Echo_Service echo = ECHO__ECHO__INIT(echo_);

void fixture_init(struct fixture *f, enum transport transport) {
        const char *base = "/tmp/quorate-test-XXXXXX";

        *f = (struct fixture){ .transport = transport, .listeners = { -1, -1 } };
        strcpy(f->folder, base);
        assert_non_null(mkdtemp(f->folder));
        (void) snprintf(f->path, sizeof(f->path), "%s/echo", f->folder);
        assert_int_equal(loop_new(&f->loop), 0);
        f->listeners[0] = listen_create(
                f->path, transport == OVER_BUS ? CAPABILITY_BUS : CAPABILITY_SEQPACKET, 0600);
        assert_true(f->listeners[0] >= 0);
        if (transport == OVER_BUS) {
                char data[128];

                (void) snprintf(data, sizeof(data), "%s.data", f->path);
                f->listeners[1] = listen_create(data, CAPABILITY_BUS, 0600);
                assert_true(f->listeners[1] >= 0);
        }
}

static int copy(int fd) {
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void fixture_serve(struct fixture *f, unsigned flags) {
        f->service = (struct echo_service){ .base = echo };
        f->rpc = rpc_server_new(f->loop, &f->service.base.base, flags);
        if (f->transport == OVER_BUS) {
                struct bus_server_options o = { .path = f->path,
                                                .fd = copy(f->listeners[0]),
                                                .data_fd = copy(f->listeners[1]),
                                                .service = "echo",
                                                .rpc = f->rpc,
                                                .acceptor = f->acceptor };

                check(bus_server_new(f->loop, &o, &f->bus_server) == 0);
        } else {
                check(seqpacket_server_new(f->loop, copy(f->listeners[0]), NULL, f->rpc, 8,
                                           &f->seqpacket_server) == 0);
        }
}

void fixture_unserve(struct fixture *f) {
        f->bus_server = bus_server_free(f->bus_server);
        f->seqpacket_server = seqpacket_server_free(f->seqpacket_server);
        while (f->service.n_held > 0)
                call_fail(f->service.held[--f->service.n_held], RPC_E_CANCELLED, NULL);
        f->rpc = rpc_server_free(f->rpc);
}

void fixture_spawn(struct fixture *f, unsigned flags) {
        struct fixture child = { .transport = f->transport, .acceptor = f->acceptor };

        f->child = fork();
        assert_true(f->child >= 0);
        if (f->child > 0)
                return;
        check(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        memcpy(child.path, f->path, sizeof(child.path));
        memcpy(child.listeners, f->listeners, sizeof(child.listeners));
        check(loop_new(&child.loop) == 0);
        fixture_serve(&child, flags);
        _exit(loop_run(child.loop));
}

void fixture_kill(struct fixture *f) {
        if (f->child <= 0)
                return;
        assert_int_equal(kill(f->child, SIGKILL), 0);
        assert_int_equal(waitpid(f->child, NULL, 0), f->child);
        f->child = 0;
}

struct link *fixture_link(struct fixture *f) {
        return f->bus_client ? bus_client_link(f->bus_client) : seqpacket_link(f->seqpacket);
}

void fixture_connect(struct fixture *f) {
        struct bus_client_options o = { .path = f->path, .service = "tester", .data = true };

        if (f->transport == OVER_BUS)
                assert_int_equal(bus_client_new(f->loop, &o, &f->bus_client), 0);
        else
                assert_int_equal(seqpacket_connect(f->loop, f->path, &f->seqpacket), 0);
        f->client = rpc_client_new(fixture_link(f), &echo__echo__descriptor);
}

void fixture_done(struct fixture *f) {
        char data[128];

        f->client = rpc_client_free(f->client);
        f->bus_client = bus_client_free(f->bus_client);
        f->seqpacket = seqpacket_free(f->seqpacket);
        if (f->rpc)
                fixture_unserve(f);
        fixture_kill(f);
        f->loop = loop_free(f->loop);
        fd_close(f->listeners[0]);
        fd_close(f->listeners[1]);
        (void) snprintf(data, sizeof(data), "%s.data", f->path);
        (void) unlink(data);
        (void) unlink(f->path);
        assert_int_equal(rmdir(f->folder), 0);
}

void on_outcome(void *userdata, const struct rpc_result *result) {
        const Echo__SayReply *reply = result->message;
        struct outcome *o = userdata;

        o->n_done++;
        o->code = result->code;
        (void) snprintf(o->text, sizeof(o->text), "%s", result->text);
        if (reply) {
                o->n_runs = reply->n_runs;
                o->len = reply->data.len;
        }
}

void fixture_request(struct fixture *f, const char *method, size_t len, uint32_t fail,
                     nsec_t timeout, struct outcome *ret) {
        CLEANUP(freep) uint8_t *data = xcalloc(1, len + 1);
        Echo__SayRequest request = ECHO__SAY_REQUEST__INIT;

        request.data.data = data;
        request.data.len = len;
        request.fail = fail;
        *ret = (struct outcome){};
        (void) rpc_call(f->client, method, &request, timeout, on_outcome, ret);
}
