#pragma once

/* Figures as text for people and as one JSON object for programs. */

#include <stdio.h>

#include "services/sim/measure.h"
#include "services/sim/settings.h"

void report_text(FILE *f, const struct sim_settings *s, const struct figures *x);
/* One line. runs: what several seeds came to; the figures are their sums or means. */
void report_json(FILE *f, const struct sim_settings *s, const struct figures *x);
/* Adds one run to the sum of others. */
void report_add(struct figures *sum, const struct figures *x);
