#pragma once

/* Channels "watch": what changes about peers, told to services as PeerChanges
 * (proto/transport.proto). A watcher holds the ids of peers of which there is
 * something to say, not what there is to say: that is looked up when the channel
 * takes it. So what a slow reader makes us keep is one unit and at most twice
 * max-peers ids: peers that are connected, and those it was told of that are gone. */

#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/daemon/channel.h"

struct peer;
struct shell;

#define WATCHERS_MAX 16

struct watch {
        struct list all; /* struct watcher */
        struct shell *shell;
        uint64_t n_watchers, n_sent, n_merged, n_refused;
};

void watch_init(struct watch *w, struct shell *s);
void watch_done(struct watch *w); /* ends every channel */

/* Accepts it, and has every connected peer told; RPC_E_QUOTA beyond WATCHERS_MAX. */
void watch_open(struct watch *w, struct channel *c);
/* Something about this peer is new. Sent by watch_flush(), at the end of the turn. */
void watch_changed(struct watch *w, const struct peer *peer);
void watch_flush(struct watch *w);
