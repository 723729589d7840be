#include <stdlib.h>

#include "common/canonical/keychange.h"
#include "services/dht/calls.h"
#include "services/dht/mailbox.h"
#include "tests/unit/dht/keepers.h"

static struct outcome put(struct dhts *net, size_t node, enum record_kind kind, const char *label,
                          struct bytes payload) {
        struct outcome o = {};

        keeper_put(net->nodes[node].records,
                   &(struct keeper_record){
                           .kind = kind, .label = BYTES_STR(label), .payload = payload },
                   &CALL(&o), net->now);
        wait_for(net, &o);
        return o;
}

static struct outcome find_topic(struct dhts *net, size_t node, const char *label) {
        CLEANUP(buffer_donep) struct buffer name = {};
        struct outcome o = {};

        buffer_init(&name, RECORD_NAME_MAX);
        keeper_find(net->nodes[node].records, name_for(&name, RECORD_TOPIC, NULL, BYTES_STR(label)),
                    &CALL(&o), net->now);
        wait_for(net, &o);
        return o;
}

static bool see_value(void *userdata, const struct stored_record *r) {
        *(bool *) userdata |= r->kind != RECORD_TOMBSTONE;
        return true;
}

/* How many of the k truly closest that are up hold something under the key. */
static size_t holders(struct dhts *net, const struct key *key) {
        size_t n = 0;

        for (size_t i = 0; i < net->config.n; i++) {
                size_t closer = 0;
                bool has = false;

                if (!net->nodes[i].is_up)
                        continue;
                for (size_t j = 0; j < net->config.n; j++)
                        closer +=
                                net->nodes[j].is_up && key_compare(key, &net->nodes[j].contact.key,
                                                                   &net->nodes[i].contact.key) < 0;
                if (closer < 20)
                        (void) stores[i].ops->each(stores[i].self, key, see_value, &has);
                n += has;
        }
        return n;
}

static struct key key_for(enum record_kind kind, const struct peer_id *peer, const char *label) {
        CLEANUP(buffer_donep) struct buffer name = {};

        buffer_init(&name, RECORD_NAME_MAX);
        return key_of(name_for(&name, kind, peer, BYTES_STR(label)));
}

static const uint8_t root[32] = { 7 };

static void topics_are_found(void **state) {
        struct dhts *net = network(60, 11);
        struct outcome o;

        for (size_t i = 0; i < 12; i++) {
                o = put(net, i, RECORD_TOPIC, "chess", BYTES_LIT("here"));
                assert_int_equal(o.result.code, KEEPER_OK);
                assert_true(o.result.n_stored >= 18);
        }
        o = find_topic(net, 50, "chess");
        assert_int_equal(o.result.code, KEEPER_OK);
        assert_int_equal(o.n_found, 12);
        assert_true(o.fewest_copies >= 18);
        assert_true(o.fewest_copies <= o.result.n_asked);
        assert_int_equal(find_topic(net, 50, "checkers").n_found, 0);
        o = put(net, 3, RECORD_TOPIC, "bad\nlabel", BYTES_NONE);
        assert_int_equal(o.result.code, KEEPER_E_INVALID);
        o = put(net, 3, RECORD_NAME, "sales", BYTES_LIT("not a root"));
        assert_int_equal(o.result.code, KEEPER_E_INVALID);
        network_done(net);
}

static void names_are_versions(void **state) {
        CLEANUP(buffer_donep) struct buffer name = {};
        struct dhts *net = network(60, 12);
        struct dhts_outcome got;
        struct record_parts parts;
        struct outcome first, second;

        buffer_init(&name, RECORD_NAME_MAX);
        first = put(net, 5, RECORD_NAME, "sales", BYTES_OF(root));
        second = put(net, 5, RECORD_NAME, "sales", BYTES_OF(((uint8_t[32]){ 8 })));
        assert_true(second.result.sequence > first.result.sequence);
        (void) name_for(&name, RECORD_NAME, &net->nodes[5].peer, BYTES_LIT("sales"));
        buffer_put_u8(&name, 0);
        got = dhts_get(net, 40, (const char *) name.data);
        assert_int_equal(got.code, DHT_OK);
        assert_int_equal(record_split(refbuf_bytes(got.value), &parts), RECORD_OK);
        assert_int_equal(parts.fields.payload.data[0], 8);
        dhts_outcome_done(&got);
        network_done(net);
}

