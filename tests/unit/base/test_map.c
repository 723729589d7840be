#include "common/base/map.h"
#include "common/base/rng.h"
#include "tests/support/test.h"

static void test_order_survives_removal(void **state) {
        struct map *m = map_new(1);
        struct bytes key;
        size_t cursor = 0;
        uint64_t last = 0, seen = 0;
        void *value;

        for (uint64_t i = 1; i <= 1000; i++)
                assert_null(map_set_u64(m, i, m));
        for (uint64_t i = 2; i <= 1000; i += 2)
                assert_ptr_equal(map_remove_u64(m, i), m);
        while (map_next(m, &cursor, &key, &value)) {
                uint64_t k;

                memcpy(&k, key.data, sizeof(k));
                assert_true(k > last && k % 2 == 1);
                last = k;
                seen++;
        }
        assert_int_equal(seen, 500);
        assert_int_equal(map_count(m), 500);
        map_free(m);
}

/* Against a plain array: a million random sets and removes leave the same. */
static void test_against_model(void **state) {
        enum { KEYS = 512 };
        struct map *m = map_new(7);
        uint8_t model[KEYS] = {};
        size_t n = 0;
        struct rng r;

        rng_init(&r, 3);
        for (int i = 0; i < 200000; i++) {
                uint64_t k = rng_below(&r, KEYS);

                if (rng_chance(&r, 0.5)) {
                        n += !model[k];
                        model[k] = 1;
                        map_set_u64(m, k, m);
                } else {
                        assert_int_equal(map_remove_u64(m, k) != NULL, model[k]);
                        n -= model[k];
                        model[k] = 0;
                }
                assert_int_equal(map_count(m), n);
        }
        for (uint64_t k = 0; k < KEYS; k++)
                assert_int_equal(map_get_u64(m, k) != NULL, model[k]);
        map_free(m);
}

/* Short keys stand in the table, long ones elsewhere: the same to the caller. */
static void test_keys_of_every_length(void **state) {
        enum { LONGEST = 200 };
        struct map *m = map_new(9);
        uint8_t text[LONGEST];
        struct bytes key;
        size_t cursor = 0, len = 0;
        void *value;

        memset(text, 'k', sizeof(text));
        for (size_t i = 0; i <= LONGEST; i++)
                assert_null(map_set(m, BYTES(text, i), m));
        for (size_t i = 0; i <= LONGEST; i++)
                assert_ptr_equal(map_get(m, BYTES(text, i)), m);
        for (size_t i = 0; i <= LONGEST; i += 3)
                assert_ptr_equal(map_remove(m, BYTES(text, i)), m);
        for (; map_next(m, &cursor, &key, &value); len++) {
                assert_bytes_equal(key, BYTES(text, len / 2 * 3 + len % 2 + 1));
                if (len % 5 == 0)
                        assert_ptr_equal(map_remove(m, key), m);
        }
        assert_int_equal(len, 134);
        assert_int_equal(map_count(m), 134 - 27);
        map_free(m);
}

/* Keys that come and go, a hundred at a time, after ten thousand at once: the table becomes as
 * small as for a hundred. */
static void test_room_follows_what_is_there(void **state) {
        CLEANUP(map_freep) struct map *m = map_new(1);
        uint64_t next = 0, first = 0;

        (void) state;
        while (next < 10000)
                (void) map_set_u64(m, next++, m);
        while (first + 100 < next)
                assert_non_null(map_remove_u64(m, first++));
        for (unsigned i = 0; i < 100000; i++) {
                assert_null(map_set_u64(m, next++, m));
                assert_non_null(map_remove_u64(m, first++));
                if (i >= 10000)
                        assert_in_range(map_room(m), 101, 140);
        }
        assert_int_equal(map_count(m), 100);
        assert_non_null(map_get_u64(m, first));
        assert_null(map_get_u64(m, first - 1));
}

/* After a crowd, the first newcomer gives its room back, and the oldest is the oldest left. */
static void test_room_after_a_crowd(void **state) {
        CLEANUP(map_freep) struct map *m = map_new(1);
        size_t cursor = 0;
        struct bytes key;
        uint64_t oldest;

        for (uint64_t i = 0; i < 1000; i++)
                (void) map_set_u64(m, i, m);
        for (uint64_t i = 0; i < 980; i++)
                assert_non_null(map_remove_u64(m, i));
        assert_true(map_next(m, &cursor, &key, NULL));
        memcpy(&oldest, key.data, sizeof(oldest));
        assert_int_equal(oldest, 980);
        assert_true(map_room(m) >= 1000);
        (void) map_set_u64(m, 1000, m);
        assert_in_range(map_room(m), 21, 32);
        for (uint64_t i = 0; i <= 1000; i++)
                assert_int_equal(map_get_u64(m, i) != NULL, i >= 980);
}

TEST_MAIN(cmocka_unit_test(test_order_survives_removal), cmocka_unit_test(test_against_model),
          cmocka_unit_test(test_keys_of_every_length),
          cmocka_unit_test(test_room_follows_what_is_there),
          cmocka_unit_test(test_room_after_a_crowd))
