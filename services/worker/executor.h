#pragma once

/* One job in one process, from the closing of the sandbox to the commit. */

#include <stdint.h>

#include "services/worker/engine.h"

struct executor_task {
        const struct engine *engine;
        int job_fd, spool_fd;                     /* CONFINE_JOB_FD, CONFINE_SPOOL_FD */
        const uint8_t *inputs[ENGINE_INPUTS_MAX]; /* mapped, in the order of Job.inputs */
        uint64_t lengths[ENGINE_INPUTS_MAX];
        size_t n_inputs;
        uint64_t memory, spool, cpu_ms;
        unsigned missing_layers;
};

/* Reads the job, attaches its inputs, reads the statement, runs it, reports.
 * Returns 0, or a fault when the other side is gone or speaks nonsense. */
int executor_run(struct executor_task *t);
