#include "common/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p) {
        if (p)
                return p;
        fputs("quorate: out of memory; free some, or allow this process more\n", stderr);
        abort();
}

void *xmalloc(size_t n) {
        return must(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size) {
        return must(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n) {
        return must(realloc(p, n ? n : 1));
}

char *xstrdup(const char *s) {
        return s ? must(strdup(s)) : NULL;
}

void *xmemdup(const void *p, size_t n) {
        void *copy = xmalloc(n);

        if (n > 0)
                memcpy(copy, p, n);
        return copy;
}

char *xasprintf(const char *format, ...) {
        va_list args;
        char *s = NULL;
        int n;

        va_start(args, format);
        n = vasprintf(&s, format, args);
        va_end(args);
        return n < 0 ? must(NULL) : s;
}
