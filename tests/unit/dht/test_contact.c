#include "common/base/rng.h"
#include "services/dht/contact.h"
#include "tests/support/test.h"

static struct multiaddr address(const char *text) {
        struct multiaddr a;

        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static struct peer_id peer(uint8_t n) {
        struct sign_public key = { .bytes = { n } };

        return peer_id_from_ed25519(&key);
}

/* SHA-256 of "abc": FIPS 180-2, appendix B.1. */
static void key_is_sha256(void **state) {
        static const uint8_t want[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
        struct key k = key_of(BYTES_LIT("abc"));

        assert_memory_equal(k.bytes, want, sizeof(want));
}

static void bucket_keys_share_exactly_the_prefix(void **state) {
        uint8_t random[KEY_SIZE];
        struct key self;
        struct rng rng;

        rng_init(&rng, 1);
        for (unsigned prefix = 0; prefix < KEY_BITS; prefix++) {
                rng_bytes(&rng, self.bytes, KEY_SIZE);
                rng_bytes(&rng, random, KEY_SIZE);
                struct key k = key_in_bucket(&self, prefix, random);

                assert_int_equal(key_common_prefix(&self, &k), prefix);
                assert_true(key_compare(&self, &self, &k) < 0 && key_compare(&self, &k, &self) > 0);
                if (prefix < 60)
                        assert_true(key_distance(&self, &k) >= 1.0 / (1ULL << (prefix + 1)) &&
                                    key_distance(&self, &k) <= 1.0 / (1ULL << prefix));
        }
        assert_int_equal(key_common_prefix(&self, &self), KEY_BITS);
        assert_int_equal(key_compare(&self, &self, &self), 0);
}

static void takes_what_can_be_used(void **state) {
        struct multiaddr in[12], out[12];
        struct peer_id self = peer(1), other = peer(2);
        struct contact c, d;
        size_t n = 0;

        in[n] = address("/ip4/1.2.3.4/udp/5/quic-v1");
        assert_true(multiaddr_append_peer(&in[n++], &self)); /* named once is enough */
        in[n] = address("/ip4/1.2.3.5/udp/5/quic-v1");
        assert_true(multiaddr_append_peer(&in[n++], &other)); /* somebody else's */
        in[n++] = address("/ip4/0.0.0.0/udp/5/quic-v1");
        while (n < ELEMENTSOF(in))
                in[n++] = address("/ip6/2001:470::7/udp/9/quic-v1");
        contact_init(&c, &self, in, n);
        d = contact_ref(&c);
        contact_done(&c);
        assert_int_equal(contact_addresses(&d, out, ELEMENTSOF(out)), CONTACT_ADDRESSES_MAX);
        in[0] = address("/ip4/1.2.3.4/udp/5/quic-v1");
        assert_true(multiaddr_equal(&out[0], &in[0]));
        assert_true(multiaddr_equal(&out[1], &in[11]));
        contact_done(&d);
}

static void groups_addresses(void **state) {
        static const struct {
                const char *a, *b;
                bool same_near, same_wide, is_counted;
        } cases[] = {
                { "1.2.3.4:1", "1.2.3.200:2", true, true, true },
                { "1.2.3.4:1", "1.2.4.4:1", false, false, true },
                { "[2001:470:1::1]:1", "[2001:470:1:5::1]:1", true, true, true },
                { "[2001:470:1::1]:1", "[2001:470:2::1]:1", false, true, true },
                { "10.0.0.1:1", "10.0.7.1:1", true, true, false },
                { "127.0.0.1:1", "[fd00::1]:1", true, true, false },
        };

        FOREACH_CASE (c, cases) {
                struct endpoint a, b;
                struct subnet near_a, near_b, wide_a, wide_b, none = {};

                assert_true(endpoint_from_text(c->a, &a) && endpoint_from_text(c->b, &b));
                near_a = subnet_counted(&a), near_b = subnet_counted(&b);
                wide_a = subnet_wide(&a), wide_b = subnet_wide(&b);
                assert_int_equal(subnet_equal(&near_a, &near_b), c->same_near);
                assert_int_equal(subnet_equal(&wide_a, &wide_b), c->same_wide);
                assert_int_equal(!subnet_equal(&near_a, &none), c->is_counted);
        }
}

TEST_MAIN(cmocka_unit_test(key_is_sha256), cmocka_unit_test(bucket_keys_share_exactly_the_prefix),
          cmocka_unit_test(takes_what_can_be_used), cmocka_unit_test(groups_addresses))
