/* The class of a statement and its result schema, before anything is sent.
 *
 * What the engine itself says (its authorizer, its column metadata) comes first;
 * where it says nothing, the tokens decide, and always to the careful side: a
 * statement called EXACT by mistake would make honest hosts differ, one called
 * FLOAT by mistake only needs hosts of one build. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/outcome.h"
#include "services/worker/function_rules.h"
#include "services/worker/sql_shape.h"
#include "services/worker/sqlite_columns.h"
#include "services/worker/sqlite_session.h"

struct analyser {
        struct engine_session *s;
        sqlite3_stmt *stmt;
        struct sql_tokens tokens;
        struct sql_shape shape;
        bool is_view;  /* the tokens are those of a view, not of the statement */
        bool is_flat;  /* one SELECT, no views: names in it are columns of tables */
        bool may_real; /* some column it reads may hold REAL */
        bool collates; /* texts may be equal that are not the same */
        struct engine_analysis *out;
};

static void find(struct analyser *a, enum engine_class class, size_t from, size_t to,
                 const char *why) {
        struct engine_analysis *out = a->out;
        struct engine_finding *f = &out->findings[out->n_findings];
        const struct sql_tokens *t = &a->tokens;
        size_t start, len;

        if (class > out->class)
                out->class = class;
        if (out->n_findings == ENGINE_FINDINGS_MAX)
                return;
        *f = (struct engine_finding){ .position = -1, .why = why };
        if (from < to && to <= t->n) {
                start = t->tokens[from].start;
                len = t->tokens[to - 1].start + t->tokens[to - 1].len - start;
                len = len < sizeof(f->expression) ? len : sizeof(f->expression) - 1;
                len = utf8_valid_prefix(BYTES(t->sql.data + start, len));
                memcpy(f->expression, t->sql.data + start, len);
                f->position = a->is_view ? -1 : (int32_t) start;
        }
        out->n_findings++;
}

static void find_named(struct analyser *a, enum engine_class class, const char *name,
                       const char *why) {
        struct engine_finding *f = &a->out->findings[a->out->n_findings];

        if (a->out->n_findings < ENGINE_FINDINGS_MAX) {
                find(a, class, 0, 0, why);
                (void) text_escape(BYTES_STR(name), f->expression, sizeof(f->expression));
        } else {
                find(a, class, 0, 0, why);
        }
}

/* ---- functions ---- */

static size_t find_call(const struct analyser *a, const char *name) {
        for (size_t i = 0; i < a->shape.end; i++) {
                char word[48];

                if ((a->tokens.tokens[i].type == SQL_WORD ||
                     a->tokens.tokens[i].type == SQL_QUOTED) &&
                    !strcasecmp(sql_token_name(&a->tokens, i, word, sizeof(word)), name))
                        return i;
        }
        return a->shape.end;
}

static void check_functions(struct analyser *a) {
        static const enum engine_class classes[] = {
                [FUNCTION_FLOAT] = ENGINE_FLOAT,
                [FUNCTION_TIES] = ENGINE_FLOAT,
                [FUNCTION_REFUSED] = ENGINE_REFUSED,
        };
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->functions, &cursor, &key, &value)) {
                const struct function_rule *rule = value;
                size_t at;

                if (rule->effect == FUNCTION_EXACT || rule->effect == FUNCTION_NUMERIC)
                        continue;
                at = find_call(a, rule->name);
                if (at < a->shape.end)
                        find(a, classes[rule->effect], at, at + 1, rule->why);
                else
                        find_named(a, classes[rule->effect], rule->name, rule->why);
        }
}

/* ---- where REAL may come in ---- */

/* The worst kind among columns of that name which the statement reads. */
static enum column_kind kind_of_name(const struct analyser *a, size_t i) {
        enum column_kind worst = COLUMN_UNKNOWN;
        char name[128];

