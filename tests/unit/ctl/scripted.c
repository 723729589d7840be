#include "tests/unit/ctl/scripted.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "common/base/memory.h"
#include "common/daemon/bus.h"
#include "common/daemon/capability.h"
#include "common/daemon/listen.h"
#include "common/daemon/loop.h"
#include "common/daemon/seqpacket.h"
#include "tests/support/test.h"

#define SERVERS_MAX 8
#define ANSWERS_MAX 32
#define SCRIPT_MAX  8
#define WORDS_MAX   24
#define OUT_MAX     (1 << 20)
#define NO_SCRIPT   999

/* Not those of the caller, which the tests are about. */
static const struct unpack_limits script_limits = {
        .depth = 8, .fields = 1 << 20, .unknown = 16, .memory = 64 << 20
};

struct script {
        int code;
        char *text;
        struct buffer packed;
};

struct answer {
        const char *capability, *method;
        struct script script[SCRIPT_MAX];
        size_t n_script;
        unsigned n_calls;
        const ProtobufCMessageDescriptor *input, *output;
        struct unpacked request, reply; /* the latest of both */
};

struct server {
        ProtobufCService base; /* first: what rpc.h hands to invoke() */
        struct scripted *scripted;
        const char *capability;
        struct rpc_server *rpc;
        struct bus_server *bus;
        struct seqpacket_server *seqpacket;
};

struct scripted {
        struct loop *loop;
        char folder[32];
        struct server servers[SERVERS_MAX];
        size_t n_servers;
        struct answer answers[ANSWERS_MAX];
        size_t n_answers;
        char *out, *err;
        int mute[SERVERS_MAX];
        size_t n_mute;
};

static struct answer *find(const struct scripted *s, const char *capability, const char *method) {
        for (size_t i = 0; i < s->n_answers; i++)
                if (strcmp(s->answers[i].capability, capability) == 0 &&
                    strcmp(s->answers[i].method, method) == 0)
                        return (struct answer *) &s->answers[i];
        return NULL;
}

static struct answer *find_or_add(struct scripted *s, const char *capability, const char *method) {
        struct answer *a = find(s, capability, method);

        if (a)
                return a;
        assert_true(s->n_answers < ANSWERS_MAX);
        a = &s->answers[s->n_answers++];
        a->capability = capability;
        a->method = method;
        return a;
}

/* ---- serving ---- */

static void keep_request(struct answer *a, const ProtobufCMessage *in) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, OUT_MAX);
        wire_pack(&b, in);
        unpacked_done(&a->request);
        assert_int_equal(wire_unpack(in->descriptor, buffer_bytes(&b), NULL, &a->request), 0);
        a->n_calls++;
}

static void invoke(ProtobufCService *service, unsigned index, const ProtobufCMessage *in,
                   ProtobufCClosure closure, void *closure_data) {
        const ProtobufCMethodDescriptor *m = &service->descriptor->methods[index];
        struct call *call = call_begin(closure_data, closure);
        const struct server *server = (const struct server *) service;
        struct answer *a = find_or_add(server->scripted, server->capability, m->name);
        const struct script *script;

        keep_request(a, in);
        if (a->n_script == 0) {
                call_fail(call, NO_SCRIPT, "no script for %s", m->name);
                return;
        }
        script = &a->script[a->n_calls <= a->n_script ? a->n_calls - 1 : a->n_script - 1];
        if (script->code) {
                call_fail(call, script->code, "%s", script->text);
                return;
        }
        unpacked_done(&a->reply);
        assert_int_equal(
                wire_unpack(m->output, buffer_bytes(&script->packed), &script_limits, &a->reply),
                0);
        call_reply(call, a->reply.message);
}

void scripted_serve(struct scripted *s, const char *capability,
                    const ProtobufCServiceDescriptor *service) {
        const struct capability *c = capability_find(capability);
        struct server *server = &s->servers[s->n_servers++];
        char path[CAPABILITY_PATH_SIZE];
        struct bus_server_options o = { .path = path, .data_fd = -1, .service = "script" };
        int fd;

        assert_true(c && s->n_servers <= SERVERS_MAX);
        assert_int_equal(capability_path(s->folder, capability, false, path), 0);
        fd = listen_create(path, c->type, 0600);
        assert_true(fd >= 0);
        *server = (struct server){ .base = { .descriptor = service, .invoke = invoke },
                                   .scripted = s,
                                   .capability = capability };
        server->rpc = rpc_server_new(s->loop, &server->base, 0);
        o.fd = fd;
        o.rpc = server->rpc;
        if (c->type == CAPABILITY_SEQPACKET)
                assert_int_equal(
                        seqpacket_server_new(s->loop, fd, NULL, server->rpc, 8, &server->seqpacket),
                        0);
        else
                assert_int_equal(bus_server_new(s->loop, &o, &server->bus), 0);
}

void scripted_mute(struct scripted *s, const char *capability) {
        const struct capability *c = capability_find(capability);
        char path[CAPABILITY_PATH_SIZE];

        assert_true(c && s->n_mute < SERVERS_MAX);
        assert_int_equal(capability_path(s->folder, capability, false, path), 0);
        s->mute[s->n_mute] = listen_create(path, c->type, 0600);
        assert_true(s->mute[s->n_mute++] >= 0);
}

