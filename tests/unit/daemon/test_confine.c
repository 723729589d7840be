#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/cgroup.h"
#include "common/daemon/namespace.h"
#include "common/daemon/sandbox.h"
#include "quorate-config.h"
#include "tests/support/test.h"

/* What one check in a confined child came to: its exit status. */
static int in_child(int (*fn)(void)) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(fn());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int deny_all(void) {
        static const struct sandbox_path paths[] = { { "/tmp", true }, {} };
        static const struct sandbox s = { .flags = SANDBOX_NO_NET | SANDBOX_NO_EXEC |
                                                   SANDBOX_NO_FORK | SANDBOX_NO_FILES,
                                          .paths = paths };
        char *const argv[] = { NULL };
        unsigned layers = 0;

        if (sandbox_apply(&s, NULL, &layers) != 0)
                return 1;
        if (!(layers & SANDBOX_LAYER_SECCOMP))
                return 2;
        if (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM)
                return 3;
        if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
                return 4;
        if (fork() >= 0 || errno != EPERM)
                return 5;
        if (execve("/bin/true", argv, argv) >= 0 || errno != EPERM)
                return 6;
        if (unshare(CLONE_NEWUSER) >= 0 || errno != EPERM)
                return 7;
        if (layers & SANDBOX_LAYER_LANDLOCK_FS &&
            (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES))
                return 8;
        if (open("/tmp", O_RDONLY) < 0)
                return 9;
        return 0;
}

static void test_sandbox(void **state) {
        if (QUORATE_SANITIZED)
                skip();
        assert_int_equal(in_child(deny_all), 0);
}

static const struct sandbox_call calls[] = {
        { "exit_group", -1, 0, 0, false },
        { "write", 0, 0xffffffff, 2, false },
};

static int call_unlisted(void) {
        if (sandbox_no_new_privs() != 0 ||
            sandbox_seccomp(calls, ELEMENTSOF(calls), SANDBOX_ALLOW, SANDBOX_KILL) != 0)
                return 1;
        (void) !write(2, "", 0);
        (void) !write(1, "", 0); /* another descriptor: killed */
        return 0;
}

static void test_allow_list(void **state) {
        if (QUORATE_SANITIZED)
                skip();
        assert_int_equal(in_child(call_unlisted), 128 + SIGSYS);
}

/* Compiled here, loaded in two children. */
static struct sandbox_filter filter;

static int call_listed(void) {
        if (sandbox_no_new_privs() != 0 || sandbox_filter_load(&filter) != 0)
                return 1;
        return write(2, "", 0) != 0;
}

static int call_other(void) {
        if (call_listed() != 0)
                return 1;
        (void) !write(1, "", 0);
        return 0;
}

static void test_compiled(void **state) {
        if (QUORATE_SANITIZED)
                skip();
        assert_int_equal(sandbox_filter_compile(calls, ELEMENTSOF(calls), SANDBOX_ALLOW,
                                                SANDBOX_KILL, &filter),
                         0);
        assert_true(filter.len > 0 && filter.len % 8 == 0);
        assert_int_equal(in_child(call_listed), 0);
        assert_int_equal(in_child(call_other), 128 + SIGSYS);
        free(filter.code);
}

static int close_most(void) {
        const int keep[] = { 0, 1, 2, 7, 9 };

        for (int fd = 3; fd < 12; fd++)
                if (dup2(0, fd) != fd)
                        return 1;
        if (sandbox_close_others(keep, ELEMENTSOF(keep)) != 0)
                return 2;
        for (int fd = 0; fd < 12; fd++)
                if ((fcntl(fd, F_GETFD) >= 0) != (fd < 3 || fd == 7 || fd == 9))
                        return 10 + fd;
        return 0;
}

static void test_close(void **state) {
        assert_int_equal(in_child(close_most), 0);
}

/* A root with one writable folder, one read-only one, and nothing else. */
static int see_own_root(void) {
        unsigned got = 0;
        const struct namespace_mount mounts[] = {
                { .source = "/tmp", .target = "/own", .writable = true },
                { .source = "/etc" },
                { .source = "/does/not/exist" },
                { .source = "/dev/null", .writable = true },
        };

        if (namespace_enter(NAMESPACE_ALL, &got) != 0)
                return 1;
        if (!(got & NAMESPACE_MOUNT))
                return 77; /* refused here: nothing to see */
        if (namespace_root(mounts, ELEMENTSOF(mounts), false) != 0)
                return 2;
        if (access("/etc/passwd", R_OK) < 0 || access("/usr", F_OK) == 0 ||
            access("/proc", F_OK) == 0)
                return 3;
        if (open("/etc/quorate-test", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EROFS)
                return 4;
        if (mkdir("/new", 0700) == 0 || errno != EROFS)
                return 5;
        if (mkdir("/own/quorate-test-own-root", 0700) < 0 ||
            rmdir("/own/quorate-test-own-root") < 0)
                return 6;
        if (open("/dev/null", O_WRONLY) < 0)
                return 7;
        return 0;
}

static int see_own_root_unprivileged(void) {
        if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
                return 9;
        return see_own_root();
}

static void test_own_root(void **state) {
        int status = in_child(see_own_root);

        if (status == 77)
                skip();
        assert_int_equal(status, 0);
        status = in_child(see_own_root_unprivileged);
        assert_true(status == 0 || status == 77);
}

static void test_namespace_text(void **state) {
        char text[64];

        assert_string_equal(namespace_text(NAMESPACE_USER | NAMESPACE_NET, text, sizeof(text)),
                            "user,net");
        assert_string_equal(namespace_text(0, text, sizeof(text)), "");
}

static int eat_memory(void) {
        for (size_t i = 0; i < 200; i++) {
                char *p = malloc(1 << 20);

                memset(p, 1, 1 << 20);
                __asm__ volatile("" ::"r"(p) : "memory"); /* clang would leave it all out */
        }
        return 0;
}

static void test_cgroup(void **state) {
        const struct cgroup_limits limits = { .memory = 64 << 20, .cpu_percent = 50, .pids = 8 };
        struct cgroup_usage usage;
        struct cgroup *c = NULL;
        pid_t pid;
        int status, go[2];

        if (cgroup_new("quorate-test", &limits, &c) != 0)
                skip();
        assert_int_equal(pipe(go), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char byte;

                check(read(go[0], &byte, 1) == 1);
                _exit(eat_memory());
        }
        if (cgroup_add(c, pid) == 0 && cgroup_has_memory(c)) {
                assert_int_equal(write(go[1], "g", 1), 1);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status));
                assert_int_equal(cgroup_read(c, &usage), 0);
                assert_true(usage.oom_kills > 0 || usage.memory_peak > 60 << 20);
                pid = fork();
                if (pid == 0) {
                        (void) pause();
                        _exit(0);
                }
                assert_int_equal(cgroup_add(c, pid), 0);
        }
        assert_int_equal(cgroup_kill(c), 0);
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        c = cgroup_free(c);
        close(go[0]);
        close(go[1]);
}