        sql_token_name(&a->tokens, i, name, sizeof(name));
        for (size_t k = 0; k < a->s->n_reads; k++) {
                const struct sqlite_read *r = &a->s->reads[k];
                enum column_kind kind;

                if (strcasecmp(r->column, name) != 0)
                        continue;
                kind = sqlite_column_kind(a->s, r->database, r->table, r->column);
                worst = kind > worst ? kind : worst;
        }
        return worst;
}

/* Whether a token may bring in REAL; of arithmetic also text, which may look like one. */
static bool brings_real(const struct analyser *a, size_t i, bool arithmetic) {
        switch (a->tokens.tokens[i].type) {
        case SQL_FLOAT:
        case SQL_VARIABLE:
                return true;
        case SQL_STRING:
        case SQL_BLOB:
                return arithmetic;
        case SQL_WORD:
        case SQL_QUOTED:
                if (sql_token_is(&a->tokens, i + 1, "(") ||
                    sql_is_expression_keyword(&a->tokens, i))
                        return false;
                return kind_of_name(a, i) > (arithmetic ? COLUMN_INTEGER : COLUMN_NO_REAL);
        default:
                return false;
        }
}

static bool range_brings_real(const struct analyser *a, struct sql_range r, bool arithmetic) {
        for (size_t i = r.from; i < r.to; i++) {
                if (sql_token_is(&a->tokens, i, "count") && sql_token_is(&a->tokens, i + 1, "("))
                        i = a->tokens.tokens[i + 1].match;
                else if (brings_real(a, i, arithmetic))
                        return true;
        }
        return false;
}

/* The operand that ends before, or begins at, a token: a name, a literal, a call. */
static struct sql_range operand(const struct analyser *a, size_t at, bool before) {
        const struct sql_tokens *t = &a->tokens;

        if (before) {
                size_t from = at - 1;

                if (sql_token_is(t, from, "not") && from > 0)
                        from--;
                if (sql_token_is(t, from, ")"))
                        from = t->tokens[from].match;
                return (struct sql_range){ from, at };
        }
        while (sql_token_is(t, at, "-") || sql_token_is(t, at, "+") || sql_token_is(t, at, "~"))
                at++;
        if (sql_token_is(t, at + 1, "."))
                at += 2;
        if (at < t->n && sql_token_is(t, at, "("))
                return (struct sql_range){ at, t->tokens[at].match };
        if (sql_token_is(t, at + 1, "("))
                return (struct sql_range){ at, t->tokens[at + 1].match };
        return (struct sql_range){ at, at < t->n ? at + 1 : at };
}

/* A sign or a star, not an operator between two values. */
static bool is_prefix(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;

        if (i == 0 || i + 1 >= a->shape.end)
                return true;
        if (t->tokens[i - 1].type == SQL_OPERATOR)
                return !sql_token_is(t, i - 1, ")");
        return t->tokens[i - 1].type == SQL_WORD && sql_is_expression_keyword(t, i - 1) &&
               !sql_token_is(t, i - 1, "end") && !sql_token_is(t, i - 1, "null");
}

/* Operators that make text of their operands. */
static bool is_textual(const struct analyser *a, size_t i) {
        static const char *const operators[] = { "||", "like", "glob", "->", "->>" };

        for (size_t k = 0; k < ELEMENTSOF(operators); k++) {
                if (sql_token_is(&a->tokens, i, operators[k]))
                        return i > 0 && !sql_token_is(&a->tokens, i + 1, "(");
        }
        return false;
}

static bool is_arithmetic(const struct analyser *a, size_t i) {
        static const char *const operators[] = { "+", "-", "*", "/", "%" };

        for (size_t k = 0; k < ELEMENTSOF(operators); k++) {
                if (sql_token_is(&a->tokens, i, operators[k]))
                        return !is_prefix(a, i);
        }
        return is_textual(a, i);
}

static const char computes[] = "computes with a value that may be REAL";

