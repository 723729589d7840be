/* 1 and 1.0 are equal: where one of them is kept, nobody may ask which. */

#include "tests/unit/worker/sqlite/decisions.h"

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
        assert_decisions(creates, cases, ELEMENTSOF(cases));
}

TEST_MAIN(cmocka_unit_test(test_classes))
