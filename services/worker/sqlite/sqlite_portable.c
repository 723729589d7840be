#include "services/worker/sqlite/sqlite_portable.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/schema.h"
#include "services/worker/portable.h"

static const char other_word[] = "a word whose meaning differs between engines",
                  other_call[] = "a function that is not the same in every engine",
                  other_kind[] = "values of two kinds, which engines convert differently",
                  no_nulls[] = "an order without NULLS FIRST or NULLS LAST, where engines differ";

/* ---- values ---- */

static enum cell_type type_of_kind(enum column_kind kind) {
        return kind == COLUMN_INTEGER ? CELL_INTEGER : kind == COLUMN_TEXT ? CELL_TEXT : CELL_ANY;
}

/* A condition as a value is a number here and a BOOLEAN there; a subquery may have no row. */
static bool is_condition(const struct analyser *a, size_t i) {
        static const char *const words[] = { "=",   "==",      "<>",     "!=",     "<",   "<=",
                                             ">",   ">=",      "is",     "in",     "and", "or",
                                             "not", "between", "exists", "select", NULL };

        return sql_token_is_any(&a->tokens, i, words);
}

static bool is_value(const struct analyser *a, struct sql_range r) {
        static const char *const conditions[] = { "case", "when", NULL };

        for (size_t i = r.from; i < r.to; i++) {
                if (is_condition(a, i))
                        return false;
                if (sql_token_is_any(&a->tokens, i, conditions))
                        i = values_behind_condition(a, i, r.to);
        }
        return r.from < r.to;
}

enum cell_type portable_type(const struct analyser *a, struct sql_range item) {
        return is_value(a, item) ? type_of_kind(values_kind(a, item)) : CELL_ANY;
}

static bool differ(const struct analyser *a, struct sql_range x, struct sql_range y) {
        enum column_kind left = values_kind(a, x), right = values_kind(a, y);

        return left != right && left != COLUMN_UNKNOWN && right != COLUMN_UNKNOWN;
}

/* ---- one token ---- */

static const char *call_fault(const struct analyser *a, size_t i, const char *name) {
        const struct sql_tokens *t = &a->tokens;
        const struct portable_function *f = portable_function_of(name);
        struct sql_range inside = { i + 2, t->tokens[i + 1].match };
        struct sql_list l = sql_split(t, inside, t->tokens[i].depth + 1);
        const char *fault = f ? NULL : other_call;
        size_t n = inside.from < inside.to ? l.n : 0;

        if (!fault && (n < f->arguments_min || n > f->arguments_max))
                fault = other_call;
        for (size_t k = 0; !fault && k < n; k++) {
                struct sql_range r = l.items[k];
                enum cell_type type;

                r.from += sql_token_is(t, r.from, "distinct");
                if (sql_token_is(t, r.from, "*"))
                        continue;
                type = portable_type(a, r);
                if (type == CELL_ANY || (f->takes == PORTABLE_INTEGER && type != CELL_INTEGER) ||
                    (f->takes == PORTABLE_TEXT && type != CELL_TEXT) || differ(a, l.items[0], r))
                        fault = other_kind;
        }
        sql_list_done(&l);
        return fault;
}

static const char *cast_fault(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        size_t close = t->tokens[i + 1].match;
        struct sql_range type, inside;
        enum column_kind kind;

        if (!sql_is_cast(t, (struct sql_range){ i, close + 1 }, &type) ||
            type.to - type.from != 1 || !sql_token_is_any(&a->tokens, type.from, portable_casts))
                return "a CAST that engines do differently; BIGINT, TEXT and VARCHAR are the same";
        inside = (struct sql_range){ i + 2, type.from - 1 };
        kind = values_kind(a, inside);
        if (!is_value(a, inside) || kind > COLUMN_TEXT ||
            (kind == COLUMN_TEXT && sql_token_is(t, type.from, "bigint")))
                return other_kind;
        return NULL;
}

