#pragma once

/* What the roles did and refused since they started, for metrics. */

#include <stddef.h>
#include <stdint.h>

struct host_counters {
        uint64_t offers, describes, bids, refusals, dispatches, mismatches, stale, runs, commits,
                failures, repeated, cancelled, expired, malformed, quota;
        /* Refused because the requester, or its subnet, has its share. */
        uint64_t shared_streams, shared_runs, shared_commits;
        uint64_t records_dropped, records_expired;
        /* What requesters said of our commits: kept; said before; without a commit of
         * ours; too many or no room; false or not signed. */
        uint64_t verdicts_kept, verdicts_repeated, verdicts_unknown, verdicts_over, verdicts_bad;
        uint64_t verdicts_correct, verdicts_fault, verdicts_other; /* of those kept */
};

/* Lives as long as the coordinator. `role`: what host_role.new() returned. */
const struct host_counters *host_counters(const void *role);
size_t host_records_count(const void *role); /* runs it remembers */

/* estimates.h */
struct estimates_counters {
        uint64_t learned, forgotten; /* runs; keys that had to go for others */
};

/* verdicts.h: of the verdicts that did not go out on the job's stream. */
struct verdicts_counters {
        uint64_t owed, delivered, given_up, refused, attempts;
};

/* job_cached.h: of answers that are kept. */
struct answers_counters {
        uint64_t hits, misses;                 /* of jobs that asked for one */
        uint64_t damaged, distrusted, expired; /* misses: it was there, and may not be given */
        uint64_t too_large, no_room;           /* not kept, or not given for want of memory */
};

struct coordinator;
/* What both roles count, for metrics; valid while c is. */
const struct host_counters *coordinator_host(const struct coordinator *c);
const struct verdicts_counters *coordinator_owed(const struct coordinator *c);
const struct answers_counters *coordinator_answers(const struct coordinator *c);
const struct estimates_counters *coordinator_estimates(const struct coordinator *c);
