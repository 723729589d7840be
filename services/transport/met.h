#pragma once

/* Who was there when an address without a peer id ("host:port") was first dialled. From then on
 * that address stands for that peer: whoever else answers there is refused. What the configuration
 * names with its id is not looked up here. Pure; the shell keeps the list on disk. */

#include <stdbool.h>
#include <stddef.h>

#include "common/wire/multiaddr.h"
#include "common/wire/peerid.h"

#define MET_MAX 64 /* the oldest gives way */

struct met_entry {
        struct multiaddr addr;
        struct peer_id peer;
        bool is_other; /* when it was last dialled somebody else answered there */
};

struct met {
        struct met_entry entries[MET_MAX]; /* in the order in which they were met */
        size_t n;
};

/* Names that lead to a list of peers, which may change, stand for nobody. */
bool met_is_kept(const struct multiaddr *addr);
/* NULL: nobody yet. */
struct met_entry *met_find(struct met *m, const struct multiaddr *addr);
/* True when that is new; who was met first stays. */
bool met_learn(struct met *m, const struct multiaddr *addr, const struct peer_id *peer);
