#pragma once

/* A whole node: the cores of dht (with the record half) and gossip, joined as their shells join
 * them, on the transport model (links.h) and a disk (disk.h). What a node does with what reaches
 * it is a table of functions; node_honest calls the cores. Others copy it and replace rows. */

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/wire/multiaddr.h"
#include "services/coordinator/governor.h"
#include "services/dht/dht.h"
#include "services/dht/keeper.h"
#include "services/gossip/gossip.h"
#include "services/sim/disk.h"
#include "services/sim/links.h"
#include "services/sim/network.h"

#define REGIONS 5

/* An inbound question, from its arrival to its answer in the same turn. */
struct question {
        uint32_t slot, life; /* the asker */
        uint64_t id;         /* his number */
        enum sim_protocol protocol;
        enum purpose purpose;
        bool wants_answer, is_open;
};

struct behaviour {
        const char *name;
        /* Makes what runs; at: whom it knows to begin with. */
        void (*begin)(struct node *n, struct node *const *at, size_t n_at);
        void (*end)(struct node *n); /* lets go of what runs; the disk stays */
        nsec_t (*deadline)(const struct node *n);
        void (*expire)(struct node *n);
        void (*output)(struct node *n); /* carries out what the cores want; after every input */
        /* The transport model tells: */
        void (*peer_up)(struct node *n, struct node *peer, bool is_inbound);
        void (*peer_down)(struct node *n, const struct node *peer);
        void (*asked)(struct node *n, struct node *from, struct bytes message); /* n->question */
        void (*answered)(struct node *n, struct node *from, enum sim_protocol protocol, uint64_t id,
                         struct bytes message);
        void (*failed)(struct node *n, enum sim_protocol protocol, uint64_t id,
                       enum sim_failure why);
        void (*connected)(struct node *n, const struct node *to, uint64_t id); /* to NULL: nobody */
        void (*stream_opened)(struct node *n, struct node *to);
        void (*stream_closed)(struct node *n, struct node *to);
        void (*rpc)(struct node *n, struct node *from, struct bytes rpc);
        void (*tick)(struct node *n); /* every NODE_TICK */
};
extern const struct behaviour node_honest;

#define NODE_TICK        (10 * NSEC_PER_SEC)
#define NODE_CALL_GOSSIP (UINT64_C(1) << 62) /* calls of the dht made for gossip */

struct node {
        struct network *net;
        const struct behaviour *behaviour;
        uint32_t slot, life; /* life: of this session, unlike any other's; 0: away */
        uint64_t identity;
        struct sign_secret secret;
        struct peer_id peer;
        struct contact contact;
        struct endpoint endpoint;
        uint8_t region, half; /* half: of a split network */
        nsec_t access;        /* its own line, one way */
        int64_t skew_us;
        bool is_up, is_serving, is_hidden, is_attacker, is_rare, is_known; /* known: identity */
        bool is_doomed;           /* kill -9 in the middle of its next turn that writes */
        nsec_t born, stays_until; /* churn lets it be till then */

        struct dht *dht;
        struct keeper *keeper;
        struct gossip *gossip; /* NULL: without */
        struct governor governor;
        struct disk disk;
        bool is_described, is_located;
        unsigned n_ticks;
        struct list gatherings; /* look-ups for gossip under way */
        uint64_t last_question;
        struct question question;

        struct heap_entry timer;
        struct node *chain; /* of the same hash */
        struct list links;
        unsigned n_links;
        uint64_t bytes; /* sent and received, user look-ups apart */
};

/* A new identity in a free slot, not up yet. subnet: number of its /24, UINT32_MAX: its own. */
struct node *node_new(struct network *net, const struct behaviour *b, uint32_t subnet);
/* The same with an identity of the caller's: nobody has its secret. */
struct node *node_new_with(struct network *net, const struct behaviour *b, uint32_t subnet,
                           const struct sign_public *key);
void node_free(struct node *n); /* out of the network for good */
void node_start(struct node *n, struct node *const *at, size_t n_at);
void node_stop(struct node *n);   /* orderly: saves, says goodbye */
void node_kill(struct node *n);   /* kill -9, at the latest after a second */
void node_settle(struct node *n); /* after any input: output, then the timer */
void node_expire(struct node *n);

/* The halves of node_honest: node_dht.c and node_gossip.c. */
void node_dht_begin(struct node *n, struct node *const *at, size_t n_at);
void node_dht_end(struct node *n);
void node_dht_act(struct node *n, struct dht_action *a);
struct dht_remote node_remote(const struct node *n, const struct node *of);
void node_dht_tick(struct node *n);
void node_gossip_begin(struct node *n);
void node_gossip_act(struct node *n, struct gossip_action *a);
void node_gossip_peer(struct node *n, struct node *peer, bool is_inbound);
void node_gossip_tick(struct node *n);
/* For gossip: the closest of a key, from the table alone or by a look-up (call: NODE_CALL_GOSSIP).
 */
void node_gather(struct node *n, const struct gossip_action *a);
bool node_gathered(struct node *n, const struct dht_action *a); /* false: not such a call */

int64_t node_wall_us(const struct node *n);
void node_charge(struct node *n, enum part part, uint64_t bytes);
