/* What subqueries take from a group around them, and which row is taken of theirs. */

#include "tests/unit/worker/sqlite/decisions.h"

static const char *const creates[] = {
        "CREATE TABLE s(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INT, name TEXT) STRICT",
        "CREATE TABLE l(id INTEGER PRIMARY KEY, x INT, name TEXT) STRICT",
        "CREATE VIEW v AS SELECT count(*) AS n, (SELECT max(x) FROM l) AS m FROM s",
        "CREATE VIEW vbare AS SELECT count(*) AS n, (SELECT count(*) FROM l WHERE x = a) AS m "
        "FROM s",
        "CREATE VIEW vwith(n) AS WITH c AS (SELECT x AS y FROM l) SELECT count(*) + (SELECT max(y) "
        "FROM c) FROM s",
        NULL,
};
/* Beside `creates`: l has a column here that it has not there. */
static const char *const others[] = {
        "CREATE TABLE l(id INTEGER PRIMARY KEY, x INT, a INT) STRICT",
        NULL,
};

#define BARE  "a column beside aggregates"
#define FIRST "which is first"

static const struct decision cases[] = {
        /* a column of any row of the group */
        { "SELECT count(*), (SELECT count(*) FROM l WHERE l.id = s.a) FROM s", ENGINE_REFUSED, BARE,
          "s" },
        { "SELECT count(*), (SELECT count(*) FROM l WHERE id = a) FROM s", ENGINE_REFUSED, BARE,
          "a" },
        { "SELECT name, EXISTS (SELECT 1 FROM l WHERE l.id = s.a), count(*) FROM s GROUP BY name",
          ENGINE_REFUSED, BARE, "s" },
        { "SELECT name, 3 IN (SELECT x + \"b\" FROM l), count(*) FROM s GROUP BY name",
          ENGINE_REFUSED, BARE, "\"b\"" },
        { "SELECT count(*) FROM s GROUP BY name HAVING 1 < (SELECT count(*) FROM l WHERE x = a)",
          ENGINE_REFUSED, BARE, "a" },
        { "SELECT count(*) FROM s GROUP BY name ORDER BY (SELECT count(*) FROM l WHERE x = a)",
          ENGINE_REFUSED, BARE, "a" },
        { "SELECT count(*), (SELECT (SELECT max(x) FROM l WHERE l.id > t.id AND x > s.a) FROM s t "
          "WHERE t.id = 1) FROM s GROUP BY b",
          ENGINE_REFUSED, BARE },
        { "SELECT a, count(*), (SELECT max(x) FROM l WHERE id = a AND x > b) FROM s GROUP BY a",
          ENGINE_REFUSED, BARE, "b" },
        { "SELECT count(*), (WITH c AS (SELECT 1 AS one) SELECT max(one + a) FROM c) FROM s",
          ENGINE_REFUSED, BARE, "a" },
        { "SELECT count(*), (VALUES (a)) FROM s", ENGINE_REFUSED, BARE, "a" },
        { "SELECT m FROM vbare", ENGINE_REFUSED, BARE, "a" },

        /* an aggregate of the query around it */
        { "SELECT (SELECT max(s.a)), b FROM s", ENGINE_REFUSED, BARE, "b" },
        { "SELECT b, (SELECT max(s.a) FROM l) FROM s", ENGINE_REFUSED, BARE, "b" },
        { "SELECT (SELECT max((SELECT x FROM l WHERE l.id = s.a))), b FROM s", ENGINE_REFUSED, BARE,
          "b" },
        { "SELECT (SELECT max(s.a)) FROM s", ENGINE_EXACT, NULL },
        { "SELECT name, (SELECT max(s.a) + 1) FROM s GROUP BY name", ENGINE_EXACT, NULL },
        { "SELECT b, (SELECT count(*) FROM l WHERE x = a) FROM s", ENGINE_EXACT, NULL },
        { "SELECT b, (SELECT sum(CASE WHEN x > a THEN x END) FROM l) FROM s", ENGINE_EXACT, NULL },
        { "SELECT b, (SELECT max(x) FROM l WHERE l.id = s.a) FROM s", ENGINE_EXACT, NULL },

        /* the first of several rows */
        { "SELECT (WITH c AS (SELECT 1) SELECT a FROM s)", ENGINE_FLOAT, FIRST, "SELECT" },
        { "SELECT id FROM l WHERE x = (WITH c(k) AS (SELECT a FROM s), d AS (SELECT k FROM c) "
          "SELECT k FROM d)",
          ENGINE_FLOAT, FIRST, "SELECT" },
        { "SELECT (WITH c AS (VALUES (1)) SELECT max(a) FROM s GROUP BY b)", ENGINE_FLOAT, FIRST,
          "SELECT" },
        { "SELECT (VALUES (1) UNION SELECT max(a) FROM s)", ENGINE_FLOAT, FIRST, "SELECT" },
        { "SELECT (SELECT max(a) FROM s UNION SELECT max(x) FROM l)", ENGINE_FLOAT, FIRST,
          "SELECT" },
        { "SELECT (WITH c AS (SELECT a FROM s) SELECT max(a) FROM c)", ENGINE_EXACT, NULL },
        { "SELECT EXISTS (WITH c AS (SELECT 1) SELECT a FROM s)", ENGINE_EXACT, NULL },
        { "SELECT a FROM s WHERE a IN (WITH c AS (SELECT x FROM l) SELECT x FROM c)", ENGINE_EXACT,
          NULL },
        { "SELECT y FROM (WITH c AS (SELECT x AS y FROM l) SELECT y FROM c)", ENGINE_EXACT, NULL },
        { "WITH d AS (WITH c AS (SELECT x AS y FROM l) SELECT y FROM c) SELECT y FROM d",
          ENGINE_EXACT, NULL },

        /* nothing of a row of the group */
        { "SELECT count(*), (SELECT max(x) FROM l) FROM s", ENGINE_EXACT, NULL },
        { "SELECT name, sum(a) FROM s GROUP BY name HAVING sum(a) > (SELECT sum(x) FROM l)",
          ENGINE_EXACT, NULL },
        { "SELECT count(*), (SELECT max(a) FROM s) FROM s", ENGINE_EXACT, NULL },
        { "SELECT count(*), EXISTS (SELECT * FROM l JOIN s ON l.id = s.a WHERE b > 2) FROM s",
          ENGINE_EXACT, NULL },
        { "WITH c AS (SELECT x AS y FROM l) SELECT count(*), (SELECT max(y) FROM c) FROM s",
          ENGINE_EXACT, NULL },
        { "WITH c AS (SELECT x AS y FROM l), d AS (SELECT count(*) AS n, (SELECT max(y) FROM c) AS "
          "m FROM s) SELECT n, m FROM d",
          ENGINE_EXACT, NULL },
        { "SELECT n FROM (WITH c AS (SELECT x AS y FROM l) SELECT count(*) + (SELECT max(y) FROM "
          "c) AS n FROM s)",
          ENGINE_EXACT, NULL },
        { "SELECT m, n FROM v", ENGINE_EXACT, NULL },
        { "SELECT n FROM vwith", ENGINE_EXACT, NULL },

        /* nothing but what is grouped by */
        { "SELECT a, count(*), (SELECT count(*) FROM l WHERE l.id = s.a) FROM s GROUP BY a",
          ENGINE_EXACT, NULL },
        { "SELECT a, count(*), (SELECT count(*) FROM l WHERE l.id = a) FROM s GROUP BY s.a",
          ENGINE_EXACT, NULL },
        { "SELECT a, EXISTS (SELECT 1 FROM l WHERE l.id = s.a AND x = s.b) FROM s GROUP BY 1, b",
          ENGINE_EXACT, NULL },
        { "SELECT (SELECT count(*) FROM l WHERE l.id = s.a) AS n, count(*) FROM s GROUP BY n",
          ENGINE_EXACT, NULL },
        { "SELECT a, (SELECT max(x) FROM l WHERE x > a AND name IN (SELECT name FROM s t WHERE t.a "
          "= s.a)) FROM s GROUP BY a",
          ENGINE_EXACT, NULL },
};

