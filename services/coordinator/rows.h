#pragma once

/* The rows of an accepted answer, on their way to the client. Private to the
 * requester. Two tiers (query.md, "Rows"):
 *
 * STREAM: q counted voters signed the same sequence root, or rows come from our own
 *   worker. Batches are checked against the root one by one and handed on as they
 *   arrive; any of those hosts resumes at any batch.
 * SPOOL: only the SET answers agreed. Batches wait in the spool until the set
 *   digest of all of them was computed again; another host starts over.
 * CACHED: an answer that was kept; all of it was checked before (job_cached.h).
 * A host whose rows are not what it signed is dropped. */

#include "common/base/budget.h"
#include "common/base/nsec.h"
#include "common/canonical/answer.h"
#include "common/wire/packed.h"
#include "services/coordinator/handle.h"

enum rows_tier { ROWS_NONE = 0, ROWS_STREAM, ROWS_SPOOL, ROWS_CACHED };

struct rows {
        enum rows_tier tier;
        struct answer want;
        struct answer_checker checker;
        struct budget memory;                      /* digests of this job */
        bool has_checker, has_digests, is_checked; /* is_checked: all rows are here and right */
        bool is_lost;                              /* nobody is left to take them from */
        struct buffer digests;
        struct replica *source;
        nsec_t heard;
        uint64_t expected; /* batch the source sends next */
        bool is_asked;

        struct handle spool;
        uint64_t *offsets; /* of each spooled batch, and the end */
        size_t n_offsets, offsets_capacity;
        uint64_t reading; /* batch asked from the spool, + 1; 0: none */
        uint64_t charged;

        uint64_t restarts, sources; /* figures */
};

struct job;
struct replica;

void rows_begin(struct job *j, nsec_t now);
void rows_done(struct job *j); /* gives everything back */
void rows_step(struct job *j, nsec_t now);
/* The client came back and wants this batch next. False: it can no longer be had. */
bool rows_seek(struct job *j, uint64_t batch, nsec_t now);
void rows_source_lost(struct job *j, struct replica *r);

/* What a source sent. False: it is not what was signed. */
bool rows_on_digests(struct job *j, uint64_t first, struct bytes digests, nsec_t now);
struct rows_batch {
        uint64_t index;
        struct packed packed;
};
bool rows_on_batch(struct job *j, const struct rows_batch *b, nsec_t now);
void rows_on_end(struct job *j, nsec_t now); /* the source says it has sent all */
void rows_on_spool(struct job *j, struct bytes data, nsec_t now); /* empty: failed */
