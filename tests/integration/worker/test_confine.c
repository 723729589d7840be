/* Code that has taken an executor over: what each layer stops, together and
 * without the seccomp filter. Run as root and again as uid 65534. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quorate-config.h"
#include "services/worker/confine.h"
#include "tests/support/ordinary_user.h"
#include "tests/support/test.h"

#ifndef __NR_io_uring_setup
#define __NR_io_uring_setup 425
#endif

static int unix_listener, tcp_listener;
static struct sockaddr_un unix_address;
static struct sockaddr_in tcp_address; /* somebody listens, and hears datagrams */

/* Each returns 0 when it got out. */
static int try_open(void) {
        return open("/etc/passwd", O_RDONLY) < 0;
}
static int try_create(void) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/tmp/quorate-escape.file.%d", (int) getpid());
        if (open(path, O_CREAT | O_WRONLY, 0600) < 0)
                return 1;
        (void) unlink(path);
        return 0;
}
static int try_proc(void) {
        return open("/proc/self/maps", O_RDONLY) < 0;
}
static int try_proc_parent(void) {
        return open("/proc/1/environ", O_RDONLY) < 0;
}
static int try_unix(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &unix_address, sizeof(unix_address)) < 0;
}
static int try_abstract(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0quorate-escape" };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &a, 2 + 15) < 0;
}
static int try_inet(int type) {
        int fd = socket(AF_INET, type, 0);

        return fd < 0 || connect(fd, (struct sockaddr *) &tcp_address, sizeof(tcp_address)) < 0 ||
               send(fd, "x", 1, 0) < 0;
}
static int try_tcp(void) {
        return try_inet(SOCK_STREAM);
}
static int try_udp(void) {
        return try_inet(SOCK_DGRAM);
}
static int try_netlink(void) {
        return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0;
}
static int try_exec(void) {
        char *const argv[] = { (char *) "true", NULL };

        (void) execv("/bin/true", argv);
        return 1;
}
static int try_fork(void) {
        pid_t pid = (pid_t) syscall(SYS_fork);

        if (pid == 0)
                _exit(0);
        return pid < 0;
}
static int try_thread(void) {
        return syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0;
}
static int try_ptrace(void) {
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}
static int try_kill(void) {
        return kill(getppid() > 1 ? getppid() : 2, SIGTERM) < 0;
}
static int try_io_uring(void) {
        char parameters[256] = {};

        return syscall(__NR_io_uring_setup, 4, parameters) < 0;
}
static int try_namespace(void) {
        return unshare(CLONE_NEWUSER) < 0;
}
static int try_new_code(void) {
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED;
}
static int try_more_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0;
}
static int try_read_spool(void) {
        char c;

        return pread(CONFINE_SPOOL_FD, &c, 1, 0) != 1;
}
static int try_descriptor(void) {
        return dup(CONFINE_JOB_FD) < 0 || dup(CONFINE_JOB_FD) < 0; /* one was left free */
}
static int try_memory(void) {
        return mmap(NULL, 2ull << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
               MAP_FAILED;
}
static int try_spool(void) {
        static const char block[1 << 16];

        for (int i = 0; i < 64; i++) {
                if (write(CONFINE_SPOOL_FD, block, sizeof(block)) != sizeof(block))
                        return 1;
        }
        return 0;
}
static int try_limits(void) {
        struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

        return setrlimit(RLIMIT_AS, &r) < 0;
}
static int try_privileges(void) {
        return setresuid(0, 0, 0) < 0;
}
static int try_mount(void) {
        return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) < 0;
}
static int try_bpf(void) {
        const union bpf_attr array = {
                .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
        };

        return syscall(SYS_bpf, BPF_MAP_CREATE, &array, sizeof(array)) < 0;
}
static int try_keys(void) {
        return syscall(SYS_keyctl, 0, 0) < 0;
}

/* `alone`: held also where no seccomp filter is. `outside`: who gets out where nothing holds
 * him; what would hurt this machine, or needs what not every kernel has, nobody tries. */
static const struct {
        const char *name;
        int (*attempt)(void);
        bool by_seccomp, alone;
        enum { NOT_TRIED, ROOT, ANYBODY } outside;
} attempts[] = {
        { "open a file", try_open, true, true, ANYBODY },
        { "create a file", try_create, true, true, ANYBODY },
        { "read /proc/self", try_proc, true, true, ANYBODY },
        { "read /proc/1", try_proc_parent, true, true, NOT_TRIED },
        /* Neither Landlock nor a namespace stops a socket that has a path. */
        { "connect a unix socket", try_unix, true, false, ANYBODY },
        { "connect an abstract socket", try_abstract, true, true, ANYBODY },
        { "connect TCP", try_tcp, true, true, ANYBODY },
        { "send UDP", try_udp, true, true, ANYBODY },
        { "netlink", try_netlink, true, false, ANYBODY }, /* of an empty namespace */
        { "exec", try_exec, true, true, ANYBODY },
        { "fork", try_fork, true, true, ANYBODY },
        { "thread", try_thread, true, true, NOT_TRIED },
        { "ptrace", try_ptrace, true, false, ANYBODY },
        { "kill the parent", try_kill, true, true, NOT_TRIED },
        { "io_uring", try_io_uring, true, true, NOT_TRIED },
        { "a new namespace", try_namespace, true, false, NOT_TRIED },
        { "map new code", try_new_code, true, false, ANYBODY },
        { "make code of data", try_more_code, true, false, ANYBODY },
        { "read the spool", try_read_spool, true, true, NOT_TRIED },
        { "one more descriptor", try_descriptor, true, true, NOT_TRIED },
        { "too much memory", try_memory, false, true, ANYBODY },
        { "too much spool", try_spool, false, true, NOT_TRIED },
        { "lift a limit", try_limits, true, true, ANYBODY },
        { "become root", try_privileges, true, true, ROOT },
        { "mount", try_mount, true, true, NOT_TRIED },
        { "bpf", try_bpf, true, true, NOT_TRIED },
        { "keys", try_keys, true, false, NOT_TRIED },
};

