/* 1 and 1.0 are equal: where one of them is kept, nobody may ask which. */

#include "tests/unit/worker/decisions.h"
#include "tests/unit/worker/support.h"

static const char *const creates[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INT, name TEXT, \"any\" ANY) STRICT",
        "CREATE TABLE l(id INTEGER PRIMARY KEY, x)",
        "CREATE VIEW vmax AS SELECT max(x) AS m FROM l",
        "CREATE VIEW vtype AS SELECT typeof(x) AS t FROM l",
        NULL,
};

#define CHOSEN "which is kept"

static const struct decision cases[] = {
        { "SELECT typeof(max(x)) FROM l", ENGINE_FLOAT, CHOSEN, "typeof(max(x))" },
        { "SELECT typeof(\"min\"(x)) FROM l", ENGINE_FLOAT, CHOSEN },
        { "SELECT typeof(\"any\"), count(*) FROM s GROUP BY \"any\"", ENGINE_FLOAT, CHOSEN,
          "typeof(\"any\")" },
        { "SELECT typeof(y) FROM (SELECT DISTINCT x AS y FROM l)", ENGINE_FLOAT, CHOSEN,
          "typeof(y)" },
        { "SELECT typeof(y) FROM (SELECT x AS y FROM l UNION SELECT \"any\" FROM s)", ENGINE_FLOAT,
          CHOSEN },
        { "WITH c(y) AS (SELECT x FROM l GROUP BY x) SELECT 'a' || typeof(y) FROM c", ENGINE_FLOAT,
          CHOSEN },
        { "SELECT typeof(m) FROM vmax", ENGINE_FLOAT, CHOSEN },
        { "SELECT DISTINCT t FROM vtype", ENGINE_FLOAT, CHOSEN },

        { "SELECT typeof(x) FROM l", ENGINE_EXACT, NULL },
        { "SELECT typeof(\"any\") FROM s WHERE a IS NOT DISTINCT FROM 3", ENGINE_EXACT, NULL },
        { "SELECT typeof(max(a)), typeof(min(name)) FROM s", ENGINE_EXACT, NULL },
        { "SELECT typeof(name), count(*) FROM s GROUP BY name", ENGINE_EXACT, NULL },
        { "SELECT DISTINCT typeof(a) FROM s", ENGINE_EXACT, NULL },
};

static void test_classes(void **state) {
        struct fixture f = {};
        size_t n_wrong = 0;

        fixture_input(&f, "main", creates);
        fixture_open(&f);
        FOREACH_CASE (c, cases) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                int r = engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &a, &p);

                if (is_as_said(c, r, &a))
                        continue;
                n_wrong++;
                print_wrong(c, r, &a, &p);
        }
        assert_int_equal(n_wrong, 0);
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_classes))
