#pragma once

/* What the files of the front share with each other and nobody else. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rate.h"
#include "common/base/rng.h"
#include "services/dht/bootstrap.h"
#include "services/dht/calls.h"
#include "services/dht/estimate.h"
#include "services/dht/health.h"
#include "services/dht/lookup.h"
#include "services/dht/mode.h"
#include "services/dht/peerstore.h"
#include "services/dht/seen.h"
#include "services/dht/serve.h"
#include "services/dht/table.h"

#define NEIGHBOURS_MAX 512  /* peers with a connection, as transport tells */
#define DENIED_MAX     4096 /* as many as gossip keeps */
#define OWN_ADDRESSES  16
#define ASKS_MAX       1024 /* under way; beyond it only lookups ask */

enum counter {
        COUNT_REQUESTS = 0,
        COUNT_REQUESTS_LIMITED,
        COUNT_REQUESTS_INVALID,
        COUNT_REQUESTS_REFUSED,
        COUNT_REQUESTS_FAR,
        COUNT_ASKED,
        COUNT_ASKS_FAILED,
        COUNT_ANSWERS_INVALID,
        COUNT_ANSWERS_STRANGE, /* somebody else answered */
        COUNT_PEERS_WEAK,      /* too little proof of work */
        COUNT_PEERS_UNCOUNTED, /* connected, but NEIGHBOURS_MAX are known already */
        COUNT_LOOKUPS,
        COUNT_LOOKUPS_REFUSED,
        COUNT_LOOKUPS_TIMED_OUT,
        COUNT_LOOKUP_HOPS,
        COUNT_LOOKUP_ASKS,
        COUNT_LOOKUP_DROPPED,
        COUNT_REGION_OVERFLOWS,
        COUNT_PROBES,
        COUNT_VERIFIED,
        COUNT_REPAIRED,
        COUNT_CONNECTS,
        COUNT_MIRRORED, /* those below are kept elsewhere and copied on reading */
        COUNT_SUBNET_REFUSED = COUNT_MIRRORED,
        COUNT_TABLE_FULL,
        COUNT_EVICTED,
        COUNT_PROMOTED,
        COUNT_FAILURES_NOT_CHARGED,
        COUNT_OUTAGES,
        _COUNT_N,
};

/* A peer with a connection. */
struct neighbour {
        struct contact contact;
        struct endpoint endpoint;
        bool is_server, is_inbound, is_mdns, is_verified;
        unsigned pow_bits;
};

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
        OPERATION_SELF, /* maintenance: our own neighbourhood */
        OPERATION_FILL, /* maintenance: one bucket */
        _OPERATION_N,
};

#define FOUND_VALUES_MAX 8 /* different values of one name, per lookup */

struct found_value {
        struct refbuf *value;
        uint64_t sequence;
        int64_t received_us;
        unsigned copies;
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
        unsigned n_asks, n_copies, n_results, max, bucket;
        struct found_value values[FOUND_VALUES_MAX];
        size_t n_values;
        struct map *providers; /* seen already */
        dht_located_fn located;
        dht_stored_fn stored;
        void *userdata;
        nsec_t began;
};

struct dht {
        struct dht_config config;
        struct peer_id self;
        struct key self_key;
        struct store store;
        const struct record_rules *rules;
        void *rules_userdata;
        dht_verify_fn verify;
        void *verify_userdata;
        struct rng rng;
        int64_t wall_offset_us;

        struct table table;
        struct estimate estimate;
        struct seen seen;
        struct health health;
        struct mode mode;
        struct peerstore peerstore;
        struct bootstrap bootstrap;

        struct list actions, asks, operations;
        struct map *ask_ids, *neighbours, *denied, *rates;
        struct heap timers, operation_timers;
        uint64_t last_id;
        unsigned n_calls, n_operations;
        struct contact own; /* announced addresses */
        struct endpoint own_endpoints[OWN_ADDRESSES];
        size_t n_own;
        bool is_local; /* it has only loopback, private and link-local addresses */

        nsec_t now; /* of the call under way */
        bool is_started, is_server, is_bootstrapped;
        const char *mode_reason;
        struct rate verifications;
        nsec_t tick_at, self_at, self_pause, sample_at, save_at, maintain_at;
        uint64_t self_neighbours; /* fingerprint of the k closest */
        struct dht_counter counters[_COUNT_N];
};

static inline void dht_count(struct dht *d, enum counter c) {
        d->counters[c].value++;
}

/* action.c */
struct dht_action *dht_act(struct dht *d, enum dht_action_type type, uint64_t id);
void dht_event(struct dht *d, const char *name, const char *text, uint64_t value);

/* ask.c */
struct ask *ask_send(struct dht *d, const struct contact *to, enum dht_protocol protocol,
                     struct refbuf *message, bool wants_answer);
struct ask *ask_connect(struct dht *d, const struct contact *to);
void ask_drop(struct dht *d, struct ask *a); /* no longer wanted: DHT_FORGET */
void ask_expire(struct dht *d, nsec_t now);
/* A FIND_NODE for a point of the key space: with a key that hashes to its bucket if
 * one is found cheaply. *target becomes the point really asked for. */
struct refbuf *ask_find_point(struct dht *d, struct key *target, unsigned prefix);
struct refbuf *ask_find_exact(const struct key *target);

/* peers.c: what is known of others */
void peer_answered(struct dht *d, const struct dht_remote *from, const struct contact *dialled,
                   nsec_t rtt, nsec_t now);
void peer_failed(struct dht *d, const struct contact *c, nsec_t now);
void peer_refused(struct dht *d, const struct contact *c, nsec_t now); /* there, but of no use */
bool peer_is_denied(const struct dht *d, const struct key *key);
bool peer_is_usable(const struct dht *d, const struct contact *c, nsec_t now); /* of hearsay */
void peer_verify(struct dht *d, const struct contact *c, nsec_t now); /* it may come in: ask it */
bool peer_rate(struct dht *d, const struct peer_id *peer, unsigned units, nsec_t now);

/* operation.c: lookups; operation_end.c: what becomes of them */
struct operation *operation_new(struct dht *d, enum operation_kind kind, const struct key *target,
                                nsec_t now);
void operation_begin(struct dht *d, struct operation *o, nsec_t now);
void operation_free(struct dht *d, struct operation *o);
void operation_settle(struct dht *d, struct operation *o, nsec_t now);
void operation_expire(struct dht *d, nsec_t now);
void operation_heard(struct dht *d, struct operation *o, struct candidate *c,
                     const struct kad_message *answer, nsec_t now);
void operation_found(struct dht *d, struct operation *o, nsec_t now);
void operation_done(struct dht *d, struct operation *o, enum dht_code code, nsec_t now);
void operation_store(struct dht *d, struct operation *o, const struct contact *to,
                     struct refbuf *message, bool wants_answer);

/* maintain.c */
void maintain_start(struct dht *d, nsec_t now);
void maintain_tick(struct dht *d, nsec_t now);
void maintain_joined(struct dht *d, nsec_t now); /* somebody answered, and we knew nobody */
void maintain_looked(struct dht *d, struct operation *o, nsec_t now); /* SELF or FILL is over */
void maintain_save(struct dht *d);

void serve_for(const struct dht *d, struct serve *ret, nsec_t now); /* dht.c */
