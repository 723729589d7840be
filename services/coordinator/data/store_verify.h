#pragma once

/* Whether the disk still has what was written to it. */

#include <errno.h>

#include "services/coordinator/data/store.h"

/* Hashing a dataset anew, a few chunks a call (10 ms); it is pinned meanwhile. */
struct store_verify;
int store_verify_begin(struct store *s, const struct hash_value *root, struct store_verify **ret);
#define STORE_VERIFY_MORE (-EAGAIN)
int store_verify_step(struct store_verify *v); /* 0, STORE_VERIFY_MORE, or a fault */
struct store_verify_count {
        uint64_t chunks, all, bad, first_bad; /* first_bad: of those that are wrong */
};
void store_verify_count(const struct store_verify *v, struct store_verify_count *ret);
struct store_verify *store_verify_free(struct store_verify *v);
DEFINE_CLEANUP(struct store_verify *, store_verify_free);
/* A dataset with wrong chunks becomes one that is fetched in part: the next fetch keeps what is
 * right. STORE_E_BUSY, STORE_E_NONE, or a fault. */
int store_demote(struct store *s, const struct hash_value *root);
