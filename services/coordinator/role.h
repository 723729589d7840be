#pragma once

/* The two roles of a coordinator behind one table, and what they share. A role
 * gets only the ids it owns (even: requester, odd: host) and writes actions. */

#include "common/base/rng.h"
#include "services/coordinator/coordinator.h"

struct denied;
struct governor;

enum role_index { ROLE_REQUESTER = 0, ROLE_HOST = 1, _ROLE_N };

/* Shared by both roles of one coordinator. */
struct core {
        struct coordinator_settings settings;
        struct peer_id self;
        struct rng rng;
        struct actions *actions;
        struct governor *governor;
        struct denied *denied;
        core_verify_fn verify; /* of commits; Ed25519 */
        uint64_t next_id[_ROLE_N];
        int64_t wall_offset_us; /* wall clock minus monotonic */
        char **engines;         /* class strings our workers run */
        size_t n_engines;
        bool is_cut_off;    /* our own transport is gone */
        nsec_t was_cut_off; /* when it was last; 0: never */
};

/* A new number of that role. */
static inline uint64_t core_id(struct core *core, enum role_index role) {
        core->next_id[role] += 2;
        return core->next_id[role];
}
static inline enum role_index core_owner(uint64_t id) {
        return (enum role_index)(id & 1);
}
static inline int64_t core_wall_us(const struct core *core, nsec_t now) {
        return core->wall_offset_us + (int64_t) (now / NSEC_PER_USEC);
}

/* One row per input of coordinator.h; `role` is what new() returned. All are set. */
struct role {
        void *(*new)(struct core *core, uint64_t seed);
        void (*free)(void *role);
        int (*restore)(void *role, enum journal_kind kind, struct bytes record, nsec_t now);
        void (*start)(void *role, nsec_t now);
        nsec_t (*deadline)(const void *role);
        void (*expire)(void *role, nsec_t now);

        void (*opened)(void *role, uint64_t stream, const struct stream_remote *remote,
                       uint32_t window, nsec_t now); /* host: inbound */
        void (*data)(void *role, uint64_t stream, struct bytes data, nsec_t now);
        void (*window)(void *role, uint64_t stream, uint32_t units, nsec_t now);
        void (*finished)(void *role, uint64_t stream, nsec_t now);
        void (*closed)(void *role, uint64_t stream, uint32_t code, nsec_t now);

        /* A failure to sign comes as an empty statement. */
        void (*answered)(void *role, uint64_t request, struct bytes statement,
                         struct bytes signature, nsec_t now);
        void (*report)(void *role, uint64_t run, struct bytes report, nsec_t now);
        void (*run_lost)(void *role, uint64_t run, nsec_t now);
        void (*input)(void *role, uint64_t fetch, const struct input_facts *facts,
                      const struct input_failure *failure, nsec_t now); /* one of the two */
        void (*journalled)(void *role, uint64_t id, bool ok, nsec_t now);
        void (*capacity)(void *role, nsec_t now); /* the governor or the engines changed */
        void (*denied)(void *role, nsec_t now);   /* more are denied: their streams end now */
};

extern const struct role requester_role; /* requester.c */
extern const struct role host_role;      /* host.c */

/* host.c: the answer to ACTION_RECALL, which only the host asks. */
void host_recalled(void *role, uint64_t id, struct bytes record, nsec_t now);
