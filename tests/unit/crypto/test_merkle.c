#include "common/crypto/merkle.h"

#include "common/base/text.h"
#include "tests/support/test.h"
#include "tests/unit/crypto/vectors/merkle.h"

static const struct merkle_names names = { "test.leaf", "test.node" };

static struct hash_value data_of(size_t i) {
        uint8_t c = (uint8_t) i;

        return hash_of("test.data", BYTES(&c, 1));
}

static void test_roots(void **state) {
        FOREACH_CASE (c, merkle_vectors) {
                struct hash_value root;
                struct merkle m;
                char text[65];

                merkle_init(&m, &names);
                for (size_t i = 0; i < c->n; i++) {
                        struct hash_value d = data_of(i);

                        merkle_add(&m, hash_bytes(&d));
                }
                root = merkle_root(&m);
                hex_encode(hash_bytes(&root), text);
                assert_string_equal(text, c->root);
        }
}

static void check_proof(const struct hash_value *leaves, size_t n, size_t index,
                        const struct hash_value *root) {
        struct merkle_claim claim = {
                .n = n, .index = index, .leaf = leaves[index], .root = *root
        };
        struct hash_value proof[MERKLE_DEPTH_MAX + 1] = {};
        size_t len = merkle_proof(&names, leaves, n, index, proof);

        assert_int_equal(len, merkle_proof_len(n, index));
        assert_true(merkle_verify(&names, &claim, proof, len));
        assert_false(merkle_verify(&names, &claim, proof, len + 1));
        if (len > 0) {
                assert_false(merkle_verify(&names, &claim, proof, len - 1));
                proof[len - 1].bytes[31] ^= 1;
                assert_false(merkle_verify(&names, &claim, proof, len));
                proof[len - 1].bytes[31] ^= 1;
        }
        claim.leaf.bytes[0] ^= 1;
        assert_false(merkle_verify(&names, &claim, proof, len));
        claim.leaf.bytes[0] ^= 1;
        claim.index = n;
        assert_false(merkle_verify(&names, &claim, proof, len));
}

static void test_proofs(void **state) {
        struct hash_value leaves[40];
        struct merkle m;

        merkle_init(&m, &names);
        for (size_t n = 1; n <= ELEMENTSOF(leaves); n++) {
                struct hash_value d = data_of(n - 1), root;

                leaves[n - 1] = merkle_leaf(&names, hash_bytes(&d));
                merkle_add_leaf(&m, &leaves[n - 1]);
                root = merkle_root(&m);
                for (size_t i = 0; i < n; i++)
                        check_proof(leaves, n, i, &root);
        }
}

/* Another index with the same proof must not verify: the shape is fixed by n. */
static void test_wrong_index(void **state) {
        struct hash_value leaves[8], proof[MERKLE_DEPTH_MAX];
        struct merkle_claim claim = { .n = 8 };
        struct merkle m;
        size_t len;

        merkle_init(&m, &names);
        for (size_t i = 0; i < 8; i++) {
                leaves[i] = data_of(i);
                merkle_add_leaf(&m, &leaves[i]);
        }
        claim.root = merkle_root(&m);
        claim.leaf = leaves[3];
        len = merkle_proof(&names, leaves, 8, 3, proof);
        for (claim.index = 0; claim.index < 8; claim.index++)
                assert_int_equal(merkle_verify(&names, &claim, proof, len), claim.index == 3);
}

TEST_MAIN(cmocka_unit_test(test_roots), cmocka_unit_test(test_proofs),
          cmocka_unit_test(test_wrong_index))
