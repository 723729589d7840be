/* Which subqueries take a column, or an aggregate, from the query around them. */

#include "services/worker/sqlite/sql_shape.h"

bool sql_is_subquery(const struct sql_tokens *t, size_t i) {
        return sql_token_is(t, i, "(") &&
               (sql_token_is(t, i + 1, "select") || sql_token_is(t, i + 1, "with") ||
                sql_token_is(t, i + 1, "values"));
}

bool sql_names_outside(const struct sql_names *names, size_t open, struct sql_list *ret) {
        if (names && names->outside(names->userdata, open, ret))
                return true;
        sql_list_done(ret);
        return false;
}

static bool is_listed(const struct sql_list *l, size_t i) {
        for (size_t k = 0; k < l->n; k++) {
                if (i >= l->items[k].from && i < l->items[k].to)
                        return true;
        }
        return false;
}

static bool may_be_name(const struct sql_tokens *t, size_t i) {
        return (t->tokens[i].type == SQL_QUOTED ||
                (t->tokens[i].type == SQL_WORD && !sql_is_expression_keyword(t, i))) &&
               !sql_token_is(t, i + 1, "(") && !sql_token_is(t, i - 1, "as") &&
               !sql_token_is(t, i - 1, "collate");
}

enum owner {
        OWNER_INSIDE, /* a query inside the subquery, or the subquery */
        OWNER_DOUBTFUL,
        OWNER_OUTSIDE,
};

/* Whose the aggregate at token i is. SQLite gives it to the innermost query of which it names a
 * column, and one that names none to the query it stands in. */
static enum owner owner_of(const struct sql_tokens *t, size_t i, const struct sql_list *outside) {
        size_t end = sql_call_end(t, i), n_inside = 0, n_outside = 0;
        bool is_nested = false;

        for (size_t k = i + 1; k < end; k++) {
                is_nested = is_nested || sql_is_subquery(t, k);
                if (is_listed(outside, k))
                        n_outside++;
                else if (may_be_name(t, k))
                        n_inside++;
        }
        if (n_outside == 0)
                return OWNER_INSIDE;
        if (n_inside == 0)
                return OWNER_OUTSIDE;
        return is_nested ? OWNER_DOUBTFUL : OWNER_INSIDE;
}

bool sql_aggregates_outside(const struct sql_tokens *t, const struct sql_names *names,
                            size_t open) {
        struct sql_list outside = {};
        size_t close = t->tokens[open].match, first = open;
        bool may = false;

        while (first < close && !sql_is_aggregate_call(t, first))
                first++;
        if (first == close)
                return false;
        if (!sql_names_outside(names, open, &outside))
                return true;
        for (size_t i = first; i < close && outside.n > 0; i++)
                may = may ||
                      (sql_is_aggregate_call(t, i) && owner_of(t, i, &outside) != OWNER_INSIDE);
        sql_list_done(&outside);
        return may;
}

bool sql_is_aggregated_outside(const struct sql_tokens *t, size_t open,
                               const struct sql_list *outside, struct sql_range name) {
        for (size_t i = open + 1; i < name.from; i++) {
                if (sql_is_aggregate_call(t, i) && sql_call_end(t, i) >= name.to &&
                    owner_of(t, i, outside) == OWNER_OUTSIDE)
                        return true;
        }
        return false;
}
