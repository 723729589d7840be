#include "common/crypto/merkle.h"

#include <stdlib.h>

#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/memory.h"

struct hash_value merkle_leaf(const struct merkle_names *names, struct bytes data) {
        return hash_of(names->leaf, data);
}

struct hash_value merkle_node(const struct merkle_names *names, const struct hash_value *left,
                              const struct hash_value *right) {
        return hash_of2(names->node, hash_bytes(left), hash_bytes(right));
}

void merkle_init(struct merkle *m, const struct merkle_names *names) {
        *m = (struct merkle){ .names = names };
}

void merkle_add(struct merkle *m, struct bytes data) {
        struct hash_value leaf = merkle_leaf(m->names, data);

        merkle_add_leaf(m, &leaf);
}

/* Counting in binary: every carry joins two subtrees of equal size. */
void merkle_add_leaf(struct merkle *m, const struct hash_value *leaf) {
        struct hash_value carry = *leaf;
        unsigned i = 0;

        check(m->n < UINT64_MAX);
        for (; m->n >> i & 1; i++)
                carry = merkle_node(m->names, &m->subtrees[i], &carry);
        m->subtrees[i] = carry;
        m->n++;
}

struct hash_value merkle_root(const struct merkle *m) {
        struct hash_value root = {};
        bool any = false;

        if (m->n == 0)
                return merkle_leaf(m->names, BYTES_NONE);
        for (unsigned i = 0; i < MERKLE_DEPTH_MAX; i++) {
                if (!(m->n >> i & 1))
                        continue;
                root = any ? merkle_node(m->names, &m->subtrees[i], &root) : m->subtrees[i];
                any = true;
        }
        return root;
}

/* Levels at which this position has a sibling; at the others it is promoted. */
size_t merkle_proof_len(uint64_t n, uint64_t index) {
        size_t len = 0;

        if (index >= n)
                return 0;
        for (; n > 1; n = n / 2 + n % 2, index /= 2)
                len += index % 2 == 1 || index + 1 < n;
        return len;
}

/* Replaces a level by the one above it; returns how many are left. */
static size_t level_up(const struct merkle_names *names, struct hash_value *level, size_t n) {
        for (size_t i = 0; i + 1 < n; i += 2)
                level[i / 2] = merkle_node(names, &level[i], &level[i + 1]);
        if (n % 2 == 1)
                level[n / 2] = level[n - 1];
        return n / 2 + n % 2;
}

size_t merkle_proof(const struct merkle_names *names, const struct hash_value *leaves, size_t n,
                    size_t index, struct hash_value ret[MERKLE_DEPTH_MAX]) {
        CLEANUP(freep) struct hash_value *level = NULL;
        size_t len = 0;

        check(index < n);
        level = xmemdup(leaves, n * sizeof(*leaves));
        for (; n > 1; n = level_up(names, level, n), index /= 2) {
                size_t sibling = index ^ 1;

                if (sibling < n)
                        ret[len++] = level[sibling];
        }
        return len;
}

bool merkle_verify(const struct merkle_names *names, const struct merkle_claim *claim,
                   const struct hash_value *proof, size_t n_proof) {
        struct hash_value value = claim->leaf;
        uint64_t index = claim->index, n = claim->n;
        size_t used = 0;

        if (index >= n || n_proof != merkle_proof_len(n, index))
                return false;
        for (; n > 1; n = n / 2 + n % 2, index /= 2) {
                if (index % 2 == 1)
                        value = merkle_node(names, &proof[used++], &value);
                else if (index + 1 < n)
                        value = merkle_node(names, &value, &proof[used++]);
        }
        return hash_equal(&value, &claim->root);
}
