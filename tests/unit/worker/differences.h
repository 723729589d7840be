#pragma once

/* Where SQLite and DuckDB were measured to answer differently: each is to be kept from being
 * compared across engines, by both analyses, with a reason. A query over no table, so that one
 * text serves both. */

struct difference {
        const char *sql, *sqlite, *duckdb; /* parts of why it is not portable */
};

static const struct difference differences[] = {
        /* 2 and 2.5; NULL and an error, or infinity; a remainder, and an operator that is none */
        { "SELECT 5 / 2 AS n", "read differently", "read differently" },
        { "SELECT 1 / 0 AS n", "read differently", "read differently" },
        { "SELECT 7 % -3 AS n", "read differently", "read differently" },
        { "SELECT 7 %-3 AS n", "read differently", "rule=%-" },
        /* 0.0 and -0.0; 0.3 and 0.30000000000000004 */
        { "SELECT -0.0 AS y", "not an integer", "not an integer" },
        { "SELECT 0.1 + 0.2 AS y", "not an integer", "not an integer" },
        /* true and false */
        { "SELECT 1 AS n FROM (SELECT 'x' AS x) AS q WHERE x LIKE x", "a word", "a function" },
        { "SELECT 1 AS n FROM (SELECT 'x' AS x) AS q WHERE x LIKE 'X'", "a text where",
          "a text where" },
        /* letters beyond ASCII */
        { "SELECT lower('\xc3\x89') AS s", "a function", "its class" },
        { "SELECT upper('\xc3\x9f') AS s", "a function", "its class" },
        /* REAL, an error, more than 64 bits */
        { "SELECT 9223372036854775807 + 1 AS n", "two large numbers", "two large numbers" },
        { "SELECT sum(n) * 2 AS n FROM (SELECT 9223372036854775807 AS n) AS q", "beside a sum",
          "beside a sum" },
        /* 2 and 3 */
        { "SELECT CAST(2.5 AS BIGINT) AS n", "not an integer", "not an integer" },
        { "SELECT CAST('2.5' AS BIGINT) AS n", "two kinds", "two kinds" },
        /* 2 and an error */
        { "SELECT '1' + 1 AS n", "its class", "" },
        { "SELECT 1 AS n FROM (SELECT 1 AS x) AS q WHERE x = '1'", "two kinds", "two kinds" },
        /* NULL first, and last */
        { "SELECT x FROM (SELECT 1 AS x) AS q ORDER BY 1", "without NULLS FIRST",
          "without NULLS FIRST" },
        /* 1.01 and 1.0 */
        { "SELECT round(x, 2) AS y FROM (SELECT 1 AS x) AS q", "its class", "a function" },
        /* positions before the first character */
        { "SELECT substr(x, 0, 2) AS s FROM (SELECT 'abc' AS x) AS q", "a function", "a function" },
        /* a number and a BOOLEAN */
        { "SELECT x > 3 AS y FROM (SELECT 1 AS x) AS q", "neither INTEGER nor TEXT", "a result" },
        { "SELECT 1 AS n, true AS y", "a word", "a CAST" },
        { "SELECT x AS s FROM (SELECT x'00' AS x) AS q", "a text where", "a text where" },
};