/* ---- scripts ---- */

static struct script *next_script(struct scripted *s, const char *capability, const char *method) {
        struct answer *a = find_or_add(s, capability, method);

        assert_true(a->n_script < SCRIPT_MAX);
        return &a->script[a->n_script++];
}

void scripted_reply(struct scripted *s, const char *capability, const char *method,
                    const void *message) {
        struct script *script = next_script(s, capability, method);

        buffer_init(&script->packed, OUT_MAX);
        wire_pack(&script->packed, message);
        assert_false(script->packed.failed);
}

void scripted_fail(struct scripted *s, const char *capability, const char *method, int code,
                   const char *text) {
        struct script *script = next_script(s, capability, method);

        script->code = code;
        script->text = xstrdup(text);
}

unsigned scripted_calls(const struct scripted *s, const char *capability, const char *method) {
        const struct answer *a = find(s, capability, method);

        return a ? a->n_calls : 0;
}

const void *scripted_request(struct scripted *s, const char *capability, const char *method) {
        const struct answer *a = find(s, capability, method);

        return a ? a->request.message : NULL;
}

/* ---- running ---- */

static char *read_whole(struct scripted *s, const char *name) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", s->folder, name);
        CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = xcalloc(1, OUT_MAX);

        assert_true(fd >= 0 && read(fd, text, OUT_MAX - 1) >= 0);
        return text;
}

static void write_whole(struct scripted *s, const char *name, const char *text) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", s->folder, name);
        CLEANUP(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void scripted_run_file(struct scripted *s) {
        CLEANUP(freep) char *text = xasprintf("{\"supervisor\":%d,\"services\":[]}\n", getpid());

        write_whole(s, "services.json", text);
}

static void redirect(const struct scripted *s, posix_spawn_file_actions_t *actions) {
        static const char *const names[] = { "in", "out", "err" };

        assert_int_equal(posix_spawn_file_actions_init(actions), 0);
        for (int fd = 0; fd < 3; fd++) {
                CLEANUP(freep) char *path = xasprintf("%s/%s", s->folder, names[fd]);

                assert_int_equal(posix_spawn_file_actions_addopen(
                                         actions, fd, path,
                                         fd ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600),
                                 0);
        }
}

static int wait_for(struct scripted *s, pid_t child) {
        int status = 0;

        for (unsigned i = 0; i < 6000; i++) { /* a minute */
                assert_true(loop_turn(s->loop, 10 * NSEC_PER_MSEC) >= 0);
                if (waitpid(child, &status, WNOHANG) == child)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        fail_msg("quorate does not end");
        return -1;
}

int scripted_run(struct scripted *s, const char *input, const char *const *words) {
        const char *argv[WORDS_MAX] = {
                getenv("QUORATE_CTL"), words[0], "--runtime", s->folder, "--state", s->folder
        };
        posix_spawn_file_actions_t actions;
        pid_t child;
        int code;

        assert_non_null(argv[0]);
        for (size_t i = 1; words[i]; i++) {
                assert_true(i + 6 < WORDS_MAX);
                argv[i + 5] = words[i];
        }
        write_whole(s, "in", input ? input : "");
        redirect(s, &actions);
        assert_int_equal(posix_spawn(&child, argv[0], &actions, NULL, (char **) argv, environ), 0);
        (void) posix_spawn_file_actions_destroy(&actions);
        code = wait_for(s, child);
        free(s->out);
        free(s->err);
        s->out = read_whole(s, "out");
        s->err = read_whole(s, "err");
        return code;
}

const char *scripted_out(const struct scripted *s) {
        return s->out;
}

const char *scripted_err(const struct scripted *s) {
        return s->err;
}

void assert_has(const char *text, const char *part) {
        assert_non_null(text);
        if (!strstr(text, part))
                fail_msg("no '%s' in: %s", part, text);
}

void assert_lacks(const char *text, const char *part) {
        assert_non_null(text);
        if (strstr(text, part))
                fail_msg("'%s' is in: %s", part, text);
}

/* ---- life ---- */

struct scripted *scripted_new(void) {
        struct scripted *s = xnew(struct scripted);

        (void) strcpy(s->folder, "/tmp/quorate-test-XXXXXX");
        assert_non_null(mkdtemp(s->folder));
        assert_int_equal(loop_new(&s->loop), 0);
        return s;
}

static void answer_done(struct answer *a) {
        for (size_t i = 0; i < a->n_script; i++) {
                free(a->script[i].text);
                buffer_done(&a->script[i].packed);
        }
        unpacked_done(&a->request);
        unpacked_done(&a->reply);
}

struct scripted *scripted_free(struct scripted *s) {
        CLEANUP(freep) char *command = xasprintf("rm -r %s", s->folder);

        for (size_t i = 0; i < s->n_servers; i++) {
                bus_server_free(s->servers[i].bus);
                seqpacket_server_free(s->servers[i].seqpacket);
                rpc_server_free(s->servers[i].rpc);
        }
        for (size_t i = 0; i < s->n_answers; i++)
                answer_done(&s->answers[i]);
        for (size_t i = 0; i < s->n_mute; i++)
                (void) fd_close(s->mute[i]);
        loop_free(s->loop);
        assert_int_equal(system(command), 0);
        free(s->out);
        free(s->err);
        free(s);
        return NULL;
}
