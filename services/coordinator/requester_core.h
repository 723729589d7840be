#pragma once

/* What the files of the requester share; nobody else includes this. */

#include "services/coordinator/find.h"
#include "services/coordinator/job.h"
#include "services/coordinator/job_classes.h"
#include "services/coordinator/job_end.h"
#include "services/coordinator/verdicts.h"

struct requester {
        nsec_t started;
        bool is_started; /* candidates may be there: restored jobs go on */
        bool has_discovery;
        struct core *core;
        struct rng rng;
        struct map *handles; /* id -> struct handle */
        struct map *jobs;    /* job id -> struct job */
        struct map *nonces;  /* client nonce -> struct job */
        struct map *clients; /* client id -> struct job */
        struct list all;
        size_t n_all;
        struct heap timers;
        struct trust *trust;
        struct estimates *estimates;
        struct map *rows; /* dataset root -> its rows, as counted at publishing */
        struct retry retry;
        struct verdicts *verdicts; /* that could not be told on the job's stream */
        struct budget held;        /* everything peers make us keep */
        struct cached_all cached;
        struct candidate *candidates;
        size_t n_candidates;
};

/* job.c */
struct job *job_new(struct requester *rq, nsec_t now);
struct job *job_free(struct job *j);
void job_step(struct job *j, nsec_t now);
/* True when `when` has come; else the job is called again then. */
bool job_due(struct job *j, nsec_t when, nsec_t now);
/* It ends without an answer, for a reason other than OK. Later calls change nothing. */
void job_fail(struct job *j, enum outcome_error problem, const char *detail, nsec_t now);
void job_event(struct job *j, enum event_level level, const char *name, const struct peer_id *peer);
const char *job_stage_name(const struct job *j);

/* job_submit.c */
void job_remember_nonce(struct job *j); /* a repeated submit is this job */
enum prefer job_prefer(const struct job *j);
bool job_is_sent_by_setting(const struct job *j); /* see struct planner_facts */
/* NULL; else what is wrong with it, as the detail of USAGE, and nothing was begun. */
const char *job_take_request(struct job *j, const Coordinator__SubmitRequest *request);
bool job_inputs_are_ready(const struct job *j);
void job_inputs_step(struct job *j, nsec_t now);
void job_input_ready(struct job_input *in, const struct input_facts *facts,
                     const struct input_failure *failure, nsec_t now);
void job_inputs_done(struct job *j);

/* job_analyse.c */
void job_analysing_step(struct job *j, nsec_t now);
void job_on_analysis(struct job *j, const Worker__Analysis *a, nsec_t now);
/* The executor was killed, not the statement refused: another one may have better luck. */
bool job_analyses_again(struct job *j);
void job_on_failed(struct job *j, const Worker__Failed *f, nsec_t now);
void job_plan(struct job *j); /* prospects of now, and what follows from them */
void job_begin(struct job *j, nsec_t now);
void job_route(struct job *j, nsec_t now);
void job_answer_calls(struct job *j);
/* One that failed before it had a descriptor is named by its nonce, and journalled. */
void job_name_without_descriptor(struct job *j);

void rows_pump(struct job *j);
void rows_hold(struct job *j, nsec_t now);

/* job_local.c */
void job_local_step(struct job *j, nsec_t now);
void job_report(struct job *j, struct bytes report, nsec_t now);
void job_run_lost(struct job *j, nsec_t now);
void job_run_end(struct job *j, enum action_type how); /* release or cancel; gives the slot back */
bool job_run_start(struct job *j, const Worker__Job *job, nsec_t now); /* false: no slot now */
void job_run_fetch(struct job *j, uint64_t from, uint64_t count, bool digests);
void job_run_fill(struct job *j, Worker__Job *ret, Worker__Source *sources,
                  Worker__Source **pointers, Types__Limits *limits);

/* round.c */
void job_prospects(struct job *j);
unsigned round_begin(struct job *j, unsigned want, unsigned fewest, nsec_t now);
void round_step(struct job *j, nsec_t now);
void round_stop(struct job *j, nsec_t now);

/* vote.c */
void job_grid_step(struct job *j, nsec_t now);
bool vote_still_stands(struct job *j);
/* One more host, for rows nobody else has. False: there is none. */
bool vote_recruit(struct job *j, nsec_t now);
/* The replica whose commit is this host's vote; NULL: it has none. */
struct replica *vote_holder(const struct job *j, const struct prospect *p);
/* Whether the vote of this replica speaks for its group: what the tally counts, and so
 * what stands in a receipt. */
bool vote_speaks(const struct job *j, const struct replica *r);
/* The host of this replica has spoken rubbish: it has no vote left. */
void vote_withdraw(struct replica *r);
void vote_commit(struct replica *r, const Grid__Commit *c, nsec_t now);
unsigned job_live(const struct job *j, uint32_t run);
unsigned job_group(struct job *j, const char *group);

/* reason.c */
/* The end of a job without hosts enough: why, if all that answered say the same. */
void job_too_few(struct job *j, unsigned have, unsigned need, nsec_t now);
/* It is decided by an error that nobody signs: more hosts would say the same. */
bool job_errs_alike(const struct job *j);
/* What a host said of an SQL error becomes what the job is told, with its name. */
void job_take_words(struct job *j);

/* finish.c */
/* Its host's second run for the verdict; NULL: none was asked for. */
struct replica *recheck_of(const struct job *j, const struct replica *r);
void job_close(struct job *j, nsec_t now); /* rows are done, or it has failed */
void job_closing_step(struct job *j, nsec_t now);
void job_ended_step(struct job *j, nsec_t now);
void job_verdict_signed(struct replica *r, nsec_t now); /* or it failed */
void job_receipt_stored(struct job *j, bool ok, nsec_t now);

/* job_journal.c */
void journal_write(struct requester *rq, enum journal_kind kind, const struct hash_value *name,
                   const ProtobufCMessage *m, uint64_t id);
void journal_submitted(struct job *j);
void journal_accepted(struct job *j);
void journal_ended(struct job *j);
void journal_judgement(struct job *j, const struct replica *r);
int journal_restore(struct requester *rq, enum journal_kind kind, struct bytes record, nsec_t now);
void job_restored_step(struct job *j, nsec_t now);
void job_summary(const struct job *j, Coordinator__JobSummary *ret);

/* As protobuf-c wants bytes: a view, which it does not change. */
static inline ProtobufCBinaryData binary(struct bytes v) {
        return (ProtobufCBinaryData){ v.len, (uint8_t *) v.data };
}

#define RQ_OF(j)   ((j)->rq)
#define SET_OF(j)  (&(j)->rq->core->settings.query)
#define ACTIONS(j) ((j)->rq->core->actions)

#define FOREACH_REPLICA(r, j)                                                 \
        for (struct list *it_##r = (j)->replicas.next, *n_##r = it_##r->next; \
             it_##r != &(j)->replicas; it_##r = n_##r, n_##r = it_##r->next)  \
                for (struct replica *r = LIST_ENTRY(it_##r, struct replica, in_job); r; r = NULL)
