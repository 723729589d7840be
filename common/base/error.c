#include "common/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static error_trace_fn trace_hook;

void error_trace_to(error_trace_fn fn) {
        trace_hook = fn;
}

static int trace(int r, const char *func, const char *file, int line) {
        if (trace_hook)
                trace_hook(r, func, file, line);
        return r;
}

int error_origin_at(int r, const char *func, const char *file, int line) {
        return trace(r < 0 ? r : -ENOTRECOVERABLE, func, file, line);
}

int error_fold_at(int r, const char *func, const char *file, int line) {
        if (r == 0)
                return 0;
        return trace(r < 0 ? r : -ENOTRECOVERABLE, func, file, line);
}

void check_failed(const char *what, const char *func, const char *file, int line) {
        fprintf(stderr, "quorate: bug: check failed: %s (%s, %s:%d)\n", what, func, file, line);
        abort();
}
