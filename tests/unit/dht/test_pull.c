/* One node and its only neighbour, who may be up to no good. */
#include <stdlib.h>

#include "services/dht/mailbox.h"
#include "services/dht/message.h"
#include "services/dht/pull.h"
#include "services/dht/record_messages.h"
#include "services/dht/record_serve.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/records.h"

struct world {
        struct dht *dht;
        struct store store;
        struct pull *pull;
        struct rules *rules;
        struct quota *quota;
        struct dht_remote neighbour;
        nsec_t now;
};

/* The latest question on that protocol; 0: there is none. */
static uint64_t question(struct world *w, enum dht_protocol protocol) {
        struct dht_action a;
        uint64_t id = 0;

        while (dht_output(w->dht, &a)) {
                if (a.type == DHT_ASK && a.protocol == protocol)
                        id = a.id;
                dht_action_done(&a);
        }
        return id;
}

static void answer_kad(struct world *w) {
        struct kad_parts parts = { .type = KAD_FIND_NODE };
        struct refbuf *message = kad_message_new(&parts);

        dht_answered(w->dht, question(w, DHT_PROTOCOL_KAD), &w->neighbour, refbuf_bytes(message),
                     w->now);
        refbuf_unref(message);
}

static struct world world_new(void) {
        const struct rules_config rules = { .network = "default", .mailbox_bits = 4 };
        struct world w = { .now = NSEC_PER_SEC, .neighbour = remote_of(2) };
        struct dht_remote self = remote_of(1);
        struct quota_config quota;
        struct pull_config pull;
        struct dht_config config;

        dht_config_default(&config);
        config.mode = DHT_MODE_SERVER;
        quota_config_default(&quota);
        pull_config_default(&pull);
        w.store = store_memory_new(&store_limits_default, 1);
        w.dht = dht_new(&config, &self.contact.peer, &w.store, 1);
        w.rules = rules_new(&rules);
        w.quota = quota_new(&quota, &self.contact.key, 1);
        w.pull = pull_new(&pull, w.dht, w.rules, w.quota, &self.contact.key, 1);
        dht_clock(w.dht, w.now, NOW);
        dht_start(w.dht, w.now);
        dht_expire(w.dht, w.now);
        dht_peer_identified(w.dht, &w.neighbour, w.now);
        answer_kad(&w);
        pull_region(w.pull, 1);
        contact_done(&self.contact);
        return w;
}

static void world_done(struct world *w) {
        dht_free(w->dht);
        pull_free(w->pull);
        rules_free(w->rules);
        quota_free(w->quota);
        store_memory_free(&w->store);
        contact_done(&w->neighbour.contact);
}

static bool reply(struct world *w, const Record__Reply *r) {
        CLEANUP(buffer_donep) struct buffer b = {};
        uint64_t id = question(w, DHT_PROTOCOL_RECORD);

        buffer_init(&b, RECORD_MESSAGE_MAX);
        wire_pack(&b, &r->base);
        if (id)
                dht_answered(w->dht, id, &w->neighbour, buffer_bytes(&b), w->now);
        return id != 0;
}

/* A page without end, each promising another. */
static void questions_are_bounded(void **state) {
        struct world w = world_new();
        Record__Reply r = RECORD__REPLY__INIT;
        uint8_t next[32] = { 1 };
        unsigned n = 0;

        r.next = record_binary(BYTES_OF(next));
        pull_maintain(w.pull, w.now);
        while (n < 1000 && reply(&w, &r))
                n++;
        assert_in_range(n, 2, 21);
        assert_int_equal(pull_stats(w.pull)->failed, 1);
        pull_maintain(w.pull, w.now + NSEC_PER_SEC); /* not at once again */
        assert_int_equal(pull_stats(w.pull)->rounds, 1);
        world_done(&w);
}

