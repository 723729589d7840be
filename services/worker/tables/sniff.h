#pragma once

/* Which delimiter a CSV file has. Looks at its first 64 KiB only; the whole file is
 * checked against the outcome when it is read. Pure. */

#include "services/worker/tables/csv.h"

/* Of comma, tab, semicolon and bar the one that gives equal rows of most columns; if
 * none does, the one that gives the first row most. A comma for one column. */
char sniff_delimiter(struct bytes data);
