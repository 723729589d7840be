#pragma once

/* The records of one node's disk, small enough for thousands of nodes: what many keep alike is
 * kept once (struct shelf_pool), packed; a copy takes 24 bytes.
 * Answers as dht's store_memory does. Pure.
 */

#include "services/dht/store.h"

struct shelf_value;

struct shelf_pool {
        struct shelf_value **values; /* hash */
        size_t n_values, size;
        struct ZSTD_CCtx_s *packer;
        struct ZSTD_DCtx_s *unpacker;
};
void shelf_pool_init(struct shelf_pool *p);
void shelf_pool_done(struct shelf_pool *p); /* after all shelves */

struct shelf_copy {
        struct shelf_value *value; /* a reference */
        uint32_t received_s;       /* nobody asks more precisely */
        uint32_t publisher;        /* its first bytes: to count without looking elsewhere */
        struct subnet subnet;
        uint8_t class;
};

struct shelf {
        struct shelf_pool *pool;
        struct shelf_copy *copies; /* by key, then slot */
        size_t n, capacity;
        uint64_t bytes;
        int64_t next_expiry_us; /* nothing expires before */
};

void shelf_init(struct shelf *s, struct shelf_pool *pool);
void shelf_done(struct shelf *s);
/* What stands there, with a reference to its value; value NULL: nothing. */
struct shelf_copy shelf_take(const struct shelf *s, const struct key *key, const uint8_t slot[32]);
/* As it was, or nothing if there was nothing: undoes a write. Takes the reference. */
void shelf_restore(struct shelf *s, const struct key *key, const uint8_t slot[32],
                   struct shelf_copy was);
void shelf_release(struct shelf_pool *p, struct shelf_copy *c);

/* store_ops of the same names. */
int shelf_put(struct shelf *s, const struct stored_record *r);
int shelf_remove(struct shelf *s, const struct key *key, const uint8_t slot[32]);
int shelf_one(const struct shelf *s, const struct key *key, const uint8_t slot[32],
              store_record_fn fn, void *userdata);
int shelf_each(const struct shelf *s, const struct key *key, store_record_fn fn, void *userdata);
int shelf_walk(const struct shelf *s, const struct key *after, size_t max, store_record_fn fn,
               void *userdata);
int shelf_own(const struct shelf *s, store_record_fn fn, void *userdata);
uint64_t shelf_count_key(const struct shelf *s, const struct key *key);
uint64_t shelf_count_publisher(const struct shelf *s, const uint8_t publisher[32]);
uint64_t shelf_count_subnet(const struct shelf *s, const struct subnet *subnet);
size_t shelf_expire(struct shelf *s, int64_t now_us, size_t max);
