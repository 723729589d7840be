/* Names that are an alias and a column, too: SQLite takes the alias where it is all of an ORDER BY
 * term, and the column in GROUP BY, HAVING and expressions. Each was tried with SQLite. */

#include "tests/unit/worker/sqlite/decisions.h"

static const char *const creates[] = {
        "CREATE TABLE s(g INTEGER, v INTEGER, \"odd name\" INTEGER) STRICT",
        "CREATE TABLE l(x INTEGER) STRICT",
        "CREATE VIEW fine AS SELECT g % 2 AS k, count(*) AS n FROM s GROUP BY k",
        "CREATE VIEW bare AS SELECT g, max(v) AS v FROM s GROUP BY g HAVING v > 6",
        NULL,
};

#define BARE "a column beside aggregates"

static const struct decision cases[] = {
        { "SELECT g, max(v) AS v FROM s GROUP BY g HAVING v > 6", ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, max(v) AS \"v\" FROM s GROUP BY g HAVING 6 < V", ENGINE_REFUSED, BARE, "V" },
        { "SELECT g, max(v) AS v FROM s AS t GROUP BY g HAVING v > 6", ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, max(v) AS k FROM (SELECT g, v, v % 2 AS k FROM s) GROUP BY g HAVING k > 6",
          ENGINE_REFUSED, BARE, "k" },
        { "WITH c AS (SELECT g AS k, v FROM s) SELECT max(v) AS k FROM c GROUP BY v % 2 HAVING k>1",
          ENGINE_REFUSED, BARE, "k" },
        { "SELECT n FROM (WITH c AS (SELECT g AS k, v FROM s) SELECT max(v) AS k, count(*) AS n "
          "FROM c GROUP BY v % 2 HAVING k>1)",
          ENGINE_REFUSED, BARE, "k" },
        { "SELECT g % 2 AS rowid, count(*) FROM s GROUP BY rowid", ENGINE_REFUSED, BARE, "g" },
        { "SELECT v % 2 AS g, count(*) FROM s GROUP BY g", ENGINE_REFUSED, BARE, "v" },
        { "SELECT v % 2 AS \"odd name\", count(*) FROM s GROUP BY \"odd name\"", ENGINE_REFUSED,
          BARE, "v" },
        { "SELECT v % 2 AS x, count(*) FROM s JOIN l ON s.g = l.x GROUP BY x", ENGINE_REFUSED, BARE,
          "v" },
        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY v + 0", ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY 1, +v", ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY abs(v)", ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY v COLLATE BINARY || 'x'",
          ENGINE_REFUSED, BARE, "v" },
        { "SELECT g, v FROM bare", ENGINE_REFUSED, BARE, "v" },

        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY v", ENGINE_ORDERED, NULL },
        { "SELECT g, -max(v) AS v FROM s GROUP BY g ORDER BY v COLLATE BINARY DESC NULLS LAST, g",
          ENGINE_ORDERED, NULL },
        { "SELECT g % 2 AS g, count(*) FROM s GROUP BY g", ENGINE_EXACT, NULL },
        { "SELECT max(v) AS g, count(*) FROM s GROUP BY g HAVING g > 1", ENGINE_EXACT, NULL },
        { "SELECT g % 2 AS k, count(*) FROM s GROUP BY k HAVING k > 0", ENGINE_EXACT, NULL },
        { "SELECT g % 2 AS k, max(v) AS m FROM s GROUP BY k HAVING m > 0 ORDER BY m + k",
          ENGINE_ORDERED, NULL },
        { "SELECT g % 2 AS x, (SELECT max(x) FROM l) AS y FROM s GROUP BY x", ENGINE_EXACT, NULL },
        { "SELECT x FROM l WHERE x IN (SELECT g % 2 AS x FROM s GROUP BY x)", ENGINE_EXACT, NULL },
        { "WITH c AS (SELECT g AS k, v FROM s) SELECT k % 2 AS m, sum(v) FROM c GROUP BY m",
          ENGINE_EXACT, NULL },
        { "SELECT 1 AS a, count(*) AS n GROUP BY a", ENGINE_EXACT, NULL },
        { "SELECT k, n FROM fine", ENGINE_EXACT, NULL },
};

static void test_classes(void **state) {
        assert_decisions(creates, cases, ELEMENTSOF(cases));
}

TEST_MAIN(cmocka_unit_test(test_classes))
