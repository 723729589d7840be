#include "services/worker/duckdb/duckdb_weight.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"

#define HEAVY (UINT64_C(1) << 40) /* more than any limit, far from an overflow */
/* Lambdas inside one another are bound twice for each level: 24 take 4 s, 8 are admitted. */
#define LAMBDA_LEVELS 60
#define LEVELS_MAX    (2 * TREE_DEPTH_MAX) /* through every WITH that is named: our own stack */

/* A query of a WITH: weighed when it is first named. */
struct named {
        const char *name;
        struct json_object *query;
        struct duckdb_weight weight;
        enum { NAMED_NEW, NAMED_OPEN, NAMED_DONE } state; /* OPEN: it names itself */
};

struct scale {
        struct named named[WEIGHT_TABLES_MAX];
        size_t n_named;
        bool is_full; /* more of them than are allowed */
};

static const struct duckdb_weight heaviest = { HEAVY, HEAVY, HEAVY };

static uint64_t sum(uint64_t a, uint64_t b) {
        return a + b < HEAVY ? a + b : HEAVY;
}

static uint64_t larger(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static void put_on(struct duckdb_weight *w, const struct duckdb_weight *more, bool is_joined) {
        w->joined = is_joined ? sum(w->joined, more->joined) : larger(w->joined, more->joined);
        w->tables = sum(w->tables, more->tables);
        w->depth = sum(w->depth, more->depth);
}

static struct duckdb_weight weigh(struct scale *s, struct json_object *node, unsigned level,
                                  uint64_t depth);

/* A table, or what a WITH of this name stands for: of several the largest. */
static struct duckdb_weight weigh_table(struct scale *s, const char *name, unsigned level,
                                        uint64_t depth) {
        struct duckdb_weight w = { .joined = 1, .tables = 1 };

        for (size_t i = 0; i < s->n_named; i++) {
                struct named *n = &s->named[i];

                if (strcasecmp(n->name, name) != 0 || n->state == NAMED_OPEN)
                        continue;
                if (n->state == NAMED_NEW) {
                        n->state = NAMED_OPEN;
                        n->weight = weigh(s, n->query, level + 1, depth);
                        n->state = NAMED_DONE;
                }
                w.joined = larger(w.joined, n->weight.joined);
                w.tables = larger(w.tables, n->weight.tables);
                w.depth = larger(w.depth, n->weight.depth);
        }
        return w;
}

static bool is_table(const struct json_object *node) {
        static const char *const types[] = { "BASE_TABLE", "TABLE_FUNCTION", "EXPRESSION_LIST",
                                             "COLUMN_DATA", "DELIM_GET" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                if (tree_is(node, "type", types[i]))
                        return true;
        }
        return false;
}

static struct duckdb_weight weigh_list(struct scale *s, struct json_object *list, unsigned level,
                                       uint64_t depth, bool is_joined) {
        struct duckdb_weight w = {};

        for (size_t i = 0; i < tree_length(list); i++) {
                struct duckdb_weight more = weigh(s, tree_at(list, i), level + 1, depth);

                put_on(&w, &more, is_joined);
        }
        return w;
}

static struct duckdb_weight weigh_object(struct scale *s, struct json_object *node, unsigned level,
                                         uint64_t depth) {
        bool is_expression = *tree_text(node, "class") != 0;
        /* Queries beside one another: no join reaches from one into the other. */
        bool is_apart = tree_is(node, "type", "SET_OPERATION_NODE") ||
                        tree_is(node, "type", "RECURSIVE_CTE_NODE") ||
                        tree_is(node, "type", "CTE_NODE") || tree_list(node, "map");
        struct duckdb_weight w = {}, withs = {};

        if (is_expression) {
                depth += tree_is(node, "class", "LAMBDA") ? LAMBDA_LEVELS : 1;
                w.depth = depth * depth;
        } else if (is_table(node)) {
                w = weigh_table(s, tree_text(node, "table_name"), level, depth);
        }
        json_object_object_foreach(node, key, value) {
                struct duckdb_weight more =
                        json_object_is_type(value, json_type_array)
                                ? weigh_list(s, value, level + 1, depth, !is_apart)
                                : weigh(s, value, level + 1, depth);

                put_on(strcmp(key, "cte_map") == 0 ? &withs : &w, &more, !is_apart);
        }
        put_on(&w, &withs, false);
        return w;
}

static struct duckdb_weight weigh(struct scale *s, struct json_object *node, unsigned level,
                                  uint64_t depth) {
        if (level >= LEVELS_MAX || depth * depth > WEIGHT_DEPTH_MAX)
                return heaviest;
        if (tree_is_object(node))
                return weigh_object(s, node, level, depth);
        return weigh_list(s, node, level, depth, true);
}

static bool on_node(void *userdata, struct json_object *node) {
        const struct json_object *list = tree_list(tree_get(node, "cte_map"), "map");
        struct scale *s = userdata;

        for (size_t i = 0; i < tree_length(list); i++) {
                struct json_object *entry = tree_at(list, i);

                s->is_full = s->is_full || s->n_named == ELEMENTSOF(s->named);
                if (!s->is_full)
                        s->named[s->n_named++] =
                                (struct named){ .name = tree_text(entry, "key"),
                                                .query = tree_get(entry, "value") };
        }
        return true;
}

struct duckdb_weight duckdb_weigh(struct json_object *statement) {
        CLEANUP(freep) struct scale *s = xnew(struct scale);

        tree_walk(statement, on_node, s);
        return s->is_full ? (struct duckdb_weight){ .tables = HEAVY } : weigh(s, statement, 0, 0);
}

const char *duckdb_too_heavy(const struct duckdb_weight *w, const char **ret_remedy) {
        if (w->depth > WEIGHT_DEPTH_MAX) {
                *ret_remedy = "expressions stand too deep inside one another: bring them below "
                              "some 150 levels, with AND, OR, IN or a list in place of a chain";
                return "expression depth";
        }
        if (w->joined > WEIGHT_JOINED_MAX) {
                *ret_remedy = "more than 40 tables are joined, those of subqueries and of each use "
                              "of a WITH among them: ask in several statements";
                return "joins";
        }
        if (w->tables > WEIGHT_TABLES_MAX) {
                *ret_remedy = "more than 200 tables are named, those of each use of a WITH among "
                              "them: ask in several statements";
                return "tables";
        }
        return NULL;
}