/* In a process of its own: what a zygote and its child do, then the attempt instead
 * of a job. Returns the wait status of the confined child. */
static int run_confined(int (*attempt)(void), unsigned wanted, bool *ret_all_layers) {
        int spool = memfd_create("spool", MFD_CLOEXEC), pipes[2], status = 0, layers_status = 0;
        pid_t outer;

        assert_int_equal(pipe(pipes), 0);
        outer = fork();
        if (outer == 0) {
                const struct confine_limits limits = { .memory = 64 << 20,
                                                       .cpu_ms = 2000,
                                                       .spool = 1 << 20 };
                unsigned namespaces = 0, layers = 0;
                int pidfd = -1, net = -1, writer;
                char path[64];
                pid_t pid;

                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", spool);
                writer = open(path, O_WRONLY | O_CLOEXEC);
                if (confine_prepare("sqlite") < 0)
                        _exit(100);
                pid = confine_fork(&pidfd, &namespaces, &net);
                if (pid == 0) {
                        int high = fcntl(pipes[1], F_DUPFD, 20),
                            high_spool = fcntl(writer, F_DUPFD, 20);

                        if (dup2(high, CONFINE_JOB_FD) < 0 ||
                            dup2(high_spool, CONFINE_SPOOL_FD) < 0 ||
                            close_range(CONFINE_SPOOL_FD + 1, ~0u, 0) < 0 ||
                            confine_enter(&limits, wanted, &layers) < 0)
                                _exit(101);
                        if (!(wanted & CONFINE_SECCOMP))
                                (void) close(0); /* room for one descriptor */
                        _exit(attempt());
                }
                (void) waitpid(pid, &layers_status, 0);
                if (write(pipes[1], &layers_status, sizeof(layers_status)) < 0)
                        _exit(102);
                _exit((namespaces & CONFINE_NAMESPACES) == CONFINE_NAMESPACES ? 0 : 1);
        }
        (void) close(pipes[1]);
        assert_int_equal(read(pipes[0], &status, sizeof(status)), sizeof(status));
        (void) close(pipes[0]);
        (void) close(spool);
        assert_int_equal(waitpid(outer, &layers_status, 0), outer);
        assert_true(WIFEXITED(layers_status) && WEXITSTATUS(layers_status) < 100);
        *ret_all_layers = WEXITSTATUS(layers_status) == 0;
        return status;
}

/* In a child that nothing confines: else a row would hold without any of the layers. */
static void test_outside(void **state) {
        FOREACH_CASE (c, attempts) {
                int status = 0;
                pid_t pid;

                if (c->outside == NOT_TRIED || (c->outside == ROOT && geteuid() != 0))
                        continue;
                pid = fork();
                if (pid == 0)
                        _exit(c->attempt());
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (status != 0)
                        fail_msg("%s: fails outside of the sandbox too, with %x", c->name,
                                 (unsigned) status);
        }
}

/* A build with sanitizers allows more and limits less; no release starts it. */
static void skip_sanitized(void) {
        if (QUORATE_SANITIZED)
                skip();
}

static void test_inside(void **state) {
        skip_sanitized();
        FOREACH_CASE (c, attempts) {
                bool namespaces = false;
                int status = run_confined(c->attempt, CONFINE_ALL, &namespaces);

                print_message("# %s: %s %d\n", c->name, WIFSIGNALED(status) ? "signal" : "status",
                              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                if (c->by_seccomp)
                        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
                else
                        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
                assert_true(namespaces);
        }
}

/* The other layers hold without seccomp. */
static void test_inside_without_seccomp(void **state) {
        skip_sanitized();
        FOREACH_CASE (c, attempts) {
                bool namespaces = false;
                int status;

                if (!c->alone)
                        continue;
                status = run_confined(c->attempt, CONFINE_ALL & ~(unsigned) CONFINE_SECCOMP,
                                      &namespaces);
                print_message("# %s: %s %d\n", c->name, WIFSIGNALED(status) ? "signal" : "status",
                              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
                assert_true(namespaces);
        }
}

/* ---- two executors of one zygote ---- */

#define SIBLING_PORT 4711 /* of netlink, as of a process with that number */

static const struct sockaddr_un sibling_name = { .sun_family = AF_UNIX,
                                                 .sun_path = "\0quorate-sibling" };
static const struct sockaddr_nl sibling_port = { .nl_family = AF_NETLINK, .nl_pid = SIBLING_PORT };

static _Noreturn void be_reachable(int ready) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0),
            netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

        if (bind(fd, (const struct sockaddr *) &sibling_name, 2 + 16) < 0 || listen(fd, 1) < 0 ||
            bind(netlink, (const struct sockaddr *) &sibling_port, sizeof(sibling_port)) < 0 ||
            write(ready, "r", 1) != 1)
                _exit(1);
        (void) pause();
        _exit(0);
}

