#include "services/transport/shell/deny.h"

#include "tests/support/test.h"

static struct peer_id peer_number(uint8_t n) {
        struct sign_public key = { .bytes = { n } };

        return peer_id_from_ed25519(&key);
}

/* A peer is denied while any list names it. */
static void test_the_union_counts(void **state) {
        struct peer_id ids[] = { peer_number(0), peer_number(1), peer_number(2) };
        struct denials *d = denials_new(1);
        struct denial a = {}, b = {};

        denial_replace(d, &a, ids, 2);
        denial_replace(d, &b, ids + 1, 2);
        assert_int_equal(denials_count(d), 3);
        assert_true(denials_name(d, &ids[1]));
        denial_replace(d, &a, ids, 1);
        assert_true(denials_name(d, &ids[1]));
        denial_replace(d, &b, NULL, 0);
        assert_false(denials_name(d, &ids[1]));
        assert_true(denials_name(d, &ids[0]));
        denial_done(d, &a);
        assert_false(denials_name(d, &ids[0]));
        assert_int_equal(denials_count(d), 0);
        denial_done(d, &b);
        denials_free(d);
}

static void test_named_twice_counts_once(void **state) {
        struct peer_id ids[] = { peer_number(1), peer_number(0), peer_number(1) };
        struct denials *d = denials_new(1);
        struct denial a = {};

        denial_replace(d, &a, ids, 3);
        assert_int_equal(denials_count(d), 2);
        denial_replace(d, &a, ids, 2);
        assert_int_equal(denials_count(d), 2);
        denial_replace(d, &a, ids + 1, 1);
        assert_false(denials_name(d, &ids[0]));
        denial_done(d, &a);
        denials_free(d);
}

/* Of those who keep one: as long as all, by name, and few. */
static void test_kept_lists(void **state) {
        static const char *const names[] = { "a", "b", "c", "d" };
        struct peer_id ids[] = { peer_number(0), peer_number(1), peer_number(2) };
        struct denials *d = denials_new(1);
        struct denial a = {};

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(denials_keep(d, names[i], ids, 1));
        assert_false(denials_keep(d, "e", ids + 1, 1));
        assert_false(denials_keep(d, "", ids + 1, 1));
        assert_false(denials_keep(d, "0123456789abcdef0123456789abcdef", ids + 1, 1));
        assert_int_equal(denials_count(d), 1);
        denial_replace(d, &a, ids + 1, 1);
        assert_true(denials_keep(d, "a", ids + 2, 1));
        assert_int_equal(denials_count(d), 3);
        denial_done(d, &a);
        assert_int_equal(denials_count(d), 2);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(denials_keep(d, names[i], NULL, 0));
        assert_int_equal(denials_count(d), 0);
        assert_true(denials_keep(d, "a", ids, 3));
        denials_free(d);
}

TEST_MAIN(cmocka_unit_test(test_the_union_counts), cmocka_unit_test(test_named_twice_counts_once),
          cmocka_unit_test(test_kept_lists))
