#pragma once

/* Memory for secrets: locked, left out of core dumps, zero in a child. Shell code. */

#include <stdbool.h>
#include <stddef.h>

/* Zeroed; aborts without memory. *ret_locked is false where RLIMIT_MEMLOCK forbids
 * locking: the pages might be swapped. */
void *vault_new(size_t n, bool *ret_locked);
/* Wipes and gives back; returns NULL. */
void *vault_free(void *p, size_t n);

/* The heap as it is now, where GnuTLS keeps its key; false: not allowed. Not the whole
 * process for ever (mlockall): with a limit, an allocation would fail some day later. */
bool vault_lock_heap(void);
