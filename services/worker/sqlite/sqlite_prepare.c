/* One read-only statement, and what SQLite's errors mean in the closed table. */

#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/duckdb/duckdb_rules.h"
#include "services/worker/other_statements.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_session.h"

/* Beginnings of SQLite's messages at preparing; what is not here is a PARSE. */
static const struct {
        const char *part;
        enum sql_error code;
} prepare_errors[] = {
        { "no such", SQL_UNKNOWN_NAME },
        { "ambiguous column name", SQL_UNKNOWN_NAME },
        { "unknown database", SQL_UNKNOWN_NAME },
        { "wrong number of arguments", SQL_TYPE },
        { "misuse of aggregate", SQL_TYPE },
        { "misuse of window function", SQL_TYPE },
        { "misuse of aliased", SQL_TYPE },
        { "row value misused", SQL_TYPE },
        { "sub-select returns", SQL_TYPE },
        { "SELECTs to the left and right", SQL_TYPE },
        { "ORDER BY term out of range", SQL_TYPE },
        { "a GROUP BY clause is required", SQL_TYPE },
        { "aggregate functions are not allowed", SQL_TYPE },
};

static const struct {
        const char *part;
        enum sql_error code;
} run_errors[] = {
        { "malformed JSON", SQL_CAST },
        { "JSON", SQL_CAST },
        { "abort at", SQL_CAST },
        { "ESCAPE expression", SQL_CAST },
        { "LIKE or GLOB pattern too complex", SQL_RESULT_LIMIT },
        { "argument of", SQL_TYPE },
        { "frame ", SQL_TYPE },
};

static int32_t offset_of_word(struct bytes sql, const char *word) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};

        if (word[0] && sql_tokens_read(sql, &t) == SQL_TOKENS_OK) {
                for (size_t i = 0; i < t.n; i++) {
                        char name[128];

                        if ((t.tokens[i].type == SQL_WORD || t.tokens[i].type == SQL_QUOTED) &&
                            !strcasecmp(sql_token_name(&t, i, name, sizeof(name)), word))
                                return (int32_t) t.tokens[i].start;
                }
        }
        return -1;
}

static int refuse(struct engine_problem *p, const char *rule, int32_t position, const char *text) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, position, text);

        (void) snprintf(p->detail, sizeof(p->detail), "rule=%s", rule);
        return r;
}

int sqlite_problem_memory(struct engine_problem *p) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1, "out of memory");

        (void) snprintf(p->detail, sizeof(p->detail), "which=memory");
        return r;
}

static int timed_out(struct engine_problem *p, const char *stage) {
        int r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_TIMEOUT, 0, -1, "");

        (void) snprintf(p->detail, sizeof(p->detail), "stage=%s", stage);
        return r;
}

static int denied(struct engine_session *s, struct bytes sql, struct engine_problem *p) {
        char text[256], rule[96];
        const char *name = s->denied.name;

        (void) snprintf(text, sizeof(text), "%s%s%s is not allowed", s->denied.what,
                        name[0] ? " " : "", name);
        (void) snprintf(rule, sizeof(rule), "%s", s->denied.what);
        return refuse(p, rule, offset_of_word(sql, name), text);
}

/* What another engine has is said to be there: else it seems that no host can compute it. */
static const char *name_other_engine(const char *text, char *ret, size_t ret_size) {
        static const char said[] = "no such function: ";
        struct duckdb_rule rule;

        if (strncmp(text, said, sizeof(said) - 1) != 0 ||
            !duckdb_rule_of(text + sizeof(said) - 1, &rule) || rule.effect >= DUCKDB_FORBIDDEN)
                return text;
        (void) snprintf(ret, ret_size, "%s; DuckDB has it: --engine duckdb", text);
        return ret;
}

/* "incomplete input" is wrong where the statement ends. */
static int end_of(struct bytes sql) {
        size_t n = sql.len;

        while (n > 0 && strchr(" \t\r\n", sql.data[n - 1]))
                n--;
        return (int) n;
}

int sqlite_problem_prepare(struct engine_session *s, int rc, struct bytes sql,
                           struct engine_problem *p) {
        const char *text = sqlite3_errmsg(s->db);
        enum sql_error code = SQL_PARSE;
        int offset = sqlite3_error_offset(s->db);
        char more[256];

        if (s->denied.is_denied)
                return denied(s, sql, p);
        if ((rc & 0xff) == SQLITE_NOMEM)
                return sqlite_problem_memory(p);
        if ((rc & 0xff) == SQLITE_INTERRUPT)
                return timed_out(p, "prepare");
        if ((rc & 0xff) == SQLITE_TOOBIG)
                return refuse(p, "statement size", -1, text);
        if ((rc & 0xff) != SQLITE_ERROR)
                return refuse(p, "input", -1, text);
        for (size_t i = 0; i < ELEMENTSOF(prepare_errors); i++) {
                if (strstr(text, prepare_errors[i].part)) {
                        code = prepare_errors[i].code;
                        break;
                }
        }
        if (strcmp(text, "incomplete input") == 0)
                offset = end_of(sql);
        /* "no such function" and the like carry no offset: find the name. */
        if (offset < 0) {
                const char *colon = strrchr(text, ' ');

                offset = colon ? offset_of_word(sql, colon + 1) : -1;
        }
        return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, code, offset < 0 ? 0 : offset,
                                  name_other_engine(text, more, sizeof(more)));
}