/* 0: neither by name, nor by netlink, nor by addresses. */
static int reach(void) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0),
            netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

        if (fd < 0 || netlink < 0)
                return 1;
        if (connect(fd, (const struct sockaddr *) &sibling_name, 2 + 16) == 0)
                return 2;
        if (sendto(netlink, "x", 1, 0, (const struct sockaddr *) &sibling_port,
                   sizeof(sibling_port)) == 1)
                return 3;
        return try_tcp() && try_udp() ? 0 : 4;
}

static ino_t net_of(int net) {
        struct stat st = {};

        return fstat(net, &st) == 0 ? st.st_ino : 0;
}

static pid_t fork_sibling(int (*fn)(void), int ready, int *ret_net) {
        unsigned layers = 0;
        int pidfd = -1;
        pid_t pid = confine_fork(&pidfd, &layers, ret_net);

        if (pid == 0) {
                if (!fn)
                        be_reachable(ready);
                _exit(fn());
        }
        (void) close(pidfd);
        return layers == CONFINE_NAMESPACES ? pid : -1;
}

/* Namespaces alone: no filter, no Landlock. One that lives is in another network than the
 * next; one that ended by itself leaves its network, with nothing in it, to the next. */
static int as_zygote(void) {
        int ready[2], nets[3] = { -1, -1, -1 }, status = 0;
        pid_t first, second, third;
        ino_t net;
        char c;

        if (confine_prepare("sqlite") < 0 || pipe(ready) < 0)
                return 10;
        first = fork_sibling(NULL, ready[1], &nets[0]);
        if (first < 0 || read(ready[0], &c, 1) != 1)
                return 11;
        second = fork_sibling(reach, -1, &nets[1]);
        if (second < 0 || waitpid(second, &status, 0) != second || status != 0)
                return 12;
        if (nets[1] < 0) /* no user namespace of our own here: each makes its own network */
                return 0;
        net = net_of(nets[1]);
        if (net == 0 || net == net_of(nets[0]))
                return 13;
        (void) confine_net_give(nets[1], true);
        third = fork_sibling(reach, -1, &nets[2]);
        if (third < 0 || waitpid(third, &status, 0) != third || status != 0)
                return 14;
        if (net_of(nets[2]) != net)
                return 15;
        (void) kill(first, SIGKILL);
        (void) waitpid(first, &status, 0);
        net = net_of(nets[0]);
        (void) confine_net_give(nets[0], false); /* a killed one's is not used again */
        third = fork_sibling(reach, -1, &nets[0]);
        (void) waitpid(third, &status, 0);
        return status != 0 ? 16 : 0;
}

static void test_siblings(void **state) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(as_zygote());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void listen_inet(void) {
        socklen_t n = sizeof(tcp_address);
        int datagrams = socket(AF_INET, SOCK_DGRAM, 0);

        tcp_address.sin_family = AF_INET;
        tcp_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        tcp_listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(tcp_listener, (struct sockaddr *) &tcp_address, sizeof(tcp_address)),
                         0);
        assert_int_equal(listen(tcp_listener, 64), 0);
        assert_int_equal(getsockname(tcp_listener, (struct sockaddr *) &tcp_address, &n), 0);
        (void) bind(datagrams, (struct sockaddr *) &tcp_address, sizeof(tcp_address));
}

static int listen_somewhere(void **state) {
        struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0quorate-escape" };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        listen_inet();
        unix_address.sun_family = AF_UNIX;
        (void) snprintf(unix_address.sun_path, sizeof(unix_address.sun_path),
                        "/tmp/quorate-escape.%d", (int) getpid());
        unix_listener = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(
                bind(unix_listener, (struct sockaddr *) &unix_address, sizeof(unix_address)), 0);
        assert_int_equal(listen(unix_listener, 64), 0);
        (void) chmod(unix_address.sun_path, 0777);
        /* Another run may have the name: then that one is there to be connected. */
        if (bind(fd, (struct sockaddr *) &a, 2 + 15) == 0)
                (void) listen(fd, 64);
        return 0;
}

static int unlisten(void **state) {
        return unlink(unix_address.sun_path);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_outside),
                cmocka_unit_test(test_inside),
                cmocka_unit_test(test_inside_without_seccomp),
                cmocka_unit_test(test_siblings),
                cmocka_unit_test(test_as_ordinary_user),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, listen_somewhere, unlisten);
}