/* Half of the nodes go within minutes, others come: the record is where it belongs again. */
static void gaps_are_filled(void **state) {
        struct dhts *net = network(120, 13);
        struct key key = key_for(RECORD_NAME, &net->nodes[0].peer, "sales");
        struct key topic = key_for(RECORD_TOPIC, NULL, "chess");
        size_t before, after, after_topic;

        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        assert_int_equal(put(net, 0, RECORD_TOPIC, "chess", BYTES_NONE).result.code, KEEPER_OK);
        dhts_run(net, 6 * MINUTE);
        assert_true(holders(net, &key) >= 18);
        for (size_t i = 1; i < 120; i += 2)
                dhts_kill(net, i);
        before = holders(net, &key);
        dhts_run(net, 12 * MINUTE);
        after = holders(net, &key);
        after_topic = holders(net, &topic);
        print_message("# of the 20 closest %zu had it, 12 minutes later %zu; the topic: %zu\n",
                      before, after, after_topic);
        assert_true(before < 16);
        assert_true(after >= 18);
        assert_true(after_topic >= 18);
        network_done(net);
}

/* In a network at rest the checks grow rare: an hour apart, and nobody is told twice. */
static void rest_costs_little(void **state) {
        struct dhts *net = network(30, 14);
        const struct replicate_stats *s = keeper_replication(net->nodes[0].records);
        uint64_t checks, told;

        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        dhts_run(net, 2 * HOURS);
        checks = s->checks;
        told = s->told;
        dhts_run(net, 6 * HOURS);
        print_message("# checks in 6 h at rest: %zu, told: %zu\n", (size_t) (s->checks - checks),
                      (size_t) (s->told - told));
        assert_in_range(s->checks - checks, 4, 8);
        assert_in_range(s->told - told, 0, 5);
        network_done(net);
}

/* After 22 h it is signed anew, so that it is there after three days. */
static void records_outlive_their_ttl(void **state) {
        CLEANUP(buffer_donep) struct buffer name = {};
        struct dhts *net = network(22, 15);
        struct dhts_outcome got;

        buffer_init(&name, RECORD_NAME_MAX);
        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        assert_int_equal(put(net, 1, RECORD_TOPIC, "chess", BYTES_NONE).result.code, KEEPER_OK);
        dhts_run(net, 72 * HOURS);
        (void) name_for(&name, RECORD_NAME, &net->nodes[0].peer, BYTES_LIT("sales"));
        buffer_put_u8(&name, 0);
        got = dhts_get(net, 20, (const char *) name.data);
        assert_int_equal(got.code, DHT_OK);
        dhts_outcome_done(&got);
        assert_int_equal(find_topic(net, 20, "chess").n_found, 1);
        assert_in_range(keeper_replication(net->nodes[0].records)->signed_again, 3, 4);
        network_done(net);
}

static void set_clock(struct dhts *net, size_t node, int64_t ahead_us) {
        dht_clock(net->nodes[node].dht, net->now,
                  DHTS_WALL_US + (int64_t) (net->now / NSEC_PER_USEC) + ahead_us);
}

/* Published by a clock that was a day and a half ahead: nobody takes what is dated so. Put right,
 * the node does not wait until its own dates have come. */
static void a_clock_that_ran_ahead_is_forgiven(void **state) {
        struct bytes hash = BYTES_LIT("\x12\x20multihash-of-thirty-two-bytes..!");
        struct dhts *net = network(25, 16);
        const struct replicate_stats *stats = keeper_replication(net->nodes[3].records);
        struct key key = key_for(RECORD_NAME, &net->nodes[3].peer, "sales");
        uint64_t n_provided;

        set_clock(net, 3, 36 * HOUR);
        (void) put(net, 3, RECORD_NAME, "sales", BYTES_OF(root));
        dht_provide(net->nodes[3].dht, 12345, hash, true, net->now);
        dhts_run(net, 5 * MINUTE);
        assert_true(holders(net, &key) <= 1);
        assert_int_equal(stats->signed_again, 0);
        n_provided = stats->provided;
        set_clock(net, 3, 0);
        dhts_run(net, 15 * MINUTE);
        assert_in_range(holders(net, &key), 18, 20);
        assert_int_equal(stats->signed_again, 1);
        assert_int_equal(stats->provided, n_provided + 1);
        network_done(net);
}