#define OVERFLOW_BY_SUM                                                                          \
        "integer overflow, of sum() perhaps in this order of the rows alone: total(), which is " \
        "REAL, has none"

/* abs() overflows by its value; the sums of some rows of sum() by the order they come in, and that
 * is the plan's, so the build's: [2^63 - 1, 1, -1] has one, and [2^63 - 1, -1, 1] none. */
static int overflowed(struct engine_session *s, struct engine_problem *p) {
        bool is_by_order = map_get(s->functions, BYTES_LIT("sum"));
        int r = engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_OVERFLOW, 0,
                                   is_by_order ? OVERFLOW_BY_SUM : "integer overflow");

        p->is_by_order = is_by_order;
        return r;
}

int sqlite_problem_run(struct engine_session *s, int rc, struct engine_problem *p) {
        const char *text = sqlite3_errmsg(s->db);

        if (s->denied.is_denied)
                return denied(s, BYTES_NONE, p);
        switch (rc & 0xff) {
        case SQLITE_NOMEM:
                return sqlite_problem_memory(p);
        case SQLITE_INTERRUPT:
                return timed_out(p, "run");
        case SQLITE_TOOBIG:
                return engine_problem_set(
                        p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_RESULT_LIMIT, 0,
                        "a value or a sorted row above 1 MiB, which no option raises");
        case SQLITE_ERROR:
                break;
        default:
                return refuse(p, "input", -1, text);
        }
        if (strstr(text, "integer overflow"))
                return overflowed(s, p);
        for (size_t i = 0; i < ELEMENTSOF(run_errors); i++) {
                if (strstr(text, run_errors[i].part))
                        return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR,
                                                  run_errors[i].code, 0, text);
        }
        return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_INTERNAL, 0, -1, text);
}

/* SQLite's own word on it comes second: it names a table that is not there, or one of its own. */
static int not_prepared(struct engine_session *s, int rc, struct bytes sql,
                        struct engine_problem *p) {
        int32_t position = 0;
        const char *word = (rc & 0xff) == SQLITE_ERROR || s->denied.is_denied
                                   ? other_statement(sql, &position)
                                   : NULL;

        return word ? refuse(p, word, position, "") : sqlite_problem_prepare(s, rc, sql, p);
}

int sqlite_prepare_one(struct engine_session *s, struct bytes sql, sqlite3_stmt **ret,
                       struct engine_problem *p) {
        CLEANUP(sql_tokens_donep) struct sql_tokens t = {};
        sqlite3_stmt *stmt = NULL;
        const char *tail = NULL;
        int rc;

        if (sql.len == 0 || sql.len > ENGINE_SQL_MAX)
                return refuse(p, "statement size", -1, "no statement, or one above 1 MiB");
        if (memchr(sql.data, 0, sql.len) || !utf8_is_valid(sql))
                return refuse(p, "statement text", (int32_t) utf8_valid_prefix(sql),
                              "the statement is not UTF-8 text");
        rc = sqlite3_prepare_v2(s->db, (const char *) sql.data, (int) sql.len, &stmt, &tail);
        if (rc != SQLITE_OK || s->denied.is_denied) {
                (void) sqlite3_finalize(stmt);
                return not_prepared(s, rc ? rc : SQLITE_AUTH, sql, p);
        }
        if (!stmt)
                return refuse(p, "no statement", -1, "");
        if (sql_tokens_read(BYTES(tail, sql.len - (size_t) (tail - (const char *) sql.data)), &t) ||
            t.n > 0) {
                int32_t at = (int32_t) (tail - (const char *) sql.data);

                (void) sqlite3_finalize(stmt);
                return refuse(p, "one statement", at + (t.n ? (int32_t) t.tokens[0].start : 0), "");
        }
        /* EXPLAIN prepares without asking the authorizer for anything else. */
        if (!sqlite3_stmt_readonly(stmt) || sqlite3_stmt_isexplain(stmt) ||
            sqlite3_column_count(stmt) == 0) {
                const char *rule = sqlite3_stmt_isexplain(stmt) ? "EXPLAIN" : "read only";
                int32_t position = 0;

                (void) other_statement(sql, &position);
                (void) sqlite3_finalize(stmt);
                return refuse(p, rule, position, "");
        }
        *ret = stmt;
        return ENGINE_OK;
}
