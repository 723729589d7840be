#pragma once

/* What keeper's files share. */

#include "common/base/list.h"
#include "services/dht/errand.h"
#include "services/dht/givers.h"
#include "services/dht/keeper.h"
#include "services/dht/mailbox.h"
#include "services/dht/record_serve.h"

#define KEEPER_PENDING_MAX 64 /* calls under way */

struct keeper {
        struct keeper_config config;
        char network[RECORD_NETWORK_MAX + 1];
        struct dht *dht;
        struct peer_id self;
        uint64_t seed;
        struct rules *rules;
        struct quota *quota;
        struct replicate *replicate;
        struct pull *pull;
        double radius; /* 0: unknown */
        struct list pending;
        struct errands errands;
        size_t n_pending;
        size_t n_carrying; /* inherit.c */
};

/* The best value of a slot so far. */
struct found {
        struct refbuf *value;
        size_t n_copies; /* that nodes said to have */
        size_t group;    /* givers.h: for whom it counts */
};
struct found *found_free(struct found *f); /* always NULL */

/* A call of the shell that is under way. */
struct pending {
        struct list link;
        struct keeper *keeper;
        uint64_t sign_id; /* 0: signed already */
        enum record_kind kind;
        struct refbuf *name;
        uint64_t sequence;
        struct keeper_call call;
        nsec_t began;       /* reading */
        struct map *values; /* slot -> struct found */
        struct givers *givers;
        struct peer_id recipient;
        uint8_t slot[32];
        struct refbuf *tombstone; /* of a letter that the node being read still has */
};

/* NULL: too many; `done` was called. */
struct pending *keeper_begin(struct keeper *k, const struct keeper_call *call, nsec_t now);
/* Calls `done` and frees. */
void keeper_end(struct pending *p, enum keeper_code code, const char *text,
                const struct errand_sum *sum, nsec_t now);
/* The message to all that are responsible for p->name; `calls` with p as its userdata. */
void keeper_tell(struct pending *p, struct bytes message, const struct errand_calls *calls,
                 nsec_t now);
/* done of a call that only tells */
void keeper_told(void *userdata, const struct errand_sum *sum, nsec_t now);
struct refbuf *keeper_mailbox_name(const struct peer_id *peer);
