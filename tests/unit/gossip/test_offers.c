#include "services/gossip/offers.h"

#include <math.h>

#include "common/base/text.h"
#include "common/wire/unpack.h"
#include "proto/peers.pb-c.h"
#include "tests/support/test.h"
#include "tests/unit/gossip/vectors/vectors.h"

#define WALL UINT64_C(1790000000000000000)

static struct capability record(const char *text) {
        uint8_t raw[1024];
        struct capability c;

        assert_true(hex_decode(text, raw, strlen(text) / 2));
        assert_int_equal(capability_read(BYTES(raw, strlen(text) / 2), &c), CAPABILITY_OK);
        return c;
}

static int add(struct offers *o, const char *text, nsec_t now, uint64_t wall) {
        CLEANUP(capability_donep) struct capability c = record(text);

        return offers_add(o, &c, now, wall);
}

/* A record of a peer made up; the signature is not looked at here. */
static int add_made(struct offers *o, unsigned n, uint64_t sequence, uint32_t memory, nsec_t now) {
        CLEANUP(buffer_donep) struct buffer body = {}, b = {};
        struct sign_public key = { .bytes = { 9, (uint8_t) n, (uint8_t) (n >> 8) } };
        struct peer_id peer = peer_id_from_ed25519(&key);
        Peers__Capability m = PEERS__CAPABILITY__INIT;
        CLEANUP(capability_donep) struct capability c = {};
        static const uint8_t signature[SIGNATURE_SIZE];

        m.peer = (ProtobufCBinaryData){ peer.len, peer.bytes };
        m.sequence = sequence;
        m.network = (char *) "default";
        m.slots = m.free_slots = 1;
        m.memory_mib = memory;
        buffer_init(&body, 1024);
        buffer_init(&b, 1024);
        wire_pack(&body, &m.base);
        capability_put(&b, buffer_bytes(&body), BYTES_OF(signature));
        assert_int_equal(capability_read(buffer_bytes(&b), &c), CAPABILITY_OK);
        return offers_add(o, &c, now, sequence);
}

static void test_refusals(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 10, 1);

        (void) state;
        assert_int_equal(add(o, HEX_CAPABILITY_OTHER_NETWORK, 0, WALL), OFFERS_E_NETWORK);
        assert_int_equal(add(o, HEX_CAPABILITY_EARLY, 0, WALL), OFFERS_E_CLOCK);
        assert_int_equal(add(o, HEX_CAPABILITY_LATE, 0, WALL), OFFERS_E_CLOCK);
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL), OFFERS_NEW);
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL), OFFERS_E_OLD);
        assert_int_equal(add(o, HEX_CAPABILITY_OLDER, 0, WALL), OFFERS_E_OLD);
        assert_int_equal(add(o, HEX_CAPABILITY_NEWER, 0, WALL), OFFERS_NEW);
        assert_int_equal(offers_count(o), 1);
}

static bool is_present(struct offers *o, nsec_t now) {
        CLEANUP(capability_donep) struct capability c = record(HEX_CAPABILITY_GOOD);
        struct offer_view v;

        return offers_get(o, &c.peer, now, &v);
}

/* A replay extends no life: not while the record is there, nor after it has gone. */
static void test_replay(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 10, 1);

        (void) state;
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL), OFFERS_NEW);
        for (nsec_t t = 0; t < 1200 * NSEC_PER_SEC; t += 30 * NSEC_PER_SEC) {
                assert_int_equal(add(o, HEX_CAPABILITY_GOOD, t, WALL + t), OFFERS_E_OLD);
                assert_int_equal(is_present(o, t), t < PRESENCE_TTL);
                offers_expire(o, t);
        }
        offers_expire(o, 1200 * NSEC_PER_SEC);
        assert_int_equal(offers_count(o), 0);
        /* and then the clock refuses it */
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL + 1200 * NSEC_PER_SEC),
                         OFFERS_E_CLOCK);
}

static size_t n_offers(struct offers *o, nsec_t now) {
        struct offer_filter all = {};
        struct offer_view v[16];
        struct rng rng;

        rng_init(&rng, 1);
        struct offer_draw d = { &all, &rng, v, 16 };

        offers_draw(o, &d, now);
        return d.n;
}

