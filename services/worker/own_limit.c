#include "services/worker/own_limit.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_above(uint64_t n, uint64_t most) {
        return most > 0 && n > most;
}

const char *own_limit(const Types__Limits *limits, const Types__Limits *agreed, uint64_t rows,
                      uint64_t bytes) {
        bool is_of_job;

        if (!limits || !agreed)
                return NULL;
        is_of_job = is_above(rows, agreed->rows) || is_above(bytes, agreed->bytes);
        if (is_above(rows, limits->rows) && !is_of_job)
                return "rows";
        if (is_above(bytes, limits->bytes) && !is_of_job)
                return "bytes";
        return NULL;
}

const char *job_limit(const Types__Limits *limits, const Types__Limits *agreed, uint64_t rows,
                      uint64_t bytes) {
        const Types__Limits *job = agreed ? agreed : limits;

        if (!job)
                return NULL;
        if (is_above(rows, job->rows))
                return "it has more rows than --max-rows allows";
        return is_above(bytes, job->bytes) ? "it has more bytes than --max-bytes allows" : NULL;
}
