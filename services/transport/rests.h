#pragma once

/* Addresses that failed lately and are left alone for a while. Pure; bounded:
 * the one that failed longest ago is forgotten first. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/wire/endpoint.h"

struct rests;

struct rests *rests_new(nsec_t min, nsec_t max, size_t n_max, uint64_t seed);
struct rests *rests_free(struct rests *r);
DEFINE_CLEANUP(struct rests *, rests_free);

/* Rests `min` after the first failure, twice as long after each further one up to
 * `max`, less up to a quarter at random. `grow` false: as after the first. */
void rests_failed(struct rests *r, const struct endpoint *e, bool grow, nsec_t now);
void rests_worked(struct rests *r, const struct endpoint *e);
void rests_clear(struct rests *r);
/* 0: it does not rest (any more, if until < now). */
nsec_t rests_until(const struct rests *r, const struct endpoint *e);
