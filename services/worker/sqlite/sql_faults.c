/* Faults that depend on where a word stands: LIMIT inside parentheses, and
 * columns that stand bare beside aggregates. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "services/worker/sqlite/function_rules.h"
#include "services/worker/sqlite/sql_shape.h"

/* min(a, b) of two is an ordinary function. */
static bool is_min_max_of_one(const struct sql_tokens *t, size_t i) {
        size_t close = t->tokens[i + 1].match;

        return (sql_token_is(t, i, "min") || sql_token_is(t, i, "max")) &&
               sql_find(t, i + 2, close, t->tokens[i].depth + 1, ",") == close;
}

size_t sql_call_end(const struct sql_tokens *t, size_t i) {
        size_t end = t->tokens[i + 1].match + 1;

        if (sql_token_is(t, end, "filter") && sql_token_is(t, end + 1, "("))
                end = t->tokens[end + 1].match + 1;
        return end;
}

bool sql_is_aggregate_call(const struct sql_tokens *t, size_t i) {
        const struct function_rule *rule;
        char name[32];

        if (!sql_token_is(t, i + 1, "(") ||
            (t->tokens[i].type != SQL_WORD && t->tokens[i].type != SQL_QUOTED))
                return false;
        rule = function_rule_of(sql_token_name(t, i, name, sizeof(name)));
        if (!rule || !(rule->is_aggregate || is_min_max_of_one(t, i)))
                return false;
        return !sql_is_over(t, sql_call_end(t, i));
}

/* One SELECT: from its first token to the end of its parentheses, or to the
 * next UNION beside it. */
struct select {
        const struct sql_tokens *t;
        uint32_t depth;
        struct sql_range all, group, having, order;
        struct sql_list result, groups;
        const struct sql_names *names;
        enum shadow { SHADOW_UNKNOWN, SHADOW_NONE, SHADOW_COLUMN } * shadows; /* of each result */
        sql_fault_fn fn;
        void *userdata;
};

static size_t clause(const struct select *s, const char *word) {
        return sql_find_clause(s->t, s->all.from + 1, s->all.to, s->depth, word);
}

static size_t select_end(const struct sql_tokens *t, size_t i, size_t end) {
        uint32_t depth = t->tokens[i].depth;

        for (size_t k = i + 1; k < end; k++) {
                if (t->tokens[k].depth < depth ||
                    (t->tokens[k].depth == depth &&
                     (sql_token_is(t, k, "union") || sql_token_is(t, k, "intersect") ||
                      sql_token_is(t, k, "except"))))
                        return k;
        }
        /* The closing parenthesis has the depth of the outside. */
        return end;
}

static size_t min_of(size_t a, size_t b) {
        return a < b ? a : b;
}

static bool follows_compound(const struct select *s) {
        size_t i = s->all.from;

        if (i > 0 && sql_token_is(s->t, i - 1, "all"))
                i--;
        return i > 0 &&
               (sql_token_is(s->t, i - 1, "union") || sql_token_is(s->t, i - 1, "intersect") ||
                sql_token_is(s->t, i - 1, "except"));
}

static void select_read(struct select *s) {
        size_t from = s->all.from + 1, group = clause(s, "group"), having = clause(s, "having"),
               window = clause(s, "window"), order = clause(s, "order"), limit = clause(s, "limit");
        size_t tail = min_of(window, min_of(order, limit));
        size_t result_end = min_of(clause(s, "from"), clause(s, "where"));

        from += sql_token_is(s->t, from, "distinct") || sql_token_is(s->t, from, "all");
        result_end = min_of(result_end, min_of(group, min_of(having, tail)));
        s->result = sql_split(s->t, (struct sql_range){ from, result_end }, s->depth);
        s->shadows = xnew_n(enum shadow, s->result.n + 1);
        if (group < s->all.to) {
                s->group = (struct sql_range){ group + 2, min_of(having, tail) };
                s->groups = sql_split(s->t, s->group, s->depth);
        }
        if (having < s->all.to)
                s->having = (struct sql_range){ having + 1, tail };
        /* Behind a UNION the ORDER BY sorts the columns of the whole, by name or ordinal. */
        if (order < s->all.to && !follows_compound(s))
                s->order = (struct sql_range){ order + 2, limit };
}

