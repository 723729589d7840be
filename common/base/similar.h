#pragma once

/* "Did you mean": of the words that exist the one nearest to what was typed. Pure. */

#include <stdbool.h>

struct similar {
        const char *typed;
        const char *best; /* NULL: none is near */
        unsigned distance;
};

/* typed stays the caller's, as do the words. */
struct similar similar_to(const char *typed);
/* Takes a word that exists into account; of equally near ones the first stays. Near is: a
 * letter missing, added, changed or swapped with its neighbour, once in three letters; or the
 * word goes on where two letters or more of it were typed. Case does not count. */
void similar_try(struct similar *s, const char *word);
/* ", did you mean `best`", or "" for none; ret is large enough for any word of 40 bytes. */
const char *similar_text(const struct similar *s, char ret[64]);
