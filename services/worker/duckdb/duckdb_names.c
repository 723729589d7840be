/* The statement as written: every function by its name, every clause by its kind. */

#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/duckdb/duckdb_rules.h"

#define WHY_TIES                                                                            \
        "rows of equal order inside the call are told apart; add all its arguments to its " \
        "ORDER BY"

/* ---- functions ---- */

/* Every argument that is no constant is among the keys: rows of equal order are equal. */
static bool keys_cover(const struct json_object *arguments, const struct json_object *orders) {
        for (size_t i = 0; i < tree_length(arguments); i++) {
                const struct json_object *argument = tree_at(arguments, i);
                bool found = tree_is(argument, "class", "CONSTANT");

                for (size_t k = 0; !found && k < tree_length(orders); k++)
                        found = tree_equal(argument, tree_get(tree_at(orders, k), "expression"));
                if (!found)
                        return false;
        }
        return true;
}

static void judge_inner_order(struct judge *j, const struct json_object *call,
                              const struct json_object *orders, const char *why) {
        const char *name = tree_text(call, "function_name");

        if (call == j->sorted)
                return;
        if (tree_length(orders) == 0)
                judge_find(j, ENGINE_REFUSED, name, tree_position(call), why);
        else if (!keys_cover(tree_list(call, "children"), orders))
                judge_find(j, ENGINE_FLOAT, name, tree_position(call), WHY_TIES);
}

/* What every build gives as a TIMESTAMP: no DATE holds it. */
static bool keeps_time(const struct json_object *unit) {
        static const char *const times[] = { "hour", "minute", "second", "millisecond",
                                             "microsecond" };

        for (size_t i = 0; i < ELEMENTSOF(times); i++)
                if (tree_is(unit, "class", "CONSTANT") &&
                    !strcasecmp(tree_text(tree_get(unit, "value"), "value"), times[i]))
                        return true;
        return false;
}

static void judge_trunc(struct judge *j, const struct json_object *call) {
        if (call == j->typed || keeps_time(tree_at(tree_list(call, "children"), 0)))
                j->has_typed = true;
        else
                j->has_untyped = true;
}

static void judge_name(struct judge *j, const struct json_object *call,
                       const struct json_object *orders) {
        const char *name = tree_text(call, "function_name");
        struct duckdb_rule rule;

        judge_mention(j, call, name);
        if (duckdb_is_trunc(name))
                judge_trunc(j, call);
        if (!duckdb_rule_of(name, &rule) || rule.effect == DUCKDB_INTERNAL)
                return judge_forbid(j, name, tree_position(call),
                                    "a function that is not on the list");
        if (rule.effect == DUCKDB_FORBIDDEN)
                return judge_forbid(j, name, tree_position(call), rule.why);
        if (rule.effect == DUCKDB_REFUSED)
                /* age(a, b) is of its arguments alone. */
                if (strcasecmp(name, "age") != 0 || tree_length(tree_list(call, "children")) != 2)
                        judge_find(j, ENGINE_REFUSED, name, tree_position(call), rule.why);
        if (rule.effect == DUCKDB_ORDER)
                judge_inner_order(j, call, orders, rule.why);
}

/* list(x ORDER BY x) is read as list_sort(list(x), …). */
static void expect_sorted(struct judge *j, const struct json_object *node) {
        const struct json_object *child = tree_at(tree_list(node, "children"), 0);

        if (tree_is(node, "function_name", "list_sort") &&
            (tree_is(child, "function_name", "list") ||
             tree_is(child, "function_name", "array_agg")))
                j->sorted = child;
}

static void judge_function(struct judge *j, struct json_object *node) {
        expect_sorted(j, node);
        judge_name(j, node, tree_list(tree_get(node, "order_bys"), "orders"));
        if (tree_flag(node, "export_state"))
                judge_forbid(j, tree_text(node, "function_name"), tree_position(node),
                             "tells about the engine's inner state");
}

