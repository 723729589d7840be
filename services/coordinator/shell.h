#pragma once

/* The coordinator's process around its core: sockets, files and clocks. Carries
 * out actions (action.h) and tells the core what came of them.
 *
 * shell.c          start, stop, turns, timers, the table of actions
 * shell_streams.c  /quorate/job/1 over transport/streams
 * shell_discovery.c, shell_offer.c, shell_deny.c  shell_discovery.h
 * shell_workers.c  coordinator/jobs: workers, runs
 * shell_import.c   what a run reads is made ready; shell_waiting.c
 * shell_client.c   coordinator/query: result channels
 * shell_upload.c   coordinator/query: uploads into the dataset store; shell_describe.c looks at
 * them shell_dataset*.c  shell_dataset.h: what people do with datasets, provider records
 * shell_keyring.c  signatures
 * shell_files.c    journal, receipts, spools
 * rpc.c            one function per rpc */

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/rpc.h"
#include "common/daemon/seqpacket.h"
#include "common/daemon/service.h"
#include "services/coordinator/config.h"
#include "services/coordinator/coordinator.h"
#include "services/coordinator/data/store.h"
#include "services/coordinator/journal_file.h"
#include "services/coordinator/shell_data.h"

struct discovery;
struct shell;

struct shell_counters {
        uint64_t actions, streams_opened, streams_inbound, runs, clients, submits, uploads,
                signatures, sign_failures, journal_commits, journal_failures, receipts, events,
                draws, look_ups, imports, imports_unkept, imports_known, imports_again, offers_told,
                announcements, data_searches, data_searches_refused;
};
struct shell_gauges {
        uint64_t workers, slots, slots_busy, jobs_own, jobs_served, cache_bytes, cache_datasets,
                cache_evicted, verdicts_kept, data_fetched, data_served, data_packed, candidates;
};

/* A call whose answer is an ACTION_REPLY. */
struct pending_call {
        struct call *call;
        const ProtobufCMessageDescriptor *output;
};

/* rpc.c: query, admin, jobs, in this order. */
struct coordinator_service {
        union {
                ProtobufCService base;
                Coordinator__Query_Service query;
                Coordinator__Admin_Service admin;
                Coordinator__Jobs_Service jobs;
        };
        struct shell *shell;
};

#define JOB_PROTOCOL "/job/1" /* behind the prefix of the network, like DATA_PROTOCOL */
struct shell {
        struct service_context *ctx;
        struct loop *loop;
        const struct coordinator_config *config;
        char job_protocol[NETWORK_PROTOCOL_SIZE], data_protocol[NETWORK_PROTOCOL_SIZE];
        struct coordinator *core;
        struct peer_id self;
        uint8_t upload_secret[DATA_SALT_SIZE]; /* salts of uploads that are not public */
        bool is_turning, is_draining, is_paused;
        bool is_started;        /* the core was: jobs from before a restart go on */
        struct peer_id *denied; /* the settings point to it */
        struct coordinator_service services[3];
        struct loop_source *timer, *clock;

        struct journal_file *journal;
        struct loop_source *commit;
        nsec_t prune_at;
        struct ack *acks; /* of the transaction under way, in order */
        size_t n_acks, acks_capacity;
        bool is_record_awaited; /* of this turn: its commit waits for the disk */

        struct kept *kept;
        struct store *store;
        struct shell_data *data;
        struct datasets *datasets; /* shell_dataset.h */
        char *cache_path, *receipts_path;

        struct bus_client *streams_bus, *peers_bus;
        struct rpc_client *streams_rpc, *peers_rpc;
        struct channel_acceptor streams_acceptor;
        struct map *streams;
        uint64_t next_stream;
        struct discovery *discovery;

        struct bus_server *query_bus, *admin_bus, *jobs_bus;
        struct rpc_server *query_rpc, *admin_rpc, *jobs_rpc;
        struct channel_acceptor query_acceptor;
        struct map *clients, *calls, *runs, *spools;
        struct list workers, uploads, imports;
        struct import_faults *import_faults; /* imports.h */
        uint64_t next_number;                /* calls, clients, imports */

        struct seqpacket *keyring[_KEYRING_N];
        struct rpc_client *keyring_rpc[_KEYRING_N];
        struct identity_watch *identity;

        struct shell_counters counters;
        struct shell_gauges gauges;
};
/* The core is told with this as `now`. */
static inline nsec_t shell_now(const struct shell *s) {
        return loop_now(s->loop);
}
int64_t shell_wall_us(void);
/* After anything that was told to the core: carries out what it wants. */
void shell_turn(struct shell *s);

void shell_metrics(struct shell *s);
int shell_check(const struct service_context *ctx);
int shell_start(struct service_context *ctx, void **ret);
void shell_drain(struct service_context *ctx, void *userdata);
void *shell_stop(struct service_context *ctx, void *userdata);

/* Each: open what it needs (0 or a fault, logged), give it back. */
int shell_streams_start(struct shell *s);
void shell_streams_stop(struct shell *s);
void shell_streams_expire(struct shell *s);
int shell_workers_start(struct shell *s);
void shell_workers_stop(struct shell *s);
int shell_client_start(struct shell *s);
void shell_client_stop(struct shell *s);
int shell_keyring_start(struct shell *s); /* waits for keyring: who we are */
void shell_keyring_stop(struct shell *s);
int shell_files_start(struct shell *s);
int shell_files_secret(struct shell *s);  /* made once, kept 0600 in the state directory */
int shell_files_restore(struct shell *s); /* the core exists: give it what was journalled */
void shell_files_prune(struct shell *s);  /* when an hour has passed: old records go */
void shell_files_sync(struct shell *s);   /* records that nobody waited for reach the disk */
void shell_files_stop(struct shell *s);
void shell_upload_open(struct shell *s, struct channel *c, struct bytes metadata);
void shell_uploads_gone(struct shell *s, const struct link *link); /* lets go of their pins */
void shell_uploads_stop(struct shell *s);
/* For Status: lines about what is not as it should be; strings are the shell's. */
size_t shell_worker_notes(struct shell *s, const char **ret, size_t max);
size_t shell_engines(struct shell *s, const char **ret, size_t max);
uint32_t shell_slots(const struct shell *s, uint32_t *ret_busy, uint32_t *ret_workers);

void rpc_services_init(struct shell *s, struct coordinator_service ret[3]);