/* Lists what he does not have, then gives what the table refuses. */
static void who_gives_rubbish_is_left(void **state) {
        struct world w = world_new();
        Record__Reply r = RECORD__REPLY__INIT;
        uint8_t held[64 * RECORD_ENTRY] = {};
        Record__Store store = RECORD__STORE__INIT, *stores[8];
        unsigned n = 0;

        for (uint64_t i = 0; i < 64; i++)
                store_be64(held + i * RECORD_ENTRY, i + 1);
        r.held = record_binary(BYTES_OF(held));
        pull_maintain(w.pull, w.now);
        assert_true(reply(&w, &r));
        assert_int_equal(pull_stats(w.pull)->wanted, 64);
        r = (Record__Reply) RECORD__REPLY__INIT;
        store.name = record_binary(BYTES_LIT("/name/nobody"));
        store.value = record_binary(BYTES_LIT("rubbish"));
        for (size_t i = 0; i < ELEMENTSOF(stores); i++)
                stores[i] = &store;
        r.stores = stores;
        r.n_stores = ELEMENTSOF(stores);
        while (n < 100 && reply(&w, &r))
                n++;
        assert_int_equal(n, 1);
        assert_int_equal(pull_stats(w.pull)->failed, 1);
        assert_int_equal(pull_stats(w.pull)->kept, 0);
        assert_int_equal(pull_stats(w.pull)->fetched, 3);
        pull_maintain(w.pull, w.now + NSEC_PER_SEC); /* not at once again */
        assert_int_equal(pull_stats(w.pull)->rounds, 1);
        world_done(&w);
}

/* Whoever hands it on; and that one is honest: he is not left for it. */
static void what_a_denied_peer_published_is_not_kept(void **state) {
        static const uint8_t root[32] = { 7 };
        struct world w = world_new();
        struct person bad = person_no(4);
        struct record_statement s =
                statement_by(&bad, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));
        CLEANUP(buffer_donep) struct buffer name = {}, value = {};
        Record__Store store = RECORD__STORE__INIT, *stores[] = { &store, &store, &store, &store };
        Record__Reply r = RECORD__REPLY__INIT;
        uint8_t held[4 * RECORD_ENTRY] = {};

        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        store.name = record_binary(name_for(&name, RECORD_NAME, &bad.peer, BYTES_LIT("sales")));
        store.value = record_binary(sign_record(&value, &bad, &s));
        for (uint64_t i = 0; i < 4; i++)
                store_be64(held + i * RECORD_ENTRY, i + 1);
        dht_deny(w.dht, &bad.peer, true, w.now);
        pull_maintain(w.pull, w.now);
        r.held = record_binary(BYTES_OF(held));
        assert_true(reply(&w, &r));
        r = (Record__Reply) RECORD__REPLY__INIT;
        r.stores = stores;
        r.n_stores = ELEMENTSOF(stores);
        assert_true(reply(&w, &r));
        assert_int_equal(pull_stats(w.pull)->fetched, 4);
        assert_int_equal(pull_stats(w.pull)->kept, 0);
        assert_int_equal(pull_stats(w.pull)->failed, 0);
        world_done(&w);
}

/* Nobody has anything: three are asked, then one in ten minutes. */
static void rounds_become_rare(void **state) {
        struct world w = world_new();
        Record__Reply r = RECORD__REPLY__INIT;

        for (unsigned i = 0; i < 100; i++) {
                pull_maintain(w.pull, w.now);
                (void) reply(&w, &r);
        }
        assert_int_equal(pull_stats(w.pull)->rounds, 3);
        pull_maintain(w.pull, w.now + 7 * 60 * NSEC_PER_SEC);
        assert_int_equal(pull_stats(w.pull)->rounds, 3);
        pull_maintain(w.pull, w.now + 13 * 60 * NSEC_PER_SEC);
        assert_int_equal(pull_stats(w.pull)->rounds, 4);
        world_done(&w);
}

/* ---- An honest neighbour ---- */

#define LETTERS 64
#define NAMES   40

struct giver {
        struct store store;
        struct buffer name, value;
        struct key names[NAMES];
};

static void give(struct giver *g, struct world *w, struct bytes name, struct bytes value,
                 unsigned sender) {
        struct stored_record r;

        assert_false(rules_validate(w->rules, name, value, NOW, &r));
        if (sender)
                store_be32(r.publisher, sender);
        assert_int_equal(g->store.ops->put(g->store.self, &r), STORE_OK);
}

