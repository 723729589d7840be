/* What an expression may give: INTEGER, text, perhaps a BLOB, perhaps REAL. Names are
 * looked up among the columns the statement reads, then among the aliases it
 * defines; what stays unknown is taken for the worst there is. */

#include "services/worker/sqlite/sqlite_analyser.h"

#include "common/base/memory.h"

#define LEVELS_MAX    6 /* aliases of aliases */
#define SMALL_DIGITS  9
#define NUMBER_DIGITS 15 /* every reader of decimals finds the same double, or integer */

static enum column_kind max_kind(enum column_kind a, enum column_kind b) {
        return a > b ? a : b;
}

static bool is_name(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;

        if (t->tokens[i].type == SQL_STRING) /* s.'name' */
                return i > 0 && sql_token_is(t, i - 1, ".");
        return t->tokens[i].type == SQL_QUOTED ||
               (t->tokens[i].type == SQL_WORD && !sql_is_expression_keyword(t, i));
}

bool values_is_infix(const struct analyser *a, size_t i) {
        static const char *const operators[] = { "+", "-", "*", "/", "%", NULL };

        return sql_token_is_any(&a->tokens, i, operators) && i > 0 && i + 1 < a->shape.end &&
               sql_ends_operand(&a->tokens, i - 1);
}

const char *values_call(const struct analyser *a, size_t i, char *ret, size_t ret_size) {
        const struct sql_tokens *t = &a->tokens;

        ret[0] = 0;
        if (i + 1 < t->n && (t->tokens[i].type == SQL_WORD || t->tokens[i].type == SQL_QUOTED) &&
            sql_token_is(t, i + 1, "("))
                sql_token_name(t, i, ret, ret_size);
        return ret;
}

/* Calls that give an INTEGER of at most 31 bits, or NULL, whatever goes in. */
static bool is_small_call(const struct analyser *a, size_t i) {
        static const char *const names[] = { "count", "instr", "length", "unicode",
                                             "octet_length" };
        char name[16];

        values_call(a, i, name, sizeof(name));
        for (size_t k = 0; name[0] && k < ELEMENTSOF(names); k++) {
                if (!strcasecmp(name, names[k]))
                        return true;
        }
        return false;
}

static bool is_integer_call(const struct analyser *a, size_t i) {
        static const char *const names[] = { "exists", NULL };

        return is_small_call(a, i) ||
               (sql_token_is_any(&a->tokens, i, names) && sql_token_is(&a->tokens, i + 1, "("));
}

size_t values_behind_condition(const struct analyser *a, size_t i, size_t end) {
        const struct sql_tokens *t = &a->tokens;
        int open = 0;

        while (++i < end && (open > 0 || !sql_token_is(t, i, "then")))
                open += sql_token_is(t, i, "case") ? 1 : sql_token_is(t, i, "end") ? -1 : 0;
        return i;
}

/* The next token that matters for a value: of a subquery only its result expressions,
 * of CASE what stands behind THEN and ELSE, of OVER and FILTER nothing. */
static size_t next_of(const struct analyser *a, size_t i, size_t end) {
        static const char *const clauses[] = { "from",  "where", "group",     "having",
                                               "order", "limit", "partition", NULL };
        static const char *const conditions[] = { "case", "when", NULL };
        const struct sql_tokens *t = &a->tokens;
        uint32_t depth;

        if (is_integer_call(a, i))
                return t->tokens[i + 1].match + 1;
        if (sql_token_is_any(t, i, conditions))
                return values_behind_condition(a, i, end);
        i++;
        if (i >= end || !sql_token_is_any(t, i, clauses) ||
            (sql_token_is(t, i, "partition") && !sql_token_is(t, i + 1, "by")) ||
            (sql_token_is(t, i, "from") && sql_token_is(t, i - 1, "distinct") &&
             !sql_token_is(t, i - 2, "select")))
                return i;
        depth = t->tokens[i].depth;
        for (i++; i < end && t->tokens[i].depth >= depth; i++) {
                if (t->tokens[i].depth == depth &&
                    (sql_token_is(t, i, "select") || sql_token_is(t, i, "values")))
                        break;
        }
        return i;
}

/* ---- names ---- */

/* The worst kind among columns of that name which the statement reads. */
static enum column_kind kind_of_column(const struct analyser *a, const char *name) {
        enum column_kind worst = COLUMN_UNKNOWN;

        for (size_t k = 0; k < a->s->n_reads; k++) {
                const struct sqlite_read *r = &a->s->reads[k];

                if (!strcasecmp(r->column, name))
                        worst = max_kind(
                                worst, sqlite_column_kind(a->s, r->database, r->table, r->column));
        }
        return worst;
}

