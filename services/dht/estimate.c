#include "services/dht/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define Z_95              1.6449 /* standard normal */
#define FIRST_DRAWN       3      /* by a node that has just come */
#define SETTLED           4      /* samples: our own and those */
#define MEDIAN_EFFICIENCY 0.6    /* of a median against a mean: 2/pi */

static bool make_sample(struct estimate_sample *ret, double distance, unsigned n, bool is_all) {
        if (n == 0 || (!is_all && (n < 2 || distance <= 0)))
                return false;
        *ret = (struct estimate_sample){ .size = n + 1, .n = n, .is_all = is_all };
        if (!is_all)
                ret->size = (n - 1) / distance + 1;
        return true;
}

void estimate_own(struct estimate *e, double distance, unsigned n, bool is_all) {
        (void) make_sample(&e->own, distance, n, is_all);
}

void estimate_add(struct estimate *e, double distance, unsigned n, bool is_all) {
        if (!make_sample(&e->samples[e->next], distance, n, is_all))
                return;
        e->next = (e->next + 1) % ESTIMATE_SAMPLES;
        if (e->n_samples < ESTIMATE_SAMPLES)
                e->n_samples++;
}

size_t estimate_samples(const struct estimate *e) {
        return e->n_samples + (e->own.n > 0);
}

static int by_size(const void *a, const void *b) {
        const struct estimate_sample *x = a, *y = b;

        return (x->size > y->size) - (x->size < y->size);
}

/* Wilson and Hilferty (1931): the quantile of Gamma(shape) at normal quantile z,
 * over its mean. */
static double gamma_quantile(double shape, double z) {
        double v = 1 / (9 * shape), root = 1 - v + z * sqrt(v);

        return root > 0 ? root * root * root : 0;
}

/* What order statistics do not know of: lookups that miss somebody under churn, and more
 * so those of a node that has just come. As relative variances; tests/sim/scenario_kad.c. */
static double shape_of(double total, double most, double size, size_t n) {
        /* Samples of a small network see the same nodes again: no more evidence than nodes. */
        double shape = fmax(most, MEDIAN_EFFICIENCY * fmin(total, size));

        shape = fmin(shape, fmax(most, size)) * (n == 1 ? 1 : MEDIAN_EFFICIENCY);
        return 1 / (1 / shape + (n < SETTLED ? 0.08 : 0.02));
}

/* One sample may be polluted: with few, the lower one counts. */
static double median(const struct estimate_sample *sorted, size_t n) {
        const struct estimate_sample *middle = &sorted[(n - 1) / 2];

        return n >= SETTLED && n % 2 == 0 ? (middle[0].size + middle[1].size) / 2 : middle->size;
}

static size_t sort(const struct estimate *e, bool with_own,
                   struct estimate_sample ret[ESTIMATE_SAMPLES + 1]) {
        size_t n = e->n_samples;

        memcpy(ret, e->samples, n * sizeof(*ret));
        if (with_own && e->own.n > 0)
                ret[n++] = e->own;
        qsort(ret, n, sizeof(*ret), by_size);
        return n;
}

double estimate_at_most(const struct estimate *e) {
        struct estimate_sample sorted[ESTIMATE_SAMPLES + 1];
        size_t n = sort(e, e->n_samples < FIRST_DRAWN, sorted);

        return n == 0 ? 1 : sorted[n - 1 - (n > SETTLED ? n / 5 : 0)].size;
}

bool estimate_own_is_sparse(const struct estimate *e) {
        return e->own.n > 0 && e->n_samples >= FIRST_DRAWN && 2 * e->own.size < estimate_at_most(e);
}

struct estimate_value estimate_get(const struct estimate *e) {
        struct estimate_sample sorted[ESTIMATE_SAMPLES + 1];
        size_t n = sort(e, true, sorted);
        double shape, size, most = 0, total = 0;

        if (n == 0)
                return (struct estimate_value){};
        for (size_t i = 0; i < n; i++) {
                total += sorted[i].n;
                most = fmax(most, sorted[i].n);
        }
        size = median(sorted, n);
        if (sorted[(n - 1) / 2].is_all) /* somebody may have been away */
                return (struct estimate_value){ size, fmax(1, size * 0.9 - 1), size * 1.1 + 1 };
        shape = shape_of(total, most, size, n);
        return (struct estimate_value){ size, size * gamma_quantile(shape, -Z_95),
                                        size * gamma_quantile(shape, Z_95) };
}

double estimate_radius(const struct estimate *e, unsigned n) {
        return n / fmax(1, estimate_get(e).size);
}

/* i = 0: the newest. */
static struct estimate_sample newest(const struct estimate *e, size_t i) {
        return e->samples[(e->next + ESTIMATE_SAMPLES - 1 - i) % ESTIMATE_SAMPLES];
}

bool estimate_renew(struct estimate *e, size_t n) {
        struct estimate fresh = { .own = e->own }, old = {};
        struct estimate_sample sorted[ESTIMATE_SAMPLES + 1];
        struct estimate_value before;
        double now;

        if (n == 0 || n >= e->n_samples)
                return false;
        for (size_t i = e->n_samples; i-- > 0;) {
                struct estimate *to = i < n ? &fresh : &old;

                to->samples[to->next++] = newest(e, i);
                to->n_samples++;
        }
        before = estimate_get(&old);
        n = sort(&fresh, false, sorted);
        now = median(sorted, n);
        if (now >= before.low && now <= before.high)
                return false;
        *e = fresh;
        return true;
}