static size_t fetched(const struct dhts *net) {
        size_t n = 0;

        for (size_t i = 0; i < net->config.n; i++)
                if (net->nodes[i].is_up)
                        n += keeper_pulls(net->nodes[i].records)->fetched;
        return n;
}

/* 50 of n nodes are up, and know each other. */
static struct dhts *half_grown(size_t n, uint64_t seed) {
        struct dhts_config config;
        struct dhts *net;

        dhts_config_default(&config);
        config.n = n;
        config.seed = seed;
        config.records = &records;
        net = dhts_new(&config);
        for (size_t i = 0; i < 50; i++) {
                dhts_start(net, i, NULL, 0);
                dhts_run(net, NSEC_PER_SEC);
        }
        dhts_run(net, 5 * MINUTE);
        return net;
}

/* The publisher is gone; newcomers fetch what belongs to them. */
static void newcomers_fetch_theirs(void **state) {
        struct dhts *net = half_grown(100, 16);
        struct key key;
        size_t left, n;

        key = key_for(RECORD_NAME, &net->nodes[0].peer, "sales");
        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        dhts_kill(net, 0);
        for (size_t i = 50; i < 100; i++) {
                dhts_start(net, i, (size_t[]){ 1 }, 1);
                dhts_run(net, 10 * NSEC_PER_SEC);
        }
        dhts_run(net, 10 * MINUTE);
        left = holders(net, &key);
        n = fetched(net);
        print_message("# holders among the 20 closest: %zu; records fetched: %zu\n", left, n);
        assert_true(left >= 17);
        assert_in_range(n, 5, 50); /* by each newcomer once, from whomever it asks */
        network_done(net);
}

/* Who publishes as soon as it has come stores on the k closest alone, whom somebody may have
 * planted there: it looks after that once it knows how far from the key the others stand. */
