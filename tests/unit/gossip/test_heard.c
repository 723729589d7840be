/* What others say of themselves: who is believed, what is passed on, where it may lead. */

#include "common/wire/envelope.h"
#include "services/gossip/core.h"
#include "tests/unit/gossip/core_bench.h"

#define BORDER (16 * 12) /* nodes: four bits, and three while estimates differ */

/* A core that has started, in a network of so many. */
static void begin(struct core_bench *c, double nodes) {
        core_init(c, NULL);
        gossip_size(c->g, nodes, c->now);
        gossip_start(c->g, c->now);
        core_run(c, NSEC_PER_SEC);
}

/* What a node passes on from now on is counted; its own record it has had. */
static void watch(struct core_bench *c, unsigned node) {
        core_run(c, NSEC_PER_SEC);
        c->watched = core_peer(node, NULL);
        c->watched_messages = 0;
}

static const char *topic_of(const struct core_bench *c, unsigned bits, char ret[SHARD_TOPIC_SIZE]) {
        struct shard s = shard_of(&c->self, bits);

        return shard_topic(&s, "default", ret);
}

/* The first of those from `from` on that shares (or not) so many bits with the core. */
static unsigned member(const struct core_bench *c, unsigned bits, bool is_member, unsigned from) {
        struct shard s = shard_of(&c->self, bits);
        struct peer_id p = core_peer(from, NULL);

        while (shard_has(&s, &p) != is_member)
                p = core_peer(++from, NULL);
        return from;
}

static bool is_known(const struct core_bench *c, unsigned n, uint64_t sequence) {
        struct peer_id p = core_peer(n, NULL);

        return offers_newest(c->g->offers, &p) == sequence;
}

/* ---- Believed ---- */

static const struct {
        const char *name;
        unsigned of, author; /* whom the record is about; who publishes it */
        bool is_right;
        const char *counter;
} forgeries[] = {
        { "of somebody else", 5, 6, true, "rejected" },
        { "with a wrong signature", 5, 5, false, "records_bad" },
};

/* Weakness I1: nobody announces for another. */
static void test_forged(void **state) {
        char topic[SHARD_TOPIC_SIZE];

        FOREACH_CASE (f, forgeries) {
                CLEANUP(refbuf_unrefp)
                struct refbuf *bad = core_record(f->of, CORE_WALL + 1, "x", f->is_right),
                              *good = core_record(5, CORE_WALL + 1, "x", true);
                struct core_bench c;

                begin(&c, 10);
                core_join(&c, 1, topic_of(&c, 0, topic));
                core_join(&c, 2, topic);
                watch(&c, 2);
                core_say(&c, f->author, 1, topic, bad);
                core_run(&c, NSEC_PER_SEC);
                assert_true(is_known(&c, 5, 0));
                assert_int_equal(c.watched_messages, 0);
                assert_int_equal(core_counter(&c, "rejected"), 1);
                assert_int_equal(core_counter(&c, f->counter), 1);
                core_say(&c, 5, 2, topic, good); /* and it keeps no true one away */
                assert_true(is_known(&c, 5, CORE_WALL + 1));
                core_done(&c);
        }
}

/* In a shard that it does not belong to a record is spam. */
static void test_foreign_shard(void **state) {
        char topic[SHARD_TOPIC_SIZE];
        struct core_bench c;
        unsigned stranger;

        begin(&c, 16 * 20);
        stranger = member(&c, 4, false, 10);
        core_join(&c, 1, topic_of(&c, 4, topic));
        {
                CLEANUP(refbuf_unrefp)
                struct refbuf *r = core_record(stranger, CORE_WALL + 1, "x", true);

                core_say(&c, stranger, 1, topic, r);
        }
        assert_true(is_known(&c, stranger, 0));
        assert_int_equal(core_counter(&c, "rejected"), 1);
        core_done(&c);
}

/* ---- Passed on ---- */

static const struct {
        const char *name;
        double nodes;
        uint64_t apart; /* of the two records */
        bool is_passed_on;
} twins[] = {
        { "signed one after the other", BORDER, 1000000, true },
        { "of two publications", BORDER, 2 * NSEC_PER_SEC, false },
};

/* A node in two shards signs the older record for the larger one. Who is in both, too, and heard
 * the newer one first, still has to pass the older one on, or the rest of that shard never hears
 * it; its own table keeps the newer one. */
static void test_older_twin(void **state) {
        char small[SHARD_TOPIC_SIZE], large[SHARD_TOPIC_SIZE];

        FOREACH_CASE (t, twins) {
                const uint64_t older = CORE_WALL + 1, newer = older + t->apart;
                struct core_bench c;
                unsigned author;

                begin(&c, t->nodes);
                author = member(&c, 4, true, 10);
                core_join(&c, 1, topic_of(&c, 4, small));
                core_join(&c, 2, topic_of(&c, 3, large));
                core_join(&c, 3, large);
                watch(&c, 3);
                {
                        CLEANUP(refbuf_unrefp)
                        struct refbuf *first = core_record(author, newer, "x", true),
                                      *second = core_record(author, older, "x", true);

                        core_say(&c, author, 1, small, first);
                        assert_true(is_known(&c, author, newer));
                        core_say(&c, author, 2, large, second);
                }
                core_run(&c, NSEC_PER_SEC);
                assert_int_equal(c.watched_messages, t->is_passed_on);
                assert_true(is_known(&c, author, newer));
                core_done(&c);
        }
}

