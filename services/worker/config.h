#pragma once

#include <stdint.h>

#include "common/base/nsec.h"
#include "common/daemon/config.h"

struct worker_config {
        uint64_t slots;
        uint64_t memory;           /* of one job, when the job names none */
        nsec_t cpu, wall;          /* likewise; also the most */
        uint64_t spool_job, spool; /* one job, all jobs */
        uint64_t inputs;           /* small inputs kept in memory, all together */
        char *executor, *duckdb;
};

/* Of all jobs together, and the most that one may ask for. */
static inline uint64_t worker_memory(const struct worker_config *c) {
        return c->slots * c->memory;
}

extern const struct config_key worker_config_keys[];