static void check_operator(struct analyser *a, size_t i) {
        bool text = is_textual(a, i);
        struct sql_range left = operand(a, i, true), right = operand(a, i + 1, false);

        if (range_brings_real(a, left, !text) || range_brings_real(a, right, !text) ||
            (!a->is_flat && a->may_real))
                find(a, ENGINE_FLOAT, left.from, right.to < a->shape.end ? right.to : a->shape.end,
                     computes);
}

static bool is_sum(const struct analyser *a, size_t i) {
        return sql_token_is(&a->tokens, i, "sum") || sql_token_is(&a->tokens, i, "abs");
}

static void check_numeric_call(struct analyser *a, size_t i) {
        const struct function_rule *rule;
        struct sql_range inside;
        char name[32];

        if (a->tokens.tokens[i].type != SQL_WORD || !sql_token_is(&a->tokens, i + 1, "("))
                return;
        rule = function_rule_of(sql_token_name(&a->tokens, i, name, sizeof(name)));
        if (!rule || rule->effect != FUNCTION_NUMERIC)
                return;
        inside = (struct sql_range){ i + 2, a->tokens.tokens[i + 1].match };
        if (range_brings_real(a, inside, is_sum(a, i)) || (!a->is_flat && a->may_real))
                find(a, ENGINE_FLOAT, i, inside.to + 1, rule->why ? rule->why : computes);
}

/* CAST(x AS …) between numbers and text goes by the build's own rules for REAL. */
static void check_cast(struct analyser *a, size_t i) {
        struct sql_range inside, type;
        size_t close;
        char name[32];

        if (!sql_token_is(&a->tokens, i, "cast") || !sql_token_is(&a->tokens, i + 1, "("))
                return;
        close = a->tokens.tokens[i + 1].match;
        if (!sql_is_cast(&a->tokens, (struct sql_range){ i, close + 1 }, &type))
                return;
        inside = (struct sql_range){ i + 2, type.from - 1 };
        sql_token_name(&a->tokens, type.from, name, sizeof(name));
        if (sqlite_affinity(name) == CELL_REAL)
                find(a, ENGINE_FLOAT, i, close + 1, "a CAST to REAL");
        else if (range_brings_real(a, inside, false) || (!a->is_flat && a->may_real))
                find(a, ENGINE_FLOAT, i, close + 1, "a CAST of a value that may be REAL");
}

#define SAFE_DIGITS 15

/* Up to 15 digits every reader of decimals finds the same nearest double. */
static void check_literal(struct analyser *a, size_t i) {
        struct bytes text = sql_token_text(&a->tokens, i);

        if (a->tokens.tokens[i].type == SQL_FLOAT &&
            (text.len > SAFE_DIGITS + 1 || memchr(text.data, 'e', text.len) ||
             memchr(text.data, 'E', text.len)))
                find(a, ENGINE_FLOAT, i, i + 1, "a REAL that builds may read differently");
}

/* strftime('%J') writes a REAL. */
static void check_format(struct analyser *a, size_t i) {
        struct bytes text = sql_token_text(&a->tokens, i);

        if (a->tokens.tokens[i].type == SQL_STRING && memmem(text.data, text.len, "%J", 2) &&
            map_get(a->s->functions, BYTES_LIT("strftime")))
                find(a, ENGINE_FLOAT, i, i + 1, "writes a REAL as text");
}

/* RANGE and GROUPS take rows of equal order together, ROWS counts them. */
static void check_frame(struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;

        if (!sql_token_is(t, i, "rows") || t->tokens[i].depth == 0 || i + 1 >= t->n)
                return;
        for (size_t k = i + 1; k < a->shape.end && t->tokens[k].depth >= t->tokens[i].depth; k++) {
                if (!sql_token_is(t, k, "preceding") && !sql_token_is(t, k, "following") &&
                    !sql_token_is(t, k, "current"))
                        continue;
                find(a, ENGINE_FLOAT, i, i + 1,
                     "a ROWS frame depends on how rows that are equal in its order are placed");
                return;
        }
}

