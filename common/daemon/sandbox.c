#include "common/daemon/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"
#include "quorate-config.h"

#define ANY       -1, 0, 0, false
#define ROWS(t)   (t), ELEMENTSOF(t)
#define CAP_COUNT 64 /* more than any kernel knows; the rest answers EINVAL */

const char *const sandbox_layer_names[6] = { "no-new-privs", "capabilities",   "landlock",
                                             "landlock-net", "landlock-scope", "seccomp" };

int sandbox_no_new_privs(void) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
                return error_origin(-errno);
        return 0;
}

int sandbox_drop_capabilities(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        /* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it useless. */
        for (unsigned long cap = 0; cap < CAP_COUNT; cap++)
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        break; /* may not, or there is none of that number */
        return syscall(SYS_capset, &header, data) < 0 ? error_origin(-errno) : 0;
}

int sandbox_limits(const struct sandbox_limit *limits, size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct rlimit r = { limits[i].value, limits[i].value };

                if (setrlimit((__rlimit_resource_t) limits[i].resource, &r) < 0)
                        return error_origin(-errno);
        }
        return 0;
}

static int close_gap(unsigned first, unsigned last) {
        if (first > last)
                return 0;
        return close_range(first, last, 0) < 0 ? error_origin(-errno) : 0;
}

int sandbox_close_others(const int *keep, size_t n) {
        unsigned next = 0;
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                check((unsigned) keep[i] >= next);
                if (keep[i] > 0)
                        r = close_gap(next, (unsigned) keep[i] - 1);
                next = (unsigned) keep[i] + 1;
        }
        return r ? r : close_gap(next, ~0U);
}

/* ---- seccomp ---- */

static uint32_t action(enum sandbox_verdict v) {
        static const uint32_t actions[] = {
                [SANDBOX_KILL] = SCMP_ACT_KILL_PROCESS,
                [SANDBOX_EPERM] = SCMP_ACT_ERRNO(EPERM),
                [SANDBOX_ENOSYS] = SCMP_ACT_ERRNO(ENOSYS),
                [SANDBOX_ALLOW] = SCMP_ACT_ALLOW,
        };

        return actions[v];
}

static int add_row(scmp_filter_ctx ctx, const struct sandbox_call *c, uint32_t what) {
        struct scmp_arg_cmp compare = { .arg = (unsigned) c->arg };
        int number = seccomp_syscall_resolve_name(c->name);

        if (number == __NR_SCMP_ERROR)
                return 0;
        if (c->arg < 0)
                return seccomp_rule_add_array(ctx, what, number, 0, NULL);
        compare.op = c->differs ? SCMP_CMP_NE : SCMP_CMP_MASKED_EQ;
        compare.datum_a = c->differs ? c->value : c->mask;
        compare.datum_b = c->value;
        return seccomp_rule_add_array(ctx, what, number, 1, &compare);
}

static void filter_releasep(scmp_filter_ctx *ctx) {
        if (*ctx)
                seccomp_release(*ctx);
}

static int build_filter(scmp_filter_ctx ctx, const struct sandbox_call *calls, size_t n,
                        enum sandbox_verdict listed) {
        for (size_t i = 0; i < n; i++) {
                int r = add_row(ctx, &calls[i], action(listed));

                /* Rows for pseudo system calls of other architectures fail with EDOM. */
                if (r < 0 && r != -EDOM)
                        return error_origin(r);
        }
        return 0;
}

int sandbox_seccomp(const struct sandbox_call *calls, size_t n, enum sandbox_verdict listed,
                    enum sandbox_verdict otherwise) {
        CLEANUP(filter_releasep) scmp_filter_ctx ctx = seccomp_init(action(otherwise));
        int r;

        if (!ctx)
                return error_origin(-ENOMEM);
        r = build_filter(ctx, calls, n, listed);
        if (r < 0)
                return r;
        /* Threads there are get it too. */
        r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r == 0)
                r = seccomp_load(ctx);
        return r < 0 ? error_origin(r) : 0;
}

