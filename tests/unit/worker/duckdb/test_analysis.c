/* Each decision of the analysis: class and the reason it names. */

#include "tests/support/parquet.h"
#include "tests/unit/worker/differences.h"
#include "tests/unit/worker/duckdb/analysis_support.h"
#include "tests/unit/worker/duckdb/statements.h"

static struct fixture fixture;
static struct buffer schemas[2];
static struct bytes files[2]; /* with the same columns */

static int analyse(const char *sql, bool no_rewrite, struct engine_analysis *a,
                   struct engine_problem *p) {
        return engine_duckdb.analyse(fixture.session, BYTES_STR(sql), no_rewrite, a, p);
}

static void test_classes(void **state) {
        size_t n_wrong = 0;

        for (size_t i = 0; i < n_duckdb_decisions; i++) {
                const struct decision *c = &duckdb_decisions[i];
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                int r = analyse(c->sql, false, &a, &p);

                if (is_as_said(c, r, &a))
                        continue;
                n_wrong++;
                print_wrong(c, r, &a, &p);
        }
        print_message("# %zu statements, %zu wrong\n", n_duckdb_decisions, n_wrong);
        assert_int_equal(n_wrong, 0);
}

static void test_forbidden(void **state) {
        size_t n_wrong = 0;

        for (size_t i = 0; i < n_duckdb_forbidden; i++) {
                const struct forbidden *c = &duckdb_forbidden[i];
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                int r = analyse(c->sql, false, &a, &p);

                if (r == ENGINE_E_PROBLEM && p.outcome == OUTCOME_REFUSED &&
                    strstr(p.detail, c->rule) && strstr(p.text, c->why))
                        continue;
                n_wrong++;
                print_message("# %s -> %d %u %s %s, not %s %s\n", c->sql, r, p.outcome, p.detail,
                              p.text, c->rule, c->why);
        }
        assert_int_equal(n_wrong, 0);
}

/* What is dispatched analyses to the same class again, and is not rewritten again. */
static void test_rewrite_is_stable(void **state) {
        for (size_t i = 0; i < n_duckdb_decisions; i++) {
                const struct decision *c = &duckdb_decisions[i];
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {}, b = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_OK);
                assert_int_equal(analyse(a.rewrite, true, &b, &p), ENGINE_OK);
                assert_string_equal(a.rewrite, b.rewrite);
                assert_int_equal(a.class, b.class);
                assert_int_equal(a.is_ordered, b.is_ordered);
                assert_bytes_equal(buffer_bytes(&a.schema), buffer_bytes(&b.schema));
        }
}

static void test_no_rewrite(void **state) {
        static const struct {
                const char *sql;
                enum engine_class class;
                bool is_ordered;
        } asked[] = {
                { "SELECT a, c FROM t ORDER BY a", ENGINE_EXACT, false },
                { "SELECT a, c FROM t ORDER BY a LIMIT 3", ENGINE_REFUSED, false },
                { "SELECT a, c FROM t ORDER BY a, 1, 2 LIMIT 3", ENGINE_ORDERED, true },
                { "SELECT a, c FROM t ORDER BY c, a LIMIT 3", ENGINE_ORDERED, true },
                { "SELECT a, iv FROM t ORDER BY ALL", ENGINE_EXACT, false },
                { "SELECT now()", ENGINE_REFUSED, false },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                assert_int_equal(analyse(c->sql, true, &a, &p), ENGINE_OK);
                assert_int_equal(a.class, c->class);
                assert_int_equal(a.is_ordered, c->is_ordered);
                assert_string_equal(a.rewrite, c->sql);
        }
}

