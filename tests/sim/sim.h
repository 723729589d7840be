#pragma once

/* Whole nodes on virtual time: the coordinator core of every node as it is linked
 * into the daemon, joined by modelled links, clocks, disks and workers. One seed,
 * one trace. What is real: both roles, statements, canonical results, receipts.
 * What is modelled: transport (ordered streams with latency, resent units, breaks,
 * bandwidth), keyring, journal (a crash keeps what was synced), worker (its result
 * is a function of the query; a liar's, of the query and of who it is). */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rng.h"
#include "common/canonical/answer.h"
#include "common/canonical/outcome.h"
#include "common/canonical/qrows.h"
#include "common/canonical/schema.h"
#include "common/crypto/sign.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/faults.h"

#define SIM_NODES_MAX 128
#define SIM_WALL_US   INT64_C(1790000000000000) /* wall clock when a simulation begins */

struct sim_settings {
        uint64_t seed;
        unsigned n_nodes; /* node 0 asks, the others are hosts */
        nsec_t latency_min, latency_max;
        double resent;      /* share of units that arrive one timeout late, those behind them too */
        double breaks;      /* chance of a stream to be lost, per unit */
        uint64_t bandwidth; /* bytes per second out of each node, 0: no limit */
        nsec_t skew_max;
        bool real_signatures; /* Ed25519; else a keyed hash in its place */
        struct coordinator_settings coordinator;
};
extern const struct sim_settings sim_defaults;

/* What a host does wrong beside its fault_mode (faults.h), and how fast it is. */
enum sim_lie {
        SIM_HONEST = 0,
        SIM_LIES_ALONE,
        SIM_COLLUDES,
        SIM_FLAKY, /* its first run lies alone, later ones are right: a fault of its machine */
        _SIM_LIE_N,
};

struct sim_node {
        struct sim *sim;
        unsigned index, epoch;
        bool is_up;
        nsec_t down_since;
        struct coordinator *core;
        struct sign_secret secret;
        struct sign_public key;
        struct peer_id peer;
        uint8_t ip[4];
        enum fault_mode fault;
        enum sim_lie lie;
        nsec_t run_min, run_max;
        const char *engines[4]; /* classes, the first always set; all are told to node 0 */
        size_t n_engines;
        nsec_t skew, synced, sent; /* nothing leaves before `synced`; link busy until `sent` */
        struct sim_event *tick;    /* sim_parts.h */
        struct map *streams, *runs, *spools;
        uint64_t next_inbound;
        struct list journal;
        uint64_t n_runs, n_receipts, bytes_out;
        struct refbuf *receipt; /* the newest */
};

/* What the client of a query got. */
struct sim_result {
        bool is_done, is_restarted;
        char state[16];
        unsigned problem;
        bool is_right; /* every row is here and they give the true answer */
        bool is_wrong; /* rows or answer differ from the truth */
        unsigned agreement, replicas_run, verdicts_incorrect;
        unsigned truth_voters, lie_voters; /* of SPLIT */
        nsec_t elapsed;
        uint64_t batches;
        bool is_contested;
        unsigned engines, unusable; /* different ones among the hosts counted; left out */
        unsigned by_first;          /* hosts counted that ran the first engine of node 0 */
};

struct sim_client {
        struct sim *sim;
        unsigned node;
        uint64_t call, id;
        uint8_t nonce[16];
        char sql[128];
        char verify[16];
        uint32_t replicas, quorum, max_replicas;
        char prefer[8], comparison[12];
        bool engine_diverse;
        const char *engine; /* asked for; NULL: none */
        struct hash_value job;
        bool has_job, is_attached;
        bool has_begun; /* a schema came on this channel */
        struct buffer in;
        uint64_t next_batch;
        struct answer truth;
        struct schema *schema;
        struct answer_checker checker;
        bool has_checker;
        struct qrows_writer writer; /* the rows as a client keeps them for the receipt */
        struct buffer qrows;
        nsec_t began;
        struct sim_result result;
};

struct sim {
        struct sim_settings settings;
        struct rng rng;
        nsec_t now;
        struct heap events;
        struct sim_node nodes[SIM_NODES_MAX];
        struct sim_client client;
        struct list streams;
        uint64_t trace, n_events, n_bytes;
        uint64_t n_dispatches;
};

/* sim.c */
struct sim *sim_new(const struct sim_settings *settings);
struct sim *sim_free(struct sim *s);
void sim_start(struct sim *s); /* after the hosts were given their faults */
void sim_crash(struct sim *s, unsigned node, nsec_t at, nsec_t down_for);
/* Asks from node 0 and runs until the client has its end, or `limit`. */
void sim_query(struct sim *s, const char *verify, uint32_t replicas, uint32_t quorum,
               uint32_t max_replicas);
const struct sim_result *sim_run(struct sim *s, nsec_t limit);
void sim_cancel(struct sim *s);              /* the client cancels its job */
void sim_settle(struct sim *s, nsec_t time); /* runs on: re-checks, verdicts */
