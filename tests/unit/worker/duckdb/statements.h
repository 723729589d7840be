#pragma once

/* Statements, and what the analysis of DuckDB says of each. Tables: t(id, a, b, c TEXT,
 * d DECIMAL(10,2), f DATE, g TIMESTAMP, r REAL, ls LIST, iv INTERVAL, z TIMESTAMPTZ),
 * u(a, k TEXT, g TIMESTAMP). */

#include "tests/unit/worker/decisions.h"

extern const struct decision duckdb_decisions[];
extern const size_t n_duckdb_decisions;

/* Never run, whatever mode was asked for: parts of the rule and of the reason. */
struct forbidden {
        const char *sql, *rule, *why;
};
extern const struct forbidden duckdb_forbidden[];
extern const size_t n_duckdb_forbidden;
