/* What xmalloc() and its kind do when there is none: one line, then the end. */

#include "common/base/memory.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quorate-config.h"
#include "tests/support/test.h"

static volatile size_t far_too_much = SIZE_MAX / 4;

static void *by_malloc(void) {
        return xmalloc(far_too_much);
}
static void *by_calloc(void) {
        return xcalloc(far_too_much, 1);
}
static void *by_realloc(void) {
        return xrealloc(NULL, far_too_much);
}

static const struct {
        const char *name;
        void *(*take)(void);
} cases[] = { { "xmalloc", by_malloc }, { "xcalloc", by_calloc }, { "xrealloc", by_realloc } };

static void test_out_of_memory(void **state) {
        if (QUORATE_SANITIZED) /* its allocator ends the process itself */
                skip();
        FOREACH_CASE (c, cases) {
                char text[256] = "";
                int out[2], status = 0;
                pid_t child;

                assert_int_equal(pipe(out), 0);
                child = fork();
                if (child == 0) {
                        const struct rlimit no_core = {};

                        (void) setrlimit(RLIMIT_CORE, &no_core);
                        (void) signal(SIGABRT, SIG_DFL);
                        (void) dup2(out[1], STDERR_FILENO);
                        _exit(c->take() != NULL);
                }
                (void) close(out[1]);
                assert_true(read(out[0], text, sizeof(text) - 1) > 0);
                (void) close(out[0]);
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
                assert_string_equal(
                        text, "quorate: out of memory; free some, or allow this process more\n");
        }
}

TEST_MAIN(cmocka_unit_test(test_out_of_memory))
