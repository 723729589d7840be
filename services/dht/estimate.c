#include "services/dht/estimate.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/memory.h"

#define Z_95              1.6449 /* standard normal */
#define MEDIAN_EFFICIENCY 0.6    /* of a median against a mean: 2/pi */

void estimate_add(struct estimate *e, double distance, unsigned n, bool is_all) {
        struct estimate_sample s = { .size = n + 1, .n = n, .is_all = is_all };

        if (n == 0 || (!is_all && (n < 2 || distance <= 0)))
                return;
        if (!is_all)
                s.size = (n - 1) / distance + 1;
        e->samples[e->next] = s;
        e->next = (e->next + 1) % ESTIMATE_SAMPLES;
        if (e->n_samples < ESTIMATE_SAMPLES)
                e->n_samples++;
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

struct estimate_value estimate_get(const struct estimate *e) {
        struct estimate_sample sorted[ESTIMATE_SAMPLES];
        struct estimate_value v = { 1, 1, 1 };
        double shape, most = 0, total = 0;

        if (e->n_samples == 0)
                return v;
        for (size_t i = 0; i < e->n_samples; i++) {
                sorted[i] = e->samples[i];
                total += sorted[i].n;
                most = fmax(most, sorted[i].n);
        }
        qsort(sorted, e->n_samples, sizeof(*sorted), by_size);
        v.size = sorted[(e->n_samples - 1) / 2].size;
        if (sorted[(e->n_samples - 1) / 2].is_all) {
                v.low = fmax(1, v.size * 0.9 - 1); /* somebody may have been away */
                v.high = v.size * 1.1 + 1;
                return v;
        }
        /* Samples of a small network see the same nodes again: no more evidence than nodes. */
        shape = fmax(most, MEDIAN_EFFICIENCY * fmin(total, v.size));
        shape = fmin(shape, fmax(most, v.size)) * (e->n_samples == 1 ? 1 : MEDIAN_EFFICIENCY);
        v.low = v.size * gamma_quantile(shape, -Z_95);
        v.high = v.size * gamma_quantile(shape, Z_95);
        return v;
}

double estimate_radius(const struct estimate *e, unsigned n) {
        return n / estimate_get(e).size;
}
