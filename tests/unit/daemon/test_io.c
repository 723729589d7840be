/* The whole of something, past signals and short counts. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/daemon/io.h"
#include "tests/support/test.h"

#define SIZE  (1 << 20)
#define PARTS 3

static void on_alarm(int number) {
}

/* Interrupts whatever this process waits in, all the time. */
static void interrupt_often(void) {
        struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */
        struct itimerval often = { { 0, 300 }, { 0, 300 } };

        assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
        assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void interrupt_no_more(void) {
        struct itimerval never = {};

        (void) setitimer(ITIMER_REAL, &never, NULL);
}

static uint8_t byte_at(size_t i) {
        return (uint8_t) (i * 7 + (i >> 8));
}

_Noreturn static void write_slowly(int fd, const uint8_t *data, bool in_parts) {
        struct iovec iov[PARTS + 1] = {
                { (void *) data, 5 },
                { (void *) (data + 5), 0 },
                { (void *) (data + 5), SIZE / 2 },
                { (void *) (data + 5 + SIZE / 2), SIZE - 5 - SIZE / 2 },
        };

        interrupt_often();
        _exit((in_parts ? io_writev(fd, iov, PARTS + 1) : io_write(fd, BYTES(data, SIZE))) != 0);
}

/* A pipe of a page between two that are interrupted all the time. */
static void through_a_pipe(bool in_parts) {
        CLEANUP(freep) uint8_t *data = xmalloc(SIZE), *got = xmalloc(SIZE);
        int ends[2], status;
        uint8_t more;
        pid_t child;

        for (size_t i = 0; i < SIZE; i++)
                data[i] = byte_at(i);
        assert_int_equal(pipe(ends), 0);
        assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
        child = fork();
        if (child == 0)
                write_slowly(ends[1], data, in_parts);
        (void) close(ends[1]);
        interrupt_often();
        assert_int_equal(io_read(ends[0], got, SIZE), 0);
        interrupt_no_more();
        assert_memory_equal(got, data, SIZE);
        assert_int_equal(io_read(ends[0], &more, 1), -EIO); /* it ended */
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        (void) close(ends[0]);
}

static void test_pipe(void **state) {
        through_a_pipe(false);
        through_a_pipe(true);
}

static void test_places(void **state) {
        char path[] = "/tmp/quorate-io-XXXXXX", got[8];
        CLEANUP(fd_closep) int fd = mkstemp(path);

        assert_true(fd >= 0);
        (void) unlink(path);
        assert_int_equal(io_write_at(fd, BYTES_STR("world"), 6), 0);
        assert_int_equal(io_write_at(fd, BYTES_STR("hello "), 0), 0);
        assert_int_equal(io_read_at(fd, got, 5, 6), 0);
        assert_memory_equal(got, "world", 5);
        assert_int_equal(io_read_at(fd, got, 6, 6), -EIO);
        assert_int_equal(io_write(fd, BYTES_NONE), 0);
}

static void test_full(void **state) {
        CLEANUP(fd_closep) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

        assert_int_equal(io_write(fd, BYTES_STR("x")), -ENOSPC);
        assert_int_equal(io_write_at(fd, BYTES_STR("x"), 0), -ENOSPC);
        assert_int_equal(io_write(-1, BYTES_STR("x")), -EBADF);
}

TEST_MAIN(cmocka_unit_test(test_pipe), cmocka_unit_test(test_places), cmocka_unit_test(test_full))
