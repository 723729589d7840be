#pragma once

#include <stdint.h>

#include "common/base/nsec.h"
#include "common/daemon/config.h"

struct worker_config {
        uint64_t slots;
        uint64_t memory;           /* of one job, when the job names none; also the most */
        nsec_t cpu, wall;          /* likewise */
        uint64_t spool_job, spool; /* one job, all jobs */
        uint64_t inputs;           /* small inputs kept in memory, all together */
        char *executor, *duckdb;
};

extern const struct config_key worker_config_keys[];
