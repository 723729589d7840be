#pragma once

/* The host role: jobs served for others. Private to host*.c; the world outside
 * sees host_role (role.h).
 *
 * host.c          timers, life and end of a job
 * host_streams.c  streams, which message may come when
 * host_offer.c    admission, bids
 * host_describe.c what a query is, without running it
 * host_dispatch.c tickets, what was offered against what came, inputs, start
 * host_run.c      reports of the worker, signature, commit
 * host_journal.c  records written and read back
 * host_rows.c     rows to the requester, Hold, Release
 * host_verdict.c  what requesters say of our commits
 * host_restore.c  what the journal says after a restart */

#include "services/coordinator/host_job.h"

/* host.c */
void host_message_init(Grid__JobMessage *m, Grid__JobMessage__BodyCase which);
void host_send(struct host_job *j, const Grid__JobMessage *m); /* over budget: ends the job */
/* The state changes and everything the job had is given back, but for the stream. */
void host_job_stop(struct host_job *j);
/* The promise is kept or void: its place is free for another one. */
void host_promise_done(struct host_job *j);
void host_inputs_done(struct host_job *j); /* lets go of them */
/* Slot and inputs: no longer needed once the result exists. */
void host_executor_done(struct host_job *j);
/* Says why (as refusal before, failure after a dispatch), then stops. */
struct host_problem {
        enum outcome_error code;
        const char *detail; /* ours, or checked */
        struct bytes text;  /* the executor's, or none */
        int32_t position;   /* or -1 */
        uint32_t retry_ms;
};
void host_refuse(struct host_job *j, const struct host_problem *problem);
void host_refuse_for(struct host_job *j, enum outcome_error code, const char *detail);
void host_job_free(struct host_job *j, nsec_t now);
void host_reset(struct host_job *j, nsec_t now); /* the stream, and the job with it */
void host_touch(struct host_job *j, nsec_t now);
void host_timer(struct host_job *j);                    /* after a change of state or times */
void host_say_progress(struct host_job *j, nsec_t now); /* unless something is queued already */
uint64_t host_id(struct host_job *j);                   /* a new action id that leads to j */
void host_forget_id(struct host *h, uint64_t *id);      /* and sets it 0 */
void host_expire_records(struct host *h, nsec_t now);   /* cheap when none is old enough */
void host_next_waiting(struct host *h, nsec_t now);
void host_event(struct host *h, enum event_level level, const char *name, const struct host_job *j);

/* host_streams.c: rows of host_role */
void host_opened(void *role, uint64_t stream, const struct stream_remote *remote, uint32_t window,
                 nsec_t now);
void host_data(void *role, uint64_t stream, struct bytes data, nsec_t now);
void host_window(void *role, uint64_t stream, uint32_t units, nsec_t now);
void host_closed(void *role, uint64_t stream, uint32_t code, nsec_t now);
void host_finished(void *role, uint64_t stream, nsec_t now);

/* host_offer.c */
void host_on_offer(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
/* The answer to one ACTION_INPUT of a job that is LOOKING; bids after the last. */
void host_looked_up(struct host_job *j, uint64_t fetch, const struct input_facts *facts,
                    nsec_t now);
/* A job's memory: as asked, or one slot's share; never above [host] memory. */
uint64_t host_memory_of(const struct host_job *j, uint64_t asked);
struct hash_value host_list_digest(const char *name, const struct bytes *list, size_t n);

/* host_describe.c */
void host_on_describe(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_describe_report(struct host_job *j, const Worker__Report *report);
void host_describe_done(struct host_job *j); /* it is, or never was one */

/* host_dispatch.c */
void host_on_dispatch(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_input(struct host_job *j, uint64_t fetch, const struct input_facts *facts,
                const struct input_failure *failure, nsec_t now);
/* Takes a slot and starts the worker, or queues. */
void host_start(struct host_job *j, nsec_t now);

/* host_run.c */
void host_report(struct host_job *j, struct bytes report, nsec_t now);
void host_run_lost(struct host_job *j, nsec_t now);
bool host_is_silenced(const struct host_job *j); /* by a fault that was asked for */
void host_journalled(struct host_job *j, bool ok, nsec_t now);
void host_signed(struct host_job *j, struct bytes statement, struct bytes signature, nsec_t now);
void host_ask_signature(struct host_job *j, nsec_t now); /* when result and journal are there */
void host_send_recorded(struct host_job *j, nsec_t now);
/* The record as its state says, or its withdrawal. */
void host_journal(struct host *h, const struct record *record, bool is_dropped, uint64_t id);
void host_journal_birth(struct host *h, nsec_t now);
void host_journal_horizon(struct host *h, uint32_t run, nsec_t now);
/* The commit of that record is asked of the journal: j->recall. */
void host_recall(struct host_job *j, const struct record_key *key);
/* A journalled record into its commit; false: there is none, or it is of another key. */
bool host_read_commit(struct bytes record, const struct record_key *key, struct buffer *ret,
                      struct hash_value *ret_statement);
/* RECALLING: it came, or BYTES_NONE. */
void host_commit_recalled(struct host_job *j, struct bytes record, nsec_t now);
/* Why this requester may have no record now (enum shares_result, not OK): refuses. */
void host_refuse_record(struct host_job *j, int why);

/* host_rows.c */
void host_on_rows(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_on_hold(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_on_release(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_rows_report(struct host_job *j, const Worker__Report *report, nsec_t now);
void host_pump(struct host_job *j, nsec_t now); /* the window opened */

/* host_verdict.c */
void host_on_verdict(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_heard(struct host_job *j, bool ok, nsec_t now); /* journalled, or not */
/* The commit it judges came, or BYTES_NONE. */
void host_heard_recalled(struct host_job *j, struct bytes record, nsec_t now);
void host_unhear(struct host_job *j); /* what waited for it is let go */

/* host_restore.c: a row of host_role */
int host_restore(void *role, enum journal_kind kind, struct bytes bytes, nsec_t now);
