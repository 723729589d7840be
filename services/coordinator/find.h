#pragma once

/* More hosts for a job that knows too few, and what is said of them. Private to the
 * requester. */

#include "services/coordinator/job.h"

#define REASON_MAX      384
#define CANDIDATES_WAIT (3 * NSEC_PER_SEC) /* after a start, hosts become known one by one */
#define DISCOVERY_WAIT  (5 * NSEC_PER_SEC) /* the same, where gossip looks for them */

size_t job_engines(const struct job *j, const char **ret); /* classes; DESCRIPTOR_CLASSES_MAX */
unsigned job_need(const struct job *j); /* fewest hosts that can give an answer: job_analyse.c */
bool job_would_be_grid(const struct job *j); /* if there were hosts enough: job_analyse.c */
bool job_wants_more(const struct job *j);
void job_find(struct job *j, nsec_t now); /* begins JOB_FINDING */
void job_finding_step(struct job *j, nsec_t now);
/* "gossip: 7 known, 7 unusable for class …"; return ret. */
const char *job_why_nobody(const struct job *j, char ret[DETAIL_MAX]);
const char *job_reason(const struct job *j, char ret[REASON_MAX]); /* of the plan */
