#pragma once

/* Functions of DuckDB that a statement may call, and what each does to its class. What is
 * not in the table is forbidden, as is what the table says to be. Pure data. */

#include <stdbool.h>

#include "common/base/bytes.h"

enum duckdb_effect {
        DUCKDB_EXACT,     /* passes values on, or judges them: equal everywhere, REAL or not */
        DUCKDB_NUMERIC,   /* equal everywhere unless a REAL or a time zone goes in or comes out */
        DUCKDB_ORDER,     /* an aggregate that needs an order of its own */
        DUCKDB_TIES,      /* a window function that tells equal rows apart */
        DUCKDB_FLOAT,     /* equal on one build only */
        DUCKDB_NOW,       /* the job's time: becomes a literal */
        DUCKDB_REFUSED,   /* depends on what no verifier can repeat, yet harms nobody */
        DUCKDB_FORBIDDEN, /* never runs, however it is asked for */
        DUCKDB_INTERNAL,  /* put into plans by the engine; forbidden in statements */
};

struct duckdb_rule {
        enum duckdb_effect effect;
        const char *why; /* static; NULL for EXACT, NUMERIC, NOW, INTERNAL */
};

/* Any case. false: not in the table. */
bool duckdb_rule_of(const char *name, struct duckdb_rule *ret);
#define DUCKDB_WHY_TRUNC \
        "its type differs between builds of DuckDB: cast it, date_trunc('month', day)::TIMESTAMP"
/* date_trunc(), whose type differs between builds; any case. */
bool duckdb_is_trunc(const char *name);
/* Each name of the table once, for tests. */
void duckdb_rules_each(void (*fn)(void *userdata, struct bytes name), void *userdata);
