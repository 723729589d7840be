/* Whether rows that an order holds for equal can be told apart in the result.
 *
 * Top down: which columns of each step anything above looks at. An order is total where
 * all of those are among its keys: what it leaves in any order is then the same row twice.
 * Steps that are not known here look at every column, and give none that can be counted. */

#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_judge.h"

#define COLUMNS_MAX     8192
#define COLUMNS_UNKNOWN SIZE_MAX

/* Columns of one step: which are looked at, or are keys. */
struct columns {
        bool *is_in;
        size_t n;
};

static void columns_donep(struct columns *c) {
        free(c->is_in);
}

static struct columns columns_new(size_t n) {
        n = n < COLUMNS_MAX ? n : COLUMNS_MAX;
        return (struct columns){ .is_in = xcalloc(n + 1, sizeof(bool)), .n = n };
}

static void columns_all(struct columns *c) {
        memset(c->is_in, true, c->n);
}

static void columns_add(struct columns *c, size_t i) {
        if (i < c->n)
                c->is_in[i] = true;
        else
                columns_all(c);
}

/* ---- how many columns a step gives ---- */

static const struct json_object *child_of(const struct json_object *step, size_t i) {
        return tree_at(tree_list(step, "children"), i);
}

static size_t count(const struct json_object *step);

static size_t plus(size_t a, size_t b) {
        return a < COLUMNS_MAX && b < COLUMNS_MAX ? a + b : COLUMNS_UNKNOWN;
}

static size_t length(const struct json_object *step, const char *key) {
        return tree_length(tree_list(step, key));
}

static size_t count_child(const struct json_object *step) {
        return count(child_of(step, 0));
}
static size_t count_last(const struct json_object *step) {
        return count(child_of(step, length(step, "children") - 1));
}
static size_t count_expressions(const struct json_object *step) {
        return length(step, "expressions");
}
static size_t count_and_child(const struct json_object *step) {
        return plus(count_child(step), length(step, "expressions"));
}
static size_t count_groups(const struct json_object *step) {
        return length(step, "groups") + length(step, "expressions") +
               length(step, "grouping_functions");
}
static size_t count_get(const struct json_object *step) {
        return length(step, "children") > 0 ? COLUMNS_UNKNOWN : length(step, "column_indexes");
}
static size_t count_both(const struct json_object *step) {
        return plus(count_child(step), count(child_of(step, 1)));
}
static size_t count_join(const struct json_object *step) {
        static const char *const lefts[] = { "SEMI", "ANTI" };

        for (size_t i = 0; i < ELEMENTSOF(lefts); i++) {
                if (tree_is(step, "join_type", lefts[i]))
                        return count_child(step);
        }
        if (tree_is(step, "join_type", "MARK"))
                return plus(count_child(step), 1);
        return strncmp(tree_text(step, "join_type"), "RIGHT_", 6) == 0 ? COLUMNS_UNKNOWN
                                                                       : count_both(step);
}
static size_t count_reference(const struct json_object *step) {
        return length(step, "bound_columns");
}
static size_t count_chunk(const struct json_object *step) {
        return length(step, "chunk_types");
}
static size_t count_values(const struct json_object *step) {
        return length(step, "expr_types");
}
static size_t count_said(const struct json_object *step) {
        return tree_number(step, "column_count", COLUMNS_UNKNOWN);
}

/* ---- who looks at what ---- */

struct flow {
        struct judge *j;
        bool is_outermost; /* nothing but projections and limits above */
        bool is_limited;   /* a LIMIT just above */
};

static void flow(struct flow f, const struct json_object *step, struct columns *need);

static bool on_reference(void *userdata, struct json_object *node) {
        struct columns *c = userdata;

        if (tree_is(node, "expression_class", "BOUND_REF"))
                columns_add(c, tree_number(node, "index", SIZE_MAX));
        else if (tree_is(node, "expression_class", "BOUND_COLUMN_REF"))
                columns_all(c);
        return true;
}

