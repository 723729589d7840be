/* Where REAL may come in, or be shown, and where text is read as a number: builds
 * differ in how they read, sum up and write REAL. */

#include <strings.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sqlite_analyser.h"

#define SAFE_DIGITS 15

static const char computes[] = "computes with a value that may be REAL",
                  overflow[] = "integers that overflow become REAL, which text shows by the "
                               "build's own rules; CAST the result to INTEGER first",
                  mixes[] = "compares a number with text, which builds read differently; CAST "
                            "one of them",
                  blobs[] = "LIKE and GLOB of what may be a BLOB depend on how the build was "
                            "made; CAST it to TEXT",
                  chosen[] = "of values that are equal, 1 and 1.0, the plan decides which is kept";

/* ---- operators ---- */

/* like(…) is a function, unless a value stands before it. */
static bool is_pattern(const struct analyser *a, size_t i) {
        static const char *const words[] = { "like", "glob", NULL };

        return i > 0 && sql_token_is_any(&a->tokens, i, words) &&
               (sql_ends_operand(&a->tokens, i - 1) || sql_token_is(&a->tokens, i - 1, "not"));
}

/* Operators that make text of their operands. */
static bool is_textual(const struct analyser *a, size_t i) {
        static const char *const operators[] = { "||", "->", "->>", NULL };

        return i > 0 && (sql_token_is_any(&a->tokens, i, operators) || is_pattern(a, i));
}

static bool is_arithmetic(const struct analyser *a, size_t i) {
        static const char *const bits[] = { "&", "|", "<<", ">>", NULL };

        return values_is_infix(a, i) || sql_token_is_any(&a->tokens, i, bits);
}

static void check_textual(struct analyser *a, size_t i) {
        bool pattern = is_pattern(a, i);
        enum operator_strength of = pattern ? OPERATOR_COMPARISON : OPERATOR_TEXT;
        struct sql_range left = values_left(a, i, of), right = values_right(a, i, of);

        if (values_bring_real(a, left, false) || values_bring_real(a, right, false) ||
            (!a->is_flat && a->may_real))
                analyser_find(a, ENGINE_FLOAT, left.from, right.to, computes);
        else if (values_may_overflow(a, left) || values_may_overflow(a, right))
                analyser_find(a, ENGINE_FLOAT, left.from, right.to, overflow);
        else if (pattern &&
                 (values_kind(a, left) > COLUMN_TEXT || values_kind(a, right) > COLUMN_TEXT))
                analyser_find(a, ENGINE_FLOAT, left.from, right.to, blobs);
}

static void check_arithmetic(struct analyser *a, size_t i) {
        struct sql_range left = values_left(a, i, OPERATOR_ARITHMETIC),
                         right = values_right(a, i, OPERATOR_ARITHMETIC);

        if (values_bring_real(a, left, true) || values_bring_real(a, right, true) ||
            (!a->is_flat && a->may_real))
                analyser_find(a, ENGINE_FLOAT, left.from, right.to, computes);
}

/* -name reads a text as a number; the sign of a literal does not. */
static void check_sign(struct analyser *a, size_t i) {
        static const char *const signs[] = { "-", "~", NULL };
        struct sql_range right;

        if (!sql_token_is_any(&a->tokens, i, signs) || values_is_infix(a, i))
                return;
        right = values_right(a, i, OPERATOR_TEXT);
        if (right.to - right.from == 1 && a->tokens.tokens[right.from].type == SQL_FLOAT)
                return;
        if (values_bring_real(a, right, true))
                analyser_find(a, ENGINE_FLOAT, i, right.to, computes);
}

/* ---- comparisons ---- */

static struct sql_range behind_and(const struct analyser *a, size_t i) {
        size_t at = sql_find(&a->tokens, i, a->shape.end, a->tokens.tokens[i].depth, "and");

        return at < a->shape.end ? values_right(a, at, OPERATOR_COMPARISON) : (struct sql_range){};
}

