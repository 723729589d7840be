#include "services/coordinator/config.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/descriptor.h"
#include "common/daemon/config_rows.h"
#include "common/daemon/log.h"
#include "common/daemon/service.h"
#include "services/coordinator/faults.h"

#define INT(...)      CONFIG_INT(coordinator_config, __VA_ARGS__)
#define SIZE(...)     CONFIG_SIZE(coordinator_config, __VA_ARGS__)
#define DURATION(...) CONFIG_DURATION(coordinator_config, __VA_ARGS__)
#define BOOL(...)     CONFIG_BOOL(coordinator_config, __VA_ARGS__)
#define STRING(...)   CONFIG_STRING(coordinator_config, __VA_ARGS__)
#define ENUM(...)     CONFIG_ENUM(coordinator_config, __VA_ARGS__)
#define LIST(...)     CONFIG_LIST(coordinator_config, __VA_ARGS__)
#define LIST_OF(...)  CONFIG_LIST_OF(coordinator_config, __VA_ARGS__)

#define MIB           (UINT64_C(1) << 20)
#define TIB           (UINT64_C(1) << 40)

static const char *const data_classes[] = { "public", "internal", "sensitive", NULL };

const struct config_key coordinator_config_keys[] = {
        SIZE(cache_size, "cache-size", "8G", MIB, 1024 * TIB, "datasets kept on disk"),
        DURATION(keyring_wait, "keyring-wait", "30s", 0, 3600 * NSEC_PER_SEC,
                 "how long to wait for keyring at start"),

        CONFIG_SECTION("query"),
        STRING(network, "network", "",
               "jobs stay among nodes that say the same here; empty: the name in [network]"),
        STRING(query_region, "region", "", "ask gossip for hosts of this region; empty: of any"),
        LIST_OF(peers, "peers", config_is_peer_at,
                "hosts to ask: a multiaddr, peerid@host:port, or a bare peer id"),
        INT(replicas, "replicas", "3", 1, 16, "hosts that run a job (k)"),
        INT(quorum, "quorum", "2", 1, 16, "equal answers needed (q)"),
        INT(max_replicas, "max-replicas", "7", 1, 32, "voters before a job is SPLIT"),
        INT(jobs_max, "jobs", "256", 1, 65536, "own jobs at a time"),
        DURATION(dial_timeout, "dial-timeout", "2s", NSEC_PER_MSEC, 600 * NSEC_PER_SEC,
                 "give up reaching a host after this"),
        DURATION(silence, "silence", "10s", NSEC_PER_MSEC, 600 * NSEC_PER_SEC,
                 "a host that says nothing for this long is replaced"),
        DURATION(attempt, "attempt", "60s", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC,
                 "one host's run, at least"),
        DURATION(job_timeout, "timeout", "300s", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC,
                 "a whole job, until its quorum"),
        DURATION(local_below, "local-below", "20ms", 0, 3600 * NSEC_PER_SEC,
                 "prefer=auto: estimated run time not worth the grid"),
        SIZE(spool_size, "spool-size", "1G", MIB, 1024 * TIB,
             "rows waiting for their check, of one job"),
        BOOL(independence, "independence", "yes", "one voter per subnet and relay"),
        BOOL(engine_diverse, "engine-diverse", "no",
             "voters of two engines at least, of queries all engines answer alike"),
        BOOL(use_answers, "cache", "no",
             "give an answer that was verified before to who asks the same; --cache, --no-cache"),
        SIZE(answers_size, "cache-size", "64M", 0, 1024 * TIB, "such answers on disk; 0: none"),
        SIZE(answers_entry, "cache-entry", "4M", 4096, 16 * MIB,
             "the largest answer kept, with its receipt"),
        INT(answers_max, "cache-entries", "4096", 1, 1048576, "answers kept"),
        DURATION(answers_age, "cache-age", "24h", NSEC_PER_SEC, 86400 * 366 * NSEC_PER_SEC,
                 "older answers are asked for anew"),
        BOOL(remote_only, "remote-only", "no",
             "run no query on this machine; it is analysed here, and data that is not public is "
             "sent only when a query says so"),

        CONFIG_SECTION("host"),
        BOOL(serve, "serve", "yes", "run jobs for others"),
        INT(slots, "slots", "0", 0, 4096, "slots for others; 0: all the workers have"),
        INT(overcommit, "overcommit", "4", 1, 64, "promises per slot"),
        INT(bids_per_peer, "bids-per-peer", "4", 1, 256, "open promises to one requester"),
        INT(offer_rate, "offers-per-second", "250", 1, 100000, "of one requester"),
        INT(offer_burst, "offers-at-once", "500", 1, 100000, "of one requester"),
        INT(commits, "commits", "1048576", 1, 16777216,
            "answers signed in an hour; each is remembered until its job is too old"),
        SIZE(commits_size, "commits-size", "160M", MIB, TIB, "memory for them"),
        INT(requester_share, "requester-share", "100", 1, 10000,
            "percent of the free commits that one requester may take"),
        INT(subnet_share, "subnet-share", "33", 1, 10000,
            "percent of the free commits that the requesters of one public subnet may take"),
        INT(price, "price", "0", 0, INT64_MAX, "asked per job"),
        SIZE(memory, "memory", "1G", MIB, TIB, "of one job"),
        DURATION(cpu, "cpu", "60s", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC, "of one job"),
        DURATION(wall, "wall", "120s", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC, "of one job"),
        INT(rows, "rows", "100000000", 1, INT64_MAX, "of one result"),
        SIZE(bytes, "bytes", "16G", 1, 1024 * TIB, "of one result"),
        SIZE(host_spool, "spool-size", "4G", MIB, 1024 * TIB, "results waiting, all jobs"),
        SIZE(host_spool_job, "spool-size-job", "1G", MIB, 1024 * TIB, "results waiting, one job"),
        SIZE(input_size, "input-size", "64G", 1, 1024 * TIB, "data of one job"),
        SIZE(peer_memory, "peer-memory", "40M", MIB, TIB, "messages and rows under way, per peer"),
        DURATION(bid_valid, "bid-valid", "5s", NSEC_PER_MSEC, 600 * NSEC_PER_SEC,
                 "how long a bid is a promise"),
        DURATION(unread, "unread", "30s", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC,
                 "drop a result nobody reads or holds"),
        DURATION(held, "held", "5min", NSEC_PER_MSEC, 86400 * NSEC_PER_SEC,
                 "drop a result that is held but not read"),
        ENUM(zstd, "zstd", "auto", pays_mode_names,
             "rows and chunks packed: auto is where the link is what is slow"),
        ENUM(data_class, "data-class", "public", data_classes, "most secret data admitted"),
        STRING(region, "region", "", "where this node says it is, as [query] region asks for it"),
        LIST(groups, "groups", "groups this node belongs to"),
        LIST_OF(deny, "deny", config_is_peer, "peer ids that are refused"),

        CONFIG_SECTION("trust"),
        DURATION(half_life, "half-life", "7d", 3600 * NSEC_PER_SEC, 86400 * 365 * NSEC_PER_SEC,
                 "of a verdict's weight"),
        INT(probation_jobs, "probation-jobs", "5", 0, 1000,
            "own-checked correct jobs that end a host's probation"),

        NETWORK_ROWS(coordinator_config, node_network),

#if QUORATE_FAULTS
        CONFIG_SECTION("faults"),
        ENUM(fault, "mode", "none", fault_mode_names, "how this host misbehaves"),
#endif
        {},
};

