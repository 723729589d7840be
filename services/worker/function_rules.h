#pragma once

/* SQL functions a statement may call, and what each does to its class. What is
 * not in the table is refused by the authorizer. Pure data. */

#include <stdbool.h>

enum function_effect {
        FUNCTION_EXACT,   /* equal on every build */
        FUNCTION_NUMERIC, /* equal on every build unless a REAL goes in */
        FUNCTION_FLOAT,   /* arithmetic or text of REAL, or the job's randomness */
        FUNCTION_TIES,    /* depends on how ties are ordered: one build only */
        FUNCTION_REFUSED, /* depends on what no verifier can repeat */
};

struct function_rule {
        const char *name;
        enum function_effect effect;
        bool is_aggregate;
        const char *why; /* NULL for EXACT */
};

/* Any case. NULL: not allowed at all. */
const struct function_rule *function_rule_of(const char *name);
