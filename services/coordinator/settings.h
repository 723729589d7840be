#pragma once

/* Every number of the coordinator that is a configuration key, with the section
 * it stands in. settings_default is what config.c starts from and tests use. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/nsec.h"
#include "common/wire/pays.h"
#include "common/wire/peerid.h"

/* [query]: the requester */
struct query_settings {
        uint32_t replicas, quorum, max_replicas; /* k, q, and where escalation stops */
        uint32_t jobs_max;
        uint32_t candidates_max;             /* asked per job */
        uint32_t offer_extra;                /* first offers beyond k */
        nsec_t offer_rest_after;             /* the others, while fewer than k bid */
        nsec_t bid_wait_max, bid_wait_limit; /* for better bids; for k bids at all */
        double bid_wait_share;               /* of the estimated run time */
        nsec_t agree_wait_min;               /* after the q-th equal vote */
        double agree_wait_share;             /* of the elapsed run time */
        double agree_wait_trust;             /* own-trust that needs no wait */
        nsec_t dial_timeout, silence_timeout;
        nsec_t attempt_timeout;
        double attempt_estimate_factor;
        nsec_t job_timeout;
        nsec_t hold_interval;
        nsec_t recheck_timeout;
        nsec_t statement_linger; /* to deliver verdicts */
        nsec_t client_grace;     /* a job nobody is attached to */
        nsec_t retry_backoff_min, retry_backoff_max;
        uint32_t retry_budget, retry_refill; /* node-wide; refill per second */
        uint64_t set_digest_bytes;           /* SET: row digests per job */
        uint64_t spool_bytes;                /* SET: rows at the requester per job */
        uint64_t held_bytes;                 /* everything peers make all jobs keep */
        uint64_t local_below_us;             /* auto: estimated run time not worth the grid */
        uint64_t answers_bytes;              /* verified answers kept on disk; 0: none are */
        uint64_t answers_entry;              /* the largest of them, with its receipt */
        uint32_t answers_max;                /* how many */
        nsec_t answers_age;                  /* not given when they are older */
        bool use_answers;                    /* given, unless asked otherwise */
        nsec_t estimate_half_life;           /* of what earlier runs have taken */
        bool engine_diverse;                 /* voters of two engines, unless asked otherwise */
        bool remote_only;                    /* no query runs here */
        bool independence;                   /* voter groups by subnet and relay */
        char receipt_dir[256];               /* named in results; the shell writes there */
        char network[64];
        char region[65]; /* hosts that gossip is asked for; "": any */
};

/* [host] */
struct host_settings {
        bool enabled;
        uint32_t overcommit;    /* promises per slot */
        uint32_t bids_per_peer; /* open ones */
        uint32_t served_slots;  /* 0: all slots of the workers */
        nsec_t bid_valid;
        uint64_t memory_max; /* per job */
        nsec_t cpu_max, wall_max;
        uint64_t rows_max, bytes_max, spool_bytes, spool_bytes_job, input_bytes_max;
        nsec_t unread_timeout;  /* spool without a read or a Hold */
        nsec_t held_unread_max; /* held but not read */
        nsec_t run_max_age;     /* run 0: job time to our clock */
        nsec_t recheck_max_age; /* run 1 */
        uint64_t price;
        /* What peers may make us keep and do. */
        uint32_t peers_max, jobs_max, commits_max;
        uint64_t commits_bytes;
        /* Percent of what is free that one may hold (host_shares.h): of streams, of
         * promised and queued runs, of records of commits. */
        uint32_t requester_jobs, subnet_jobs, requester_runs, subnet_runs;
        uint32_t requester_commits, subnet_commits;
        uint32_t offer_rate, offer_burst; /* per peer: each second, at once */
        uint64_t peer_bytes, held_bytes;  /* frames and rows under way: of one, of all */
        uint32_t data_class;              /* enum data_class: admitted up to this one */
        /* Owned by whoever made the settings, and outlive the coordinator. */
        const char *const *groups; /* that we belong to */
        const struct peer_id *denied;
        size_t n_groups, n_denied;
        enum pays_mode zstd; /* rows and chunks that go out */
        int fault;           /* enum fault_mode (faults.h) */
};

/* [trust] */
struct trust_settings {
        double min_trust;
        nsec_t half_life;
        uint32_t window;          /* verdicts kept per host */
        uint32_t probation_jobs;  /* own-checked correct ones that end it */
        nsec_t probation_job_min; /* shorter jobs do not count */
        nsec_t hardware_window;
};

struct coordinator_settings {
        struct query_settings query;
        struct host_settings host;
        struct trust_settings trust;
};

extern const struct coordinator_settings settings_default;
