#pragma once

/* What transport keeps on disk: the stateless reset key, the addresses that worked, so that a
 * restarted node finds its peers again, whom services deny, so that it accepts none of them before
 * they have said so anew, and who was met where. Folder: --state. */

#include <stdint.h>

#include "common/base/cleanup.h"
#include "services/transport/met.h"
#include "services/transport/peers.h"
#include "services/transport/shell/deny.h"

#define STORE_RESET_KEY_SIZE 32

struct store;

/* Opens <folder>/peers.sqlite, made and migrated when needed. What is wrong with it and
 * what to do is logged. Returns 0 or a fault. */
int store_new(const char *folder, struct store **ret);
struct store *store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free);

/* <folder>/reset.key, 32 bytes, mode 0600, made once from `fresh`. Returns 0 or a fault. */
int store_reset_key(const char *folder, const uint8_t fresh[STORE_RESET_KEY_SIZE],
                    uint8_t ret[STORE_RESET_KEY_SIZE]);

/* Into the book as ADDRESS_CACHED, the most recently used first. */
int store_load(struct store *s, struct peers *peers);
/* All addresses that worked in this life; `wall` in microseconds since 1970. Those unused
 * for 30 days are forgotten. */
int store_save(struct store *s, const struct peers *peers, int64_t wall);

/* The list of that owner (deny.h), in place of his earlier one; durable when it returns 0. */
int store_deny(struct store *s, const char *owner, const struct peer_id *peers, size_t n);
int store_load_denied(struct store *s, struct denials *denials);

/* met.h: durable when it returns 0. */
int store_met(struct store *s, const struct met_entry *met, int64_t wall);
int store_load_met(struct store *s, struct met *met);
