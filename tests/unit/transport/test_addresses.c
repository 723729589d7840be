/* Where a node listens, and which addresses it tells others. */

#include "services/transport/shell/addresses.h"

#include "tests/support/test.h"

static const uint8_t any[16];

static bool is_any(const struct endpoint *e) {
        return memcmp(e->addr, any, sizeof(any)) == 0;
}

/* Defect D7: who configured nothing is reachable from elsewhere: both families, every interface. */
static void test_default_is_reachable(void **state) {
        const struct config_list none = {};
        struct endpoint listen[2];
        size_t n;

        assert_true(addresses_to_listen(&none, listen, &n));
        assert_int_equal(n, 2);
        assert_int_not_equal(listen[0].family, listen[1].family);
        for (size_t i = 0; i < n; i++) {
                assert_true(is_any(&listen[i]));
                assert_int_equal(listen[i].port, 4001);
        }
}

/* Weakness N2: the address of the socket is told only where it is one. */
static void test_what_is_told(void **state) {
        static const char *const bound[] = { "0.0.0.0:4001", "[::]:4001", "127.0.0.1:4001",
                                             "192.0.2.7:5" };

        FOREACH_CASE (b, bound) {
                struct addresses told = {};
                struct endpoint at, e;

                assert_true(endpoint_from_text(*b, &at));
                addresses_of(&at, &told);
                if (!is_any(&at))
                        assert_int_equal(told.n, 1);
                for (size_t i = 0; i < told.n; i++) {
                        assert_true(multiaddr_endpoint(&told.list[i], &e));
                        assert_false(is_any(&e));
                        assert_int_equal(e.port, at.port);
                        assert_int_equal(e.family, at.family);
                        if (is_any(&at)) /* loopback only where there is nothing else */
                                assert_true(endpoint_scope(&e) != SCOPE_LINK);
                        else
                                assert_true(endpoint_equal(&e, &at));
                }
        }
}

/* Every machine has an IPv4 address, if only loopback's: it is told. */
static void test_something_is_told(void **state) {
        const struct endpoint at = endpoint_ip4(any, 4001);
        struct addresses told = {};
        bool is_loopback = false, is_other = false;

        addresses_of(&at, &told);
        assert_true(told.n >= 1);
        for (size_t i = 0; i < told.n; i++) {
                is_loopback |= multiaddr_scope(&told.list[i]) == SCOPE_LOOPBACK;
                is_other |= multiaddr_scope(&told.list[i]) > SCOPE_LOOPBACK;
        }
        assert_true(is_loopback != is_other);
}

TEST_MAIN(cmocka_unit_test(test_default_is_reachable), cmocka_unit_test(test_what_is_told),
          cmocka_unit_test(test_something_is_told))
