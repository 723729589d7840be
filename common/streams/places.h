#pragma once

/* What the streams of peers make a service keep: how many there are, how many bytes of them lie
 * here unfinished, and until when. A newcomer is never refused: whoever was silent longest goes,
 * among those of the group that has most. A group is a /24 or /48; at home and on one machine it is
 * one peer. Bytes are charged before they are copied: to the peer, its group and the service; when
 * the service has no more, the greediest group loses a stream. Pure. */

#include "common/base/budget.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/wire/endpoint.h"
#include "common/wire/peerid.h"

#define PLACES_PROTOCOLS 8                /* that are served … */
#define PLACES_OWN       PLACES_PROTOCOLS /* … and our own streams, whose bytes alone count */
#define PLACES_SHARE     4                /* of a protocol's streams one group has this part */

struct places_limits {
        uint64_t bytes, bytes_per_group, bytes_per_peer; /* the last: a whole frame at least */
        nsec_t first; /* a stream for questions: until the first one is there */
        nsec_t idle;  /* and between two of them */
        nsec_t frame; /* from the first byte of a frame to its last */
};

enum places_count {
        PLACES_CROWDED_OUT, /* for a newcomer, or for what others hold */
        PLACES_SILENT,      /* nothing was asked */
        PLACES_UNFINISHED,  /* a frame that was begun did not end */
        PLACES_OVER_QUOTA,  /* ended by who held too much itself */
        _PLACES_COUNTS,
};

struct place;

struct places_events {
        /* It has lost its place; what it held is no longer charged: free it. It ends by
         * places_pop_due(), not inside the call that made it lose. */
        void (*on_lost)(void *userdata, struct place *p);
        /* There is something to do earlier than was told last. */
        void (*on_deadline)(void *userdata, nsec_t when);
};

struct places {
        struct places_limits limits;
        const struct places_events *events;
        void *userdata;
        struct budget bytes;
        struct list streams[PLACES_PROTOCOLS + 1]; /* the longest silent first */
        size_t n_streams[PLACES_PROTOCOLS + 1];
        struct map *groups, *members; /* by what they have in common; by that and the peer */
        struct heap due;
        nsec_t told;
        uint64_t counts[_PLACES_COUNTS];
};

/* One stream's; all zero is none, which may hold whatever it likes. */
struct place {
        struct list link;
        struct heap_entry due;
        struct places *all;
        struct places_group *group;
        struct places_member *member;
        unsigned protocol;
        bool is_asked, is_lost;
        uint64_t held;
        nsec_t until;    /* by then a frame or the end */
        nsec_t begun;    /* when the frame under way began; NSEC_NEVER: there is none */
        const char *why; /* it was lost */
};

struct place_stream {
        const struct peer_id *peer;
        const struct endpoint *from; /* NULL: not known yet, that of a stream of ours */
        unsigned protocol;           /* or PLACES_OWN */
        size_t max;                  /* streams of that protocol */
        bool is_asked;               /* it is for questions: silence has an end */
};

void places_init(struct places *s, const struct places_limits *limits,
                 const struct places_events *events, void *userdata);
void places_done(struct places *s); /* all have left */
nsec_t places_deadline(const struct places *s);
/* Whose time is over, lost and counted; NULL: nobody's. The caller ends it: it says why. */
struct place *places_pop_due(struct places *s, nsec_t now);

void place_enter(struct places *s, struct place *p, const struct place_stream *of, nsec_t now);
void place_leave(struct place *p); /* harmless when it is nowhere */
/* So many bytes of it lie here from now on. False: too many, nothing changed; fewer always may. */
bool place_hold(struct place *p, uint64_t n, nsec_t now);
void place_over_quota(struct place *p, nsec_t now);           /* it held too much: it is lost */
void place_heard(struct place *p, nsec_t now);                /* a whole frame came */
void place_begun(struct place *p, bool is_begun, nsec_t now); /* and part of another, or not */
void place_ends_by(struct place *p, nsec_t when);             /* whatever comes */
