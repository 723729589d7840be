/* The statement as bound: what every call computes with, and every step of the plan. */

#include <string.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/duckdb/duckdb_rules.h"

#define WHY_UNKNOWN  "a part of the plan that is not on the list"
#define WHY_INTERVAL "equal intervals are not the same: 1 month and 30 days"

/* ---- calls ---- */

static unsigned kinds_of_arguments(const struct json_object *call) {
        const struct json_object *list = tree_list(call, "children");
        unsigned set = 0;

        for (size_t i = 0; i < tree_length(list); i++)
                set |= duckdb_kinds(duckdb_type_of(tree_at(list, i)));
        return set;
}

static void find(struct judge *j, enum engine_class class, const struct json_object *node,
                 const char *name, const char *why) {
        judge_find(j, class, name, judge_position(j, node, name), why);
}

static void judge_numeric(struct judge *j, const struct json_object *call, const char *name) {
        unsigned set = kinds_of_arguments(call) | duckdb_kinds(duckdb_type_of(call));

        if (set & KIND_REAL)
                find(j, ENGINE_FLOAT, call, name, "computes with REAL");
        else if (set & KIND_ZONED)
                find(j, ENGINE_FLOAT, call, name, "follows the time zones of the build");
        else if (set & KIND_JSON)
                find(j, ENGINE_FLOAT, call, name, "reads or writes JSON by the build's own rules");
}

/* It chooses among values that compare as equal. */
static void judge_choice(struct judge *j, const struct json_object *call, const char *name) {
        static const char *const choosers[] = { "min",       "max",
                                                "greatest",  "least",
                                                "quantile",  "quantile_disc",
                                                "list_sort", "list_reverse_sort" };

        for (size_t i = 0; i < ELEMENTSOF(choosers); i++) {
                if (!strcmp(choosers[i], name) && (kinds_of_arguments(call) & KIND_INTERVAL))
                        find(j, ENGINE_FLOAT, call, name, WHY_INTERVAL);
        }
}

/* DATE up to DuckDB 1.4, of a TIMESTAMP too, and TIMESTAMP from 1.5 on. The plan does not show a
 * cast to what the call already is here, so the statement tells which calls have one. */
static void judge_trunc(struct judge *j, const struct json_object *call, const char *name) {
        bool is_typed = j->has_typed && !j->has_untyped;

        if (!is_typed && (kinds_of_arguments(call) & (KIND_DATE | KIND_TIMESTAMP)))
                find(j, ENGINE_FLOAT, call, name, DUCKDB_WHY_TRUNC);
}

static void judge_call(struct judge *j, const struct json_object *call) {
        const char *name = tree_text(call, "name");
        struct duckdb_rule rule;

        if (!duckdb_rule_of(name, &rule))
                return judge_forbid(j, name, judge_position(j, call, name),
                                    "a function that is not on the list");
        if (rule.effect == DUCKDB_FORBIDDEN)
                return judge_forbid(j, name, judge_position(j, call, name), rule.why);
        if (rule.effect == DUCKDB_FLOAT)
                find(j, ENGINE_FLOAT, call, name, rule.why);
        /* A keyword like current_user, or a macro: the statement does not name it. */
        if (rule.effect == DUCKDB_REFUSED && !judge_mentions(j, name))
                find(j, ENGINE_REFUSED, call, name, rule.why);
        if (rule.effect == DUCKDB_NUMERIC)
                judge_numeric(j, call, name);
        if (duckdb_is_trunc(name))
                judge_trunc(j, call, name);
        if (rule.effect == DUCKDB_EXACT)
                judge_choice(j, call, name);
        if (rule.effect == DUCKDB_ORDER && tree_get(call, "order_bys") &&
            (kinds_of_arguments(call) & KIND_INTERVAL))
                find(j, ENGINE_FLOAT, call, name, WHY_INTERVAL);
        j->calls_now |= rule.effect == DUCKDB_NOW;
}

static void judge_window(struct judge *j, struct json_object *window) {
        static const struct {
                const char *type, *name;
        } reals[] = { { "WINDOW_PERCENT_RANK", "percent_rank" },
                      { "WINDOW_CUME_DIST", "cume_dist" },
                      { "WINDOW_FILL", "fill" } };

        if (tree_is(window, "type", "WINDOW_AGGREGATE"))
                judge_call(j, window);
        for (size_t i = 0; i < ELEMENTSOF(reals); i++) {
                if (tree_is(window, "type", reals[i].type))
                        find(j, ENGINE_FLOAT, window, reals[i].name, "always computes with REAL");
        }
}

