#pragma once

/* Answers without a node, as the node of this place would give them. */

#include "services/ctl/command.h"

/* What [worker] of the configuration says about DuckDB, for libquorate, which reads only
 * $QUORATE_WORKER_DUCKDB: the worker's own program is asked, so nothing is parsed twice. Nothing
 * where the variable is set or there is no configuration. False: it cannot be read; `error` has
 * one line with the place. */
bool alone_configure(const struct command_context *ctx, char error[512]);
