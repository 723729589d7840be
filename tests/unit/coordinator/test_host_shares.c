#include "services/coordinator/host_shares.h"

#include "tests/support/test.h"

static struct peer_id peer(unsigned n) {
        return (struct peer_id){
                .len = 38, .bytes = { 0, 36, 8, 1, 18, 32, (uint8_t) n, (uint8_t) (n >> 8) }
        };
}

static struct subnet net_of(const char *address) {
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR(address), &a), MULTIADDR_OK);
        return subnet_of(&a);
}

/* How many one gets until it is refused, and why. */
static unsigned take_all(struct shares *s, const struct peer_id *who, const struct subnet *from,
                         int *ret_why) {
        unsigned n = 0;

        while (!(*ret_why = shares_check(s, who, from))) {
                shares_hold(s, who, from);
                n++;
        }
        return n;
}

static const struct {
        const char *address, *same, *other;
} subnet_cases[] = {
        { "/ip4/9.1.2.3/udp/1/quic-v1", "/ip4/9.1.2.250/udp/9/quic-v1",
          "/ip4/9.1.3.3/udp/1/quic-v1" },
        { "/ip6/2a00:1:2:3::4/udp/1/quic-v1", "/ip6/2a00:1:2:ff::4/udp/1/quic-v1",
          "/ip6/2a00:1:3:3::4/udp/1/quic-v1" },
};

static void test_subnets(void **state) {
        static const char *const none[] = { "/ip4/127.0.0.1/udp/1/quic-v1",
                                            "/ip4/10.1.2.3/udp/1/quic-v1",
                                            "/ip6/fd00::1/udp/1/quic-v1" };

        FOREACH_CASE (c, subnet_cases) {
                struct subnet a = net_of(c->address), b = net_of(c->same), d = net_of(c->other);

                assert_true(a.len > 0);
                assert_memory_equal(&a, &b, sizeof(a));
                assert_true(memcmp(&a, &d, sizeof(a)) != 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(none); i++)
                assert_int_equal(net_of(none[i]).len, 0);
}

/* One gets 20 of 120 parts, all of one subnet 33 of 133; then the next the same of the rest. */
static void test_thresholds(void **state) {
        const struct shares_config config = { 12000, 20, 33 };
        struct shares *s = shares_new(1, &config);
        struct subnet here = net_of("/ip4/9.1.2.3/udp/1/quic-v1"), none = {};
        struct subnet there = net_of("/ip4/9.1.9.3/udp/1/quic-v1");
        struct peer_id a = peer(1), b = peer(2), c = peer(3), d = peer(4);
        int why;

        assert_int_equal(take_all(s, &a, &here, &why), 2000);
        assert_int_equal(why, SHARES_E_REQUESTER);
        assert_in_range(take_all(s, &b, &here, &why), 970, 985); /* 12000 * 33 / 133 - 2000 */
        assert_int_equal(why, SHARES_E_SUBNET);
        assert_int_equal(take_all(s, &c, &here, &why), 0);
        assert_int_equal(why, SHARES_E_SUBNET);
        assert_in_range(take_all(s, &c, &there, &why), 1500, 1510); /* a sixth of what is left */
        assert_in_range(take_all(s, &d, &none, &why), 1250, 1260);
        assert_int_equal(why, SHARES_E_REQUESTER);
        shares_give(s, &a, &here);
        assert_int_equal(shares_check(s, &a, &here), SHARES_E_REQUESTER);
        b = peer(5);
        assert_int_equal(shares_check(s, &b, &here), SHARES_E_SUBNET);
        shares_free(s);
}

/* Whatever many requesters of many subnets do, the next new one finds something. */
static void test_something_is_left(void **state) {
        const struct shares_config config = { 4096, 20, 33 };
        struct shares *s = shares_new(2, &config);
        struct peer_id last = peer(999);
        struct subnet none = {};
        int why;

        for (unsigned i = 0; i < 16; i++) {
                char text[64];
                struct subnet from;

                snprintf(text, sizeof(text), "/ip4/9.%u.2.3/udp/1/quic-v1", i);
                from = net_of(text);
                for (unsigned k = 0; k < 10; k++) {
                        struct peer_id p = peer(i * 10 + k);

                        (void) take_all(s, &p, &from, &why);
                        assert_int_not_equal(why, SHARES_E_FULL);
                }
        }
        assert_int_equal(shares_check(s, &last, &none), SHARES_OK);
        assert_true(take_all(s, &last, &none, &why) >= 4);
        shares_free(s);
}

static void test_full_and_small(void **state) {
        const struct shares_config config = { 2, 20, 33 };
        struct shares *s = shares_new(3, &config);
        struct peer_id a = peer(1), b = peer(2);
        struct subnet none = {};

        shares_hold(s, &a, &none);
        assert_int_equal(shares_check(s, &a, &none), SHARES_E_REQUESTER);
        assert_int_equal(shares_check(s, &b, &none), SHARES_OK); /* one place, never none */
        shares_hold(s, &b, &none);
        assert_int_equal(shares_check(s, &b, &none), SHARES_E_FULL);
        shares_resize(s, 1);
        assert_int_equal(shares_check(s, &b, &none), SHARES_E_FULL);
        shares_give(s, &a, &none);
        shares_give(s, &b, &none);
        assert_int_equal(shares_used(s), 0);
        shares_free(s);
}

TEST_MAIN(cmocka_unit_test(test_subnets), cmocka_unit_test(test_thresholds),
          cmocka_unit_test(test_something_is_left), cmocka_unit_test(test_full_and_small))
