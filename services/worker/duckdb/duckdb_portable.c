#include "services/worker/duckdb/duckdb_portable.h"

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/canonical/schema.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/portable.h"

struct check {
        const struct engine_job *job;
        struct json_object *statement, *query; /* the outermost */
        const char *fault;                     /* the first, and where it is */
        int32_t at;
};

static void fail(struct check *c, const struct json_object *node, const char *why) {
        if (c->fault)
                return;
        c->fault = why;
        c->at = tree_position(node);
}

static bool is_one_of(const struct json_object *node, const char *key, const char *const *words) {
        for (; *words; words++) {
                if (tree_is(node, key, *words))
                        return true;
        }
        return false;
}

static bool is_word(const char *name, const char *const *words) {
        for (; *words; words++) {
                if (!strcasecmp(name, *words))
                        return true;
        }
        return false;
}

/* ---- expressions ---- */

static void check_function(struct check *c, struct json_object *node) {
        const char *name = tree_text(node, "function_name");
        const struct portable_function *f =
                portable_function_of(strcasecmp(name, "count_star") ? name : "count");
        size_t n = tree_length(tree_list(node, "children"));

        if (tree_length(tree_list(tree_get(node, "order_bys"), "orders")) > 0 ||
            tree_is_object(tree_get(node, "filter")))
                fail(c, node, "an order or a filter inside a call");
        if (tree_flag(node, "is_operator") && is_word(name, portable_operators))
                return;
        if (!f || n < f->arguments_min || n > f->arguments_max)
                fail(c, node, "a function that is not the same in every engine");
}

static void check_comparison(struct check *c, struct json_object *node) {
        static const char *const shared[] = { "COMPARE_EQUAL",
                                              "COMPARE_NOTEQUAL",
                                              "COMPARE_LESSTHAN",
                                              "COMPARE_GREATERTHAN",
                                              "COMPARE_LESSTHANOREQUALTO",
                                              "COMPARE_GREATERTHANOREQUALTO",
                                              NULL };

        if (!is_one_of(node, "type", shared))
                fail(c, node, "a comparison that engines do not share");
}

static void check_operator(struct check *c, struct json_object *node) {
        static const char *const shared[] = { "OPERATOR_NOT",
                                              "OPERATOR_IS_NULL",
                                              "OPERATOR_IS_NOT_NULL",
                                              "OPERATOR_COALESCE",
                                              "COMPARE_IN",
                                              "COMPARE_NOT_IN",
                                              NULL };

        if (!is_one_of(node, "type", shared))
                fail(c, node, "an operator that engines do not share");
}

static void check_constant(struct check *c, struct json_object *node) {
        unsigned kind = duckdb_kinds(tree_get(tree_get(node, "value"), "type"));

        if (kind & ~(KIND_NULL | KIND_INTEGER | KIND_TEXT))
                fail(c, node, "a constant that is neither an integer nor text");
}

static void check_cast(struct check *c, struct json_object *node) {
        const char *type = tree_text(tree_get(node, "cast_type"), "id");

        if (!is_word(type, portable_casts) || tree_flag(node, "try_cast"))
                fail(c, node,
                     "a CAST that engines do differently; BIGINT, TEXT and VARCHAR are the same");
}

static void known(struct check *c, struct json_object *node) {
        (void) c, (void) node;
}

/* ---- clauses ---- */

static bool is_column(const struct check *c, const char *name) {
        for (size_t i = 0; i < c->job->n_inputs; i++) {
                CLEANUP(schema_freep) struct schema *schema = NULL;
                struct bytes encoded = c->job->inputs[i].schema;

                if (encoded.len == 0 ||
                    schema_decode(BYTES(encoded.data + 1, encoded.len - 1), &schema) != SCHEMA_OK)
                        return true;
                for (size_t k = 0; k < schema->n_columns; k++) {
                        struct bytes column = schema->columns[k]->name;

                        if (column.len == strlen(name) &&
                            !strncasecmp((const char *) column.data, name, column.len))
                                return true;
                }
        }
        return false;
}

/* Engines choose differently which of them is meant where the name stands. */
static void check_aliases(struct check *c, const struct json_object *select) {
        const struct json_object *list = tree_list(select, "select_list");

        for (size_t i = 0; i < tree_length(list); i++) {
                const struct json_object *item = tree_at(list, i);
                const struct json_object *names = tree_list(item, "column_names");
                const char *alias = tree_text(item, "alias");
                const char *last = tree_string(tree_at(names, tree_length(names) - 1));

                if (*alias && !(last && !strcasecmp(last, alias)) && is_column(c, alias))
                        fail(c, item, "an alias that is also the name of a column");
        }
}

