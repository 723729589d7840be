#pragma once

/* Text in its usual form as a canonical cell: "12.50" as DECIMAL, "2024-02-29"
 * as DATE, "2024-02-29 23:59:59.5" as TIMESTAMP. Exact or not at all. Pure. */

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/canonical/cell.h"

/* False: not that form, out of range, or a type that has none; nothing was written. */
bool text_cast(struct buffer *b, struct bytes text, enum cell_type type);
