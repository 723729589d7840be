#pragma once

/* The sockets that know of peers and records, for all verbs that ask them. */

#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/caller.h"

extern const struct call_target discovery_links;      /* transport/peers */
extern const struct call_target discovery_lookup;     /* dht/lookup */
extern const struct call_target discovery_records;    /* dht/records */
extern const struct call_target discovery_withdraw;   /* the same, for what this node publishes */
extern const struct call_target discovery_candidates; /* gossip/candidates */
extern const struct call_target discovery_reputation; /* gossip/reputation */

/* The same, waiting that long for the work asked for, and then a little for the answer. */
struct call_target discovery_within(const struct call_target *target, nsec_t timeout);
/* Of a request: milliseconds, as many as its field holds. */
uint32_t discovery_ms(nsec_t timeout);
