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
#include "services/gossip/rpc_message.h"
#include "services/gossip/score.h"

#define TOPICS_MAX        4096        /* known to us, theirs and ours */
#define TOPICS_OURS       64          /* beside those: nobody can keep us from our own */
#define CONTROL_RESERVE   (64 * 1024) /* of a queue that is full otherwise */
#define PX_RECORD_MAX     2048
#define PENDING_MAX       1024 /* messages that wait for their validator */
#define PENDING_BYTES_MAX (8 * 1024 * 1024)
#define SIGNING_MAX       64
#define PROMISES_MAX      4096
#define PROMISE_TIME      (3 * NSEC_PER_SEC)
#define PX_PEERS          16
#define PX_PER_HEARTBEAT  16  /* connects asked for */
#define UNWANTED_MAX      512 /* ids one peer may say IDONTWANT to in a heartbeat */
#define UNWANTED_BEATS    3
#define BACKOFF_MAX       (3600 * NSEC_PER_SEC) /* asked for by others */

enum router_counter {
        COUNT_RPCS,
        COUNT_RPC_INVALID,
        COUNT_RPC_OVER_BUDGET,
        COUNT_RECEIVED, /* messages, copies included */
        COUNT_DUPLICATES,
        COUNT_DELIVERED, /* first copies given to the validator */
        COUNT_ACCEPTED,
        COUNT_REJECTED,
        COUNT_IGNORED,
        COUNT_BAD_SIGNATURE,
        COUNT_SIGNATURES, /* checks made */
        COUNT_SIGNATURE_BUDGET,
        COUNT_UNKNOWN_TOPIC,
        COUNT_FORWARDED,
        COUNT_PUBLISHED,
        COUNT_IHAVE_SENT,
        COUNT_IHAVE_RECEIVED,
        COUNT_IHAVE_FLOOD,
        COUNT_IWANT_SENT,
        COUNT_IWANT_SERVED,
        COUNT_IWANT_DELIVERED, /* messages that came because we asked */
        COUNT_BROKEN_PROMISES,
        COUNT_IDONTWANT_SENT,
        COUNT_IDONTWANT_HONOURED,
        COUNT_GRAFTS,
        COUNT_PRUNES,
        COUNT_GRAFT_BACKOFF, /* refused: asked in back-off */
        COUNT_PX_CONNECTS,
        COUNT_GRAYLISTED, /* RPCs dropped */
        COUNT_QUEUE_DROPS,
        COUNT_STUCK, /* peers let go of: not even control fitted */
        COUNT_PENDING_DROPS,
        COUNT_TOPICS_REFUSED,
        _COUNT_N,
};

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
        struct list remembered; /* when it is down and not denied: who left first goes first */
        struct pubsub_peer_info info;
        struct refbuf *record; /* its signed peer record, or NULL */
        bool is_up, is_denied, broke_promise;
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
};

/* A message between its arrival and its verdict, and then until all of the mesh has it. */
struct pending {
        struct list link; /* in `deferred` once accepted */
        nsec_t later;     /* when the rest of the mesh gets it */
        uint64_t number;
        struct message_id id;
        struct topic *topic;
        struct refbuf *raw;
        size_t data_len;
        struct peer_id from;
        struct peer_id *others; /* who has it, too: sent it to us, or got it */
        size_t n_others;
        nsec_t at;
};

/* One of ours that waits for its signature. */
struct signing {
        uint64_t number;
        struct message_id id;
        char topic[PUBSUB_TOPIC_MAX + 1];
        struct buffer raw;
};