static void check_orders(struct check *c, struct json_object *node) {
        const struct json_object *orders = tree_list(node, "orders");

        for (size_t i = 0; i < tree_length(orders); i++) {
                const struct json_object *order = tree_at(orders, i);

                if (tree_is(order, "null_order", "ORDER_DEFAULT"))
                        fail(c, node, "an order without NULLS FIRST or NULLS LAST");
        }
}

static void check_distinct(struct check *c, struct json_object *node) {
        if (tree_length(tree_list(node, "distinct_on_targets")) > 0)
                fail(c, node, "DISTINCT ON");
}

static void check_limit(struct check *c, struct json_object *node) {
        static const char *const parts[] = { "limit", "offset" };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                const struct json_object *value = tree_get(node, parts[i]);

                if (tree_is_object(value) && !tree_is(value, "class", "CONSTANT"))
                        fail(c, node, "a LIMIT that is no number");
        }
}

static void check_select(struct check *c, struct json_object *node) {
        if (!tree_is(node, "aggregate_handling", "STANDARD_HANDLING") ||
            tree_length(tree_list(node, "group_sets")) > 1 ||
            tree_is_object(tree_get(node, "qualify")))
                fail(c, node, "a clause whose meaning differs between engines");
        check_aliases(c, node);
}

static void check_set_operation(struct check *c, struct json_object *node) {
        static const char *const shared[] = { "UNION", "EXCEPT", "INTERSECT", NULL };

        if (!is_one_of(node, "setop_type", shared) ||
            (tree_flag(node, "setop_all") && !tree_is(node, "setop_type", "UNION")))
                fail(c, node, "a set operation that engines do not share");
}

static void check_join(struct check *c, struct json_object *node) {
        static const char *const types[] = { "INNER", "LEFT", NULL };
        static const char *const references[] = { "REGULAR", "CROSS", NULL };

        if (!is_one_of(node, "join_type", types) || !is_one_of(node, "ref_type", references) ||
            tree_length(tree_list(node, "using_columns")) > 0)
                fail(c, node, "a join that engines do not share");
}

typedef void (*check_fn)(struct check *c, struct json_object *node);
static const struct part {
        const char *word;
        check_fn check;
} expressions[] = {
        { "BETWEEN", known },           { "CASE", known },
        { "CAST", check_cast },         { "COLUMN_REF", known },
        { "COMPARISON", check_comparison }, { "CONJUNCTION", known },
        { "CONSTANT", check_constant }, { "FUNCTION", check_function },
        { "OPERATOR", check_operator }, { "SUBQUERY", known },
}, parts[] = {
        { "ASCENDING", known },
        { "BASE_TABLE", known },
        { "DESCENDING", known },
        { "DISTINCT_MODIFIER", check_distinct },
        { "EMPTY", known },
        { "JOIN", check_join },
        { "LIMIT_MODIFIER", check_limit },
        { "ORDER_DEFAULT", known },
        { "ORDER_MODIFIER", check_orders },
        { "SELECT_NODE", check_select },
        { "SET_OPERATION_NODE", check_set_operation },
        { "SUBQUERY", known },
};

static check_fn check_of(const struct part *table, size_t n, const char *word) {
        for (size_t i = 0; i < n; i++) {
                if (!strcmp(table[i].word, word))
                        return table[i].check;
        }
        return NULL;
}

static bool on_written(void *userdata, struct json_object *node) {
        const char *class = tree_text(node, "class"), *type = tree_text(node, "type");
        struct check *c = userdata;
        check_fn fn;

        if (!*class && (!*type || strstr(type, "_TYPE_INFO")))
                return true;
        fn = *class ? check_of(expressions, ELEMENTSOF(expressions), class)
                    : check_of(parts, ELEMENTSOF(parts), type);
        if (fn)
                fn(c, node);
        else
                fail(c, node, "a part of SQL that engines do not share");
        return !c->fault;
}

/* ---- types ---- */

#define NUMBERS      (KIND_BOOLEAN | KIND_INTEGER | KIND_WIDE)
#define SHARED_KINDS (KIND_NULL | NUMBERS | KIND_TEXT)

struct written {
        int32_t at;
        bool is_cast; /* to text */
};

static bool on_written_cast(void *userdata, struct json_object *node) {
        struct written *w = userdata;

        w->is_cast |= tree_is(node, "class", "CAST") && tree_position(node) == w->at &&
                      tree_is(tree_get(node, "cast_type"), "id", "VARCHAR");
        return !w->is_cast;
}