static const char *operator_fault(const struct analyser *a, size_t i) {
        static const char *const comparisons[] = { "=",  "==", "<>", "!=", "<",
                                                   "<=", ">",  ">=", "in", NULL };
        enum column_kind kind = sql_token_is(&a->tokens, i, "||") ? COLUMN_TEXT : COLUMN_INTEGER;
        struct sql_range left, right;

        if (sql_token_is_any(&a->tokens, i, comparisons)) {
                left = values_left(a, i, OPERATOR_COMPARISON);
                right = values_right(a, i, OPERATOR_COMPARISON);
                return differ(a, left, right) ? other_kind : NULL;
        }
        if (kind == COLUMN_INTEGER && !values_is_infix(a, i))
                return NULL;
        left = values_left(a, i, kind == COLUMN_TEXT ? OPERATOR_TEXT : OPERATOR_ARITHMETIC);
        right = values_right(a, i, kind == COLUMN_TEXT ? OPERATOR_TEXT : OPERATOR_ARITHMETIC);
        return values_kind(a, left) != kind || values_kind(a, right) != kind ? other_kind : NULL;
}

/* All that may come out of one CASE is of one kind. */
static const char *case_fault(const struct analyser *a, size_t i) {
        static const char *const ends[] = { "when", "else", "end", NULL };
        const struct sql_tokens *t = &a->tokens;
        enum column_kind kind = COLUMN_UNKNOWN;
        int open = 0;

        for (size_t k = i + 1, from = 0; k < a->shape.end && open >= 0; k++) {
                if (open == 0 && from > 0 && sql_token_is_any(&a->tokens, k, ends)) {
                        enum column_kind one = values_kind(a, (struct sql_range){ from, k });

                        if (one != COLUMN_UNKNOWN && kind != COLUMN_UNKNOWN && one != kind)
                                return other_kind;
                        kind = one != COLUMN_UNKNOWN ? one : kind;
                        from = 0;
                }
                if (open == 0 && (sql_token_is(t, k, "then") || sql_token_is(t, k, "else")))
                        from = k + 1;
                open += sql_token_is(t, k, "case") ? 1 : sql_token_is(t, k, "end") ? -1 : 0;
        }
        return NULL;
}

/* An alias that is also a column: engines choose differently which of them is meant. */
static const char *name_fault(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;
        char name[128];

        if (i > 0 && sql_ends_operand(&a->tokens, i - 1))
                return "a name without AS before it";
        if (i < 2 || !sql_token_is(t, i - 1, "as") || sql_token_same(t, i, i - 2))
                return NULL;
        sql_token_name(t, i, name, sizeof(name));
        for (size_t k = 0; k < a->s->n_reads; k++) {
                if (strcasecmp(a->s->reads[k].column, name) == 0)
                        return "an alias that is also the name of a column";
        }
        return NULL;
}

static const char *word_fault(const struct analyser *a, size_t i) {
        char name[64];

        if (sql_token_is(&a->tokens, i, "cast"))
                return cast_fault(a, i);
        if (sql_token_is(&a->tokens, i, "case"))
                return case_fault(a, i);
        if (sql_token_is(&a->tokens, i, "in"))
                return operator_fault(a, i);
        if (sql_token_is_any(&a->tokens, i, portable_keywords))
                return NULL;
        if (values_call(a, i, name, sizeof(name))[0])
                return call_fault(a, i, name);
        return sql_is_expression_keyword(&a->tokens, i) ? other_word : name_fault(a, i);
}

static const char *integer_fault(const struct analyser *a, size_t i) {
        char text[24];
        uint64_t v;

        sql_token_name(&a->tokens, i, text, sizeof(text));
        return a->tokens.tokens[i].len < sizeof(text) && text_parse_u64(text, 0, INT64_MAX, &v)
                       ? NULL
                       : "an integer that is not of 63 bits in decimal digits";
}

static const char *token_fault(const struct analyser *a, size_t i) {
        switch (a->tokens.tokens[i].type) {
        case SQL_WORD:
                return word_fault(a, i);
        case SQL_QUOTED:
                return a->tokens.sql.data[a->tokens.tokens[i].start] == '"' ? name_fault(a, i)
                                                                            : other_word;
        case SQL_STRING:
                return NULL;
        case SQL_INTEGER:
                return integer_fault(a, i);
        case SQL_OPERATOR:
                return sql_token_is_any(&a->tokens, i, portable_operators) ? operator_fault(a, i)
                                                                           : other_word;
        default:
                return "a value that is no integer and no text";
        }
}

