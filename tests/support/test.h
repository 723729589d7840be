#pragma once

/* What every unit test includes: cmocka with TAP output and table cases.
 * Keep stdout clean of anything that does not start with '#'. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"
#include "common/base/memory.h"

/* Walks a static table of cases; says which one, so that a failure names it. */
#define FOREACH_CASE(c, table)                                           \
        for (const __typeof__((table)[0]) *c = (table);                  \
             c < (table) + ELEMENTSOF(table) &&                          \
             (print_message("# case %zu\n", (size_t) (c - (table))), 1); \
             c++)

#define assert_bytes_equal(a, b)                                       \
        do {                                                           \
                struct bytes a_ = (a), b_ = (b);                       \
                assert_int_equal(a_.len, b_.len);                      \
                if (a_.len > 0)                                        \
                        assert_memory_equal(a_.data, b_.data, a_.len); \
        } while (0)

#define TEST_MAIN(...)                                             \
        int main(void) {                                           \
                const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
                                                                   \
                cmocka_set_message_output(CM_OUTPUT_TAP);          \
                return cmocka_run_group_tests(tests, NULL, NULL);  \
        }
