#pragma once

/* Messages by id: which were seen lately, and the bodies of the last few
 * heartbeats for those who ask (IWANT). An id is SHA-256 of the data. Bounded in
 * number and bytes; what is over is let go, oldest first, and counted. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/nsec.h"
#include "common/base/refbuf.h"
#include "common/wire/peerid.h"
#include "services/gossip/pubsub.h"

struct message_id {
        uint8_t bytes[PUBSUB_ID_SIZE];
};
struct message_id message_id_of(struct bytes data);
static inline struct bytes message_id_bytes(const struct message_id *id) {
        return (struct bytes){ id->bytes, PUBSUB_ID_SIZE };
}

struct cache;
struct cached; /* one message with its body */

struct cache *cache_new(unsigned windows, nsec_t seen_ttl, size_t seen_max, size_t bytes_max,
                        uint64_t seed);
struct cache *cache_free(struct cache *c); /* always NULL */
DEFINE_CLEANUP(struct cache *, cache_free);

/* False: it was seen within seen_ttl (nothing changes). */
bool cache_see(struct cache *c, const struct message_id *id, nsec_t now);
bool cache_has_seen(const struct cache *c, const struct message_id *id);
void cache_unsee(struct cache *c, const struct message_id *id);

/* Into the newest window; topic must outlive it. raw: the message as sent; a reference is taken. */
void cache_put(struct cache *c, const struct message_id *id, const char *topic, struct refbuf *raw);
/* NULL: not here any more. asked: how often this peer has asked for it, this time included. */
struct refbuf *cache_ask(struct cache *c, const struct message_id *id, const struct peer_id *peer,
                         unsigned *ret_asked);
/* Ids of a topic in the newest `windows` windows, at most max. */
size_t cache_ids(const struct cache *c, const char *topic, unsigned windows, struct message_id *ret,
                 size_t max);
/* A heartbeat: the oldest window goes, and ids seen too long ago. */
void cache_shift(struct cache *c, nsec_t now);
void cache_forget_topic(struct cache *c, const char *topic);

struct cache_stats {
        uint64_t seen_evicted, bodies_evicted;
        size_t n_seen, n_bodies, bytes;
};
struct cache_stats cache_stats(const struct cache *c);