static void look(struct columns *c, const struct json_object *expressions) {
        tree_walk((struct json_object *) expressions, on_reference, c);
}

static bool has_order(struct json_object *type) {
        return !(duckdb_kinds(type) & (KIND_INTERVAL | KIND_OTHER));
}

/* Keys that are columns; intervals that compare as equal may differ. */
static void add_keys(struct columns *keys, const struct json_object *list) {
        for (size_t i = 0; i < tree_length(list); i++) {
                const struct json_object *key = tree_at(list, i);
                const struct json_object *order = tree_get(key, "expression");

                key = order ? order : key;
                if (tree_is(key, "expression_class", "BOUND_REF") &&
                    has_order(duckdb_type_of(key)) && tree_number(key, "index", SIZE_MAX) < keys->n)
                        keys->is_in[tree_number(key, "index", SIZE_MAX)] = true;
        }
}

static bool covers(const struct columns *keys, const struct columns *need) {
        for (size_t i = 0; i < need->n; i++) {
                if (need->is_in[i] && !keys->is_in[i])
                        return false;
        }
        return need->n < COLUMNS_MAX;
}

/* Flows into child i, which is looked at as `need` says; or at all of it. */
static void flow_into(struct flow f, const struct json_object *step, size_t i,
                      const struct columns *need) {
        CLEANUP(columns_donep) struct columns c = columns_new(count(child_of(step, i)));

        if (need && need->n == c.n)
                memcpy(c.is_in, need->is_in, c.n);
        else
                columns_all(&c);
        flow(f, child_of(step, i), &c);
}

static struct flow inner(struct flow f) {
        return (struct flow){ .j = f.j };
}

static void flow_all(struct flow f, const struct json_object *step, struct columns *need) {
        (void) need;
        for (size_t i = 0; i < length(step, "children"); i++)
                flow_into(inner(f), step, i, NULL);
}

static void flow_projection(struct flow f, const struct json_object *step, struct columns *need) {
        CLEANUP(columns_donep) struct columns c = columns_new(count_child(step));
        const struct json_object *list = tree_list(step, "expressions");

        for (size_t i = 0; i < tree_length(list); i++) {
                if (i < need->n && need->is_in[i])
                        look(&c, tree_at(list, i));
        }
        flow(f, child_of(step, 0), &c);
}

static void flow_filter(struct flow f, const struct json_object *step, struct columns *need) {
        look(need, tree_list(step, "expressions"));
        flow_into(inner(f), step, 0, need);
}

static void flow_limit(struct flow f, const struct json_object *step, struct columns *need) {
        f.is_limited = true;
        flow_into(f, step, 0, need);
}

static void flow_order(struct flow f, const struct json_object *step, struct columns *need) {
        CLEANUP(columns_donep) struct columns keys = columns_new(need->n);
        bool is_total;

        add_keys(&keys, tree_list(step, "orders"));
        is_total = covers(&keys, need);
        if (f.is_outermost)
                f.j->is_order_total = is_total;
        else if (f.is_limited && !is_total)
                judge_find(f.j, ENGINE_FLOAT, "LIMIT", -1,
                           "an inner LIMIT may cut between rows of equal order");
        look(need, tree_list(step, "orders"));
        flow_into(inner(f), step, 0, need);
}

/* DISTINCT ON keeps the first of several rows. */
static void flow_distinct(struct flow f, const struct json_object *step, struct columns *need) {
        CLEANUP(columns_donep) struct columns keys = columns_new(need->n);
        const struct json_object *orders = tree_list(tree_get(step, "order_by"), "orders");

        if (!tree_is(step, "distinct_type", "DISTINCT_ON"))
                return flow_all(f, step, need);
        add_keys(&keys, orders);
        add_keys(&keys, tree_list(step, "distinct_targets"));
        if (tree_length(orders) > 0 && !covers(&keys, need))
                judge_find(f.j, ENGINE_FLOAT, "DISTINCT ON", -1,
                           "DISTINCT ON may choose between rows of equal order");
        look(need, orders);
        look(need, tree_list(step, "distinct_targets"));
        flow_into(inner(f), step, 0, need);
}

