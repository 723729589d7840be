#pragma once

/* SQL functions a statement may call, and what each does to its class. What is
 * not in the table is refused by the authorizer. Pure data. */

#include <stdbool.h>

enum function_effect {
        FUNCTION_EXACT,   /* equal on every build */
        FUNCTION_NUMERIC, /* arithmetic: equal on every build unless a REAL goes in, or a text */
        FUNCTION_TEXT,    /* of text: equal on every build unless a REAL goes in */
        FUNCTION_TIME,    /* equal on every build for some times only */
        FUNCTION_FLOAT,   /* arithmetic or text of REAL, or the job's randomness */
        FUNCTION_TIES,    /* depends on how ties are ordered: one build only */
        FUNCTION_REFUSED, /* depends on what no verifier can repeat */
};

#define FUNCTION_WHY_JSON "reads JSON by rules that builds have changed"

struct function_rule {
        const char *name;
        enum function_effect effect;
        bool is_aggregate;
        const char *why; /* NULL for EXACT */
};

/* Any case. NULL: not allowed at all. */
const struct function_rule *function_rule_of(const char *name);