static void test_types(void **state) {
        static const struct {
                const char *sql, *types[4];
        } asked[] = {
                { "SELECT id, c, r, d FROM t", { "INTEGER", "TEXT", "REAL", "DECIMAL(10,2)" } },
                { "SELECT sum(d), sum(id), avg(id), count(*) FROM t",
                  { "DECIMAL(38,2)", "INTEGER", "REAL", "INTEGER" } },
                { "SELECT ls, iv, a > 3, NULL FROM t ORDER BY a",
                  { "LIST(INTEGER)", "INTERVAL", "INTEGER", "INTEGER" } },
                { "SELECT CAST(? AS DECIMAL(8,3)), current_date", { "DECIMAL(8,3)", "DATE" } },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                CLEANUP(schema_freep) struct schema *schema = NULL;
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_OK);
                assert_int_equal(schema_decode(buffer_bytes(&a.schema), &schema), SCHEMA_OK);
                for (size_t i = 0; i < schema->n_columns; i++) {
                        char text[64];

                        assert_string_equal(
                                schema_type_text(schema->columns[i], text, sizeof(text)),
                                c->types[i]);
                }
        }
}

/* Aggregates and windows have no place in DuckDB's plans, yet reasons name one. */
static void test_positions(void **state) {
        static const struct {
                const char *sql;
                int32_t position;
        } asked[] = {
                { "SELECT sum(a), sum(r), sum(b) FROM t", 15 },
                { "SELECT a, a / b FROM t", 12 },
                { "SELECT id, row_number() OVER (ORDER BY a) FROM t", 11 },
                { "SELECT a FROM t WHERE c = 1", 22 },
                { "SELECT a FROM t ORDER BY b DESC, random()", 33 },
                { "SELECT a FROM t LIMIT 3", 22 },
                { "SELECT a FROM t, (SELECT first(b) FROM t)", 25 },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_OK);
                assert_int_equal(a.findings[0].position, c->position);
        }
}

static void test_errors(void **state) {
        static const struct {
                const char *sql;
                uint32_t sql_error;
                int32_t position;
        } asked[] = {
                { "SELEC 1", SQL_PARSE, 0 },
                { "SELECT a, FROM", SQL_PARSE, 14 },
                { "SELECT nothere FROM t", SQL_UNKNOWN_NAME, 7 },
                { "SELECT a FROM nothere", SQL_UNKNOWN_NAME, 14 },
                { "SELECT 'Zo\xc3\xab', a FROM t, main.nothere AS x", SQL_UNKNOWN_NAME, 25 },
                { "WITH c AS (SELECT 1) SELECT * FROM cc", SQL_UNKNOWN_NAME, 35 },
                { "SELECT sum(a, b, c) FROM t", SQL_TYPE, 7 },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_E_SQL);
                print_message("# %s %u at %d\n", p.text, p.sql_error, p.position);
                assert_int_equal(p.sql_error, c->sql_error);
                assert_int_equal(p.position, c->position);
        }
}

/* What engines answer differently is not compared between them, and it is said why. */
static void test_differences(void **state) {
        size_t n_wrong = 0;

        FOREACH_CASE (c, differences) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};
                bool is_read = analyse(c->sql, false, &a, &p) == ENGINE_OK;
                const char *why = is_read ? a.not_portable : p.detail;

                if (why && strstr(why, c->duckdb))
                        continue;
                n_wrong++;
                print_message("# %s: %s\n", c->sql, why ? why : "portable");
        }
        assert_int_equal(n_wrong, 0);
}

