/* quorate sim: a program of its own (services/sim), so that this one carries no core. */

#include "services/ctl/command.h"

const struct command command_sim = {
        .name = "sim",
        .usage = "sim [OPTIONS]",
        .summary = "Whole nodes on virtual time in one process",
        .program = "sim",
};
