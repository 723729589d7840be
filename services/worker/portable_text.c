#include "services/worker/portable_text.h"

#include <strings.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/worker/portable.h"

#define DEPTH_MAX 64

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_STRING, TOKEN_NUMBER, TOKEN_OPERATOR };

struct token {
        enum token_kind kind;
        size_t at, len;
};

struct text {
        struct bytes sql;
        size_t pos;
        struct token last, token; /* the one before, and this one */
        const char *fault;
};

/* ---- lexer ---- */

static bool is_letter(uint8_t c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(uint8_t c) {
        return c >= '0' && c <= '9';
}

static bool is_sign(uint8_t c) {
        return c != 0 && strchr("+-*/<>=!|&~%^@#?:$`[]{}\\", c) != NULL;
}

static uint8_t peek(const struct text *t, size_t ahead) {
        return t->pos + ahead < t->sql.len ? t->sql.data[t->pos + ahead] : 0;
}

static bool is_text(const struct text *t, const struct token *k, const char *word) {
        return k->len == strlen(word) &&
               strncasecmp((const char *) t->sql.data + k->at, word, k->len) == 0;
}

static bool is_any(const struct text *t, const struct token *k, const char *const *words) {
        for (; *words; words++) {
                if (is_text(t, k, *words))
                        return true;
        }
        return false;
}

static void take_quoted(struct text *t, uint8_t quote) {
        for (t->pos++; t->pos < t->sql.len; t->pos++) {
                if (peek(t, 0) == 0)
                        t->fault = "a character that ends texts in some engines";
                if (peek(t, 0) != quote)
                        continue;
                if (peek(t, 1) != quote)
                        break;
                t->pos++;
        }
        if (t->pos == t->sql.len)
                t->fault = "a quote that does not end";
        else
                t->pos++;
}

static void take_number(struct text *t) {
        while (is_digit(peek(t, 0)))
                t->pos++;
        if (is_letter(peek(t, 0)) || peek(t, 0) == '.' || peek(t, 0) >= 0x80)
                t->fault = "a number that is not an integer in decimal digits";
}

/* Whole runs: engines cut =-1 or ->> into different operators. */
static void take_sign(struct text *t) {
        struct token k = { TOKEN_OPERATOR, t->pos, 0 };

        if (is_sign(peek(t, 0))) {
                while (is_sign(peek(t, 0)))
                        t->pos++;
        } else {
                t->pos++;
        }
        k.len = t->pos - k.at;
        if (!is_any(t, &k, portable_operators))
                t->fault = "characters that engines read differently; comments too, and operators "
                           "without a blank between them";
}

static void next(struct text *t) {
        uint8_t c;

        t->last = t->token;
        while (peek(t, 0) == ' ' || peek(t, 0) == '\t' || peek(t, 0) == '\n')
                t->pos++;
        c = peek(t, 0);
        t->token = (struct token){ TOKEN_END, t->pos, 0 };
        if (t->pos == t->sql.len)
                return;
        if (is_letter(c)) {
                t->token.kind = TOKEN_WORD;
                while (is_letter(peek(t, 0)) || is_digit(peek(t, 0)))
                        t->pos++;
        } else if (is_digit(c)) {
                t->token.kind = TOKEN_NUMBER;
                take_number(t);
        } else if (c == '\'' || c == '"') {
                t->token.kind = c == '"' ? TOKEN_QUOTED : TOKEN_STRING;
                take_quoted(t, c);
        } else {
                t->token.kind = TOKEN_OPERATOR;
                take_sign(t);
        }
        t->token.len = t->pos - t->token.at;
}

/* ---- grouping ---- */

/* A level is what stands in one pair of parentheses, or between CASE and END. */
struct level {
        unsigned comparisons; /* since the last boundary */
        bool between;         /* whose AND has not come yet */
        bool is_case;
};

enum clause { CLAUSE_ITEMS, CLAUSE_WHERE, CLAUSE_BEHIND };

struct grouping {
        struct level levels[DEPTH_MAX];
        size_t depth, parentheses;
        enum clause clause; /* of the outermost SELECT */
        bool has_sum, has_outer_arithmetic;
        size_t outer_arithmetic_at;
        bool has_order;
        uint64_t ordinals; /* of the first 64 columns, named behind the outermost ORDER BY */
};

static const char *const comparisons[] = { "=", "==", "<>", "!=", "<",       "<=",
                                           ">", ">=", "is", "in", "between", NULL };
static const char *const boundaries[] = { "and",      "or",    "when",   "then", "else",   "select",
                                          "distinct", "from",  "where",  "on",   "having", "group",
                                          "order",    "limit", "offset", "by",   "join",   "as",
                                          "asc",      "desc",  ",",      NULL };
static const char *const arithmetic[] = { "+", "-", "*", NULL };

static const char *enter(struct grouping *g, bool is_case) {
        if (g->depth + 1 == DEPTH_MAX)
                return "more parentheses than are followed here";
        g->levels[++g->depth] = (struct level){ .is_case = is_case };
        g->parentheses += !is_case;
        return NULL;
}

static const char *leave(struct grouping *g, bool is_case) {
        if (g->depth == 0 || g->levels[g->depth].is_case != is_case)
                return "parentheses, or CASE and END, that do not match";
        g->depth--;
        g->parentheses -= !is_case;
        return NULL;
}

/* Engines bind a < b BETWEEN 0 AND 1, or a = b IS NULL, in different ways: one comparison between
 * two boundaries. */
static const char *compare(struct text *t, struct level *l) {
        if (l->comparisons++ > 0)
                return "two comparisons without parentheses, which engines group differently";
        l->between = is_text(t, &t->token, "between");
        return NULL;
}

static const char *group_not(const struct text *t, const struct level *l) {
        struct text ahead = *t;
        bool is_postfix = t->last.kind != TOKEN_OPERATOR && l->comparisons == 0;

        next(&ahead);
        if (is_text(t, &t->last, "is"))
                return is_text(&ahead, &ahead.token, "null") ? NULL
                                                             : "IS with something else than NULL";
        if (is_text(&ahead, &ahead.token, "in") || is_text(&ahead, &ahead.token, "between"))
                return NULL;
        if (is_text(&ahead, &ahead.token, "null"))
                return "NOT NULL without IS";
        return is_postfix || is_text(t, &t->last, "(") ? NULL : "NOT behind an operator";
}

static const char *group_is(const struct text *t) {
        struct text ahead = *t;

        next(&ahead);
        return is_text(&ahead, &ahead.token, "null") || is_text(&ahead, &ahead.token, "not")
                       ? NULL
                       : "IS with something else than NULL";
}

static void boundary(const struct text *t, struct level *l) {
        if (l->between && is_text(t, &t->token, "and"))
                l->between = false; /* that of BETWEEN */
        else
                *l = (struct level){ .is_case = l->is_case };
}

static void follow_clause(const struct text *t, struct grouping *g) {
        static const char *const behind[] = { "group", "having", "order", "limit", NULL };

        if (g->depth > 0)
                return;
        if (is_text(t, &t->token, "where") || is_text(t, &t->token, "on"))
                g->clause = CLAUSE_WHERE;
        else if (is_text(t, &t->token, "select"))
                g->clause = CLAUSE_ITEMS;
        else if (is_any(t, &t->token, behind))
                g->clause = CLAUSE_BEHIND;
        g->has_order = g->has_order || is_text(t, &t->token, "order");
}

/* "3" behind the outermost ORDER BY, as a whole term. */
static void follow_ordinal(const struct text *t, struct grouping *g) {
        unsigned long n = 0;

        if (!g->has_order || g->depth > 0 ||
            (!is_text(t, &t->last, "by") && !is_text(t, &t->last, ",")))
                return;
        for (size_t i = 0; i < t->token.len && n < 1000; i++)
                n = 10 * n + (unsigned long) (t->sql.data[t->token.at + i] - '0');
        if (n >= 1 && n <= 64)
                g->ordinals |= UINT64_C(1) << (n - 1);
}

/* sum() has 64 bits in one engine and 128 in another: what is computed of it would differ. */
static const char *follow_sum(const struct text *t, struct grouping *g) {
        bool is_inside =
                g->clause == CLAUSE_WHERE || (g->clause == CLAUSE_ITEMS && g->parentheses > 0);

        if (is_text(t, &t->token, "sum")) {
                g->has_sum = true;
                return g->parentheses > 0
                               ? "sum() inside something else; engines count it in other widths"
                               : NULL;
        }
        if (is_any(t, &t->token, arithmetic) && !is_inside && !is_text(t, &t->last, "(") &&
            !is_text(t, &t->last, "select") && !is_text(t, &t->last, ",")) {
                g->has_outer_arithmetic = true;
                g->outer_arithmetic_at = t->token.at;
        }
        return NULL;
}

#define SMALL_DIGITS 4 /* whose products have 32 bits */

static const char *constants(const struct text *t) {
        struct text ahead = *t;

        next(&ahead);
        return is_any(t, &t->token, arithmetic) && t->last.kind == TOKEN_NUMBER &&
                               ahead.token.kind == TOKEN_NUMBER &&
                               (t->last.len > SMALL_DIGITS || ahead.token.len > SMALL_DIGITS)
                       ? "arithmetic on two large numbers, which are of 32 bits in some engines"
                       : NULL;
}

static const char *group(struct text *t, struct grouping *g) {
        struct level *l = &g->levels[g->depth];

        if (is_text(t, &t->token, "("))
                return enter(g, false);
        if (is_text(t, &t->token, ")"))
                return leave(g, false);
        if (is_text(t, &t->token, "case"))
                return enter(g, true);
        if (is_text(t, &t->token, "end"))
                return leave(g, true);
        if (is_text(t, &t->token, "not"))
                return group_not(t, l);
        if (is_text(t, &t->token, "is") && group_is(t))
                return group_is(t);
        if (is_any(t, &t->token, comparisons))
                return compare(t, l);
        if (is_any(t, &t->token, boundaries))
                boundary(t, l);
        return NULL;
}

/* A text begins an operand: behind a value it is an alias, a second half, or makes a type of a
 * word. */
static const char *string_fault(const struct text *t) {
        static const char *const words[] = { "select", "distinct", "all",     "where",  "and",
                                             "or",     "not",      "when",    "then",   "else",
                                             "case",   "on",       "between", "having", NULL };

        return (t->last.kind == TOKEN_OPERATOR && !is_text(t, &t->last, ")")) ||
                               is_any(t, &t->last, words)
                       ? NULL
                       : "a text where no value begins";
}

static const char *token_fault(struct text *t, struct grouping *g) {
        const char *fault = t->fault;

        if (!fault && t->token.kind == TOKEN_STRING)
                fault = string_fault(t);
        if (!fault && t->token.kind == TOKEN_NUMBER)
                follow_ordinal(t, g);
        if (!fault && (t->token.kind == TOKEN_WORD || t->token.kind == TOKEN_OPERATOR)) {
                follow_clause(t, g);
                fault = follow_sum(t, g);
                fault = fault ? fault : constants(t);
                fault = fault ? fault : group(t, g);
        }
        return fault;
}

static const char *whole_fault(const struct grouping *g, size_t n_columns, int32_t *ret_at) {
        uint64_t all = n_columns < 64 ? (UINT64_C(1) << n_columns) - 1 : UINT64_MAX;

        if (g->depth > 0)
                return "parentheses, or CASE and END, that do not match";
        if (g->has_sum && g->has_outer_arithmetic) {
                *ret_at = (int32_t) g->outer_arithmetic_at;
                return "arithmetic beside a sum(), which engines count in other widths";
        }
        *ret_at = -1;
        if (g->has_order && n_columns > 0 && (n_columns > 64 || (g->ordinals & all) != all))
                return "an order that does not name all columns by their numbers, 1, 2 …";
        return NULL;
}

const char *portable_text_fault(struct bytes sql, size_t n_columns, int32_t *ret_at) {
        CLEANUP(freep) struct grouping *g = xnew(struct grouping);
        struct text t = { .sql = sql };

        for (;;) {
                const char *fault;

                next(&t);
                if (t.token.kind == TOKEN_END)
                        return whole_fault(g, n_columns, ret_at);
                fault = token_fault(&t, g);
                *ret_at = (int32_t) t.token.at;
                if (fault)
                        return fault;
        }
}