/* An author of two shards that we are in as well; peer 3, who is watched, is in the larger one.
 * Returns the author. */
static unsigned begin_twins(struct core_bench *c, char small[SHARD_TOPIC_SIZE],
                            char large[SHARD_TOPIC_SIZE]) {
        unsigned author;

        begin(c, BORDER);
        author = member(c, 4, true, 10);
        core_join(c, 1, topic_of(c, 4, small));
        core_join(c, 2, topic_of(c, 3, large));
        core_join(c, 3, large);
        watch(c, 3);
        return author;
}

static const struct {
        const char *name;
        unsigned newer,
                twins; /* so many newer ones, each followed by so many older ones; then one more */
        unsigned want; /* older ones passed on */
} many_twins[] = {
        { "of one publication", 1, 500, 1 },
        { "of many at once", 50, 1, ORIGIN_BURST / 2 },
        { "behind as many as may be", ORIGIN_BURST, 0, 0 },
};

/* What an author may call the older one of two is bounded like all it says: one for each newer one,
 * at the rate of all its records, however many it makes. */
static void test_many_twins(void **state) {
        char small[SHARD_TOPIC_SIZE], large[SHARD_TOPIC_SIZE];

        FOREACH_CASE (t, many_twins) {
                struct core_bench c;
                unsigned author;

                author = begin_twins(&c, small, large);
                for (unsigned i = 0; i <= t->newer * (t->twins + 1); i++) {
                        bool is_last = i == t->newer * (t->twins + 1);
                        unsigned nth = is_last ? t->newer - 1 : i / (t->twins + 1);
                        unsigned twin = is_last ? 999 : i % (t->twins + 1);
                        uint64_t newer = CORE_WALL + (50 + nth) * NSEC_PER_SEC / 100;
                        CLEANUP(refbuf_unrefp)
                        struct refbuf *r = core_record(author, newer - twin, "x", true);

                        core_say(&c, author, twin > 0 ? 2 : 1, twin > 0 ? large : small, r);
                }
                core_run(&c, NSEC_PER_SEC);
                assert_int_equal(c.watched_messages, t->want);
                core_done(&c);
        }
}

/* Whoever signs as the author of a message need not have signed the record in it. */
static void test_forged_twin(void **state) {
        char small[SHARD_TOPIC_SIZE], large[SHARD_TOPIC_SIZE];
        CLEANUP(refbuf_unrefp) struct refbuf *newer = NULL, *forged = NULL, *older = NULL;
        struct core_bench c;
        unsigned author;

        author = begin_twins(&c, small, large);
        newer = core_record(author, CORE_WALL + 1000000, "x", true);
        forged = core_record(author, CORE_WALL + 1, "x", false);
        older = core_record(author, CORE_WALL + 2, "x", true);
        core_say(&c, author, 1, small, newer);
        core_say(&c, author, 2, large, forged);
        assert_int_equal(core_counter(&c, "rejected"), 1);
        assert_int_equal(core_counter(&c, "records_bad"), 1);
        core_say(&c, author, 1, large, older); /* it took no place */
        core_run(&c, NSEC_PER_SEC);
        assert_int_equal(c.watched_messages, 1);
        core_done(&c);
}

/* ---- Where it may lead ---- */

/* Three doors of ours and one of theirs. */
static size_t bait(struct multiaddr ret[GOSSIP_ADDRESSES_MAX]) {
        ret[0] = core_address(127, 0, 0, 1);
        ret[1] = core_address(192, 168, 1, 1);
        ret[2] = core_address(8, 7, 6, 5);
        ret[3] = core_address(10, 0, 0, 1);
        return 4;
}

/* As peers sign it for identify. */
static void put_signed_addresses(struct buffer *b, unsigned n) {
        struct peer_record record = { .peer = core_peer(n, NULL), .seq = 1 };
        CLEANUP(buffer_donep) struct buffer payload = {}, form = {};
        struct sign_public key;
        struct sign_secret secret;
        struct signature s;

        record.n_addrs = bait(record.addrs);
        buffer_init(&payload, 8192);
        buffer_init(&form, 8192);
        peer_record_put(&payload, &record);
        envelope_put_signed(&form, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE, buffer_bytes(&payload));
        (void) core_peer(n, &secret);
        assert_true(peer_id_ed25519(&record.peer, &key));
        s = sign_make(&secret, buffer_bytes(&form));
        envelope_put(b, &key, PEER_RECORD_TYPE, buffer_bytes(&payload), &s);
}

