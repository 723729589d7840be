#include "services/gossip/cache.h"
#include "tests/support/test.h"

static struct message_id id(unsigned n) {
        return message_id_of(BYTES(&n, sizeof(n)));
}

static struct peer_id peer(unsigned n) {
        struct sign_public key = { .bytes = { (uint8_t) n, (uint8_t) (n >> 8) } };

        return peer_id_from_ed25519(&key);
}

static void put(struct cache *c, unsigned n, const char *topic, size_t size) {
        struct refbuf *raw = refbuf_alloc(size);
        struct message_id x = id(n);

        memset(raw->data, (int) n, size);
        cache_put(c, &x, topic, raw);
        refbuf_unref(raw);
}

static bool is_there(struct cache *c, unsigned n) {
        struct peer_id p = peer(0);
        struct message_id x = id(n);
        unsigned asked;

        return cache_ask(c, &x, &p, &asked) != NULL;
}

static void test_seen(void **state) {
        CLEANUP(cache_freep) struct cache *c = cache_new(5, 120 * NSEC_PER_SEC, 4, 1000, 1);
        struct message_id x = id(1);

        (void) state;
        assert_true(cache_see(c, &x, 0));
        assert_false(cache_see(c, &x, 1));
        cache_shift(c, 119 * NSEC_PER_SEC);
        assert_true(cache_has_seen(c, &x));
        cache_shift(c, 120 * NSEC_PER_SEC);
        assert_false(cache_has_seen(c, &x));
        assert_true(cache_see(c, &x, 0));
        cache_unsee(c, &x);
        cache_unsee(c, &x);
        assert_false(cache_has_seen(c, &x));
        for (unsigned i = 0; i < 6; i++) {
                x = id(i);
                assert_true(cache_see(c, &x, i));
        }
        x = id(1);
        assert_false(cache_has_seen(c, &x)); /* the oldest went */
        assert_int_equal(cache_stats(c).n_seen, 4);
        assert_int_equal(cache_stats(c).seen_evicted, 2);
}

static void test_windows(void **state) {
        CLEANUP(cache_freep) struct cache *c = cache_new(5, NSEC_PER_SEC, 100, 1000, 1);
        struct message_id ids[10], want = id(1);

        (void) state;
        put(c, 1, "a", 10);
        put(c, 2, "b", 10);
        put(c, 1, "a", 10);
        assert_int_equal(cache_stats(c).n_bodies, 2);
        for (unsigned beat = 1; beat <= 5; beat++) {
                assert_int_equal(cache_ids(c, "a", 3, ids, 10), beat <= 3 ? 1 : 0);
                assert_int_equal(is_there(c, 1), 1);
                cache_shift(c, beat);
        }
        assert_false(is_there(c, 1));
        assert_int_equal(cache_stats(c).bytes, 0);
        put(c, 1, "a", 10);
        put(c, 3, "a", 10);
        assert_int_equal(cache_ids(c, "a", 3, ids, 1), 1);
        assert_memory_equal(&ids[0], &want, sizeof(want));
        cache_forget_topic(c, "a");
        assert_int_equal(cache_stats(c).n_bodies, 0);
}

static void test_bytes(void **state) {
        CLEANUP(cache_freep) struct cache *c = cache_new(5, NSEC_PER_SEC, 100, 100, 1);

        (void) state;
        put(c, 1, "a", 40);
        cache_shift(c, 1);
        put(c, 2, "a", 40);
        put(c, 3, "a", 101); /* never fits */
        put(c, 4, "a", 40);
        assert_false(is_there(c, 1)); /* the oldest window first */
        assert_true(is_there(c, 2));
        assert_false(is_there(c, 3));
        assert_true(is_there(c, 4));
        assert_int_equal(cache_stats(c).bytes, 80);
        assert_int_equal(cache_stats(c).bodies_evicted, 1);
}

static void test_askers(void **state) {
        CLEANUP(cache_freep) struct cache *c = cache_new(5, NSEC_PER_SEC, 100, 100, 1);
        struct message_id x = id(1);
        struct peer_id p;
        unsigned asked = 0;

        (void) state;
        put(c, 1, "a", 40);
        for (unsigned i = 1; i <= 5; i++) {
                p = peer(1);
                assert_non_null(cache_ask(c, &x, &p, &asked));
                assert_int_equal(asked, i);
        }
        for (unsigned i = 2; i <= 64; i++) {
                p = peer(i);
                assert_non_null(cache_ask(c, &x, &p, &asked));
                assert_int_equal(asked, 1);
        }
        p = peer(65);
        assert_non_null(cache_ask(c, &x, &p, &asked));
        assert_true(asked > 1000); /* bounded: what is not remembered counts as too often */
}

TEST_MAIN(cmocka_unit_test(test_seen), cmocka_unit_test(test_windows), cmocka_unit_test(test_bytes),
          cmocka_unit_test(test_askers))
