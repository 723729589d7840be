#include "services/gossip/shard.h"

#include <math.h>
#include <stdio.h>

#include "common/crypto/sign.h"

#define NEAR_BORDER 1.2 /* within a fifth of it */

static uint32_t top_bits(uint32_t v, unsigned bits) {
        return bits == 0 ? 0 : v & (UINT32_MAX << (32 - bits));
}

struct shard shard_of(const struct peer_id *peer, unsigned bits) {
        uint8_t digest[SHA256_SIZE];

        sha256_of(peer_id_bytes(peer), digest);
        return (struct shard){ bits, top_bits(load_be32(digest), bits) };
}

char *shard_topic(const struct shard *s, const char *network, char ret[SHARD_TOPIC_SIZE]) {
        (void) snprintf(ret, SHARD_TOPIC_SIZE, "quorate/caps/1/%s/%u/%08x", network, s->bits,
                        s->prefix);
        return ret;
}

bool shard_has_place(const struct shard *s, uint32_t place) {
        return top_bits(place, s->bits) == s->prefix;
}

bool shard_has(const struct shard *s, const struct peer_id *peer) {
        return shard_of(peer, s->bits).prefix == s->prefix;
}

static double hosts_each(unsigned bits, double hosts) {
        return ldexp(hosts, -(int) bits);
}

unsigned shard_choose(unsigned bits, double hosts, bool *ret_both) {
        while (bits < SHARD_BITS_MAX && hosts_each(bits, hosts) > SHARD_HOSTS_MAX)
                bits++;
        while (bits > 0 && hosts_each(bits, hosts) < SHARD_HOSTS_MIN)
                bits--;
        *ret_both = bits > 0 && hosts_each(bits, hosts) < SHARD_HOSTS_MIN * NEAR_BORDER;
        return bits;
}

unsigned shard_visited_bits(unsigned bits, double hosts) {
        bool may_be_split = hosts_each(bits, hosts) * NEAR_BORDER > SHARD_HOSTS_MAX;

        return bits < SHARD_BITS_MAX && may_be_split ? bits + 1 : bits;
}

/* Half as many again as the mean needs: shards differ in size. */
unsigned shard_visits(unsigned bits, double hosts, double share, unsigned want) {
        double all = ldexp(1, (int) bits);
        double found = hosts_each(bits, hosts) * share;
        double visits = found > 0 ? ceil(1.5 * want / found) : all;

        return (unsigned) (visits < all ? visits : all);
}
