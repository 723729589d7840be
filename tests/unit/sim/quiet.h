#pragma once

/* Nodes that do nothing of themselves and count what the transport model tells them. */

#include "services/sim/node.h"

struct quiet_counts {
        unsigned up, down, asked, answered, failed, connected, opened, closed, rpcs;
        enum sim_failure why;
        nsec_t when; /* of the latest */
};
extern struct quiet_counts quiet_counts[16]; /* by slot; the rest is not counted */
extern const struct behaviour quiet;
