#pragma once

/* Whether DuckDB gives the same answer: only what is listed in ../portable.h stands in the
 * statement, every column read is INTEGER or TEXT, and every result has one of these types. */

#include "services/worker/sqlite/sqlite_analyser.h"

/* NULL: it does, as far as the words tell; else why not (static), and *ret_token is at fault.
 * Once the class is known. */
const char *portable_fault(const struct analyser *a, size_t *ret_token);
/* The type of the values of a result expression: CELL_INTEGER, CELL_TEXT, or CELL_ANY for all
 * others. */
enum cell_type portable_type(const struct analyser *a, struct sql_range item);
