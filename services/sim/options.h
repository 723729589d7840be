#pragma once

/* The command line of quorate-sim. */

#include <stdbool.h>
#include <stdio.h>

#include "services/sim/settings.h"

struct sim_options {
        struct sim_settings settings;
        bool json, help, quiet;
        uint32_t seeds;
};

/* False: error says what is wrong and what is allowed. */
bool options_read(int argc, char **argv, struct sim_options *ret, char error[256]);
void options_help(FILE *f);
