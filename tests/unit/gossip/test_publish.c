#include "common/wire/unpack.h"
#include "services/gossip/rpc_message.h"
#include "tests/unit/gossip/core_bench.h"

#include "services/gossip/shard.h"

static void offer(struct core_bench *c, uint32_t free_slots, const char *name) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Peers__Capability m = PEERS__CAPABILITY__INIT;

        m.slots = 8;
        m.free_slots = free_slots;
        m.name = (char *) name;
        buffer_init(&b, 4096);
        wire_pack(&b, &m.base);
        gossip_offer(c->g, buffer_bytes(&b), c->now);
        core_drain(c);
}

/* What was signed last; release with unpacked_done(). */
static const Peers__Capability *said(const struct core_bench *c, struct unpacked *ret) {
        assert_int_equal(
                wire_unpack(&peers__capability__descriptor, refbuf_bytes(c->statement), NULL, ret),
                UNPACK_OK);
        return ret->message;
}

static uint64_t sequence_of(const struct core_bench *c) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        return said(c, &u)->sequence;
}

/* What the disk promises comes before the first signature, and no sequence is used twice, over
 * restarts with a clock that went back as well. */
static void test_sequences(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *stored = NULL;
        struct core_bench c, d;
        uint64_t last;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        assert_true(c.stored_before_signing);
        core_run(&c, 50 * NSEC_PER_SEC);
        last = sequence_of(&c);
        stored = refbuf_ref(c.stored);
        core_done(&c);
        core_init(&d, NULL);
        gossip_clock(d.g, d.now, CORE_WALL - 100 * NSEC_PER_SEC);
        assert_true(gossip_restore(d.g, refbuf_bytes(stored), d.now));
        gossip_start(d.g, d.now);
        core_run(&d, NSEC_PER_SEC);
        assert_true(sequence_of(&d) > last);
        core_done(&d);
}

/* The clock was years ahead once: others refuse such sequences, so it starts again. */
static void test_clock_was_wrong(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *stored = NULL;
        struct core_bench c, d;

        (void) state;
        core_init(&c, NULL);
        gossip_clock(c.g, c.now, 2 * CORE_WALL);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        stored = refbuf_ref(c.stored);
        core_done(&c);
        core_init(&d, NULL);
        assert_true(gossip_restore(d.g, refbuf_bytes(stored), d.now));
        gossip_start(d.g, d.now);
        core_run(&d, NSEC_PER_SEC);
        assert_true(sequence_of(&d) < CORE_WALL + 2 * NSEC_PER_SEC);
        assert_true(d.stored_before_signing);
        core_done(&d);
}

/* Defect D2: what is published is what is free now, and soon. */
static void test_when(void **state) {
        const struct {
                uint32_t free_slots;
                unsigned want; /* publications so far */
        } steps[] = {
                { 8, 1 }, { 7, 1 }, { 5, 1 }, { 4, 2 }, { 0, 3 }, { 1, 4 }, { 2, 5 }, { 3, 5 }
        };
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        offer(&c, 8, "");
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 0); /* not started */
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        FOREACH_CASE (s, steps) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                bool is_news = s == steps || s->want > s[-1].want;

                offer(&c, s->free_slots, "");
                core_run(&c, 1100 * NSEC_PER_MSEC);
                assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], s->want);
                if (is_news)
                        assert_int_equal(said(&c, &u)->free_slots, s->free_slots);
        }
        core_run(&c, 15 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 6);
        core_done(&c);
}

/* Slots that come and go a hundred times a second are not published as often. */
static void test_spacing(void **state) {
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        for (unsigned i = 0; i < 1000; i++) {
                offer(&c, i % 2, "");
                core_run(&c, 10 * NSEC_PER_MSEC);
        }
        assert_true(c.n[GOSSIP_SIGN_CAPABILITY] <= 11);
        assert_true(c.n[GOSSIP_SIGN_CAPABILITY] >= 5);
        core_done(&c);
}

