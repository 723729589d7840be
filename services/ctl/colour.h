#pragma once

/* One meaning, one colour, wherever people see a state: green for what was checked or
 * is well, yellow for what holds with less, red for what went wrong. */

#include <stdio.h>

#include "services/ctl/command.h"

/* The escape sequence before this word ("VERIFIED", "warn", "connected"), "" for a word
 * without colour, and where there are none: f is no terminal, --no-color, or $NO_COLOR is
 * set and not empty (no-color.org). */
const char *colour_begin(const struct command_context *ctx, FILE *f, const char *word);
const char *colour_end(const struct command_context *ctx, FILE *f, const char *word);

/* The same without asking the terminal. */
const char *colour_of(const char *word);
