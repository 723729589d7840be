#pragma once

/* Shards: hosts speak of what they offer in a topic of 8 to 32 of them, so that
 * the traffic of a node does not grow with the network. The first b bits of
 * SHA-256(peer id) name the shard; b follows dht's estimate of the network. Those
 * are the DHT's key bits too, so the DHT's closest peers of a key with that prefix
 * are members, and whoever wants a sample finds them without joining. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire/peerid.h"

#define SHARD_TOPIC_SIZE 128
#define SHARD_HOSTS_MAX  23 /* more on average: a bit more; see shard_choose() */
#define SHARD_HOSTS_MIN  11 /* fewer: a bit less */
#define SHARD_BITS_MAX   24

struct shard {
        unsigned bits;
        uint32_t prefix; /* in the top `bits` bits */
};

struct shard shard_of(const struct peer_id *peer, unsigned bits);
/* "quorate/caps/1/<network>/<bits>/<prefix in hex>"; returns ret. */
char *shard_topic(const struct shard *s, const char *network, char ret[SHARD_TOPIC_SIZE]);
/* place: the first 32 bits of SHA-256(peer id), for those who keep them. */
bool shard_has_place(const struct shard *s, uint32_t place);
bool shard_has(const struct shard *s, const struct peer_id *peer);

/* Which shards to be in, by the number of hosts (estimate and interval). b stays as it is while
 * a shard of b bits holds SHARD_HOSTS_MIN to SHARD_HOSTS_MAX hosts: half a step of hysteresis.
 * ret_both: near a border, where others' estimates say b - 1: publish there as well. */
unsigned shard_choose(unsigned bits, double hosts, bool *ret_both);
/* As which shards an asker visits them: near a border others may have split theirs, and a member
 * of one half knows nothing of the other. */
unsigned shard_visited_bits(unsigned bits, double hosts);
/* How many shards an asker must visit to find `want` hosts when a share of them fits. */
unsigned shard_visits(unsigned bits, double hosts, double share, unsigned want);
