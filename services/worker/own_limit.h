#pragma once

/* A result that is too large: by the job, which all its hosts have alike and whose error is an
 * answer that they sign, or by this host alone, which is none. Pure. */

#include <stdint.h>

#include "proto/types.pb-c.h"

/* "rows" or "bytes" when so many are above `limits` but not above those that were agreed; NULL:
 * neither is. A limit of 0 is none. Without `agreed` the limits are the job's. */
const char *own_limit(const Types__Limits *limits, const Types__Limits *agreed, uint64_t rows,
                      uint64_t bytes);
/* Of a result above the job's own limits: which one that is, for people; NULL: neither. */
const char *job_limit(const Types__Limits *limits, const Types__Limits *agreed, uint64_t rows,
                      uint64_t bytes);
