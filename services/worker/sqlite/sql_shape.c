#include "services/worker/sqlite/sql_shape.h"

#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/text.h"

void sql_list_done(struct sql_list *l) {
        free(l->items);
        *l = (struct sql_list){};
}

void sql_shape_done(struct sql_shape *s) {
        sql_list_done(&s->result);
        sql_list_done(&s->order);
}

struct sql_list sql_split(const struct sql_tokens *t, struct sql_range r, uint32_t depth) {
        struct sql_list list = {};
        size_t n = 1, start = r.from;

        if (r.from >= r.to)
                return list;
        for (size_t i = r.from; i < r.to; i++)
                n += t->tokens[i].depth == depth && sql_token_is(t, i, ",");
        list.items = xnew_n(struct sql_range, n);
        for (size_t i = r.from; i <= r.to; i++) {
                if (i < r.to && (t->tokens[i].depth != depth || !sql_token_is(t, i, ",")))
                        continue;
                list.items[list.n++] = (struct sql_range){ start, i };
                start = i + 1;
        }
        return list;
}

/* The first of these words at depth 0 behind `from`. */
static size_t first_of(const struct sql_tokens *t, size_t from, size_t end,
                       const char *const *words) {
        size_t best = end;

        for (; *words; words++)
                best = sql_find_clause(t, from, best, 0, *words);
        return best;
}

void sql_shape_read(const struct sql_tokens *t, struct sql_shape *ret) {
        static const char *const after_result[] = { "from",   "where",     "group", "having",
                                                    "window", "order",     "limit", "union",
                                                    "except", "intersect", NULL };
        struct sql_shape s = { .end = t->n };
        size_t select, order;

        while (s.end > 0 && sql_token_is(t, s.end - 1, ";"))
                s.end--;
        for (size_t i = 0; i < s.end; i++) {
                s.is_compound = s.is_compound || sql_token_is(t, i, "union") ||
                                sql_token_is(t, i, "intersect") || sql_token_is(t, i, "except");
                s.n_selects += sql_token_is(t, i, "select");
        }
        select = sql_find(t, 0, s.end, 0, "select");
        if (select < s.end) {
                size_t from = select + 1;

                from += sql_token_is(t, from, "distinct") || sql_token_is(t, from, "all");
                s.result = sql_split(
                        t, (struct sql_range){ from, first_of(t, from, s.end, after_result) }, 0);
        }
        order = sql_find(t, 0, s.end, 0, "order");
        s.limit = sql_find(t, order < s.end ? order : 0, s.end, 0, "limit");
        if (order < s.end && sql_token_is(t, order + 1, "by"))
                s.order = sql_split(t, (struct sql_range){ order + 2, s.limit }, 0);
        *ret = s;
}

bool sql_is_star(const struct sql_tokens *t, struct sql_range item) {
        size_t n = item.to - item.from;

        return (n == 1 || (n == 3 && sql_token_is(t, item.from + 1, ".")) ||
                (n == 5 && sql_token_is(t, item.from + 3, "."))) &&
               sql_token_is(t, item.to - 1, "*");
}

struct sql_range sql_without_alias(const struct sql_tokens *t, struct sql_range item) {
        size_t last = item.to - 1;

        if (item.to - item.from < 2 || t->tokens[last].type == SQL_OPERATOR)
                return item;
        if (sql_token_is(t, last - 1, "as") &&
            t->tokens[last - 1].depth == t->tokens[item.from].depth)
                return (struct sql_range){ item.from, last - 1 };
        if ((t->tokens[last].type == SQL_WORD || t->tokens[last].type == SQL_QUOTED ||
             t->tokens[last].type == SQL_STRING) &&
            !sql_is_expression_keyword(t, last) && sql_ends_operand(t, last - 1))
                return (struct sql_range){ item.from, last };
        return item;
}

bool sql_is_cast(const struct sql_tokens *t, struct sql_range item, struct sql_range *ret_type) {
        struct sql_range e = sql_without_alias(t, item);
        size_t close, as;

        if (e.to - e.from < 6 || !sql_token_is(t, e.from, "cast") ||
            !sql_token_is(t, e.from + 1, "("))
                return false;
        close = t->tokens[e.from + 1].match;
        if (close != e.to - 1)
                return false;
        as = sql_find(t, e.from + 2, close, t->tokens[e.from + 1].depth + 1, "as");
        *ret_type = (struct sql_range){ as + 1, close };
        return as < close;
}

/* "3", "3 COLLATE BINARY", either with ASC, DESC, NULLS …: the ordinal; 0: not one. */
static uint64_t ordinal_of(const struct sql_tokens *t, struct sql_range term, bool binary) {
        char text[24];
        uint64_t n;
        size_t i = term.from + 1;
        bool is_binary = false;

        if (t->tokens[term.from].type != SQL_INTEGER)
                return 0;
        sql_token_name(t, term.from, text, sizeof(text));
        if (!text_parse_u64(text, 1, SQL_TOKENS_MAX, &n))
                return 0;
        if (i + 1 < term.to && sql_token_is(t, i, "collate")) {
                char name[16];

                if (strcasecmp(sql_token_name(t, i + 1, name, sizeof(name)), "binary") != 0)
                        return 0;
                is_binary = true;
                i += 2;
        }
        for (; i < term.to; i++) {
                if (!sql_token_is(t, i, "asc") && !sql_token_is(t, i, "desc") &&
                    !sql_token_is(t, i, "nulls") && !sql_token_is(t, i, "first") &&
                    !sql_token_is(t, i, "last"))
                        return 0;
        }
        return binary && !is_binary ? 0 : n;
}

/* [n]: the ORDER BY has column n by its ordinal; the caller's. */
static bool *list_ordinals(const struct sql_tokens *t, const struct sql_shape *s, size_t n_columns,
                           bool binary) {
        bool *there = xnew_n(bool, n_columns + 1);

        for (size_t i = 0; i < s->order.n; i++) {
                struct sql_range term = s->order.items[i];
                uint64_t n = term.from < term.to ? ordinal_of(t, term, binary) : 0;

                if (n <= n_columns)
                        there[n] = true;
        }
        return there;
}

bool sql_order_is_total(const struct sql_tokens *t, const struct sql_shape *s, size_t n_columns,
                        bool binary) {
        CLEANUP(freep) bool *there = list_ordinals(t, s, n_columns, binary);

        for (size_t i = 1; i <= n_columns; i++) {
                if (!there[i])
                        return false;
        }
        return s->order.n > 0;
}

char *sql_with_total_order(const struct sql_tokens *t, const struct sql_shape *s, size_t n_columns,
                           bool binary, const char *suffix) {
        const struct sql_token *last = &t->tokens[s->order.items[s->order.n - 1].to - 1];
        CLEANUP(freep) bool *there = list_ordinals(t, s, n_columns, binary);
        size_t at = last->start + last->len;
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, t->sql.len + n_columns * 32 + 1);
        buffer_put(&b, t->sql.data, at);
        for (size_t i = 1; i <= n_columns; i++) {
                char term[48];
                int n = snprintf(term, sizeof(term), ", %zu%s", i, suffix);

                if (!there[i])
                        buffer_put(&b, term, (size_t) n);
        }
        buffer_put(&b, t->sql.data + at, t->sql.len - at);
        buffer_put_u8(&b, 0);
        return (char *) TAKE(b.data);
}