static void test_same_addresses(void **state) {
        struct multiaddr at = core_address(8, 8, 8, 8), other = core_address(8, 8, 8, 9);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        core_run(&c, 2 * NSEC_PER_SEC);
        gossip_addresses(c.g, &at, 1, c.now);
        core_run(&c, 2 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 1);
        gossip_addresses(c.g, &other, 1, c.now);
        core_run(&c, 2 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 2);
        core_done(&c);
}

static void test_invalid_is_not_published(void **state) {
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        offer(&c, 8, "a\nb");
        core_run(&c, NSEC_PER_SEC);
        assert_int_equal(core_counter(&c, "own_invalid"), 1);
        assert_int_equal(c.n[GOSSIP_SIGN_MESSAGE], 0);
        assert_int_equal(c.n[GOSSIP_EVENT], 1);
        core_done(&c);
}

/* Near a border of sizes: one record for each of the two shards. */
static void test_two_shards(void **state) {
        struct gossip_status status;
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_size(c.g, 16 * 12, c.now);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        gossip_status(c.g, &status);
        assert_true(status.is_in_both);
        assert_int_equal(core_counter(&c, "records_published"), 2);
        assert_int_equal(c.n[GOSSIP_SIGN_MESSAGE], 2);
        core_done(&c);
}

/* What was the larger of two shards is the only one now: its mesh stays. */
static void test_one_shard_again(void **state) {
        struct shard large;
        struct core_bench c;
        struct peer_id peer;
        unsigned n = 0;
        char topic[SHARD_TOPIC_SIZE];

        (void) state;
        core_init(&c, NULL);
        gossip_size(c.g, 16 * 12, c.now);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        large = shard_of(&c.self, 3);
        (void) shard_topic(&large, "default", topic);
        do
                peer = core_peer(++n, NULL);
        while (!shard_has(&large, &peer));
        core_join(&c, n, topic);
        assert_true(pubsub_in_mesh(gossip_router(c.g), topic, &peer));
        gossip_size(c.g, 8 * 16, c.now);
        core_drain(&c);
        assert_true(pubsub_in_mesh(gossip_router(c.g), topic, &peer));
        gossip_size(c.g, 16 * 12, c.now);
        core_drain(&c);
        assert_true(pubsub_in_mesh(gossip_router(c.g), topic, &peer));
        gossip_size(c.g, 16 * 20, c.now);
        core_drain(&c);
        assert_false(pubsub_in_mesh(gossip_router(c.g), topic, &peer));
        core_done(&c);
}

static void subscribe(struct core_bench *c, unsigned n) {
        struct peer_id peer = core_peer(n, NULL);
        struct gossip_status status;
        struct refbuf *rpc;
        struct rpc_writer w;

        core_up(c, n);
        gossip_stream_opened(c->g, &peer, PUBSUB_V1_2, c->now);
        gossip_status(c->g, &status);
        rpc_writer_init(&w);
        rpc_put_subscription(&w, status.shard, true);
        rpc = rpc_take(&w);
        gossip_rpc(c->g, &peer, refbuf_bytes(rpc), c->now);
        core_run(c, 0);
        refbuf_unref(rpc);
        rpc_writer_done(&w);
}

/* What went to nobody is said again to the first who is there, and only once. */
static void test_first_listener(void **state) {
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        core_run(&c, 100 * NSEC_PER_MSEC);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 1);
        subscribe(&c, 1);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 2);
        subscribe(&c, 2);
        core_run(&c, 5 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_SIGN_CAPABILITY], 2);
        core_done(&c);
}

/* ---- What others ask ---- */

static size_t list_of(struct core_bench *c, uint64_t id, const struct peer_id *peer) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        static const uint8_t question[] = { 0x0a, 0x03, 0x10, 0x80, 0x02 }; /* List, max 256 */
        static const struct unpack_limits large = { 8, 65536, 8, 1 << 24 };

        gossip_asked(c->g, id, peer, BYTES_OF(question), c->now);
        core_drain(c);
        assert_non_null(c->answer);
        assert_true(c->answer->len <= 64 * 1024);
        assert_int_equal(
                wire_unpack(&peers__reply__descriptor, refbuf_bytes(c->answer), &large, &u),
                UNPACK_OK);
        return ((const Peers__Reply *) u.message)->n_known;
}

