/* Which words are keywords where they stand. SQLite takes many of its keywords for names as well
 * (parse.y: "%fallback ID", analyzeWindowKeyword() and its like in tokenize.c), and a column may be
 * called so. */

#include "services/worker/sqlite/sql_shape.h"

static const char *const reserved[] = {
        "all",
        "and",
        "as",
        "between",
        "case",
        "collate",
        "current_date",
        "current_time",
        "else",
        "false",
        "from",
        "group",
        "having",
        "in",
        "distinct",
        "escape",
        "exists",
        "is",
        "limit",
        "isnull",
        "not",
        "notnull",
        "null",
        "or",
        "order",
        "then",
        "true",
        "when",
        "where",
        "select",
        "current_timestamp",
        NULL,
};

/* Names, too. Where an operand may begin they are one. */
static const char *const also_names[] = {
        "asc",   "by",    "cast",   "desc", "end",       "filter", "glob",   "like",
        "match", "nulls", "offset", "over", "partition", "regexp", "window", NULL,
};

/* Behind these an operand is complete. */
static const char *const completing[] = {
        "null",    "true",         "false",        "isnull",
        "notnull", "current_date", "current_time", "current_timestamp",
        NULL,
};

/* Keywords that complete an operand, or stand behind a complete one. */
static const char *const trailing[] = { "end", "asc", "desc", NULL };
static const char *const lists[] = { "group", "order", "partition", NULL };

/* As deep as an expression (200 at most). */
bool sql_ends_operand(const struct sql_tokens *t, size_t i) {
        enum sql_token_type type = t->tokens[i].type;

        if (type == SQL_OPERATOR)
                return sql_token_is(t, i, ")");
        if (type != SQL_WORD || sql_token_is_any(t, i, completing))
                return true;
        return !sql_is_expression_keyword(t, i) || sql_token_is_any(t, i, trailing);
}

static bool follows_operand(const struct sql_tokens *t, size_t i) {
        if (i > 0 && sql_token_is(t, i - 1, "not")) /* NOT LIKE; else that of a condition */
                i--;
        return i > 0 && sql_ends_operand(t, i - 1);
}

bool sql_is_expression_keyword(const struct sql_tokens *t, size_t i) {
        if (sql_token_is_any(t, i, reserved))
                return true;
        if (!sql_token_is_any(t, i, also_names))
                return false;
        if (sql_token_is(t, i, "cast"))
                return sql_token_is(t, i + 1, "(");
        if (sql_token_is(t, i, "by"))
                return i > 0 && sql_token_is_any(t, i - 1, lists);
        if (sql_token_is(t, i, "partition") && sql_token_is(t, i + 1, "by"))
                return true;
        return follows_operand(t, i);
}

/* What may stand behind an alias. */
static bool is_behind_alias(const struct sql_tokens *t, size_t i) {
        static const char *const words[] = { "from",  "where", "group",     "having", "order",
                                             "limit", "union", "intersect", "except", NULL };

        return sql_token_is_any(t, i, words);
}

static bool may_be_id(const struct sql_tokens *t, size_t i) {
        return i < t->n && (t->tokens[i].type == SQL_WORD || t->tokens[i].type == SQL_QUOTED ||
                            t->tokens[i].type == SQL_STRING);
}

bool sql_is_over(const struct sql_tokens *t, size_t i) {
        return sql_token_is(t, i, "over") && i > 0 && sql_token_is(t, i - 1, ")") &&
               (sql_token_is(t, i + 1, "(") || (may_be_id(t, i + 1) && !is_behind_alias(t, i + 1)));
}

bool sql_is_clause(const struct sql_tokens *t, size_t i, const char *word) {
        if (!sql_token_is(t, i, word))
                return false;
        if (sql_token_is(t, i, "from"))
                return i == 0 || !sql_token_is(t, i - 1, "distinct"); /* IS DISTINCT FROM */
        if (sql_token_is(t, i, "window"))
                return may_be_id(t, i + 1) && sql_token_is(t, i + 2, "as");
        return true;
}

size_t sql_find_clause(const struct sql_tokens *t, size_t from, size_t to, uint32_t depth,
                       const char *word) {
        while (from < to && !(t->tokens[from].depth == depth && sql_is_clause(t, from, word)))
                from++;
        return from < to ? from : to;
}
