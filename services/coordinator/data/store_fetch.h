#pragma once

/* A fetch into the store. */

#include <errno.h>

#include "services/coordinator/data/fetch.h"
#include "services/coordinator/data/store.h"

/* Continues what an earlier one left. Before its core has providers,
 * store_fetch_check() is called until it does not say STORE_FETCH_MORE: it reads what is left,
 * a few chunks a call. */
struct store_fetch;
int store_fetch_begin(struct store *s, const struct hash_value *root,
                      const struct fetch_config *config, struct store_fetch **ret);
#define STORE_FETCH_MORE (-EAGAIN)
int store_fetch_check(struct store_fetch *f); /* 0, STORE_FETCH_MORE, or a fault */
struct fetch *store_fetch_core(struct store_fetch *f);
/* Asked when the manifest arrives, before there is room for what it is of; false: the fetch ends
 * with -EDQUOT, and nothing was evicted for it. Without one all is admitted. */
typedef bool (*store_admit_fn)(void *userdata, uint64_t length);
void store_fetch_admit(struct store_fetch *f, store_admit_fn fn, void *userdata);
uint64_t store_fetch_length(const struct store_fetch *f); /* 0: not known yet, or nothing */
/* After FETCH_DONE: syncs, completes, pins once; what was published here meanwhile is only pinned.
 * STORE_E_NONE: that, and found damaged since. */
int store_fetch_finish(struct store_fetch *f);
/* Unfinished: verified chunks stay for the next try. */
struct store_fetch *store_fetch_free(struct store_fetch *f);
DEFINE_CLEANUP(struct store_fetch *, store_fetch_free);
