#pragma once

/* When this node tells gossip what it offers: as soon as that has changed, at most twice
 * a second, and every ten seconds anyway, for a record that is not repeated dies. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"

#define OFFER_PAUSE (500 * NSEC_PER_MSEC)
#define OFFER_EVERY (10 * NSEC_PER_SEC)

struct offer_pace {
        bool is_sent;
        nsec_t sent;
        uint64_t digest; /* of what was sent */
};

/* The instant at which an offer with this digest is to be sent; not before `now`. */
nsec_t offer_when(const struct offer_pace *p, uint64_t digest, nsec_t now);
void offer_sent(struct offer_pace *p, uint64_t digest, nsec_t now);
