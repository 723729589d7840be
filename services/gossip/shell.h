#pragma once

/* gossip's process around its core: sockets, file and clocks. Carries out actions
 * (action.h) and tells the core what came of them.
 *
 * shell.c         start, stop, turns, timers, the table of actions
 * shell_peers.c   transport: who is connected, GossipSub streams, /quorate/peers/1
 * shell_nodes.c   the node's other services: keyring signs, dht finds
 * shell_state.c    gossip.db
 * rpc.c           one function per rpc */

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/daemon/bus.h"
#include "common/daemon/monitor.h"
#include "common/daemon/rpc.h"
#include "common/daemon/seqpacket.h"
#include "common/daemon/service.h"
#include "common/streams/exchange.h"
#include "proto/gossip.pb-c.h"
#include "services/gossip/config.h"
#include "services/gossip/gossip.h"
#include "services/gossip/shell_state.h"

struct shell;

struct candidates_service {
        Gossip__Candidates_Service base;
        struct shell *shell;
};
struct reputation_service {
        Gossip__Reputation_Service base;
        struct shell *shell;
};
extern const Gossip__Candidates_Service gossip_candidates_service;
extern const Gossip__Reputation_Service gossip_reputation_service;

/* Numbers of proto/gossip.proto's comments. */
enum gossip_answer { GOSSIP_E_PEER = 1, GOSSIP_E_FULL = 2, GOSSIP_E_NONE = 3, GOSSIP_E_FIELD = 4 };

struct shell {
        struct service_context *ctx;
        struct loop *loop;
        const struct gossip_options *config;
        struct network *network;
        char peers_protocol[NETWORK_PROTOCOL_SIZE];
        struct gossip *core;
        struct peer_id self;
        struct loop_source *timer, *clock;
        bool is_turning;
        struct monitor *monitor;

        struct streams *streams;
        struct exchange *exchange;
        struct map *outbound; /* peer -> struct mesh_stream */
        struct list inbound;  /* struct mesh_inbound */
        struct rpc_client *peers_rpc;
        struct bus_client *peers_bus;

        struct seqpacket *keyring;
        struct rpc_client *keyring_rpc;
        struct identity_watch *identity;
        struct bus_client *dht_bus;
        struct rpc_client *dht_rpc;
        bool is_dht_up;
        unsigned n_dht_denials; /* that dht has not confirmed */
        nsec_t next_size;

        struct bus_server *candidates_bus, *reputation_bus;
        struct rpc_server *candidates_rpc, *reputation_rpc;
        struct candidates_service candidates;
        struct reputation_service reputation;
        struct list followers;
        struct map *calls;   /* draws and crawls under way */
        struct map *denying; /* blocks that transport or dht has not confirmed */
        uint64_t next_call;

        struct state_file *state;
        uint64_t n_actions, n_state_writes;
};

static inline nsec_t shell_now(const struct shell *s) {
        return loop_now(s->loop);
}
/* After anything that was told to the core: carries out what it wants. */
void shell_turn(struct shell *s);

int shell_check(const struct service_context *ctx);
int shell_start(struct service_context *ctx, void **ret);
void *shell_stop(struct service_context *ctx, void *userdata);

typedef void (*shell_action_fn)(struct shell *s, struct gossip_action *a);

/* shell_peers.c */
int shell_peers_start(struct shell *s);
void shell_peers_stop(struct shell *s);
void shell_do_stream_open(struct shell *s, struct gossip_action *a);
void shell_do_stream_close(struct shell *s, struct gossip_action *a);
void shell_do_send(struct shell *s, struct gossip_action *a);
void shell_do_ask(struct shell *s, struct gossip_action *a);
void shell_do_answer(struct shell *s, struct gossip_action *a);
void shell_do_refuse(struct shell *s, struct gossip_action *a);
void shell_do_connect(struct shell *s, struct gossip_action *a);
void shell_do_keep(struct shell *s, struct gossip_action *a);
void shell_do_block(struct shell *s, struct gossip_action *a);

/* shell_nodes.c */
int shell_keyring_start(struct shell *s); /* waits for keyring: who we are */
int shell_dht_start(struct shell *s);
void shell_nodes_stop(struct shell *s);
void shell_ask_size(struct shell *s);
void shell_do_deny(struct shell *s, struct gossip_action *a);
void shell_do_lookup(struct shell *s, struct gossip_action *a);
void shell_do_hint(struct shell *s, struct gossip_action *a);
void shell_do_sign_message(struct shell *s, struct gossip_action *a);
void shell_do_sign_capability(struct shell *s, struct gossip_action *a);

/* rpc.c */
int shell_serve(struct shell *s);
void shell_serve_stop(struct shell *s);
void shell_do_drawn(struct shell *s, struct gossip_action *a);
void shell_do_crawled(struct shell *s, struct gossip_action *a);
/* Tells coordinators that follow. */
void shell_tell_blocked(struct shell *s, const struct peer_id *peer, bool blocked);
void shell_denied(struct shell *s); /* transport or dht has confirmed what was blocked until now */
