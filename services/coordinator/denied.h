#pragma once

/* Peers that are neither asked nor served: those of the configuration, and those that
 * gossip's deny list names while it names them. Bounded, though the list comes from our
 * own gossip. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/wire/peerid.h"

#define DENIED_PEERS_MAX 16384 /* of the list; gossip keeps fewer */

struct denied;

/* configured: outlives it. */
struct denied *denied_new(uint64_t seed, const struct peer_id *configured, size_t n);
struct denied *denied_free(struct denied *d);
DEFINE_CLEANUP(struct denied *, denied_free);

bool denied_has(const struct denied *d, const struct peer_id *peer);
/* False: the list is full. */
bool denied_set(struct denied *d, const struct peer_id *peer, bool is_denied);
void denied_clear(struct denied *d); /* but for those configured */
