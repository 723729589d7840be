#include "services/worker/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/namespace.h"
#include "common/daemon/sandbox.h"
#include "quorate-config.h"
#include "services/worker/threads.h"

#define NOBODY        65534
#define SPARE_MEMORY  (512ull << 20) /* the program, its libraries, stacks, the builder */
#define CPU_GRACE_SEC 1              /* the engine stops itself first, with a reason */

const char *const confine_names[10] = { "user", "pid",      "net",   "mount",   "ipc",
                                        "uts",  "landlock", "scope", "seccomp", "limits" };

static const struct {
        unsigned layer;
        uint64_t flag;
} namespaces[] = {
        { CONFINE_USER, CLONE_NEWUSER }, { CONFINE_PID, CLONE_NEWPID },
        { CONFINE_NET, CLONE_NEWNET },   { CONFINE_MOUNT, CLONE_NEWNS },
        { CONFINE_IPC, CLONE_NEWIPC },   { CONFINE_UTS, CLONE_NEWUTS },
};

#define ANY      -1, 0, 0
#define ON_JOB   0, UINT64_MAX, CONFINE_JOB_FD
#define ON_SPOOL 0, UINT64_MAX, CONFINE_SPOOL_FD
#define NOT_EXEC 2, PROT_EXEC, 0
#define NO_FLAGS 5, 0, 0

/* Everything an executor may ask of the kernel. What is not here kills it. */
static const struct sandbox_call calls[] = {
        { "recvmsg", ON_JOB },      /* the job, the statement */
        { "sendmsg", ON_JOB },      /* reports */
        { "write", ON_SPOOL },      /* batches */
        { "writev", ON_SPOOL },     /* a batch with its header */
        { "mmap", NOT_EXEC },       /* malloc; no new code */
        { "mprotect", NOT_EXEC },   /* malloc: arenas grow */
        { "munmap", ANY },          /* free */
        { "mremap", ANY },          /* realloc of large blocks */
        { "brk", ANY },             /* malloc */
        { "madvise", ANY },         /* free gives pages back */
        { "futex", ANY },           /* locks of the C library, never waited for */
        { "clock_gettime", ANY },   /* deadlines, where the vDSO does not answer */
        { "clock_gettime64", ANY }, /* the same on 32 bits */
        { "gettimeofday", ANY },    /* the same for old C libraries */
        { "restart_syscall", ANY }, /* after a stop of the process */
        { "rt_sigreturn", ANY },    /* none is handled; a stray one must not kill */
        { "exit", ANY },
        { "exit_group", ANY },
#if QUORATE_SANITIZED /* never in a release: executor_main.c refuses to start */
        { "sigaltstack", ANY },
        { "rt_sigprocmask", ANY },
        { "rt_sigaction", ANY },
        { "getpid", ANY },
        { "gettid", ANY },
        { "sched_yield", ANY },
        { "openat", ANY },
        { "read", ANY },
        { "close", ANY },
        { "readlink", ANY },
        { "write", ANY },
        { "newfstatat", ANY },
        { "lseek", ANY },
        { "getrandom", ANY },
        { "tgkill", ANY },
        { "sched_getaffinity", ANY },
        { "prctl", ANY },
        { "getrusage", ANY },
        { "access", ANY },
        { "unlink", ANY },
        { "ioctl", ANY },
        { "mmap", ANY },
        { "mprotect", ANY },
        { "process_vm_readv", ANY },
        { "pipe", ANY },
        { "pipe2", ANY },
#endif
};

/* What DuckDB needs beyond that, and no other engine is given. */
static const struct sandbox_call duckdb_calls[] = {
        { "setitimer", 0, UINT64_MAX, ITIMER_REAL }, /* duckdb_watch.c: who else would stop it */
        { "getrusage", ANY },                        /* memory, as it is reported */
};

/* Never in a release: where a test asks for several threads (threads.h), they begin and end. */
static const struct sandbox_call thread_calls[] = {
        { "clone3", ANY },
        { "clone", ANY },
        { "rseq", ANY },
        { "set_robust_list", ANY },
        { "rt_sigprocmask", ANY },
        { "sched_getaffinity", ANY },
        { "sched_setaffinity", ANY },
        { "prctl", ANY },
        { "getpid", ANY },
        { "gettid", ANY },
};