static void test_portable(void **state) {
        static const struct {
                const char *sql, *why; /* NULL: it is */
        } asked[] = {
                { "SELECT 1 + 1 AS n", NULL },
                { "SELECT 2147483647 + 1 AS n", "two large numbers" },
                { "SELECT id, c FROM t WHERE a > 3 AND c <> 'x' OR b IS NULL", NULL },
                { "SELECT a, count(*), sum(b) AS s FROM t GROUP BY a HAVING count(*) > 2 ORDER BY "
                  "1 NULLS LAST, 2 NULLS FIRST, s NULLS LAST, 3 NULLS LAST LIMIT 3",
                  NULL },
                { "SELECT a FROM t ORDER BY a NULLS FIRST", "by their numbers" },
                { "SELECT DISTINCT u.k FROM t LEFT JOIN u ON t.a = u.a WHERE EXISTS (SELECT 1 FROM "
                  "u AS v WHERE v.a = t.b) AND t.b IN (SELECT a FROM u)",
                  NULL },
                { "WITH x AS (SELECT a FROM t UNION SELECT a FROM u) SELECT a FROM x", NULL },
                { "SELECT CASE WHEN a BETWEEN 1 AND 3 THEN abs(b) ELSE -a * 2 END FROM t", NULL },
                { "SELECT a, CAST(a AS VARCHAR) || c, length(replace(c, 'x', '')) FROM t", NULL },
                { "SELECT CASE WHEN a > 3 THEN c ELSE NULL END FROM t", NULL },
                { "SELECT a FROM t WHERE a = (SELECT max(a) FROM u)", NULL },
                { "SELECT CAST(length(c) AS VARCHAR), count(*) FROM t GROUP BY 1", NULL },
                { "SELECT length(CAST(a AS VARCHAR)) || c, count(*) FROM t GROUP BY 1",
                  "values of two kinds" },
                { "SELECT a FROM t UNION SELECT a FROM u", "a compound" },
                { "SELECT * FROM t", "a part of SQL" },
                { "SELECT a, c FROM t ORDER BY 1, 2", "without NULLS FIRST" },
                { "SELECT a, c FROM t ORDER BY a", "rewritten" },
                { "SELECT a // 2 FROM t", "read differently" },
                { "SELECT a % 2 FROM t", "read differently" },
                { "SELECT a > 3 FROM t", "a result" },
                { "SELECT d FROM t", "a result" },
                { "SELECT CAST(d AS BIGINT) FROM t", "neither INTEGER" },
                { "SELECT CAST(a AS INTEGER) FROM t", "a CAST" },
                { "SELECT a FROM t WHERE d > 3", "neither INTEGER" },
                { "SELECT a FROM t GROUP BY a, f", "neither INTEGER" },
                { "SELECT a FROM t WHERE f > DATE '2001-01-01'", "a text where no value" },
                { "SELECT a FROM t WHERE c LIKE 'x%'", "a text where no value" },
                { "SELECT a FROM t WHERE c LIKE c", "a function" },
                { "SELECT avg(a) FROM t", "its class" },
                { "SELECT a || c FROM t", "values of two kinds" },
                { "SELECT CAST(a AS BIGINT) || c FROM t", "values of two kinds" },
                { "SELECT a FROM t WHERE a IS DISTINCT FROM b", "IS with something else" },
                { "SELECT a AS b FROM t GROUP BY b, a", "an alias that is also" },
                { "SELECT rank() OVER (ORDER BY a) FROM t", "a part of SQL" },
                { "SELECT t.a FROM t JOIN u USING (a)", "a join" },
                { "SELECT t.a FROM t FULL JOIN u ON t.a = u.a", "a join" },
                { "SELECT count(*) FILTER (WHERE a > 3) FROM t", "a filter" },
                { "SELECT 18446744073709551615", "a constant" },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_OK);
                print_message("# %s\n", a.not_portable ? a.not_portable : "portable");
                assert_int_equal(a.not_portable == NULL, c->why == NULL);
                assert_true(!c->why || strstr(a.not_portable, c->why));
        }
}

/* Whether another job, at another time, may answer it otherwise. */
static void test_sees_job(void **state) {
        static const struct {
                const char *sql;
                bool sees;
        } asked[] = {
                { "SELECT 'now()', a FROM t WHERE c = 'current_date'", false },
                { "SELECT DATE '2001-01-01' + 1", false },
                { "SELECT a FROM t ORDER BY a", false },
                { "SELECT now()", true },
                { "SELECT a FROM t WHERE d > 3 AND current_date > DATE '2001-01-01'", true },
                { "SELECT today() AS x ORDER BY x", true },
                { "WITH w AS (SELECT current_timestamp AS x) SELECT count(*) FROM w WHERE x > "
                  "TIMESTAMP '2001-01-01'",
                  true },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {}, again = {};
                struct engine_problem p = {};

                print_message("# %s\n", c->sql);
                assert_int_equal(analyse(c->sql, false, &a, &p), ENGINE_OK);
                assert_int_equal(a.sees_job, c->sees);
                assert_int_equal(analyse(c->sql, true, &again, &p), ENGINE_OK);
                assert_int_equal(again.sees_job, c->sees);
        }
}

