#pragma once

/* The text of a statement, before either engine reads it: whether both read the same words, and
 * group them alike. Both analyses ask here, so that what one engine takes for portable the other
 * does not read otherwise. A lexer of its own, stricter than both: what it does not know is not
 * portable. Pure. */

#include <stdint.h>

#include "common/base/bytes.h"

/* NULL: they do; else why not (static), and *ret_at is where (bytes). `n_columns`: of the result, 0
 * while it is not known; then an outermost ORDER BY has to name the ordinals of all of them, for
 * engines differ in what else they take for a total order. */
const char *portable_text_fault(struct bytes sql, size_t n_columns, int32_t *ret_at);