/* Texts stay texts and numbers numbers, unless the statement says otherwise. */
static bool is_shared_cast(const struct check *c, const struct json_object *cast) {
        struct json_object *child = tree_get(cast, "child");
        unsigned from = duckdb_kinds(duckdb_type_of(child));
        unsigned to = duckdb_kinds(duckdb_type_of(cast));
        struct written w = { .at = tree_position(cast) };

        if (from == to || from == KIND_NULL || (!(from & ~NUMBERS) && !(to & ~NUMBERS)))
                return true;
        if (to == KIND_BOOLEAN) /* true, false: in what DuckDB makes of statements */
                return tree_is(child, "expression_class", "BOUND_CONSTANT");
        if (to == KIND_TEXT && from == KIND_INTEGER && w.at >= 0)
                tree_walk(c->statement, on_written_cast, &w);
        return w.is_cast;
}

static bool on_bound(void *userdata, struct json_object *node);

/* A column that is only passed on, or one of an input without rows. */
static bool is_plain(const struct json_object *expression) {
        return tree_is(expression, "expression_class", "BOUND_REF") ||
               (tree_is(expression, "expression_class", "BOUND_CAST") &&
                tree_is(duckdb_type_of(tree_get(expression, "child")), "id", "NULL"));
}

static void check_projection(struct check *c, struct json_object *step) {
        const struct json_object *list = tree_list(step, "expressions");

        for (size_t i = 0; i < tree_length(list); i++) {
                if (!is_plain(tree_at(list, i)))
                        tree_walk(tree_at(list, i), on_bound, c);
        }
        tree_walk(tree_get(step, "children"), on_bound, c);
}

/* A key has lost its place; nothing but the statement makes it a CAST. */
static void check_groups(struct check *c, struct json_object *step) {
        static const char *const others[] = { "children", "expressions" };
        const struct json_object *list = tree_list(step, "groups");

        for (size_t i = 0; i < tree_length(list); i++) {
                struct json_object *key = tree_at(list, i);
                bool is_cast = tree_is(key, "expression_class", "BOUND_CAST") &&
                               tree_is(duckdb_type_of(key), "id", "VARCHAR");

                tree_walk(is_cast ? tree_get(key, "child") : key, on_bound, c);
        }
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                tree_walk(tree_get(step, others[i]), on_bound, c);
}

static bool on_bound(void *userdata, struct json_object *node) {
        unsigned kinds = duckdb_kinds(duckdb_type_of(node)) |
                         duckdb_kinds(duckdb_type_of(tree_get(node, "child")));
        struct check *c = userdata;

        if (tree_is(node, "type", "LOGICAL_PROJECTION")) {
                check_projection(c, node);
                return false;
        }
        if (tree_is(node, "type", "LOGICAL_AGGREGATE_AND_GROUP_BY")) {
                check_groups(c, node);
                return false;
        }
        if (!*tree_text(node, "expression_class"))
                return true;
        if (kinds & ~SHARED_KINDS)
                fail(c, node, "a value that is neither INTEGER nor TEXT");
        if (tree_is(node, "expression_class", "BOUND_CAST") && !is_shared_cast(c, node))
                fail(c, node, "values of two kinds, which engines convert differently");
        return !c->fault;
}

/* A condition is a number in one engine, and not in the other. */
static void check_results(struct check *c, struct json_object *step) {
        const struct json_object *list;

        while (step && !tree_is(step, "type", "LOGICAL_PROJECTION"))
                step = tree_at(tree_list(step, "children"),
                               tree_length(tree_list(step, "children")) - 1);
        list = tree_list(step, "expressions");
        for (size_t i = 0; i < tree_length(list); i++) {
                unsigned kinds = duckdb_kinds(duckdb_type_of(tree_at(list, i)));

                if (kinds & ~(KIND_INTEGER | KIND_WIDE | KIND_TEXT))
                        fail(c, NULL, "a result that is neither INTEGER nor TEXT");
        }
}

const char *duckdb_portable_fault(const struct engine_job *job, struct json_object *statement,
                                  struct json_object *plan, int32_t *ret_at) {
        struct check c = {
                .job = job, .statement = statement, .query = tree_get(statement, "node"), .at = -1
        };

        if (!tree_is(c.query, "type", "SELECT_NODE"))
                fail(&c, NULL, "a compound, whose columns have no types in SQLite");
        tree_walk(statement, on_written, &c);
        tree_walk(plan, on_bound, &c);
        check_results(&c, plan);
        *ret_at = c.at;
        return c.fault;
}
