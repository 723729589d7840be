#include "services/dht/store_order.h"

#include <string.h>

struct order_id order_id_of(const struct key *key, const uint8_t slot[32]) {
        struct order_id id = { .key = *key };

        memcpy(id.slot, slot, sizeof(id.slot));
        return id;
}

void order_init(struct order *o, uint64_t seed) {
        *o = (struct order){};
        rng_init(&o->rng, seed);
}

static int compare(const struct order_id *a, const struct order_id *b) {
        return memcmp(a, b, sizeof(*a)); /* bytes only: there is no padding */
}

struct order_node *order_find(const struct order *o, const struct order_id *id) {
        struct order_node *n = o->root;
        int c;

        while (n && (c = compare(id, &n->id)) != 0)
                n = c < 0 ? n->left : n->right;
        return n;
}

struct order_node *order_from(const struct order *o, const struct order_id *id, bool inclusive) {
        struct order_node *best = NULL;

        for (struct order_node *n = o->root; n;) {
                int c = compare(&n->id, id);

                if (c > 0 || (c == 0 && inclusive)) {
                        best = n;
                        n = n->left;
                } else {
                        n = n->right;
                }
        }
        return best;
}

struct order_node *order_next(const struct order *o, const struct order_node *node) {
        struct order_node *n = node->right;

        if (n) {
                while (n->left)
                        n = n->left;
                return n;
        }
        for (n = node->parent; n && n->right == node; n = n->parent)
                node = n;
        return n;
}

static void replace_child(struct order *o, struct order_node *parent, struct order_node *old,
                          struct order_node *by) {
        if (!parent)
                o->root = by;
        else if (parent->left == old)
                parent->left = by;
        else
                parent->right = by;
        if (by)
                by->parent = parent;
}

/* Lifts n above its parent; the order of ids stays. */
static void lift(struct order *o, struct order_node *n) {
        struct order_node *parent = n->parent;

        replace_child(o, parent->parent, parent, n);
        if (parent->left == n) {
                parent->left = n->right;
                if (n->right)
                        n->right->parent = parent;
                n->right = parent;
        } else {
                parent->right = n->left;
                if (n->left)
                        n->left->parent = parent;
                n->left = parent;
        }
        parent->parent = n;
}

void order_insert(struct order *o, struct order_node *node) {
        struct order_node **at = &o->root, *parent = NULL;

        while (*at) {
                parent = *at;
                at = compare(&node->id, &parent->id) < 0 ? &parent->left : &parent->right;
        }
        *at = node;
        node->parent = parent;
        node->left = node->right = NULL;
        node->priority = rng_u64(&o->rng);
        while (node->parent && node->parent->priority < node->priority)
                lift(o, node);
}

void order_remove(struct order *o, struct order_node *node) {
        while (node->left && node->right)
                lift(o, node->left->priority > node->right->priority ? node->left : node->right);
        replace_child(o, node->parent, node, node->left ? node->left : node->right);
        node->left = node->right = node->parent = NULL;
}

struct subnet store_subnet_wide(const struct subnet *s) {
        struct subnet wide = *s;

        if (wide.family == ENDPOINT_IP6)
                wide.prefix[4] = wide.prefix[5] = 0;
        return wide;
}

bool store_has_publisher(const struct stored_record *r) {
        static const uint8_t nobody[32];

        return memcmp(r->publisher, nobody, sizeof(nobody)) != 0;
}
