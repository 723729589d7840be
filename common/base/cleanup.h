#pragma once

/* Scope-bound ownership: a variable marked `CLEANUP(x_freep)` is released when
 * it leaves scope, unless TAKE() has moved it out. */

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines fn##p(), fit for CLEANUP(), from a function that releases one value. */
#define DEFINE_CLEANUP(type, fn)            \
        static inline void fn##p(type *p) { \
                if (*p)                     \
                        fn(*p);             \
        }                                   \
        struct cleanup_wants_semicolon

#define TAKE(p)                             \
        ({                                  \
                __typeof__(p) taken_ = (p); \
                (p) = NULL;                 \
                taken_;                     \
        })

/* The same for a descriptor. */
#define TAKE_FD(fd)                \
        ({                         \
                int taken_ = (fd); \
                (fd) = -1;         \
                taken_;            \
        })

static inline void freep(void *p) {
        free(*(void **) p);
}

/* Closes unless negative; for `CLEANUP(fd_closep) int fd = -1;`. */
static inline void fd_closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

/* Always returns -1, so that `fd = fd_close(fd);` leaves nothing behind. */
static inline int fd_close(int fd) {
        fd_closep(&fd);
        return -1;
}