/* Whether token k gives a name to the expression before it; *ret is that. */
static bool defines(const struct analyser *a, size_t k, struct sql_range *ret) {
        static const char *const begins[] = { "select", "distinct", "all", ",", NULL };
        const struct sql_tokens *t = &a->tokens;
        size_t end = k, from;

        if (k == 0 || sql_token_is(t, k + 1, ".") || sql_token_is(t, k + 1, "("))
                return false;
        if (sql_token_is(t, k - 1, "as"))
                end = k - 1;
        else if (!sql_ends_operand(&a->tokens, k - 1))
                return false;
        for (from = end; from > 0 && t->tokens[from - 1].depth >= t->tokens[k].depth; from--) {
                if (t->tokens[from - 1].depth == t->tokens[k].depth &&
                    sql_token_is_any(t, from - 1, begins))
                        break;
        }
        *ret = (struct sql_range){ from, end };
        return from < end;
}

/* What stands behind AS: the body of a common table expression or of a view, no alias. */
static bool is_body(const struct sql_tokens *t, size_t i) {
        static const char *const begins[] = { "(", "not", "select", "with", "values", NULL };

        return sql_token_is_any(t, i, begins) ||
               (sql_token_is(t, i, "materialized") && sql_token_is(t, i + 1, "("));
}

/* A list of names before AS: the columns of a common table expression or of a view. */
static bool in_column_list(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        size_t close = i;

        while (close < t->n && (is_name(a, close) || sql_token_is(t, close, ",")))
                close++;
        return sql_token_is(t, close, ")") && sql_token_is(t, close + 1, "as") &&
               is_body(t, close + 2);
}

static bool overflows(const struct analyser *a, struct sql_range r, unsigned level);
static enum column_kind kind_of(const struct analyser *a, struct sql_range r, unsigned level);

struct meaning {
        enum column_kind kind;
        bool is_known, may_overflow;
};

static void add_definition(const struct analyser *a, size_t i, size_t k, unsigned level,
                           struct meaning *m) {
        struct sql_range r;

        if (in_column_list(a, k)) {
                m->kind = max_kind(m->kind, a->worst);
                m->may_overflow = m->may_overflow || a->may_overflow;
                m->is_known = true;
        } else if (defines(a, k, &r) && (i < r.from || i >= r.to)) {
                m->kind = max_kind(m->kind, kind_of(a, r, level + 1));
                m->may_overflow = m->may_overflow || overflows(a, r, level + 1);
                m->is_known = true;
        }
}

/* What the name at token i stands for: columns of that name, and aliases. */
static struct meaning meaning_of(const struct analyser *a, size_t i, unsigned level) {
        const struct sql_tokens *t = &a->tokens;
        char name[128];
        struct meaning m = { .kind = kind_of_column(a, sql_token_name(t, i, name, sizeof(name))) };

        m.is_known = m.kind != COLUMN_UNKNOWN;
        if (level >= LEVELS_MAX || *a->lookups_left < t->n)
                return (struct meaning){ max_kind(m.kind, a->worst), true, a->may_overflow };
        *a->lookups_left -= t->n;
        for (size_t k = 0; k < t->n; k++) {
                char other[128];

                if (k != i && is_name(a, k) && t->tokens[k].type != SQL_STRING &&
                    !strcasecmp(sql_token_name(t, k, other, sizeof(other)), name))
                        add_definition(a, i, k, level, &m);
        }
        return m;
}

/* Words that stand in subqueries, and are no names there unless something has that name. */
static bool is_structural(const struct sql_tokens *t, size_t i) {
        static const char *const words[] = { "union",     "intersect", "except",    "values",
                                             "join",      "using",     "on",        "with",
                                             "preceding", "following", "unbounded", "row",
                                             "rows",      "range",     "groups",    "exclude",
                                             NULL };

        return sql_token_is_any(t, i, words);
}

/* Behind these words stands no value: a table, a type, a collation, a window. */
static bool is_beside(const struct sql_tokens *t, size_t i) {
        static const char *const before[] = { "from", "join", "as", "collate", "over", NULL };

        return sql_token_is(t, i + 1, ".") || (i > 0 && sql_token_is_any(t, i - 1, before));
}

static enum column_kind kind_of_name(const struct analyser *a, size_t i, unsigned level) {
        struct meaning m;

