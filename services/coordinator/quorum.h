#pragma once

/* Counts votes. An answer is accepted when it leads every other by q voters,
 * whatever the order of arrival (the random walk of a sequential test); voters,
 * not hosts, are counted: hosts of one group are one voter, and the first of
 * them speaks. Pure; knows neither time nor hosts. */

#include <stdbool.h>
#include <stddef.h>

#include "common/canonical/outcome.h"
#include "common/crypto/hash.h"

#define QUORUM_VOTES_MAX 32

struct quorum_rule {
        enum query_mode mode;
        unsigned replicas, quorum, max_replicas; /* k, q, and voters at which it is SPLIT */
        unsigned engines;                        /* different ones that must be among the q */
};

struct vote {
        unsigned host, group, engine; /* the caller's numbers */
        struct hash_value answer;
        bool is_struck; /* withdrawn: the host contradicted itself */
};

struct quorum {
        struct quorum_rule rule;
        struct vote votes[QUORUM_VOTES_MAX]; /* in order of arrival */
        size_t n_votes;
};

enum quorum_state {
        QUORUM_OPEN = 0,  /* no dissent, not enough votes */
        QUORUM_CONTESTED, /* answers differ, none leads by q; more voters may decide */
        QUORUM_REACHED,   /* tally.leader is accepted */
        QUORUM_SPLIT, /* answers differ, or one engine alone gives them, and no further voter can
                         decide */
};

struct tally {
        struct hash_value leader; /* most votes; the earlier one of equals */
        unsigned voters;          /* counted votes */
        unsigned first, second;   /* votes of the leader and of the next answer */
        unsigned engines;         /* different ones among the votes of the leader */
        unsigned answers;
        bool is_counted[QUORUM_VOTES_MAX]; /* by index of vote */
};

void quorum_init(struct quorum *q, const struct quorum_rule *rule);

/* False: full, or that host has voted. */
bool quorum_vote(struct quorum *q, unsigned host, unsigned group, unsigned engine,
                 const struct hash_value *answer);
void quorum_strike(struct quorum *q, unsigned host);
/* A re-check stands for the first run (unanimous only). */
void quorum_revote(struct quorum *q, unsigned host, const struct hash_value *answer);

void quorum_tally(const struct quorum *q, struct tally *ret);
enum quorum_state quorum_state(const struct quorum *q, const struct tally *t);
/* Voters for the leader that are still missing, at the least; 0 when REACHED. */
unsigned quorum_missing(const struct quorum *q, const struct tally *t);
/* This host's vote, or NULL. */
const struct vote *quorum_vote_of(const struct quorum *q, unsigned host);
