/* SQLite: two STRICT tables and one that takes anything. */

#include "tests/oracle/generate.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct dialect dialect_sqlite = {
        .tables = LIST("CREATE TABLE t(id INTEGER NOT NULL, a INTEGER, b INTEGER NOT NULL, c TEXT, "
                       "d REAL, e BLOB) STRICT",
                       "CREATE TABLE u(id INTEGER NOT NULL, a INTEGER, b INTEGER NOT NULL, c TEXT "
                       "NOT NULL, d REAL) STRICT",
                       "CREATE TABLE l(id INTEGER, a INTEGER, b, c TEXT, d REAL)"),
        .indexes = LIST("CREATE UNIQUE INDEX t_id ON t(id)", "CREATE INDEX t_a ON t(a, b)",
                        "CREATE INDEX t_c ON t(c DESC)", "CREATE INDEX t_d ON t(d)",
                        "CREATE INDEX u_ab ON u(b, a, c, d)", "CREATE INDEX u_c ON u(c)",
                        "CREATE INDEX l_a ON l(a)", "CREATE INDEX l_cover ON l(c, b, a, d)"),
        .columns = { LIST("i", "n?", "n", "t?", "r?", "b?"), LIST("i", "n?", "n", "t", "r?"),
                     LIST("i?", "n?", "x", "t?", "r?") },
        .values = { ['n'] = LIST("-1", "0", "1", "2", "3", "4", "5", "6"),
                    ['t'] = LIST("'a'", "'A'", "'ab'", "''", "'10'", "' 7'", "'x y'", "'b'",
                                 "'\xc3\xa9'", "'2.50'"),
                    ['r'] = LIST("0.1", "0.2", "1e19", "-1e19", "1e16", "-1e16", "2.5", "3.0",
                                 "1.0000000000000002", "-0.0"),
                    ['x'] = LIST("1", "2", "'1'", "0.5", "x'00'", "'a'", "NULL"),
                    ['b'] = LIST("x'00'", "x'6162'", "x''") },
        .integers =
                LIST("(I + I)", "(I - I)", "(I * I)", "(I % I)", "(I / I)", "abs(I)", "length(T)",
                     "CASE WHEN P THEN I ELSE I END", "coalesce(I, I)", "nullif(I, I)",
                     "CAST(T AS INTEGER)", "min(I, I)", "max(I, I)", "instr(T, T)", "(I & I)",
                     "(I << 1)", "-I", "(SELECT count(*) FROM Q)", "(SELECT max(q.a) FROM Q)",
                     "(SELECT q.a FROM Q)", "(SELECT q.a FROM Q ORDER BY q.a LIMIT 1)",
                     "CAST(R AS INTEGER)", "iif(P, I, I)", "sign(I)"),
        .texts = LIST("upper(T)", "lower(T)", "substr(T, 1, 2)", "substr(T, I)", "trim(T)",
                      "replace(T, 'a', 'b')", "(T || T)", "CAST(I AS TEXT)", "CAST(R AS TEXT)",
                      "CASE WHEN P THEN T ELSE T END", "coalesce(T, T)", "typeof(I)", "hex(T)",
                      "quote(I)", "printf('%d', I)", "(I || T)", "(R || T)", "char(97, 98)"),
        .reals = LIST("(R + R)", "(R * I)", "(I / 2.0)", "round(R, 1)", "CAST(I AS REAL)", "abs(R)",
                      "coalesce(R, 0.5)", "CAST(T AS REAL)"),
        .predicates =
                LIST("I = I", "I < I", "I <> I", "T = T", "T < T", "I BETWEEN I AND I",
                     "I IN (1, 2, 3)", "T LIKE 'a%'", "T GLOB '*b*'", "I IS NULL", "T IS NOT NULL",
                     "(P AND P)", "(P OR P)", "NOT (P)", "I IN (SELECT q.a FROM Q)",
                     "EXISTS (SELECT 1 FROM Q)", "R < 2.5", "T IN ('a', 'ab')", "I = T", "R < R"),
        .aggregates = LIST("count(*)", "count(I)", "count(DISTINCT T)", "sum(I)", "sum(I)",
                           "min(I)", "max(T)", "min(T)", "sum(CASE WHEN P THEN 1 ELSE 0 END)",
                           "sum(R)", "avg(I)", "total(I)", "group_concat(T)",
                           "group_concat(DISTINCT T)", "max(R)", "count(*) FILTER (WHERE P)"),
        .windows = LIST("row_number() OVER (ORDER BY I)", "rank() OVER (ORDER BY I)",
                        "dense_rank() OVER (PARTITION BY T ORDER BY I)",
                        "sum(I) OVER (PARTITION BY I)", "sum(I) OVER (ORDER BY I)",
                        "count(*) OVER (PARTITION BY T)", "lag(I) OVER (ORDER BY I)",
                        "first_value(T) OVER (ORDER BY I)",
                        "sum(I) OVER (ORDER BY I ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
                        "sum(R) OVER (ORDER BY I)", "max(I) OVER (PARTITION BY T)"),
};