/* Whatever the depth, an answer in time: of the parser, of the tree, or of the analysis. */
static void test_deep_and_long(void **state) {
        static const struct {
                const char *before, *again, *middle, *close;
                size_t n;
        } asked[] = {
                { "SELECT ", "(", "1", ")", 5000 },
                { "SELECT 1", "+1", "", "", 100 },
                { "SELECT 1", "+1", "", "", 60000 },
                { "SELECT 1", ",1", "", "", 60000 },
                { "SELECT ", "abs(", "1", ")", 100 },
                { "SELECT 1 FROM t", ", u AS u_", "", "", 200 },
                { "SELECT a FROM t", " UNION ALL SELECT a FROM t", "", "", 300 },
                { "", "SELECT * FROM (", "SELECT 1", ")", 900 },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                CLEANUP(buffer_donep) struct buffer sql = {};
                struct engine_problem p = {};
                int r;

                buffer_init(&sql, 1 << 20);
                buffer_put_bytes(&sql, BYTES_STR(c->before));
                for (size_t i = 0; i < c->n; i++)
                        buffer_put_bytes(&sql, BYTES_STR(c->again));
                buffer_put_bytes(&sql, BYTES_STR(c->middle));
                for (size_t i = 0; i < c->n; i++)
                        buffer_put_bytes(&sql, BYTES_STR(c->close));
                r = engine_duckdb.analyse(fixture.session, buffer_bytes(&sql), false, &a, &p);
                print_message("# %s%s… -> %d %s %s\n", c->before, c->again, r, p.detail, p.text);
                assert_true(r == ENGINE_OK || p.outcome == OUTCOME_REFUSED ||
                            p.outcome == OUTCOME_SQL_ERROR);
        }
}

static void repeat(struct buffer *ret, const char *before, const char *again, size_t n,
                   const char *after) {
        buffer_init(ret, 1 << 20);
        buffer_put_bytes(ret, BYTES_STR(before));
        for (size_t i = 0; i < n; i++)
                buffer_put_bytes(ret, BYTES_STR(again));
        buffer_put_bytes(ret, BYTES_STR(after));
}

/* Neither binder nor optimiser can be stopped: what would take them long never reaches them. */
static void test_heavy(void **state) {
        static const struct {
                const char *before, *again, *after;
                size_t n;
                const char *rule; /* NULL: it is not refused */
        } asked[] = {
                { "SELECT count(*) FROM t", ", t", "", 39, NULL },
                { "SELECT count(*) FROM t", ", t", "", 40, "rule=joins" },
                { "SELECT count(*) FROM t", " NATURAL JOIN t", "", 40, "rule=joins" },
                { "SELECT count(*) FROM t", ", range(3)", "", 40, "rule=joins" },
                { "SELECT count(*) FROM t", ", (SELECT a FROM t, u)", "", 20, "rule=joins" },
                { "SELECT a FROM t WHERE true", " AND a IN (SELECT a FROM u)", "", 40,
                  "rule=joins" },
                { "WITH x AS (SELECT u.a FROM t, u) SELECT 1 FROM t", ", x", "", 19, NULL },
                { "WITH x AS (SELECT u.a FROM t, u) SELECT 1 FROM t", ", X", "", 20, "rule=joins" },
                { "WITH x AS (SELECT 1 AS n FROM t, u), y AS (SELECT 1 FROM x, x, x, x, x, x, x), "
                  "z AS (SELECT 1 FROM y, y, y) SELECT 1 FROM z",
                  "", "", 0, "rule=joins" },
                { "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 5) "
                  "SELECT count(*) FROM x",
                  ", x", "", 9, NULL },
                { "SELECT a FROM t", " UNION ALL SELECT a FROM t", "", 100, NULL },
                { "SELECT a FROM t", " UNION ALL SELECT a FROM t", "", 200, "rule=tables" },
                { "SELECT a", "+1", " FROM t", 150, NULL },
                { "SELECT a", "+1", " FROM t", 200, "rule=expression depth" },
                { "SELECT a FROM t WHERE a IN (1", ",1", ")", 5000, NULL },
                { "SELECT ", "list_transform([1], lambda x: ", "x))))", 4, NULL },
                { "SELECT ", "list_transform([1], lambda x: ", "x))))))))))))))))))))", 20,
                  "rule=expression depth" },
        };

        FOREACH_CASE (c, asked) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                CLEANUP(buffer_donep) struct buffer sql = {};
                struct engine_problem p = {};
                int r;

                repeat(&sql, c->before, c->again, c->n, c->after);
                r = engine_duckdb.analyse(fixture.session, buffer_bytes(&sql), false, &a, &p);
                print_message("# %s%s… -> %d %s %s\n", c->before, c->again, r, p.detail, p.text);
                assert_true(c->rule ? p.outcome == OUTCOME_REFUSED : p.outcome != OUTCOME_REFUSED);
                assert_true(!c->rule || (!strcmp(p.detail, c->rule) && strchr(p.text, ':')));
        }
}