static bool is_rows_frame(const struct json_object *window) {
        return strstr(tree_text(window, "start"), "_ROWS") ||
               strstr(tree_text(window, "end"), "_ROWS");
}

static void judge_window(struct judge *j, struct json_object *node) {
        const char *name = tree_text(node, "function_name");
        struct duckdb_rule rule;
        bool tells_apart;

        judge_name(j, node, tree_list(node, "arg_orders"));
        tells_apart =
                is_rows_frame(node) || (duckdb_rule_of(name, &rule) && rule.effect == DUCKDB_TIES);
        if (tells_apart && tree_length(tree_list(node, "orders")) == 0)
                judge_find(j, ENGINE_REFUSED, name, tree_position(node),
                           "a window without ORDER BY has its rows in any order");
}

/* ---- other expressions ---- */

/* A bare one takes any type; which one decides what the operators around it do. */
static void judge_cast(struct judge *j, struct json_object *node) {
        const struct json_object *child = tree_get(node, "child");
        unsigned kinds = duckdb_kinds(tree_get(node, "cast_type"));

        if (tree_is(child, "class", "PARAMETER"))
                j->n_parameters++;
        if (!tree_flag(node, "try_cast") && (kinds == KIND_DATE || kinds == KIND_TIMESTAMP) &&
            duckdb_is_trunc(tree_text(child, "function_name")))
                j->typed = child;
}

static void judge_collation(struct judge *j, struct json_object *node) {
        judge_find(j, ENGINE_REFUSED, "COLLATE", tree_position(node),
                   "a collation holds texts for equal that are not the same");
}

static void judge_column(struct judge *j, struct json_object *node) {
        const struct json_object *names = tree_list(node, "column_names");
        const char *last = tree_string(tree_at(names, tree_length(names) - 1));

        if (last && !strcasecmp(last, "rowid"))
                judge_find(j, ENGINE_REFUSED, "rowid", tree_position(node),
                           "tells how rows are stored, not what they hold");
}

static void known(struct judge *j, struct json_object *node) {
        (void) j, (void) node;
}

/* ---- tables ---- */

static bool is_input(const struct judge *j, const char *name) {
        for (size_t i = 0; i < j->job->n_inputs; i++) {
                if (!strcasecmp(j->job->inputs[i].name, name))
                        return true;
        }
        return false;
}

static bool is_cte(const struct judge *j, const char *name) {
        for (size_t i = 0; i < j->n_names; i++) {
                if (!strcasecmp(j->names[i], name))
                        return true;
        }
        return false;
}

/* Neither a file's nor one of the engine's own: mistyped, most likely. */
static bool is_plain(const char *name) {
        static const char *const own[] = { "duckdb_", "sqlite_", "pg_", "pragma_" };

        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                if (!strncasecmp(name, own[i], strlen(own[i])))
                        return false;
        return !strpbrk(name, "./\\:*?[");
}

/* Other names could be files, or the engine's own tables: DuckDB is not asked whether they are. */
static void judge_table(struct judge *j, struct json_object *node) {
        const char *name = tree_text(node, "table_name"), *schema = tree_text(node, "schema_name");
        bool is_main =
                !*tree_text(node, "catalog_name") && (!*schema || strcasecmp(schema, "main") == 0);

        if (is_main && (is_input(j, name) || (!*schema && is_cte(j, name) && !strpbrk(name, "./"))))
                return;
        if (is_main && is_plain(name) && !j->forbidden)
                j->is_unknown = true;
        judge_forbid(j, name, tree_position(node), "not one of the tables of this query");
}

