#pragma once

/* What an engine says of a statement, as the message that its worker is told. */

#include "common/crypto/hash.h"
#include "proto/worker.pb-c.h"
#include "services/worker/engine.h"

struct analysis_said {
        Worker__Analysis message; /* without a plan; its parts are those below, and the analysis */
        Worker__Finding findings[ENGINE_FINDINGS_MAX], *pointers[ENGINE_FINDINGS_MAX];
        struct hash_value shape;
        char class_name[ENGINE_CLASS_SIZE];
};

/* why_not: why it is not portable over these inputs; NULL: it is. The analysis has to outlive
 * what is said of it. */
void analysis_say(const struct engine *engine, const struct engine_analysis *a, const char *why_not,
                  struct analysis_said *ret);
