#pragma once

/* What one peer may make this host keep and do: memory, open bids, offers per
 * second. A peer is remembered while it has streams and until its rate has
 * recovered, so that reconnecting gains nothing. Pure. */

#include "common/base/budget.h"
#include "common/base/nsec.h"
#include "common/wire/peerid.h"

struct host_peer {
        struct peer_id id;
        struct budget memory; /* frames, descriptors, rows under way */
        uint32_t streams, bids;
        uint64_t debt; /* nanoseconds of rate used up; grows with offers, shrinks with time */
        nsec_t debt_since;
};

struct host_peers;

struct host_peers_config {
        uint32_t max;          /* peers */
        uint64_t peer_memory;  /* bytes each */
        uint32_t rate, burst;  /* offers: per second, at once */
        struct budget *memory; /* all of them together */
};

struct host_peers *host_peers_new(uint64_t seed, const struct host_peers_config *config);
struct host_peers *host_peers_free(struct host_peers *p);
DEFINE_CLEANUP(struct host_peers *, host_peers_free);

/* A stream of this peer: NULL when there are too many peers. */
struct host_peer *host_peers_join(struct host_peers *p, const struct peer_id *id, nsec_t now);
void host_peers_leave(struct host_peers *p, struct host_peer *peer, nsec_t now);

/* One offer; 0, or for how long it has to wait. */
nsec_t host_peer_rate(const struct host_peers *p, struct host_peer *peer, nsec_t now);
