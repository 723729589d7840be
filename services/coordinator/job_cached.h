#pragma once

/* What a job has to do with answers that are kept (README.md, "Kept answers"). Private to the
 * requester. */

#include "common/base/budget.h"
#include "common/canonical/qrows.h"
#include "services/coordinator/cached.h"
#include "services/coordinator/candidate.h"
#include "services/coordinator/handle.h"
#include "services/coordinator/stats.h"

struct cached_served; /* the answer that was kept, and is this job's */

struct job_cached {
        bool may_keep;  /* an answer of this job may be given again */
        bool only_anew; /* only in the place of one that is there */
        struct hash_value key;
        struct handle find;

        /* The rows that may be kept, as they were checked. */
        bool is_keeping;
        struct buffer rows;
        struct qrows_writer writer;
        uint64_t charged;

        struct cached_served *served; /* or NULL */
};

/* Of all jobs: memory for rows on their way to be kept, and for answers being given. */
struct cached_all {
        struct budget memory;
        struct answers_counters counters;
};
void cached_all_init(struct cached_all *all);

struct job;
struct job_end;
struct requester;

/* job_analyse.c: it has a name from here on, and is in the journal. */
void job_enter(struct job *j);

/* The job has a descriptor. True: it waits for what is kept; cached_found() goes on. */
bool cached_ask(struct job *j);
void cached_step(struct job *j, nsec_t now); /* of JOB_RECALLING: waits */

/* Rows of the answer that was agreed on: from the first on, once more from the first, …; then
 * its receipt, and from there on the shell has it. */
void cached_keep_begin(struct job *j);
void cached_keep(struct job *j, struct bytes batch);
void cached_store(struct job *j, struct bytes receipt);
void cached_keep_end(struct job *j); /* nothing more will be kept of it */

void cached_pump(struct job *j); /* batches for the client, as long as it takes them */
void cached_end(const struct job *j, struct job_end *ret);
bool cached_is_served(const struct job *j);
const struct hash_value *cached_receipt_of(const struct job *j); /* the job of the receipt */
void cached_done(struct job *j);
