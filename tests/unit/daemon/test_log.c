#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/daemon/log.h"
#include "tests/support/test.h"

/* What fn writes to stderr. */
static size_t capture(void (*fn)(void), char *ret, size_t size) {
        int fds[2], old = dup(2);
        ssize_t n;

        assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        assert_int_equal(dup2(fds[1], 2), 2);
        fn();
        assert_int_equal(dup2(old, 2), 2);
        n = read(fds[0], ret, size - 1);
        ret[n > 0 ? n : 0] = 0;
        close(fds[0]);
        close(fds[1]);
        close(old);
        return n > 0 ? (size_t) n : 0;
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
                n++;
        return n;
}

static void write_hostile(void) {
        log_notice("peer says \"%s\"", "a\nquorate: forged\033[31m");
        log_debug("not shown");
}

/* One line, whatever the peer put into it; no colour off a terminal. */
static void test_escape(void **state) {
        char text[4096];

        log_open("dht", LOG_INFO);
        (void) capture(write_hostile, text, sizeof(text));
        assert_string_equal(text, "dht: peer says \"a\\x0aquorate: forged\\x1b[31m\"\n");
}

static void write_many(void) {
        for (int i = 0; i < 100; i++)
                log_info("again");
        log_info("another place");
}

static void test_rate(void **state) {
        char text[8192];

        log_open("dht", LOG_INFO);
        (void) capture(write_many, text, sizeof(text));
        assert_int_equal(count(text, "again"), 20);
        assert_int_equal(count(text, "another place"), 1);
}

static void fill_pipe(void) {
        char block[4096] = "";

        while (write(2, block, sizeof(block)) > 0)
                continue;
        /* Blocking from here on, as a terminal's pipe is: the log must still not wait. */
        assert_int_equal(fcntl(2, F_SETFL, fcntl(2, F_GETFL) & ~O_NONBLOCK), 0);
        log_error("lost");
}

static void test_never_blocks(void **state) {
        uint64_t before = log_dropped();
        char text[64];

        (void) capture(fill_pipe, text, sizeof(text));
        assert_int_equal(log_dropped(), before + 1);
}

TEST_MAIN(cmocka_unit_test(test_escape), cmocka_unit_test(test_rate),
          cmocka_unit_test(test_never_blocks))
