/* Trees as DuckDB writes them, judged as a statement and as a plan, and rewritten. */

#include <stdlib.h>

#include "common/base/error.h"
#include "common/canonical/cell.h"
#include "services/worker/duckdb/duckdb_judge.h"
#include "services/worker/duckdb/duckdb_portable.h"
#include "services/worker/duckdb/duckdb_weight.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TREE_MAX 65536 /* judging may be quadratic in the depth */

static struct json_object *first(struct json_object *tree, const char *list) {
        struct json_object *found = tree_at(tree_list(tree, list), 0);

        return found ? found : tree;
}

static void judge(struct json_object *tree) {
        static const struct engine_job job = { .inputs = { { .name = "t" } }, .n_inputs = 1 };
        CLEANUP(engine_analysis_donep) struct engine_analysis out = {};
        CLEANUP(judge_donep)
        struct judge j = { .out = &out, .job = &job, .statement = first(tree, "statements") };
        struct duckdb_weight w = duckdb_weigh(j.statement);
        const char *remedy = NULL;
        int32_t at;

        check(!duckdb_too_heavy(&w, &remedy) || remedy);
        judge_statement(&j);
        judge_plan(&j, first(tree, "plans"));
        for (size_t i = 0; i < out.n_findings; i++)
                check(out.findings[i].why && out.findings[i].position >= -1);
        check(out.n_findings > 0 || out.class == ENGINE_EXACT);
        check(!j.forbidden || j.forbidden_why);
        if (duckdb_portable_fault(&job, j.statement, first(tree, "plans"), &at))
                check(at >= -1);
}

/* What is written down reads back as the same tree, changed or not. */
static void rewrite(struct json_object *tree) {
        CLEANUP(tree_donep) struct json_object *copy = tree_copy(tree);
        CLEANUP(tree_donep) struct json_object *back = NULL;
        static const uint8_t integer[] = { CELL_INTEGER, 1, 3 };
        const struct bytes cell = BYTES_OF(integer);
        const char *text;

        check(tree_equal(tree, copy));
        rewrite_order(first(copy, "statements"), 3);
        (void) rewrite_now(first(copy, "statements"), first(tree, "plans"), 1700000000000000);
        (void) rewrite_parameters(first(copy, "statements"), &cell, 1);
        text = tree_write(copy);
        if (tree_read(BYTES_STR(text), &back) == TREE_OK)
                check(tree_equal(copy, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CLEANUP(tree_donep) struct json_object *tree = NULL;

        if (tree_read(BYTES(data, size < TREE_MAX ? size : TREE_MAX), &tree) != TREE_OK)
                return 0;
        judge(tree);
        rewrite(tree);
        return 0;
}