/* One mailbox full of the largest letters, each from somebody else. */
static void give_letters(struct giver *g, struct world *w) {
        static uint8_t text[MAILBOX_LETTER_MAX - 400];
        CLEANUP(buffer_donep) struct buffer value = {};
        struct person to = person_no(9);
        struct bytes name = name_for(&g->name, RECORD_MAILBOX, &to.peer, BYTES_NONE);

        buffer_init(&value, RECORD_MESSAGE_MAX);
        for (uint32_t i = 0; i < LETTERS; i++) {
                struct letter l = { .recipient = to.peer,
                                    .sealed = BYTES_OF(text),
                                    .hour = (uint32_t) (NOW / HOUR) };

                store_be32(text, i);
                assert_true(letter_mine(&l, 4, 1 << 16));
                buffer_clear(&value);
                letter_put(&value, &l);
                give(g, w, name, buffer_bytes(&value), i + 1);
        }
}

static void giver_init(struct giver *g, struct world *w) {
        static const uint8_t root[32] = { 7 };

        g->store = store_memory_new(&store_limits_default, 3);
        buffer_init(&g->name, RECORD_NAME_MAX);
        buffer_init(&g->value, RECORD_MESSAGE_MAX);
        give_letters(g, w);
        for (unsigned i = 0; i < NAMES; i++) {
                struct person p = person_no(300 + i);
                struct record_statement statement =
                        statement_by(&p, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));
                struct bytes name = name_for(&g->name, RECORD_NAME, &p.peer, BYTES_LIT("sales"));

                g->names[i] = key_of(name);
                give(g, w, name, sign_record(&g->value, &p, &statement), 0);
        }
}

static void giver_done(struct giver *g) {
        store_memory_free(&g->store);
        buffer_done(&g->name);
        buffer_done(&g->value);
}

/* Answers as a node does. */
static void answer_honestly(struct world *w, const struct giver *g) {
        struct record_serve serve = {
                .rules = w->rules, .quota = w->quota, .store = &g->store, .now_us = NOW, .radius = 1
        };
        CLEANUP(buffer_donep) struct buffer out = {};
        struct dht_remote us = remote_of(1);
        struct dht_action a;

        buffer_init(&out, 2 * RECORD_MESSAGE_MAX);
        while (dht_output(w->dht, &a)) {
                if (a.type == DHT_ASK && a.protocol == DHT_PROTOCOL_RECORD) {
                        buffer_clear(&out);
                        assert_true(record_serve(&serve, &us, refbuf_bytes(a.data), &out));
                        dht_answered(w->dht, a.id, &w->neighbour, buffer_bytes(&out), w->now);
                }
                dht_action_done(&a);
        }
        contact_done(&us.contact);
}

static bool note_one(void *userdata, const struct stored_record *r) {
        *(unsigned *) userdata += 1;
        return true;
}

static unsigned names_held(const struct world *w, const struct giver *g) {
        unsigned n = 0;

        for (unsigned i = 0; i < NAMES; i++)
                (void) w->store.ops->each(w->store.self, &g->names[i], note_one, &n);
        return n;
}

/* Not all of it has room here, and none of it keeps what stands behind it away. */
static void a_full_mailbox_is_passed(void **state) {
        struct world w = world_new();
        struct store_counts counts;
        struct giver g = {};

        giver_init(&g, &w);
        for (unsigned turn = 0; turn < 60; turn++, w.now += 30 * NSEC_PER_SEC) {
                pull_maintain(w.pull, w.now);
                answer_honestly(&w, &g);
        }
        assert_int_equal(names_held(&w, &g), NAMES);
        w.store.ops->counts(w.store.self, &counts);
        assert_int_equal(counts.records, NAMES + 64); /* one neighbour brings a whole mailbox */
        giver_done(&g);
        world_done(&w);
}

/* Answers whatever is asked for with the same record, and lists ever another. */
static bool repeat(struct world *w, Record__Store *store, unsigned turn) {
        uint8_t held[RECORD_ENTRY] = {}, next[32] = { 1 };
        Record__Reply r = RECORD__REPLY__INIT;

        if (turn % 2 == 0) {
                store_be64(held, turn + 1);
                r.held = record_binary(BYTES_OF(held));
                r.next = record_binary(BYTES_OF(next));
        } else {
                r.stores = &store;
                r.n_stores = 1;
        }
        return reply(w, &r);
}

