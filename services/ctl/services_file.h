#pragma once

/* runtime/services.json as `quorate run` writes it: which services there are. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SERVICES_FILE_ROWS 16

struct services_row {
        char name[32], state[16], isolation[256];
        pid_t pid;
        unsigned uid;
};
struct services_file {
        pid_t supervisor;                       /* 0: no file, or of another form */
        char state[PATH_MAX], config[PATH_MAX]; /* of the node; "": not told */
        struct services_row rows[SERVICES_FILE_ROWS];
        size_t n_rows;
};

/* False when no supervisor of it is alive (what was read stays in *ret). */
bool services_file_read(const char *runtime, struct services_file *ret);

/* "uid 7, namespaces pid net mount, no landlock, seccomp" for people, into ret. */
const char *services_row_text(const struct services_row *row, char ret[400]);
/* Whether this layer ("uid", "mount", "seccomp") holds. */
bool services_row_has(const struct services_row *row, const char *layer);
