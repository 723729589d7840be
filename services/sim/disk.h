#pragma once

/* A node's disk: the record store in memory, with what kill -9 does to it. Each turn of the
 * shell writes, syncs, and only then lets answers out; disk_crash() undoes what was
 * written since the latest disk_sync(). Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "services/dht/store.h"
#include "services/sim/shelf.h"

struct disk {
        struct shelf shelf;                    /* records */
        struct store inner;                    /* providers and small named values */
        struct list undo;                      /* the latest write first; empty: all is synced */
        struct refbuf *gossip, *gossip_synced; /* gossip.db: its one blob */
        uint64_t n_syncs, n_undone;
};

void disk_init(struct disk *d, struct shelf_pool *pool, uint64_t seed); /* pool: of the network */
void disk_done(struct disk *d);
struct store disk_store(struct disk *d); /* valid as long as d stands where it stands */
void disk_gossip_put(struct disk *d, struct refbuf *state); /* takes a reference */
bool disk_is_dirty(const struct disk *d);
void disk_sync(struct disk *d);
void disk_crash(struct disk *d);
void disk_wipe(struct disk *d); /* forgets every record and provider */
