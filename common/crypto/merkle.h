#pragma once

/* Merkle trees over BLAKE2b-256 with names given by the caller.
 *
 *   leaf(d)    = H(names.leaf, d)
 *   node(l, r) = H(names.node, l || r)
 * Level by level, neighbours 0-1, 2-3, ... become nodes; a last one without a
 * neighbour is promoted to the next level as it is, until one value is left:
 * the root. (The shape equals RFC 6962's.) The root of nothing is
 * H(names.leaf, empty), which differs from every leaf of 32-byte data. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/crypto/hash.h"

#define MERKLE_DEPTH_MAX 64 /* hashes in the longest proof, subtrees kept while adding */

struct merkle_names {
        const char *leaf, *node; /* at most 16 bytes each; must outlive the tree */
};

/* Memory is O(log n): one root per complete subtree. */
struct merkle {
        const struct merkle_names *names;
        uint64_t n; /* leaves so far; bit i set: subtrees[i] holds 2^i leaves */
        struct hash_value subtrees[MERKLE_DEPTH_MAX];
};

struct hash_value merkle_leaf(const struct merkle_names *names, struct bytes data);
struct hash_value merkle_node(const struct merkle_names *names, const struct hash_value *left,
                              const struct hash_value *right);

void merkle_init(struct merkle *m, const struct merkle_names *names);
void merkle_add(struct merkle *m, struct bytes data); /* hashes it into a leaf */
void merkle_add_leaf(struct merkle *m, const struct hash_value *leaf);
/* Of the leaves added so far; more may be added afterwards. */
struct hash_value merkle_root(const struct merkle *m);

/* The siblings from leaf to root; the count is fixed by n and index (index < n). */
size_t merkle_proof_len(uint64_t n, uint64_t index);
/* leaves: n leaf hashes. ret has room for MERKLE_DEPTH_MAX; returns the count. O(n). */
size_t merkle_proof(const struct merkle_names *names, const struct hash_value *leaves, size_t n,
                    size_t index, struct hash_value ret[MERKLE_DEPTH_MAX]);

/* A proof from elsewhere: `leaf` stands at `index` in the tree of n leaves with this root. */
struct merkle_claim {
        uint64_t n, index;
        struct hash_value leaf, root;
};
/* False for index >= n, for a proof of another length, and for one that does not fit. */
bool merkle_verify(const struct merkle_names *names, const struct merkle_claim *claim,
                   const struct hash_value *proof, size_t n_proof);
