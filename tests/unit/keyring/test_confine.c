#include "services/keyring/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon/sandbox.h"
#include "tests/support/test.h"

/* In a child, since it is for good. Returns which check failed, 0: none. */
static int confined_child(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/nowhere" };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        char c;

        if (fd < 0 || open("/dev/null", O_RDONLY) < 0)
                return 1;
        if (sandbox_no_new_privs() || confine_files())
                return 2;
        if (open("/dev/null", O_RDONLY) >= 0 || errno != EPERM)
                return 3;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0 || errno != EPERM)
                return 4;
        if (read(fd, &c, 1) >= 0 || errno == EPERM) /* what is open stays usable */
                return 5;
        return 0;
}

static void test_files(void **state) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(confined_child());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

TEST_MAIN(cmocka_unit_test(test_files))
