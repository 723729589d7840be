#pragma once

/* Every key that a configuration may have: what it means, what it may be, its default. */

#include "services/ctl/command.h"

/* Of one service, or with NULL of all that are installed, as each explains its own table.
 * Complains by itself. Returns the exit code. */
int config_reference(const struct command_context *ctx, const char *service);