/* Twenty good records make a peer's word on others worth something. */
static void earn_trust(struct core_bench *c, unsigned n, const char *topic) {
        for (unsigned i = 0; i < 20; i++) {
                CLEANUP(refbuf_unrefp)
                struct refbuf *r = core_record(100 + i, CORE_WALL + 1, "x", true);

                core_say(c, 100 + i, n, topic, r);
        }
}

static void test_exchanged_private_addresses(void **state) {
        CLEANUP(buffer_donep) struct buffer record = {};
        char topic[SHARD_TOPIC_SIZE];
        struct core_bench c;
        struct peer_id told = core_peer(50, NULL);
        struct rpc_peer px;
        struct rpc_writer w;

        begin(&c, 10);
        core_join(&c, 1, topic_of(&c, 0, topic));
        earn_trust(&c, 1, topic);
        buffer_init(&record, 8192);
        put_signed_addresses(&record, 50);
        px = (struct rpc_peer){ peer_id_bytes(&told), buffer_bytes(&record) };
        core_forget(&c);
        rpc_writer_init(&w);
        rpc_put_prune(&w, topic, &px, 1, 60);
        core_rpc(&c, 1, &w);
        assert_int_equal(c.n[GOSSIP_CONNECT], 1);
        assert_int_equal(c.connect_addresses, 1);
        assert_int_equal(c.private_dials, 0);
        core_done(&c);
}

/* What the coordinator is given of a candidate; a node of a private network, and one that has
 * itself no public address, may. */
static void test_private_addresses_of_records(void **state) {
        static const struct {
                bool is_private, is_at_home;
                size_t want;
        } cases[] = { { false, false, 1 }, { true, false, 4 }, { false, true, 3 } };

        FOREACH_CASE (k, cases) {
                struct multiaddr at[GOSSIP_ADDRESSES_MAX], home = core_address(192, 168, 1, 9);
                CLEANUP(capability_donep) struct capability r = {};
                CLEANUP(refbuf_unrefp) struct refbuf *record = NULL;
                struct gossip_config config;
                struct core_bench c;

                gossip_config_default(&config);
                config.pow_bits = 0;
                config.is_private = k->is_private;
                core_init(&c, &config);
                if (k->is_at_home)
                        gossip_addresses(c.g, &home, 1, c.now);
                record = core_record_at(5, CORE_WALL, at, bait(at));
                assert_int_equal(capability_read(refbuf_bytes(record), &r), CAPABILITY_OK);
                assert_int_equal(gossip_addresses_of(c.g, &r, at, ELEMENTSOF(at)), k->want);
                core_done(&c);
        }
}

/* Defect D3: a host that is known by its name is a candidate, and can be reached as one. */
static void test_names_are_addresses(void **state) {
        CLEANUP(capability_donep) struct capability r = {};
        CLEANUP(refbuf_unrefp) struct refbuf *record = NULL;
        struct multiaddr name, got;
        struct core_bench c;

        core_init(&c, NULL);
        assert_int_equal(
                multiaddr_from_text(BYTES_LIT("/dns4/seed.example/udp/9494/quic-v1"), &name),
                MULTIADDR_OK);
        record = core_record_at(5, CORE_WALL, &name, 1);
        assert_int_equal(capability_read(refbuf_bytes(record), &r), CAPABILITY_OK);
        assert_int_equal(gossip_addresses_of(c.g, &r, &got, 1), 1);
        assert_true(multiaddr_equal(&got, &name));
        core_done(&c);
}

/* Members that the DHT named: dialled for the mesh, and asked for a sample. */
static void test_private_addresses_of_members(void **state) {
        struct gossip_contact member_at = {};
        struct gossip_draw draw = {};
        struct core_bench c;
        unsigned n;

        begin(&c, BORDER);
        n = member(&c, 4, true, 10);
        member_at.peer = core_peer(n, NULL);
        member_at.n_addresses = bait(member_at.addresses);
        core_forget(&c);
        gossip_found(c.g, 0, &member_at, 1, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_CONNECT], 1);
        assert_int_equal(c.connect_addresses, 1);
        gossip_draw(c.g, 1, &draw, c.now);
        core_drain(&c);
        for (unsigned i = 0; i < c.n_lookups; i++)
                gossip_found(c.g, c.lookups[i], &member_at, 1, c.now);
        core_drain(&c);
        assert_true(c.n[GOSSIP_ASK] > 0);
        assert_int_equal(c.asked_addresses, 1);
        assert_int_equal(c.private_dials, 0);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(test_forged), cmocka_unit_test(test_foreign_shard),
          cmocka_unit_test(test_older_twin), cmocka_unit_test(test_many_twins),
          cmocka_unit_test(test_forged_twin), cmocka_unit_test(test_exchanged_private_addresses),
          cmocka_unit_test(test_private_addresses_of_records),
          cmocka_unit_test(test_names_are_addresses),
          cmocka_unit_test(test_private_addresses_of_members))
