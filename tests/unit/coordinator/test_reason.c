/* Why too few took part, in a word that all of them say; and the words of those that agree. */

#include "common/canonical/outcome.h"
#include "proto/grid.pb-c.h"
#include "tests/fuzz/requester_drive.h"
#include "tests/support/test.h"

#define ROWS 20

static void commit_to(struct drive *d, unsigned host, const struct answer *a, const char *words) {
        CLEANUP(buffer_donep) struct buffer b = {};

        d->words = words;
        assert_true(drive_commit_to(d, host, a, 0, &b));
        drive_message(d, host, DRIVE_COMMIT, buffer_bytes(&b));
}

static void commit(struct drive *d, unsigned host) {
        commit_to(d, host, &d->truth, NULL);
}

/* A failed run has the body of a refusal in the place of a failure. */
static void say(struct drive *d, unsigned host, unsigned what, unsigned code, const char *detail,
                const char *words) {
        Grid__Refusal m = GRID__REFUSAL__INIT;
        Types__Problem p = TYPES__PROBLEM__INIT;

        p.code = code;
        p.detail = (char *) detail;
        p.text = (char *) words;
        m.problem = &p;
        drive_packed(d, host, what, &m.base);
}

static void refuse(struct drive *d, unsigned host, unsigned code, const char *detail) {
        say(d, host, DRIVE_REFUSAL, code, detail, "");
}

static const struct {
        const char *name;
        unsigned codes[DRIVE_HOSTS];
        const char *details[DRIVE_HOSTS];
        unsigned problem;
        const char *detail;
} refusals[] = {
        { "one reason",
          { OUTCOME_LIMIT, OUTCOME_LIMIT, OUTCOME_LIMIT },
          { "which=memory", "which=memory", "which=memory" },
          OUTCOME_LIMIT,
          "which=memory have=0 need=2" },
        { "more than any gives: what two of them do",
          { OUTCOME_LIMIT, OUTCOME_LIMIT, OUTCOME_LIMIT },
          { "which=memory most=2048", "which=memory most=1", "which=memory most=1024" },
          OUTCOME_LIMIT,
          "which=memory most=1024 have=0 need=2" },
        { "one gave it, and it was too little",
          { OUTCOME_LIMIT, OUTCOME_LIMIT, OUTCOME_LIMIT },
          { "which=memory most=2048", "which=memory", "which=memory most=1024" },
          OUTCOME_LIMIT,
          "which=memory have=0 need=2" },
        { "what is no number",
          { OUTCOME_LIMIT, OUTCOME_LIMIT, OUTCOME_LIMIT },
          { "which=memory most=all", "which=memory most=all", "which=memory most=all" },
          OUTCOME_TOO_FEW_HOSTS,
          "have=0 need=2" },
        { "one rule",
          { OUTCOME_REFUSED, OUTCOME_REFUSED, OUTCOME_REFUSED },
          { "rule=engine", "rule=engine", "rule=engine" },
          OUTCOME_REFUSED,
          "rule=engine have=0 need=2" },
        { "too many rows to compare",
          { OUTCOME_NOT_VERIFIABLE, OUTCOME_NOT_VERIFIABLE, OUTCOME_NOT_VERIFIABLE },
          { "expression=unordered_rows", "expression=unordered_rows", "expression=unordered_rows" },
          OUTCOME_NOT_VERIFIABLE,
          "expression=unordered_rows have=0 need=2" },
        { "an error of a statement that they were not given",
          { OUTCOME_SQL_ERROR, OUTCOME_SQL_ERROR, OUTCOME_SQL_ERROR },
          { "code=UNKNOWN_NAME", "code=UNKNOWN_NAME", "code=UNKNOWN_NAME" },
          OUTCOME_TOO_FEW_HOSTS,
          "have=0 need=2" },
        { "two limits",
          { OUTCOME_LIMIT, OUTCOME_LIMIT, OUTCOME_LIMIT },
          { "which=memory", "which=cpu", "which=memory" },
          OUTCOME_TOO_FEW_HOSTS,
          "have=0 need=2" },
        { "two reasons",
          { OUTCOME_LIMIT, OUTCOME_REFUSED, OUTCOME_LIMIT },
          { "which=memory", "rule=engine", "which=memory" },
          OUTCOME_TOO_FEW_HOSTS,
          "have=0 need=2" },
        { "a sentence of theirs is not ours",
          { OUTCOME_REFUSED, OUTCOME_REFUSED, OUTCOME_REFUSED },
          { "rule=send us money", "rule=send us money", "rule=send us money" },
          OUTCOME_TOO_FEW_HOSTS,
          "have=0 need=2" },
};

static void test_common_reason(void **state) {
        FOREACH_CASE (c, refusals) {
                struct drive *d = drive_new(drive_verify);

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        refuse(d, i, c->codes[i], c->details[i]);
                drive_wait(d, 10 * NSEC_PER_SEC);
                assert_int_equal(d->problem, c->problem);
                assert_string_equal(d->detail, c->detail);
                drive_free(d);
        }
}

