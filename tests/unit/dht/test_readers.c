#include <stdlib.h>

#include "common/base/memory.h"
#include "services/dht/givers.h"
#include "tests/unit/dht/keepers.h"

/* What one hears who reads a topic that some holders make up. */

/* A record of somebody nobody knows, into that node's store: it need not ask anybody. */
static void hold(struct dhts *net, size_t node, uint32_t number, const char *payload) {
        CLEANUP(buffer_donep) struct buffer name = {};
        CLEANUP(buffer_donep) struct buffer value = {};
        struct record_statement s = { .kind = RECORD_TOPIC,
                                      .network = BYTES_LIT("default"),
                                      .label = BYTES_LIT("chess"),
                                      .sequence = 1,
                                      .created_us = DHTS_WALL_US,
                                      .ttl_s = 24 * 3600,
                                      .payload = BYTES_STR(payload) };
        struct hash_value h;
        struct sign_public key;
        struct signature signature;
        struct stored_record r = { .kind = RECORD_TOPIC, .class = STORE_FOREIGN };

        store_be32(key.bytes, number);
        h = hash_of("test.person", BYTES_OF(key.bytes));
        memcpy(key.bytes, h.bytes, sizeof(key.bytes));
        s.publisher = peer_id_from_ed25519(&key);
        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        assert_int_equal(record_encode(&s, &value), RECORD_OK);
        signature = fake_signature(&key, buffer_bytes(&value));
        buffer_put_bytes(&value, signature_bytes(&signature));
        r.name = name_for(&name, RECORD_TOPIC, NULL, s.label);
        r.key = key_of(r.name);
        h = hash_of("test.slot", peer_id_bytes(&s.publisher));
        memcpy(r.slot, h.bytes, sizeof(r.slot)); /* of this store alone */
        r.value = buffer_bytes(&value);
        r.received_us = DHTS_WALL_US;
        r.expires_us = DHTS_WALL_US + INT64_C(24) * 3600 * 1000000;
        assert_int_equal(stores[node].ops->put(stores[node].self, &r), STORE_OK);
}

static size_t read_topic(struct dhts *net, size_t reader, const char *payload,
                         struct outcome *ret) {
        CLEANUP(buffer_donep) struct buffer name = {};

        *ret = (struct outcome){ .expected = BYTES_STR(payload) };
        buffer_init(&name, RECORD_NAME_MAX);
        keeper_find(net->nodes[reader].records,
                    name_for(&name, RECORD_TOPIC, NULL, BYTES_LIT("chess")), &CALL(ret), net->now);
        wait_for(net, ret);
        return ret->n_expected;
}

/* Four holders of five make up a topic each, as much as they may give: what the others agree on is
 * heard whole. */
static void holders_share_a_readers_places(void **state) {
        struct dhts *net = network(24, 16);
        struct outcome o;

        for (size_t node = 1; node < 24; node++)
                for (uint32_t i = 0; i < (node % 5 ? 250 : 128); i++)
                        hold(net, node, node % 5 ? (uint32_t) (node * 1000) + i : i,
                             node % 5 ? "made up" : "honest");
        assert_int_equal(read_topic(net, 0, "honest", &o), 128);
        assert_true(o.n_found > 900 && o.n_found <= 1024);
        network_done(net);
}

/* One that gives ever more is left alone. */
static void a_holder_has_so_many_places(void **state) {
        struct dhts *net = network(24, 17);
        struct outcome o;

        for (uint32_t i = 0; i < 250; i++)
                hold(net, 1, i, "made up");
        assert_int_equal(read_topic(net, 0, "made up", &o), GIVEN_MAX);
        network_done(net);
}

/* A hundred holders of one subnet have the places of one. */
static void a_subnet_is_one_giver(void **state) {
        struct givers *g = xnew(struct givers);
        const struct subnet home = { .family = ENDPOINT_IP4, .prefix = { 1, 2, 3 } };
        const struct subnet nowhere = {};
        struct key key = {};
        size_t first, other;

        first = givers_find(g, &key, &home);
        for (uint8_t i = 1; i < 100; i++) {
                key.bytes[0] = i;
                assert_int_equal(givers_group(g, givers_find(g, &key, &home)), first);
        }
        key.bytes[0] = 100;
        other = givers_group(g, givers_find(g, &key, &nowhere));
        key.bytes[0] = 101;
        assert_int_not_equal(givers_group(g, givers_find(g, &key, &nowhere)), other);
        for (int i = 0; i < 10; i++)
                givers_count(g, first, true);
        assert_int_equal(givers_loser(g, other), first);
        assert_int_equal(givers_loser(g, first), GIVER_SELF);
        assert_true(givers_moves(g, first, other));
        for (int i = 0; i < 9; i++)
                givers_count(g, other, true);
        assert_int_equal(givers_loser(g, other), GIVER_SELF);
        assert_false(givers_moves(g, first, other));
        free(g);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

TEST_MAIN(TEST(holders_share_a_readers_places), TEST(a_holder_has_so_many_places),
          TEST(a_subnet_is_one_giver))
