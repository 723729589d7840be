#pragma once

/* What SQLite's analysis says of statements on tables of a test. */

#include "common/base/cleanup.h"
#include "tests/unit/worker/decisions.h"
#include "tests/unit/worker/support.h"

/* Prints those of which something else is said. */
static inline size_t count_wrong(struct fixture *f, const struct decision *cases, size_t n) {
        size_t n_wrong = 0;

        for (const struct decision *c = cases; c < cases + n; c++) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                int r = engine_sqlite.analyse(f->session, BYTES_STR(c->sql), false, &a, &p);

                if (is_as_said(c, r, &a))
                        continue;
                n_wrong++;
                print_wrong(c, r, &a, &p);
        }
        return n_wrong;
}

static inline void assert_decisions(const char *const *creates, const struct decision *cases,
                                    size_t n) {
        struct fixture f = {};

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        assert_int_equal(count_wrong(&f, cases, n), 0);
        fixture_done(&f);
}