/* ---- network namespaces, of one executor at a time ---- */

#define NETS_IDLE_MAX 8

static struct {
        bool is_possible; /* we own our user namespace, and so those made in it */
        int idle[NETS_IDLE_MAX];
        size_t n_idle;
} nets;

static int net_make(void) {
        if (unshare(CLONE_NEWNET) < 0)
                return -1;
        return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static bool own_namespaces(void) {
        unsigned got = 0;

        return namespace_enter(NAMESPACE_USER | NAMESPACE_NET, &got) == 0 &&
               got == (NAMESPACE_USER | NAMESPACE_NET);
}

/* A child tries it first: half way in there would be no namespaces for executors at all. */
static bool may_own_namespaces(void) {
        int status = -1;
        pid_t pid = fork();

        if (pid == 0)
                _exit(own_namespaces() && net_make() >= 0 ? 0 : 1);
        return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* We are in it, and so will be the next child. -1: the child has to make its own. */
static int net_take(void) {
        int net;

        if (!nets.is_possible)
                return -1;
        if (nets.n_idle == 0)
                return net_make();
        net = nets.idle[--nets.n_idle];
        return setns(net, CLONE_NEWNET) == 0 ? net : fd_close(net);
}

int confine_net_give(int net, bool ended_well) {
        if (net < 0)
                return -1;
        if (!ended_well || nets.n_idle == NETS_IDLE_MAX)
                return fd_close(net);
        nets.idle[nets.n_idle++] = net;
        return -1;
}

/* Depends on no job: compiled before the first, loaded by each. */
static struct sandbox_filter filter;

static int compile_filter(const char *engine) {
        struct sandbox_call
                all[ELEMENTSOF(calls) + ELEMENTSOF(duckdb_calls) + ELEMENTSOF(thread_calls)];
        size_t n = ELEMENTSOF(calls);

        memcpy(all, calls, sizeof(calls));
        if (strcmp(engine, "duckdb") == 0) {
                memcpy(all + n, duckdb_calls, sizeof(duckdb_calls));
                n += ELEMENTSOF(duckdb_calls);
        }
        if (executor_threads() > 1) {
                memcpy(all + n, thread_calls, sizeof(thread_calls));
                n += ELEMENTSOF(thread_calls);
        }
        return sandbox_filter_compile(all, n, SANDBOX_ALLOW, SANDBOX_KILL, &filter);
}

int confine_prepare(const char *engine) {
        struct sandbox_limit core = { RLIMIT_CORE, 0 };

        if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                               setresuid(NOBODY, NOBODY, NOBODY) < 0))
                return error_origin(-errno);
        (void) signal(SIGXFSZ, SIG_IGN); /* a full spool is EFBIG, and so a typed answer */
        (void) signal(SIGPIPE, SIG_IGN);
        /* Where memory ends malloc() goes on in another arena, and opens a file of /proc/sys before
         * it shrinks that one: the end would be a signal then, not a limit. */
        (void) mallopt(M_ARENA_MAX, 1);
        nets.is_possible = may_own_namespaces() && own_namespaces();
        if (!filter.code) {
                int r = compile_filter(engine);

                if (r < 0)
                        return r;
        }
        return sandbox_limits(&core, 1);
}

static pid_t fork_with(uint64_t flags, int *pidfd) {
        struct clone_args args = {
                .flags = flags | CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) pidfd,
                .exit_signal = SIGCHLD,
        };

        return (pid_t) syscall(SYS_clone3, &args, sizeof(args));
}

/* All together, then (where user namespaces are refused, but we are root) without
 * a user namespace, then plainly: the caller reports what is missing. */