static void test_classes(void **state) {
        assert_decisions(creates, cases, ELEMENTSOF(cases));
}

/* Which table a view means is not told by its text when several databases have one. */
static void test_views(void **state) {
        static const struct decision views[] = {
                { "SELECT m, n FROM one.v", ENGINE_REFUSED, BARE },
                { "SELECT n FROM one.vbare", ENGINE_REFUSED, BARE },
                { "SELECT count(*), (SELECT count(*) FROM two.l WHERE x = a) FROM s", ENGINE_EXACT,
                  NULL },
                { "SELECT count(*), (SELECT count(*) FROM one.l WHERE x = a) FROM s",
                  ENGINE_REFUSED, BARE, "a" },
        };
        struct fixture f = {};

        fixture_input(&f, "one", creates);
        fixture_input(&f, "two", others);
        fixture_open(&f);
        assert_int_equal(count_wrong(&f, views, ELEMENTSOF(views)), 0);
        fixture_done(&f);
}

/* However many there are, the answer comes in time, and is to the careful side. */
static void test_many(void **state) {
        static const char one[] = ", (SELECT count(*) FROM l WHERE id = a)";
        char sql[16384] = "SELECT a", *end = sql + strlen(sql);
        CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
        struct engine_problem p = {};
        struct fixture f = {};

        for (size_t i = 0; i < 300; i++)
                end += snprintf(end, sizeof(one), "%s", one);
        (void) snprintf(end, 32, " FROM s GROUP BY a");
        fixture_input(&f, "main", creates);
        fixture_open(&f);
        assert_int_equal(engine_sqlite.analyse(f.session, BYTES_STR(sql), false, &a, &p),
                         ENGINE_OK);
        assert_int_equal(a.class, ENGINE_REFUSED);
        assert_true(has_finding(&a, BARE, "("));
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_classes), cmocka_unit_test(test_views), cmocka_unit_test(test_many))