static bool is_over_at_once(void *userdata) {
        return userdata != NULL;
}

/* Our own questions end with the job as the user's statement does. */
static void test_questions_end(void **state) {
        struct engine_job over = fixture.job;
        const struct engine_job *before = fixture.session->job;
        struct engine_problem p = {};

        over.is_over = is_over_at_once;
        over.userdata = &over;
        fixture.session->job = &over;
        assert_int_equal(duckdb_ask(fixture.session,
                                    "SELECT CAST(count(*) AS VARCHAR) FROM range(3000000000)",
                                    BYTES_NONE, NULL, NULL, &p),
                         ENGINE_E_PROBLEM);
        assert_int_equal(p.outcome, OUTCOME_TIMEOUT);
        fixture.session->job = before;
        fixture.session->is_stopped = false;
}

/* ---- a host has files where the requester had empty tables ---- */

#define FILE_T                                                                                     \
        "SELECT i::INTEGER AS id, i % 5 AS a, i % 3 AS b, 'x' || i AS c, i::DECIMAL(10,2) AS d, "  \
        "DATE '2001-01-01' + i::INTEGER AS f, TIMESTAMP '2001-01-01 00:00:00' + "                  \
        "to_days(i::INTEGER) "                                                                     \
        "AS g, i / 7 AS r, [i] AS ls, INTERVAL 1 DAY AS iv, TIMESTAMPTZ '2001-01-01 00:00:00+00' " \
        "AS z FROM range(9) AS n(i)"
#define FILE_U \
        "SELECT i AS a, 'k' || i AS k, TIMESTAMP '2001-01-01 00:00:00' AS g FROM range(9) AS n(i)"

static struct {
        struct engine_analysis said;
        int result;
} before[400];

static void fill_input(struct fixture *f, size_t i, struct bytes file) {
        f->job.inputs[i].data = file.data;
        f->job.inputs[i].length = file.len;
}

static void test_same_over_files(void **state) {
        struct engine_job job = fixture.job;

        for (size_t i = 0; i < n_duckdb_decisions; i++)
                before[i].result =
                        analyse(duckdb_decisions[i].sql, false, &before[i].said, &fixture.problem);
        fixture_done(&fixture);
        fixture.job = job;
        fill_input(&fixture, 0, files[0]);
        fill_input(&fixture, 1, files[1]);
        assert_int_equal(fixture_open(&fixture), ENGINE_OK);
        for (size_t i = 0; i < n_duckdb_decisions; i++) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                const struct engine_analysis *b = &before[i].said;

                print_message("# %s\n", duckdb_decisions[i].sql);
                assert_int_equal(analyse(b->rewrite, true, &a, &fixture.problem), before[i].result);
                assert_int_equal(a.class, b->class);
                assert_int_equal(a.is_ordered, b->is_ordered);
                assert_bytes_equal(buffer_bytes(&a.schema), buffer_bytes(&b->schema));
                engine_analysis_done(&before[i].said);
        }
}

