#pragma once

/* Messages under way in a router (router.h): what waits for a verdict or for its turn, for a
 * signature, or was promised by somebody. */

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/refbuf.h"
#include "services/gossip/cache.h"
#include "services/gossip/pubsub.h"

struct topic;
struct router_peer;

#define PENDING_MAX       1024 /* messages that wait for their validator */
#define PENDING_BYTES_MAX (8 * 1024 * 1024)
#define SIGNING_MAX       64
#define PROMISES_MAX      4096
#define PROMISE_TIME      (3 * NSEC_PER_SEC)

struct pending_other {
        struct peer_id peer;
        bool has_sent; /* to us; else it got it from us */
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
        bool is_direct;               /* from its author */
        struct pending_other *others; /* who has it, too: each once */
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
        struct list link, of_peer;
        struct message_id id;
        struct router_peer *peer;
        nsec_t until, asked;
        unsigned times;
};
