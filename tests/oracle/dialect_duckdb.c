/* DuckDB: integers of several widths, a decimal and a date beside the columns that all tables have.
 */

#include "tests/oracle/generate.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct dialect dialect_duckdb = {
        .tables = LIST("CREATE TABLE t(id BIGINT NOT NULL, a BIGINT, b BIGINT NOT NULL, c VARCHAR, "
                       "d DOUBLE, e BLOB, m DECIMAL(10,2), day DATE)",
                       "CREATE TABLE u(id BIGINT NOT NULL, a INTEGER, b BIGINT NOT NULL, c VARCHAR "
                       "NOT NULL, d DOUBLE)",
                       "CREATE TABLE l(id BIGINT, a BIGINT, b BIGINT, c VARCHAR, d DOUBLE)"),
        .indexes = LIST(NULL),
        .columns = { LIST("i", "n?", "n", "t?", "r?", "b?", "m?", "y?"),
                     LIST("i", "n?", "n", "t", "r?"), LIST("i?", "n?", "n?", "t?", "s?") },
        .values = { ['n'] = LIST("-1", "0", "1", "2", "3", "4", "5", "6"),
                    ['t'] = LIST("'a'", "'A'", "'ab'", "''", "'10'", "' 7'", "'x y'", "'b'",
                                 "'\xc3\xa9'", "'2.50'"),
                    ['r'] = LIST("0.1", "0.2", "1e19", "-1e19", "1e16", "-1e16", "2.5", "3.0",
                                 "1.0000000000000002", "-0.0"),
                    ['b'] = LIST("'\\x00'::BLOB", "'ab'::BLOB", "''::BLOB"),
                    ['m'] = LIST("0.10", "12.34", "-5.00", "99999.99"),
                    ['y'] = LIST("DATE '1995-06-17'", "DATE '2000-02-29'", "DATE '1969-12-31'"),
                    ['s'] = LIST("0.1", "0.5", "3.0", "-2.25") },
        .integers = LIST("(I + I)", "(I - I)", "(I * I)", "(I % 3)", "(I // 2)", "abs(I)",
                         "length(T)", "CASE WHEN P THEN I ELSE I END", "coalesce(I, I)",
                         "nullif(I, I)", "try_cast(T AS BIGINT)", "least(I, I)", "greatest(I, I)",
                         "instr(T, T)", "(I & I)", "-I", "(SELECT count(*) FROM Q)",
                         "(SELECT max(q.a) FROM Q)", "(SELECT q.a FROM Q ORDER BY q.a LIMIT 1)",
                         "CAST(R AS BIGINT)", "sign(I)", "ascii(T)", "strlen(T)"),
        .texts = LIST("upper(T)", "lower(T)", "substr(T, 1, 2)", "substr(T, I)", "trim(T)",
                      "replace(T, 'a', 'b')", "(T || T)", "CAST(I AS VARCHAR)",
                      "CAST(R AS VARCHAR)", "CASE WHEN P THEN T ELSE T END", "coalesce(T, T)",
                      "typeof(I)", "hex(T)", "concat(T, I)", "left(T, 1)", "md5(T)", "reverse(T)",
                      "repeat(T, 2)", "chr(97)"),
        .reals = LIST("(R + R)", "(R * I)", "(I / 2)", "round(R, 1)", "CAST(I AS DOUBLE)", "abs(R)",
                      "coalesce(R, 0.5)", "sqrt(abs(I))", "ln(3.0)", "exp(29.51617717093171e0)"),
        .predicates = LIST("I = I", "I < I", "I <> I", "T = T", "T < T", "I BETWEEN I AND I",
                           "I IN (1, 2, 3)", "T LIKE 'a%'", "contains(T, 'b')", "I IS NULL",
                           "T IS NOT NULL", "(P AND P)", "(P OR P)", "NOT (P)",
                           "I IN (SELECT q.a FROM Q)", "EXISTS (SELECT 1 FROM Q)", "R < 2.5",
                           "T IN ('a', 'ab')", "I IS DISTINCT FROM I", "R < R",
                           "regexp_matches(T, '^a')"),
        .aggregates =
                LIST("count(*)", "count(I)", "count(DISTINCT T)", "sum(I)", "sum(I)", "min(I)",
                     "max(T)", "min(T)", "sum(CASE WHEN P THEN 1 ELSE 0 END)", "sum(R)", "avg(I)",
                     "string_agg(T, ',')", "string_agg(T, ',' ORDER BY T)", "list(I)", "first(I)",
                     "any_value(T)", "max(R)", "count(*) FILTER (WHERE P)", "bool_and(P)",
                     "approx_count_distinct(I)", "arg_max(T, I)", "mode(I)", "median(I)",
                     "list(I ORDER BY I)", "bit_xor(I)", "quantile_disc(I, 0.5)"),
        .windows = LIST("row_number() OVER (ORDER BY I)", "rank() OVER (ORDER BY I)",
                        "dense_rank() OVER (PARTITION BY T ORDER BY I)",
                        "sum(I) OVER (PARTITION BY I)", "sum(I) OVER (ORDER BY I)",
                        "count(*) OVER (PARTITION BY T)", "lag(I) OVER (ORDER BY I)",
                        "first_value(T) OVER (ORDER BY I)",
                        "sum(I) OVER (ORDER BY I ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
                        "sum(R) OVER (ORDER BY I)", "max(I) OVER (PARTITION BY T)",
                        "ntile(2) OVER (ORDER BY I)"),
};