static void check_comparison(struct analyser *a, size_t i) {
        static const char *const operators[] = { "=", "==", "!=", "<>", "<",       "<=",
                                                 ">", ">=", "is", "in", "between", NULL };
        struct sql_range left, right;

        if (i == 0 || !sql_token_is_any(&a->tokens, i, operators))
                return;
        left = values_left(a, i, OPERATOR_COMPARISON);
        right = values_right(a, i, OPERATOR_COMPARISON);
        if (values_mix(a, left, right) ||
            (sql_token_is(&a->tokens, i, "between") && values_mix(a, left, behind_and(a, i))))
                analyser_find(a, ENGINE_FLOAT, left.from, right.to, mixes);
}

/* Columns of one name, a number in one table and a text in another: what USING compares.
 * (The authorizer is asked for none of these, so all tables there are are looked at.) */
static bool has_two_kinds(const struct analyser *a, const char *name) {
        bool number = false, text = false;
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->tables, &cursor, &key, &value)) {
                const char *database = (const char *) key.data;
                const char *table = database + strlen(database) + 1;
                CLEANUP(freep)
                char *own = xasprintf("%.*s", (int) (key.len - strlen(database) - 1), table);
                enum column_kind kind;

                if (!sqlite_has_column(a->s, database, own, name))
                        continue;
                kind = sqlite_column_kind(a->s, database, own, name);
                number = number || kind == COLUMN_INTEGER || kind == COLUMN_MAY_BE_REAL;
                text = text || kind == COLUMN_TEXT || kind == COLUMN_NO_REAL;
        }
        return number == text; /* both, or some alias that could be either */
}

static void check_join(struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        char name[128];

        if (sql_token_is(t, i, "natural"))
                analyser_find(a, ENGINE_FLOAT, i, i + 1,
                              "compares columns that are not named here; join by USING");
        if (!sql_token_is(t, i, "using") || !sql_token_is(t, i + 1, "("))
                return;
        for (size_t k = i + 2; k < t->tokens[i + 1].match; k++) {
                if (!sql_token_is(t, k, ",") &&
                    has_two_kinds(a, sql_token_name(t, k, name, sizeof(name))))
                        analyser_find(a, ENGINE_FLOAT, k, k + 1, mixes);
        }
}

/* ---- calls ---- */

/* Builds before 3.47 cut positions to 32 bits. */
static void check_positions(struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        struct sql_range inside = { i + 2, t->tokens[i + 1].match };
        struct sql_list arguments = sql_split(t, inside, t->tokens[i].depth + 1);

        for (size_t k = 1; k < arguments.n; k++) {
                if (!values_are_small(a, arguments.items[k]))
                        analyser_find(a, ENGINE_FLOAT, arguments.items[k].from,
                                      arguments.items[k].to,
                                      "a position that may be beyond 31 bits: builds cut it "
                                      "differently");
        }
        sql_list_done(&arguments);
}

static bool is_substr(const char *name) {
        return !strcasecmp(name, "substr") || !strcasecmp(name, "substring");
}

static struct sql_range text_arguments(const struct analyser *a, size_t i, const char *name) {
        struct sql_range inside = { i + 2, a->tokens.tokens[i + 1].match };

        if (is_substr(name))
                inside.to = sql_find(&a->tokens, inside.from, inside.to,
                                     a->tokens.tokens[i].depth + 1, ",");
        return inside;
}

static void check_text_call(struct analyser *a, size_t i, const char *name,
                            const struct function_rule *rule) {
        struct sql_range inside = text_arguments(a, i, name);
        size_t end = a->tokens.tokens[i + 1].match + 1;
        bool pattern = !strcasecmp(name, "like") || !strcasecmp(name, "glob");

        if (values_bring_real(a, inside, false) || (!a->is_flat && a->may_real))
                analyser_find(a, ENGINE_FLOAT, i, end, rule->why);
        else if (values_may_overflow(a, inside))
                analyser_find(a, ENGINE_FLOAT, i, end, overflow);
        else if (pattern && values_kind(a, inside) > COLUMN_TEXT)
                analyser_find(a, ENGINE_FLOAT, i, end, blobs);
        if (is_substr(name))
                check_positions(a, i);
}