static bool has_aggregate(const struct select *s, struct sql_range r) {
        for (size_t i = r.from; i < r.to; i++) {
                if (sql_is_subquery(s->t, i)) {
                        if (sql_aggregates_outside(s->t, s->names, i))
                                return true;
                        i = s->t->tokens[i].match;
                } else if (sql_is_aggregate_call(s->t, i)) {
                        return true;
                }
        }
        return false;
}

static bool same_range(const struct sql_tokens *t, size_t at, size_t end, struct sql_range r) {
        if (r.to - r.from > end - at || r.to == r.from)
                return false;
        for (size_t i = 0; i < r.to - r.from; i++) {
                if (!sql_token_same(t, at + i, r.from + i))
                        return false;
        }
        return true;
}

/* The result whose alias token i is; result.n: none. */
static size_t alias_of(const struct select *s, size_t i) {
        for (size_t k = 0; k < s->result.n; k++) {
                struct sql_range item = s->result.items[k];

                if (item.from < item.to && sql_without_alias(s->t, item).to < item.to &&
                    sql_token_same(s->t, i, item.to - 1))
                        return k;
        }
        return s->result.n;
}

/* The same, for a name in GROUP BY, HAVING or an expression: SQLite takes it for a column of the
 * FROM, if there is one of that name, and only else for the alias. */
static size_t alias_meant(const struct select *s, size_t i) {
        size_t k = alias_of(s, i);

        if (k == s->result.n)
                return k;
        if (s->shadows[k] == SHADOW_UNKNOWN)
                s->shadows[k] = s->names && !s->names->is_column(s->names->userdata, s->all.from, i)
                                        ? SHADOW_NONE
                                        : SHADOW_COLUMN;
        return s->shadows[k] == SHADOW_NONE ? k : s->result.n;
}

/* The result expression that a GROUP BY term stands for: an ordinal or an alias. */
static struct sql_range meaning(const struct select *s, struct sql_range term) {
        char ordinal[24], text[24];
        size_t k;

        if (term.to - term.from != 1)
                return term;
        k = alias_meant(s, term.from);
        for (size_t i = 0; s->t->tokens[term.from].type == SQL_INTEGER && i < s->result.n; i++) {
                (void) snprintf(ordinal, sizeof(ordinal), "%zu", i + 1);
                if (!strcmp(sql_token_name(s->t, term.from, text, sizeof(text)), ordinal))
                        k = i;
        }
        return k < s->result.n && s->result.items[k].from < s->result.items[k].to
                       ? sql_without_alias(s->t, s->result.items[k])
                       : term;
}

/* Tokens at `at` that are a grouped expression; 0: none. A column may be named
 * with or without its table on either side. */
static size_t grouped_len(const struct select *s, size_t at, size_t end) {
        for (size_t i = 0; i < s->groups.n; i++) {
                struct sql_range term = s->groups.items[i], e = meaning(s, term);

                if (same_range(s->t, at, end, term))
                        return term.to - term.from;
                if (same_range(s->t, at, end, e))
                        return e.to - e.from;
                if (e.to - e.from == 3 && sql_token_is(s->t, e.from + 1, ".") &&
                    sql_token_same(s->t, at, e.to - 1))
                        return 1;
                if (e.to - e.from == 1 && at + 2 < end && sql_token_is(s->t, at + 1, ".") &&
                    sql_token_same(s->t, at + 2, e.from))
                        return 3;
        }
        return 0;
}

