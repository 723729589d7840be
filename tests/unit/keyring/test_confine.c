#include "services/keyring/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/sandbox.h"
#include "tests/support/test.h"

#define PATH "/tmp/quorate-test-confine"
#define RW   (PROT_READ | PROT_WRITE)

/* Every family of what a hostile library might try; each must answer EPERM. */
static const struct {
        const char *name;
        long number, a, b, c, d;
} forbidden[] = {
        { "socket", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0 },
        { "socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0 },
        { "connect", SYS_connect, 0, 0, 0, 0 },
        { "bind", SYS_bind, 0, 0, 0, 0 },
        { "listen", SYS_listen, 0, 1, 0, 0 },
        { "openat", SYS_openat, AT_FDCWD, (long) "/dev/null", O_RDONLY, 0 },
        { "open", SYS_open, (long) "/dev/null", O_RDONLY, 0, 0 },
        { "memfd_create", SYS_memfd_create, (long) "x", 0, 0, 0 },
        { "pipe2", SYS_pipe2, 0, 0, 0, 0 },
        { "mkdir", SYS_mkdir, (long) PATH, 0700, 0, 0 },
        { "symlink", SYS_symlink, (long) "a", (long) PATH, 0, 0 },
        { "linkat", SYS_linkat, AT_FDCWD, (long) "/etc/passwd", AT_FDCWD, (long) PATH },
        { "unlink", SYS_unlink, (long) PATH, 0, 0, 0 },
        { "chmod", SYS_chmod, (long) PATH, 0777, 0, 0 },
        { "execve", SYS_execve, (long) "/bin/true", 0, 0, 0 },
        { "fork", SYS_fork, 0, 0, 0, 0 },
        { "clone", SYS_clone, SIGCHLD, 0, 0, 0 },
        { "clone3", SYS_clone3, 0, 0, 0, 0 },
        { "ptrace", SYS_ptrace, 0, 0, 0, 0 },
        { "kill", SYS_kill, 1, 0, 0, 0 },
        { "prctl", SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0 },
        { "unshare", SYS_unshare, CLONE_NEWUSER, 0, 0, 0 },
        { "io_uring_setup", SYS_io_uring_setup, 1, 0, 0, 0 },
        { "mmap to run", SYS_mmap, 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS },
};

/* In a child, since it is for good. Returns which check failed, 0: none. */
static int confined_child(void) {
        char *page, c;
        int fds[2];

        if (pipe(fds) || sandbox_no_new_privs() || confine_serving())
                return 1;
        FOREACH_CASE (f, forbidden)
                if (syscall(f->number, f->a, f->b, f->c, f->d, -1L, 0L) != -1 || errno != EPERM)
                        return 100 + (int) (f - forbidden);
        page = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED || getrandom(page, 16, 0) != 16)
                return 2;
        if (mprotect(page, 4096, RW | PROT_EXEC) == 0 || errno != EPERM)
                return 3;
        if (write(fds[1], "x", 1) != 1 || read(fds[0], &c, 1) != 1) /* open ones stay usable */
                return 4;
        return 0;
}

static void test_allow_list(void **state) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(confined_child());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) >= 100)
                fail_msg("%s is allowed", forbidden[WEXITSTATUS(status) - 100].name);
        assert_int_equal(WEXITSTATUS(status), 0);
}

TEST_MAIN(cmocka_unit_test(test_allow_list))