static void test_life(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 10, 1);

        (void) state;
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL + 10 * NSEC_PER_SEC), OFFERS_NEW);
        assert_int_equal(n_offers(o, 34 * NSEC_PER_SEC), 1); /* it was 10 s old when it came */
        assert_int_equal(n_offers(o, 36 * NSEC_PER_SEC), 0);
        assert_true(is_present(o, 109 * NSEC_PER_SEC));
        assert_false(is_present(o, 110 * NSEC_PER_SEC));
        assert_true(offers_deadline(o) == 110 * NSEC_PER_SEC);
}

/* 10^5 identities: the table holds its limit, whoever was heard last is in it. */
static void test_flood(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 1000, 1);

        (void) state;
        for (unsigned i = 0; i < 60000; i++) {
                assert_int_equal(add_made(o, i, WALL, 1, 0), OFFERS_NEW);
                if (i % 500 == 0)
                        (void) add(o, i == 0 ? HEX_CAPABILITY_GOOD : HEX_CAPABILITY_NEWER, 0, WALL);
        }
        assert_int_equal(offers_count(o), 1000);
        assert_true(offers_evicted(o) >= 60000 + 1 - 1000);
}

static void test_rate_of_one_origin(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 10, 1);
        unsigned taken = 0;

        (void) state;
        for (unsigned i = 0; i < 100; i++)
                taken += add_made(o, 1, WALL + i, 1, 0) == OFFERS_NEW;
        assert_int_equal(taken, ORIGIN_BURST);
        assert_int_equal(add_made(o, 1, WALL + 200, 1, 0), OFFERS_E_RATE);
        assert_int_equal(add_made(o, 1, WALL + 200, 1, NSEC_PER_SEC), OFFERS_NEW);
}

/* Denied ones are not pushed out by a flood, and take no place. */
static void test_denied(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 10, 1);
        CLEANUP(capability_donep) struct capability c = record(HEX_CAPABILITY_GOOD);

        (void) state;
        offers_deny(o, &c.peer, true);
        offers_deny(o, &c.peer, true);
        for (unsigned i = 0; i < 100; i++)
                (void) add_made(o, i, WALL, 1, 0);
        offers_expire(o, 10000 * NSEC_PER_SEC);
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL), OFFERS_E_DENIED);
        offers_deny(o, &c.peer, false);
        assert_int_equal(add(o, HEX_CAPABILITY_GOOD, 0, WALL), OFFERS_NEW);
        offers_deny(o, &c.peer, true);
        assert_false(is_present(o, 0));
}

static void test_filter(void **state) {
        CLEANUP(capability_donep) struct capability c = record(HEX_CAPABILITY_GOOD);
        struct bytes common = BYTES_LIT("common"), rare = BYTES_LIT("rare");
        const struct {
                struct offer_filter filter;
                bool want;
        } cases[] = {
                { {}, true },
                { { .engines = &common, .n_engines = 1 }, true },
                { { .engines = &rare, .n_engines = 1 }, false },
                { { .data_class = DATA_INTERNAL }, true },
                { { .data_class = DATA_SENSITIVE }, false },
                { { .group = BYTES_LIT("blue") }, true },
                { { .group = BYTES_LIT("red") }, false },
                { { .region = BYTES_LIT("eu") }, true },
                { { .region = BYTES_LIT("e") }, false },
                { { .min_free_slots = 2 }, true },
                { { .min_free_slots = 3 }, false },
                { { .min_memory_mib = 8193 }, false },
        };

        (void) state;
        FOREACH_CASE (k, cases)
                assert_int_equal(offer_fits(&c, &k->filter), k->want);
}

