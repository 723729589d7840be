#pragma once

/* A GossipSub router (libp2p specs pubsub/gossipsub v1.0 to v1.2) as a state
 * machine. One peer is a pair of one-way streams; the shell opens ours when
 * pubsub says so and hands in what arrives on theirs. Knows nothing of what the
 * messages mean: validators answer by pubsub_validated(). Same inputs, same
 * seed: same outputs, byte for byte. Pure. Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/base/refbuf.h"
#include "common/crypto/sign.h"
#include "common/wire/endpoint.h"
#include "common/wire/peerid.h"

#define PUBSUB_RPC_MAX     (1024 * 1024) /* of others; ours stay below 64 KiB */
#define PUBSUB_MESSAGE_MAX (64 * 1024)
#define PUBSUB_TOPIC_MAX   128
#define PUBSUB_ID_SIZE     32 /* SHA-256 of the data */

struct pubsub;

enum pubsub_version { PUBSUB_V1_1 = 11, PUBSUB_V1_2 = 12 };

/* Defaults of the specification and of network.md; weights: score.h. */
struct pubsub_config {
        unsigned d, d_low, d_high, d_lazy, d_score, d_out; /* 6 4 12 3 4 2 */
        nsec_t heartbeat, fanout_ttl, seen_ttl, prune_backoff, unsubscribe_backoff;
        unsigned history, history_gossip; /* windows of the message cache: 5, 3 */
        double gossip_factor;             /* 0.25 */
        bool flood_publish, peer_exchange;
        /* A message goes to d_eager of the mesh at once and to the rest this much later, unless
         * they sent it to us or said IDONTWANT meanwhile: most copies are never sent. */
        unsigned d_eager;     /* 3 */
        nsec_t forward_delay; /* 100 ms */
        /* One that its author sent us itself, who sends to all it knows (flood publishing), goes
         * to nobody at once and to the mesh this much later: by then most have said IDONTWANT. */
        nsec_t direct_delay;   /* 300 ms */
        size_t idontwant_size; /* 128: an IDONTWANT costs a packet of 110 bytes */
        unsigned peers_max, topics_per_peer_max, ihave_max, ihave_ids_max, iwant_repeat;
        size_t queue_bytes_max; /* to one peer */
        /* defences off, for simulations */
        bool without_scores, without_idontwant, without_ihave;
};
void pubsub_config_default(struct pubsub_config *ret);

enum pubsub_output_type {
        PUBSUB_NONE = 0,
        PUBSUB_SEND, /* peer; data: one RPC without its length. is_gossip: may be dropped when full
                      */
        PUBSUB_MESSAGE,   /* id; topic; data; author, sequence; peer: who sent it. Answer with
                             pubsub_validated() */
        PUBSUB_SIGN,      /* id; data: the bytes to sign without "libp2p-pubsub:"; topic, message */
        PUBSUB_CONNECT,   /* peer; data: its signed peer record or NULL: peer exchange */
        PUBSUB_DROP,      /* peer: denied, or control for it was lost; close streams, both ways */
        PUBSUB_PUBLISHED, /* id = what pubsub_publish() was given; n = peers it went to */
};

struct pubsub_output {
        enum pubsub_output_type type;
        uint64_t id, sequence, n;
        bool is_gossip;
        struct peer_id peer, author;
        const char *topic;   /* valid until the next call */
        struct refbuf *data; /* owned, or NULL */
};
void pubsub_output_done(struct pubsub_output *o);

typedef bool (*pubsub_verify_fn)(void *userdata, const struct sign_public *key,
                                 struct bytes message, struct bytes signature);

struct pubsub *pubsub_new(const struct pubsub_config *config, const struct peer_id *self,
                          uint64_t seed);
