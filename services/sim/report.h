#pragma once

/* Figures as text for people and as one JSON object for programs. */

#include <stdio.h>

#include "services/sim/measure.h"
#include "services/sim/settings.h"

void report_text(FILE *f, const struct sim_settings *s, const struct figures *x);
void report_line(FILE *f, const struct figures *x); /* of one of several runs */
/* One object on one line. */
void report_json(FILE *f, const struct sim_settings *s, const struct figures *x);
/* {"error": …, "exit": …}; text holds no control characters. */
void report_error(FILE *f, const char *text, int code);
/* Adds one run to the sum of others. */
void report_add(struct figures *sum, const struct figures *x);
