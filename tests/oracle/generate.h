#pragma once

/* Random SELECT statements over three small tables, for the oracle of determinism. A statement is
 * well formed and mostly well typed; whether its answer is the same everywhere is what the analysis
 * under test has to say. */

#include "common/base/bytes.h"
#include "common/base/rng.h"

/* CREATE statements of the tables; NULL-terminated. */
extern const char *const generate_tables[];
/* Indexes that change plans; NULL-terminated. */
extern const char *const generate_indexes[];

/* Appends one statement, and a NUL. */
void generate_query(struct rng *r, struct buffer *ret);

/* Two statements that must give the same rows: by partitioning on a predicate (TLP: Rigger, Su,
 * OOPSLA 2020), or by counting without an optimizable WHERE (NoREC: Rigger, Su, ESEC/FSE 2020). */
void generate_pair(struct rng *r, struct buffer *ret_a, struct buffer *ret_b);

/* "(…)": the values of row `row` of that table. */
void generate_row(struct rng *r, size_t table, size_t row, struct buffer *ret);