static int read_code(int fd, struct sandbox_filter *ret) {
        CLEANUP(freep) uint8_t *code = NULL;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_origin(-errno);
        if (st.st_size == 0 || st.st_size % (off_t) sizeof(struct sock_filter) != 0 ||
            st.st_size / (off_t) sizeof(struct sock_filter) > BPF_MAXINSNS)
                return error_origin(-EINVAL);
        code = xmalloc((size_t) st.st_size);
        if (pread(fd, code, (size_t) st.st_size, 0) != st.st_size)
                return error_origin(-EIO);
        *ret = (struct sandbox_filter){ TAKE(code), (size_t) st.st_size };
        return 0;
}

int sandbox_filter_compile(const struct sandbox_call *calls, size_t n, enum sandbox_verdict listed,
                           enum sandbox_verdict otherwise, struct sandbox_filter *ret) {
        CLEANUP(filter_releasep) scmp_filter_ctx ctx = seccomp_init(action(otherwise));
        CLEANUP(fd_closep) int fd = memfd_create("filter", MFD_CLOEXEC);
        int r;

        if (!ctx || fd < 0)
                return error_origin(-ENOMEM);
        r = build_filter(ctx, calls, n, listed);
        if (r < 0)
                return r;
        r = seccomp_export_bpf(ctx, fd);
        return r < 0 ? error_origin(r) : read_code(fd, ret);
}

int sandbox_filter_load(const struct sandbox_filter *f) {
        const struct sock_fprog program = {
                .len = (unsigned short) (f->len / sizeof(struct sock_filter)),
                .filter = (struct sock_filter *) (void *) f->code,
        };

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
                return error_origin(-errno);
        return 0;
}

/* No service ever needs these; each has been a way out of a confined process. */
static const struct sandbox_call never[] = {
        { "ptrace", ANY },
        { "process_vm_readv", ANY },
        { "process_vm_writev", ANY },
        { "kcmp", ANY },
        { "bpf", ANY },
        { "perf_event_open", ANY },
        { "userfaultfd", ANY },
        { "io_uring_setup", ANY },
        { "io_uring_enter", ANY },
        { "io_uring_register", ANY },
        { "keyctl", ANY },
        { "add_key", ANY },
        { "request_key", ANY },
        { "open_by_handle_at", ANY },
        { "name_to_handle_at", ANY },
        { "init_module", ANY },
        { "finit_module", ANY },
        { "delete_module", ANY },
        { "kexec_load", ANY },
        { "kexec_file_load", ANY },
        { "reboot", ANY },
        { "swapon", ANY },
        { "swapoff", ANY },
        { "acct", ANY },
        { "quotactl", ANY },
        { "settimeofday", ANY },
        { "clock_settime", ANY },
        { "clock_adjtime", ANY },
        { "adjtimex", ANY },
        { "iopl", ANY },
        { "ioperm", ANY },
        { "modify_ldt", ANY },
        { "vmsplice", ANY },
        { "personality", 0, 0, 0xffffffff, true }, /* asking is allowed */
};
static const struct sandbox_call no_namespaces[] = {
        { "unshare", ANY },    { "setns", ANY },      { "mount", ANY },         { "umount2", ANY },
        { "pivot_root", ANY }, { "chroot", ANY },     { "fsopen", ANY },        { "fsmount", ANY },
        { "open_tree", ANY },  { "move_mount", ANY }, { "mount_setattr", ANY },
};
static const struct sandbox_call no_net[] = {
        { "socket", 0, 0, AF_UNIX, true },
};
static const struct sandbox_call no_socket[] = {
        { "socket", ANY },
        { "socketpair", ANY },
};
static const struct sandbox_call no_exec[] = {
        { "execve", ANY },
        { "execveat", ANY },
};
static const struct sandbox_call no_fork[] = {
        { "fork", ANY },
        { "vfork", ANY },
        { "clone", 0, CLONE_THREAD, 0, false },
};
static const struct sandbox_call no_thread[] = {
        { "clone", ANY },
};
/* Its flags are behind a pointer no filter can read; glibc falls back to clone. */
static const struct sandbox_call no_clone3[] = {
        { "clone3", ANY },
};