static void fill_query(const struct coordinator_config *c, struct query_settings *q) {
        q->replicas = (uint32_t) c->replicas;
        q->quorum = (uint32_t) c->quorum;
        q->max_replicas = (uint32_t) c->max_replicas;
        q->jobs_max = (uint32_t) c->jobs_max;
        q->dial_timeout = c->dial_timeout;
        q->silence_timeout = c->silence;
        q->attempt_timeout = c->attempt;
        q->job_timeout = c->job_timeout;
        q->local_below_us = c->local_below / NSEC_PER_USEC;
        q->spool_bytes = c->spool_size;
        q->independence = c->independence;
        q->use_answers = c->use_answers;
        q->answers_bytes = c->answers_size;
        q->answers_entry = c->answers_entry;
        q->answers_max = (uint32_t) c->answers_max;
        q->answers_age = c->answers_age;
        q->engine_diverse = c->engine_diverse;
        q->remote_only = c->remote_only;
}

static void fill_host(const struct coordinator_config *c, struct host_settings *h) {
        h->enabled = c->serve;
        h->overcommit = (uint32_t) c->overcommit;
        h->bids_per_peer = (uint32_t) c->bids_per_peer;
        h->served_slots = (uint32_t) c->slots;
        h->bid_valid = c->bid_valid;
        h->memory_max = c->memory;
        h->cpu_max = c->cpu;
        h->wall_max = c->wall;
        h->rows_max = c->rows;
        h->bytes_max = c->bytes;
        h->spool_bytes = c->host_spool;
        h->spool_bytes_job = c->host_spool_job;
        h->input_bytes_max = c->input_size;
        h->unread_timeout = c->unread;
        h->held_unread_max = c->held;
        h->commits_max = (uint32_t) c->commits;
        h->commits_bytes = c->commits_size;
        h->requester_commits = (uint32_t) c->requester_share;
        h->subnet_commits = (uint32_t) c->subnet_share;
        h->price = c->price;
        h->offer_rate = (uint32_t) c->offer_rate;
        h->offer_burst = (uint32_t) c->offer_burst;
        h->peer_bytes = c->peer_memory;
        h->data_class = (uint32_t) c->data_class + DATA_PUBLIC;
        h->zstd = (enum pays_mode) c->zstd;
        h->groups = (const char *const *) c->groups.items;
        h->n_groups = c->groups.n_items;
        h->fault = c->fault;
}

