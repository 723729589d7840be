#include "services/worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/seqpacket.h"
#include "common/wire/unpack.h"
#include "proto/worker.pb-c.h"
#include "services/worker/confine.h"
#include "services/worker/executor.h"

#define CHILDREN_MAX 64
#define PACKET_MAX   (16 << 10)

struct child {
        uint64_t id;
        pid_t pid;
        int pidfd, net;
};

/* A child that waits for its job: all that a fork costs was paid before. */
struct spare {
        pid_t pid; /* 0: none */
        int pidfd, net, socket;
        unsigned layers;
};

struct zygote {
        const struct engine *engine;
        int control;
        struct spare spare;
        struct child children[CHILDREN_MAX];
        size_t n_children;
};

static int say(struct zygote *z, Worker__ZygoteReport *m, const int *fds, size_t n_fds) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, PACKET_MAX);
        wire_pack(&b, &m->base);
        return seqpacket_send_raw(z->control, buffer_bytes(&b), fds, n_fds);
}

/* ---- child ---- */

static _Noreturn void child_exit(int status) {
        _exit(status);
}

static int map_input(struct executor_task *t, int fd, uint64_t length) {
        struct stat st;
        void *p;

        if (fstat(fd, &st) < 0 || (uint64_t) st.st_size != length || length == 0)
                return error_origin(-EINVAL);
        p = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return error_origin(-errno);
        t->inputs[t->n_inputs] = p;
        t->lengths[t->n_inputs++] = length;
        return 0;
}

/* Job socket and spool to their places, inputs mapped, all else closed. */
static int child_descriptors(struct executor_task *t, const Worker__Begin *begin, int *fds) {
        static const int keep[] = { 0, 1, 2, CONFINE_JOB_FD, CONFINE_SPOOL_FD };
        int high[2];

        for (size_t i = 0; i < begin->n_input_lengths; i++) {
                int r = map_input(t, fds[2 + i], begin->input_lengths[i]);

                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < 2; i++) {
                high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CONFINE_SPOOL_FD + 1);
                if (high[i] < 0)
                        return error_origin(-errno);
        }
        if (dup2(high[0], CONFINE_JOB_FD) < 0 || dup2(high[1], CONFINE_SPOOL_FD) < 0)
                return error_origin(-errno);
        return sandbox_close_others(keep, ELEMENTSOF(keep));
}

