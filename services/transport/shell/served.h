#pragma once

/* Where this node listened last, in <state>/listened: a port of these that is taken when it starts
 * again was taken meanwhile and may be free soon; any other was never ours, and whoever wrote the
 * configuration must choose. */

#include <stdbool.h>
#include <stddef.h>

#include "services/transport/path.h"

bool served_at(const char *folder, const struct endpoint *at);
/* All of them, in the place of those before; written only when they changed. 0 or -errno. */
int served_note(const char *folder, const struct endpoint *list, size_t n);
