/* Who may be asked, and who vouches for it: the pool, and the pace of offers. */

#include "common/base/memory.h"
#include "services/coordinator/denied.h"
#include "services/coordinator/offer.h"
#include "services/coordinator/pool.h"
#include "tests/support/test.h"

static struct peer_id peer_of(unsigned i) {
        struct sign_public key = { .bytes = { (uint8_t) i, (uint8_t) (i >> 8), 1 } };

        return peer_id_from_ed25519(&key);
}

static struct candidate host(unsigned i, enum candidate_origin origin, const char *address) {
        struct candidate c = { .peer = peer_of(i), .origin = origin };

        if (address) {
                assert_int_equal(multiaddr_from_text(BYTES_STR(address), &c.addresses[0]), 0);
                c.n_addresses = 1;
        }
        if (origin == ORIGIN_GOSSIP)
                c.claims = (struct candidate_claims){ .is_known = true };
        return c;
}

#define HERE  "/ip4/10.0.0.1/udp/1/quic-v1"
#define THERE "/ip4/10.0.0.2/udp/2/quic-v1"

static void add(struct pool *p, const struct candidate *c, nsec_t until) {
        assert_true(pool_add(p, c, until, 1));
}

/* In the order they are said; the origin the host then has, and whether claims filter it. */
static const struct {
        enum candidate_origin first, second, is;
        bool has_claims;
} pairs[] = {
        { ORIGIN_GOSSIP, ORIGIN_DHT, ORIGIN_DHT, false },
        { ORIGIN_DHT, ORIGIN_GOSSIP, ORIGIN_DHT, false },
        { ORIGIN_GOSSIP, ORIGIN_CONNECTED, ORIGIN_GOSSIP, true },
        { ORIGIN_CONNECTED, ORIGIN_GOSSIP, ORIGIN_GOSSIP, true },
        { ORIGIN_GOSSIP, ORIGIN_HISTORY, ORIGIN_HISTORY, false },
        { ORIGIN_HISTORY, ORIGIN_DHT, ORIGIN_DHT, false },
        { ORIGIN_DHT, ORIGIN_PINNED, ORIGIN_PINNED, false },
};

static void test_one_host_of_two_sources(void **state) {
        FOREACH_CASE (c, pairs) {
                CLEANUP(pool_freep) struct pool *p = pool_new(1);
                struct candidate a = host(1, c->first, HERE), b = host(1, c->second, THERE), is;

                add(p, &a, 100);
                add(p, &b, 100);
                assert_true(pool_find(p, &a.peer, 50, &is));
                assert_int_equal(is.origin, c->is);
                assert_int_equal(is.claims.is_known, c->has_claims);
                assert_int_equal(is.n_addresses, 2);
                /* where the better source says it is comes first */
                assert_true(multiaddr_equal(
                        &is.addresses[0], c->is == c->second ? &b.addresses[0] : &a.addresses[0]));
        }
}

static void test_each_source_for_its_time(void **state) {
        CLEANUP(pool_freep) struct pool *p = pool_new(1);
        struct candidate gossip = host(1, ORIGIN_GOSSIP, HERE), dht = host(1, ORIGIN_DHT, HERE), is;
        struct candidate list[CANDIDATES_MAX];

        add(p, &gossip, 200);
        add(p, &dht, 100);
        assert_true(pool_find(p, &dht.peer, 99, &is));
        assert_int_equal(is.origin, ORIGIN_DHT);
        assert_true(pool_find(p, &dht.peer, 100, &is));
        assert_int_equal(is.origin, ORIGIN_GOSSIP);
        assert_int_equal(pool_list(p, 199, list), 1);
        assert_int_equal(pool_list(p, 200, list), 0);
        assert_false(pool_find(p, &dht.peer, 1, &is)); /* forgotten by the listing */
}

static void test_connected_ones_are_replaced(void **state) {
        CLEANUP(pool_freep) struct pool *p = pool_new(1);
        struct candidate a = host(1, ORIGIN_CONNECTED, HERE), b = host(1, ORIGIN_GOSSIP, HERE);
        struct candidate c = host(2, ORIGIN_CONNECTED, HERE), list[CANDIDATES_MAX];

        add(p, &a, 100);
        add(p, &b, 100);
        add(p, &c, 100);
        pool_drop(p, ORIGIN_CONNECTED);
        assert_int_equal(pool_list(p, 50, list), 1);
        assert_int_equal(list[0].origin, ORIGIN_GOSSIP);
}