pid_t confine_fork(int *ret_pidfd, unsigned *ret_layers, int *ret_net) {
        uint64_t all = 0;
        unsigned layers = 0;
        int net = net_take();
        pid_t pid;

        for (size_t i = 0; i < ELEMENTSOF(namespaces); i++) {
                if (namespaces[i].layer != CONFINE_NET || net < 0)
                        all |= namespaces[i].flag;
                layers |= namespaces[i].layer;
        }
        *ret_layers = layers;
        pid = fork_with(all, ret_pidfd);
        if (pid < 0) {
                *ret_layers = layers & ~(unsigned) CONFINE_USER;
                pid = fork_with(all & ~(uint64_t) CLONE_NEWUSER, ret_pidfd);
        }
        if (pid < 0) {
                *ret_layers = net >= 0 ? CONFINE_NET : 0;
                pid = fork_with(0, ret_pidfd);
        }
        if (pid < 0) {
                int r = -errno;

                *ret_net = confine_net_give(net, true);
                return r;
        }
        *ret_net = net;
        return pid;
}

/* Addresses of a further thread: its stack, and an arena of malloc(). */
#define THREAD_MEMORY (128ull << 20)

static int enter_limits(const struct confine_limits *l) {
        const unsigned more = executor_threads() - 1; /* 0, but for tests of faults */
        const struct sandbox_limit limits[] = {
                { RLIMIT_CPU, l->cpu_ms / 1000 + 1 + CPU_GRACE_SEC },
                { RLIMIT_FSIZE, l->spool },
                { RLIMIT_NOFILE, CONFINE_SPOOL_FD + 1 },
                { RLIMIT_CORE, 0 },
                { RLIMIT_MEMLOCK, 0 },
                { RLIMIT_MSGQUEUE, 0 },
#if !QUORATE_SANITIZED /* shadow memory takes terabytes of addresses */
                { RLIMIT_AS, l->memory + l->inputs + SPARE_MEMORY + more * THREAD_MEMORY },
#endif
                { RLIMIT_NPROC, 0 }, /* the last: threads are counted as well */
        };

        return sandbox_limits(limits, ELEMENTSOF(limits) - (more > 0));
}

static int enter_landlock(unsigned wanted, unsigned *layers) {
        unsigned got = 0;
        int r = sandbox_landlock(NULL, true, true, &got);

        if (r < 0)
                return r;
        if (got & SANDBOX_LAYER_LANDLOCK_FS)
                *layers |= CONFINE_LANDLOCK;
        if ((got & SANDBOX_LAYER_LANDLOCK_NET) && (got & SANDBOX_LAYER_LANDLOCK_SCOPE))
                *layers |= CONFINE_SCOPE;
        return 0;
}

int confine_early(unsigned wanted, unsigned *layers) {
        int r = 0;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return error_origin(-errno);
        r = sandbox_drop_capabilities();
        if (r == 0)
                r = sandbox_no_new_privs();
        if (r == 0 && (wanted & CONFINE_LANDLOCK))
                r = enter_landlock(wanted, layers);
        return r;
}

/* Limits after Landlock, which needs one more descriptor than there will be. */
int confine_late(const struct confine_limits *limits, unsigned wanted, unsigned *layers) {
        int r = 0;

        if (wanted & CONFINE_LIMITS) {
                r = enter_limits(limits);
                *layers |= CONFINE_LIMITS;
        }
        if (r == 0 && (wanted & CONFINE_SECCOMP)) {
                r = sandbox_filter_load(&filter);
                *layers |= CONFINE_SECCOMP;
        }
        return r;
}

int confine_enter(const struct confine_limits *limits, unsigned wanted, unsigned *ret_layers) {
        int r;

        *ret_layers = 0;
        r = confine_early(wanted, ret_layers);
        return r ? r : confine_late(limits, wanted, ret_layers);
}

unsigned confine_probe(void) {
        const struct confine_limits limits = { .memory = 1 << 20, .cpu_ms = 1000, .spool = 1 };
        unsigned namespaces_got = 0, got = 0;
        int pidfd = -1, net = -1, status = 0;
        pid_t pid = confine_fork(&pidfd, &namespaces_got, &net);

        if (pid == 0) {
                int r = confine_enter(&limits, CONFINE_ALL, &got);

                _exit(r < 0 ? 0 : (int) (got >> 6)); /* four layers, fits an exit status */
        }
        if (pid < 0)
                return 0;
        fd_close(pidfd);
        if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) {
                (void) confine_net_give(net, false);
                return 0;
        }
        (void) confine_net_give(net, true);
        return namespaces_got | (unsigned) WEXITSTATUS(status) << 6;
}
