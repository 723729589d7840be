#pragma once

/* Who is believed in a lookup: by what becomes of those that somebody told of. Only lookup.c
 * includes this. Pure. */

#include "services/dht/lookup.h"

/* c was told by this one, who answered. */
void teller_note(struct candidate *c, struct candidate *teller);
/* It answered, or did not. Drops what only those told who are believed no longer. */
void teller_judge(struct lookup *l, struct candidate *c, bool is_real);
/* None of what it alone told is known to be real, and enough of that is in flight. NULL: nobody. */
bool teller_is_held_back(const struct lookup *l, const struct candidate *teller);
/* Told by several, who told mostly lies. */
bool teller_is_conspired(const struct lookup *l, const struct candidate *c);
