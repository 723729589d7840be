#pragma once

/* Threads of an executor: one, always. In builds with -Dfaults=true $QUORATE_FAULT_THREADS (2 to
 * 64) asks for more, so that a test can have a host whose sums of REAL come in another order each
 * time; its class is another one then. */

#include <stdlib.h>

#include "quorate-config.h"

#define EXECUTOR_THREADS_MAX 64

static inline unsigned executor_threads(void) {
#if QUORATE_FAULTS
        const char *text = getenv("QUORATE_FAULT_THREADS");
        unsigned long n = text ? strtoul(text, NULL, 10) : 1;

        return n >= 2 && n <= EXECUTOR_THREADS_MAX ? (unsigned) n : 1;
#else
        return 1;
#endif
}