/* Where token i leads when it is no bare column: the next one to look at. */
static size_t skip_harmless(const struct select *s, size_t i, size_t end) {
        const struct sql_tokens *t = s->t;
        size_t n = grouped_len(s, i, end);

        if (n > 0)
                return i + n;
        if (sql_is_aggregate_call(t, i))
                return sql_call_end(t, i);
        if (sql_is_over(t, i) && sql_token_is(t, i + 1, "("))
                return t->tokens[i + 1].match + 1;
        if (sql_token_is(t, i, "collate") || sql_is_over(t, i) ||
            (sql_token_is(t, i, "nulls") && sql_is_expression_keyword(t, i)))
                return i + 2;           /* a collation, a window, FIRST or LAST */
        if (sql_token_is(t, i, "as")) { /* the type of a CAST */
                while (i < end && !sql_token_is(t, i, ")"))
                        i++;
                return i;
        }
        if ((t->tokens[i].type != SQL_WORD && t->tokens[i].type != SQL_QUOTED) ||
            sql_token_is(t, i + 1, "(") || sql_is_expression_keyword(t, i))
                return i + 1;
        return 0;
}

/* A column of this SELECT that the subquery at `open` takes though it is not grouped by; t->n:
 * none. Where it cannot be told what is whose, the subquery. */
static size_t bare_inside(const struct select *s, size_t open) {
        struct sql_list outside = {};
        size_t bare = s->t->n;

        if (!sql_names_outside(s->names, open, &outside))
                bare = open;
        for (size_t i = 0; i < outside.n && bare == s->t->n; i++) {
                struct sql_range name = outside.items[i];

                if (grouped_len(s, name.from, name.to) != name.to - name.from &&
                    !sql_is_aggregated_outside(s->t, open, &outside, name))
                        bare = name.from;
        }
        sql_list_done(&outside);
        return bare;
}

static void find_bare(const struct select *s, struct sql_range r, bool aliases) {
        for (size_t i = r.from; i < r.to;) {
                size_t next = skip_harmless(s, i, r.to);

                if (sql_is_subquery(s->t, i) && grouped_len(s, i, r.to) == 0) {
                        size_t bare = bare_inside(s, i);

                        if (bare < s->t->n) {
                                s->fn(s->userdata, SQL_FAULT_BARE_COLUMN, bare);
                                return;
                        }
                        next = s->t->tokens[i].match + 1;
                }
                if (next == 0 && !(aliases && alias_meant(s, i) < s->result.n)) {
                        s->fn(s->userdata, SQL_FAULT_BARE_COLUMN, i);
                        return;
                }
                i = next ? next : i + 1;
        }
}

/* An ORDER BY term that is an alias and no more: there it is the alias, whatever columns are called
 * so. */
static bool is_alias_term(const struct select *s, struct sql_range term) {
        size_t i = term.from + 1;

        if (term.from >= term.to || alias_of(s, term.from) == s->result.n)
                return false;
        while (i < term.to) {
                if (sql_token_is(s->t, i, "collate") || sql_token_is(s->t, i, "nulls"))
                        i += 2;
                else if (sql_token_is(s->t, i, "asc") || sql_token_is(s->t, i, "desc"))
                        i++;
                else
                        return false;
        }
        return true;
}

static void find_bare_in_order(const struct select *s) {
        struct sql_list terms = sql_split(s->t, s->order, s->depth);

        for (size_t i = 0; i < terms.n; i++) {
                if (!is_alias_term(s, terms.items[i]))
                        find_bare(s, terms.items[i], true);
        }
        sql_list_done(&terms);
}

