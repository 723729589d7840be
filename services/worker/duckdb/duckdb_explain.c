/* What the optimiser expects of a statement: its EXPLAIN over inputs of as many rows as the
 * data have, of which it is told nothing else. Nothing runs. */

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_session.h"
#include "services/worker/duckdb/duckdb_tree.h"

#define SQL_MAX        (4u << 20)
#define ROWS_MAX       1e15
#define WORK_MAX       1e18
#define ROWS_OF_NOBODY 1000 /* of an input that nobody has counted */

static void put(struct buffer *sql, const char *text) {
        buffer_put(sql, text, strlen(text));
}

/* Columns of the right types out of the numbers of a range: the optimiser knows how many rows
 * they have, and cannot foresee their values. */
static bool put_range(struct buffer *sql, const struct engine_input *in,
                      const struct schema *schema) {
        char from[64];

        put(sql, "CREATE OR REPLACE VIEW ");
        duckdb_put_quoted(sql, '"', BYTES_STR(in->name));
        put(sql, " AS SELECT ");
        for (size_t i = 0; i < schema->n_columns; i++) {
                put(sql,
                    i ? ", CAST(CAST(range AS VARCHAR) AS " : "CAST(CAST(range AS VARCHAR) AS ");
                if (!duckdb_put_type_name(sql, schema->columns[i]))
                        return false;
                put(sql, ") AS ");
                duckdb_put_quoted(sql, '"', schema->columns[i]->name);
        }
        (void) snprintf(from, sizeof(from), " FROM range(%llu)",
                        (unsigned long long) (in->rows ? in->rows : ROWS_OF_NOBODY));
        put(sql, from);
        buffer_put_u8(sql, 0);
        return !sql->failed;
}

static bool replace_inputs(struct engine_session *s) {
        struct engine_problem p;

        for (size_t i = 0; i < s->job->n_inputs; i++) {
                const struct engine_input *in = &s->job->inputs[i];
                CLEANUP(schema_freep) struct schema *schema = NULL;
                CLEANUP(buffer_donep) struct buffer sql = {};

                buffer_init(&sql, SQL_MAX);
                if (in->schema.len == 0 ||
                    schema_decode(BYTES(in->schema.data + 1, in->schema.len - 1), &schema) ||
                    !put_range(&sql, in, schema) ||
                    duckdb_ask(s, (const char *) sql.data, BYTES_NONE, NULL, NULL, &p))
                        return false;
        }
        return true;
}

/* DuckDB says nothing of these: every row of one side with every row of the other. */
static bool is_product(const char *name) {
        static const char *const names[] = { "CROSS_PRODUCT", "NESTED_LOOP_JOIN",
                                             "BLOCKWISE_NL_JOIN" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strstr(name, names[i]))
                        return true;
        return false;
}

/* Rows of this step; those that say nothing give as many as the greatest below them, but
 * products, and aggregates without groups, which give one. */
static double add_node(const struct json_object *node, double *work, unsigned depth) {
        const struct json_object *children = tree_list(node, "children");
        const struct json_object *info = tree_get(node, "extra_info");
        const char *said = tree_text(info, "Estimated Cardinality"), *top = tree_text(info, "Top");
        double rows = 0;

        for (size_t i = 0; i < tree_length(children) && depth < TREE_DEPTH_MAX; i++) {
                double below = add_node(tree_at(children, i), work, depth + 1);

                if (i > 0 && is_product(tree_text(node, "name")))
                        rows *= below;
                else
                        rows = below > rows ? below : rows;
        }
        if (*said)
                rows = strtod(said, NULL);
        else if (strstr(tree_text(node, "name"), "UNGROUPED_AGGREGATE"))
                rows = 1;
        if (*top && strtod(top, NULL) < rows) /* ORDER BY with LIMIT */
                rows = strtod(top, NULL);
        rows = rows >= 0 && rows < ROWS_MAX ? rows : ROWS_MAX;
        *work = *work + rows < WORK_MAX ? *work + rows : WORK_MAX;
        return rows;
}

/* A list of one plan; trees are objects. */
static int take_plan(void *userdata, const struct bytes *cells, size_t n_cells) {
        struct engine_promise *ret = userdata;
        CLEANUP(tree_donep) struct json_object *whole = NULL;
        CLEANUP(buffer_donep) struct buffer text = {};
        const struct json_object *root;

        buffer_init(&text, TREE_BYTES_MAX);
        put(&text, "{\"plans\":");
        buffer_put_bytes(&text, n_cells == 2 ? cells[1] : BYTES_NONE);
        put(&text, "}");
        if (text.failed || tree_read(buffer_bytes(&text), &whole) != TREE_OK)
                return ENGINE_OK;
        root = tree_at(tree_list(whole, "plans"), 0);
        if (tree_length(tree_list(whole, "plans")) != 1 || !tree_is_object(root))
                return ENGINE_OK;
        ret->rows = add_node(root, &ret->work, 0);
        ret->is_known = true;
        return ENGINE_OK;
}

void duckdb_promise(struct engine_session *s, const char *sql, struct engine_promise *ret) {
        CLEANUP(buffer_donep) struct buffer question = {};
        struct engine_problem p;

        *ret = (struct engine_promise){};
        buffer_init(&question, SQL_MAX);
        put(&question, "EXPLAIN (FORMAT JSON) ");
        put(&question, sql);
        buffer_put_u8(&question, 0);
        if (!question.failed && replace_inputs(s))
                (void) duckdb_ask(s, (const char *) question.data, BYTES_NONE, take_plan, ret, &p);
}

static int take_count(void *userdata, const struct bytes *cells, size_t n_cells) {
        char text[24] = "";

        (void) n_cells;
        if (cells[0].len < sizeof(text))
                memcpy(text, cells[0].data, cells[0].len);
        *(uint64_t *) userdata = strtoull(text, NULL, 10);
        return ENGINE_OK;
}

uint64_t duckdb_count(struct engine_session *s) {
        CLEANUP(buffer_donep) struct buffer question = {};
        struct engine_problem p;
        uint64_t rows = 0;

        buffer_init(&question, 256);
        put(&question, "SELECT CAST(count(*) AS VARCHAR) FROM ");
        duckdb_put_quoted(&question, '"', BYTES_STR(s->job->inputs[0].name));
        buffer_put_u8(&question, 0);
        return duckdb_ask(s, (const char *) question.data, BYTES_NONE, take_count, &rows, &p)
                       ? 0
                       : rows;
}