        if (is_beside(&a->tokens, i) || sql_token_is(&a->tokens, i + 1, "("))
                return COLUMN_UNKNOWN;
        m = meaning_of(a, i, level);
        if (!m.is_known || m.kind == COLUMN_UNKNOWN)
                return m.is_known || is_structural(&a->tokens, i) ? m.kind : a->worst;
        return m.kind;
}

/* ---- kinds ---- */

static enum column_kind kind_of_cast(const struct analyser *a, struct sql_range type) {
        char name[64];

        switch (sqlite_affinity(sql_token_name(&a->tokens, type.from, name, sizeof(name)))) {
        case CELL_INTEGER:
                return COLUMN_INTEGER;
        case CELL_TEXT:
                return COLUMN_TEXT;
        case CELL_BLOB:
                return COLUMN_NO_REAL;
        default:
                return COLUMN_MAY_BE_REAL;
        }
}

static enum column_kind kind_of_token(const struct analyser *a, size_t i, unsigned level) {
        static const char *const texts_of[] = { "||", "->", "->>", NULL };
        static const char *const texts[] = { "current_date", "current_time", "current_timestamp",
                                             NULL };

        if (is_name(a, i))
                return kind_of_name(a, i, level);
        switch (a->tokens.tokens[i].type) {
        case SQL_FLOAT:
        case SQL_VARIABLE:
                return COLUMN_MAY_BE_REAL;
        case SQL_STRING:
                return COLUMN_TEXT;
        case SQL_BLOB:
                return COLUMN_NO_REAL;
        case SQL_INTEGER:
                return COLUMN_INTEGER;
        case SQL_OPERATOR: /* a star stands for every column */
                if (sql_token_is_any(&a->tokens, i, texts_of))
                        return COLUMN_TEXT;
                return sql_token_is(&a->tokens, i, "*") && !values_is_infix(a, i) ? a->worst
                                                                                  : COLUMN_UNKNOWN;
        default:
                return sql_token_is_any(&a->tokens, i, texts) ? COLUMN_TEXT : COLUMN_UNKNOWN;
        }
}

/* A CAST at token i; *ret is what it gives. */
static bool is_cast(const struct analyser *a, size_t i, enum column_kind *ret) {
        const struct sql_tokens *t = &a->tokens;
        struct sql_range type;

        if (!sql_token_is(t, i, "cast") || !sql_token_is(t, i + 1, "(") ||
            !sql_is_cast(t, (struct sql_range){ i, t->tokens[i + 1].match + 1 }, &type))
                return false;
        *ret = kind_of_cast(a, type);
        return true;
}

/* Calls whose value is of one kind, whatever goes in: *ret. */
static bool is_call_of_kind(const struct analyser *a, size_t i, enum column_kind *ret) {
        char name[16];

        if (is_cast(a, i, ret))
                return true;
        *ret = is_integer_call(a, i) ? COLUMN_INTEGER : COLUMN_TEXT;
        return is_integer_call(a, i) ||
               !strcasecmp(values_call(a, i, name, sizeof(name)), "typeof");
}

static enum column_kind kind_of(const struct analyser *a, struct sql_range r, unsigned level) {
        enum column_kind kind = COLUMN_UNKNOWN, one;

        for (size_t i = r.from; i < r.to && kind < COLUMN_MAY_BE_REAL;) {
                if (is_call_of_kind(a, i, &one)) {
                        kind = max_kind(kind, one);
                        i = a->tokens.tokens[i + 1].match + 1;
                        continue;
                }
                kind = max_kind(kind, kind_of_token(a, i, level));
                i = next_of(a, i, r.to);
        }
        return kind;
}

enum column_kind values_kind(const struct analyser *a, struct sql_range r) {
        return kind_of(a, r, 0);
}

bool values_bring_real(const struct analyser *a, struct sql_range r, bool arithmetic) {
        return values_kind(a, r) > (arithmetic ? COLUMN_INTEGER : COLUMN_NO_REAL);
}

/* ---- operands ---- */

/* CASE … END, whose END is token i. */
static size_t case_of(const struct analyser *a, size_t i) {
        size_t open = 1;

        while (i > 0 && open > 0) {
                i--;
                open += sql_token_is(&a->tokens, i, "end");
                open -= sql_token_is(&a->tokens, i, "case");
        }
        return i;
}

static size_t end_of_case(const struct analyser *a, size_t i) {
        size_t open = 1;

        while (++i < a->shape.end && open > 0) {
                open += sql_token_is(&a->tokens, i, "case");
                open -= sql_token_is(&a->tokens, i, "end");
        }
        return i;
}

