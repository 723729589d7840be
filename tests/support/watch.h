#pragma once

/* A channel "watch" of transport/streams, and what it told of each peer. */

#include <stdbool.h>
#include <stdint.h>

#include "common/daemon/channel.h"
#include "common/wire/frame.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "proto/transport.pb-c.h"
#include "tests/support/streams.h"

#define WATCHED_MAX 64

/* The latest change of one peer. */
struct watched_peer {
        struct peer_id peer;
        bool connected, inbound, identified, mdns;
        uint32_t work;
        size_t n_addresses, n_protocols, record_len;
        struct multiaddr address, first_address; /* zero: none */
        char agent[160], last_protocol[160];
        uint8_t record[4096];
        uint64_t n_changes;
};

struct watch_client {
        struct channel *channel; /* NULL: ended */
        struct frame_reader in;
        struct watched_peer peers[WATCHED_MAX];
        size_t n_peers;
        uint64_t n_changes;
        bool holds; /* takes units, but gives no credit back */
        unsigned n_held;
        uint32_t code; /* of its end */
        bool has_ended;
};

/* The link of c is up: something was called before. */
void watch_client_init(struct watch_client *w, struct streams_client *c);
void watch_client_release(struct watch_client *w); /* what was held, and no more */
void watch_client_done(struct watch_client *w);
/* NULL: not told of. */
const struct watched_peer *watch_find(const struct watch_client *w, const struct peer_id *peer);
/* Turns the loop until the peer was told of as wanted; whether it was. */
bool watch_wait(struct watch_client *w, struct loop *loop, const struct peer_id *peer,
                bool (*wanted)(const struct watched_peer *p), nsec_t timeout);
bool watched_connected(const struct watched_peer *p);
bool watched_gone(const struct watched_peer *p);
bool watched_identified(const struct watched_peer *p); /* and connected */
