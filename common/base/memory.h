#pragma once

/* Allocation that cannot fail: for small objects of a size we choose. Running
 * out of memory aborts; the supervisor restarts the process. Anything whose
 * size a peer chooses goes through budget.h first. libquorate uses them too, so it
 * ends its caller's process then: with overcommit malloc() hardly ever says no, and a
 * path that is never taken is never right. What a node says is bounded before. */

#include <stddef.h>

#define xnew(type)      ((type *) xcalloc(1, sizeof(type)))
#define xnew_n(type, n) ((type *) xcalloc((n), sizeof(type)))

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size); /* zeroed */
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);           /* NULL stays NULL */
void *xmemdup(const void *p, size_t n); /* never NULL, also for n = 0 */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define ELEMENTSOF(a)                   (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *) ((char *) (ptr) -offsetof(type, member)))
