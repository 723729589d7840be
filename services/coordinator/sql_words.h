#pragma once

/* What the words of a statement alone tell, where no engine of ours reads it. They choose between
 * an error with a remedy and rows without the order that was asked, and what is estimated: what is
 * misread here in another engine's SQL makes no answer wrong. Pure. */

#include <stdbool.h>
#include <stdint.h>

int32_t sql_outermost_order(const char *sql); /* byte of the first ORDER outside brackets, or -1 */
/* One SELECT of aggregates alone without GROUP BY, or without FROM. */
bool sql_gives_one_row(const char *sql);
