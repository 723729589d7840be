#pragma once

/* A job that goes on with another engine. Private to the requester. */

#include "common/canonical/outcome.h"
#include "common/crypto/hash.h"
#include "proto/journal.pb-c.h"
#include "services/coordinator/engines.h"
#include "services/coordinator/replica.h"

#define FELL_OVER_MAX (DETAIL_MAX + 64)

struct job;

/* Which engine was asked first, and what it was short of (fallover.c). */
struct fell_over {
        bool is_so;
        struct hash_value former;      /* the job that was; its id still finds this one */
        char engine[ENGINE_TEXT_SIZE]; /* by name: not to be asked again */
        char detail[DETAIL_MAX], text[DETAIL_MAX]; /* of it: all, and what is told */
};

/* Instead of the end by this problem, the other engine is asked. */
bool fallover_begin(struct job *j, enum outcome_error problem, const char *detail, nsec_t now);
void fallover_step(struct job *j, nsec_t now);
/* Nobody fell over, for the other engine would have to import what it is asked of, which may take
 * long: who asks is told of that way. */
void fallover_advise(struct job *j);
/* What is told: `problem`, or that of the engine asked first (then *detail too). */
enum outcome_error fallover_problem(const struct job *j, enum outcome_error problem,
                                    const char **detail);
/* For people: what came first, and what of the other engine; "" where nothing fell over. */
void fallover_say(const struct job *j, char ret[FELL_OVER_MAX]);
/* It has no name of its own yet: the other engine has not begun. */
bool fallover_is_between(const struct job *j);
/* Under the name of the new job: the journal has an end of the one that was. */
void fallover_end_former(struct job *j);
/* From the journal: the job that was, and the one that came of it. */
bool fallover_restore(struct job *j, const Journal__FellOver *m);
void fallover_restore_new(struct job *j, const Journal__Submitted *m);
