#pragma once

/* A service as transport/streams sees it: serves protocols, opens streams, moves
 * bytes of a known pattern in both directions and checks every one of them. */

#include <stdbool.h>
#include <stdint.h>

#include "common/daemon/bus.h"
#include "common/daemon/channel.h"
#include "common/daemon/loop.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"
#include "proto/transport.pb-c.h"

#define TEST_STREAMS_MAX 300

/* One end. What a serving end does is what `defaults` of its client say. */
struct test_stream {
        struct streams_client *client;
        struct channel *channel; /* NULL: ended */
        uint64_t to_send, sent, received;
        bool holds; /* takes data, but gives no credit back */
        unsigned n_held;
        bool is_accepted, wants_finish, has_finished, peer_finished, has_ended, is_wrong;
        uint32_t code;
        char text[700], protocol[160];
};

struct streams_client {
        struct loop *loop;
        struct bus_client *bus;
        struct rpc_client *rpc;
        struct channel_acceptor acceptor;
        struct test_stream defaults; /* to_send, wants_finish, holds */
        struct test_stream streams[TEST_STREAMS_MAX];
        size_t n_streams; /* ours and theirs, in order */
        uint32_t code;    /* of the latest call */
        bool is_done;
};

void streams_client_init(struct streams_client *c, struct loop *loop, const char *path);
void streams_client_done(struct streams_client *c);

/* Serves one protocol instead of those before (NULL: none). Waits; the answer's code. */
uint32_t streams_client_serve(struct streams_client *c, const char *protocol);
uint32_t streams_client_keep(struct streams_client *c, const struct peer_id *peer, bool needed);
#define STREAMS_DENY_MAX 16
uint32_t streams_client_deny(struct streams_client *c, const struct peer_id *peers, size_t n);
/* The same, to outlive this client. */
uint32_t streams_client_deny_as(struct streams_client *c, const char *owner,
                                const struct peer_id *peers, size_t n);
uint32_t streams_found(struct streams_client *c, const struct peer_id *peer,
                       const struct multiaddr *address);
/* Any method; waits; the answer's code. */
uint32_t streams_call(struct streams_client *c, const char *method, const void *message);

struct test_stream *streams_client_open(struct streams_client *c, const struct peer_id *peer,
                                        const char *protocol, const char *address);
/* Sends n more bytes, then perhaps finishes. */
void test_stream_send(struct test_stream *s, uint64_t n, bool finish);
/* Gives back the credit of what was held, and holds no more. */
void test_stream_release(struct test_stream *s);
void test_stream_reset(struct test_stream *s);

/* Turns the loop until *flag or so much time has passed; whether it holds. */
bool streams_wait(struct loop *loop, const bool *flag, nsec_t timeout);
bool streams_wait_count(struct loop *loop, const uint64_t *count, uint64_t least, nsec_t timeout);
