#pragma once

/* Runs from their beginning to their figures: one, or several seeds that share a warm-up. */

#include <signal.h>

#include "services/sim/measure.h"
#include "services/sim/options.h"

/* Set by a signal: what there is so far is measured, and runs end. */
extern volatile sig_atomic_t run_is_interrupted;

/* Room for o->seeds figures; returns how many there are, or negative errno. */
int run_all(const struct sim_options *o, struct figures *ret);