static void check_reals(struct analyser *a) {
        for (size_t i = 0; i < a->shape.end; i++) {
                check_literal(a, i);
                check_format(a, i);
                check_frame(a, i);
                if (is_arithmetic(a, i))
                        check_operator(a, i);
                else
                        check_numeric_call(a, i);
                check_cast(a, i);
        }
}

/* ---- words in the wrong place ---- */

static void on_fault(void *userdata, enum sql_fault fault, size_t token) {
        static const struct {
                enum engine_class class;
                const char *why;
        } faults[] = {
                [SQL_FAULT_INNER_LIMIT] = { ENGINE_REFUSED,
                                            "an inner LIMIT without ORDER BY picks any rows" },
                [SQL_FAULT_INNER_TIES] = { ENGINE_FLOAT,
                                           "an inner LIMIT may cut between rows of equal order" },
                [SQL_FAULT_BARE_COLUMN] = { ENGINE_REFUSED,
                                            "a column beside aggregates that is not grouped by: "
                                            "its value comes from any row" },
                [SQL_FAULT_FIRST_ROW] = { ENGINE_FLOAT,
                                          "of several rows of a subquery the plan decides which "
                                          "is first; take max() or min() of it" },
        };
        struct analyser *a = userdata;

        find(a, faults[fault].class, token, token + 1, faults[fault].why);
}

static bool has_collate(const struct analyser *a) {
        for (size_t i = 0; i + 1 < a->shape.end; i++) {
                char name[16];

                if (sql_token_is(&a->tokens, i, "collate") &&
                    strcasecmp(sql_token_name(&a->tokens, i + 1, name, sizeof(name)), "binary"))
                        return true;
        }
        return false;
}

static void check_collations(struct analyser *a) {
        static const char *const choosers[] = { "distinct", "group", "union", "intersect",
                                                "except",   "min",   "max" };

        for (size_t i = 0; a->collates && i < ELEMENTSOF(choosers); i++) {
                size_t at = find_call(a, choosers[i]);

                if (at < a->shape.end) {
                        find(a, ENGINE_FLOAT, at, at + 1,
                             "chooses among texts that only a collation holds for equal");
                        return;
                }
        }
}

static void check_tokens(struct analyser *a) {
        check_reals(a);
        check_collations(a);
        sql_faults_find(&a->tokens, a->shape.end, on_fault, a);
}

/* The text of a view stands for what the statement says of it. */
static void check_view(struct analyser *outer, const struct sqlite_table *view) {
        struct analyser a = *outer;
        size_t as;

        if (sql_tokens_read(BYTES_STR(view->sql), &a.tokens) != SQL_TOKENS_OK) {
                find_named(outer, ENGINE_REFUSED, "view", "a view too long to be analysed");
                return;
        }
        a.is_view = true;
        a.is_flat = false;
        sql_shape_read(&a.tokens, &a.shape);
        as = sql_find(&a.tokens, 0, a.shape.end, 0, "as");
        outer->shape.is_compound = outer->shape.is_compound || a.shape.is_compound;
        if (a.shape.limit < a.shape.end && as < a.shape.end)
                find(&a, a.shape.order.n ? ENGINE_FLOAT : ENGINE_REFUSED, a.shape.limit,
                     a.shape.limit + 1, "a LIMIT inside a view");
        a.collates = a.collates || has_collate(&a);
        check_tokens(&a);
        sql_shape_done(&a.shape);
        sql_tokens_done(&a.tokens);
}

static void check_views(struct analyser *a) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->tables, &cursor, &key, &value)) {
                if (((struct sqlite_table *) value)->is_used)
                        check_view(a, value);
        }
}