static void flow_groups(struct flow f, const struct json_object *step, struct columns *need) {
        CLEANUP(columns_donep) struct columns c = columns_new(count_child(step));

        (void) need;
        look(&c, tree_list(step, "groups"));
        look(&c, tree_list(step, "expressions"));
        flow(inner(f), child_of(step, 0), &c);
}

/* ---- windows ---- */

static const struct {
        const char *type, *name;
} placing[] = {
        { "WINDOW_ROW_NUMBER", "row_number" },
        { "WINDOW_NTILE", "ntile" },
        { "WINDOW_LAG", "lag" },
        { "WINDOW_LEAD", "lead" },
        { "WINDOW_FIRST_VALUE", "first_value" },
        { "WINDOW_LAST_VALUE", "last_value" },
        { "WINDOW_NTH_VALUE", "nth_value" },
};

/* The name of a function that tells rows of equal order apart; NULL: it does not. */
static const char *tells_apart(const struct json_object *window) {
        for (size_t i = 0; i < ELEMENTSOF(placing); i++) {
                if (tree_is(window, "type", placing[i].type))
                        return placing[i].name;
        }
        if (strstr(tree_text(window, "start"), "_ROWS") ||
            strstr(tree_text(window, "end"), "_ROWS") ||
            tree_is(window, "exclude_clause", "CURRENT_ROW"))
                return tree_text(window, "name");
        return NULL;
}

/* Two of them in different orders may pair what they say of equal rows in any way. */
static bool is_alone(const struct json_object *list, size_t at) {
        const struct json_object *window = tree_at(list, at);

        for (size_t i = 0; i < tree_length(list); i++) {
                const struct json_object *other = tree_at(list, i);

                if (tells_apart(other) &&
                    (!tree_equal(tree_list(window, "orders"), tree_list(other, "orders")) ||
                     (tree_list(window, "partitions") &&
                      !tree_equal(tree_list(window, "partitions"),
                                  tree_list(other, "partitions")))))
                        return false;
        }
        return true;
}

static void judge_ties(struct judge *j, const struct json_object *list, size_t at,
                       const struct columns *need) {
        CLEANUP(columns_donep) struct columns keys = columns_new(need->n);
        const struct json_object *window = tree_at(list, at);
        const char *name = tells_apart(window);

        /* Without an order: refused as it is written, or put in by the engine itself. */
        if (!name || length(window, "orders") == 0)
                return;
        add_keys(&keys, tree_list(window, "orders"));
        add_keys(&keys, tree_list(window, "partitions"));
        if (!covers(&keys, need) || !is_alone(list, at))
                judge_find(j, ENGINE_FLOAT, name, judge_position(j, window, name),
                           "depends on how rows that are equal in the window's order are placed");
}

static void flow_window(struct flow f, const struct json_object *step, struct columns *need) {
        CLEANUP(columns_donep) struct columns c = columns_new(count_child(step));
        const struct json_object *list = tree_list(step, "expressions");

        for (size_t i = 0; i < c.n; i++)
                c.is_in[i] = i < need->n && need->is_in[i];
        look(&c, list);
        for (size_t i = 0; i < tree_length(list); i++)
                judge_ties(f.j, list, i, &c);
        flow(inner(f), child_of(step, 0), &c);
}

/* ---- several children ---- */

/* Columns of the left child come first. */
static void flow_both(struct flow f, const struct json_object *step, const struct columns *need) {
        size_t n_left = count_child(step);
        CLEANUP(columns_donep) struct columns left = columns_new(n_left);
        CLEANUP(columns_donep) struct columns right = columns_new(count(child_of(step, 1)));
        const struct json_object *list = tree_list(step, "conditions");

        for (size_t i = 0; i < need->n; i++) {
                if (need->is_in[i])
                        columns_add(i < left.n ? &left : &right, i < left.n ? i : i - left.n);
        }
        for (size_t i = 0; i < tree_length(list); i++) {
                look(&left, tree_get(tree_at(list, i), "left"));
                look(&right, tree_get(tree_at(list, i), "right"));
        }
        flow(inner(f), child_of(step, 0), &left);
        flow(inner(f), child_of(step, 1), &right);
}

