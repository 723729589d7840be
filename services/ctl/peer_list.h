#pragma once

/* Peers as several services know them, one row for each. */

#include "common/wire/peerid.h"
#include "common/wire/unpack.h"
#include "proto/gossip.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/command.h"

struct peer_row {
        struct peer_id peer;
        const Transport__Peer *link;      /* NULL: transport does not know it */
        const Gossip__Presence *presence; /* NULL: it was not heard of */
        bool is_told;                     /* the presence is what a peer told a crawl */
};

struct peer_list {
        struct peer_row *rows;
        size_t n_rows, n_allocated;
        struct unpacked *replies; /* what rows point into */
        size_t n_replies;
};

void peer_list_done(struct peer_list *l);
static inline void peer_list_donep(struct peer_list *l) {
        peer_list_done(l);
}
/* Take the reply (a transport.ListReply, gossip.PeersReply, gossip.CrawlReply). */
void peer_list_add_links(struct peer_list *l, struct unpacked *reply);
void peer_list_add_heard(struct peer_list *l, struct unpacked *reply);
void peer_list_add_told(struct peer_list *l, struct unpacked *reply);
/* One row for each peer: connected ones first, then by how far, then as they were seen. */
void peer_list_merge(struct peer_list *l);
/* For crawls: without those that no presence is of. Before or after merging. */
void peer_list_keep_presences(struct peer_list *l);

/* "connected", "backing off 3s", "answered", "heard", "told", "known". */
const char *peer_row_state(const struct peer_row *r);
/* A table, or one object a line. */
void peer_list_show(const struct command_context *ctx, const struct peer_list *l);
