#pragma once

/* What a query is expected to take, and what it took. Private to the requester. */

#include "proto/coordinator.pb-c.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/estimates.h"

struct job;
struct requester;

/* What it is expected to take, and what it took (job_cost.c). */
struct job_cost {
        bool is_estimated, has_actual;
        struct hash_value shape; /* from the analysis, with the plan's rows: */
        bool has_plan;
        uint64_t plan_rows, plan_work;
        struct estimate_keys keys;
        struct estimate_values promised, actual;
        struct estimate estimate;
        uint64_t own_cpu_us, own_memory; /* of our own run */
        uint64_t memory_before; /* that one had before a restart, of what the journal says */
};

void cost_take_analysis(struct job *j, const Worker__Analysis *a);
void cost_estimate(struct job *j);                  /* inputs, class and statement are known */
uint64_t job_estimate_us(const struct job *j);      /* of its run, on one machine */
uint64_t job_estimate_work_us(const struct job *j); /* without what it takes to begin */
uint64_t job_estimate_memory(const struct job *j);  /* a run may need that; 0: nothing to say */
uint64_t job_memory_here(const struct job *j);      /* for a run of our own; 0: no worker now */
void cost_take_own(struct job *j, const Types__Metering *m);
void cost_learn(struct job *j, nsec_t now); /* at its end, however that was */
void cost_fill(const struct job *j, Coordinator__Estimate *ret);
bool cost_restore_run(struct requester *rq, const void *message, nsec_t now);
bool cost_restore_rows(struct requester *rq, const void *message, nsec_t now);
void cost_rows_free(struct requester *rq);
uint64_t cost_rows_of(const struct requester *rq, const struct hash_value *root); /* 0: not known */
