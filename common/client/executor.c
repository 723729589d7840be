#include "common/client/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "common/daemon/seqpacket.h"

#define PACKET_MAX (16 << 10)
#define ZYGOTE_FD  3

extern char **environ;

static const struct unpack_limits report_limits = { 4, 1024, 0, 8 << 20 };

/* ---- zygote ---- */

static nsec_t now_of(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (nsec_t) t.tv_sec * NSEC_PER_SEC + (nsec_t) t.tv_nsec;
}

static int spawn(const char *path, const char *engine, int fd, pid_t *ret) {
        char *const argv[] = { (char *) "quorate-executor", (char *) "--zygote", (char *) engine,
                               NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        (void) sigemptyset(&none);
        (void) posix_spawn_file_actions_init(&actions);
        (void) posix_spawnattr_init(&attributes);
        (void) posix_spawnattr_setsigmask(&attributes, &none);
        (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        (void) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        (void) posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
        (void) posix_spawn_file_actions_adddup2(&actions, fd, ZYGOTE_FD);
        r = posix_spawn(ret, path, &actions, &attributes, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        (void) posix_spawnattr_destroy(&attributes);
        return r;
}

static void take_hello(struct executor_zygote *z, const Worker__ZygoteHello *hello) {
        size_t n = 0;

        (void) snprintf(z->engine, sizeof(z->engine), "%s", hello->engine);
        for (size_t i = 0; i < hello->n_missing_layers && n < sizeof(z->missing_layers); i++)
                n += (size_t) snprintf(z->missing_layers + n, sizeof(z->missing_layers) - n, "%s%s",
                                       i ? ", " : "", hello->missing_layers[i]);
}

/* One packet of the zygote. `fds` has room for one. */
static int receive(struct executor_zygote *z, struct unpacked *u, int *fd,
                   const Worker__ZygoteReport **ret) {
        uint8_t packet[PACKET_MAX];
        size_t n_fds = 1;
        ssize_t n = seqpacket_receive_raw(z->fd, packet, sizeof(packet), fd, &n_fds);

        if (n_fds == 0)
                *fd = -1;
        if (n == -EAGAIN)
                return EXECUTOR_E_MORE;
        if (n <= 0)
                return n == 0 ? EXECUTOR_E_GONE : error_origin((int) n);
        if (wire_unpack(&worker__zygote_report__descriptor, BYTES(packet, (size_t) n),
                        &report_limits, u)) {
                *fd = fd_close(*fd);
                return EXECUTOR_E_MALFORMED;
        }
        *ret = u->message;
        return EXECUTOR_OK;
}

static int wait_readable(int fd, nsec_t until) {
        nsec_t now = now_of();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;

        do
                r = poll(&p, 1, (int) ((nsec_sub(until, now) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return error_origin(-errno);
        return r == 0 ? EXECUTOR_E_TIMEOUT : EXECUTOR_OK;
}

int executor_zygote_wait(struct executor_zygote *z, nsec_t timeout) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(fd_closep) int fd = -1;
        const Worker__ZygoteReport *m = NULL;
        int r = wait_readable(z->fd, nsec_add(now_of(), timeout));

        if (r == EXECUTOR_OK)
                r = receive(z, &u, &fd, &m);
        if (r < 0 || r == EXECUTOR_E_TIMEOUT)
                return r;
        if (r || m->body_case != WORKER__ZYGOTE_REPORT__BODY_HELLO)
                return EXECUTOR_E_START;
        take_hello(z, m->hello);
        return EXECUTOR_OK;
}

int executor_zygote_spawn(const char *path, const char *engine, struct executor_zygote **ret) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = xnew(struct executor_zygote);
        CLEANUP(fd_closep) int theirs = -1;
        int pair[2];

        z->fd = -1;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_origin(-errno);
        z->fd = pair[0];
        theirs = pair[1];
        if (fcntl(z->fd, F_SETFL, O_NONBLOCK) < 0)
                return error_origin(-errno);
        if (spawn(path, engine, theirs, &z->pid) != 0) {
                z->pid = 0;
                return EXECUTOR_E_START;
        }
        *ret = TAKE(z);
        return EXECUTOR_OK;
}

int executor_zygote_start(const char *path, const char *engine, nsec_t timeout,
                          struct executor_zygote **ret) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = NULL;
        int r = executor_zygote_spawn(path, engine, &z);

        if (r == EXECUTOR_OK)
                r = executor_zygote_wait(z, timeout);
        if (r == EXECUTOR_OK)
                *ret = TAKE(z);
        return r == EXECUTOR_E_TIMEOUT ? EXECUTOR_E_START : r;
}

void executor_zygote_retire(struct executor_zygote *z) {
        z->fd = fd_close(z->fd);
}

void executor_zygote_kill(struct executor_zygote *z) {
        (void) kill(z->pid, SIGKILL); /* not reaped before it is freed: still its pid */
}

struct executor_zygote *executor_zygote_free(struct executor_zygote *z) {
        if (!z)
                return NULL;
        z->fd = fd_close(z->fd);
        if (z->pid > 0) {
                /* It ends by itself; a stuck one must not hold us. */
                for (int i = 0; i < 100 && waitpid(z->pid, NULL, WNOHANG) == 0; i++) {
                        if (i == 50)
                                (void) kill(z->pid, SIGKILL);
                        (void) usleep(2000);
                }
        }
        free(z);
        return NULL;
}

/* ---- DuckDB's library ---- */

#define DUCKDB_FILE "libduckdb.so"

/* Who may write what is loaded may be whoever loads it. The folder as well: a file in it can be
 * put in another's place. */
static bool is_ours(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
               (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool executor_library_is_safe(const char *file) {
        CLEANUP(freep) char *folder = xstrdup(file);
        char *slash = strrchr(folder, '/');

        if (!slash)
                return false;
        slash[slash == folder] = 0; /* of "/x" it is "/" */
        return is_ours(file) && is_ours(folder);
}

static bool may_be_loaded(const char *file) {
        if (executor_library_is_safe(file))
                return true;
        log_warning("%s is not used: it, or its folder, may be written by others than root and "
                    "uid %u. Remedy: chown it and chmod go-w both, or name a library that you "
                    "trust in [worker] duckdb",
                    file, (unsigned) geteuid());
        return false;
}

static bool is_engine_at(const char *folder, size_t len, const char *below, char *ret,
                         size_t ret_size) {
        size_t prefix = strlen("duckdb:");
        int n = snprintf(ret, ret_size, "duckdb:%.*s%s/" DUCKDB_FILE, (int) len, folder, below);

        return n > 0 && (size_t) n < ret_size && access(ret + prefix, R_OK) == 0 &&
               may_be_loaded(ret + prefix);
}

bool executor_find_duckdb(const char *configured, const char *executor, char *ret,
                          size_t ret_size) {
        static const char *const folders[] = { "/usr/local/lib/quorate", "/usr/lib/quorate" };
        const char *home = getenv("HOME"), *slash = strrchr(executor, '/');
        int n;

        if (configured[0]) {
                n = snprintf(ret, ret_size, "duckdb:%s", configured);
                return strcmp(configured, "none") != 0 && n > 0 && (size_t) n < ret_size;
        }
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                if (is_engine_at(folders[i], strlen(folders[i]), "", ret, ret_size))
                        return true;
        }
        if (home && home[0] == '/' &&
            is_engine_at(home, strlen(home), "/.local/lib/quorate", ret, ret_size))
                return true;
        return slash && is_engine_at(executor, (size_t) (slash - executor), "", ret, ret_size);
}

int executor_begin(struct executor_zygote *z, const struct executor_begin *b, int *ret_fd) {
        CLEANUP(buffer_donep) struct buffer packet = {};
        CLEANUP(fd_closep) int ours = -1, theirs = -1;
        Worker__Begin m = WORKER__BEGIN__INIT;
        int fds[2 + EXECUTOR_INPUTS_MAX], pair[2], r;

        if (b->n_inputs > EXECUTOR_INPUTS_MAX)
                return error_origin(-EINVAL);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return error_origin(-errno);
        ours = pair[0];
        theirs = pair[1];
        fds[0] = theirs;
        fds[1] = b->spool_fd;
        memcpy(fds + 2, b->input_fds, b->n_inputs * sizeof(int));
        m.id = b->id;
        m.memory = b->memory;
        m.cpu_ms = b->cpu_ms;
        m.spool = b->spool;
        m.input_lengths = (uint64_t *) b->input_lengths;
        m.n_input_lengths = b->n_inputs;
        buffer_init(&packet, PACKET_MAX);
        wire_pack(&packet, &m.base);
        r = seqpacket_send_raw(z->fd, buffer_bytes(&packet), fds, 2 + b->n_inputs);
        if (r < 0)
                return error_origin(r);
        z->n_begun++;
        *ret_fd = TAKE_FD(ours);
        return EXECUTOR_OK;
}

int executor_next_event(struct executor_zygote *z, struct executor_event *ret) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(fd_closep) int fd = -1;
        const Worker__ZygoteReport *m = NULL;
        int r = receive(z, &u, &fd, &m);

        if (r)
                return r;
        *ret = (struct executor_event){ .pidfd = -1 };
        if (m->body_case == WORKER__ZYGOTE_REPORT__BODY_FORKED) {
                ret->kind = EXECUTOR_FORKED;
                ret->id = m->forked->id;
                ret->pid = m->forked->pid;
                ret->error = m->forked->error;
                ret->missing_layers = m->forked->missing_layers;
                ret->pidfd = TAKE_FD(fd);
                return ret->error == 0 && ret->pidfd < 0 ? EXECUTOR_E_MALFORMED : EXECUTOR_OK;
        }
        if (m->body_case != WORKER__ZYGOTE_REPORT__BODY_ENDED)
                return EXECUTOR_E_MALFORMED;
        ret->kind = EXECUTOR_ENDED;
        ret->id = m->ended->id;
        ret->signal = m->ended->signal;
        ret->status = m->ended->status;
        ret->cpu_us = m->ended->cpu_us;
        ret->peak_memory = m->ended->peak_memory;
        z->is_tainted = z->is_tainted || ret->signal != 0;
        return EXECUTOR_OK;
}

void executor_kill(int pidfd) {
        if (pidfd >= 0)
                (void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* ---- job ---- */

void executor_pack_job(const Worker__Job *job, struct buffer *ret_job, struct buffer *ret_text) {
        Worker__JobText text = WORKER__JOB_TEXT__INIT;
        Worker__Job rest = *job;

        text.sql = job->sql;
        text.parameters = job->parameters;
        text.n_parameters = job->n_parameters;
        rest.sql = (char *) protobuf_c_empty_string;
        rest.parameters = NULL;
        rest.n_parameters = 0;
        buffer_init(ret_job, PACKETS_MESSAGE_MAX);
        buffer_init(ret_text, PACKETS_MESSAGE_MAX);
        wire_pack(ret_job, &rest.base);
        wire_pack(ret_text, &text.base);
}

int executor_receive(struct packets *p, int fd, struct unpacked *u, const Worker__Report **ret) {
        struct bytes message;
        int r = packets_receive(p, fd, &message);

        if (r == PACKETS_E_END)
                return EXECUTOR_E_GONE;
        if (r == PACKETS_E_MORE)
                return EXECUTOR_E_MORE;
        if (r)
                return r < 0 ? r : EXECUTOR_E_MALFORMED;
        if (wire_unpack(&worker__report__descriptor, message, &report_limits, u))
                return EXECUTOR_E_MALFORMED;
        *ret = u->message;
        return EXECUTOR_OK;
}

bool executor_report_is_last(const Worker__Report *report) {
        return report->body_case == WORKER__REPORT__BODY_COMMITTED ||
               report->body_case == WORKER__REPORT__BODY_FAILED ||
               report->body_case == WORKER__REPORT__BODY_ANALYSIS ||
               report->body_case == WORKER__REPORT__BODY_DESCRIBED;
}
