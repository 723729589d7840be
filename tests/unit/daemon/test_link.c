/* Who may have a link, and what becomes of the descriptors that go over one. */

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/error.h"
#include "proto/bus.pb-c.h"
#include "tests/support/test.h"
#include "tests/unit/daemon/fixture.h"

#define STRANGER 65534

/* ---- descriptors ---- */

struct echoed {
        bool is_done;
        size_t n;
        int fd; /* the last of them, kept */
};

static void on_descriptors(void *userdata, const struct rpc_result *result) {
        struct echoed *e = userdata;

        assert_int_equal(result->code, RPC_OK);
        e->is_done = true;
        e->n = result->n_fds;
        e->fd = TAKE_FD(result->fds[result->n_fds - 1]);
}

static unsigned count_open(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

/* As many descriptors as allowed go there and come back, and none is left over. */
static void test_descriptors(void **state) {
        Echo__SayRequest message = ECHO__SAY_REQUEST__INIT;
        int fds[LINK_FDS_MAX], pipe_fds[2];
        struct rpc_request request = { .method = "Say",
                                       .message = &message,
                                       .fds = fds,
                                       .n_fds = LINK_FDS_MAX,
                                       .fn = on_descriptors };
        struct fixture f;
        struct echoed e = {};
        unsigned before;
        char byte = 0;

        fixture_init(&f, OVER_SEQPACKET);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        before = count_open();
        assert_int_equal(pipe(pipe_fds), 0);
        for (size_t i = 0; i < LINK_FDS_MAX; i++)
                fds[i] = pipe_fds[1];
        request.userdata = &e;
        (void) rpc_send(f.client, &request);
        RUN_UNTIL(&f, e.is_done);
        assert_int_equal(e.n, LINK_FDS_MAX);
        assert_int_equal(write(e.fd, "x", 1), 1);
        assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
        assert_int_equal(byte, 'x');
        close(e.fd);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        assert_int_equal(count_open(), before);
        fixture_done(&f);
}

/* Sends until the socket is full and more waits in the queue. */
static void fill_link(struct link *l) {
        CLEANUP(freep) uint8_t *body = xcalloc(1, 100000);
        Bus__Header header = BUS__HEADER__INIT;
        const struct frame f = { .header = &header, .body = BYTES(body, 100000) };

        header.kind = BUS__KIND__CALL;
        header.name = (char *) "Say";
        for (int i = 0; i < 32; i++)
                assert_int_equal(link_send(l, &f, /* data= */ false), LINK_OK);
}

/* Leaves this process one descriptor to open. */
static void leave_one(int any) {
        int lowest = fcntl(any, F_DUPFD_CLOEXEC, 3);
        struct rlimit r;

        close(lowest);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
        r.rlim_cur = (rlim_t) lowest + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* What waits keeps its descriptors; with none left it is refused, and we live. */
static void test_no_descriptor_left(void **state) {
        Bus__Header header = BUS__HEADER__INIT;
        int pipe_fds[2], fds[2];
        const struct frame frame = { .header = &header, .fds = fds, .n_fds = 2 };
        struct rlimit was;
        struct fixture f;
        unsigned before;

        fixture_init(&f, OVER_SEQPACKET);
        fixture_serve(&f, 0);
        fixture_connect(&f);
        RUN_UNTIL(&f, fixture_link(&f)->is_up);
        fill_link(fixture_link(&f));
        assert_int_equal(pipe(pipe_fds), 0);
        fds[0] = fds[1] = pipe_fds[0];
        header.kind = BUS__KIND__CALL;
        header.name = (char *) "Say";
        before = count_open();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
        leave_one(fds[0]);
        assert_int_equal(link_send(fixture_link(&f), &frame, /* data= */ false), LINK_E_FULL);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
        assert_int_equal(count_open(), before);
        assert_int_equal(link_send(fixture_link(&f), &frame, /* data= */ false), LINK_OK);
        assert_int_equal(count_open(), before + 2);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        fixture_done(&f);
}

/* ---- who may have one ---- */

/* A child that is `uid` and asks once. */
static pid_t fork_caller(const struct fixture *f, uid_t uid) {
        struct fixture own = { .transport = f->transport };
        struct outcome answer;
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        memcpy(own.path, f->path, sizeof(own.path));
        check(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0);
        check(setresuid(uid, uid, uid) == 0 && loop_new(&own.loop) == 0);
        fixture_connect(&own);
        fixture_request(&own, "Say", 1, 0, 2 * NSEC_PER_SEC, &answer);
        RUN_UNTIL(&own, answer.n_done);
        _exit(answer.code == RPC_OK ? 0 : 1);
}

static void open_to_all(const struct fixture *f) {
        CLEANUP(freep) char *data = xasprintf("%s.data", f->path);

        assert_int_equal(chmod(f->folder, 0755), 0);
        assert_int_equal(chmod(f->path, 0666), 0);
        if (f->transport == OVER_BUS)
                assert_int_equal(chmod(data, 0666), 0);
}

/* The socket's file lets everybody connect; whom the policy does not know gets no link. */
static void check_caller(enum transport transport, uid_t uid, bool is_let_in) {
        int status = 0;
        struct fixture f;
        pid_t pid, ended = 0;

        fixture_init(&f, transport);
        open_to_all(&f);
        pid = fork_caller(&f, uid);
        assert_true(pid > 0);
        fixture_serve(&f, 0);
        RUN_UNTIL(&f, (ended = waitpid(pid, &status, WNOHANG)) != 0);
        assert_int_equal(ended, pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), !is_let_in);
        assert_int_equal(f.service.n_runs, is_let_in);
        fixture_done(&f);
}

static void test_stranger(void **state) {
        static const enum transport transports[] = { OVER_SEQPACKET, OVER_BUS };

        if (geteuid() != 0)
                skip(); /* only root can be somebody else */
        FOREACH_CASE (t, transports) {
                check_caller(*t, geteuid(), true);
                check_caller(*t, STRANGER, false);
        }
}

/* Descriptors are counted first: libzmq closes those of earlier tests in its own time. */
TEST_MAIN(cmocka_unit_test(test_descriptors), cmocka_unit_test(test_no_descriptor_left),
          cmocka_unit_test(test_stranger))