static void judge_cast(struct judge *j, struct json_object *cast) {
        const char *why = duckdb_cast_fault(cast);
        int32_t at = tree_position(cast);

        if (!why)
                return;
        at = at < 0 ? tree_position(tree_get(cast, "child")) : at;
        judge_find(j, ENGINE_FLOAT, "CAST", j->n_parameters ? -1 : at, why);
}

static void judge_operator(struct judge *j, struct json_object *node) {
        static const char *const allowed[] = {
                "ARRAY_CONSTRUCTOR", "ARRAY_EXTRACT",        "ARRAY_SLICE",
                "COMPARE_IN",        "COMPARE_NOT_IN",       "GROUPING_FUNCTION",
                "OPERATOR_COALESCE", "OPERATOR_IS_NOT_NULL", "OPERATOR_IS_NULL",
                "OPERATOR_NOT",      "OPERATOR_NULLIF",      "STRUCT_EXTRACT",
        };

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++) {
                if (tree_is(node, "type", allowed[i]))
                        return;
        }
        judge_find(j, ENGINE_FLOAT, tree_text(node, "type"), tree_position(node),
                   "hides errors, which builds raise at different rows");
}

static void known(struct judge *j, struct json_object *node) {
        (void) j, (void) node;
}

static void judge_function(struct judge *j, struct json_object *node) {
        judge_call(j, node);
}

/* ---- steps ---- */

static void judge_keys(struct judge *j, const struct json_object *keys, const char *name) {
        for (size_t i = 0; i < tree_length(keys); i++) {
                const struct json_object *key = tree_at(keys, i);

                if (duckdb_kinds(duckdb_type_of(key)) & KIND_INTERVAL)
                        judge_find(j, ENGINE_FLOAT, name, -1, WHY_INTERVAL);
        }
}

static void judge_groups(struct judge *j, struct json_object *node) {
        judge_keys(j, tree_list(node, "groups"), "GROUP BY");
}

static void judge_distinct(struct judge *j, struct json_object *node) {
        judge_keys(j, tree_list(node, "distinct_targets"), "DISTINCT");
}

/* What a step gives, as far down as it is the same columns. */
static bool gives_interval(const struct json_object *step) {
        const struct json_object *list = tree_list(step, "expressions");
        const struct json_object *children = tree_list(step, "children");

        for (size_t i = 0; tree_is(step, "type", "LOGICAL_PROJECTION") && i < tree_length(list);
             i++)
                if (duckdb_kinds(duckdb_type_of(tree_at(list, i))) & KIND_INTERVAL)
                        return true;
        for (size_t i = 0;
             !tree_is(step, "type", "LOGICAL_PROJECTION") && i < tree_length(children); i++)
                if (gives_interval(tree_at(children, i)))
                        return true;
        return false;
}

static void judge_set_operation(struct judge *j, struct json_object *node) {
        if (gives_interval(node))
                judge_find(j, ENGINE_FLOAT, "INTERSECT, EXCEPT", -1, WHY_INTERVAL);
}

static const char *const readers[] = {
        "parquet_scan", "read_csv",    "read_csv_auto",    "read_json",
        "read_parquet", "read_ndjson", "read_ndjson_auto", "read_json_auto",
};

/* Of a file: only the view of an input has it, statements may not name these. */
static bool is_reader(const struct json_object *get) {
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                if (tree_is(get, "name", readers[i]))
                        return tree_is(get, "type", "LOGICAL_GET");
        }
        return false;
}

static void judge_get(struct judge *j, struct json_object *node) {
        static const char *const allowed[] = { "seq_scan", "range", "generate_series", "unnest" };

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++) {
                if (tree_is(node, "name", allowed[i]))
                        return;
        }
        if (!is_reader(node))
                judge_forbid(j, tree_text(node, "name"), -1,
                             "a table function that is not on the list");
}

static void judge_sampling(struct judge *j, struct json_object *node) {
        (void) node;
        judge_find(j, ENGINE_REFUSED, "SAMPLE", -1, "a sample is drawn anew by each host");
}

/* ---- what there is ---- */

