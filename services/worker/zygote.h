#pragma once

/* quorate-executor --zygote ENGINE: everything loaded, nothing opened; forks one
 * confined child per Begin on descriptor 3 and tells how each ended. */

struct engine;

/* Serves until the other end closes; then every child is killed. Exit status. */
int zygote_serve(const struct engine *engine, const char *library, int control_fd);