static void judge_table_function(struct judge *j, struct json_object *node) {
        static const char *const allowed[] = { "range", "generate_series", "unnest" };
        const struct json_object *call = tree_get(node, "function");
        const char *name = tree_text(call, "function_name");
        struct duckdb_rule rule;

        for (size_t i = 0; i < ELEMENTSOF(allowed); i++) {
                if (!strcasecmp(name, allowed[i]))
                        return;
        }
        if (!duckdb_rule_of(name, &rule) || rule.effect != DUCKDB_FORBIDDEN)
                rule.why = "a table function that is not on the list";
        judge_forbid(j, name, tree_position(call), rule.why);
}

static void judge_join(struct judge *j, struct json_object *node) {
        if (tree_is(node, "ref_type", "POSITIONAL"))
                judge_find(j, ENGINE_REFUSED, "POSITIONAL JOIN", tree_position(node),
                           "pairs rows by where they are stored");
        else if (tree_is(node, "ref_type", "ASOF"))
                judge_find(j, ENGINE_FLOAT, "ASOF JOIN", tree_position(node),
                           "of several rows at one moment it takes one");
}

static void judge_show(struct judge *j, struct json_object *node) {
        judge_forbid(j, "DESCRIBE", tree_position(node), "tells about the engine's catalogue");
}

/* ---- queries ---- */

static bool is_outermost(const struct judge *j, const struct json_object *node) {
        return node == tree_get(j->statement, "node");
}

static void judge_limit(struct judge *j, const struct json_object *node,
                        const struct json_object *limit) {
        const struct json_object *order = judge_modifier(node, "ORDER_MODIFIER");
        const struct json_object *value = tree_get(limit, "limit");

        value = tree_is_object(value) ? value : tree_get(limit, "offset");
        if (tree_is(limit, "type", "LIMIT_PERCENT_MODIFIER"))
                judge_find(j, ENGINE_FLOAT, "LIMIT", tree_position(value),
                           "a share of the rows is computed with REAL");
        if (tree_length(tree_list(order, "orders")) == 0)
                judge_find(j, ENGINE_REFUSED, "LIMIT", tree_position(value),
                           is_outermost(j, node) ? "LIMIT without ORDER BY picks any rows"
                                                 : "an inner LIMIT without ORDER BY picks any "
                                                   "rows");
}

static void judge_distinct(struct judge *j, const struct json_object *node,
                           const struct json_object *distinct) {
        const struct json_object *on = tree_list(distinct, "distinct_on_targets");

        if (tree_length(on) > 0 && !judge_modifier(node, "ORDER_MODIFIER"))
                judge_find(j, ENGINE_REFUSED, "DISTINCT ON", tree_position(tree_at(on, 0)),
                           "DISTINCT ON without ORDER BY keeps any rows");
}

static void judge_sample(struct judge *j, struct json_object *node) {
        if (tree_is_object(tree_get(node, "sample")))
                judge_find(j, ENGINE_REFUSED, "SAMPLE", tree_position(node),
                           "a sample is drawn anew by each host");
}

static void judge_query(struct judge *j, struct json_object *node) {
        static const char *const limits[] = { "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER" };
        const struct json_object *distinct = judge_modifier(node, "DISTINCT_MODIFIER");

        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                const struct json_object *limit = judge_modifier(node, limits[i]);

                if (limit)
                        judge_limit(j, node, limit);
        }
        if (distinct)
                judge_distinct(j, node, distinct);
        if (tree_length(tree_list(node, "key_targets")) > 0)
                judge_find(j, ENGINE_REFUSED, "USING KEY", -1,
                           "of several rows with one key it keeps one");
}

/* ---- what there is ---- */

typedef void (*judge_fn)(struct judge *j, struct json_object *node);
struct part {
        const char *word;
        judge_fn judge;
};

