#pragma once

/* What the host role keeps: the jobs it serves and what it remembers of them.
 * Private to host*.c. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/canonical/answer.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/outcome.h"
#include "common/wire/pays.h"
#include "proto/worker.pb-c.h"
#include "services/coordinator/faults.h"
#include "services/coordinator/governor.h"
#include "services/coordinator/host_peers.h"
#include "services/coordinator/host_records.h"
#include "services/coordinator/lane.h"
#include "services/coordinator/role.h"
#include "services/coordinator/stats.h"

#define HOST_TICKET_SIZE   16
#define HOST_ROWS_WINDOW   (2u << 20) /* bytes of batches under way to one requester */
#define HOST_FETCH_BATCHES 2 /* asked of the worker at once: each at most 1 MiB, or one row */

/* In the order of a job's life; what a peer may say in each: host.c. */
enum host_state {
        HOST_NEW = 0,  /* stream open, no offer yet */
        HOST_HEARING,  /* a verdict came alone; it is being journalled */
        HOST_LOOKING,  /* an offer is admitted; which of its data are here is being asked */
        HOST_BID,      /* promised until bid_until */
        HOST_FETCHING, /* dispatched; inputs and journal under way */
        HOST_WAITING,  /* all is there but a slot */
        HOST_RUNNING,
        HOST_COMMITTING, /* result known; journal or signature under way */
        HOST_RECALLING,  /* dispatched again; its commit is being read back */
        HOST_HELD,       /* commit sent; rows may be asked for */
        HOST_OVER,       /* refused, failed or released: only the stream is left */
        _HOST_STATE_N,
};

struct host_input {
        uint64_t fetch;              /* action id */
        bool is_ready, is_looked_up; /* looked up: answered while LOOKING */
        char *format, *path;         /* when ready */
        struct bytes options;        /* owned */
        struct bytes schema;         /* owned */
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
        uint64_t input_bytes, estimate_us;
        uint64_t estimated_memory; /* its word; what we have decides */
};

struct host_job {
        struct host *host;
        struct host_peer *peer;
        struct subnet subnet;
        struct list in_host, in_waiting;
        struct heap_entry timer;
        enum host_state state;
        bool has_stream, is_dispatched, has_equivocated;
        bool is_describing; /* RUNNING: its executor only reads the statement */
        struct lane lane;
        struct host_offer offer;

        uint8_t ticket[HOST_TICKET_SIZE];
        nsec_t bid_until;
        bool is_promised; /* the ticket may be used */
        bool has_place;   /* of the governor's promises, until it has a slot */
        bool has_run;     /* counted in host.runs: from the promise to the end of the run */

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
        struct host_progress {
                const char *stage; /* constant */
                uint64_t rows, bytes, cpu_us;
        } progress; /* as it was said last */

        struct record *record;     /* whose job this is; or NULL */
        uint64_t journal, request; /* action ids under way, 0: none */
        bool is_journalled;
        uint64_t recall; /* action id: the commit of this job, or of what is heard */
        struct heard {
                struct record_key key;
                struct hash_value digest;
                struct buffer statement, signature; /* while the commit is read back; charged */
        } heard;                                    /* the verdict on its way to disk */
        char engine[DESCRIPTOR_TEXT_MAX + 1];       /* that ran it */
        struct answer answer;
        char *words; /* of an error that is the answer: the executor's words; NULL: none */
        struct worker_metering {
                uint64_t cpu_us, wall_us, peak_memory, rows, bytes;
        } metering;

        bool is_reading, wants_digests, is_fetching; /* is_fetching: the worker owes a FetchEnd */
        uint64_t next_batch;
        uint32_t codec;        /* the best one the requester opens */
        bool is_far;           /* in the public internet, or behind a relay */
        struct link_rate link; /* to the requester */
        uint64_t rows_charged, spooled;
        nsec_t touched, read; /* last sign of life; last Rows or progress of them */
        nsec_t said;          /* FETCHING, RUNNING: last progress */
        nsec_t not_before;    /* fault injection: the commit waits */
};

struct host {
        struct core *core;
        struct rng rng;
        struct budget memory; /* everything peers make us keep */
        struct budget commits, spool;
        struct host_peers *peers;
        struct records *records;
        struct shares *streams_shared, *runs_shared;
        struct map *streams, *ids; /* action ids of streams; of runs, fetches, requests, journal */
        struct list jobs, waiting;
        size_t n_jobs, n_describing;
        struct heap timers;
        nsec_t retry_at;    /* while jobs wait for a slot */
        int64_t created_us; /* wall clock: our journal knows nothing before; 0: not yet known */
        bool warned_of_clock;
        struct host_counters counters;
        struct faults faults;
};