static void newcomers_look_after_theirs(void **state) {
        struct dhts *net = half_grown(51, 17);
        const struct replicate_stats *s;

        dhts_start(net, 50, (size_t[]){ 1 }, 1);
        dhts_run(net, 2 * NSEC_PER_SEC);
        s = keeper_replication(net->nodes[50].records);
        assert_false(dht_knows_size(net->nodes[50].dht));
        assert_int_equal(put(net, 50, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        assert_int_equal(s->checks, 0);
        dhts_run(net, 2 * MINUTE);
        assert_true(dht_knows_size(net->nodes[50].dht));
        assert_int_equal(s->checks, 1);
        network_done(net);
}

static size_t closest_up(struct dhts *net, const struct key *key) {
        size_t best = net->config.n;

        for (size_t i = 0; i < net->config.n; i++)
                if (net->nodes[i].is_up &&
                    (best == net->config.n || key_compare(key, &net->nodes[i].contact.key,
                                                          &net->nodes[best].contact.key) < 0))
                        best = i;
        return best;
}

/* Nobody comes, and the publisher is gone as well: who is closest now fetches it. */
static void thinned_neighbourhoods_fill_up(void **state) {
        struct dhts *net = network(200, 18);
        struct key key = key_for(RECORD_NAME, &net->nodes[0].peer, "sales");
        size_t before, after;

        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        dhts_run(net, MINUTE);
        dhts_kill(net, 0);
        for (size_t i = 0; i < 14; i++)
                dhts_kill(net, closest_up(net, &key));
        before = holders(net, &key);
        dhts_run(net, HOURS);
        after = holders(net, &key);
        print_message("# of the 20 closest %zu had it, an hour later %zu\n", before, after);
        assert_true(before <= 12);
        assert_true(after >= 18);
        network_done(net);
}

/* As a publisher that left long ago had it stored, at every node that is up. */
static void leave_behind(struct dhts *net, uint32_t number) {
        CLEANUP(buffer_donep) struct buffer name = {};
        CLEANUP(buffer_donep) struct buffer value = {};
        struct sign_public public = { .bytes = { 9 } };
        struct record_statement s = { .kind = RECORD_NAME,
                                      .network = BYTES_LIT("default"),
                                      .label = BYTES_LIT("left"),
                                      .sequence = 1,
                                      .ttl_s = 48 * 3600,
                                      .payload = BYTES_OF(root) };
        struct stored_record r;
        struct signature signature;

        store_be32(public.bytes + 4, number);
        s.publisher = peer_id_from_ed25519(&public);
        s.created_us = dht_wall_us(net->nodes[0].dht, net->now);
        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        assert_int_equal(record_encode(&s, &value), RECORD_OK);
        signature = fake_signature(&public, buffer_bytes(&value));
        buffer_put_bytes(&value, signature_bytes(&signature));
        (void) name_for(&name, RECORD_NAME, &s.publisher, s.label);
        for (size_t i = 0; i < net->config.n; i++) {
                if (!net->nodes[i].is_up)
                        continue;
                assert_null(rules_validate(keeper_rules(net->nodes[i].records), buffer_bytes(&name),
                                           buffer_bytes(&value), s.created_us, &r));
                assert_int_equal(stores[i].ops->put(stores[i].self, &r), STORE_OK);
        }
}

/* More than one neighbour answers of one peer in a burst: the others give the rest. */
static void piles_come_over(void **state) {
        enum { PILE = 1500 };
        struct dhts_config config;
        struct store_counts counts;
        const struct pull_stats *s;
        struct dhts *net;

        dhts_config_default(&config);
        config.n = 16;
        config.seed = 21;
        config.records = &records;
        net = dhts_new(&config);
        for (size_t i = 0; i < 15; i++) {
                dhts_start(net, i, NULL, 0);
                dhts_run(net, NSEC_PER_SEC);
        }
        dhts_run(net, 5 * MINUTE);
        for (uint32_t i = 0; i < PILE; i++)
                leave_behind(net, i);
        dhts_start(net, 15, (size_t[]){ 1 }, 1);
        dhts_run(net, 5 * MINUTE);
        stores[15].ops->counts(stores[15].self, &counts);
        s = keeper_pulls(net->nodes[15].records);
        print_message("# of %d it has %zu, from %zu neighbours, %zu fetched\n", PILE,
                      (size_t) counts.records, (size_t) s->rounds, (size_t) s->fetched);
        assert_int_equal(counts.records, PILE);
        assert_int_equal(s->fetched, PILE); /* each once */
        network_done(net);
}

/* Back from its disk, a node fetches what was published meanwhile, and nothing twice. */
static void who_returns_fetches_what_it_missed(void **state) {
        struct dhts *net = network(30, 19);
        struct key key = key_for(RECORD_NAME, &net->nodes[0].peer, "later");
        const struct pull_stats *s;
        size_t back = 1;
        bool has = false;

        for (size_t i = 2; i < 30; i++)
                if (key_compare(&key, &net->nodes[i].contact.key, &net->nodes[back].contact.key) <
                    0)
                        back = i; /* the closest one of all */
        assert_int_equal(put(net, 2, RECORD_NAME, "old", BYTES_OF(root)).result.code, KEEPER_OK);
        dhts_kill(net, back);
        dhts_run(net, MINUTE);
        assert_int_equal(put(net, 0, RECORD_NAME, "later", BYTES_OF(root)).result.code, KEEPER_OK);
        dhts_kill(net, 0);
        dhts_start(net, back, (size_t[]){ 5 }, 1);
        dhts_run(net, 5 * MINUTE);
        (void) stores[back].ops->each(stores[back].self, &key, see_value, &has);
        assert_true(has);
        s = keeper_pulls(net->nodes[back].records);
        assert_true(s->rounds >= 3);
        assert_in_range(s->fetched, 1, 2); /* the old one, too, if it had not come before */
        assert_int_equal(s->kept, s->fetched);
        network_done(net);
}

/* What its holders fetch its publisher looks after less often than an announcement, which nobody
 * else does. */
static void publishers_leave_it_to_holders(void **state) {
        struct dhts *net = network(60, 20);
        const struct replicate_stats *a = keeper_replication(net->nodes[0].records);
        const struct replicate_stats *b = keeper_replication(net->nodes[1].records);

        assert_int_equal(put(net, 0, RECORD_NAME, "sales", BYTES_OF(root)).result.code, KEEPER_OK);
        assert_int_equal(put(net, 1, RECORD_TOPIC, "chess", BYTES_NONE).result.code, KEEPER_OK);
        dhts_run(net, 4 * MINUTE);
        assert_int_equal(a->checks, 0);
        assert_true(b->checks >= 1);
        dhts_run(net, 8 * MINUTE);
        assert_int_equal(a->checks, 1);
        network_done(net);
}

static void letters_are_delivered_once(void **state) {
        CLEANUP(buffer_donep) struct buffer value = {};
        struct dhts *net = network(60, 17);
        struct dhts_node *from = &net->nodes[3], *to = &net->nodes[44];
        struct letter l = { .recipient = to->peer, .sealed = BYTES_LIT("sealed by keyring") };
        struct outcome o = { .expected = l.sealed }, sent = {}, receipt = {};
        uint8_t slots[1][32];

        buffer_init(&value, MAILBOX_LETTER_MAX);
        l.hour = (uint32_t) (dht_wall_us(from->dht, net->now) / HOUR);
        assert_true(letter_mine(&l, BITS, 1 << 16));
        letter_put(&value, &l);
        letter_slot(buffer_bytes(&value), slots[0]);
        keeper_send(from->records, buffer_bytes(&value), &CALL(&sent), net->now);
        wait_for(net, &sent);
        assert_int_equal(sent.result.code, KEEPER_OK);
        assert_true(sent.result.n_stored >= 18);

        dhts_kill(net, 3); /* the sender need not be there */
        keeper_mailbox(to->records, &CALL(&o), net->now);
        wait_for(net, &o);
        assert_int_equal(o.n_found, 1);
        assert_int_equal(o.n_expected, 1);
        assert_true(o.fewest_copies >= 18);

        o = (struct outcome){};
        keeper_forget(to->records, slots, 1, &CALL(&o), net->now);
        wait_for(net, &o);
        assert_int_equal(o.result.code, KEEPER_OK);
        o = (struct outcome){};
        keeper_mailbox(to->records, &CALL(&o), net->now);
        wait_for(net, &o);
        assert_int_equal(o.n_found, 0);

        dhts_start(net, 3, (size_t[]){ 0 }, 1);
        dhts_run(net, 10 * MINUTE); /* it still had its copy: it does not send it again */
        keeper_receipt(from->records, &to->peer, slots[0], &CALL(&receipt), net->now);
        wait_for(net, &receipt);
        assert_int_equal(receipt.n_found, 1);
        o = (struct outcome){};
        keeper_mailbox(to->records, &CALL(&o), net->now);
        wait_for(net, &o);
        assert_int_equal(o.n_found, 0);
        network_done(net);
}

/* Nobody signs a rotation anew, and who has it dates it by when it came: its node brings it again
 * in time. */
static void rotations_stay(void **state) {
        struct dhts *net = network(25, 11);
        struct peer_id old = net->nodes[3].peer, new = net->nodes[0].peer;
        struct keychange change = { KEYCHANGE_ROTATION, old, new, 0 };
        CLEANUP(buffer_donep) struct buffer value = {};
        CLEANUP(buffer_donep) struct buffer name = {};
        struct sign_public keys[2];
        struct outcome o = {};
        struct bytes statement;
        struct key key;

        buffer_init(&value, KEYCHANGE_BYTES_MAX);
        buffer_init(&name, RECORD_NAME_MAX);
        assert_int_equal(keychange_encode(&change, &value), KEYCHANGE_OK);
        assert_true(peer_id_ed25519(&old, &keys[0]) && peer_id_ed25519(&new, &keys[1]));
        statement = BYTES(value.data, value.len);
        for (size_t i = 0; i < 2; i++) {
                struct signature s = fake_signature(&keys[i], statement);

                buffer_put_bytes(&value, signature_bytes(&s));
                statement.data = value.data; /* it may have moved */
        }
        key = key_of(name_for(&name, RECORD_ROTATION, &old, BYTES_NONE));
        keeper_publish(net->nodes[0].records, buffer_bytes(&value), &CALL(&o), net->now);
        wait_for(net, &o);
        assert_int_equal(o.result.code, KEEPER_OK);
        assert_in_range(holders(net, &key), 18, 20);
        dhts_run(net, 100 * HOURS);
        assert_in_range(holders(net, &key), 18, 20);
        network_done(net);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

TEST_MAIN(TEST(topics_are_found), TEST(names_are_versions), TEST(gaps_are_filled),
          TEST(rest_costs_little), TEST(records_outlive_their_ttl), TEST(rotations_stay),
          TEST(a_clock_that_ran_ahead_is_forgiven), TEST(newcomers_fetch_theirs),
          TEST(newcomers_look_after_theirs), TEST(thinned_neighbourhoods_fill_up),
          TEST(piles_come_over), TEST(who_returns_fetches_what_it_missed),
          TEST(publishers_leave_it_to_holders), TEST(letters_are_delivered_once))
