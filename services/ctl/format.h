#pragma once

/* Rows on a stream in one of six shapes. `table` looks at the first 500 rows to
 * choose widths and then streams; the others stream from the first. */

#include <stdio.h>

#include "common/client/quorate.h"

#define FORMAT_NAMES "table|csv|json|ndjson|markdown|line"

struct format;

/* name: one of FORMAT_NAMES. width: columns of the terminal, 0: no limit. */
struct format *format_new(const char *name, FILE *f, unsigned width);
struct format *format_free(struct format *f);

void format_row(struct format *f, struct quorate_result *r); /* the current row of r */
/* After the last row; also when there was none but the columns are known. */
void format_end(struct format *f, struct quorate_result *r);

/* One value as JSON: numbers bare, NULL null, the rest as text. */
void format_json_value(FILE *f, const struct quorate_value *v);
