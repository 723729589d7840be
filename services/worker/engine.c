#include "services/worker/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/outcome.h"

static const struct engine *const engines[] = { &engine_sqlite, &engine_duckdb };

const struct engine *engine_by_name(const char *name, const char **ret_library) {
        size_t len = strcspn(name, ":");

        *ret_library = name[len] ? name + len + 1 : NULL;
        for (size_t i = 0; i < ELEMENTSOF(engines); i++) {
                if (strlen(engines[i]->name) == len && memcmp(engines[i]->name, name, len) == 0)
                        return engines[i];
        }
        return NULL;
}

const char *engine_class_name(enum engine_class c) {
        static const char *const names[] = { "EXACT", "ORDERED", "FLOAT", "REFUSED" };

        return names[c];
}

void engine_class_begin(struct hash *h) {
        hash_begin(h, "quorate.build.1");
        hash_update(h, ENGINE_ADAPTER_REVISION, sizeof(ENGINE_ADAPTER_REVISION));
}

void engine_analysis_done(struct engine_analysis *a) {
        free(a->rewrite);
        buffer_done(&a->schema);
        *a = (struct engine_analysis){};
}

/* Those that decide the class stand first: who shows one of them shows the first. */
struct engine_finding *engine_analysis_find(struct engine_analysis *out, enum engine_class class) {
        size_t at = out->n_findings, n = out->n_findings;

        if (class > out->class || n == 0) {
                at = out->n_deciding = 0;
                out->class = class > out->class ? class : out->class;
        } else if (class == out->class) {
                at = out->n_deciding;
        }
        if (at == ENGINE_FINDINGS_MAX)
                return NULL;
        if (n == ENGINE_FINDINGS_MAX)
                n--;
        memmove(&out->findings[at + 1], &out->findings[at], (n - at) * sizeof(out->findings[0]));
        out->n_findings = n + 1;
        out->n_deciding += class == out->class;
        return &out->findings[at];
}

int engine_problem_set(struct engine_problem *p, int result, uint32_t outcome, uint32_t sql_error,
                       int32_t position, const char *text) {
        *p = (struct engine_problem){
                .outcome = outcome,
                .sql_error = sql_error,
                .position = position,
        };
        (void) text_escape(BYTES_STR(text ? text : ""), p->text, sizeof(p->text));
        return result;
}

int engine_problem_data(struct engine_problem *p, const char *text) {
        (void) engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_ENCODING, -1, text);
        (void) snprintf(p->detail, sizeof(p->detail), "code=%s", sql_error_name(SQL_ENCODING));
        return ENGINE_E_SQL;
}

void engine_problem_name(struct engine_problem *p, const char *name) {
        char text[sizeof(p->text) + 96];

        (void) snprintf(text, sizeof(text), "dataset '%.64s': %s", name, p->text);
        (void) text_escape(BYTES_STR(text), p->text, sizeof(p->text));
}

int engine_row_problem(int r, struct engine_problem *p) {
        switch (r) {
        case BATCH_E_SET_ROWS:
                (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_NOT_VERIFIABLE, 0, -1,
                                          "more than 2^20 rows without an order");
                (void) snprintf(p->detail, sizeof(p->detail), "expression=unordered_rows");
                return ENGINE_E_PROBLEM;
        case BATCH_E_BUDGET:
                (void) engine_problem_set(p, ENGINE_E_PROBLEM, OUTCOME_LIMIT, 0, -1,
                                          "no memory for the digests of the rows");
                (void) snprintf(p->detail, sizeof(p->detail), "which=memory");
                return ENGINE_E_PROBLEM;
        case BATCH_E_ROW:
                return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_RESULT_LIMIT, 0,
                                          "a row above 16 MiB, which no option raises");
        default:
                return engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_RESULT_LIMIT, 0,
                                          "the result is above the job's limits");
        }
}

void engine_problem_code(struct engine_problem *p) {
        if (p->outcome != OUTCOME_SQL_ERROR || !sql_error_name(p->sql_error))
                return;
        (void) snprintf(p->detail, sizeof(p->detail), "code=%s", sql_error_name(p->sql_error));
        if (!sql_error_has_position(p->sql_error) && p->position == 0)
                p->position = -1;
}

bool engine_builds_err_alike(const struct engine *e, const struct engine_problem *p) {
        return (e->runs_into_same_errors && !p->is_by_order) || p->sql_error == SQL_ENCODING ||
               p->sql_error == SQL_RESULT_LIMIT;
}

bool engine_input_is_named(const struct engine_input *in) {
        return dataset_is_named(BYTES_STR(in->name));
}
