#pragma once

/* Neighbours (neighbours.c): to whom our GossipSub stream is opened, and whose connection is held
 * for it. core.h has the rest. */

#include "services/gossip/core.h"

void neighbours_meet(struct gossip *g, struct known_peer *k);   /* it came, or changed */
void neighbours_stream(struct gossip *g, struct known_peer *k); /* opens ours, if it is due */
void neighbours_lost(struct gossip *g, struct known_peer *k, nsec_t now);
/* Of the shards' members: those that are missing are connected to. */
void neighbours_found(struct gossip *g, const struct gossip_contact *list, size_t n, nsec_t now);
void neighbours_soon(struct gossip *g, nsec_t now); /* our shards are others */
void neighbours_expire(struct gossip *g, nsec_t now);
nsec_t neighbours_deadline(const struct gossip *g);