static const struct part expressions[] = {
        { "BETWEEN", known },
        { "CASE", known },
        { "CAST", judge_cast },
        { "COLLATE", judge_collation },
        { "COLUMN_REF", judge_column },
        { "COMPARISON", known },
        { "CONJUNCTION", known },
        { "CONSTANT", known },
        { "FUNCTION", judge_function },
        { "LAMBDA", known },
        { "LAMBDA_REF", known },
        { "OPERATOR", known },
        { "PARAMETER", known },
        { "POSITIONAL_REFERENCE", known },
        { "STAR", known },
        { "SUBQUERY", known },
        { "WINDOW", judge_window },
};
static const struct part parts[] = {
        { "ASCENDING", known },
        { "BASE_TABLE", judge_table },
        { "CTE_NODE", judge_query },
        { "DESCENDING", known },
        { "DISTINCT_MODIFIER", known },
        { "EMPTY", known },
        { "EXPRESSION_LIST", known },
        { "JOIN", judge_join },
        { "LIMIT_MODIFIER", known },
        { "LIMIT_PERCENT_MODIFIER", known },
        { "ORDER_DEFAULT", known },
        { "ORDER_MODIFIER", known },
        { "PIVOT", known },
        { "RECURSIVE_CTE_NODE", judge_query },
        { "SELECT_NODE", judge_query },
        { "SET_OPERATION_NODE", judge_query },
        { "SHOW_REF", judge_show },
        { "SUBQUERY", known },
        { "TABLE_FUNCTION", judge_table_function },
};

static judge_fn judge_of(const struct part *table, size_t n, const char *word) {
        for (size_t i = 0; i < n; i++) {
                if (!strcmp(table[i].word, word))
                        return table[i].judge;
        }
        return NULL;
}

static bool is_type_info(const char *word) {
        size_t n = strlen(word);

        return n > 10 && strcmp(word + n - 10, "_TYPE_INFO") == 0;
}

static bool on_node(void *userdata, struct json_object *node) {
        const char *class = tree_text(node, "class"), *type = tree_text(node, "type");
        struct judge *j = userdata;
        judge_fn fn;

        if (!*class && (!*type || is_type_info(type)))
                return true;
        fn = *class ? judge_of(expressions, ELEMENTSOF(expressions), class)
                    : judge_of(parts, ELEMENTSOF(parts), type);
        if (fn)
                fn(j, node);
        else
                judge_forbid(j, *class ? class : type, tree_position(node),
                             "a part of SQL that is not on the list");
        judge_sample(j, node);
        return true;
}

/* Names first: a table may be used before its WITH is met. */
static bool on_name(void *userdata, struct json_object *node) {
        const struct json_object *list = tree_list(tree_get(node, "cte_map"), "map");
        struct judge *j = userdata;

        for (size_t i = 0; i <= tree_length(list); i++) {
                const char *name = i < tree_length(list) ? tree_text(tree_at(list, i), "key")
                                                         : tree_text(node, "cte_name");

                if (!*name)
                        continue;
                if (j->n_names == j->names_size) {
                        j->names_size = j->names_size ? 2 * j->names_size : 16;
                        j->names = xrealloc(j->names, j->names_size * sizeof(*j->names));
                }
                j->names[j->n_names++] = name;
        }
        return true;
}

static bool on_parameter(void *userdata, struct json_object *node) {
        size_t *n = userdata;

        *n += tree_is(node, "class", "PARAMETER");
        return true;
}

/* The binder puts the type in the place of typeof(), so that no call is in the plan. */
static void judge_typeof(struct judge *j) {
        for (size_t i = 0; j->has_untyped && i < j->n_mentions; i++) {
                const struct duckdb_mention *m = &j->mentions[i];

                if (!strcasecmp(m->name, "typeof"))
                        judge_find(j, ENGINE_FLOAT, m->name, m->position, DUCKDB_WHY_TRUNC);
        }
}

void judge_statement(struct judge *j) {
        size_t n = 0;

        tree_walk(j->statement, on_name, j);
        tree_walk(j->statement, on_node, j);
        judge_typeof(j);
        tree_walk(j->statement, on_parameter, &n);
        if (n > j->n_parameters)
                judge_forbid(j, "?", -1, "a parameter without a type: write CAST(? AS …)");
}
