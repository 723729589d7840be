#pragma once

/* Who gave what, of the values that a reader collects from many holders: a topic, a mailbox. Its
 * places are shared by the holders' subnets: when all are taken, the subnet that has the most gives
 * one up. A value that several give counts for the one of them that has the fewest, so what the
 * honest agree on costs each of them little, and holders that make up values crowd out one
 * another. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "services/dht/contact.h"

#define GIVERS_MAX 128       /* holders told apart; further ones share the last place */
#define GIVEN_MAX  (128 + 8) /* by one: an honest holder has no more places under a key */
#define GIVER_SELF SIZE_MAX  /* what we hold ourselves takes nobody's place */

struct giver {
        struct key key;
        struct subnet subnet; /* family 0: on its own */
        size_t group;         /* the first giver of its subnet */
        size_t n_given;       /* by this one */
        size_t n_values;      /* of the group, at its first giver */
};

struct givers {
        struct giver list[GIVERS_MAX];
        size_t n;
};

size_t givers_find(struct givers *g, const struct key *key, const struct subnet *subnet);
/* Another value of that giver; false: it has given more than a holder can have. */
bool givers_give(struct givers *g, size_t giver);
/* The group of a giver. */
size_t givers_group(const struct givers *g, size_t giver);
/* A value counts for that group from now on, or no longer; GIVER_SELF: nothing happens. */
void givers_count(struct givers *g, size_t group, bool added);
/* Whether a value of `owner` that `group` gives as well shall count for `group`. */
bool givers_moves(const struct givers *g, size_t owner, size_t group);
/* All places are taken, and `group` has another value: the group that gives one up, or GIVER_SELF:
 * nobody has more than it would have. */
size_t givers_loser(const struct givers *g, size_t group);