/* What he gives is sound, and held since the first time: he is of no use, and left for a while. */
static void who_repeats_himself_is_left(void **state) {
        struct world w = world_new();
        Record__Store store = RECORD__STORE__INIT;
        CLEANUP(buffer_donep) struct buffer name = {}, value = {};
        struct person p = person_no(7);
        static const uint8_t root[32] = { 7 };
        struct record_statement s =
                statement_by(&p, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));
        unsigned turn = 0;

        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_MESSAGE_MAX);
        store.name = record_binary(name_for(&name, RECORD_NAME, &p.peer, BYTES_LIT("sales")));
        store.value = record_binary(sign_record(&value, &p, &s));
        for (unsigned round = 0; round < 2; round++) {
                pull_maintain(w.pull, w.now);
                for (turn = 0; turn < 100 && repeat(&w, &store, turn); turn++)
                        ;
                assert_in_range(turn, 20, 21);
        }
        assert_int_equal(pull_stats(w.pull)->kept, 1);
        assert_int_equal(pull_stats(w.pull)->rounds, 2); /* the first one was of use */
        assert_int_equal(pull_stats(w.pull)->failed, 1);
        pull_maintain(w.pull, w.now + NSEC_PER_SEC);
        assert_int_equal(pull_stats(w.pull)->rounds, 2);
        world_done(&w);
}

/* Counted to where the giver is, whatever it announces. */
static void announced_addresses_are_not_charged(void **state) {
        struct world w = world_new();
        const struct endpoint loopback = endpoint_ip4((uint8_t[4]){ 127, 0, 0, 1 }, 1);
        const struct multiaddr address = multiaddr_from_endpoint(&loopback);
        const struct peer_id peer = w.neighbour.contact.peer;
        struct subnet at = subnet_exact(&w.neighbour.endpoint);
        struct giver g = {};

        giver_init(&g, &w);
        contact_done(&w.neighbour.contact);
        contact_init(&w.neighbour.contact, &peer, &address, 1);
        dht_peer_identified(w.dht, &w.neighbour, w.now);
        for (unsigned turn = 0; turn < 20; turn++, w.now += 30 * NSEC_PER_SEC) {
                pull_maintain(w.pull, w.now);
                answer_honestly(&w, &g);
        }
        assert_true(pull_stats(w.pull)->kept > 0);
        assert_int_equal(w.store.ops->count_subnet(w.store.self, &at), pull_stats(w.pull)->kept);
        giver_done(&g);
        world_done(&w);
}

/* A topic of many publishers comes over whole from one neighbour, which is charged for half of what
 * its subnet may store, and no more; newcomers of other subnets take the places back. */
static void a_neighbour_is_charged_half(void **state) {
        struct world w = world_new();
        const struct subnet at = subnet_exact(&w.neighbour.endpoint);
        struct stored_record r = { .kind = RECORD_TOPIC, .subnet = at };
        uint64_t n;

        for (unsigned i = 0; i < 1200; i++) {
                struct quota_config config;

                quota_config_default(&config);
                r.key.bytes[0] = (uint8_t) (i / 128);
                store_be32(r.slot, i);
                store_be32(r.publisher, i + 1);
                r.name = r.value = BYTES_LIT("x");
                r.expires_us = NOW + HOUR;
                r.is_handed_on = i < 1100;
                if (!quota_admit(w.quota, &w.store, &r))
                        assert_int_equal(w.store.ops->put(w.store.self, &r), STORE_OK);
                n = w.store.ops->count_subnet(w.store.self, &at);
                if (i == 127)
                        assert_int_equal(n, 128);
                if (i == 1099)
                        assert_int_equal(n, config.per_subnet / 2);
        }
        assert_true(n > 512);
        r.subnet.prefix[0]++;
        r.key.bytes[0] = 0;
        r.is_handed_on = false;
        store_be32(r.slot, 5000);
        assert_null(quota_admit(w.quota, &w.store, &r));
        assert_int_equal(w.store.ops->count_key(w.store.self, &r.key), 127);
        world_done(&w);
}

TEST_MAIN(cmocka_unit_test(a_neighbour_is_charged_half), cmocka_unit_test(questions_are_bounded),
          cmocka_unit_test(who_gives_rubbish_is_left),
          cmocka_unit_test(what_a_denied_peer_published_is_not_kept),
          cmocka_unit_test(who_repeats_himself_is_left), cmocka_unit_test(rounds_become_rare),
          cmocka_unit_test(a_full_mailbox_is_passed),
          cmocka_unit_test(announced_addresses_are_not_charged))
