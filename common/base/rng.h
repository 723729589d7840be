#pragma once

/* Seeded random numbers for cores: the same seed gives the same run. Not for
 * keys, nonces or anything an attacker must not guess: those come from outside
 * as arguments. xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
        uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n); n > 0 */
double rng_unit(struct rng *r);                /* uniform in [0, 1) */
bool rng_chance(struct rng *r, double p);
void rng_bytes(struct rng *r, void *ret, size_t n);
