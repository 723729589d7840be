#pragma once

/* What scenarios share. Tables and figures go out as `# ` lines. */

#include "tests/sim/sim.h"
#include "tests/support/test.h"
