/* What keeps builds that answer otherwise apart, and what bounds the analysis. */

#include <time.h>

#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "tests/unit/worker/support.h"

static const char *const tables[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INTEGER, name TEXT) STRICT",
        NULL,
};

/* Functions that came after 3.40: known, so that no build calls them exact. */
static void test_newer_functions(void **state) {
        static const char *const names[] = {
                "concat",     "concat_ws", "if",    "json_pretty", "octet_length",
                "string_agg", "timediff",  "unhex", "unistr",      "json_error_position"
        };

        FOREACH_CASE (c, names) {
                const struct function_rule *rule = function_rule_of(*c);

                assert_non_null(rule);
                assert_true(rule->effect >= FUNCTION_FLOAT);
                assert_non_null(rule->why);
        }
        assert_null(function_rule_of("load_extension"));
        assert_null(function_rule_of("sqlite_offset"));
        assert_null(function_rule_of("jsonb"));
}

/* Every name defined by every other: analysed in moments, and taken for the worst. */
static void test_many_aliases(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        struct engine_problem p = {};
        struct fixture f = {};
        clock_t start = clock();

        buffer_init(&b, 1 << 20);
        buffer_put_bytes(&b, BYTES_STR("SELECT x || 'y' FROM (SELECT a AS x"));
        for (size_t i = 0; i < 400; i++)
                buffer_put_bytes(&b, BYTES_STR(", (x || x) AS x"));
        buffer_put_bytes(&b, BYTES_STR(" FROM (SELECT a, name AS x FROM s))"));
        fixture_input(&f, "main", tables);
        fixture_open(&f);
        assert_int_equal(engine_sqlite.analyse(f.session, buffer_bytes(&b), false, &a, &p),
                         ENGINE_OK);
        print_message("# %s in %.2f s\n", engine_class_name(a.class),
                      (double) (clock() - start) / CLOCKS_PER_SEC);
        assert_true(clock() - start < 10 * CLOCKS_PER_SEC);
        fixture_done(&f);
}

static int uses_icu(const char *option) {
        return strcmp(option, "ENABLE_ICU") == 0;
}

static int uses_nothing(const char *option) {
        return 0;
}

static void test_foreign_builds(void **state) {
        assert_string_equal(sqlite_foreign_option(uses_icu), "ENABLE_ICU");
        assert_null(sqlite_foreign_option(uses_nothing));
}

TEST_MAIN(cmocka_unit_test(test_newer_functions), cmocka_unit_test(test_foreign_builds),
          cmocka_unit_test(test_many_aliases))
