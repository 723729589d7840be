#pragma once

/* The host role: jobs served for others. Private to host*.c; the world outside
 * sees host_role (role.h).
 *
 * host.c          timers, life and end of a job
 * host_streams.c  streams, which message may come when
 * host_offer.c    admission, bids
 * host_dispatch.c tickets, what was offered against what came, inputs, start
 * host_run.c      reports of the worker, journal, signature, commit
 * host_rows.c     rows to the requester, Hold, Release */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/canonical/answer.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/outcome.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/faults.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/host_peers.h"
#include "services/coordinator/host_records.h"
#include "services/coordinator/lane.h"
#include "services/coordinator/role.h"

#define HOST_TICKET_SIZE   16
#define HOST_ROWS_WINDOW   (2u << 20) /* bytes of batches under way to one requester */
#define HOST_FETCH_BATCHES 2 /* asked of the worker at once: each at most 1 MiB, or one row */

/* In the order of a job's life; what a peer may say in each: host.c. */
enum host_state {
        HOST_NEW = 0,  /* stream open, no offer yet */
        HOST_BID,      /* promised until bid_until */
        HOST_FETCHING, /* dispatched; inputs and journal under way */
        HOST_WAITING,  /* all is there but a slot */
        HOST_RUNNING,
        HOST_COMMITTING, /* result known; journal or signature under way */
        HOST_HELD,       /* commit sent; rows may be asked for */
        HOST_OVER,       /* refused, failed or released: only the stream is left */
        _HOST_STATE_N,
};

struct host_input {
        uint64_t fetch; /* action id */
        bool is_ready;
        char *format, *path; /* when ready */
        struct bytes schema; /* owned */
        uint64_t length;
};

/* What an offer said, kept to be compared with the descriptor. */
struct host_offer {
        struct hash_value job;
        uint32_t run;
        char network[DESCRIPTOR_TEXT_MAX + 1];
        enum data_class data_class;
        enum comparison comparison;
        struct descriptor_limits limits;
        struct hash_value engines, roots; /* digests of the lists */
        bool has_roots;
        char engine[DESCRIPTOR_TEXT_MAX + 1]; /* of ours, that was bid */
};

struct host_job {
        struct host *host;
        struct host_peer *peer;
        struct list in_host, in_waiting;
        struct heap_entry timer;
        enum host_state state;
        bool has_stream, is_dispatched, has_equivocated;
        struct lane lane;
        struct host_offer offer;

        uint8_t ticket[HOST_TICKET_SIZE];
        nsec_t bid_until;
        bool is_promised;

        struct buffer descriptor_bytes, sql; /* charged to the peer */
        uint64_t charged;
        struct descriptor descriptor; /* views into descriptor_bytes */
        struct hash_value salt;
        struct host_input *inputs;
        size_t n_inputs, n_ready;
        uint64_t fetched;

        uint64_t run; /* the worker's channel, 0: none */
        bool has_slot, has_started;
        uint64_t memory; /* what the slot was taken with */
        nsec_t run_until;

        struct record *record;     /* whose job this is; or NULL */
        uint64_t journal, request; /* action ids under way, 0: none */
        bool is_journalled;
        char engine[DESCRIPTOR_TEXT_MAX + 1]; /* that ran it */
        struct answer answer;
        struct worker_metering {
                uint64_t cpu_us, wall_us, peak_memory, rows, bytes;
        } metering;

        bool is_reading, wants_digests, is_fetching; /* is_fetching: the worker owes a FetchEnd */
        uint64_t next_batch;
        uint64_t rows_charged, spooled;
        nsec_t touched, read; /* last sign of life; last Rows or progress of them */
        nsec_t not_before;    /* fault injection: the commit waits */
};

struct host_counters {
        uint64_t offers, bids, refusals, dispatches, mismatches, runs, commits, failures, repeated,
                cancelled, expired, malformed, quota;
};

struct host {
        struct core *core;
        struct rng rng;
        struct budget memory; /* everything peers make us keep */
        struct budget commits, spool;
        struct host_peers *peers;
        struct records *records;
        struct map *streams, *ids; /* action ids of streams; of runs, fetches, requests, journal */
        struct list jobs, waiting;
        size_t n_jobs;
        struct heap timers;
        nsec_t retry_at; /* while jobs wait for a slot */
        int64_t created_us; /* wall clock: our journal knows nothing before; 0: not yet known */
        struct host_counters counters;
        struct faults faults;
};

/* host.c */
void host_message_init(Grid__JobMessage *m, Grid__JobMessage__BodyCase which);
void host_send(struct host_job *j, const Grid__JobMessage *m); /* over budget: ends the job */
/* The state changes and everything the job had is given back, but for the stream. */
void host_job_stop(struct host_job *j);
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
void host_timer(struct host_job *j);               /* after a change of state or times */
uint64_t host_id(struct host_job *j);              /* a new action id that leads to j */
void host_forget_id(struct host *h, uint64_t *id); /* and sets it 0 */
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
void host_on_describe(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
/* A job's memory: as asked, or one slot's share; never above [host] memory. */
uint64_t host_memory_of(const struct host *h, uint64_t asked);
struct hash_value host_list_digest(const char *name, const struct bytes *list, size_t n);

/* host_dispatch.c */
void host_on_dispatch(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_input(struct host_job *j, uint64_t fetch, const struct input_facts *facts, unsigned code,
                nsec_t now);
/* Takes a slot and starts the worker, or queues. */
void host_start(struct host_job *j, nsec_t now);

/* host_run.c */
void host_report(struct host_job *j, struct bytes report, nsec_t now);
void host_run_lost(struct host_job *j, nsec_t now);
void host_journalled(struct host_job *j, bool ok, nsec_t now);
void host_signed(struct host_job *j, struct bytes statement, struct bytes signature, nsec_t now);
void host_ask_signature(struct host_job *j, nsec_t now); /* when result and journal are there */
void host_send_recorded(struct host_job *j, nsec_t now);
void host_journal(struct host *h, const struct record *record, uint64_t id);

/* host_rows.c */
void host_on_rows(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_on_hold(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_on_release(struct host_job *j, const Grid__JobMessage *m, nsec_t now);
void host_rows_report(struct host_job *j, const Worker__Report *report, nsec_t now);
void host_pump(struct host_job *j, nsec_t now); /* the window opened */
