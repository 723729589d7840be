#pragma once

/* Local or grid, and why. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/canonical/outcome.h"

enum prefer { PREFER_AUTO = 1, PREFER_LOCAL, PREFER_REMOTE };

struct planner_facts {
        enum prefer prefer;
        enum query_mode mode;
        bool asked_for_check; /* verify, replicas, quorum or hosts were given */
        bool names_hosts;     /* nobody else will do, this machine neither */
        bool is_refused;      /* class REFUSED: two honest hosts may differ */
        bool is_incomparable; /* asked to be compared among builds, which may differ in it */
        bool is_unportable;   /* asked to be compared among engines, which may differ in it */
        bool is_uniform;      /* engines are to agree, and one alone is known or asked for */
        bool has_workers;
        bool is_foreign;           /* no worker of ours has the engine */
        bool has_private_data;     /* internal or sensitive: nobody else may see it */
        bool is_sent_by_setting;   /* [query] remote-only, not who asks, has others run it */
        unsigned candidates, need; /* hosts known; fewest that can give an answer */
        uint64_t estimate_us, local_below_us;
        uint64_t needs_memory, memory_here; /* of one run, learned (0: nothing is); of all runs */
};

struct plan {
        bool is_local;
        enum outcome_error error; /* no route at all */
        const char *reason;       /* "no_peers": code, then the sentence for people */
        const char *sentence;
};

void planner_decide(const struct planner_facts *f, struct plan *ret);
