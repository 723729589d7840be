#pragma once

/* The transport model: connections between pairs of nodes, requests and streams on them, and what
 * all that costs (costs.h). It does what services/transport does as far as dht and gossip can
 * tell: dials take a round trip, identify another; a connection nobody needs ends after 30 s; one
 * that is kept at one end is kept alive, streams of GossipSub alone keep none; who dies without
 * a word is missed after 30 s; addresses that do not answer cost packets and 2 s.
 *
 * Left out: two dials at once become one connection; no congestion, no limits but
 * LINKS_MAX; a node's address never changes. Pure. */

#include "common/base/list.h"
#include "services/sim/network.h"

#define LINKS_MAX 512 /* connections of one node; more are refused */

enum link_end { LINK_DIALLER = 0, LINK_LISTENER };

struct link_place {
        struct list list;
        struct link *link;
};

struct link {
        struct link_place at[2]; /* in struct node.links of both */
        struct link *chain;      /* of the same hash */
        uint32_t slot[2], life[2];
        nsec_t ready, last; /* handshake done; the latest sign of life */
        nsec_t arrival[2];  /* of the latest message to that end: streams keep their order */
        bool kept[2], has_stream[2]; /* its owner's; a stream goes from that end */
        bool is_identified, is_cut;  /* is_cut: nothing gets through any more */
        uint32_t serial;
};

enum sim_protocol { SIM_KAD = 0, SIM_RECORD, SIM_PEERS, _SIM_PROTOCOLS };
enum sim_failure { SIM_UNREACHABLE = 0, SIM_NO_PROTOCOL, SIM_RESET };

struct sim_ask {
        enum sim_protocol protocol;
        enum purpose purpose;
        bool wants_answer;
        uint64_t id; /* the asker's own */
        const struct peer_id *to;
        struct refbuf *data;
};
/* Ends with one call of behaviour.answered or .failed, or none at all where the other side is
 * silent: the asker has time-outs of his own. */
void links_ask(struct network *net, struct node *from, const struct sim_ask *ask);
/* In answer to the question under way (node.question). data NULL: it needs none; refused: reset. */
void links_answer(struct network *net, struct node *from, struct refbuf *data, bool is_refused);

/* Ends with behaviour.connected, unless id is 0. */
void links_connect(struct network *net, struct node *from, const struct peer_id *to, uint64_t id,
                   enum purpose purpose);
void links_keep(struct network *net, struct node *from, const struct peer_id *to, bool on);
/* behaviour.stream_opened or .stream_closed follows. */
void links_stream_open(struct network *net, struct node *from, const struct peer_id *to);
void links_stream_close(struct network *net, struct node *from, const struct peer_id *to);
/* One RPC on our stream; dropped when there is none. */
void links_send(struct network *net, struct node *from, const struct peer_id *to,
                struct refbuf *data);
/* At once, with a word to the other side. */
void links_close(struct network *net, struct node *from, const struct peer_id *to);

/* All of a node's: with a word to the others, or none. */
void links_leave(struct network *net, struct node *from, bool says_so);
/* Without a word, and for good: the node goes out of the network. */
void links_forget(struct network *net, struct node *n);
struct link *links_find(const struct network *net, const struct node *a, const struct node *b);
