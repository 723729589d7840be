#include "common/base/rng.h"

#include <string.h>

#include "common/base/error.h"

static uint64_t splitmix(uint64_t *state) {
        uint64_t z = (*state += 0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed) {
        for (int i = 0; i < 4; i++)
                r->s[i] = splitmix(&seed);
}

static inline uint64_t rotl(uint64_t x, int k) {
        return x << k | x >> (64 - k);
}

uint64_t rng_u64(struct rng *r) {
        uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
}

/* Values below 2^64 mod n would come up once too often: draw again. */
uint64_t rng_below(struct rng *r, uint64_t n) {
        uint64_t floor, v;

        check(n > 0);
        floor = -n % n;
        do
                v = rng_u64(r);
        while (v < floor);
        return v % n;
}

double rng_unit(struct rng *r) {
        return (double) (rng_u64(r) >> 11) * 0x1.0p-53;
}

bool rng_chance(struct rng *r, double p) {
        return rng_unit(r) < p;
}

void rng_bytes(struct rng *r, void *ret, size_t n) {
        uint8_t *p = ret;

        while (n > 0) {
                uint64_t v = rng_u64(r);
                size_t take = n < sizeof(v) ? n : sizeof(v);

                memcpy(p, &v, take);
                p += take;
                n -= take;
        }
}
