#pragma once

/* 0 is success. A negative errno is a fault: pass it up, never match on it.
 * A positive code is a documented answer of that one function: handle it here,
 * or turn it into a fault with error_fold().
 *
 * Both macros print one trace line through the hook and return a negative
 * errno; they cost nothing while nothing fails. */

/* A fault starts here. `r` is a negative errno; it is returned. */
#define error_origin(r) error_origin_at((r), __func__, __FILE__, __LINE__)

/* A fault passes through here. Negative: returned as it is. Positive (an answer
 * nobody handled): becomes -ENOTRECOVERABLE. 0 stays 0. */
#define error_fold(r) error_fold_at((r), __func__, __FILE__, __LINE__)

int error_origin_at(int r, const char *func, const char *file, int line);
int error_fold_at(int r, const char *func, const char *file, int line);

/* Where trace lines go; NULL (the default) drops them. One hook per process,
 * set once by the shell at start. */
typedef void (*error_trace_fn)(int r, const char *func, const char *file, int line);
void error_trace_to(error_trace_fn fn);

/* For what only a bug can cause; stays on in release builds and aborts. */
#define check(x) ((x) ? (void) 0 : check_failed(#x, __func__, __FILE__, __LINE__))
_Noreturn void check_failed(const char *what, const char *func, const char *file, int line);
