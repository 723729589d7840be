#pragma once

/* Neighbours (neighbours.c): to whom our GossipSub stream is opened, and whose connection is held
 * for it. core.h has the rest. */

#include "services/gossip/core.h"

/* A multiaddr has room for 256 bytes, an address few: kept packed. */
void neighbours_put_addresses(struct known_peer *k, const struct multiaddr *list, size_t n);
/* One after the other; cursor starts at 0 and stands behind the bytes of *ret then. */
bool neighbours_address(const struct known_peer *k, size_t *cursor, struct multiaddr *ret);
void neighbours_meet(struct gossip *g, struct known_peer *k);   /* it came, or changed */
void neighbours_stream(struct gossip *g, struct known_peer *k); /* opens ours, if it is due */
void neighbours_lost(struct gossip *g, struct known_peer *k, nsec_t now);
/* Of the shards' members: those that are missing are connected to. */
void neighbours_found(struct gossip *g, const struct gossip_contact *list, size_t n, nsec_t now);
void neighbours_soon(struct gossip *g, nsec_t now); /* our shards are others */
void neighbours_expire(struct gossip *g, nsec_t now);
nsec_t neighbours_deadline(const struct gossip *g);
