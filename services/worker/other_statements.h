#pragma once

/* Statements that do something else than read, by their first word: none of them is run, by no
 * engine and whatever is wrong with it besides. Pure. */

#include <stdint.h>

#include "common/base/bytes.h"

/* The word in capitals, and where it stands; NULL: it begins no such statement. */
const char *other_statement(struct bytes sql, int32_t *ret_position);