static void check_call(struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        const struct function_rule *rule;
        struct sql_range inside;
        char name[32];

        if (is_pattern(a, i) || !values_call(a, i, name, sizeof(name))[0])
                return;
        rule = function_rule_of(name);
        inside = (struct sql_range){ i + 2, t->tokens[i + 1].match };
        if (rule && rule->effect == FUNCTION_TEXT)
                check_text_call(a, i, name, rule);
        else if (rule && rule->effect == FUNCTION_TIME)
                times_check(a, i);
        else if (a->chooses && !strcasecmp(name, "typeof") &&
                 (values_bring_real(a, inside, false) || (!a->is_flat && a->may_real)))
                analyser_find(a, ENGINE_FLOAT, i, inside.to + 1, chosen);
        else if (rule && rule->effect == FUNCTION_NUMERIC &&
                 (values_bring_real(a, inside, true) || (!a->is_flat && a->may_real)))
                analyser_find(a, ENGINE_FLOAT, i, inside.to + 1, rule->why);
}

/* CAST(x AS …) between numbers and text goes by the build's own rules for REAL. */
static void check_cast(struct analyser *a, size_t i) {
        struct sql_range inside, type;
        enum cell_type affinity;
        size_t close;
        char name[32];

        if (!sql_token_is(&a->tokens, i, "cast") || !sql_token_is(&a->tokens, i + 1, "("))
                return;
        close = a->tokens.tokens[i + 1].match;
        if (!sql_is_cast(&a->tokens, (struct sql_range){ i, close + 1 }, &type))
                return;
        inside = (struct sql_range){ i + 2, type.from - 1 };
        affinity = sqlite_affinity(sql_token_name(&a->tokens, type.from, name, sizeof(name)));
        if (affinity == CELL_REAL)
                analyser_find(a, ENGINE_FLOAT, i, close + 1, "a CAST to REAL");
        else if (values_bring_real(a, inside, affinity == CELL_ANY) || (!a->is_flat && a->may_real))
                analyser_find(a, ENGINE_FLOAT, i, close + 1, "a CAST of a value that may be REAL");
        else if (affinity != CELL_INTEGER && affinity != CELL_ANY && values_may_overflow(a, inside))
                analyser_find(a, ENGINE_FLOAT, i, close + 1, overflow);
}

/* ---- literals and frames ---- */

/* Up to 15 digits every reader of decimals finds the same nearest double. */
static void check_literal(struct analyser *a, size_t i) {
        struct bytes text = sql_token_text(&a->tokens, i);

        if (a->tokens.tokens[i].type == SQL_FLOAT &&
            (text.len > SAFE_DIGITS + 1 || memchr(text.data, 'e', text.len) ||
             memchr(text.data, 'E', text.len)))
                analyser_find(a, ENGINE_FLOAT, i, i + 1, "a REAL that builds may read differently");
}

/* RANGE and GROUPS take rows of equal order together, ROWS counts them. */
static void check_frame(struct analyser *a, size_t i) {
        static const char *const bounds[] = { "preceding", "following", "current", NULL };
        const struct sql_tokens *t = &a->tokens;

        if (!sql_token_is(t, i, "rows") || t->tokens[i].depth == 0 || i + 1 >= t->n)
                return;
        for (size_t k = i + 1; k < a->shape.end && t->tokens[k].depth >= t->tokens[i].depth; k++) {
                if (!sql_token_is_any(&a->tokens, k, bounds))
                        continue;
                analyser_find(a, ENGINE_FLOAT, i, i + 1,
                              "a ROWS frame depends on how rows that are equal in its order are "
                              "placed");
                return;
        }
}

void reals_check(struct analyser *a) {
        for (size_t i = 0; i < a->shape.end; i++) {
                check_literal(a, i);
                check_frame(a, i);
                check_join(a, i);
                check_comparison(a, i);
                if (is_textual(a, i))
                        check_textual(a, i);
                else if (is_arithmetic(a, i))
                        check_arithmetic(a, i);
                else
                        check_sign(a, i);
                check_call(a, i);
                check_cast(a, i);
        }
}