static void flow_join(struct flow f, const struct json_object *step, struct columns *need) {
        if (count_join(step) == COLUMNS_UNKNOWN || tree_get(step, "condition") ||
            length(step, "expressions") > 0 || length(step, "duplicate_eliminated_columns") > 0)
                return flow_all(f, step, need);
        flow_both(f, step, need);
}

static void flow_union(struct flow f, const struct json_object *step, struct columns *need) {
        if (!tree_flag(step, "setop_all"))
                return flow_all(f, step, need);
        for (size_t i = 0; i < length(step, "children"); i++)
                flow_into(inner(f), step, i, need);
}

/* The last child is the query, those before it what it names. */
static void flow_cte(struct flow f, const struct json_object *step, struct columns *need) {
        size_t n = length(step, "children");

        for (size_t i = 0; i + 1 < n; i++)
                flow_into(inner(f), step, i, NULL);
        if (n > 0)
                flow_into(f, step, n - 1, need);
}

static const struct {
        const char *type;
        size_t (*count)(const struct json_object *step);
        void (*flow)(struct flow f, const struct json_object *step, struct columns *need);
} steps[] = {
        { "LOGICAL_PROJECTION", count_expressions, flow_projection },
        { "LOGICAL_FILTER", count_child, flow_filter },
        { "LOGICAL_LIMIT", count_child, flow_limit },
        { "LOGICAL_ORDER_BY", count_child, flow_order },
        { "LOGICAL_DISTINCT", count_child, flow_distinct },
        { "LOGICAL_AGGREGATE_AND_GROUP_BY", count_groups, flow_groups },
        { "LOGICAL_WINDOW", count_and_child, flow_window },
        { "LOGICAL_UNNEST", count_and_child, flow_all },
        { "LOGICAL_GET", count_get, flow_all },
        { "LOGICAL_CROSS_PRODUCT", count_both, flow_join },
        { "LOGICAL_POSITIONAL_JOIN", count_both, flow_all },
        { "LOGICAL_COMPARISON_JOIN", count_join, flow_join },
        { "LOGICAL_ANY_JOIN", count_join, flow_join },
        { "LOGICAL_DELIM_JOIN", count_join, flow_all },
        { "LOGICAL_ASOF_JOIN", count_join, flow_all },
        { "LOGICAL_UNION", count_said, flow_union },
        { "LOGICAL_EXCEPT", count_said, flow_all },
        { "LOGICAL_INTERSECT", count_said, flow_all },
        { "LOGICAL_RECURSIVE_CTE", count_said, flow_all },
        { "LOGICAL_MATERIALIZED_CTE", count_last, flow_cte },
        { "LOGICAL_CTE_REF", count_reference, flow_all },
        { "LOGICAL_DELIM_GET", count_chunk, flow_all },
        { "LOGICAL_CHUNK_GET", count_chunk, flow_all },
        { "LOGICAL_EXPRESSION_GET", count_values, flow_all },
};

static size_t count(const struct json_object *step) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                if (tree_is(step, "type", steps[i].type))
                        return steps[i].count(step);
        }
        return COLUMNS_UNKNOWN;
}

static void flow(struct flow f, const struct json_object *step, struct columns *need) {
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                if (tree_is(step, "type", steps[i].type))
                        return steps[i].flow(f, step, need);
        }
        flow_all(f, step, need);
}

void judge_order(struct judge *j, struct json_object *plan) {
        CLEANUP(columns_donep) struct columns need = columns_new(count(plan));
        const struct json_object *query = tree_get(j->statement, "node");

        columns_all(&need);
        flow((struct flow){ .j = j, .is_outermost = judge_modifier(query, "ORDER_MODIFIER") }, plan,
             &need);
}
