#pragma once

/* How many servers the network has, from how far the n closest to a random key are.
 *
 * With N uniform ids the distance d of the n-th closest is Gamma distributed, N·d ~
 * Gamma(n), so (n−1)/d estimates N without bias, and its quantiles bound it (order
 * statistics; David and Nagaraja, 2003, 2.1). Of several samples at keys that we
 * drew, the median counts (the lower one of few): ids planted near some keys move only those
 * samples, and planting can only raise one. Pure. */

#include <stdbool.h>
#include <stddef.h>

#define ESTIMATE_SAMPLES 16

struct estimate_sample {
        double size;
        unsigned n;  /* order statistics behind it */
        bool is_all; /* the walk met everybody: a count, not an estimate */
};

struct estimate {
        struct estimate_sample own;                       /* at our own key: everybody knows it */
        struct estimate_sample samples[ESTIMATE_SAMPLES]; /* at keys that we drew: a ring */
        size_t n_samples, next;
};

struct estimate_value {
        double size, low, high; /* ourselves included; 90 % interval; all 0: not known yet */
};

/* distance: of the n-th closest that answered, as a fraction of the key space;
 * is_all: there were no more than these n. */
void estimate_add(struct estimate *e, double distance, unsigned n, bool is_all);
void estimate_own(struct estimate *e, double distance, unsigned n, bool is_all); /* replaced */
size_t estimate_samples(const struct estimate *e);
/* Without a sample: all 0. A node that knows nobody must not say that it is alone. */
struct estimate_value estimate_get(const struct estimate *e);
/* The newest n were drawn together, for it looked as if the older ones are out of date. If they do
 * say something else, older ones count no more. True: so it is. */
bool estimate_renew(struct estimate *e, size_t n);
/* Within it, n honest ids are expected around any key. 1 or more: everywhere. */
double estimate_radius(const struct estimate *e, unsigned n);

/* What to look for, rather than believe: the largest of the first four points we drew, of more one
 * that a fifth exceed. Who names friends only makes a network look small; who makes it look large
 * costs requests, so our own neighbourhood, where anybody can plant ids, counts only until three
 * points are drawn. */
double estimate_at_most(const struct estimate *e);
/* Our own neighbourhood stands twice as far apart as those we drew: friends of each other. */
bool estimate_own_is_sparse(const struct estimate *e);