static bool uses_a_view(const struct analyser *a) {
        size_t cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(a->s->tables, &cursor, &key, &value)) {
                if (((struct sqlite_table *) value)->is_used)
                        return true;
        }
        return false;
}

/* ---- result columns ---- */

/* The result expression of column i; empty when a star hides it. */
static struct sql_range item_of(const struct analyser *a, size_t i, size_t n_columns) {
        const struct sql_list *l = &a->shape.result;
        size_t first = l->n, last = 0;

        for (size_t k = 0; k < l->n; k++) {
                if (l->items[k].from >= l->items[k].to || !sql_is_star(&a->tokens, l->items[k]))
                        continue;
                first = first == l->n ? k : first;
                last = k + 1;
        }
        if (i < first && i < l->n)
                return l->items[i];
        if (last > 0 && i + (l->n - last) >= n_columns)
                return l->items[l->n - (n_columns - i)];
        return (struct sql_range){};
}

static enum cell_type declared_type(const struct analyser *a, size_t i, struct sql_range item) {
        const char *database = sqlite3_column_database_name(a->stmt, (int) i);
        const char *table = sqlite3_column_table_name(a->stmt, (int) i);
        const char *column = sqlite3_column_origin_name(a->stmt, (int) i);
        struct sql_range type;
        char name[64];
        enum cell_type t;

        /* The engine reports the columns of the first SELECT of a compound only. */
        if (a->shape.is_compound)
                return CELL_ANY;
        if (database && table && column)
                return sqlite_column_type_of(a->s, database, table, column);
        if (item.from >= item.to || !sql_is_cast(&a->tokens, item, &type))
                return CELL_ANY;
        t = sqlite_affinity(sql_token_name(&a->tokens, type.from, name, sizeof(name)));
        return t;
}

static void check_column(struct analyser *a, size_t i, struct sql_range item, enum cell_type type) {
        const char *database = sqlite3_column_database_name(a->stmt, (int) i);
        const char *table = sqlite3_column_table_name(a->stmt, (int) i);
        const char *column = sqlite3_column_origin_name(a->stmt, (int) i);

        if (type != CELL_ANY)
                return;
        if (database && table && column && !a->shape.is_compound) {
                if (sqlite_column_kind(a->s, database, table, column) == COLUMN_MAY_BE_REAL)
                        find_named(a, ENGINE_FLOAT, column,
                                   "no column of a STRICT table, so without a type: may hold REAL");
                return;
        }
        if (a->is_flat && item.from < item.to ? range_brings_real(a, item, false) : a->may_real)
                find(a, ENGINE_FLOAT, item.from, item.to,
                     "a result without a type that may be REAL; CAST it");
}

static void write_schema(struct analyser *a) {
        size_t n = (size_t) sqlite3_column_count(a->stmt);

        buffer_init(&a->out->schema, SCHEMA_BYTES_MAX);
        schema_begin(&a->out->schema, n);
        for (size_t i = 0; i < n; i++) {
                const char *name = sqlite3_column_name(a->stmt, (int) i);
                size_t len = name ? strlen(name) : 0;
                struct sql_range item = item_of(a, i, n);
                enum cell_type type = declared_type(a, i, item);

                len = len < SCHEMA_NAME_MAX ? len : SCHEMA_NAME_MAX;
                len = utf8_valid_prefix(BYTES(name, len));
                check_column(a, i, item, type);
                schema_put_name(&a->out->schema, BYTES(name, len));
                schema_put_type(&a->out->schema, type);
        }
}

/* ---- order ---- */