static bool is_called(const struct analyser *a, size_t i) {
        return is_name(a, i) || sql_token_is(&a->tokens, i, "cast") ||
               sql_token_is(&a->tokens, i, "exists") || sql_token_is(&a->tokens, i, "like") ||
               sql_token_is(&a->tokens, i, "glob");
}

static bool binds_tighter(const struct analyser *a, size_t i, enum operator_strength than) {
        static const char *const texts[] = { "||", "->", "->>", NULL };
        static const char *const bits[] = { "<<", ">>", "&", "|", NULL };

        return (than > OPERATOR_TEXT && sql_token_is_any(&a->tokens, i, texts)) ||
               (than > OPERATOR_ARITHMETIC &&
                (values_is_infix(a, i) || sql_token_is_any(&a->tokens, i, bits)));
}

struct sql_range values_left(const struct analyser *a, size_t i, enum operator_strength of) {
        const struct sql_tokens *t = &a->tokens;
        size_t from = i;

        while (from > 0) {
                from--;
                if (sql_token_is(t, from, "not") && from > 0)
                        from--;
                if (from > 1 && sql_token_is(t, from - 1, "collate"))
                        from -= 2;
                if (sql_token_is(t, from, ")")) {
                        from = t->tokens[from].match;
                        from -= from > 0 && is_called(a, from - 1);
                } else if (sql_token_is(t, from, "end")) {
                        from = case_of(a, from);
                }
                while (from > 1 && sql_token_is(t, from - 1, "."))
                        from -= 2;
                if (from == 0 || !binds_tighter(a, from - 1, of))
                        break;
                from--;
        }
        return (struct sql_range){ from, i };
}

struct sql_range values_right(const struct analyser *a, size_t i, enum operator_strength of) {
        static const char *const signs[] = { "-", "+", "~", "not", "distinct", "from", NULL };
        const struct sql_tokens *t = &a->tokens;
        size_t at = i + 1;

        for (;;) {
                while (sql_token_is_any(t, at, signs))
                        at++;
                while (sql_token_is(t, at + 1, "."))
                        at += 2;
                if (sql_token_is(t, at, "case"))
                        at = end_of_case(a, at);
                else if (sql_token_is(t, at, "("))
                        at = t->tokens[at].match + 1;
                else if (at < t->n && is_called(a, at) && sql_token_is(t, at + 1, "("))
                        at = t->tokens[at + 1].match + 1;
                else
                        at++;
                if (at >= a->shape.end || !binds_tighter(a, at, of))
                        break;
                at++;
        }
        return (struct sql_range){ i + 1, at < a->shape.end ? at : a->shape.end };
}

/* ---- overflow ---- */

bool values_are_small(const struct analyser *a, struct sql_range r) {
        const struct sql_tokens *t = &a->tokens;

        for (size_t i = r.from; i < r.to; i++) {
                if (is_small_call(a, i))
                        i = t->tokens[i + 1].match;
                else if (!(t->tokens[i].type == SQL_INTEGER && t->tokens[i].len <= SMALL_DIGITS) &&
                         !sql_token_is(t, i, "+") && !sql_token_is(t, i, "-"))
                        return false;
        }
        return r.from < r.to;
}

static bool is_positive(const struct analyser *a, struct sql_range r) {
        return r.to - r.from == 1 && a->tokens.tokens[r.from].type == SQL_INTEGER;
}

static bool overflows_at(const struct analyser *a, size_t i) {
        struct sql_range right = values_right(a, i, OPERATOR_ARITHMETIC);

        if (!values_is_infix(a, i)) /* -x of the smallest */
                return sql_token_is(&a->tokens, i, "-") && !values_are_small(a, right);
        if (sql_token_is(&a->tokens, i, "%"))
                return false;
        if (sql_token_is(&a->tokens, i, "/"))
                return !is_positive(a, right);
        return sql_token_is(&a->tokens, i, "*") ||
               !values_are_small(a, values_left(a, i, OPERATOR_ARITHMETIC)) ||
               !values_are_small(a, right);
}

static bool overflows(const struct analyser *a, struct sql_range r, unsigned level) {
        static const char *const operators[] = { "+", "-", "*", "/", "%", NULL };
        const struct sql_tokens *t = &a->tokens;

        for (size_t i = r.from; i < r.to; i = next_of(a, i, r.to)) {
                enum column_kind kind;

                if (is_cast(a, i, &kind) && kind == COLUMN_INTEGER) {
                        i = t->tokens[i + 1].match;
                } else if (sql_token_is_any(t, i, operators)) {
                        if (overflows_at(a, i))
                                return true;
                } else if (is_name(a, i) && !is_beside(t, i) && !sql_token_is(t, i + 1, "(")) {
                        struct meaning m = meaning_of(a, i, level);

                        if (m.is_known ? m.may_overflow : a->may_overflow && !is_structural(t, i))
                                return true;
                }
        }
        return false;
}

