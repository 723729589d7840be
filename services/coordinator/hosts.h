#pragma once

/* What a coordinator is told, and tells, about hosts: whom it may ask, who is denied, what
 * it has for others. Calls of struct coordinator (coordinator.h) in the same manner. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "services/coordinator/candidate.h"

struct coordinator;

/* Replaces the list; at most CANDIDATES_MAX are kept. */
void coordinator_candidates(struct coordinator *c, const struct candidate *list, size_t n,
                            nsec_t now);
/* Whether somebody can look for hosts: then jobs that need more ask by ACTION_FIND. */
void coordinator_discovery(struct coordinator *c, bool is_there);
/* The answer to one, after coordinator_candidates() with what was found. */
struct found {
        uint32_t known, unusable; /* offers gossip saw; of these, of no use to this job */
};
/* Whether a draw of hosts with a free slot that got `n` of `wanted` leaves others to ask for:
 * hosts that are full make promises too. Where all that gossip saw fitted there are none. */
bool found_leaves_full(const struct found *found, size_t n, size_t wanted);
void coordinator_found(struct coordinator *c, uint64_t id, const struct found *found, nsec_t now);
/* Hosts this node has checked itself, judged last first. */
size_t coordinator_history(const struct coordinator *c, struct peer_id *ret, size_t max);
/* Own-trust of a host; known: no longer on probation. */
double coordinator_trust(const struct coordinator *c, const struct peer_id *peer, nsec_t now,
                         bool *ret_known);

/* Denied peers are neither asked nor served; their streams are reset at once. Votes that
 * one has given before stand. deny_list: all of gossip's list, in place of the last one. */
void coordinator_deny(struct coordinator *c, const struct peer_id *peer, bool is_denied,
                      nsec_t now);
void coordinator_deny_list(struct coordinator *c, const struct peer_id *list, size_t n, nsec_t now);
bool coordinator_is_denied(const struct coordinator *c, const struct peer_id *peer);

/* What the governor has for others now. */
struct offered {
        bool is_paused; /* or not serving at all: the rest is 0 */
        uint32_t slots, free_slots;
        uint64_t memory, price;
        uint32_t data_class; /* admitted up to this one */
        const char *const *groups;
        size_t n_groups;
};
void coordinator_offered(const struct coordinator *c, struct offered *ret);