static void check_order(struct analyser *a, bool no_rewrite) {
        size_t n = (size_t) sqlite3_column_count(a->stmt);
        struct sql_shape *s = &a->shape;

        a->out->is_ordered = sql_order_is_total(&a->tokens, s, n, a->collates);
        if (s->order.n > 0 && !a->out->is_ordered && !no_rewrite) {
                a->out->rewrite = sql_with_total_order(&a->tokens, s, n, a->collates);
                a->out->is_ordered = true;
        }
        if (s->limit < s->end && s->order.n == 0)
                find(a, ENGINE_REFUSED, s->limit, s->limit + 1,
                     "LIMIT without ORDER BY picks any rows");
        else if (s->limit < s->end && !a->out->is_ordered)
                find(a, ENGINE_REFUSED, s->limit, s->limit + 1,
                     "LIMIT cuts between rows of equal order; drop --no-rewrite");
        if (a->out->class == ENGINE_EXACT && a->out->is_ordered)
                a->out->class = ENGINE_ORDERED;
}

static bool may_read_real(struct engine_session *s) {
        for (size_t i = 0; i < s->n_reads; i++) {
                const struct sqlite_read *r = &s->reads[i];

                if (sqlite_column_kind(s, r->database, r->table, r->column) == COLUMN_MAY_BE_REAL)
                        return true;
        }
        return s->too_many_reads;
}

static bool reads_collation(struct engine_session *s) {
        for (size_t i = 0; i < s->n_reads; i++) {
                if (sqlite_column_has_collation(s, &s->reads[i]))
                        return true;
        }
        return s->too_many_reads;
}

static void analyse(struct analyser *a, bool no_rewrite) {
        for (size_t i = 0; i < a->tokens.n; i++) {
                if (a->tokens.tokens[i].type == SQL_ILLEGAL)
                        find(a, ENGINE_REFUSED, i, i + 1, "not a token of the SQL we know");
        }
        a->is_flat = a->shape.n_selects == 1 && !uses_a_view(a);
        a->may_real = may_read_real(a->s);
        for (size_t i = 0; !a->is_flat && i < a->shape.end; i++)
                a->may_real = a->may_real || a->tokens.tokens[i].type == SQL_FLOAT ||
                              a->tokens.tokens[i].type == SQL_VARIABLE;
        a->collates = has_collate(a) || reads_collation(a->s);
        if (a->s->reads_catalogue)
                find_named(a, ENGINE_REFUSED, "sqlite_schema",
                           "tells about the file, not about its data");
        check_functions(a);
        check_tokens(a);
        check_views(a);
        write_schema(a);
        check_order(a, no_rewrite);
}

static int check_rewrite(struct analyser *a, struct bytes sql, struct engine_problem *p) {
        sqlite3_stmt *again = NULL;
        int r;

        if (!a->out->rewrite) {
                a->out->rewrite = xmalloc(sql.len + 1);
                memcpy(a->out->rewrite, sql.data, sql.len);
                a->out->rewrite[sql.len] = 0;
                return ENGINE_OK;
        }
        r = sqlite_prepare_one(a->s, BYTES_STR(a->out->rewrite), &again, p);
        (void) sqlite3_finalize(again);
        if (r)
                p->position = -1;
        return r;
}

int sqlite_analyse(struct engine_session *s, struct bytes sql, bool no_rewrite,
                   struct engine_analysis *ret, struct engine_problem *p) {
        struct analyser a = { .s = s, .out = ret };
        int r;

        sqlite_recorded_clear(s);
        r = sqlite_prepare_one(s, sql, &a.stmt, p);
        if (r)
                return r;
        if (sql_tokens_read(sql, &a.tokens) != SQL_TOKENS_OK) {
                (void) sqlite3_finalize(a.stmt);
                return engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1,
                                          "a statement of too many words");
        }
        sql_shape_read(&a.tokens, &a.shape);
        analyse(&a, no_rewrite);
        r = check_rewrite(&a, sql, p);
        sql_shape_done(&a.shape);
        sql_tokens_done(&a.tokens);
        (void) sqlite3_finalize(a.stmt);
        if (r == ENGINE_OK && ret->schema.failed)
                r = engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_REFUSED, 0, -1,
                                       "the result has too many columns");
        return r;
}