/* Somebody said IHAVE, we said IWANT. */
struct promise {
        struct list link;
        struct message_id id;
        struct peer_id peer;
        nsec_t until, asked;
        unsigned times;
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
        struct list peer_order, topic_order, dirty, outputs, promises, deferred, remembered;
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

/* ---- router.c ---- */

struct router_peer *router_peer(const struct pubsub *p, const struct peer_id *id); /* NULL */
struct topic *router_topic(const struct pubsub *p, struct bytes name);             /* NULL */
/* NULL: not a name, or no room. ours: we named it, there is room kept for that. */
struct topic *router_topic_make(struct pubsub *p, struct bytes name, bool ours);
void router_topic_release(struct pubsub *p, struct topic *t); /* if nobody needs it */
/* With its memberships, whatever they remember. */
void router_peer_free(struct pubsub *p, struct router_peer *peer, nsec_t now);
struct membership *router_membership(const struct topic *t, const struct router_peer *peer);
struct membership *router_membership_make(struct pubsub *p, struct topic *t,
                                          struct router_peer *peer);
/* Drops what nobody needs any more: neither subscribed, nor with a score or back-off. */
void router_membership_release(struct pubsub *p, struct membership *m, nsec_t now);
double router_score(struct pubsub *p, struct router_peer *peer, nsec_t now);
double router_score_now(const struct pubsub *p, const struct router_peer *peer, nsec_t now);
void router_score_changed(struct router_peer *peer);
/* Up, not denied, score not below the threshold. */
bool router_may(struct pubsub *p, struct router_peer *peer, double threshold, nsec_t now);
void router_misbehaved(struct router_peer *peer, double n);
void router_invalid(struct pubsub *p, struct topic *t, const struct peer_id *from);
/* Something is written for this peer: it is flushed with the next output. False: its queue is full
 * or it is not up; nothing may be written. Gossip gets half of the queue and goes when messages
 * need the place; control has a reserve. */
enum write_kind { WRITE_GOSSIP = 0, WRITE_MESSAGE, WRITE_CONTROL };
bool router_writes(struct pubsub *p, struct router_peer *peer, enum write_kind kind, size_t n);
/* The peer's streams are to be closed: it is down from now on. */
void router_drop(struct pubsub *p, struct router_peer *peer, nsec_t now);
/* topic: copied, or NULL. */
struct pubsub_output *router_output(struct pubsub *p, enum pubsub_output_type type,
                                    const char *topic);
/* Memberships of a topic in random order that `fits` accepts; ret holds at least n_members. */
typedef bool (*membership_filter)(struct pubsub *p, struct membership *m, nsec_t now);
size_t router_choose(struct pubsub *p, struct topic *t, membership_filter fits, nsec_t now,
                     struct membership **ret);
void router_shuffle(struct pubsub *p, struct membership **list, size_t n);

/* ---- mesh.c ---- */

void mesh_join(struct pubsub *p, struct topic *t, nsec_t now);
void mesh_leave(struct pubsub *p, struct topic *t, nsec_t now);
void mesh_add(struct pubsub *p, struct membership *m, nsec_t now); /* and says GRAFT */
void mesh_remove(struct pubsub *p, struct membership *m);          /* says nothing */
void mesh_prune(struct pubsub *p, struct membership *m, nsec_t backoff, bool exchange, nsec_t now);
void mesh_on_graft(struct pubsub *p, struct router_peer *peer, struct bytes topic, nsec_t now);
void mesh_on_prune(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlPrune *prune,
                   nsec_t now);
void mesh_beat(struct pubsub *p, struct topic *t, nsec_t now);
void fanout_beat(struct pubsub *p, struct topic *t, nsec_t now);
/* Those a message to a topic we have not joined goes to. */
void fanout_fill(struct pubsub *p, struct topic *t, nsec_t now);

/* ---- deliver.c ---- */

void deliver_message(struct pubsub *p, struct router_peer *peer, struct bytes raw, nsec_t now);
/* What was put off and is due. */
void deliver_later(struct pubsub *p, nsec_t now);
void pending_free(struct pubsub *p, struct pending *x);
void signing_free(struct pubsub *p, struct signing *x);

/* ---- lazy.c ---- */

void lazy_on_ihave(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIHave *ihave,
                   nsec_t now);
void lazy_on_iwant(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIWant *iwant,
                   nsec_t now);
void lazy_on_idontwant(struct pubsub *p, struct router_peer *peer,
                       const Gossipsub__ControlIDontWant *idontwant);
bool lazy_is_unwanted(const struct router_peer *peer, const struct message_id *id);
/* Tells the mesh that this message is here, before it is even validated. */
void lazy_idontwant(struct pubsub *p, struct topic *t, const struct message_id *id,
                    const struct peer_id *from);
void lazy_gossip(struct pubsub *p, struct topic *t, nsec_t now);
/* It came: whoever promised it, by whatever way. True: it had been asked for. */
bool lazy_kept(struct pubsub *p, const struct message_id *id);
void lazy_beat(struct pubsub *p, nsec_t now);
void promise_free(struct pubsub *p, struct promise *x);

/* ---- heartbeat.c ---- */

void heartbeat(struct pubsub *p, nsec_t now);