/* Uniform: chi squared with 39 degrees of freedom stays below 73 (p = 0.001). */
static void test_draw_is_uniform(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 100, 1);
        struct offer_filter some = { .min_memory_mib = 10 };
        unsigned hits[40] = {};
        double chi = 0;
        struct rng rng;

        (void) state;
        rng_init(&rng, 3);
        for (unsigned i = 0; i < 80; i++)
                assert_int_equal(add_made(o, i, WALL, i < 40 ? 10 + i : 1, 0), OFFERS_NEW);
        for (unsigned i = 0; i < 4000; i++) {
                struct offer_view v[4];
                struct offer_draw d = { &some, &rng, v, 4 };
                size_t n, unusable;

                offers_draw(o, &d, 1);
                n = d.n;
                unusable = d.unusable;

                assert_int_equal(n, 4);
                assert_int_equal(unusable, 40);
                for (size_t k = 0; k < n; k++)
                        hits[v[k].record->memory_mib - 10]++;
        }
        for (unsigned i = 0; i < 40; i++)
                chi += (hits[i] - 400.0) * (hits[i] - 400.0) / 400;
        assert_true(chi < 73);
}

static size_t drawn(struct offers *o, size_t max, nsec_t now, uint32_t ret_memory[16]) {
        struct offer_filter all = {};
        struct offer_view v[16];
        struct rng rng;

        rng_init(&rng, 1);
        struct offer_draw d = { &all, &rng, v, max };

        offers_draw(o, &d, now);
        for (size_t i = 0; i < d.n; i++)
                ret_memory[i] = v[i].record->memory_mib;
        return d.n;
}

static void speak(struct offers *o, unsigned n, nsec_t now) {
        struct sign_public key = { .bytes = { 9, (uint8_t) n, (uint8_t) (n >> 8) } };
        struct peer_id peer = peer_id_from_ed25519(&key);

        offers_alive(o, &peer, now);
}

/* Ten records of the same age; of two authors something was heard since, one of them has left. */
static void test_signs_of_life(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 100, 1);
        struct sign_public key = { .bytes = { 9, 3 } };
        struct peer_id left = peer_id_from_ed25519(&key);
        uint32_t got[16];

        (void) state;
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(add_made(o, i, WALL, 1 + i, NSEC_PER_SEC), OFFERS_NEW);
        speak(o, 3, 7500 * NSEC_PER_MSEC);
        speak(o, 7, 8 * NSEC_PER_SEC);
        assert_int_equal(drawn(o, 2, 9 * NSEC_PER_SEC, got), 2);
        assert_int_equal(got[0] + got[1], 4 + 8);
        offers_gone(o, &left);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(drawn(o, 9, 9 * NSEC_PER_SEC, got), 9);
                assert_int_equal(got[0], 8);
                for (unsigned k = 0; k < 9; k++)
                        assert_int_not_equal(got[k], 4);
        }
        assert_int_equal(drawn(o, 16, 9 * NSEC_PER_SEC, got), 10); /* better than nobody */
        assert_int_equal(add_made(o, 3, WALL + 1, 4, 10 * NSEC_PER_SEC), OFFERS_NEW);
        assert_int_equal(drawn(o, 1, 11 * NSEC_PER_SEC, got), 1);
        assert_int_equal(got[0], 4); /* it is back, and the other was silent since */
}

static void test_list(void **state) {
        CLEANUP(offers_freep) struct offers *o = offers_new("default", 100, 1);
        struct offer_view v[7];
        struct peer_id after;
        size_t n, seen = 0;

        (void) state;
        for (unsigned i = 0; i < 50; i++)
                assert_int_equal(add_made(o, i * 37 % 50, WALL, 1, 0), OFFERS_NEW);
        while ((n = offers_list(o, seen > 0 ? &after : NULL, 1, v, 7)) > 0) {
                for (size_t i = 0; i < n; i++) {
                        assert_true(seen == 0 || peer_id_compare(&v[i].record->peer, &after) > 0);
                        after = v[i].record->peer;
                        seen++;
                }
        }
        assert_int_equal(seen, 50);
}

TEST_MAIN(cmocka_unit_test(test_refusals), cmocka_unit_test(test_replay),
          cmocka_unit_test(test_life), cmocka_unit_test(test_flood),
          cmocka_unit_test(test_rate_of_one_origin), cmocka_unit_test(test_denied),
          cmocka_unit_test(test_filter), cmocka_unit_test(test_draw_is_uniform),
          cmocka_unit_test(test_signs_of_life), cmocka_unit_test(test_list))
