#include "common/canonical/outcome.h"

#include "tests/unit/canonical/support.h"

static void test_tables_are_full(void **state) {
        char text[500];

        for (unsigned i = 1; i < _STATE_MAX; i++)
                assert_non_null(result_state_name(i));
        for (unsigned i = 1; i < _MODE_MAX; i++)
                assert_int_equal(query_mode_of(query_mode_name(i)), i);
        for (unsigned i = 1; i < _VERDICT_MAX; i++)
                assert_non_null(verdict_name(i));
        for (unsigned i = 1; i < _SQL_ERROR_MAX; i++)
                assert_int_equal(sql_error_of(sql_error_name(i)), i);
        for (unsigned i = 0; i < _OUTCOME_MAX; i++) {
                assert_non_null(outcome_name(i));
                outcome_text(i, NULL, 0, text, sizeof(text));
                assert_null(strpbrk(text, "{}[]"));
                assert_null(strchr(text, '\n'));
        }
        assert_null(result_state_name(_STATE_MAX));
        assert_null(outcome_name(_OUTCOME_MAX));
        assert_null(sql_error_name(0));
        assert_int_equal(query_mode_of("majority"), 0);
}

static void test_exit_codes(void **state) {
        assert_int_equal(result_state_exit_code(STATE_VERIFIED), 0);
        assert_int_equal(result_state_exit_code(STATE_CACHED), 0);
        assert_int_equal(result_state_exit_code(STATE_UNVERIFIED), 3);
        assert_int_equal(result_state_exit_code(STATE_CONTESTED), 4);
        assert_int_equal(result_state_exit_code(0), 5);
        assert_int_equal(outcome_exit_code(OUTCOME_USAGE), 2);
        assert_int_equal(outcome_exit_code(OUTCOME_SPLIT), 4);
        assert_int_equal(outcome_exit_code(OUTCOME_TIMEOUT), 5);
        assert_int_equal(outcome_exit_code(1000), 5);
}

static void test_text(void **state) {
        const struct outcome_arg args[] = { { "have", BYTES_STR("1") },
                                            { "rule", BYTES_STR("a\x1b[31m") } };
        char text[200], small[12];

        outcome_text(OUTCOME_TOO_FEW_HOSTS, args, 2, text, sizeof(text));
        assert_non_null(strstr(text, "TOO_FEW_HOSTS: too few hosts took part (1, ? are needed)"));
        outcome_text(OUTCOME_REFUSED, args, 2, text, sizeof(text));
        assert_non_null(strstr(text, "a\\x1b[31m"));
        assert_string_equal(outcome_text(OUTCOME_REFUSED, args, 2, small, sizeof(small)),
                            "REFUSED: th");
}

static const struct {
        unsigned error;
        const char *detail, *want; /* a part of the text */
} detail_cases[] = {
        { OUTCOME_TOO_FEW_HOSTS, "have=1 need=2", "(1, 2 are needed)" },
        { OUTCOME_TOO_FEW_HOSTS, "need=2 have=1", "(1, 2 are needed)" },
        { OUTCOME_TOO_FEW_HOSTS, "need=2", "(?, 2 are needed)" },
        { OUTCOME_TOO_FEW_HOSTS, "", "(?, ? are needed)" },
        { OUTCOME_TOO_FEW_HOSTS, "have= need=", "(,  are needed)" },
        { OUTCOME_NOT_VERIFIABLE, "expression=add ORDER BY", "`add ORDER BY` can differ" },
        { OUTCOME_NOT_VERIFIABLE, "position=7 expression=a LIMIT", "`a LIMIT` at byte 7 can" },
        { OUTCOME_ENCODING, "column=a = b type=INF", "column a = b holds INF" },
        { OUTCOME_ENCODING, "xcolumn=1 column=2", "column 2 holds ?" },
        { OUTCOME_ENCODING, "column", "column ? holds ?" },
        { OUTCOME_DATA_UNAVAILABLE, "root=ab asked=3",
          ": the dataset ab is not here, nor at 3 peers that were asked; publish it" },
        { OUTCOME_DATA_UNAVAILABLE, "root=ab asked=2 who=one silent, two gone",
          ", nor at 2 peers that were asked: one silent, two gone; publish it" },
        { OUTCOME_DATA_UNAVAILABLE, "root=ab searched=19",
          ": the dataset ab is not here; 19 nodes of the DHT were asked who has it; publish it" },
        { OUTCOME_DATA_UNAVAILABLE, "root=ab", ": the dataset ab is not here; publish it" },
        { OUTCOME_DATA_UNAVAILABLE, "what=rows", ": the data (rows) is not here; publish it" },
        { OUTCOME_DATA_UNAVAILABLE, "asked=3", ": the data is not here, nor at 3 peers that" },
        { OUTCOME_DATA_UNAVAILABLE, "", ": the data is not here; publish it" },
};

static void test_detail(void **state) {
        FOREACH_CASE (c, detail_cases) {
                char text[300];

                outcome_detail_text(c->error, BYTES_STR(c->detail), text, sizeof(text));
                if (!strstr(text, c->want))
                        fail_msg("`%s` is not in `%s`", c->want, text);
        }
}

static void test_faults(void **state) {
        assert_false(verdict_is_fault(VERDICT_CORRECT));
        assert_true(verdict_is_fault(VERDICT_INCORRECT));
        assert_true(verdict_is_fault(VERDICT_MALFORMED));
        assert_false(verdict_is_fault(VERDICT_HARDWARE));
        assert_false(verdict_is_fault(VERDICT_CANCELLED));
}

TEST_MAIN(cmocka_unit_test(test_tables_are_full), cmocka_unit_test(test_exit_codes),
          cmocka_unit_test(test_text), cmocka_unit_test(test_detail), cmocka_unit_test(test_faults))
