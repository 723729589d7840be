#pragma once

/* One iterative lookup (Maymounkov and Mazières, 2002) over disjoint paths (S/Kademlia:
 * Baumgart and Mies, 2007): a peer is asked by one path only, and a path goes by what
 * its own responders told it. A path ends when the k closest it heard of have
 * answered, the lookup when all paths have.
 *
 * Somebody whose contacts do not answer is believed no further, nor are several who tell
 * the same lies (teller.h). With a radius, everything that answers within it is looked
 * for as well: when the k closest stand closer together than honest ids would, the
 * neighbourhood is asked at its edges, where ids planted around the key are not. When
 * they stand farther apart than honest ids would, somebody names friends only: those
 * whom the closest found crowded out are asked as well, each seed's share in turn.
 * Pure: says whom to ask, is told what came. */

#include <stdbool.h>
#include <stddef.h>

#include "services/dht/contact.h"

#define LOOKUP_PATHS_MAX      8
#define LOOKUP_CANDIDATES_MAX 192
#define LOOKUP_REGION_MAX     64
#define LOOKUP_DOUBTED        2 /* requests to contacts of one unproven teller */
#define LOOKUP_EDGES          8 /* keys at the edges of the neighbourhood … */
#define LOOKUP_EDGE_ASKS      3 /* … and how many are asked for each, at a time */
#define LOOKUP_EDGE_ASKS_MAX  48
#define LOOKUP_WIDE_MAX       64 /* requests beyond the paths' windows, for a set too sparse … */
#define LOOKUP_WIDE_AT_ONCE   4
#define LOOKUP_WIDE_TURN      3 /* … so many by what one seed and its tellers told, in turn */
#define LOOKUP_BEGINNING_TOLD 4 /* … and, however dense, of what each place to begin led to */

enum candidate_state {
        CANDIDATE_NEW = 0,
        CANDIDATE_ASKED,
        CANDIDATE_ANSWERED,
        CANDIDATE_FAILED,
        CANDIDATE_DROPPED, /* only told by somebody who told of nobody real */
};

struct candidate {
        struct contact contact;
        double distance;
        struct candidate
                *teller; /* who told of it; NULL: several, or the table. Stays: it answered */
        uint64_t told_by[LOOKUP_CANDIDATES_MAX / 64]; /* a bit for each teller, by its number */
        struct candidate *root; /* the seed that led here first; NULL: it is one itself */
        unsigned n_real, n_unreal, n_doubted; /* told by it alone: answered, failed, in flight */
        unsigned all_real, all_unreal;        /* told by it, whoever else did */
        uint8_t number;                       /* in `tellers`, once it answered */
        uint8_t state, path, seen_by, hops, edges; /* seen_by: a bit per path; edges: asked for */
        uint8_t n_wide;    /* of a seed: requests beyond the windows that it led to */
        bool is_beginning; /* asked however far it is */
        bool is_wide;      /* asked beyond the windows */
        bool is_revived;   /* asked for want of others */
        bool is_excused;   /* that it failed says nothing of who told of it */
        uint8_t mark;      /* the owner's */
};

struct lookup_config {
        unsigned k, parallel, paths;
        double radius; /* fraction of the key space; 0: the k closest only */
        double sparse; /* the k closest stand within this, as good as always; 0: not known */
};

struct lookup {
        struct lookup_config config;
        struct key target, self;
        struct candidate *candidates[LOOKUP_CANDIDATES_MAX]; /* by distance */
        struct candidate *tellers[LOOKUP_CANDIDATES_MAX];    /* who answered */
        size_t n_candidates, n_tellers;
        unsigned in_flight[LOOKUP_PATHS_MAX], edges_in_flight, n_edge_asks, n_seeds;
        unsigned wide_in_flight, n_wide;
        struct key edges[LOOKUP_EDGES];
        bool is_edging, has_overflow;
        unsigned n_asked, n_answered, n_failed, n_dropped, n_revived;
};

struct lookup *lookup_new(const struct lookup_config *config, const struct key *target,
                          const struct key *self);
struct lookup *lookup_free(struct lookup *l); /* always NULL */
/* From the table, in any order; dealt to the paths in turn. */
void lookup_seed(struct lookup *l, const struct contact *c);
/* The same also for one that failed: it is asked once more. Nothing may be in flight to it. */
void lookup_seed_again(struct lookup *l, const struct contact *c);

/* The same for one to be asked whoever stands nearer, and a few of those it leads to: while nobody
 * is known for long, each place to begin may be the only honest one. */
void lookup_begin_at(struct lookup *l, const struct contact *c);

#define LOOKUP_MAIN (-1)
struct lookup_ask {
        struct contact contact; /* a view, until the next call */
        struct key target;      /* what to ask for: differs from the lookup's at an edge */
        int edge;               /* LOOKUP_MAIN, or which edge: to be told with the answer */
};
/* Whom to ask now; false: nobody at the moment. */
bool lookup_next(struct lookup *l, struct lookup_ask *ret);
/* Returns the candidate that answered, NULL when it is none of this lookup's. */
struct candidate *lookup_answered(struct lookup *l, const struct key *who, int edge,
                                  const struct contact *told, size_t n_told);
void lookup_failed(struct lookup *l, const struct key *who, int edge);
/* Not asked after all (in back-off): nobody is to blame. */
void lookup_skip(struct lookup *l, const struct key *who, int edge);
/* Denied meanwhile: as if it had failed. */
void lookup_remove(struct lookup *l, const struct key *who);
bool lookup_is_over(const struct lookup *l);

/* The k closest that answered, then what else answered within the radius: at most
 * LOOKUP_REGION_MAX, nearest first. */
size_t lookup_result(const struct lookup *l, struct candidate **ret, size_t max);
struct candidate *lookup_find(const struct lookup *l, const struct key *who);