struct pubsub *pubsub_free(struct pubsub *p); /* always NULL */
DEFINE_CLEANUP(struct pubsub *, pubsub_free);
void pubsub_verifier(struct pubsub *p, pubsub_verify_fn fn, void *userdata);
/* Wall clock in ns at `now`: sequence numbers of our messages start there. */
void pubsub_clock(struct pubsub *p, nsec_t now, uint64_t wall_ns);

bool pubsub_output(struct pubsub *p, struct pubsub_output *ret);
nsec_t pubsub_deadline(const struct pubsub *p);
void pubsub_expire(struct pubsub *p, nsec_t now);

/* ---- Peers ---- */

/* Our stream to it is open. outbound: we dialled; direct: an agreed peer, always served. */
struct pubsub_peer_info {
        struct peer_id peer;
        struct endpoint endpoint; /* for P6; family none: exempt */
        enum pubsub_version version;
        bool is_outbound, is_direct;
        bool may_mesh;         /* its proof of work is the network's; else it may talk, no more */
        struct refbuf *record; /* its signed peer record, for peer exchange, or NULL; a reference
                                  is taken */
};
void pubsub_peer_up(struct pubsub *p, const struct pubsub_peer_info *info, nsec_t now);
void pubsub_peer_down(struct pubsub *p, const struct peer_id *peer, nsec_t now);
/* One RPC of its stream. Budgets are charged before anything is unpacked or verified. */
void pubsub_receive(struct pubsub *p, const struct peer_id *peer, struct bytes rpc, nsec_t now);
/* The shell's queue to this peer has this many bytes waiting: backpressure. */
void pubsub_queued(struct pubsub *p, const struct peer_id *peer, size_t bytes, nsec_t now);
void pubsub_deny(struct pubsub *p, const struct peer_id *peer, bool denied, nsec_t now);
/* Application-specific score, P5. */
void pubsub_appraise(struct pubsub *p, const struct peer_id *peer, double score, nsec_t now);

/* ---- Topics and messages ---- */

struct pubsub_topic_params; /* score.h: weights of this topic */
enum pubsub_code {
        PUBSUB_OK = 0,
        PUBSUB_E_TOO_BIG,
        PUBSUB_E_TOPIC,     /* too long, or not UTF-8 */
        PUBSUB_E_DUPLICATE, /* that very data was seen within seen_ttl */
        PUBSUB_E_FULL,      /* too many messages wait for their signature */
};
/* params NULL: default. Subscribing twice is harmless. */
int pubsub_subscribe(struct pubsub *p, const char *topic, const struct pubsub_topic_params *params,
                     nsec_t now);
void pubsub_unsubscribe(struct pubsub *p, const char *topic, nsec_t now);
/* Goes out when pubsub_signed() answered the PUBSUB_SIGN that follows. */
int pubsub_publish(struct pubsub *p, uint64_t id, const char *topic, struct bytes data, nsec_t now);
void pubsub_signed(struct pubsub *p, uint64_t id, struct bytes signature, nsec_t now);
void pubsub_sign_failed(struct pubsub *p, uint64_t id, nsec_t now);
enum pubsub_verdict { PUBSUB_ACCEPT = 0, PUBSUB_REJECT, PUBSUB_IGNORE };
void pubsub_validated(struct pubsub *p, uint64_t id, enum pubsub_verdict verdict, nsec_t now);

/* ---- Looking ---- */

bool pubsub_in_mesh(const struct pubsub *p, const char *topic, const struct peer_id *peer);
/* In a mesh or fan-out of ours. */
bool pubsub_needs(const struct pubsub *p, const struct peer_id *peer);
size_t pubsub_mesh_size(const struct pubsub *p, const char *topic);
bool pubsub_has_subscriber(const struct pubsub *p, const char *topic); /* a peer that is up */
double pubsub_score(const struct pubsub *p, const struct peer_id *peer);
struct pubsub_counter {
        const char *name; /* "iwant_served", "duplicates", "graylisted", … in a fixed order */
        uint64_t value;
};
size_t pubsub_counters(const struct pubsub *p, const struct pubsub_counter **ret);
