#pragma once

/* One gossip core and everybody else played by hand. */

#include "proto/peers.pb-c.h"
#include "services/gossip/gossip.h"
#include "services/gossip/rpc_message.h"
#include "tests/support/test.h"

#define CORE_WALL UINT64_C(1790000000000000000)

struct core_bench {
        struct gossip *g;
        nsec_t now;
        struct peer_id self;
        struct sign_secret secret;
        unsigned n[_GOSSIP_ACTION_N]; /* actions, by type */
        uint64_t asked[64], n_asked;  /* ids of questions not answered yet */
        struct peer_id asked_peers[64];
        uint64_t lookups[64], n_lookups; /* ids of those of draws */
        unsigned n_given;                /* of them, by addresses that a person gave */
        size_t asked_addresses;          /* most of one question */
        struct refbuf *stored, *statement, *answer, *question; /* the latest */
        bool signs;                                            /* answers signatures at once */
        bool stored_before_signing;
        uint64_t sign_id;
        struct gossip_drawn *drawn;
        struct gossip_crawled *crawled;
        unsigned private_dials;    /* private addresses in questions, connects, hints */
        size_t connect_addresses;  /* most of one GOSSIP_CONNECT or GOSSIP_HINT */
        struct peer_id watched;    /* whose GOSSIP_SENDs are looked into */
        unsigned watched_messages; /* in them */
};

void core_init(struct core_bench *c, const struct gossip_config *config);
void core_done(struct core_bench *c);
void core_forget(struct core_bench *c); /* counts and results */
void core_drain(struct core_bench *c);
void core_run(struct core_bench *c, nsec_t time);
struct peer_id core_peer(unsigned n, struct sign_secret *ret_secret);
void core_up(struct core_bench *c, unsigned n);
void core_dialled(struct core_bench *c, unsigned n); /* the same, by us */
/* Up with a stream, subscribed to the topic and in its mesh. */
void core_join(struct core_bench *c, unsigned n, const char *topic);
/* One RPC of peer n. */
void core_rpc(struct core_bench *c, unsigned n, struct rpc_writer *w);
/* Peer `author` says it, peer `from` brings it. */
void core_say(struct core_bench *c, unsigned author, unsigned from, const char *topic,
              const struct refbuf *record);
struct multiaddr core_address(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
/* A record of peer n, signed; release with refbuf_unref(). */
struct refbuf *core_record(unsigned n, uint64_t sequence, const char *name, bool is_right);
struct refbuf *core_record_at(unsigned n, uint64_t sequence, const struct multiaddr *at,
                              size_t n_at);
uint64_t core_counter(const struct core_bench *c, const char *name);