typedef void (*judge_fn)(struct judge *j, struct json_object *node);
struct part {
        const char *word;
        judge_fn judge;
};

static const struct part expressions[] = {
        { "BOUND_AGGREGATE", judge_function },
        { "BOUND_BETWEEN", known },
        { "BOUND_CASE", known },
        { "BOUND_CAST", judge_cast },
        { "BOUND_COLUMN_REF", known },
        { "BOUND_COMPARISON", known },
        { "BOUND_CONJUNCTION", known },
        { "BOUND_CONSTANT", known },
        { "BOUND_FUNCTION", judge_function },
        { "BOUND_LAMBDA", known },
        { "BOUND_LAMBDA_REF", known },
        { "BOUND_OPERATOR", judge_operator },
        { "BOUND_REF", known },
        { "BOUND_UNNEST", known },
        { "BOUND_WINDOW", judge_window },
};
static const struct part steps[] = {
        { "LOGICAL_AGGREGATE_AND_GROUP_BY", judge_groups },
        { "LOGICAL_ANY_JOIN", known },
        { "LOGICAL_ASOF_JOIN", known },
        { "LOGICAL_CHUNK_GET", known },
        { "LOGICAL_COMPARISON_JOIN", known },
        { "LOGICAL_CROSS_PRODUCT", known },
        { "LOGICAL_CTE_REF", known },
        { "LOGICAL_DELIM_GET", known },
        { "LOGICAL_DELIM_JOIN", known },
        { "LOGICAL_DEPENDENT_JOIN", known },
        { "LOGICAL_DISTINCT", judge_distinct },
        { "LOGICAL_DUMMY_SCAN", known },
        { "LOGICAL_EMPTY_RESULT", known },
        { "LOGICAL_EXCEPT", judge_set_operation },
        { "LOGICAL_EXPRESSION_GET", known },
        { "LOGICAL_FILTER", known },
        { "LOGICAL_GET", judge_get },
        { "LOGICAL_INTERSECT", judge_set_operation },
        { "LOGICAL_JOIN", known },
        { "LOGICAL_LIMIT", known },
        { "LOGICAL_MATERIALIZED_CTE", known },
        { "LOGICAL_ORDER_BY", known },
        { "LOGICAL_PIVOT", known },
        { "LOGICAL_POSITIONAL_JOIN", known },
        { "LOGICAL_PROJECTION", known },
        { "LOGICAL_RECURSIVE_CTE", known },
        { "LOGICAL_SAMPLE", judge_sampling },
        { "LOGICAL_UNION", known },
        { "LOGICAL_UNNEST", known },
        { "LOGICAL_WINDOW", known },
};

static judge_fn judge_of(const struct part *table, size_t n, const char *word) {
        for (size_t i = 0; i < n; i++) {
                if (!strcmp(table[i].word, word))
                        return table[i].judge;
        }
        return NULL;
}

static void judge_type(struct judge *j, struct json_object *node) {
        struct json_object *type = duckdb_type_of(node);

        if (type && (duckdb_kinds(type) & KIND_OTHER))
                judge_find(j, ENGINE_REFUSED, tree_text(type, "id"), tree_position(node),
                           "a type that cannot be compared");
}

/* The view of an input: how its file is read was fixed when it was published. */
static bool is_view(const struct json_object *step) {
        const struct json_object *child = tree_at(tree_list(step, "children"), 0);

        return tree_is(step, "type", "LOGICAL_PROJECTION") && is_reader(child);
}

static bool on_node(void *userdata, struct json_object *node) {
        const char *class = tree_text(node, "expression_class"), *type = tree_text(node, "type");
        bool is_step = strncmp(type, "LOGICAL_", 8) == 0;
        struct judge *j = userdata;
        judge_fn fn;

        if (!*class && !is_step)
                return true;
        if (is_view(node) || (*class && duckdb_is_plain_interval(node)))
                return false;
        fn = *class ? judge_of(expressions, ELEMENTSOF(expressions), class)
                    : judge_of(steps, ELEMENTSOF(steps), type);
        if (fn)
                fn(j, node);
        else
                judge_forbid(j, *class ? class : type, tree_position(node), WHY_UNKNOWN);
        if (*class)
                judge_type(j, node);
        return true;
}

void judge_plan(struct judge *j, struct json_object *plan) {
        tree_walk(plan, on_node, j);
        judge_order(j, plan);
}
