#pragma once

/* The deny list (deny.c): its rows, how many there may be, and what the rest of the core (core.h)
 * asks of it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "common/wire/peerid.h"

struct gossip;

#define DENIED_MAX  4096
#define REVOKED_MAX 1024 /* of those, by their owners: of strangers, and of whom we had met */
#define REASON_MAX  128

/* Whose places it has one of; those who share some give theirs up to each other. */
enum denied_places {
        DENIED_OWN = 0, /* a person wanted it */
        DENIED_MET,
        DENIED_STRANGERS,
        _DENIED_PLACES_N,
};

struct denied {
        struct peer_id peer;
        char reason[REASON_MAX + 1];
        int64_t since_us; /* wall clock: it may be before this boot */
        nsec_t since, until;
        bool is_revoked;
        enum denied_places places;
        uint64_t rank; /* who stays, when all are taken */
};

void deny_expire(struct gossip *g, nsec_t now);
/* The disk promises that sequences up to stored_sequence may have been signed. */
void deny_store_sequence(struct gossip *g, nsec_t now);
nsec_t deny_deadline(const struct gossip *g);
