#pragma once

/* Where tests find DuckDB: QUORATE_DUCKDB (a path, or "none"), else where the worker looks. */

#include <limits.h>
#include <stdlib.h>

#include "common/client/executor.h"
#include "tests/support/test.h"

/* "duckdb:PATH", or NULL and why as a comment. */
static inline const char *duckdb_engine_name(void) {
        static char name[PATH_MAX];
        const char *set = getenv("QUORATE_DUCKDB"), *executor = getenv("QUORATE_EXECUTOR");

        if (name[0]) /* a session that a failed test left open sees no file */
                return name;
        if (executor_find_duckdb(set ? set : "", executor ? executor : "", name, sizeof(name)))
                return name;
        print_message("# no DuckDB library here: deploy/setup --with-duckdb\n");
        return NULL;
}

#define DUCKDB_SKIPPED 77

/* main() of a test that needs it. */
#define DUCKDB_TEST_MAIN(...)                                      \
        int main(void) {                                           \
                const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
                                                                   \
                if (!duckdb_engine_name())                         \
                        return DUCKDB_SKIPPED;                     \
                cmocka_set_message_output(CM_OUTPUT_TAP);          \
                return cmocka_run_group_tests(tests, NULL, NULL);  \
        }
