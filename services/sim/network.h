#pragma once

/* Virtual time and what lies between nodes: a heap of events, regions with their
 * latencies, loss, silent links, a partition. The same seed gives the same events
 * in the same order: trace is a hash over all that nodes did. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/heap.h"
#include "common/base/refbuf.h"
#include "common/base/rng.h"
#include "common/wire/peerid.h"
#include "services/sim/keys.h"
#include "services/sim/settings.h"
#include "services/sim/shelf.h"
#include "services/sim/traffic.h"

#define SIM_WALL_US INT64_C(1790000000000000) /* wall clock at instant 0, µs since 1970 */

struct network;
struct node;
struct link;

/* Something that happens to a node. It happens only while that life of it lasts. */
struct event;
typedef void (*event_fn)(struct network *net, struct node *to, struct event *e);
struct event {
        struct heap_entry entry;
        event_fn fn;
        uint32_t to, to_life;     /* UINT32_MAX: nobody in particular; fn gets NULL */
        uint32_t from, from_life; /* who caused it */
        uint64_t id;
        uint32_t a, b;
        struct refbuf *data; /* owned, or NULL */
};

struct network {
        struct sim_settings settings;
        struct rng rng;
        nsec_t now;
        struct heap events, timers; /* timers: struct node.timer */
        struct event *spare;        /* a list through entry.when */
        struct node **slots;        /* NULL: free */
        uint32_t n_slots, n_up, n_attackers;
        uint32_t *free_slots, n_free;
        uint32_t last_life;
        struct node **peers; /* hash of identities */
        uint32_t n_peers, peers_size;
        struct link **links; /* hash of pairs */
        size_t n_links, links_size;
        uint32_t last_link;
        struct keys keys;
        struct shelf_pool pool; /* what disks keep */
        struct traffic traffic;
        uint64_t trace, n_events, last_identity, n_departed, n_killed, n_returned, n_undone;
        double alive; /* node seconds */
        nsec_t alive_at;
        struct measure *measure;
        const struct behaviour *honest; /* of those churn.c brings */
        struct attack *attack;
};

void network_init(struct network *net, const struct sim_settings *settings);
void network_done(struct network *net);

/* An event for `to` (NULL: for nobody in particular) at an instant; its other fields are zero. */
struct event *network_event(struct network *net, nsec_t when, event_fn fn, const struct node *to);
/* Runs until that instant; `until` is passed in small steps so that callers may look in between. */
void network_run(struct network *net, nsec_t until);
/* From here on chance is another. */
void network_reseed(struct network *net, uint64_t seed);
void network_mix(struct network *net, uint64_t value); /* into the trace */

/* One way, with jitter; a lost message costs a time-out more. */
nsec_t network_delay(struct network *net, const struct node *from, const struct node *to);
/* Whether anything gets through between the two at all. */
bool network_reaches(const struct network *net, const struct node *from, const struct node *to);
/* Whether the link between the two swallows what applications say. */
bool network_swallows(const struct network *net, const struct node *from, const struct node *to);

struct node *network_node(const struct network *net, uint32_t slot, uint32_t life); /* NULL: gone */
struct node *network_find(const struct network *net, const struct peer_id *peer);   /* or NULL */
void network_add(struct network *net, struct node *n); /* to be found by its peer id */
void network_remove(struct network *net, struct node *n);
/* One that is up, drawn uniformly; NULL: there is none. */
struct node *network_any(struct network *net);
void network_count(struct network *net); /* before n_up changes: node seconds */
