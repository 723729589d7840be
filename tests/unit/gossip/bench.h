#pragma once

/* One router and peers played by hand: what it sends is taken apart and counted. */

#include "services/gossip/rpc_message.h"
#include "tests/support/test.h"

#define TOPIC       "quorate/test"
#define BENCH_PEERS 40
#define WALL_NS     UINT64_C(1790000000000000000)

/* What the router sent to one peer since bench_forget(). */
struct bench_sent {
        unsigned rpcs, gossip_rpcs, messages, subscribed, unsubscribed, ihaves, ihave_ids,
                iwant_ids, grafts, prunes, px, idontwant;
        uint64_t backoff; /* of the latest PRUNE */
        size_t largest;   /* RPC */
};

struct bench {
        struct pubsub *p;
        struct pubsub_config config;
        nsec_t now;
        struct peer_id self;
        struct sign_secret secrets[BENCH_PEERS];
        struct peer_id peers[BENCH_PEERS];
        struct sign_secret own;
        struct bench_sent sent[BENCH_PEERS];
        unsigned n_dropped, n_delivered, n_connects, n_signs, n_published;
        uint64_t published_to;
        struct peer_id dropped, connected;
        enum pubsub_verdict verdict;
        bool holds_verdicts, holds_signatures; /* the test answers itself */
        uint64_t held, to_sign;
        struct peer_id delivered_author;
        uint64_t sequence; /* of messages that are made here */
};

void bench_init(struct bench *b, const struct pubsub_config *config);
void bench_done(struct bench *b);
void bench_up(struct bench *b, unsigned peer, bool outbound);
void bench_down(struct bench *b, unsigned peer);
void bench_rpc(struct bench *b, unsigned peer, struct bytes rpc);
/* Takes the writer's RPCs, as if this peer had sent them. */
void bench_send(struct bench *b, unsigned peer, struct rpc_writer *w);
void bench_subscribe(struct bench *b, unsigned peer, const char *topic, bool subscribe);
void bench_graft(struct bench *b, unsigned peer, const char *topic);
void bench_prune(struct bench *b, unsigned peer, const char *topic, uint64_t seconds);
/* Up, subscribed, and in the mesh by its own wish. */
void bench_join(struct bench *b, unsigned peer);
void bench_drain(struct bench *b);
void bench_run(struct bench *b, nsec_t time);
void bench_forget(struct bench *b); /* what was sent */
uint64_t bench_counter(const struct bench *b, const char *name);

/* A message by `author`, signed by `signer`; release with refbuf_unref(). */
struct refbuf *bench_message(struct bench *b, unsigned author, unsigned signer, struct bytes data,
                             const char *topic);
/* One message alone in an RPC of `from`. */
void bench_deliver(struct bench *b, unsigned from, const struct refbuf *message);
/* Makes, delivers, releases: by its author itself, with these bytes in front of `size` others. */
struct message_id bench_say(struct bench *b, unsigned author, uint64_t number, size_t size);