static const struct {
        unsigned flag; /* 0: always */
        const struct sandbox_call *calls;
        size_t n;
        enum sandbox_verdict verdict;
} denials[] = {
        { 0, ROWS(never), SANDBOX_EPERM },
        { SANDBOX_NO_NET, ROWS(no_net), SANDBOX_EPERM },
        { SANDBOX_NO_SOCKET, ROWS(no_socket), SANDBOX_EPERM },
        { SANDBOX_NO_EXEC, ROWS(no_exec), SANDBOX_EPERM },
        { SANDBOX_NO_FORK, ROWS(no_fork), SANDBOX_EPERM },
        { SANDBOX_NO_THREAD, ROWS(no_thread), SANDBOX_EPERM },
        { SANDBOX_NO_FORK | SANDBOX_NO_THREAD, ROWS(no_clone3), SANDBOX_ENOSYS },
};

static int apply_seccomp(unsigned flags, unsigned *layers) {
        int r = 0;

        /* The sanitizers' run-time calls ptrace and reads files at exit. */
        if (QUORATE_SANITIZED)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(denials) && r == 0; i++)
                if (!denials[i].flag || denials[i].flag & flags)
                        r = sandbox_seccomp(denials[i].calls, denials[i].n, denials[i].verdict,
                                            SANDBOX_ALLOW);
        if (r == 0 && !(flags & SANDBOX_NAMESPACES))
                r = sandbox_seccomp(ROWS(no_namespaces), SANDBOX_EPERM, SANDBOX_ALLOW);
        if (r == 0)
                *layers |= SANDBOX_LAYER_SECCOMP;
        return r;
}

/* ---- a service ---- */

static size_t count_paths(const struct sandbox_path *paths) {
        size_t n = 0;

        while (paths && paths[n].path)
                n++;
        return n;
}

static int apply_landlock(const struct sandbox *s, const char *state_dir, unsigned *layers) {
        static const struct sandbox_path always[] = {
                { "/dev/null", true },
                { "/dev/urandom", false },
        };
        size_t n = count_paths(s->paths);
        CLEANUP(freep)
        struct sandbox_path *all = xnew_n(struct sandbox_path, n + ELEMENTSOF(always) + 2);

        if (n > 0)
                memcpy(all, s->paths, n * sizeof(*all));
        memcpy(all + n, always, sizeof(always));
        n += ELEMENTSOF(always);
        if (state_dir)
                all[n] = (struct sandbox_path){ .path = state_dir, .writable = true };
        return sandbox_landlock(all, s->flags & SANDBOX_NO_NET, /* scope= */ true, layers);
}

int sandbox_apply(const struct sandbox *s, const char *state_dir, unsigned *ret_layers) {
        unsigned layers = 0;
        int r;

        if (s->flags & SANDBOX_OFF) {
                *ret_layers = 0;
                return 0;
        }
        r = sandbox_no_new_privs();
        if (r == 0)
                layers |= SANDBOX_LAYER_NO_NEW_PRIVS;
        if (r == 0 && !(s->flags & SANDBOX_NAMESPACES)) {
                r = sandbox_drop_capabilities();
                layers |= SANDBOX_LAYER_CAPABILITIES;
        }
        if (r == 0 && s->flags & SANDBOX_NO_FILES && !(s->flags & SANDBOX_NAMESPACES))
                r = apply_landlock(s, state_dir, &layers);
        if (r == 0)
                r = apply_seccomp(s->flags, &layers);
        if (r == 0)
                *ret_layers = layers;
        return r;
}
