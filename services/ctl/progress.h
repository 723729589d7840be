#pragma once

/* One line on a terminal's stderr that says what a job is doing. */

#include <stdbool.h>

#include "common/client/quorate.h"

struct progress {
        bool on; /* stderr is a terminal and nobody asked for quiet */
        bool is_shown;
        unsigned width;
};

void progress_init(struct progress *p, bool quiet);
void progress_show(struct progress *p, const struct quorate_progress *what);
void progress_line(struct progress *p, const char *text);
void progress_clear(struct progress *p); /* before anything else is printed */
