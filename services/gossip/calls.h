#pragma once

/* What the coordinator and people ask of gossip: draws of candidates and crawls.
 * Each call is named by its caller's number and ends with one action. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "services/gossip/action.h"
#include "services/gossip/offers.h"

struct gossip;

struct gossip_contact {
        struct peer_id peer;
        size_t n_addresses;
        struct multiaddr addresses[GOSSIP_ADDRESSES_MAX];
        bool is_given; /* the addresses: by a person, not by strangers */
};

#define GOSSIP_DRAW_MAX 16 /* a job asks no more hosts than that */

/* A draw ends with one GOSSIP_DRAWN. filter's views are copied. */
struct gossip_draw {
        struct offer_filter filter;
        size_t count;   /* 0: GOSSIP_DRAW_MAX, and never more */
        nsec_t timeout; /* 0: 1 s */
        bool local;
};
struct gossip_candidate {
        struct refbuf *record; /* a SignedCapability, verified */
        nsec_t age;
        bool from_sample; /* else heard by this node itself */
};
struct gossip_drawn {
        size_t n, asked, known, unusable;
        struct gossip_candidate *list;
};
void gossip_draw(struct gossip *g, uint64_t call, const struct gossip_draw *draw, nsec_t now);

struct gossip_crawl {
        const struct gossip_contact *from; /* none: the peers this node is connected to */
        size_t n_from;
        int depth;        /* 0: only those; -1: no limit but the others */
        size_t peers_max; /* 0: 1000 */
        nsec_t timeout;   /* 0: 30 s */
        bool discover;    /* tell dht what was found */
};
struct gossip_sighting {
        struct gossip_contact contact;
        struct refbuf *record; /* or NULL: known by address alone */
        nsec_t age;
        struct peer_id via;
        unsigned depth;
        bool is_verified; /* it answered us, or its record's signature is right */
};
struct gossip_crawled {
        size_t n, asked, failed;
        bool capped, timed_out;
        struct gossip_sighting *list;
};
void gossip_crawl(struct gossip *g, uint64_t call, const struct gossip_crawl *crawl, nsec_t now);
void gossip_cancel(struct gossip *g, uint64_t call, nsec_t now);