static void put_parameter(struct buffer *b, enum cell_type type, const char *text) {
        static const uint8_t uuid[16];

        buffer_init(b, 64);
        switch (type) {
        case CELL_NULL:
                return cell_put_null(b);
        case CELL_INTEGER:
                return cell_put_integer(b, 3);
        case CELL_DECIMAL:
                return (void) cell_put_decimal(b, 15, 1);
        case CELL_REAL:
                return (void) cell_put_real(b, 0.1);
        case CELL_TEXT:
                return (void) cell_put_text(b, BYTES_STR(text ? text : "2024-01-01"));
        case CELL_DATE:
                return cell_put_date(b, 3);
        case CELL_UUID:
                return cell_put_uuid(b, uuid);
        default:
                return cell_put_usec(b, type, 3);
        }
}

/* A parameter is as much a value of its type as a column is. */
static const struct {
        enum cell_type type;
        struct decision said;
        const char *text; /* of TEXT; NULL: a date */
} asked_parameters[] = {
        { CELL_REAL, { "SELECT CAST(? AS VARCHAR)", ENGINE_FLOAT, "turns a REAL" } },
        { CELL_REAL, { "SELECT CAST($1 AS BIGINT) + 1", ENGINE_FLOAT, "turns a REAL" } },
        { CELL_REAL, { "SELECT a FROM t WHERE r > ?::DOUBLE", ENGINE_EXACT, NULL } },
        { CELL_TEXT, { "SELECT CAST(? AS DOUBLE)", ENGINE_FLOAT, "reads text" } },
        /* as a literal of that text */
        { CELL_TEXT, { "SELECT a FROM t WHERE f > ?::DATE", ENGINE_EXACT, NULL } },
        { CELL_TEXT, { "SELECT ?::TIMESTAMP", ENGINE_EXACT, NULL } },
        { CELL_TEXT, { "SELECT ?::TIME", ENGINE_EXACT, NULL }, "12:30:00" },
        { CELL_TEXT, { "SELECT ?::TIME", ENGINE_FLOAT, "reads text" } },
        { CELL_TEXT, { "SELECT ?::DECIMAL(4,1) + d FROM t", ENGINE_EXACT, NULL }, "0.7" },
        { CELL_TEXT, { "SELECT ?::DECIMAL(2,2)", ENGINE_EXACT, NULL }, "0.7" },
        { CELL_TEXT, { "SELECT ?::UTINYINT, $1::HUGEINT", ENGINE_EXACT, NULL }, "200" },
        { CELL_TEXT, { "SELECT ?::BOOLEAN", ENGINE_EXACT, NULL }, "true" },
        { CELL_TEXT, { "SELECT ?::INTERVAL", ENGINE_EXACT, NULL }, "3 days" },
        { CELL_TEXT, { "SELECT a FROM t ORDER BY a LIMIT ?::BIGINT", ENGINE_ORDERED, NULL }, "3" },
        { CELL_TEXT, { "SELECT ?::DATE", ENGINE_EXACT, NULL }, "2024-02-31" },
        { CELL_TEXT, { "SELECT ?::DATE", ENGINE_FLOAT, "reads text" }, "2024-1-1" },
        { CELL_TEXT, { "SELECT ?::DATE", ENGINE_FLOAT, "reads text" }, "today" },
        { CELL_TEXT, { "SELECT ?::DATE", ENGINE_FLOAT, "reads text" }, "" },
        { CELL_TEXT, { "SELECT ?::DATE", ENGINE_FLOAT, "reads text" }, "2024-01-01 x" },
        { CELL_TEXT, { "SELECT CAST(?::VARCHAR AS DATE)", ENGINE_FLOAT, "reads text" } },
        { CELL_TEXT, { "SELECT a FROM t WHERE c = ?::VARCHAR", ENGINE_EXACT, NULL } },
        { CELL_DECIMAL, { "SELECT CAST(? AS DOUBLE)", ENGINE_FLOAT, "REAL cannot hold" } },
        { CELL_DECIMAL, { "SELECT d * ?::DECIMAL(4,1) FROM t", ENGINE_EXACT, NULL } },
        { CELL_INTEGER, { "SELECT CAST(? AS VARCHAR) || $1::INT", ENGINE_EXACT, NULL } },
        { CELL_INTEGER, { "SELECT CAST(? AS DOUBLE)", ENGINE_EXACT, NULL } },
        { CELL_DATE, { "SELECT CAST(? AS VARCHAR)", ENGINE_EXACT, NULL } },
        { CELL_TIMESTAMPTZ, { "SELECT ?::DATE", ENGINE_FLOAT, "time zones" } },
        { CELL_TIMESTAMP, { "SELECT ?::DATE", ENGINE_EXACT, NULL } },
        { CELL_UUID, { "SELECT ?::UUID", ENGINE_FLOAT, "is not known here" } },
        { CELL_INTEGER, { "SELECT sin(?::BIGINT)", ENGINE_FLOAT, "mathematics" } },
        { CELL_REAL, { "SELECT r * ?::DOUBLE FROM t", ENGINE_FLOAT, "with REAL" } },
        { CELL_TEXT, { "SELECT year(TRY_CAST(? AS DATE))", ENGINE_FLOAT, "reads text" }, "1st" },
        { CELL_TEXT, { "SELECT year(TRY_CAST(? AS DATE))", ENGINE_EXACT, NULL } },
        { CELL_INTEGER, { "SELECT nullif(?::INT, 7919) + r FROM t", ENGINE_FLOAT, "" } },
        { CELL_INTEGER, { "SELECT CASE WHEN a > ?::INT THEN 1 END FROM t", ENGINE_EXACT, NULL } },
        { CELL_INTEGER, { "SELECT a FROM t ORDER BY a LIMIT ?::BIGINT", ENGINE_ORDERED, NULL } },
        { CELL_NULL, { "SELECT ?::DATE", ENGINE_EXACT, NULL } },
        { CELL_TEXT, { "SELECT $2::VARCHAR", ENGINE_FLOAT, "is not known here" } },
        { CELL_TEXT, { "SELECT $name::VARCHAR", ENGINE_FLOAT, "is not known here" } },
};

