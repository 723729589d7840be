#pragma once

/* Random SELECT statements over three small tables, for the oracle of determinism. A statement is
 * well formed and mostly well typed; whether its answer is the same everywhere is what the analysis
 * under test has to say. */

#include "common/base/bytes.h"
#include "common/base/rng.h"

/* Lists end with NULL. In templates I, T, R, P and Q stand for an integer, a text, a real, a
 * predicate and a table "q" with or without a WHERE. All tables have columns id, a, b (integers), c
 * (text) and d (real). */
struct dialect {
        const char *const *tables; /* CREATE statements of t, u and l */
        const char *const *indexes;
        const char *const *columns[3];  /* of a table, what each holds: a letter of `values`, i: its
                                           number; ? may be NULL */
        const char *const *values[128]; /* by letter */
        const char *const *integers, *const *texts, *const *reals, *const *predicates,
                                                                           *const *aggregates,
                                                                                   *const *windows;
};
extern const struct dialect dialect_sqlite, dialect_duckdb, dialect_portable;

/* Appends one statement, and a NUL. */
void generate_query(const struct dialect *d, struct rng *r, struct buffer *ret);

/* Two statements that must give the same rows: by partitioning on a predicate (TLP: Rigger, Su,
 * OOPSLA 2020), or by counting without an optimizable WHERE (NoREC: Rigger, Su, ESEC/FSE 2020). */
void generate_pair(const struct dialect *d, struct rng *r, struct buffer *ret_a,
                   struct buffer *ret_b);

/* "(…)": the values of row `row` of that table. */
void generate_row(const struct dialect *d, struct rng *r, size_t table, size_t row,
                  struct buffer *ret);
