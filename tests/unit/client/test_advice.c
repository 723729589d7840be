/* What people read of a problem: never a word of ours without what to do. */

#include "common/canonical/outcome.h"
#include "common/client/internal.h"
#include "common/wire/peerid.h"
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
        { OUTCOME_LIMIT, "which=memory have=0 need=2", "raise --max-memory" },
        { OUTCOME_LIMIT, "which=memory most=1073741824 have=0 need=2",
          "--max-memory is more than a job is given here; lower it to 1G or less" },
        { OUTCOME_LIMIT, "which=memory most=1000", "lower it to 1000B or less" },
        { OUTCOME_LIMIT, "which=cpu most=60000", "--max-cpu is more" },
        { OUTCOME_LIMIT, "which=cpu most=1500", "lower it to 1500ms or less" },
        { OUTCOME_LIMIT, "which=wall most=120000", "lower it to 2min or less" },
        { OUTCOME_SQL_ERROR, "code=RESULT_LIMIT position=0",
          "raise the option that it is above, if it is above one" },
        { OUTCOME_LIMIT, "which=rows most=100000000", "lower it to 100000000 or less" },
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

/* Words of a host are its own, and shown as that. */
static void test_speaker(void **state) {
        struct peer_id id;
        Types__Problem p = TYPES__PROBLEM__INIT;
        char text[512];

        (void) state;
        assert_true(peer_id_from_text(
                BYTES_LIT("12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"), &id));
        p.code = OUTCOME_SQL_ERROR;
        p.position = -1;
        p.detail = (char *) "code=ENCODING";
        p.text = (char *) "dataset 't': row 3";
        assert_non_null(
                strstr(client_problem_text(&p, text, sizeof(text)), " (dataset 't': row 3)"));
        p.peer.len = peer_id_bytes(&id).len;
        p.peer.data = (uint8_t *) peer_id_bytes(&id).data;
        assert_non_null(strstr(client_problem_text(&p, text, sizeof(text)),
                               " (host …eAto4Az7 says: dataset 't': row 3)"));
        p.peer.len--; /* nobody */
        assert_null(strstr(client_problem_text(&p, text, sizeof(text)), "says"));
}

TEST_MAIN(cmocka_unit_test(test_remedies), cmocka_unit_test(test_speaker))
