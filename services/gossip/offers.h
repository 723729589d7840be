#pragma once

/* What hosts said they offer, and who is there at all: the newest record of each
 * peer, an offer for 45 s, presence for 120 s. A sequence that was seen is never
 * accepted again, so replays keep nobody alive. Bounded; the peer heard of
 * longest ago goes first. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/base/rng.h"
#include "services/gossip/capability.h"

#define OFFER_TTL     (45 * NSEC_PER_SEC)
#define OFFER_FRESH   (20 * NSEC_PER_SEC)
#define OFFER_ALIVE   (2 * NSEC_PER_SEC) /* since a sign of life: such are drawn first */
#define PRESENCE_TTL  (120 * NSEC_PER_SEC)
#define SEQUENCE_SKEW (600 * NSEC_PER_SEC)  /* from our wall clock, either way */
#define ORIGIN_BURST  8                     /* records of one peer */
#define ORIGIN_RATE   2                     /* a second */
#define SEQUENCE_KEPT (1200 * NSEC_PER_SEC) /* highest seen of a peer */

struct offers;

enum offers_result {
        OFFERS_NEW = 0,
        OFFERS_E_OLD,     /* a sequence not above the highest seen: a replay or a late copy */
        OFFERS_E_CLOCK,   /* too far from our clock */
        OFFERS_E_NETWORK, /* another network's */
        OFFERS_E_DENIED,
        OFFERS_E_RATE, /* this peer said more than ORIGIN_RATE allows */
};

struct offers *offers_new(const char *network, size_t max, uint64_t seed);
struct offers *offers_free(struct offers *o); /* always NULL */
DEFINE_CLEANUP(struct offers *, offers_free);

/* A verified record. Takes it over when it answers OFFERS_NEW, else it stays the
 * caller's. wall_ns: wall clock at `now`. */
int offers_add(struct offers *o, struct capability *c, nsec_t now, uint64_t wall_ns);
/* What offers_add() would answer, before the signature is paid for. */
int offers_would(const struct offers *o, const struct capability *c, nsec_t now, uint64_t wall_ns);
/* Who is in two shards signs a record for each, one right behind the other (publish.c); the older
 * one may come last. True: c may be that of the newest heard, not more than `apart` before it: one
 * for each newest, at the same rate as all that its author says. */
bool offers_is_twin(const struct offers *o, const struct capability *c, nsec_t apart, nsec_t now);
void offers_take_twin(struct offers *o, const struct capability *c, nsec_t now); /* verified */
/* The highest sequence heard of this peer; 0: none. */
uint64_t offers_newest(const struct offers *o, const struct peer_id *peer);
/* A sign of life other than a record: it spoke to us. */
void offers_alive(struct offers *o, const struct peer_id *peer, nsec_t now);
/* Its connection, which we held, has ended: nothing counts as one until a newer record or word. */
void offers_gone(struct offers *o, const struct peer_id *peer);
void offers_deny(struct offers *o, const struct peer_id *peer, bool denied);
void offers_expire(struct offers *o, nsec_t now);
nsec_t offers_deadline(const struct offers *o); /* when the next record goes */

struct offer_filter {
        const struct bytes *engines; /* any of these; none: all */
        size_t n_engines;
        uint32_t data_class;        /* a bit of enum capability_data; 0: any */
        struct bytes group, region; /* empty: any */
        uint32_t min_free_slots, min_memory_mib;
};
bool offer_fits(const struct capability *c, const struct offer_filter *f);

/* A view; age since it was published, as far as clocks agree; silence since the latest sign of
 * life: that, or anything else its author said to us. */
struct offer_view {
        const struct capability *record;
        nsec_t age, silence;
};
/* A uniform draw without repetition of live offers that fit; those silent for OFFER_ALIVE only when
 * the others are not enough, and for OFFER_FRESH last: most of them are gone. unusable: live offers
 * that did not fit. */
struct offer_draw {
        const struct offer_filter *filter;
        struct rng *rng;
        struct offer_view *list; /* room for max */
        size_t max, n, unusable; /* n and unusable are filled in */
};
void offers_draw(const struct offers *o, struct offer_draw *d, nsec_t now);
/* Live presence in order of peer id, behind `after` (NULL: from the beginning). */
size_t offers_list(const struct offers *o, const struct peer_id *after, nsec_t now,
                   struct offer_view *ret, size_t max);
bool offers_get(const struct offers *o, const struct peer_id *peer, nsec_t now,
                struct offer_view *ret);
size_t offers_count(const struct offers *o); /* records kept, expired ones not yet swept too */
uint64_t offers_evicted(const struct offers *o);
