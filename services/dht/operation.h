#pragma once

/* Requests under way, and lookups with what follows them. Only the files of the front
 * include this. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "services/dht/calls.h"
#include "services/dht/lookup.h"
#include "services/dht/message.h"

struct ask;
/* message NULL: it failed. `answer` is NULL for DHT_PROTOCOL_RECORD. */
typedef void (*ask_done_fn)(struct dht *d, struct ask *a, const struct kad_message *answer,
                            const struct bytes *message, nsec_t now);

/* A DHT_ASK or DHT_CONNECT that is under way. */
struct ask {
        struct heap_entry timer;
        struct list link; /* in dht->asks */
        uint64_t id;
        enum dht_protocol protocol;
        struct contact contact;
        nsec_t sent;
        ask_done_fn done;
        void *owner; /* an operation, a source to begin with, the record side's userdata */
        dht_told_fn told;
        int edge;
        bool wants_answer, is_store;
};

enum operation_kind {
        OPERATION_CLOSEST = 0,
        OPERATION_PEER,
        OPERATION_PUT,
        OPERATION_GET,
        OPERATION_PROVIDE,
        OPERATION_PROVIDERS,
        OPERATION_LOCATE,
        OPERATION_SELF,   /* maintenance, from here on: our own neighbourhood */
        OPERATION_SAMPLE, /* a point we drew: for the estimate */
        OPERATION_FILL,   /* one bucket */
        _OPERATION_N,
};

#define FOUND_VALUES_MAX 8 /* different values of one name, per lookup */

struct found_value {
        struct refbuf *value;
        uint64_t sequence;
        int64_t received_us;
        unsigned copies;
};

#define FOUND_PROVIDERS_MAX 256

struct told_provider {
        struct contact contact;
        uint8_t turn; /* how many whoever told of it named before it; the least */
};

/* A lookup and what comes after it. */
struct operation {
        struct list link;
        struct heap_entry timer;
        uint64_t call; /* 0: our own */
        enum operation_kind kind;
        struct lookup *lookup;
        struct refbuf *request, *name, *value;
        struct peer_id peer;
        bool is_storing, is_done, has_nobody;
        bool is_of_neighbours; /* nobody else answered: each that is connected is asked once */
        unsigned n_asks, n_copies, n_stores, n_results, max,
                bucket; /* n_stores: copies given out */
        struct found_value values[FOUND_VALUES_MAX];
        size_t n_values;
        struct told_provider *told; /* for the end, FOUND_PROVIDERS_MAX at most */
        size_t n_told;
        struct map *providers; /* by key: their numbers + 1 */
        dht_located_fn located;
        dht_stored_fn stored;
        void *userdata;
        nsec_t began;
};

/* ask.c */
struct ask *ask_send(struct dht *d, const struct contact *to, enum dht_protocol protocol,
                     struct refbuf *message, bool wants_answer);
struct ask *ask_connect(struct dht *d, const struct contact *to);
void ask_drop(struct dht *d, struct ask *a); /* no longer wanted: DHT_FORGET */
void asks_expire(struct dht *d, nsec_t now);
/* A FIND_NODE for a point of the key space: with a key that hashes to its bucket if
 * one is found cheaply. *target becomes the point really asked for. */
struct refbuf *ask_find_point(struct dht *d, struct key *target, unsigned prefix);
struct refbuf *ask_find_exact(const struct key *target);

/* operation.c: lookups; operation_end.c: what becomes of them */
struct operation *operation_new(struct dht *d, enum operation_kind kind, const struct key *target,
                                nsec_t now);
void operation_begin(struct dht *d, struct operation *o, nsec_t now);
void operation_free(struct dht *d, struct operation *o);
void operation_settle(struct dht *d, struct operation *o, nsec_t now);
void operation_expire(struct dht *d, nsec_t now);
void operation_heard(struct dht *d, struct operation *o, struct candidate *c,
                     const struct kad_message *answer, nsec_t now);
void operation_add_providers(struct dht *d, struct operation *o); /* this node's own */
void operation_found(struct dht *d, struct operation *o, nsec_t now);
void operation_account(struct dht *d, const struct operation *o); /* the last request is its */
void operation_done(struct dht *d, struct operation *o, enum dht_code code, nsec_t now);
void operation_store(struct dht *d, struct operation *o, const struct contact *to,
                     struct refbuf *message, bool wants_answer);
