#pragma once

/* One dht without others: a test says what the peers it makes up do. Pure. */

#include <stdbool.h>

#include "services/dht/internal.h"

#define SECOND NSEC_PER_SEC

struct peer {
        struct dht_remote remote;
};

/* With a key, an address in a /24 of its own and proof of work; for peer_done(). */
struct peer peer_number(unsigned i, bool is_server);
void peer_done(struct peer *p);

/* Number 0, a server, started at one second; `adjust` may change its configuration. For dht_free().
 */
struct dht *node_new(void (*adjust)(struct dht_config *));
/* Takes all actions; returns how many were of this type, the last one for dht_action_done(). */
unsigned drain(struct dht *d, enum dht_action_type type, struct dht_action *ret_last);
/* Answers a DHT_ASK with these contacts, at two seconds. */
void answer(struct dht *d, const struct dht_action *ask, const struct dht_remote *from,
            const struct contact *closer, size_t n);
bool is_in_table(const struct dht *d, const struct peer *p);
/* Peers of these numbers have answered. */
void fill_table(struct dht *d, unsigned first, unsigned n);
