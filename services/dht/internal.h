#pragma once

/* What the files of the front share with each other and nobody else. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rate.h"
#include "common/base/rng.h"
#include "services/dht/bootstrap.h"
#include "services/dht/counters.h"
#include "services/dht/estimate.h"
#include "services/dht/health.h"
#include "services/dht/lookup.h"
#include "services/dht/mode.h"
#include "services/dht/operation.h"
#include "services/dht/peerstore.h"
#include "services/dht/seen.h"
#include "services/dht/serve.h"
#include "services/dht/table.h"

#define NEIGHBOURS_MAX 512 /* peers with a connection, as transport tells */
#define OWN_ADDRESSES  16
#define ASKS_MAX       1024 /* under way; beyond it only lookups ask */

/* Pages of Region and Fetch of /quorate/record/1, of half a millisecond each: of all, and of one
 * /24 or /48. A newcomer asks for 60 in all. */
#define WALK_RATE         128
#define WALK_BURST        512
#define WALK_SUBNET_RATE  16
#define WALK_SUBNET_BURST 128

/* A peer with a connection. */
struct neighbour {
        struct contact contact;
        struct endpoint endpoint;
        bool is_server, is_inbound, is_mdns, is_verified;
        unsigned pow_bits;
};

/* How fast each peer may still ask: those that asked most are remembered. */
struct peer_rates {
        struct {
                struct key key;
                nsec_t full; /* of its struct rate, all else of which is the same for all */
        } peers[SERVE_PEERS];
        size_t n;
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
        struct hash_value secret; /* whom of many providers to tell of */
        int64_t wall_offset_us;

        struct table table;
        struct estimate estimate;
        struct seen seen;
        struct health health;
        struct mode mode;
        struct peerstore peerstore;
        struct bootstrap bootstrap;

        struct list actions, asks, operations;
        struct map *ask_ids, *neighbours, *denied;
        struct peer_rates rates, walk_rates; /* the latter of subnets */
        struct rate walks;
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
        nsec_t tick_at, self_at, self_pause, sample_at, save_at, maintain_at, growth_at,
                growth_pause;
        unsigned n_samples;       /* drawn so far, or since the network was seen to grow */
        unsigned n_learnt;        /* of these, that told of a size */
        bool is_renewing;         /* the first ones are drawn once more */
        double size_then;         /* what our neighbourhood told of when they were drawn */
        uint64_t self_neighbours; /* fingerprint of the k closest */
        struct dht_counter counters[_COUNT_N];
};

static inline void dht_count(struct dht *d, enum counter c) {
        d->counters[c].value++;
}

/* action.c */
struct dht_action *dht_act(struct dht *d, enum dht_action_type type, uint64_t id);
struct dht_action *dht_last_action(struct dht *d); /* that dht_act() returned */
void dht_event(struct dht *d, const char *name, const char *text, uint64_t value);

/* peers.c: what is known of others */
void peer_answered(struct dht *d, const struct dht_remote *from, const struct contact *dialled,
                   nsec_t rtt, nsec_t now);
void peer_failed(struct dht *d, const struct contact *c, nsec_t now);
void peer_refused(struct dht *d, const struct contact *c, nsec_t now); /* there, but of no use */
void peers_load_denied(struct dht *d);
bool peer_is_denied(const struct dht *d, const struct key *key);
bool peer_is_usable(const struct dht *d, const struct contact *c, nsec_t now); /* of hearsay */
void peer_verify(struct dht *d, const struct contact *c, nsec_t now); /* it may come in: ask it */
void peers_verify_rest(struct dht *d, nsec_t now); /* connected servers not asked yet */
bool peer_rate(struct dht *d, const struct peer_id *peer, unsigned units, nsec_t now);
bool peer_may_walk(struct dht *d, const struct dht_remote *from, nsec_t now);

/* maintain.c */
void maintain_start(struct dht *d, nsec_t now);
void maintain_tick(struct dht *d, nsec_t now);
void maintain_mode(struct dht *d);               /* a server from now on, or a client? */
void maintain_joined(struct dht *d, nsec_t now); /* somebody answered, and we knew nobody */
void maintain_looked(struct dht *d, struct operation *o, nsec_t now); /* SELF or FILL is over */
void maintain_save(struct dht *d);

void serve_for(const struct dht *d, struct serve *ret, nsec_t now); /* dht.c */