static void test_parameters(void **state) {
        size_t n_wrong = 0;

        FOREACH_CASE (c, asked_parameters) {
                CLEANUP(engine_analysis_donep) struct engine_analysis a = {};
                CLEANUP(buffer_donep) struct buffer cell = {};
                struct engine_problem p = {};
                struct bytes parameter;
                int r;

                put_parameter(&cell, c->type, c->text);
                parameter = buffer_bytes(&cell);
                fixture.job.parameters = &parameter;
                fixture.job.n_parameters = 1;
                r = analyse(c->said.sql, false, &a, &p);
                fixture.job.parameters = NULL;
                fixture.job.n_parameters = 0;
                if (is_as_said(&c->said, r, &a))
                        continue;
                n_wrong++;
                print_wrong(&c->said, r, &a, &p);
        }
        assert_int_equal(n_wrong, 0);
}

static int open_fixture(void **state) {
        files[0] = parquet_of(FILE_T);
        files[1] = parquet_of(FILE_U);
        fixture_open_empty(&fixture, schemas);
        return 0;
}

static int close_fixture(void **state) {
        fixture_done(&fixture);
        for (size_t i = 0; i < 2; i++) {
                buffer_done(&schemas[i]);
                free((void *) files[i].data);
        }
        return 0;
}

static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_rewrite_is_stable),
        cmocka_unit_test(test_no_rewrite),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_portable),
        cmocka_unit_test(test_sees_job),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_deep_and_long),
        cmocka_unit_test(test_heavy),
        cmocka_unit_test(test_questions_end),
        cmocka_unit_test(test_same_over_files), /* the last: it opens the fixture anew */
};

int main(void) {
        if (!duckdb_engine_name())
                return DUCKDB_SKIPPED;
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