static void test_serving(void **state) {
        struct peer_id asker = core_peer(0, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        for (unsigned i = 0; i < 300; i++)
                core_up(&c, i);
        assert_int_equal(list_of(&c, 1, &asker), 256);
        for (unsigned i = 0; i < 30; i++)
                gossip_asked(c.g, 2 + i, &asker, BYTES_LIT("\x0a\x00"), c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_ANSWER], 16);
        assert_int_equal(c.n[GOSSIP_REFUSE], 31 - 16);
        for (unsigned i = 1; i < 300; i++) /* all together have a budget, too */
                for (unsigned k = 0; k < 2; k++) {
                        struct peer_id p = core_peer(i, NULL);

                        gossip_asked(c.g, 1000 + 2 * i + k, &p, BYTES_LIT("\x0a\x00"), c.now);
                }
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_ANSWER], 256);
        core_done(&c);
}

/* Whoever has just connected in order to ask is not identified yet: it has a budget, too. */
static void test_serving_strangers(void **state) {
        struct peer_id stranger = core_peer(7, NULL), blocked = core_peer(8, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        for (unsigned i = 0; i < 20; i++)
                gossip_asked(c.g, 1 + i, &stranger, BYTES_LIT("\x0a\x00"), c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_ANSWER], 16);
        assert_int_equal(c.n[GOSSIP_REFUSE], 4);
        assert_true(gossip_block(c.g, &blocked, "", NSEC_NEVER, c.now));
        gossip_asked(c.g, 90, &blocked, BYTES_LIT("\x0a\x00"), c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_REFUSE], 5);
        core_up(&c, 7); /* a question says nothing of streams */
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_done(&c);
}

/* Four addresses of the greatest length: the answer still fits, and private ones stay here. */
static void test_long_addresses(void **state) {
        struct multiaddr at[4];
        struct core_bench c;
        struct peer_id peer;

        (void) state;
        core_init(&c, NULL);
        for (unsigned i = 0; i < 4; i++) {
                char text[300], name[240];

                memset(name, 'a', sizeof(name));
                name[sizeof(name) - 1] = '\0';
                for (unsigned k = 50; k < sizeof(name) - 1; k += 50)
                        name[k] = '.';
                snprintf(text, sizeof(text), "/dns4/%.200s/udp/%u/quic-v1", name, 4000 + i);
                if (multiaddr_from_text(BYTES_STR(text), &at[i]) != MULTIADDR_OK)
                        at[i] = core_address(8, 8, 8, (uint8_t) i);
        }
        for (unsigned i = 0; i < 300; i++) {
                struct gossip_peer p = { .peer = core_peer(i, NULL),
                                         .speaks_peers = true,
                                         .n_addresses = 4,
                                         .addresses = at };

                gossip_peer_up(c.g, &p, c.now);
        }
        peer = core_peer(0, NULL);
        (void) list_of(&c, 1, &peer);
        core_done(&c);
        core_init(&c, NULL);
        core_up(&c, 0);
        at[0] = core_address(192, 168, 1, 7);
        {
                struct gossip_peer p = { .peer = core_peer(1, NULL),
                                         .n_addresses = 1,
                                         .addresses = at };

                gossip_peer_up(c.g, &p, c.now);
        }
        assert_int_equal(list_of(&c, 1, &peer), 1);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(test_sequences), cmocka_unit_test(test_clock_was_wrong),
          cmocka_unit_test(test_when), cmocka_unit_test(test_spacing),
          cmocka_unit_test(test_same_addresses), cmocka_unit_test(test_invalid_is_not_published),
          cmocka_unit_test(test_two_shards), cmocka_unit_test(test_one_shard_again),
          cmocka_unit_test(test_serving), cmocka_unit_test(test_serving_strangers),
          cmocka_unit_test(test_long_addresses), cmocka_unit_test(test_first_listener))