/* Kept for the life of the process: the settings point to it. */
static void read_denied(const struct coordinator_config *c, struct host_settings *h) {
        struct peer_id *denied = xnew_n(struct peer_id, c->deny.n_items);

        for (size_t i = 0; i < c->deny.n_items; i++)
                check(peer_id_from_text(BYTES_STR(c->deny.items[i]),
                                        &denied[i])); /* config_rows.h */
        h->denied = denied;
        h->n_denied = c->deny.n_items;
}

int coordinator_config_settings(const struct coordinator_config *c, const char *receipts,
                                struct coordinator_settings *ret) {
        const char *network = c->network[0] ? c->network : c->node_network.name;

        *ret = settings_default;
        if (c->quorum > c->replicas || c->replicas > c->max_replicas) {
                log_error("[query] quorum = %lu, replicas = %lu, max-replicas = %lu: each has to "
                          "be at "
                          "most the next one; change one",
                          (unsigned long) c->quorum, (unsigned long) c->replicas,
                          (unsigned long) c->max_replicas);
                return service_refuse();
        }
        if (strlen(network) >= sizeof(ret->query.network) ||
            strlen(receipts) >= sizeof(ret->query.receipt_dir)) {
                log_error("[query] network or the --state directory is too long");
                return service_refuse();
        }
        if (strlen(c->query_region) >= sizeof(ret->query.region) ||
            strlen(c->region) >= sizeof(ret->query.region)) {
                log_error("[query] region and [host] region have at most 64 bytes");
                return service_refuse();
        }
        fill_query(c, &ret->query);
        strcpy(ret->query.region, c->query_region);
        strcpy(ret->query.network, network);
        strcpy(ret->query.receipt_dir, receipts);
        fill_host(c, &ret->host);
        ret->trust.half_life = c->half_life;
        ret->trust.probation_jobs = (uint32_t) c->probation_jobs;
        read_denied(c, &ret->host);
        return 0;
}

static void read_peer(const char *text, struct candidate *ret) {
        struct multiaddr a;

        *ret = (struct candidate){ .origin = ORIGIN_PINNED };
        if (!peer_id_from_text(BYTES_STR(text), &ret->peer)) { /* config_is_peer_at() */
                check(multiaddr_from_config(BYTES_STR(text), &a) == MULTIADDR_OK &&
                      multiaddr_peer(&a, &ret->peer));
                ret->addresses[ret->n_addresses++] = a;
        }
}

size_t coordinator_config_peers(const struct coordinator_config *c, struct candidate *ret,
                                size_t max) {
        size_t n = c->peers.n_items < max ? c->peers.n_items : max;

        for (size_t i = 0; i < n; i++)
                read_peer(c->peers.items[i], &ret[i]);
        return n;
}
