#pragma once

/* Engines in the life of a job: which one analyses it, which classes may answer it, and which
 * engines have a voter. Private to the requester. */

#include "services/coordinator/job.h"

/* round.c */
/* All that may be asked, whatever they run; `ret` has room for CANDIDATES_MAX. */
size_t job_candidates(const struct job *j, const struct candidate **ret);

/* job_classes.c */
bool job_is_exact(const struct job *j); /* analysed: every build answers it alike */
/* The class of ours that is to analyse it; NULL: none that is here fits. */
const char *job_choose_engine(const struct job *j);
/* What its engine does not read that host can import for it, or does not say. */
bool job_can_import(const struct job *j, const struct candidate *c);
void job_engine_failed(struct job *j); /* j->engine is not to be chosen again */
/* No engine reads all inputs by itself; this one would, after an import of the others, if it were
 * asked for by name. NULL: none would, or that is not why there is none. */
const char *job_importing_engine(const struct job *j);
void job_no_engine(struct job *j, nsec_t now);
void job_choose_classes(struct job *j);
/* False: an engine was asked for of which nobody is known; the job has failed, with those there
 * are. */
bool job_has_class(struct job *j, nsec_t now);
bool job_may_run_here(const struct job *j); /* the engine that analysed it is one of those wanted */
void job_take_classes(struct job *j, const struct descriptor *d); /* restored */
size_t job_list_classes(const struct job *j, char **ret);         /* as protobuf-c wants them */
/* "engine sqlite/3.40.1/…; 3 known hosts left out: another class"; returns ret. */
const char *job_say_classes(const struct job *j, char ret[DETAIL_MAX]);

/* job_describe.c */
bool describe_is_possible(const struct job *j); /* its statement may be shown */
void describe_begin(struct job *j, nsec_t now); /* begins JOB_DESCRIBING, waits, or fails it */
void job_describing_step(struct job *j, nsec_t now);
void describe_done(struct job *j);
/* Streams, as their namesakes of role.h. False: not one of these. */
bool describe_opened(struct requester *rq, uint64_t stream, const struct stream_remote *remote,
                     uint32_t window, nsec_t now);
bool describe_data(struct requester *rq, uint64_t stream, struct bytes data, nsec_t now);
bool describe_window(struct requester *rq, uint64_t stream, uint32_t units);
bool describe_closed(struct requester *rq, uint64_t stream, bool is_reset, nsec_t now);

bool job_engine_is_usable(const struct job *j, size_t engine); /* of the core's; not tried yet */

/* roomier.c */
bool roomier_is_wanted(const struct job *j); /* a host ran out of memory */
/* Bids of hosts with no more memory than a quorum ran out with are of no use. */
void roomier_leave_out(struct job *j, nsec_t now);
struct replica *roomier_pick(struct replica **bids, unsigned n);      /* n > 0: of most memory */
void roomier_first(const struct job *j, unsigned *order, unsigned n); /* prospects, as they claim */

/* diverse.c */
unsigned job_engine_number(const struct job *j, const char *class); /* among those admitted */
bool diverse_is_missing(const struct job *j); /* too few engines have a voter, or run it */
/* Those of engines without a voter come to the front of `bids`; returns how many. */
unsigned diverse_pick(const struct job *j, struct replica **bids, unsigned n);
bool diverse_is_possible(const struct job *j, struct replica **bids, unsigned n);
void diverse_prefer(struct replica *r); /* fills r->prefer in */
