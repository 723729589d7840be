/* What people read of a problem: never a word of ours without what to do. */

#include "common/canonical/outcome.h"
#include "common/client/internal.h"
#include "tests/support/test.h"

static const struct {
        enum outcome_error code;
        const char *detail, *text; /* the second: part of what is shown */
} cases[] = {
        { OUTCOME_INTERNAL, "", "INTERNAL: please report it" },
        { OUTCOME_INTERNAL, "what=odd", "INTERNAL: odd; please report it" },
        { OUTCOME_INTERNAL, "what=executor", "ask again" },
        { OUTCOME_INTERNAL, "what=worker-lost", "started again; ask again" },
        { OUTCOME_INTERNAL, "what=no-worker", "quorate status" },
        { OUTCOME_STALE, "why=job_time", "set this machine's clock" },
        { OUTCOME_STALE, "why=perhaps_signed_before_restart", "that is a new job" },
        { OUTCOME_STALE, "why=perhaps_signed_before_restart have=0 need=2", "that is a new job" },
        { OUTCOME_STALE, "why=commit_was_not_kept", "that is a new job" },
        { OUTCOME_STALE, "why=forgotten", "with a time of its own" },
        { OUTCOME_REFUSED, "rule=engine", "--engine asks for another one" },
};

static void test_remedies(void **state) {
        (void) state;
        FOREACH_CASE (c, cases) {
                Types__Problem p = TYPES__PROBLEM__INIT;
                char text[512];

                p.code = c->code;
                p.position = -1;
                p.detail = (char *) c->detail;
                (void) client_problem_text(&p, text, sizeof(text));
                print_message("# %s\n", text);
                assert_non_null(strstr(text, c->text));
                assert_null(strchr(text, '?'));
                assert_null(strstr(text, "worker-lost"));
                assert_null(strstr(text, "perhaps_signed"));
        }
}

TEST_MAIN(cmocka_unit_test(test_remedies))
