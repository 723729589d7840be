#pragma once

/* The two halves of a draw as they see one another: collect.c keeps what was told, draw.c chooses
 * whom to ask. */

#include "services/gossip/core_calls.h"

#define DRAW_LOOKUPS_MAX 4 /* by asking others */
#define DRAW_VISITS_MAX  512
#define DRAW_SPARES_MAX  32

/* Of somebody nobody has heard of for a while: a candidate once it answers. */
struct spare {
        struct peer_id peer;
        struct gossip_candidate candidate;
        nsec_t silence;
        nsec_t asked; /* when; 0: not yet */
        bool has_failed;
};

/* By the time since a draw began: each adds to what is done. */
enum draw_stage { DRAW_ASKING, DRAW_PROVING, DRAW_HEDGING, DRAW_SETTLING, _DRAW_STAGES };

struct draw {
        struct offer_filter filter;
        struct bytes engines[CAPABILITY_ENGINES_MAX];
        char text[CAPABILITY_ENGINES_MAX + 2][CAPABILITY_CLASS_MAX + 1];
        size_t count;
        bool local;
        struct rng rng;
        unsigned bits, n_shards, stride, next; /* shards in a random order: next += stride */
        unsigned n_picked;                     /* of that order */
        uint32_t visited[DRAW_VISITS_MAX];     /* who was asked: the first bits of their keys */
        unsigned n_visited, n_answers, n_splits;
        uint32_t skipped[DRAW_LOOKUPS_MAX]; /* dht knows nobody of them */
        unsigned n_skipped, n_late;
        enum draw_stage stage;
        size_t n, asked, known, unusable;
        double expected; /* share of hosts that fit, until answers say better */
        struct gossip_candidate list[GOSSIP_DRAW_MAX];
        struct peer_id peers[GOSSIP_DRAW_MAX];
        struct spare spares[DRAW_SPARES_MAX];
        size_t n_spares;
        unsigned n_proofs;         /* under way */
        unsigned n_first, n_again; /* records that fit: the first of their author, others */
};

/* ---- collect.c ---- */

/* Was somebody asked as a member whose key begins so? bits: how many of the prefix count. */
bool draw_is_visited(const struct draw *d, uint32_t prefix, unsigned bits);
/* Candidates and spares of a member's answer. */
void draw_take_reply(struct gossip *g, struct draw *d, const Peers__Reply *reply, nsec_t now);
/* Those spares who may still be about to answer, and what this node heard itself. */
void draw_complete(struct gossip *g, struct draw *d, nsec_t now);
/* What this node heard itself. */
void draw_add_heard(struct gossip *g, struct draw *d, nsec_t now);
/* Asks as many spares at once as candidates are missing; twice as many when there is no time for
 * another. */
void draw_prove_some(struct gossip *g, struct call *c, nsec_t now);

/* ---- draw.c ---- */

/* After anything that came in: asks on, or ends the draw. */
void draw_step(struct gossip *g, struct call *c, nsec_t now);
