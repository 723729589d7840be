#pragma once

/* Files of the dataset directory as descriptors for executors: up to 64 MiB as a
 * sealed memfd, copied once and kept; larger ones as they are, read-only, if nobody may
 * write them. A file that changes after its root was first used serves no job any more. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/map.h"

#define INPUT_SMALL_MAX (64ull << 20)

enum inputs_result {
        INPUTS_OK = 0,
        INPUTS_E_NONE,    /* no such file below the directory, or no directory yet */
        INPUTS_E_LENGTH,  /* not as long as the job says, or empty */
        INPUTS_E_CHANGED, /* not the bytes it was when first opened, or anybody may write it */
};

struct inputs {
        int directory; /* -1: not known yet */
        uint64_t limit, used, clock;
        struct map *kept;     /* root -> struct input_kept */
        struct map *admitted; /* roots whose content an executor has found sound */
        struct map *seen;     /* root -> struct input_seen: the file that content was in */
};

void inputs_init(struct inputs *i, uint64_t limit);
void inputs_done(struct inputs *i);
int inputs_directory(struct inputs *i, const char *path); /* 0 or a fault */

/* *ret_fd is the caller's. `root` may be empty: nothing is kept then. Returns enum
 * inputs_result or a fault. */
int inputs_open(struct inputs *i, const char *path, struct bytes root, uint64_t length,
                int *ret_fd);

/* Whether the file that inputs_open() gave for `root` is still as it was then: written
 * to by nobody, as far as the file system tells (size, times). Being unlinked is no change. */
bool inputs_is_unchanged(const struct inputs *i, struct bytes root, int fd);

bool inputs_is_admitted(const struct inputs *i, struct bytes root);
void inputs_admit(struct inputs *i, struct bytes root);
