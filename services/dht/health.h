#pragma once

/* Who does not answer, and whether it is they or we.
 *
 * Only peers that failed are kept here, at most HEALTH_MAX: back-off per address
 * family, 30 s doubling, at most 8.5 h. While it looks as if our own network were
 * gone (several different peers fail and nobody answers) failures are not charged:
 * the first answer clears them. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/nsec.h"
#include "services/dht/contact.h"

#define HEALTH_MAX          96
#define HEALTH_BACKOFF      (30 * NSEC_PER_SEC)
#define HEALTH_SHIFT_MAX    10
#define HEALTH_RECENT       4 /* different peers failing … */
#define HEALTH_RECENT_SPAN  (15 * NSEC_PER_SEC)
#define HEALTH_QUIET        (45 * NSEC_PER_SEC)
#define HEALTH_HAIRPIN_LIFE (3600 * NSEC_PER_SEC)

enum health_family { HEALTH_IP4 = 0, HEALTH_IP6, HEALTH_RELAY, _HEALTH_FAMILY_N };

struct health_peer {
        struct key key;
        nsec_t touched; /* its latest failure */
        nsec_t retry[_HEALTH_FAMILY_N];
        uint8_t failures[_HEALTH_FAMILY_N];
        uint8_t pending[_HEALTH_FAMILY_N]; /* of a suspected outage, not charged yet */
};

struct health {
        struct health_peer peers[HEALTH_MAX]; /* an array: small, and walked whole */
        size_t n_peers;
        nsec_t answered; /* the latest answer of anybody; 0: none yet */
        struct {
                struct key key;
                nsec_t when;
        } recent[HEALTH_RECENT]; /* different peers, since the latest answer */
        size_t n_recent;
        nsec_t hairpin_until; /* our own public address does not lead back to us */
        uint64_t failures, not_charged, outages, recovered, forgotten;
        bool has_outage;
};

void health_init(struct health *h);

/* A request of this peer failed. Returns whether it counts against the peer; false
 * while our own network is in doubt. */
bool health_failed(struct health *h, const struct contact *c, nsec_t now);
/* It answered, over this family. Returns true when that ends an outage. */
bool health_answered(struct health *h, const struct key *peer, const struct endpoint *e,
                     nsec_t now);
/* Whether a new attempt is due by at least one of the families of its addresses. */
bool health_may_ask(const struct health *h, const struct contact *c, nsec_t now);
bool health_has_outage(const struct health *h, nsec_t now);
/* The network changed: everybody may be asked again. */
void health_forgive(struct health *h);

/* Peers at our own public address, reached through our own router. */
void health_hairpin_failed(struct health *h, nsec_t now);
void health_hairpin_works(struct health *h);
static inline bool health_hairpin_is_broken(const struct health *h, nsec_t now) {
        return now < h->hairpin_until;
}
