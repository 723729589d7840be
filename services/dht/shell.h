#pragma once

/* dht's process around its core: sockets, file and clocks. Carries out actions
 * (action.h) and tells the core what came of them.
 *
 * shell.c        start, stop, turns with their transaction, timers, actions
 * shell_peers.c  transport: questions and answers, who is connected, dials, mDNS
 * shell_mdns.c   packets of the local network
 * shell_keys.c   revocations for who follows; an earlier key's records
 * rpc.c          one function per rpc of dht/lookup
 * rpc_records.c  and of dht/records */

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/canonical/record.h"
#include "common/daemon/bus.h"
#include "common/daemon/monitor.h"
#include "common/daemon/rpc.h"
#include "common/daemon/seqpacket.h"
#include "common/daemon/service.h"
#include "common/streams/exchange.h"
#include "common/wire/frame.h"
#include "proto/dht.pb-c.h"
#include "services/dht/config.h"
#include "services/dht/dht.h"
#include "services/dht/keeper.h"
#include "services/dht/mdns.h"
#include "services/dht/store_sqlite.h"

struct shell;

struct lookup_service {
        Dht__Lookup_Service base;
        struct shell *shell;
};
struct records_service {
        Dht__Records_Service base;
        struct shell *shell;
};
extern const Dht__Lookup_Service dht_lookup_service;
extern const Dht__Records_Service dht_records_service;

/* A call of dht/lookup or dht/records under way: what it has found. */
struct pending_call {
        struct call *call;
        uint32_t max;
        struct dht_result **results;
        size_t n;
        unsigned stored, asked; /* of what was to be stored; when it ends */
        /* Ends the call; code: enum dht_code. */
        void (*end)(struct shell *s, struct pending_call *p, unsigned code, const char *text);
};

struct shell {
        struct service_context *ctx;
        struct loop *loop;
        const struct dht_options *config;
        struct network *network;
        char protocols[_DHT_PROTOCOL_N][NETWORK_PROTOCOL_SIZE];
        struct dht *core;
        struct keeper *keeper;
        struct store store;
        struct peer_id self;
        uint8_t x25519[X25519_SIZE];
        struct multiaddr own[RECORD_ADDRESSES_MAX];
        size_t n_own;
        /* Our profile and endpoint record: out, on their way, and since then moved again. */
        bool is_described, is_describing, is_located, is_locating, has_moved;
        char refusal[128];            /* what keyring said when it last did not sign */
        nsec_t publish_at, places_at; /* of the log's next line on places to begin */
        struct loop_source *timer, *clock;
        struct monitor *monitor;

        struct streams *streams;
        struct exchange *exchange;
        struct bus_client *peers_bus;
        struct rpc_client *peers_rpc;
        bool is_serving, is_turning;
        struct map *remotes; /* peer -> struct known_remote: what transport says of it */

        struct mdns *mdns;
        struct channel *mdns_channel;
        struct frame_reader mdns_reader;
        struct loop_source *mdns_timer, *mdns_again;
        nsec_t mdns_delay; /* until then; 0: it was let in */

        struct seqpacket *keyring;
        struct rpc_client *keyring_rpc;
        struct identity_watch *identity;

        struct bus_server *lookup_bus, *records_bus;
        struct rpc_server *lookup_rpc, *records_rpc;
        struct lookup_service lookup;
        struct records_service records;
        struct shell_keys *keys;
        struct shell_meeting *meeting; /* NULL: none */
        uint8_t meeting_secret[NETWORK_SECRET_SIZE];
        bool has_meeting_secret;
        struct list gatherings; /* of dht/records, under way */
        struct map *calls;      /* struct pending_call */
        uint64_t next_call, n_actions, n_commits;
};

static inline nsec_t shell_now(const struct shell *s) {
        return loop_now(s->loop);
}
/* After anything that was told to the core: carries out what it wants, once what it
 * wrote is on disk. */
void shell_turn(struct shell *s);

int shell_check(const struct service_context *ctx);
int shell_start(struct service_context *ctx, void **ret);
void *shell_stop(struct service_context *ctx, void *userdata);

typedef void (*shell_action_fn)(struct shell *s, struct dht_action *a);

/* shell.c */
void shell_moved(struct shell *s, const struct multiaddr *addrs, size_t n);
void shell_do_sign(struct shell *s, struct dht_action *a);

/* shell_peers.c */
int shell_peers_start(struct shell *s);
void shell_peers_stop(struct shell *s);
void shell_do_ask(struct shell *s, struct dht_action *a);
void shell_do_forget(struct shell *s, struct dht_action *a);
void shell_do_answer(struct shell *s, struct dht_action *a);
void shell_do_refuse(struct shell *s, struct dht_action *a);
void shell_do_connect(struct shell *s, struct dht_action *a);
void shell_do_serve(struct shell *s, struct dht_action *a);

/* shell_mdns.c */
int shell_mdns_start(struct shell *s);
void shell_mdns_up(struct shell *s); /* transport is there */
void shell_mdns_addresses(struct shell *s, const struct multiaddr *addrs, size_t n);
void shell_mdns_stop(struct shell *s);

/* rpc.c */
int shell_serve(struct shell *s);
/* rpc_records.c */
int shell_serve_records(struct shell *s);
void shell_serve_records_stop(struct shell *s);
/* Ends a failed lookup or get; false: it did not fail. */
bool shell_call_failed(struct pending_call *p, unsigned code, const char *text);
void shell_serve_stop(struct shell *s);
void shell_do_result(struct shell *s, struct dht_action *a);
void shell_do_done(struct shell *s, struct dht_action *a);
/* A call whose results are gathered until `end`; its number for the core. */
uint64_t shell_pend(struct shell *s, struct call *call, uint32_t max,
                    void (*end)(struct shell *s, struct pending_call *p, unsigned code,
                                const char *text));
