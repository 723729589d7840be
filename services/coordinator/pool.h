#pragma once

/* The hosts this node may ask now: each as long as somebody vouches for it. One peer
 * named by several sources is one candidate, of the source that gossip has least to do
 * with: pinned, DHT, own history, gossip, connected. What gossip claims of a host filters
 * only hosts that gossip alone has named, so that a gossip that lies can hide nobody
 * whom another source knows; of those it is a hint, what classes there are. Bounded by
 * CANDIDATES_MAX; when full, the least independent source gives way. Pure. */

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "services/coordinator/candidate.h"

#define POOL_DHT_MAX 12 /* hosts of look-ups: nothing is known of what they offer */

struct pool;

struct pool *pool_new(uint64_t seed);
struct pool *pool_free(struct pool *p);
DEFINE_CLEANUP(struct pool *, pool_free);

/* c->origin vouches for it until then (NSEC_NEVER: for ever). False: no room. */
bool pool_add(struct pool *p, const struct candidate *c, nsec_t until, nsec_t now);
/* That source takes its word back, for all it has named. */
void pool_drop(struct pool *p, enum candidate_origin origin);
/* Hosts that source vouches for now. */
size_t pool_count(const struct pool *p, enum candidate_origin origin, nsec_t now);
/* All of them, in the order they came; those nobody vouches for any more are forgotten.
 * At most CANDIDATES_MAX. */
size_t pool_list(struct pool *p, nsec_t now, struct candidate *ret);
/* False: not there. */
bool pool_find(const struct pool *p, const struct peer_id *peer, nsec_t now, struct candidate *ret);
