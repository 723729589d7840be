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
enum sim_lie { SIM_HONEST = 0, SIM_LIES_ALONE, SIM_COLLUDES };

struct sim_run;
struct sim_record {
        struct list link;
        enum journal_kind kind;
        struct refbuf *data;
        nsec_t durable; /* from then on a crash keeps it */
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
        nsec_t skew, synced, sent; /* nothing leaves before `synced`; link busy until `sent` */
        struct sim_event *tick;
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
};

struct sim_client {
        struct sim *sim;
        unsigned node;
        uint64_t call, id;
        uint8_t nonce[16];
        char sql[96];
        char verify[16];
        uint32_t replicas, quorum, max_replicas;
        char prefer[8];
        struct hash_value job;
        bool has_job, is_attached;
        struct buffer in;
        uint64_t next_batch;
        struct answer truth;
        struct schema *schema;
        struct answer_checker checker;
        bool has_checker;
        nsec_t began;
        struct sim_result result;
};

struct sim_event;
typedef void (*sim_fire_fn)(struct sim *s, struct sim_event *e);

struct sim_event {
        struct heap_entry entry;
        sim_fire_fn fire;
        unsigned node, epoch; /* of the one it happens to; dropped when that one has restarted */
        unsigned sender, sender_epoch;
        nsec_t left; /* when it left the sender: dropped when that had crashed by then */
        uint64_t id, n;
        struct refbuf *data, *more;
        void *ref;
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
void sim_settle(struct sim *s, nsec_t time); /* runs on: re-checks, verdicts */
struct sim_event *sim_after(struct sim *s, unsigned node, nsec_t delay, sim_fire_fn fire);
void sim_send(struct sim *s, struct sim_event *e, unsigned sender, nsec_t left);

/* sim_node.c */
void sim_node_boot(struct sim_node *n);
void sim_node_down(struct sim_node *n);
void sim_drain(struct sim_node *n); /* carries out what the core wants */

/* sim_link.c */
void sim_link_open(struct sim_node *n, const struct action *a);
void sim_link_send(struct sim_node *n, const struct action *a);
void sim_link_consumed(struct sim_node *n, const struct action *a);
void sim_link_finish(struct sim_node *n, const struct action *a);
void sim_link_reset(struct sim_node *n, const struct action *a);
void sim_link_lose_all(struct sim_node *n);
void sim_link_done(struct sim *s);

/* sim_worker.c: the query is its own result: "q<number> rows=<n> ordered=<0|1> wide=<bytes>". */
void sim_worker_start(struct sim_node *n, const struct action *a);
void sim_worker_fetch(struct sim_node *n, const struct action *a);
void sim_worker_end(struct sim_node *n, uint64_t run);
void sim_worker_done(struct sim_node *n);
void sim_truth(const char *sql, struct schema **ret_schema, struct answer *ret);

/* sim_client.c */
void sim_client_submit(struct sim *s);
void sim_client_reply(struct sim *s, const struct action *a);
void sim_client_data(struct sim *s, const struct action *a);
void sim_client_done(struct sim_client *c);
