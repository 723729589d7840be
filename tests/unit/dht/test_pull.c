/* One node and its only neighbour, who may be up to no good. */
#include <stdlib.h>

#include "services/dht/message.h"
#include "services/dht/pull.h"
#include "services/dht/record_messages.h"
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

static struct dht_remote remote_of(uint32_t number) {
        struct person p = person_no(number);
        const uint8_t addr[4] = { 11, 0, (uint8_t) number, 1 };
        struct dht_remote r = { .endpoint = endpoint_ip4(addr, 4001),
                                .is_server = true,
                                .pow_bits = 16 };
        struct multiaddr at = multiaddr_from_endpoint(&r.endpoint);

        contact_init(&r.contact, &p.peer, &at, 1);
        return r;
}

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

TEST_MAIN(cmocka_unit_test(questions_are_bounded), cmocka_unit_test(who_gives_rubbish_is_left),
          cmocka_unit_test(rounds_become_rare))
