#pragma once

/* A statement, and what an analysis is to say of it. */

#include "services/worker/engine.h"
#include "tests/support/test.h"

struct decision {
        const char *sql;
        enum engine_class class;
        const char *why;        /* part of some finding; NULL: none at all */
        const char *expression; /* its expression, when given */
        const char *rewrite;    /* NULL: as given, or as ordinals make it */
};

static inline bool has_finding(const struct engine_analysis *a, const char *why,
                               const char *expression) {
        for (size_t i = 0; i < a->n_findings; i++) {
                if (strstr(a->findings[i].why, why) &&
                    (!expression || !strcmp(a->findings[i].expression, expression)))
                        return true;
        }
        return false;
}

static inline bool is_as_said(const struct decision *c, int r, const struct engine_analysis *a) {
        return r == ENGINE_OK && a->class == c->class && !a->schema.failed &&
               (c->why ? has_finding(a, c->why, c->expression) : a->n_findings == 0) &&
               (!c->rewrite || !strcmp(a->rewrite, c->rewrite));
}

static inline void print_wrong(const struct decision *c, int r, const struct engine_analysis *a,
                               const struct engine_problem *p) {
        print_message("# %s -> %d %s %s, %s, not %s [%s] %s\n# %s\n", c->sql, r, p->detail, p->text,
                      engine_class_name(a->class), engine_class_name(c->class),
                      c->expression ? c->expression : "", c->why ? c->why : "",
                      a->rewrite ? a->rewrite : "");
        for (size_t i = 0; i < a->n_findings; i++)
                print_message("#   [%s] at %d: %s\n", a->findings[i].expression,
                              a->findings[i].position, a->findings[i].why);
}