/* ---- clauses ---- */

/* The terms behind ORDER BY at token i. */
static bool is_order_plain(const struct analyser *a, size_t i) {
        static const char *const ends[] = { "limit", "union", ")", ";", NULL };
        const struct sql_tokens *t = &a->tokens;
        uint32_t depth = t->tokens[i].depth;
        struct sql_range r = { i + 2, i + 2 };
        struct sql_list l;
        bool ok = true;

        while (r.to < a->shape.end &&
               (t->tokens[r.to].depth > depth ||
                (t->tokens[r.to].depth == depth && !sql_token_is_any(&a->tokens, r.to, ends))))
                r.to++;
        l = sql_split(t, r, depth);
        for (size_t k = 0; k < l.n; k++)
                ok = ok &&
                     sql_find(t, l.items[k].from, l.items[k].to, depth, "nulls") < l.items[k].to;
        sql_list_done(&l);
        return ok;
}

static const char *clause_fault(const struct analyser *a, size_t i) {
        const struct sql_tokens *t = &a->tokens;

        if (sql_token_is(t, i, "order") && sql_token_is(t, i + 1, "by") && !is_order_plain(a, i))
                return no_nulls;
        if ((sql_token_is(t, i, "limit") || sql_token_is(t, i, "offset")) &&
            (i + 1 >= t->n || t->tokens[i + 1].type != SQL_INTEGER))
                return "a LIMIT that is not a plain number";
        return NULL;
}

/* ---- tables ---- */

static const struct engine_input *input_of(const struct analyser *a, const char *name) {
        const struct engine_job *job = a->s->job;

        for (size_t i = 0; i < job->n_inputs; i++) {
                if (strcasecmp(job->inputs[i].name, name) == 0)
                        return &job->inputs[i];
        }
        return NULL;
}

/* As the file has it: DATE and DECIMAL are TEXT and REAL in the table made of it. */
static bool is_plain_column(const struct engine_input *in, const char *column) {
        CLEANUP(schema_freep) struct schema *schema = NULL;

        if (in->schema.len == 0 ||
            schema_decode(BYTES(in->schema.data + 1, in->schema.len - 1), &schema) != SCHEMA_OK)
                return false;
        for (size_t i = 0; i < schema->n_columns; i++) {
                struct bytes name = schema->columns[i]->name;

                if (name.len == strlen(column) &&
                    strncasecmp((const char *) name.data, column, name.len) == 0)
                        return schema->columns[i]->type == CELL_INTEGER ||
                               schema->columns[i]->type == CELL_TEXT;
        }
        return false;
}

static const char *tables_fault(const struct analyser *a) {
        for (size_t i = 0; i < a->s->job->n_inputs; i++) {
                if (!sqlite_is_table(&a->s->job->inputs[i]))
                        return "a SQLite file, which other engines do not read";
                if (!sqlite_reads_rows(&a->s->job->inputs[i]))
                        return "a Parquet file, whose types are not all those of SQLite";
        }
        for (size_t k = 0; k < a->s->n_reads; k++) {
                const struct engine_input *in = input_of(a, a->s->reads[k].table);

                if (in && a->s->reads[k].column[0] && !is_plain_column(in, a->s->reads[k].column))
                        return "a column that is neither INTEGER nor TEXT";
        }
        return a->s->too_many_reads ? "more columns than can be followed" : NULL;
}

const char *portable_fault(const struct analyser *a, size_t *ret_token) {
        const char *fault = tables_fault(a);

        *ret_token = a->shape.end;
        if (fault)
                return fault;
        if (a->out->class > ENGINE_ORDERED)
                return "its class";
        if (a->shape.is_compound)
                return "a compound, whose columns have no types here";
        for (size_t i = 0; i < a->shape.end; i++) {
                *ret_token = i;
                fault = clause_fault(a, i);
                fault = fault ? fault : token_fault(a, i);
                if (fault)
                        return fault;
        }
        return NULL;
}
