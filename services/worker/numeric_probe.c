#include "services/worker/numeric_probe.h"

#include <math.h>

#include "common/base/memory.h"

/* Not what is no number: its sign is nobody's promise. */
static void put(struct hash *h, double y) {
        if (!isnan(y))
                hash_update(h, &y, sizeof(y));
}

static void probe_at(struct hash *h, volatile double x) {
        static double (*const functions[])(
                double) = { exp,  log,  log2, log10, sin,  cos,   tan,   asin,  acos,   atan,
                            sinh, cosh, tanh, sqrt,  cbrt, asinh, acosh, atanh, lgamma, tgamma };

        for (size_t f = 0; f < ELEMENTSOF(functions); f++) {
                double y = functions[f](x);

                put(h, y);
                put(h, pow(x, y));
                put(h, atan2(x, y));
        }
}

void numeric_probe(struct hash *h) {
        for (int i = 1; i < 200; i++) {
                probe_at(h, i / 200.0);
                probe_at(h, 1 + i / 3.0);
                probe_at(h, i * 7919.25);           /* the angle takes more than one word */
                probe_at(h, ldexp(i + 0.1, 5 * i)); /* up to the largest there are */
        }
}
