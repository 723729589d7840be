#pragma once

/* The parts of a GossipSub router (pubsub.h) as they see one another.
 *
 * router.c     peers and topics: the tables, scores, what waits for a peer
 * mesh.c       graft, prune, back-off, peer exchange, fan-out
 * deliver.c    messages: checks, validation, forwarding, publishing
 * lazy.c       IHAVE, IWANT, IDONTWANT and promises
 * heartbeat.c  what happens each second
 * pubsub.c     the front: RPCs taken apart, outputs */

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rate.h"
#include "common/base/rng.h"
#include "services/gossip/cache.h"
#include "services/gossip/pubsub.h"
#include "services/gossip/router_counters.h"
#include "services/gossip/router_messages.h"
#include "services/gossip/rpc_message.h"
#include "services/gossip/score.h"

#define TOPICS_MAX       4096        /* known to us, theirs and ours */
#define TOPICS_OURS      64          /* beside those: nobody can keep us from our own */
#define CONTROL_RESERVE  (64 * 1024) /* of a queue that is full otherwise */
#define PX_RECORD_MAX    2048
#define PX_PEERS         16
#define PX_PER_HEARTBEAT 16  /* connects asked for */
#define UNWANTED_MAX     512 /* ids one peer may say IDONTWANT to in a heartbeat */
#define UNWANTED_BEATS   3
#define BACKOFF_MAX      (3600 * NSEC_PER_SEC) /* asked for by others */

struct topic {
        struct list link;
        char name[PUBSUB_TOPIC_MAX + 1];
        bool is_joined, is_cached; /* is_cached: bodies of its messages may be in the cache */
        struct pubsub_topic_params params;
        struct list members; /* struct membership, of peers that are subscribed or remembered */
        size_t n_members, n_mesh, n_pending;
        nsec_t fanout_until; /* 0: none */
};

/* One peer in one topic. */
struct membership {
        struct list in_topic, in_peer;
        struct topic *topic;
        struct router_peer *peer;
        bool is_subscribed, in_mesh, in_fanout;
        nsec_t backoff_until;
        struct topic_score score;
};

struct unwanted {
        struct message_id id;
        unsigned beat;
};

struct router_peer {
        struct list link, dirty;
        struct list restless;   /* while the heartbeat has something to do for it */
        struct list remembered; /* when it is down and not denied: who left first goes first */
        struct pubsub_peer_info info;
        struct refbuf *record; /* its signed peer record, or NULL */
        bool is_up, is_denied;
        bool is_stuck; /* lost a piece of control: only a new stream heals that */
        nsec_t down_since;
        struct list memberships;
        size_t n_memberships;
        struct rpc_writer out, gossip;
        size_t queued; /* bytes in the shell */
        double app, behaviour, score;
        bool is_score_fresh;
        struct rate messages; /* signature checks it may cause */
        struct rate bytes;    /* of its RPCs, in KiB */
        unsigned ihaves, ihave_ids, iwant_ids, n_unwanted_now;
        struct unwanted *unwanted;
        size_t n_unwanted;
        struct list promises; /* newest first */
        unsigned n_promises, n_broken_now, n_kept;
};

struct queued_output {
        struct list link;
        struct pubsub_output output;
        char topic[PUBSUB_TOPIC_MAX + 1]; /* a topic may be gone before its output is taken */
};

struct pubsub {
        struct pubsub_config config;
        struct score_params score;
        struct peer_id self;
        struct rng rng;
        pubsub_verify_fn verify;
        void *verify_userdata;
        uint64_t next_sequence, next_number;
        struct map *peers, *topics, *pending, *pending_numbers, *signing, *promised, *colocated;
        struct list peer_order, topic_order, restless, dirty, outputs, promises, deferred,
                remembered;
        size_t n_up, n_remembered;
        nsec_t now; /* of the latest heartbeat or RPC */
        size_t pending_bytes;
        struct cache *cache;
        nsec_t next_heartbeat;
        uint64_t beat;
        unsigned px_left;
        struct pubsub_counter counters[_COUNT_N];
        char current_topic[PUBSUB_TOPIC_MAX + 1]; /* handed out: stays until the next call */
};

#define count(p, what)      ((void) (p)->counters[what].value++)
#define count_n(p, what, n) ((void) ((p)->counters[what].value += (n)))
#define MEMBERSHIP(it)      LIST_ENTRY(it, struct membership, in_topic)
#define PEER_MEMBERSHIP(it) LIST_ENTRY(it, struct membership, in_peer)
