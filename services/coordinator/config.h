#pragma once

/* Keys of [coordinator], [query], [host], [trust], [network] (and [faults] in test builds),
 * and the settings of the core they become. */

#include "common/daemon/config.h"
#include "common/daemon/network.h"
#include "quorate-config.h"
#include "services/coordinator/candidate.h"
#include "services/coordinator/settings.h"

enum keyring_role { KEYRING_REQUESTER = 0, KEYRING_HOST, _KEYRING_N };

struct coordinator_config {
        /* [coordinator] */
        uint64_t cache_size;
        nsec_t keyring_wait;

        /* [query] */
        char *network, *query_region;
        struct config_list peers;
        uint64_t replicas, quorum, max_replicas, jobs_max;
        nsec_t dial_timeout, silence, attempt, job_timeout, local_below;
        uint64_t spool_size, answers_size, answers_entry, answers_max;
        nsec_t answers_age;
        bool independence, engine_diverse, remote_only, use_answers;

        /* [host] */
        bool serve;
        uint64_t slots, overcommit, bids_per_peer, price, offer_rate, offer_burst;
        uint64_t commits, commits_size, requester_share, subnet_share;
        uint64_t memory, rows, bytes, host_spool, host_spool_job, input_size, peer_memory;
        nsec_t cpu, wall, bid_valid, unread, held;
        int data_class, zstd;
        char *region;
        struct config_list groups, deny;

        /* [trust] */
        nsec_t half_life;
        uint64_t probation_jobs;

        struct network_settings node_network; /* [network] */

        /* [faults] */
        int fault;
};

extern const struct config_key coordinator_config_keys[];

/* Views into config (and what config_parsed_free() releases). Logs what is wrong
 * with an address or a peer id; returns 0 or a fault. */
int coordinator_config_settings(const struct coordinator_config *c, const char *receipts,
                                struct coordinator_settings *ret);
/* [query] peers as candidates; returns how many. */
size_t coordinator_config_peers(const struct coordinator_config *c, struct candidate *ret,
                                size_t max);