/* One that says nothing has not answered: the reason of the others stands. */
static void test_reason_of_those_that_answered(void **state) {
        struct drive *d = drive_new(drive_verify);

        refuse(d, 0, OUTCOME_LIMIT, "which=cpu");
        refuse(d, 1, OUTCOME_LIMIT, "which=cpu");
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_LIMIT);
        drive_free(d);
}

static void fail_run_saying(struct drive *d, unsigned host, unsigned code, const char *detail,
                            const char *words) {
        say(d, host, DRIVE_FAILURE, code, detail, words);
}

static void fail_run(struct drive *d, unsigned host, unsigned code, const char *detail) {
        fail_run_saying(d, host, code, detail, "");
}

/* The only one left to bid is let go before it gets the job: it said nothing of it, and does
 * not hide what the others say. */
static void test_reason_beside_a_bid(void **state) {
        struct drive *d = drive_new(drive_verify);

        refuse(d, 0, OUTCOME_LIMIT, "which=cpu");
        refuse(d, 1, OUTCOME_LIMIT, "which=cpu");
        drive_bid(d, 2);
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_LIMIT);
        assert_string_equal(d->detail, "which=cpu have=1 need=2");
        drive_free(d);
}

/* What one host gives is no limit of the grid, whoever else bids, unless one host is enough. */
static void test_most_of_one(void **state) {
        static const struct {
                const char *verify;
                unsigned refusals;
                bool is_one_voter;
                const char *detail;
        } cases[] = {
                { NULL, 1, false, "which=memory have=0 need=2" },
                { NULL, 3, false, "which=memory most=2000 have=0 need=2" },
                { NULL, 3, true, "which=memory have=0 need=2" },
                { "fast", 1, false, "which=memory most=1000 have=0 need=1" },
        };

        FOREACH_CASE (c, cases) {
                const struct drive_kept kept = { .verify = c->verify,
                                                 .cache = "off",
                                                 .is_one_voter = c->is_one_voter };
                struct drive *d = drive_new_kept(&kept);

                for (unsigned i = 0; i < c->refusals; i++) {
                        char detail[40];

                        (void) snprintf(detail, sizeof(detail), "which=memory most=%u000", i + 1);
                        refuse(d, i, OUTCOME_LIMIT, detail);
                }
                drive_wait(d, 10 * NSEC_PER_SEC);
                assert_int_equal(d->problem, OUTCOME_LIMIT);
                assert_string_equal(d->detail, c->detail);
                drive_free(d);
        }
}

/* A host that ran it and fell silent, or committed, is no such host. */
static void test_reason_beside_a_run(void **state) {
        for (unsigned commits = 0; commits < 2; commits++) {
                struct drive *d = drive_dispatched(ROWS);

                fail_run(d, 0, OUTCOME_LIMIT, "which=cpu");
                fail_run(d, 1, OUTCOME_LIMIT, "which=cpu");
                if (commits)
                        commit(d, 2);
                else
                        drive_closed(d, 2);
                for (unsigned i = 0; i < 60 && !d->has_end; i++) {
                        drive_wait(d, NSEC_PER_SEC);
                        drive_bid(d, 2); /* heard where it is asked once more */
                }
                assert_int_equal(d->problem, OUTCOME_TOO_FEW_HOSTS);
                drive_free(d);
        }
}

/* ---- What hosts say of an error that is their answer ---- */

static struct answer error_answer(const struct drive *d) {
        struct answer a;

        assert_true(answer_of_error(SQL_ENCODING, 0, &d->schema->digest, &a));
        return a;
}

static bool is_one_of(const struct drive *d, unsigned a, unsigned b) {
        return bytes_equal(buffer_bytes(&d->speaker), peer_id_bytes(&d->peers[a])) ||
               bytes_equal(buffer_bytes(&d->speaker), peer_id_bytes(&d->peers[b]));
}

/* The code is agreed; which row it was is told as the word of one that agreed, by name. */
static void test_words_agreed(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        const struct answer a = error_answer(d);

        (void) state;
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                commit_to(d, i, &a, "row 3\n");
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_SQL_ERROR);
        assert_string_equal(d->detail, "code=ENCODING position=0");
        assert_string_equal(d->text, "row 3\\x0a");
        assert_string_equal(d->error_state, "VERIFIED");
        assert_true(is_one_of(d, 0, 1) || is_one_of(d, 1, 2));
        drive_free(d);
}

/* Who says something else, or commits to nothing, does not speak for those that agree. */
static void test_words_of_another(void **state) {
        struct drive *d = drive_dispatched(ROWS);
        const struct answer a = error_answer(d);

        (void) state;
        fail_run_saying(d, 0, OUTCOME_SQL_ERROR, "code=ENCODING", "row 9");
        commit_to(d, 1, &a, "row 3");
        commit_to(d, 2, &a, "row 3");
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_string_equal(d->detail, "code=ENCODING position=0");
        assert_string_equal(d->text, "row 3");
        assert_true(is_one_of(d, 1, 2));
        drive_free(d);
}