/* A process that makes a group and holds it, in a pid namespace of its own where we may. */
struct holder {
        pid_t pid;
        bool is_held;
};

_Noreturn static void hold_group(int told) {
        const struct cgroup_limits limits = { .memory = 64 << 20 };
        struct cgroup *c = NULL;
        char is_made;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        is_made = cgroup_new("quorate-stale-1", &limits, &c) == 0;
        check(write(told, &is_made, 1) == 1);
        for (;;)
                (void) pause();
}

static struct holder holder_new(void) {
        struct holder h = {};
        int told[2];
        char is_made = 0;

        assert_int_equal(pipe(told), 0);
        h.pid = fork();
        if (h.pid == 0) {
                pid_t child;

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                child = unshare(CLONE_NEWPID) == 0 ? fork() : 0;

                if (child == 0)
                        hold_group(told[1]);
                (void) waitpid(child, NULL, 0); /* goes with us */
                _exit(0);
        }
        assert_int_equal(read(told[0], &is_made, 1), 1);
        h.is_held = is_made;
        (void) close(told[0]);
        (void) close(told[1]);
        return h;
}

static unsigned stale_within_a_second(void) {
        unsigned n = 0;

        for (int i = 0; i < 100 && n == 0; i++) {
                n = cgroup_remove_stale("quorate-stale-");
                (void) usleep(10000);
        }
        return n;
}

/* What a killed process left is found by its name; what a living one holds, of whatever pid
 * namespace, or others made, stays. */
static void test_stale_groups(void **state) {
        struct holder h = holder_new();

        if (h.is_held) {
                assert_int_equal(cgroup_remove_stale("quorate-stale-"), 0);
                assert_int_equal(cgroup_remove_stale("quorate-other-"), 0);
        }
        assert_int_equal(kill(h.pid, SIGKILL), 0);
        assert_int_equal(waitpid(h.pid, NULL, 0), h.pid);
        if (!h.is_held)
                skip();
        assert_int_equal(cgroup_remove_stale("quorate-other-"), 0);
        assert_true(stale_within_a_second() >= 1);
        assert_int_equal(cgroup_remove_stale("quorate-stale-"), 0);
}

/* Who makes a group while another holds one of that name gets none of it. */
static void test_held_groups(void **state) {
        const struct cgroup_limits limits = { .memory = 64 << 20 };
        struct cgroup *first = NULL, *second = NULL;

        if (cgroup_new("quorate-held", &limits, &first) != 0)
                skip();
        assert_int_equal(cgroup_new("quorate-held", &limits, &second), CGROUP_E_NONE);
        cgroup_free(first);
        assert_int_equal(cgroup_new("quorate-held", &limits, &second), 0);
        cgroup_free(second);
}

/* A machine without any, in a mount namespace of our own. */
static int without_groups(void) {
        const struct cgroup_limits limits = { .memory = 64 << 20 };
        struct cgroup *c = NULL;

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return 77;
        while (umount2("/sys/fs/cgroup", MNT_DETACH) == 0)
                ;
        if (cgroup_mode() != CGROUP_NONE)
                return 1;
        return cgroup_new("quorate-test", &limits, &c) == CGROUP_E_NONE && !c ? 0 : 2;
}

static void test_no_cgroup(void **state) {
        int r = in_child(without_groups);

        if (r == 77)
                skip();
        assert_int_equal(r, 0);
}

TEST_MAIN(cmocka_unit_test(test_no_cgroup), cmocka_unit_test(test_stale_groups),
          cmocka_unit_test(test_held_groups), cmocka_unit_test(test_sandbox),
          cmocka_unit_test(test_allow_list), cmocka_unit_test(test_compiled),
          cmocka_unit_test(test_close), cmocka_unit_test(test_own_root),
          cmocka_unit_test(test_namespace_text), cmocka_unit_test(test_cgroup))
