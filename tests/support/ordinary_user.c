#include "tests/support/ordinary_user.h"

#include <errno.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

#define NOBODY 65534

enum { CLOSED = 112, FAILED };

static int run_again(void) {
        extern char **environ;
        char *const argv[] = { (char *) "again", NULL };

        (void) dup2(STDERR_FILENO, STDOUT_FILENO);
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return FAILED;
        (void) execve("/proc/self/exe", argv, environ);
        return errno == EACCES ? CLOSED : FAILED;
}

void test_as_ordinary_user(void **state) {
        int status = 0;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(run_again());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == CLOSED) {
                print_message("# the build folder is closed to uid 65534\n");
                skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
}