static _Noreturn void child_main(struct zygote *z, const Worker__Begin *begin, int *fds,
                                 unsigned layers) {
        struct confine_limits limits = { .memory = begin->memory,
                                         .cpu_ms = begin->cpu_ms,
                                         .spool = begin->spool };
        struct executor_task t = {
                .engine = z->engine,
                .job_fd = CONFINE_JOB_FD,
                .spool_fd = CONFINE_SPOOL_FD,
                .memory = begin->memory,
                .spool = begin->spool,
                .cpu_ms = begin->cpu_ms,
        };

        if (child_descriptors(&t, begin, fds) < 0)
                child_exit(EXIT_FAILURE);
        for (size_t i = 0; i < t.n_inputs; i++)
                limits.inputs += t.lengths[i];
        if (confine_late(&limits, CONFINE_ALL, &layers) < 0)
                child_exit(EXIT_FAILURE);
        t.missing_layers = CONFINE_ALL & ~layers;
        child_exit(executor_run(&t) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Waits for one Begin with its descriptors. The zygote's end going away ends it too. */
static _Noreturn void spare_main(struct zygote *z, int socket, unsigned layers) {
        const int keep[] = { 0, 1, 2, socket };
        const Worker__Begin *begin;
        struct unpacked u = {};
        uint8_t packet[PACKET_MAX];
        int fds[LINK_FDS_MAX];
        size_t n_fds = ELEMENTSOF(fds);
        ssize_t n;

        if (sandbox_close_others(keep, ELEMENTSOF(keep)) < 0 ||
            confine_early(CONFINE_ALL, &layers) < 0)
                child_exit(EXIT_FAILURE);
        n = seqpacket_receive_raw(socket, packet, sizeof(packet), fds, &n_fds);
        if (n <= 0 || wire_unpack(&worker__begin__descriptor, BYTES(packet, (size_t) n), NULL, &u))
                child_exit(EXIT_FAILURE);
        begin = u.message;
        if (n_fds != 2 + begin->n_input_lengths)
                child_exit(EXIT_FAILURE);
        child_main(z, begin, fds, layers);
}

/* ---- parent ---- */

static int refuse(struct zygote *z, uint64_t id, int error) {
        Worker__ZygoteReport m = WORKER__ZYGOTE_REPORT__INIT;
        Worker__Forked forked = WORKER__FORKED__INIT;

        forked.id = id;
        forked.error = error;
        m.body_case = WORKER__ZYGOTE_REPORT__BODY_FORKED;
        m.forked = &forked;
        return say(z, &m, NULL, 0);
}

static void spare_drop(struct zygote *z) {
        if (!z->spare.pid)
                return;
        (void) kill(z->spare.pid, SIGKILL);
        (void) waitpid(z->spare.pid, NULL, 0);
        fd_close(z->spare.pidfd);
        (void) confine_net_give(z->spare.net, false);
        fd_close(z->spare.socket);
        z->spare = (struct spare){};
}

/* Nothing is owed to anybody if it fails: the next job tries again. */
static int spare_make(struct zygote *z) {
        CLEANUP(fd_closep) int ours = -1, theirs = -1;
        struct spare s = {};
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_origin(-errno);
        ours = pair[0];
        theirs = pair[1];
        s.pid = confine_fork(&s.pidfd, &s.layers, &s.net);
        if (s.pid == 0)
                spare_main(z, theirs, s.layers);
        if (s.pid < 0)
                return (int) s.pid;
        s.socket = TAKE_FD(ours);
        z->spare = s;
        return 0;
}

static int spare_give(struct zygote *z, struct bytes packet, const int *fds, size_t n_fds,
                      struct spare *ret) {
        int r = z->spare.pid ? 0 : spare_make(z);

        if (r == 0)
                r = seqpacket_send_raw(z->spare.socket, packet, fds, n_fds);
        if (r < 0) { /* it was killed; one more try with a fresh one */
                spare_drop(z);
                r = spare_make(z);
                if (r == 0)
                        r = seqpacket_send_raw(z->spare.socket, packet, fds, n_fds);
        }
        if (r < 0) {
                spare_drop(z);
                return r;
        }
        fd_close(z->spare.socket);
        *ret = z->spare;
        z->spare = (struct spare){};
        return 0;
}

static int begin_job(struct zygote *z, const Worker__Begin *begin, struct bytes packet,
                     const int *fds, size_t n_fds) {
        Worker__ZygoteReport m = WORKER__ZYGOTE_REPORT__INIT;
        Worker__Forked forked = WORKER__FORKED__INIT;
        struct spare s;
        int r;

        if (n_fds != 2 + begin->n_input_lengths || begin->n_input_lengths > ENGINE_INPUTS_MAX)
                return refuse(z, begin->id, EINVAL);
        if (z->n_children == CHILDREN_MAX)
                return refuse(z, begin->id, EAGAIN);
        r = spare_give(z, packet, fds, n_fds, &s);
        if (r < 0)
                return refuse(z, begin->id, -r);

        z->children[z->n_children++] = (struct child){ begin->id, s.pid, s.pidfd, s.net };
        forked.id = begin->id;
        forked.pid = (uint64_t) s.pid;
        forked.missing_layers = CONFINE_NAMESPACES & ~s.layers;
        m.body_case = WORKER__ZYGOTE_REPORT__BODY_FORKED;
        m.forked = &forked;
        return say(z, &m, &s.pidfd, 1);
}

static int on_control(struct zygote *z) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        uint8_t packet[PACKET_MAX];
        int fds[LINK_FDS_MAX], r = 0;
        size_t n_fds = ELEMENTSOF(fds);
        ssize_t n = seqpacket_receive_raw(z->control, packet, sizeof(packet), fds, &n_fds);

        if (n <= 0)
                return n < 0 ? (int) n : -EPIPE;
        if (wire_unpack(&worker__begin__descriptor, BYTES(packet, (size_t) n), NULL, &u))
                r = error_origin(-EPROTO);
        else
                r = begin_job(z, u.message, BYTES(packet, (size_t) n), fds, n_fds);
        for (size_t i = 0; i < n_fds; i++)
                fd_close(fds[i]);
        return r;
}

static int on_child(struct zygote *z, size_t i) {
        Worker__ZygoteReport m = WORKER__ZYGOTE_REPORT__INIT;
        Worker__Ended ended = WORKER__ENDED__INIT;
        struct rusage usage = {};
        int status = 0;

        if (wait4(z->children[i].pid, &status, 0, &usage) < 0)
                return error_origin(-errno);
        ended.id = z->children[i].id;
        ended.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        ended.cpu_us = (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                       (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
        ended.peak_memory = (uint64_t) usage.ru_maxrss * 1024;
        fd_close(z->children[i].pidfd);
        (void) confine_net_give(z->children[i].net, status == 0);
        z->children[i] = z->children[--z->n_children];
        m.body_case = WORKER__ZYGOTE_REPORT__BODY_ENDED;
        m.ended = &ended;
        return say(z, &m, NULL, 0);
}

static int say_hello(struct zygote *z) {
        Worker__ZygoteReport m = WORKER__ZYGOTE_REPORT__INIT;
        Worker__ZygoteHello hello = WORKER__ZYGOTE_HELLO__INIT;
        char class_name[ENGINE_CLASS_SIZE];
        const char *missing[ELEMENTSOF(confine_names)];
        unsigned there = confine_probe();
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(confine_names); i++) {
                if (!(there & 1u << i))
                        missing[n++] = confine_names[i];
        }
        z->engine->class_name(class_name);
        hello.engine = class_name;
        hello.missing_layers = (char **) missing;
        hello.n_missing_layers = n;
        m.body_case = WORKER__ZYGOTE_REPORT__BODY_HELLO;
        m.hello = &hello;
        return say(z, &m, NULL, 0);
}

static int turn(struct zygote *z) {
        struct pollfd p[1 + CHILDREN_MAX] = { { .fd = z->control, .events = POLLIN } };
        size_t n = z->n_children;
        int r = 0;

        /* Between jobs, so that no job waits for it. */
        if (n == 0 && !z->spare.pid)
                (void) spare_make(z);
        for (size_t i = 0; i < n; i++)
                p[1 + i] = (struct pollfd){ .fd = z->children[i].pidfd, .events = POLLIN };
        if (poll(p, 1 + n, -1) < 0)
                return errno == EINTR ? 0 : error_origin(-errno);
        /* From the last, because an ended child's place is taken by the last one. */
        for (size_t i = n; i-- > 0 && r == 0;)
                r = p[1 + i].revents ? on_child(z, i) : 0;
        if (r == 0 && p[0].revents)
                r = on_control(z);
        return r;
}

int zygote_serve(const struct engine *engine, const char *library, int control_fd) {
        struct zygote z = { .engine = engine, .control = control_fd };
        int r = confine_prepare(engine->name);

        /* Changing the user has cleared what main() asked for. */
        if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                r = error_origin(-errno);
        if (r == 0)
                r = engine->preload(library);
        if (r == 0)
                r = say_hello(&z);
        while (r == 0)
                r = turn(&z);
        spare_drop(&z);
        for (size_t i = 0; i < z.n_children; i++)
                (void) kill(z.children[i].pid, SIGKILL);
        return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