/* Whether what is in this parenthesis is a table: it stands in a FROM. */
static bool is_table(const struct sql_tokens *t, size_t open) {
        static const char *const others[] = { "select", "where", "on",    "having",
                                              "by",     "limit", "offset" };
        uint32_t depth = t->tokens[open].depth;

        for (size_t i = open; i-- > 0;) {
                if (t->tokens[i].depth > depth)
                        continue;
                if (sql_token_is(t, i, "(") && t->tokens[i].match > open)
                        depth = t->tokens[i].depth;
                if (sql_is_clause(t, i, "from") || sql_token_is(t, i, "join"))
                        return true;
                for (size_t k = 0; k < ELEMENTSOF(others); k++) {
                        if (sql_token_is(t, i, others[k]))
                                return false;
                }
        }
        return false;
}

/* The ( around token i; t->n when it stands outside of all. */
static size_t enclosing(const struct sql_tokens *t, size_t i) {
        for (size_t k = i; k-- > 0;) {
                if (sql_token_is(t, k, "(") && t->tokens[k].match > i)
                        return k;
        }
        return t->n;
}

/* (SELECT …) as a value: SQLite takes the first row, whichever its plan makes that. What comes
 * before the first SELECT of the parenthesis is WITH, or VALUES and a UNION. */
static bool is_scalar(const struct select *s) {
        static const char *const before[] = { "in", "exists", "as", "materialized", NULL };
        size_t select = s->all.from, open = enclosing(s->t, select);

        if (open == s->t->n || sql_find(s->t, open, select, s->depth, "select") < select)
                return false;
        return !(open > 0 && sql_token_is_any(s->t, open - 1, before)) && !is_table(s->t, open);
}

static bool has_one_row(const struct select *s, bool is_aggregate) {
        return is_aggregate && s->groups.n == 0 && !follows_compound(s) &&
               sql_token_is(s->t, s->all.to, ")");
}

static void check_select(struct select *s) {
        struct sql_range result = {};
        bool is_aggregate;

        select_read(s);
        if (s->result.n > 0)
                result = (struct sql_range){ s->result.items[0].from,
                                             s->result.items[s->result.n - 1].to };
        is_aggregate = s->groups.n > 0 || has_aggregate(s, result) || has_aggregate(s, s->having) ||
                       has_aggregate(s, s->order);
        if (is_scalar(s) && !has_one_row(s, is_aggregate))
                s->fn(s->userdata, SQL_FAULT_FIRST_ROW, s->all.from);
        for (size_t i = 0; is_aggregate && i < s->result.n; i++) {
                struct sql_range item = s->result.items[i];

                if (item.from >= item.to)
                        continue;
                if (sql_is_star(s->t, item))
                        s->fn(s->userdata, SQL_FAULT_BARE_COLUMN, item.from);
                else
                        find_bare(s, sql_without_alias(s->t, item), false);
        }
        if (is_aggregate) {
                find_bare(s, s->having, true);
                find_bare_in_order(s);
        }
        free(s->shadows);
        sql_list_done(&s->result);
        sql_list_done(&s->groups);
}

static void check_limit(const struct sql_tokens *t, size_t i, sql_fault_fn fn, void *userdata) {
        size_t open = enclosing(t, i);

        if (open == t->n)
                return;
        if (open > 0 && sql_token_is(t, open - 1, "exists"))
                return;
        fn(userdata,
           sql_find(t, open, i, t->tokens[i].depth, "order") < i ? SQL_FAULT_INNER_TIES
                                                                 : SQL_FAULT_INNER_LIMIT,
           i);
}

void sql_faults_find(const struct sql_tokens *t, size_t end, const struct sql_names *names,
                     sql_fault_fn fn, void *userdata) {
        for (size_t i = 0; i < end; i++) {
                if (sql_token_is(t, i, "limit") && t->tokens[i].depth > 0)
                        check_limit(t, i, fn, userdata);
                if (sql_token_is(t, i, "select")) {
                        struct select s = {
                                .t = t,
                                .depth = t->tokens[i].depth,
                                .all = { i, select_end(t, i, end) },
                                .names = names,
                                .fn = fn,
                                .userdata = userdata,
                        };

                        check_select(&s);
                }
        }
}
