#pragma once

/* Peers that are not identified yet, or to whom our own stream is not open yet: what they say, and
 * the budget of their questions. What a peer says first is what it is
 * subscribed to, and it does not say that again: dropped, it would be no member of our topics for
 * as long as its stream lives. Bounded: 256 peers, the one heard of longest ago goes first; 4 RPCs
 * and 2 KiB of each. Pure. */

#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/base/refbuf.h"
#include "common/wire/peerid.h"

#define EARLY_PEERS 256
#define EARLY_RPCS  4
#define EARLY_BYTES 2048

struct early;
struct early *early_new(uint64_t seed);
struct early *early_free(struct early *e); /* always NULL */
DEFINE_CLEANUP(struct early *, early_free);

/* False: more than is kept of one peer. */
bool early_keep(struct early *e, const struct peer_id *peer, struct bytes rpc);
/* Its RPCs in order, each for refbuf_unref(); returns how many. They are kept no longer. */
size_t early_take(struct early *e, const struct peer_id *peer, struct refbuf *ret[EARLY_RPCS]);
/* One question: within its budget of so many at once and per second? Who asks on a connection that
 * it has just made asks before it is identified. */
bool early_may_ask(struct early *e, const struct peer_id *peer, unsigned burst, unsigned per_second,
                   nsec_t now);
/* It has said something that is kept. */
bool early_has(const struct early *e, const struct peer_id *peer);
void early_forget(struct early *e, const struct peer_id *peer);
void early_forget_all(struct early *e);
