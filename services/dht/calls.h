#pragma once

/* What the record side (replicate, topics, mailboxes) asks of the front: to find the
 * nodes responsible for a key, to ask one of them, to store a value again. Each ends
 * with one call of its function, within lookup_timeout; never from inside the call
 * that begins it. */

#include "common/base/refbuf.h"
#include "services/dht/dht.h"

/* Contacts are views: responsible nodes that answered, nearest first, at most 64. */
typedef void (*dht_located_fn)(void *userdata, const struct contact *nodes, size_t n, nsec_t now);
typedef void (*dht_told_fn)(void *userdata, const struct peer_id *from, const struct bytes *message,
                            nsec_t now); /* message NULL: it failed */
typedef void (*dht_stored_fn)(void *userdata, unsigned n_copies, nsec_t now);

/* False: too many lookups are under way; fn is not called. */
bool dht_locate(struct dht *d, const struct key *key, dht_located_fn fn, void *userdata,
                nsec_t now);
/* One message of /quorate/record/1. With fn an answer is expected, without one sent is
 * enough. False: too many requests are under way, or the peer is denied. */
bool dht_tell(struct dht *d, const struct contact *to, struct bytes message, dht_told_fn fn,
              void *userdata, nsec_t now);
/* PUT_VALUE on every node responsible, whoever the value belongs to. */
bool dht_put_again(struct dht *d, struct bytes name, struct bytes value, dht_stored_fn fn,
                   void *userdata, nsec_t now);
/* ADD_PROVIDER for ourselves. */
bool dht_provide_again(struct dht *d, struct bytes multihash, dht_stored_fn fn, void *userdata,
                       nsec_t now);
/* A packed keyring.SignRecordRequest; answered by record_rules.on_signed with this id. */
uint64_t dht_sign(struct dht *d, struct bytes request);
bool dht_is_server(const struct dht *d);
/* Whether this node is among the k closest to the key as far as its table tells. */
bool dht_is_responsible(const struct dht *d, const struct key *key);
/* Those known around a point, ourselves included, to rank many keys there: the first 64 bits of
 * their keys, of the nearest DHT_AROUND_MAX. */
#define DHT_AROUND_MAX 64
struct dht_around {
        uint64_t prefixes[DHT_AROUND_MAX + 1];
        size_t n;
};
void dht_around(const struct dht *d, const struct key *point, struct dht_around *ret);
/* How many of them are closer to the key than `who`. */
size_t dht_rank_around(const struct dht_around *a, const struct key *key, const struct key *who);
/* Whether who answers for the record is denied: it is neither kept nor shown. */
bool dht_denies(const struct dht *d, const struct stored_record *r);
/* As dht_verifier() says, else Ed25519. */
bool dht_verify(const struct dht *d, const struct sign_public *key, struct bytes message,
                struct bytes signature);
int64_t dht_wall_us(const struct dht *d, nsec_t now);
/* Well enough to say how far from a key its holders stand; until then they are the k closest. */
bool dht_knows_size(const struct dht *d);
const struct store *dht_store(const struct dht *d);
