#pragma once

/* A job that goes on with another engine. Private to the requester. */

#include "common/canonical/outcome.h"
#include "common/crypto/hash.h"
#include "services/coordinator/replica.h"

struct job;

/* Which engine was asked first, and what it was short of (fallover.c). */
struct fell_over {
        bool is_so;
        struct hash_value former; /* the job that was; its id still finds this one */
        char detail[DETAIL_MAX], text[DETAIL_MAX];
};

/* Instead of the end by this problem, the other engine is asked. */
bool fallover_begin(struct job *j, enum outcome_error problem, const char *detail, nsec_t now);
void fallover_step(struct job *j, nsec_t now);
/* What is told: `problem`, or that of the engine asked first (then *detail too). */
enum outcome_error fallover_problem(const struct job *j, enum outcome_error problem,
                                    const char **detail);
