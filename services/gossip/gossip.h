#pragma once

/* Gossip of one node as a state machine: a GossipSub router (pubsub.h), what
 * this node says about itself, what it heard of others, draws of candidates,
 * crawls for people, the deny list. Calls with `now` (monotonic) in, actions out:
 * call gossip_output() until it is empty after every input, and gossip_expire()
 * at gossip_deadline(). Same inputs, same seed: same actions, byte for byte.
 *
 * Views handed in are valid during the call only. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "services/gossip/action.h"
#include "services/gossip/calls.h"
#include "services/gossip/capability.h"
#include "services/gossip/offers.h"
#include "services/gossip/pubsub.h"

struct gossip;

struct gossip_config {
        const char *network; /* at most CAPABILITY_TEXT_MAX bytes */
        const char *version; /* of the software, for people */
        struct pubsub_config pubsub;
        unsigned pow_bits;        /* to be in meshes and candidate lists: 16 public, 0 private */
        nsec_t offer_interval;    /* an unchanged offer again: 15 s */
        nsec_t presence_interval; /* without an offer: 30 s */
        size_t offers_max;        /* records kept: 8,192 */
        unsigned asks_max;        /* a crawl or a spread: questions at once: 16 */
        nsec_t ask_timeout;       /* 2 s */
        unsigned served_burst, served_per_second; /* questions of one peer: 16, 4 */
        bool is_private;                          /* others' private addresses may be dialled */
};
void gossip_config_default(struct gossip_config *ret);

struct gossip *gossip_new(const struct gossip_config *config, const struct peer_id *self,
                          uint64_t seed);
struct gossip *gossip_free(struct gossip *g); /* always NULL */
DEFINE_CLEANUP(struct gossip *, gossip_free);
/* Simulations: another way to check signatures of messages and records. */
void gossip_verifier(struct gossip *g, pubsub_verify_fn fn, void *userdata);
/* Before anything else, and again when the wall clock jumped. */
void gossip_clock(struct gossip *g, nsec_t now, uint64_t wall_ns);
/* The deny list of an earlier life, as GOSSIP_STORE gave it; and the last sequence signed. False:
 * not such bytes. */
bool gossip_restore(struct gossip *g, struct bytes stored, nsec_t now);
void gossip_start(struct gossip *g, nsec_t now);

bool gossip_output(struct gossip *g, struct gossip_action *ret); /* gossip_action_done() it */
nsec_t gossip_deadline(const struct gossip *g);
void gossip_expire(struct gossip *g, nsec_t now);

/* ---- What transport and dht tell ---- */

struct gossip_peer {
        struct peer_id peer;
        struct endpoint endpoint; /* family none: relayed, or exempt from P6 */
        bool is_outbound;
        bool is_elsewhere; /* of another network: neither asked, nor gossiped with, nor named */
        unsigned pow_bits;
        enum pubsub_version version; /* 0: does not speak GossipSub */
        bool speaks_peers;           /* /quorate/peers/1 */
        struct bytes record;         /* signed peer record, or nothing */
        size_t n_addresses;
        const struct multiaddr *addresses;
};
void gossip_peer_up(struct gossip *g, const struct gossip_peer *p, nsec_t now);
void gossip_peer_down(struct gossip *g, const struct peer_id *peer, nsec_t now);
/* transport restarted: all connections are gone. */
void gossip_peers_gone(struct gossip *g, nsec_t now);
/* Connected, or was when it last spoke. */
bool gossip_knows(const struct gossip *g, const struct peer_id *peer);
void gossip_addresses(struct gossip *g, const struct multiaddr *addrs, size_t n, nsec_t now);
/* How many nodes there are, as dht estimates it; 0: not known yet. */
void gossip_size(struct gossip *g, double nodes, nsec_t now);

void gossip_stream_opened(struct gossip *g, const struct peer_id *peer, enum pubsub_version version,
                          nsec_t now);
void gossip_stream_closed(struct gossip *g, const struct peer_id *peer, nsec_t now);
/* Bytes that wait in the shell for this peer. */
void gossip_queued(struct gossip *g, const struct peer_id *peer, size_t bytes, nsec_t now);
/* One RPC of a peer's stream to us. */
void gossip_rpc(struct gossip *g, const struct peer_id *peer, struct bytes rpc, nsec_t now);

/* One question on /quorate/peers/1, answered by GOSSIP_ANSWER or GOSSIP_REFUSE. */
void gossip_asked(struct gossip *g, uint64_t id, const struct peer_id *peer, struct bytes question,
                  nsec_t now);
void gossip_answered(struct gossip *g, uint64_t id, struct bytes answer, nsec_t now);
void gossip_ask_failed(struct gossip *g, uint64_t id, nsec_t now);
void gossip_found(struct gossip *g, uint64_t id, const struct gossip_contact *list, size_t n,
                  nsec_t now);
void gossip_signed(struct gossip *g, uint64_t id, struct bytes statement, struct bytes signature,
                   nsec_t now);
void gossip_sign_failed(struct gossip *g, uint64_t id, nsec_t now);

/* ---- What people and the coordinator want ---- */

/* What this node offers; published when free slots cross zero, double or halve, else every
 * offer_interval. A packed peers.Capability; peer, sequence, network, version and addresses are
 * filled in here. Without a call, this node offers nothing and is merely present. */
void gossip_offer(struct gossip *g, struct bytes capability, nsec_t now);

/* Presence heard by this node: views valid until the next call. */
size_t gossip_presence(const struct gossip *g, const struct peer_id *after, nsec_t now,
                       struct offer_view *ret, size_t max);

/* Of the addresses that a record names those that this node may dial: what a stranger says must
 * not lead into a network of ours. Returns how many. */
size_t gossip_addresses_of(const struct gossip *g, const struct capability *c,
                           struct multiaddr *ret, size_t max);

/* until: NSEC_NEVER or an instant. reason: at most 128 bytes, for people. False: the list is full.
 */
bool gossip_block(struct gossip *g, const struct peer_id *peer, const char *reason, nsec_t until,
                  nsec_t now);
/* False: it was not blocked. */
bool gossip_unblock(struct gossip *g, const struct peer_id *peer, nsec_t now);
/* A revocation (common/canonical/keychange.h), whole, from wherever: verified here. Its peer is
 * blocked for good, "revoked by its owner", and some others are told, if that was news. False: not
 * valid, about this node, or the places for strangers' revocations are taken. */
bool gossip_revoked(struct gossip *g, struct bytes value, nsec_t now);
struct gossip_blocked {
        struct peer_id peer;
        const char *reason;
        nsec_t since, until;
};
size_t gossip_blocklist(const struct gossip *g, struct gossip_blocked *ret, size_t max);
bool gossip_is_blocked(const struct gossip *g, const struct peer_id *peer);

struct gossip_status {
        size_t peers, streams, mesh, offers;
        unsigned bits;
        const char *shard;           /* its topic */
        bool is_in_both, is_revoked; /* the second: our own key */
};
void gossip_status(const struct gossip *g, struct gossip_status *ret);
size_t gossip_counters(const struct gossip *g,
                       const struct pubsub_counter **ret); /* beside the router's */
const struct pubsub *gossip_router(const struct gossip *g);
