#pragma once

/* Entries in order of (key, slot): an intrusive treap (Seidel and Aragon, 1996),
 * O(log n) expected whatever keys peers choose, since priorities are drawn from a
 * seed. Also what both stores count alike. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rng.h"
#include "services/dht/store.h"

struct order_id {
        struct key key;
        uint8_t slot[32];
};
struct order_id order_id_of(const struct key *key, const uint8_t slot[32]);

struct order_node {
        struct order_id id;
        uint64_t priority;
        struct order_node *left, *right, *parent;
};

struct order {
        struct order_node *root;
        struct rng rng;
};

void order_init(struct order *o, uint64_t seed);
struct order_node *order_find(const struct order *o, const struct order_id *id);
/* The first one behind `id`, or at it (inclusive); NULL: none. */
struct order_node *order_from(const struct order *o, const struct order_id *id, bool inclusive);
struct order_node *order_next(const struct order *o, const struct order_node *node);
/* The id must not be in. The node is the caller's. */
void order_insert(struct order *o, struct order_node *node);
void order_remove(struct order *o, struct order_node *node);

struct subnet store_subnet_wide(const struct subnet *s);
bool store_has_publisher(const struct stored_record *r);
