#include "services/gossip/shard.h"

#include "common/crypto/sign.h"
#include "tests/support/test.h"

static struct peer_id peer(unsigned n) {
        struct sign_public key = { .bytes = { (uint8_t) n, (uint8_t) (n >> 8) } };

        return peer_id_from_ed25519(&key);
}

static void test_membership(void **state) {
        char topic[SHARD_TOPIC_SIZE];
        uint8_t digest[SHA256_SIZE];

        (void) state;
        for (unsigned i = 0; i < 200; i++) {
                struct peer_id p = peer(i);

                sha256_of(peer_id_bytes(&p), digest);
                for (unsigned bits = 0; bits <= SHARD_BITS_MAX; bits++) {
                        struct shard s = shard_of(&p, bits);

                        assert_true(shard_has(&s, &p));
                        assert_int_equal(s.prefix,
                                         bits > 0 ? load_be32(digest) >> (32 - bits) << (32 - bits)
                                                  : 0);
                        if (bits > 0) {
                                s.prefix ^= 0x80000000u;
                                assert_false(shard_has(&s, &p));
                        }
                }
        }
        assert_string_equal(shard_topic(&(struct shard){ 4, 0xa0000000 }, "net", topic),
                            "quorate/caps/1/net/4/a0000000");
}

/* A shard holds 8 to 32 hosts, whatever the way to that size. */
static void test_choice(void **state) {
        unsigned bits = 0;
        bool both;

        (void) state;
        for (double n = 1; n < 1e6; n *= 1.01) {
                double each;

                bits = shard_choose(bits, n, &both);
                each = n / (double) (1u << bits);
                assert_true(each <= 32 && (bits == 0 || each >= 8));
                assert_true(!both || bits > 0);
        }
        for (double n = 1e6; n > 1; n /= 1.01) {
                double each;

                bits = shard_choose(bits, n, &both);
                each = n / (double) (1u << bits);
                assert_true(each <= 32 && (bits == 0 || each >= 8));
        }
        assert_int_equal(bits, 0);
        assert_int_equal(shard_choose(0, 1e300, &both), SHARD_BITS_MAX);
        assert_int_equal(shard_choose(5, 0, &both), 0);
        assert_int_equal(shard_choose(5, -1, &both), 0);
        assert_int_equal(shard_choose(5, 0.0 / 0.0, &both), 5); /* no estimate: as it is */
}

static void test_hysteresis(void **state) {
        bool both;

        (void) state;
        assert_int_equal(shard_choose(4, 16 * 12, &both), 4);
        assert_true(both);
        assert_int_equal(shard_choose(3, 16 * 11.4, &both), 3);
        assert_int_equal(shard_choose(4, 16 * 11.4, &both), 4);
        assert_int_equal(shard_choose(4, 16 * 20, &both), 4);
        assert_false(both);
}

static void test_visits(void **state) {
        (void) state;
        assert_int_equal(shard_visits(0, 10, 0.5, 16), 1);
        assert_int_equal(shard_visits(6, 1000, 0.05, 16), 31); /* 1.5 * 16 / (15.6 * 0.05) */
        assert_int_equal(shard_visits(6, 1000, 1, 16), 2);
        assert_int_equal(shard_visits(6, 1000, 0, 16), 64);
}

TEST_MAIN(cmocka_unit_test(test_membership), cmocka_unit_test(test_choice),
          cmocka_unit_test(test_hysteresis), cmocka_unit_test(test_visits))
