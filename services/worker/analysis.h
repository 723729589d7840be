#pragma once

/* What an engine says of a statement before it runs: its class with the reasons, and what its
 * own EXPLAIN expects of it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"

#define ENGINE_FINDINGS_MAX 64

enum engine_class {
        ENGINE_EXACT = 0,
        ENGINE_ORDERED,
        ENGINE_FLOAT,
        ENGINE_REFUSED,
};
const char *engine_class_name(enum engine_class c);

struct engine_finding {
        char expression[96]; /* cut short; not escaped */
        int32_t position;    /* or -1: inside a view */
        const char *why;     /* static */
};

struct engine_analysis {
        enum engine_class class;
        bool is_ordered;          /* the outermost ORDER BY is total */
        const char *not_portable; /* why other engines may answer otherwise; NULL: they do not */
        int32_t not_portable_at;  /* bytes into the SQL, or -1 */
        bool sees_job;            /* its time or its seed may be in the answer */
        char *rewrite;            /* what is to be dispatched; as given when nothing changes */
        struct buffer schema;
        struct engine_finding findings[ENGINE_FINDINGS_MAX]; /* first those that decide the class */
        size_t n_findings, n_deciding;
};
void engine_analysis_done(struct engine_analysis *a);
/* A new finding, first among those that decide `class` when it does. NULL: no room, and
 * others have said as much. */
struct engine_finding *engine_analysis_find(struct engine_analysis *a, enum engine_class class);
static inline void engine_analysis_donep(struct engine_analysis *a) {
        engine_analysis_done(a);
}

/* By the engine's EXPLAIN, over inputs of as many rows. */
struct engine_promise {
        bool is_known;
        double rows; /* of the result */
        double work; /* rows that all steps touch together */
};
