/* What both engines answer alike (services/worker/portable.h), and a little of what they do not. */

#include "tests/oracle/generate.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct dialect dialect_portable = {
        .tables = LIST("CREATE TABLE t(id BIGINT, a BIGINT, b BIGINT, c VARCHAR, d BIGINT)",
                       "CREATE TABLE u(id BIGINT, a BIGINT, b BIGINT, c VARCHAR, d BIGINT)",
                       "CREATE TABLE l(id BIGINT, a BIGINT, b BIGINT, c VARCHAR, d BIGINT)"),
        .columns = { LIST("i", "n?", "n", "t?", "r?"), LIST("i", "n?", "n", "t", "r"),
                     LIST("i", "n?", "n", "t?", "r?") },
        .values = { ['n'] = LIST("-1", "0", "1", "2", "3", "4", "5", "6"),
                    ['t'] = LIST("'a'", "'A'", "'ab'", "'b%'", "'10'", "'x y'", "'\xc3\xa9'",
                                 "'2.50'", "'Z'"),
                    ['r'] = LIST("0", "-7", "1000000007", "9007199254740993",
                                 "-9007199254740993") },
        .integers = LIST("(I + I)", "(I - I)", "(I * I)", "abs(I)", "length(T)",
                         "CASE WHEN P THEN I ELSE I END", "coalesce(I, I)", "nullif(I, I)", "-I",
                         "CAST(I AS BIGINT)", "(I % I)"),
        .texts = LIST("replace(T, 'a', 'b')", "(T || T)", "CAST(I AS TEXT)",
                      "CASE WHEN P THEN T ELSE T END", "coalesce(T, T)", "nullif(T, 'a')",
                      "CAST(T AS VARCHAR)", "upper(T)"),
        .reals = LIST("(R + I)", "(R - R)", "coalesce(R, 3)"),
        .predicates = LIST("I = I", "I < I", "I <> I", "T = T", "T < T", "I BETWEEN I AND I",
                           "I IN (1, 2, 3)", "I IS NULL", "T IS NOT NULL", "(P AND P)", "(P OR P)",
                           "NOT (P)", "I IN (SELECT q.a FROM Q)", "EXISTS (SELECT 1 FROM Q)",
                           "R < 25", "T IN ('a', 'ab')", "R >= R", "T <> 'a'"),
        .aggregates = LIST("count(*)", "count(I)", "count(DISTINCT T)", "sum(I)", "sum(I)",
                           "min(I)", "max(T)", "min(T)", "sum(CASE WHEN P THEN 1 ELSE 0 END)",
                           "sum(R)", "max(R)", "count(DISTINCT I)"),
        .windows = LIST("count(*) OVER (PARTITION BY T)"),
};
