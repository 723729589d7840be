/* Words that SQLite takes for keywords or for names, by where they stand. Each was tried with
 * SQLite: what is refused here differs with the order of the rows there. */

#include "tests/unit/worker/sqlite/decisions.h"

static const char *const creates[] = {
        "CREATE TABLE s(g INTEGER, v INTEGER, match INTEGER, offset INTEGER, over INTEGER, filter "
        "INTEGER, window INTEGER, \"desc\" INTEGER, partition INTEGER, end INTEGER, \"by\" "
        "INTEGER, like INTEGER, glob INTEGER, r REAL, nulls REAL, "
        "true INTEGER) STRICT",
        "CREATE TABLE l(x INTEGER) STRICT",
        NULL,
};

#define BARE "a column beside aggregates"

static const struct decision cases[] = {
        /* no FROM clause */
        { "SELECT count(*), 7 IS DISTINCT FROM v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT count(*), 7 IS NOT DISTINCT FROM v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT 1 IS DISTINCT FROM count(*), v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT 1 IS DISTINCT FROM max(v) AS v FROM s GROUP BY g HAVING v > 6", ENGINE_REFUSED,
          BARE, "v" },
        { "SELECT 1 IS DISTINCT FROM (SELECT x FROM l)", ENGINE_FLOAT,
          "of several rows of a subquery", "SELECT" },
        { "SELECT count(*), 7 IS DISTINCT FROM max(v) FROM s", ENGINE_EXACT, NULL },
        { "SELECT g, 7 IS DISTINCT FROM g FROM s GROUP BY g", ENGINE_EXACT, NULL },

        /* no WINDOW clause */
        { "SELECT count(*) AS window FROM s GROUP BY g HAVING v > 6", ENGINE_REFUSED, BARE, "v" },
        { "SELECT max(v) AS m FROM s window JOIN l ON g=x GROUP BY x HAVING v > 6", ENGINE_REFUSED,
          BARE, "v" },
        { "SELECT max(v) window, v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT max(v) OVER w FROM s WINDOW w AS (PARTITION BY g)", ENGINE_EXACT, NULL },

        /* no window function */
        { "SELECT max(g) over, v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT max(g) over FROM s GROUP BY match HAVING v > 6", ENGINE_REFUSED, BARE, "v" },
        { "SELECT max(g) FILTER (WHERE 1) over, v FROM s", ENGINE_REFUSED, BARE, "v" },
        { "SELECT v, max(g) OVER (PARTITION BY match) FROM s", ENGINE_EXACT, NULL },

        /* columns */
        { "SELECT count(*), match FROM s", ENGINE_REFUSED, BARE, "match" },
        { "SELECT count(*), NOT match FROM s", ENGINE_REFUSED, BARE, "match" },
        { "SELECT count(*), (offset) FROM s", ENGINE_REFUSED, BARE, "offset" },
        { "SELECT count(*), over FROM s", ENGINE_REFUSED, BARE, "over" },
        { "SELECT count(*), 1 + filter FROM s", ENGINE_REFUSED, BARE, "filter" },
        { "SELECT count(*), window FROM s", ENGINE_REFUSED, BARE, "window" },
        { "SELECT count(*), desc FROM s", ENGINE_REFUSED, BARE, "desc" },
        { "SELECT count(*), partition FROM s", ENGINE_REFUSED, BARE, "partition" },
        { "SELECT count(*), end FROM s", ENGINE_REFUSED, BARE, "end" },
        { "SELECT count(*), by FROM s", ENGINE_REFUSED, BARE, "by" },
        { "SELECT count(*), like FROM s", ENGINE_REFUSED, BARE, "like" },
        { "SELECT count(*), glob FROM s", ENGINE_REFUSED, BARE, "glob" },
        { "SELECT count(*), CASE WHEN end THEN 1 END FROM s", ENGINE_REFUSED, BARE, "end" },
        { "SELECT max(v) FROM s GROUP BY g HAVING 1 < offset", ENGINE_REFUSED, BARE, "offset" },
        { "SELECT count(*), true FROM s", ENGINE_REFUSED, "called true or false", "true" },
        { "SELECT count(*), true FROM (SELECT v AS true FROM s)", ENGINE_REFUSED,
          "called true or false", "true" },
        { "SELECT count(*), true, max(v) IS FALSE FROM l, (SELECT v FROM s)", ENGINE_EXACT, NULL },
        { "SELECT match, count(*) FROM s GROUP BY match", ENGINE_EXACT, NULL },
        { "SELECT match, offset, desc FROM s", ENGINE_EXACT, NULL },
        { "SELECT offset, count(*) FROM s GROUP BY offset ORDER BY offset DESC NULLS LAST",
          ENGINE_ORDERED, NULL },
        { "SELECT max(g) NOT LIKE 'a' ESCAPE 'b', CASE max(g) WHEN 1 THEN 2 END FROM s",
          ENGINE_EXACT, NULL },
        { "SELECT sum(nulls) FROM s", ENGINE_FLOAT, "a sum of REAL", "sum(nulls)" },
        { "SELECT sum(partition) FROM s", ENGINE_EXACT, NULL },
};

static void test_classes(void **state) {
        assert_decisions(creates, cases, ELEMENTSOF(cases));
}

TEST_MAIN(cmocka_unit_test(test_classes))
