#pragma once

/* gossip.db: what must outlive the process (proto/gossip.proto, State), as one row.
 * SQLite, WAL, synchronous FULL: written rarely, and a deny list that was answered
 * must hold. Migrations are numbered in shell_state.c. */

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/refbuf.h"

struct state_file;

/* Opens or makes it. Returns 0 or a fault; what is wrong was logged, with the remedy. */
int state_file_new(const char *folder, struct state_file **ret);
struct state_file *state_file_free(struct state_file *f); /* always NULL */
DEFINE_CLEANUP(struct state_file *, state_file_free);

/* *ret NULL: nothing was written yet. Returns 0 or a fault. */
int state_file_read(struct state_file *f, struct refbuf **ret);
/* Durable when it returns 0. */
int state_file_write(struct state_file *f, struct bytes state);
