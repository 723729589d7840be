#pragma once

/* The parts of the gossip core (gossip.h) as they see one another.
 *
 * gossip.c   life, peers and streams, the router's outputs
 * heard.c    records of others
 * publish.c  what this node says about itself, in which shards
 * serve.c    /quorate/peers/1 for others
 * ask.c      questions to others, and lookups: one table of what is under way
 * draw.c, collect.c  candidates for the coordinator
 * crawl.c    peers for people
 * deny.c, spread.c  the deny list; revocations, from node to node */

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/rate.h"
#include "common/base/rng.h"
#include "common/crypto/identity.h"
#include "common/wire/envelope.h"
#include "proto/peers.pb-c.h"
#include "services/gossip/counters.h"
#include "services/gossip/deny.h"
#include "services/gossip/early.h"
#include "services/gossip/gossip.h"
#include "services/gossip/shard.h"

#define CALLS_MAX   32 /* draws and crawls at once */
#define ASKED_MAX   1024
#define REPLY_MAX   (64 * 1024)
#define REQUEST_MAX 2048
#define SHARDS_MAX  2
#define OWN_SPACING NSEC_PER_SEC /* between publications, however often slots come and go */

struct known_peer {
        struct peer_id peer;
        struct endpoint endpoint;
        bool is_outbound, is_elsewhere, speaks_peers, has_stream, wants_stream;
        bool has_spoken, is_needed, is_kept; /* kept: its connection, by transport */
        uint32_t pow_bits, place;            /* place: of its key, the first 32 bits */
        enum pubsub_version version;
        struct refbuf *record;
        uint8_t *addresses; /* packed, each a multiaddr's length and bytes */
        size_t addresses_len, n_addresses;
        struct rate questions;
        nsec_t retry_at; /* of our stream to it */
};

struct queued_action {
        struct list link;
        struct gossip_action action;
};

/* One shard this node is in. */
struct membership_topic {
        bool is_joined;
        struct shard shard;
        char topic[SHARD_TOPIC_SIZE];
};

struct gossip {
        struct gossip_config config;
        char network[CAPABILITY_TEXT_MAX + 1];
        struct peer_id self;
        struct rng rng;
        struct pubsub *router;
        struct offers *offers;
        struct early *early;
        pubsub_verify_fn verify;
        void *verify_userdata;
        nsec_t clock_at;
        uint64_t clock_wall;
        struct map *peers, *asks, *calls, *denied;
        struct list actions, ask_order, call_order;
        uint64_t next_id, rank_secret;
        size_t n_places[_DENIED_PLACES_N];         /* taken */
        bool is_started, is_revoked, is_list_told; /* told: the deny list of now, to dht */
        nsec_t now;                                /* of the latest input, for what it sets off */

        /* ourselves */
        struct multiaddr own[GOSSIP_ADDRESSES_MAX];
        size_t n_own;
        struct refbuf *offer; /* a packed peers.Capability, or NULL */
        uint32_t published_free, offered_free;
        uint64_t sequence, stored_sequence, signing; /* signing: id under way, 0: none */
        struct refbuf *signing_body;
        size_t signing_shard;
        nsec_t next_publication, last_publication;
        uint64_t n_publications;
        bool is_unheard;           /* the last publication reached nobody */
        struct refbuf *own_record; /* signed, as last published */

        /* shards */
        double nodes;
        unsigned bits;
        bool in_both;
        struct membership_topic shards[SHARDS_MAX];
        nsec_t next_members, next_tending;
        unsigned n_misses; /* members looked for in vain, since the last that was found */
        nsec_t listening;  /* since when others of our shard have spoken to us */

        struct rate served, spreading; /* questions, of all peers together; revocations told */
        nsec_t next_lifting;           /* the first block that ends */

        struct pubsub_counter counters[_GOSSIP_COUNTERS];
};

#define g_count(g, what) ((void) (g)->counters[what].value++)

/* ---- gossip.c, heard.c ---- */
struct gossip_action *gossip_add(struct gossip *g, enum gossip_action_type type, uint64_t id);
uint64_t gossip_next_id(struct gossip *g);
uint64_t gossip_wall(const struct gossip *g, nsec_t now);
struct known_peer *gossip_known(const struct gossip *g, const struct peer_id *peer); /* NULL */
void gossip_set_addresses(struct gossip_action *a, const struct multiaddr *addrs, size_t n);
/* A record from wherever: checked, verified, into the table. charge may be NULL. True: it is right,
 * new or not; ret (may be NULL) gets a reference of its bytes. */
bool gossip_take_record(struct gossip *g, struct bytes record, nsec_t now, struct capability *ret);
/* An address that a stranger told: a private one leads into whatever network we are in, so only a
 * node without a public address, or of a private network, may. */
bool gossip_may_dial(const struct gossip *g, const struct multiaddr *a);
/* Those of a list; returns how many. */
size_t gossip_dialable(const struct gossip *g, const struct multiaddr *list, size_t n,
                       struct multiaddr *ret, size_t max);

/* ---- publish.c ---- */

void publish_shards(struct gossip *g, nsec_t now);
void publish_soon(struct gossip *g, nsec_t now); /* as soon as the spacing allows */
void publish_expire(struct gossip *g, nsec_t now);
void publish_reached(struct gossip *g, uint64_t n);    /* the last one went to so many peers */
void publish_heard_from(struct gossip *g, nsec_t now); /* a peer spoke: the first, perhaps */
nsec_t publish_deadline(const struct gossip *g);
void publish_signed(struct gossip *g, struct bytes signature, nsec_t now);