bool values_may_overflow(const struct analyser *a, struct sql_range r) {
        return a->may_overflow && overflows(a, r, 0);
}

/* ---- comparisons ---- */

struct traits {
        bool has_number, has_text;
};

/* '12' and 'abc' are read alike everywhere; what is longer or has a point may not be. */
static bool is_doubtful_number(struct bytes text) {
        size_t digits = 0, others = 0;
        bool has_exponent = memchr(text.data, 'e', text.len) || memchr(text.data, 'E', text.len);

        for (size_t i = 1; i + 1 < text.len; i++) {
                if (text.data[i] >= '0' && text.data[i] <= '9')
                        digits++;
                else if (memchr(".eE", text.data[i], 3))
                        others++;
                else if (!memchr("+- \t\n\r\f", text.data[i], 7))
                        return false;
        }
        return digits > 0 && (has_exponent || digits + others > NUMBER_DIGITS);
}

static struct traits traits_of(const struct analyser *a, struct sql_range r) {
        const struct sql_tokens *t = &a->tokens;
        struct traits x = {};

        for (size_t i = r.from; i < r.to; i = next_of(a, i, r.to)) {
                enum column_kind kind = COLUMN_UNKNOWN;

                if (t->tokens[i].type == SQL_STRING && !is_name(a, i))
                        x.has_text = x.has_text || is_doubtful_number(sql_token_text(t, i));
                else if (is_name(a, i))
                        kind = kind_of_name(a, i, 0);
                x.has_number = x.has_number || kind == COLUMN_INTEGER || kind == COLUMN_MAY_BE_REAL;
                x.has_text = x.has_text || kind == COLUMN_TEXT || kind == COLUMN_NO_REAL;
        }
        return x;
}

bool values_mix(const struct analyser *a, struct sql_range left, struct sql_range right) {
        struct traits l = traits_of(a, left), r = traits_of(a, right);

        return (l.has_number && r.has_text) || (l.has_text && r.has_number);
}

/* ---- a statement ---- */

static bool may_read_real(struct engine_session *s, enum column_kind *worst) {
        bool may = s->too_many_reads;

        for (size_t i = 0; i < s->n_reads; i++) {
                const struct sqlite_read *r = &s->reads[i];
                enum column_kind kind = sqlite_column_kind(s, r->database, r->table, r->column);

                *worst = max_kind(*worst, kind);
                may = may || kind == COLUMN_MAY_BE_REAL;
        }
        return may;
}

/* Whether one value stands for all that equal it here, 1 for 1.0, whichever the plan meets first.
 */
static bool chooses_at(const struct analyser *a, size_t i) {
        static const char *const words[] = { "group", "union", "intersect", "except", NULL };
        char name[8];

        values_call(a, i, name, sizeof(name));
        return sql_token_is_any(&a->tokens, i, words) ||
               (sql_token_is(&a->tokens, i, "distinct") &&
                !sql_token_is(&a->tokens, i + 1, "from")) ||
               !strcasecmp(name, "min") || !strcasecmp(name, "max");
}

void values_add_tokens(struct analyser *a) {
        static const char *const operators[] = { "+", "-", "*", "/", NULL };

        for (size_t i = 0; i < a->shape.end; i++) {
                enum sql_token_type type = a->tokens.tokens[i].type;
                bool is_real = type == SQL_FLOAT || type == SQL_VARIABLE;

                a->may_real = a->may_real || (is_real && !a->is_flat);
                if (is_real)
                        a->worst = COLUMN_MAY_BE_REAL;
                else if (type == SQL_STRING || type == SQL_BLOB)
                        a->worst =
                                max_kind(a->worst, type == SQL_BLOB ? COLUMN_NO_REAL : COLUMN_TEXT);
                a->chooses = a->chooses || chooses_at(a, i);
                a->may_overflow = a->may_overflow || (sql_token_is_any(&a->tokens, i, operators) &&
                                                      overflows_at(a, i));
        }
}

void values_prepare(struct analyser *a) {
        a->worst = COLUMN_INTEGER;
        a->may_real = may_read_real(a->s, &a->worst);
        values_add_tokens(a);
        if (a->may_real)
                a->worst = COLUMN_MAY_BE_REAL;
}
