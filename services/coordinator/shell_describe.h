#pragma once

/* A file that was uploaded, described by one of our workers: its executor reads all of
 * it and says what goes into the manifest (worker.Job, DESCRIBE). */

#include "proto/worker.pb-c.h"
#include "services/coordinator/shell.h"

struct description;

/* Once, unless it is freed before: `described`, or why not. Both valid during the call. */
typedef void (*description_fn)(void *userdata, const Worker__Described *described,
                               const Types__Problem *problem);

struct description_of {
        const char *format; /* "csv" … */
        const char *engine; /* what the engine's class begins with; "": any */
        const char *path;   /* below the dataset directory; must stay until fn was called */
        uint64_t length;
};
/* Waits for a slot as a job does. fn is never called inside. NULL: no timer could be made. */
struct description *description_new(struct shell *s, const struct description_of *of,
                                    description_fn fn, void *userdata);
/* Stops it; NULL allowed; always NULL. */
struct description *description_free(struct description *d);
