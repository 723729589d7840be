#pragma once

/* Which engine classes a job admits, by how its answers are compared (query.md, 3): `class`
 * one class alone, `engine` every build of one engine, `portable` every engine that reads
 * the inputs. What hosts claim to run decides no more than who is asked: a commit names the
 * class and is signed. Pure. */

#include "common/canonical/descriptor.h"
#include "services/coordinator/candidate.h"

struct classes_question {
        enum comparison comparison;
        const char *own;     /* the class that has analysed the query */
        char *const *wanted; /* engines or classes that were asked for; none: any */
        size_t n_wanted;
        const char *const *formats; /* of the inputs */
        size_t n_formats;
        const struct candidate *const *candidates; /* that may be asked */
        size_t n_candidates;
        bool independence; /* hosts of one subnet are one voter */
};

struct classes {
        char list[DESCRIPTOR_CLASSES_MAX][ENGINE_TEXT_SIZE]; /* best first */
        size_t n;
        /* Independent candidates that run one of them or do not say, and all others. */
        unsigned usable, unusable;
        unsigned engines; /* different engines in the list */
};

/* `class`: the one that most independent candidates run, our own of equals. Else our own
 * first, then by how many run them; what does not fit into a descriptor is left out. */
void classes_choose(const struct classes_question *q, struct classes *ret);
/* Those of a descriptor; nothing is known of hosts. */
void classes_take(const struct bytes *list, size_t n, struct classes *ret);
bool classes_has(const struct classes *c, const char *class);
/* Independent candidates that run one of these, or do not say what they run. */
unsigned classes_count(const struct classes_question *q, char *const *engines, size_t n);
