#pragma once

/* Our own addresses as peers see them (identify's observedAddr), and which of them are
 * to be believed: a public one when two peers of different networks (IPv4 /24, IPv6 /48)
 * reported it within an hour; one of a private network or the loopback when one peer
 * there did. A peer has one vote per address family, its latest.
 *
 * Pure and bounded: 16 addresses with 8 votes each; the address whose latest vote is
 * oldest makes room for another, unless it is believed. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/wire/endpoint.h"
#include "common/wire/peerid.h"

#define OBSERVED_ADDRS_MAX 16
#define OBSERVED_VOTES_MAX 8
#define OBSERVED_LIFETIME  (3600 * NSEC_PER_SEC)

struct observed;

struct observed *observed_new(void);
struct observed *observed_free(struct observed *o);
DEFINE_CLEANUP(struct observed *, observed_free);

/* `by`, authenticated and reached at `from`, saw us at `at`. True: what is believed
 * has changed. */
bool observed_report(struct observed *o, const struct endpoint *at, const struct peer_id *by,
                     const struct endpoint *from, nsec_t now);
/* Forgets votes that are too old. True: what is believed has changed. */
bool observed_expire(struct observed *o, nsec_t now);
nsec_t observed_deadline(const struct observed *o); /* NSEC_NEVER: nothing to forget */

struct observed_address {
        struct endpoint at;
        size_t n_networks; /* that reported it */
        bool is_believed;
        nsec_t latest;
};
/* i from 0; false past the end. */
bool observed_address(const struct observed *o, size_t i, struct observed_address *ret);