/* However many gossip and visitors bring, the others keep their places. */
static void test_a_flood(void **state) {
        CLEANUP(pool_freep) struct pool *p = pool_new(1);
        struct candidate list[CANDIDATES_MAX], c;

        for (unsigned i = 0; i < 4; i++) {
                c = host(i, i < 2 ? ORIGIN_DHT : ORIGIN_PINNED, HERE);
                add(p, &c, 1000);
        }
        for (unsigned i = 10; i < 10 + 4 * CANDIDATES_MAX; i++) {
                c = host(i, ORIGIN_GOSSIP, HERE);
                add(p, &c, 1000);
        }
        assert_int_equal(pool_list(p, 500, list), CANDIDATES_MAX);
        assert_int_equal(pool_count(p, ORIGIN_DHT, 500), 2);
        assert_int_equal(pool_count(p, ORIGIN_PINNED, 500), 2);
        c = host(9000, ORIGIN_CONNECTED, HERE);
        assert_false(pool_add(p, &c, 1000, 1)); /* all there are better */
        c = host(9001, ORIGIN_DHT, HERE);
        add(p, &c, 1000);
        for (unsigned i = 9002; pool_count(p, ORIGIN_DHT, 500) < POOL_DHT_MAX; i++) {
                c = host(i, ORIGIN_DHT, HERE);
                add(p, &c, 1000);
        }
        c = host(9999, ORIGIN_DHT, HERE);
        assert_false(pool_add(p, &c, 1000, 1));
}

/* Addresses from gossip cannot push out those that the DHT gave. */
static void test_addresses_of_the_better_source(void **state) {
        CLEANUP(pool_freep) struct pool *p = pool_new(1);
        struct candidate dht = host(1, ORIGIN_DHT, HERE), is;

        add(p, &dht, 100);
        for (unsigned i = 0; i < 9; i++) {
                char text[64];
                struct candidate c;

                (void) snprintf(text, sizeof(text), "/ip4/10.9.9.%u/udp/1/quic-v1", i);
                c = host(1, ORIGIN_GOSSIP, text);
                add(p, &c, 100);
        }
        assert_true(pool_find(p, &dht.peer, 50, &is));
        assert_int_equal(is.n_addresses, CANDIDATE_ADDRESSES_MAX);
        assert_true(multiaddr_equal(&is.addresses[0], &dht.addresses[0]));
}

/* ---- Claims ---- */

static void test_claims(void **state) {
        const char *const wanted[] = { "a", "b" };
        struct candidate c = {};

        assert_true(candidate_may_run(&c, wanted, 2, 1)); /* nothing is known of it */
        c.claims.is_known = true;
        c.claims.data_classes = 1u << 1;
        assert_false(candidate_may_run(&c, wanted, 2, 1));
        (void) strcpy(c.claims.engines[c.claims.n_engines++], "c");
        assert_false(candidate_may_run(&c, wanted, 2, 1));
        (void) strcpy(c.claims.engines[c.claims.n_engines++], "b");
        assert_true(candidate_may_run(&c, wanted, 2, 1));
        assert_false(candidate_may_run(&c, wanted, 1, 1));
        assert_false(candidate_may_run(&c, wanted, 2, 2)); /* data more secret than it admits */
}

/* ---- Denied ---- */

static void test_denied(void **state) {
        struct peer_id always = peer_of(1), sometimes = peer_of(2);
        CLEANUP(denied_freep) struct denied *d = denied_new(1, &always, 1);

        assert_true(denied_has(d, &always));
        assert_false(denied_has(d, &sometimes));
        assert_true(denied_set(d, &sometimes, true));
        assert_true(denied_has(d, &sometimes));
        assert_true(denied_set(d, &sometimes, false));
        assert_false(denied_has(d, &sometimes));
        assert_true(denied_set(d, &always, false)); /* the configuration stays */
        assert_true(denied_has(d, &always));
        for (unsigned i = 10; i < 10 + DENIED_PEERS_MAX; i++) {
                struct peer_id p = peer_of(i);

                assert_true(denied_set(d, &p, true));
        }
        assert_false(denied_set(d, &sometimes, true));
        denied_clear(d);
        assert_true(denied_set(d, &sometimes, true));
        assert_true(denied_has(d, &always));
}

/* ---- Offers ---- */

static void test_pace_of_offers(void **state) {
        struct offer_pace p = {};
        unsigned sent = 0;

        assert_int_equal(offer_when(&p, 7, 1000), 1000);
        offer_sent(&p, 7, 1000);
        assert_int_equal(offer_when(&p, 7, 2000), 1000 + 10 * NSEC_PER_SEC);
        assert_int_equal(offer_when(&p, 8, 2000), 1000 + 500 * NSEC_PER_MSEC);
        assert_int_equal(offer_when(&p, 8, NSEC_PER_SEC), NSEC_PER_SEC);
        /* it changes each millisecond: twice a second, no more */
        for (nsec_t now = 0; now < 10 * NSEC_PER_SEC; now += NSEC_PER_MSEC) {
                p.is_sent = now > 0;
                if (offer_when(&p, now, now) > now)
                        continue;
                offer_sent(&p, now, now);
                sent++;
        }
        assert_int_equal(sent, 20);
}

TEST_MAIN(cmocka_unit_test(test_one_host_of_two_sources),
          cmocka_unit_test(test_each_source_for_its_time),
          cmocka_unit_test(test_connected_ones_are_replaced), cmocka_unit_test(test_a_flood),
          cmocka_unit_test(test_addresses_of_the_better_source), cmocka_unit_test(test_claims),
          cmocka_unit_test(test_denied), cmocka_unit_test(test_pace_of_offers))
