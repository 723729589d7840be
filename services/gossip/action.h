#pragma once

/* What gossip wants done, as plain values. The shell (or the simulator) pulls
 * them with gossip_output() and carries them out in that order. Ids come from one
 * space; 0 is none. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/refbuf.h"
#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define GOSSIP_ADDRESSES_MAX 4

enum gossip_action_type {
        GOSSIP_NONE = 0,

        /* Our one-way GossipSub stream to a peer; answered by gossip_stream_opened() or
         * gossip_stream_closed(). */
        GOSSIP_STREAM_OPEN,  /* peer */
        GOSSIP_STREAM_CLOSE, /* peer; its streams to us too when n = 1 */
        GOSSIP_SEND,         /* peer; data: one RPC without its length; n = 1: may be dropped */

        /* /quorate/peers/1. Answered by gossip_answered() or gossip_ask_failed(). */
        GOSSIP_ASK,    /* id; peer, addresses, n = 1: by strangers; data: a packed peers.Request */
        GOSSIP_ANSWER, /* id of gossip_asked(); data: a packed peers.Reply */
        GOSSIP_REFUSE, /* id of gossip_asked(): reset */

        /* dht/lookup. Answered by gossip_found(). */
        GOSSIP_LOOKUP, /* id; key; n = how many; local = 1: from the table alone */
        GOSSIP_HINT,   /* peer, addresses: a crawl found it; for dht, unverified */

        GOSSIP_CONNECT, /* peer, addresses: dial, if not connected */
        GOSSIP_KEEP,    /* peer; n = 1: needed, 0: no longer */

        /* keyring/gossip. Answered by gossip_signed() or gossip_sign_failed(). */
        GOSSIP_SIGN_MESSAGE,    /* id; data: the bytes behind "libp2p-pubsub:" */
        GOSSIP_SIGN_CAPABILITY, /* id; data: a packed peers.Capability, of this node */

        GOSSIP_BLOCK, /* peer; n = 1: blocked, 0: lifted. For transport and coordinator */
        GOSSIP_DENY,  /* behind all of those: the whole list is others, for dht */
        GOSSIP_STORE, /* data: the deny list, to be durable before what follows is sent */

        GOSSIP_DRAWN,   /* id = call: draw (gossip.h) */
        GOSSIP_CRAWLED, /* id = call: crawl (gossip.h) */
        GOSSIP_EVENT,
        _GOSSIP_ACTION_N,
};

struct gossip_event {
        const char *name, *text; /* static; foreign text never stands here */
        struct peer_id peer;
        uint64_t value;
        bool is_warning;
};

struct gossip_drawn;
struct gossip_crawled;

struct gossip_action {
        enum gossip_action_type type;
        bool local;
        uint64_t id, n;
        struct peer_id peer;
        size_t n_addresses;
        struct multiaddr *addresses; /* owned */
        uint8_t key[32];
        struct refbuf *data; /* owned, or NULL */
        struct gossip_drawn *drawn;
        struct gossip_crawled *crawled;
        struct gossip_event event;
};

void gossip_action_done(struct gossip_action *a); /* harmless on an empty one */
static inline void gossip_action_donep(struct gossip_action *a) {
        gossip_action_done(a);
}