/* `fast`: one host's error is its word alone, and told as that. */
static void test_error_of_one(void **state) {
        const struct drive_kept fast = { .verify = "fast", .cache = "off" };
        struct drive *d = drive_new_kept(&fast);
        const struct answer a = error_answer(d);

        (void) state;
        drive_rows(d, ROWS);
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                drive_bid(d, i);
        drive_wait(d, NSEC_PER_SEC);
        for (unsigned i = 0; i < DRIVE_HOSTS && !d->has_end; i++)
                commit_to(d, i, &a, NULL); /* one of them was given it */
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_SQL_ERROR);
        assert_string_equal(d->state, "");
        assert_string_equal(d->error_state, "UNVERIFIED");
        drive_free(d);
}

/* Among engines no host may commit to it: then it is the reason. */
static void test_words_of_a_refusal(void **state) {
        struct drive *d = drive_dispatched(ROWS);

        (void) state;
        for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                fail_run_saying(d, i, OUTCOME_SQL_ERROR, "code=ENCODING", "row 3");
        drive_wait(d, 10 * NSEC_PER_SEC);
        assert_int_equal(d->problem, OUTCOME_SQL_ERROR);
        assert_string_equal(d->detail, "code=ENCODING have=0 need=2");
        assert_string_equal(d->text, "row 3");
        assert_string_equal(d->error_state, "UNVERIFIED"); /* said alike, and signed by none */
        assert_string_equal(d->state, "");
        assert_true(d->speaker.len > 0);
        drive_free(d);
}

/* Errors of several kinds, or of hosts that name none, are the statement's all the same: more hosts
 * are no remedy. */
static void test_errors_that_differ(void **state) {
        static const char *const last[] = { "code=CAST", "" };

        FOREACH_CASE (c, last) {
                struct drive *d = drive_dispatched(ROWS);

                fail_run_saying(d, 0, OUTCOME_SQL_ERROR, "code=OVERFLOW", "row 3");
                fail_run_saying(d, 1, OUTCOME_SQL_ERROR, "code=OVERFLOW", "row 3");
                fail_run_saying(d, 2, OUTCOME_SQL_ERROR, *c, "row 4");
                drive_wait(d, 10 * NSEC_PER_SEC);
                assert_int_equal(d->problem, OUTCOME_TOO_FEW_HOSTS);
                assert_string_equal(d->detail, "what=statement have=0 need=2");
                assert_string_equal(d->text, "");
                assert_string_equal(d->error_state, "");
                drive_free(d);
        }
}

/* An offer shows no statement: who says an error of it makes it up, and ends nothing with it. */
static void test_error_without_statement(void **state) {
        for (unsigned bids = 0; bids < 2; bids++) {
                struct drive *d = drive_new(drive_verify);

                say(d, 0, DRIVE_REFUSAL, OUTCOME_SQL_ERROR, "code=UNKNOWN_NAME", "no such table");
                if (bids)
                        drive_bid(d, 1);
                drive_wait(d, 10 * NSEC_PER_SEC);
                assert_int_equal(d->problem, OUTCOME_TOO_FEW_HOSTS);
                assert_string_equal(d->detail, bids ? "have=1 need=2" : "have=0 need=2");
                assert_string_equal(d->text, "");
                assert_string_equal(d->error_state, "");
                drive_free(d);
        }
}

/* `fast`: the refusal of the one that was given it is its word alone, with words or without. */
static void test_refusal_of_one(void **state) {
        static const char *const words[] = { "row 3", "" };
        const struct drive_kept fast = { .verify = "fast", .cache = "off" };

        FOREACH_CASE (w, words) {
                struct drive *d = drive_new_kept(&fast);

                for (unsigned i = 0; i < DRIVE_HOSTS; i++)
                        drive_bid(d, i);
                for (unsigned n = 0; n < 20 && !d->has_end; n++) {
                        drive_wait(d, NSEC_PER_SEC);
                        for (unsigned i = 0; i < DRIVE_HOSTS && !d->has_end; i++) {
                                fail_run_saying(d, i, OUTCOME_SQL_ERROR, "code=CAST", *w);
                                drive_bid(d, i);
                        }
                }
                assert_int_equal(d->problem, OUTCOME_SQL_ERROR);
                assert_string_equal(d->text, *w);
                assert_string_equal(d->error_state, "UNVERIFIED");
                assert_true(d->speaker.len > 0);
                drive_free(d);
        }
}

TEST_MAIN(cmocka_unit_test(test_common_reason),
          cmocka_unit_test(test_reason_of_those_that_answered),
          cmocka_unit_test(test_reason_beside_a_bid), cmocka_unit_test(test_reason_beside_a_run),
          cmocka_unit_test(test_most_of_one), cmocka_unit_test(test_error_without_statement),
          cmocka_unit_test(test_refusal_of_one), cmocka_unit_test(test_words_agreed),
          cmocka_unit_test(test_words_of_another), cmocka_unit_test(test_error_of_one),
          cmocka_unit_test(test_words_of_a_refusal), cmocka_unit_test(test_errors_that_differ))
