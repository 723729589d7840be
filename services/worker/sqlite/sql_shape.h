#pragma once

/* The shape of a SELECT, from its tokens: result expressions, ORDER BY, LIMIT,
 * and columns that stand bare beside aggregates. The statement is one that
 * SQLite accepted; on anything else the answers are harmless. Pure. */

#include "services/worker/sqlite/sql_tokens.h"

struct sql_range {
        size_t from, to; /* tokens */
};

struct sql_list {
        struct sql_range *items;
        size_t n;
};
void sql_list_done(struct sql_list *l);

struct sql_shape {
        size_t end;             /* tokens of the statement, a last ; left out */
        struct sql_list result; /* expressions of the outermost (first) SELECT */
        struct sql_list order;  /* terms of the outermost ORDER BY; n 0: none */
        size_t limit;           /* token LIMIT of the outermost, or `end` */
        bool is_compound;       /* UNION, INTERSECT or EXCEPT anywhere */
        size_t n_selects;       /* at any depth */
};

void sql_shape_read(const struct sql_tokens *t, struct sql_shape *ret);
void sql_shape_done(struct sql_shape *s);
static inline void sql_shape_donep(struct sql_shape *s) {
        sql_shape_done(s);
}

/* Splits at commas of this depth. */
struct sql_list sql_split(const struct sql_tokens *t, struct sql_range r, uint32_t depth);

/* `CAST(x AS type)` with or without an alias: the tokens of type. False: none. */
bool sql_is_cast(const struct sql_tokens *t, struct sql_range item, struct sql_range *ret_type);
/* `*` or `name.*`. */
bool sql_is_star(const struct sql_tokens *t, struct sql_range item);
/* The expression without its alias. */
struct sql_range sql_without_alias(const struct sql_tokens *t, struct sql_range item);

/* Whether the ORDER BY names every result column by its ordinal; with `binary`
 * each must say COLLATE BINARY. */
bool sql_order_is_total(const struct sql_tokens *t, const struct sql_shape *s, size_t n_columns,
                        bool binary);
/* The statement with the ordinals that are missing for that appended to its ORDER BY, `suffix`
 * behind each; malloc'd. */
char *sql_with_total_order(const struct sql_tokens *t, const struct sql_shape *s, size_t n_columns,
                           bool binary, const char *suffix);

/* Inner LIMITs, bare columns and subqueries of which one row is taken. `fn` is called with the
 * token and a reason. */
enum sql_fault {
        SQL_FAULT_INNER_LIMIT, /* LIMIT inside parentheses, without an ORDER BY there */
        SQL_FAULT_INNER_TIES,  /* with one: ties are cut as the plan has it */
        SQL_FAULT_BARE_COLUMN,
        SQL_FAULT_FIRST_ROW, /* a scalar subquery that may have several rows */
};
typedef void (*sql_fault_fn)(void *userdata, enum sql_fault fault, size_t token);
/* Who knows the columns of tables. */
struct sql_names {
        /* Which names in the subquery at token `open` are columns of what is around it. False: that
         * cannot be told. */
        bool (*outside)(void *userdata, size_t open, struct sql_list *ret);
        /* Whether the FROM of the SELECT at token `select` has a column called as token `name` is;
         * true also where that cannot be told. */
        bool (*is_column)(void *userdata, size_t select, size_t name);
        void *userdata;
};
/* `names` may be NULL: then nothing can be told. */
void sql_faults_find(const struct sql_tokens *t, size_t end, const struct sql_names *names,
                     sql_fault_fn fn, void *userdata);

/* ---- sql_subqueries.c: what subqueries take from around them ---- */
/* The ( of (SELECT …), (WITH …) or (VALUES …). */
bool sql_is_subquery(const struct sql_tokens *t, size_t i);
/* Asks `names`. The list is filled only when it is true. */
bool sql_names_outside(const struct sql_names *names, size_t open, struct sql_list *ret);
/* Whether the subquery at `open` has an aggregate that belongs to a query around it, because it
 * is of columns of that alone; true also where it cannot be told. */
bool sql_aggregates_outside(const struct sql_tokens *t, const struct sql_names *names, size_t open);
/* Whether a name of `outside` stands in such an aggregate. */
bool sql_is_aggregated_outside(const struct sql_tokens *t, size_t open,
                               const struct sql_list *outside, struct sql_range name);

/* Aggregate function called at token i (not a window function). */
bool sql_is_aggregate_call(const struct sql_tokens *t, size_t i);
/* The token behind a call and its FILTER (…). */
size_t sql_call_end(const struct sql_tokens *t, size_t i);

/* ---- sql_keywords.c ---- */
/* A keyword that can stand inside an expression, so no name of a column, where it stands. */
bool sql_is_expression_keyword(const struct sql_tokens *t, size_t i);
/* Token i ends an operand: an operator or an alias may follow, a sign may not. */
bool sql_ends_operand(const struct sql_tokens *t, size_t i);
/* OVER behind a call, so a window function; an alias or a column may be called so. */
bool sql_is_over(const struct sql_tokens *t, size_t i);
/* The word where it begins a clause: not in IS DISTINCT FROM, nor a name "window". */
bool sql_is_clause(const struct sql_tokens *t, size_t i, const char *word);
size_t sql_find_clause(const struct sql_tokens *t, size_t from, size_t to, uint32_t depth,
                       const char *word);
