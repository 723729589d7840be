#include "common/wire/unpack.h"
#include "services/gossip/core_calls.h"
#include "services/gossip/offers.h"
#include "tests/unit/gossip/core_bench.h"

/* Whom a draw asks, and whom besides when somebody does not answer. dht is played by hand. */

#define PEERS 64

static struct gossip_contact table[PEERS];

/* 30 nodes, of which dht knows some: two shards. */
static void begin(struct core_bench *c) {
        core_init(c, NULL);
        gossip_size(c->g, 30, c->now);
        gossip_start(c->g, c->now);
        core_drain(c);
        core_forget(c);
        for (unsigned i = 0; i < PEERS; i++)
                table[i].peer = core_peer(i, NULL);
}

static void draw(struct core_bench *c) {
        struct bytes rare = BYTES_LIT("rare");
        struct gossip_draw d = { .filter = { .engines = &rare, .n_engines = 1 } };

        gossip_draw(c->g, 1000, &d, c->now);
        core_drain(c);
}

static void answer_lookups(struct core_bench *c, size_t n) {
        uint64_t n_lookups = c->n_lookups;

        c->n_lookups = 0;
        for (uint64_t i = 0; i < n_lookups; i++) {
                gossip_found(c->g, c->lookups[i], table, n, c->now);
                core_drain(c);
        }
}

static uint32_t shard_asked(const struct core_bench *c, unsigned i) {
        return shard_of(&c->asked_peers[i], 1).prefix;
}

static void all_shards_are_asked_at_once(void **state) {
        struct core_bench c;

        begin(&c);
        draw(&c);
        assert_int_equal(c.n_lookups, 2);
        answer_lookups(&c, PEERS);
        assert_int_equal(c.n_asked, 2);
        assert_int_not_equal(shard_asked(&c, 0), shard_asked(&c, 1));
        core_done(&c);
}

static void who_fails_or_is_silent_gets_a_companion(void **state) {
        struct core_bench c;

        begin(&c);
        draw(&c);
        answer_lookups(&c, PEERS);
        gossip_ask_failed(c.g, c.asked[0], c.now);
        core_drain(&c);
        assert_int_equal(c.n_lookups, 1);
        answer_lookups(&c, PEERS);
        assert_int_equal(c.n_asked, 3);
        assert_int_equal(shard_asked(&c, 2), shard_asked(&c, 0));
        assert_false(peer_id_equal(&c.asked_peers[2], &c.asked_peers[0]));
        core_run(&c, 390 * NSEC_PER_MSEC);
        assert_int_equal(c.n_lookups, 0);
        core_run(&c, 20 * NSEC_PER_MSEC); /* the other one says nothing */
        assert_int_equal(c.n_lookups, 1);
        answer_lookups(&c, PEERS);
        assert_int_equal(c.n_asked, 4);
        assert_int_equal(shard_asked(&c, 3), shard_asked(&c, 1));
        assert_false(peer_id_equal(&c.asked_peers[3], &c.asked_peers[1]));
        core_run(&c, NSEC_PER_SEC);
        assert_int_equal(c.n_asked, 4);
        assert_non_null(c.drawn);
        core_done(&c);
}

/* The table has one peer: it stands for both shards, and the other is looked up by asking. */
static void who_is_known_stands_for_who_is_not(void **state) {
        struct core_bench c;

        begin(&c);
        draw(&c);
        answer_lookups(&c, 1);
        assert_int_equal(c.n_asked, 1);
        assert_int_equal(c.n[GOSSIP_LOOKUP], 3);
        core_done(&c);
}

static void begin_connected(struct core_bench *c, void (*up)(struct core_bench *c, unsigned n)) {
        begin(c);
        for (unsigned i = 0; i < PEERS; i++)
                up(c, i);
        core_forget(c);
        draw(c);
}

/* Of every other shard somebody whom we dialled is asked without a look; of the others dht is
 * asked. */
static void connections_come_first(void **state) {
        struct core_bench c;

        begin_connected(&c, core_dialled);
        assert_int_equal(c.n_asked, 1);
        assert_int_equal(c.n_lookups, 1);
        answer_lookups(&c, PEERS);
        assert_int_equal(c.n_asked, 2);
        assert_int_not_equal(shard_asked(&c, 0), shard_asked(&c, 1));
        core_done(&c);
}

/* However many there are: they chose us. */
static void who_dialled_us_does_not_come_first(void **state) {
        struct core_bench c;

        begin_connected(&c, core_up);
        assert_int_equal(c.n_asked, 0);
        assert_int_equal(c.n_lookups, 2);
        core_done(&c);
}

/* An answer that names `n` peers, this one and those behind it in the table. */
static void name(struct core_bench *c, uint64_t ask, unsigned first, size_t n,
                 const struct multiaddr *at) {
        ProtobufCBinaryData address = { at->len, (uint8_t *) at->bytes };
        Peers__KnownPeer known[PEERS], *list[PEERS];
        Peers__Reply reply = PEERS__REPLY__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};

        for (size_t i = 0; i < n; i++) {
                const struct peer_id *peer = &table[first + i].peer;

                peers__known_peer__init(&known[i]);
                known[i].peer = (ProtobufCBinaryData){ peer->len, (uint8_t *) peer->bytes };
                known[i].n_addresses = 1;
                known[i].addresses = &address;
                list[i] = &known[i];
        }
        reply.n_known = n;
        reply.known = list;
        buffer_init(&b, 1u << 14);
        wire_pack(&b, &reply.base);
        gossip_answered(c->g, ask, buffer_bytes(&b), c->now);
        core_drain(c);
}

/* A member of another shard, in an answer: asked at once, if nobody of that shard was, and where it
 * may be dialled. */
static void members_name_others(void **state) {
        const struct multiaddr public = core_address(8, 9, 1, 1),
                               private = core_address(10, 9, 1, 1);
        static const struct {
                bool is_other, is_public, is_blocked;
                uint64_t n_asked;
        } cases[] = { { true, true, false, 2 },
                      { false, true, false, 1 },
                      { true, false, false, 1 },
                      { true, true, true, 1 } };

        FOREACH_CASE (x, cases) {
                struct core_bench c;
                unsigned who = 1;

                begin(&c);
                while ((shard_of(&table[who].peer, 1).prefix !=
                        shard_of(&table[0].peer, 1).prefix) != x->is_other)
                        who++;
                if (x->is_blocked)
                        assert_true(gossip_block(c.g, &table[who].peer, "", NSEC_NEVER, c.now));
                draw(&c);
                answer_lookups(&c, 1);
                assert_int_equal(c.n_asked, 1);
                name(&c, c.asked[0], who, 1, x->is_public ? &public : &private);
                assert_int_equal(c.n_asked, x->n_asked);
                core_done(&c);
        }
}

/* Whoever answers does not decide for all of a draw: of the many that it names a few are asked. */
static void an_answer_names_a_few(void **state) {
        const struct multiaddr at = core_address(8, 9, 1, 1);
        struct core_bench c;
        uint64_t before;

        begin(&c);
        gossip_size(c.g, 2000, c.now);
        draw(&c);
        answer_lookups(&c, 1);
        while (c.n_lookups > 0)
                answer_lookups(&c, 0); /* dht knows nobody else, so there is room for others */
        before = c.n_asked;
        assert_true(before >= 1);
        name(&c, c.asked[0], 1, PEERS - 1, &at);
        assert_in_range(c.n_asked - before, 1, GOSSIP_OTHERS_MAX);
        core_done(&c);
}

static uint64_t under_way(const struct core_bench *c, uint64_t n_ended) {
        return c->n_asked - n_ended + c->n_lookups;
}

/* A draw of four among 2,000 nodes with all its questions under way. */
static void begin_full(struct core_bench *c) {
        struct gossip_draw d = { .count = 4 };

        begin(c);
        gossip_size(c->g, 2000, c->now);
        gossip_draw(c->g, 1000, &d, c->now);
        core_drain(c);
        for (unsigned i = 0; i < 200 && c->n_lookups > 0; i++)
                answer_lookups(c, PEERS / 2);
        assert_int_equal(c->n_lookups, 0);
        assert_in_range(c->n_asked, 4, PEERS / 4);
}

/* A draw asks no more at once than it should need: an answer that names eight brings one question,
 * that of its place. Nor does it once some were late: what others are asked in their place is all
 * that comes on top. */
static void others_wait_for_a_place(void **state) {
        const struct multiaddr at = core_address(8, 9, 1, 1);
        struct core_bench c;
        uint64_t at_once, later;

        begin_full(&c);
        at_once = under_way(&c, 0);
        name(&c, c.asked[0], PEERS / 2, PEERS / 2, &at);
        assert_int_equal(under_way(&c, 1), at_once);
        core_run(&c, 410 * NSEC_PER_MSEC); /* all are late */
        later = under_way(&c, 1);
        assert_in_range(later, at_once + 1, 2 * at_once);
        for (unsigned i = 1; i < 3; i++) {
                name(&c, c.asked[i], PEERS / 2, PEERS / 2, &at);
                assert_true(under_way(&c, 1 + i) <= later);
        }
        core_done(&c);
}

/* What is named to others: some who are connected, of other shards than ours. */
static void others_are_named(void **state) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct peer_id asker = core_peer(500, NULL);
        const Peers__Reply *reply;
        struct core_bench c;

        begin(&c);
        gossip_size(c.g, 200, c.now);
        for (unsigned i = 0; i < 60; i++)
                core_up(&c, i);
        gossip_asked(c.g, 1, &asker, BYTES_LIT("\x12\x00"), c.now);
        core_drain(&c);
        assert_non_null(c.answer);
        assert_int_equal(wire_unpack(&peers__reply__descriptor, refbuf_bytes(c.answer), NULL, &u),
                         UNPACK_OK);
        reply = u.message;
        assert_int_equal(reply->n_known, 8);
        for (size_t i = 0; i < reply->n_known; i++) {
                struct peer_id peer;

                assert_true(peer_id_parse(
                        BYTES(reply->known[i]->peer.data, reply->known[i]->peer.len), &peer));
                assert_false(shard_has(&c.g->shards[0].shard, &peer));
        }
        core_done(&c);
}

/* An answer with records of so many peers from `first` on, each silent for so long. */
static void offer(struct core_bench *c, uint64_t ask, unsigned first, size_t n,
                  const uint32_t *silent_ms) {
        CLEANUP(buffer_donep) struct buffer b = {};
        Peers__Reply reply = PEERS__REPLY__INIT;
        struct refbuf *records[PEERS];
        ProtobufCBinaryData list[PEERS];

        for (unsigned i = 0; i < n; i++) {
                records[i] = core_record(first + i, CORE_WALL - 25 * NSEC_PER_SEC, "", true);
                list[i] = (ProtobufCBinaryData){ records[i]->len, records[i]->data };
        }
        reply.records = list;
        reply.n_records = reply.n_silent_ms = n;
        reply.silent_ms = (uint32_t *) silent_ms;
        buffer_init(&b, 1u << 14);
        wire_pack(&b, &reply.base);
        gossip_answered(c->g, ask, buffer_bytes(&b), c->now);
        core_drain(c);
        for (unsigned i = 0; i < n; i++)
                refbuf_unref(records[i]);
}

static bool was_drawn(const struct core_bench *c, unsigned n) {
        const struct peer_id peer = core_peer(n, NULL);

        for (size_t i = 0; i < c->drawn->n; i++) {
                CLEANUP(capability_donep) struct capability r = {};

                assert_int_equal(capability_read(refbuf_bytes(c->drawn->list[i].record), &r), 0);
                if (peer_id_equal(&r.peer, &peer))
                        return true;
        }
        return false;
}

static void draw_any(struct core_bench *c, size_t count) {
        struct gossip_draw d = { .count = count };

        begin(c);
        gossip_draw(c->g, 1000, &d, c->now);
        core_drain(c);
        answer_lookups(c, PEERS);
        assert_int_equal(c->n_asked, 2);
}

/* The question to peer n, SIZE_MAX: there is none. */
static size_t question_to(const struct core_bench *c, unsigned n) {
        const struct peer_id peer = core_peer(n, NULL);

        for (size_t i = 0; i < c->n_asked; i++)
                if (peer_id_equal(&c->asked_peers[i], &peer))
                        return i;
        return SIZE_MAX;
}

/* Two of whom members tell, who are not members that were asked. */
#define FIRST 40

/* Who died without a word is offered as long as its record lives: whoever was silent for a while
 * answers itself before it is a candidate. Is nobody else there, those will do of whom it is not
 * known that they are silent still. */
static void who_was_silent_must_answer(void **state) {
        static const struct {
                uint32_t silent[2];
                size_t count;
                bool is_asked[2], answers[2], is_drawn[2];
        } cases[] = {
                { { 9000, 100 }, 1, { 0, 0 }, { 0, 0 }, { 0, 1 } },
                { { 9000, 100 }, 2, { 1, 0 }, { 1, 0 }, { 1, 1 } },
                { { 9000, 100 }, 2, { 1, 0 }, { 0, 0 }, { 0, 1 } },
                { { 90000, 100 }, 2, { 1, 0 }, { 1, 0 }, { 1, 1 } },
                { { 90000, 100 }, 2, { 1, 0 }, { 0, 0 }, { 0, 1 } },
                { { 90000, 9000 }, 1, { 0, 1 }, { 0, 1 }, { 0, 1 } },
                { { 90000, 9000 }, 2, { 1, 1 }, { 1, 1 }, { 1, 1 } },
        };

        FOREACH_CASE (x, cases) {
                struct core_bench c;

                draw_any(&c, x->count);
                offer(&c, c.asked[0], FIRST, 2, x->silent);
                core_run(&c, 210 * NSEC_PER_MSEC);
                for (unsigned i = 0; i < 2; i++) {
                        size_t at = question_to(&c, FIRST + i);

                        assert_int_equal(at != SIZE_MAX, x->is_asked[i]);
                        if (x->answers[i])
                                gossip_answered(c.g, c.asked[at], BYTES_NONE, c.now);
                }
                core_run(&c, 2 * NSEC_PER_SEC);
                assert_non_null(c.drawn);
                for (unsigned i = 0; i < 2; i++)
                        assert_int_equal(was_drawn(&c, FIRST + i), x->is_drawn[i]);
                core_done(&c);
        }
}

/* As many as are missing, heard of last first; who fails leaves its place to the next at once. */
static void the_next_is_asked(void **state) {
        static const uint32_t silent[] = { 9000, 8000, 7000, 6000 };
        struct core_bench c;

        draw_any(&c, 2);
        offer(&c, c.asked[0], FIRST, 4, silent);
        core_run(&c, 210 * NSEC_PER_MSEC);
        assert_int_equal(c.n_asked, 4);
        assert_int_not_equal(question_to(&c, FIRST + 3), SIZE_MAX);
        assert_int_not_equal(question_to(&c, FIRST + 2), SIZE_MAX);
        gossip_ask_failed(c.g, c.asked[question_to(&c, FIRST + 3)], c.now);
        core_drain(&c);
        assert_int_equal(c.n_asked, 5);
        assert_int_not_equal(question_to(&c, FIRST + 1), SIZE_MAX);
        core_done(&c);
}

/* Who is far away holds up nobody: when there is no time for another round, twice as many are asked
 * as are missing. */
static void then_twice_as_many_are_asked(void **state) {
        static const uint32_t silent[] = { 9000, 8000, 7000, 6000, 5000 };
        struct core_bench c;

        draw_any(&c, 2);
        offer(&c, c.asked[0], FIRST, 5, silent);
        core_run(&c, 390 * NSEC_PER_MSEC);
        assert_int_equal(c.n_asked, 4);
        core_run(&c, 20 * NSEC_PER_MSEC);
        assert_int_equal(c.n_asked, 6);
        core_done(&c);
}

/* Told of late, it has no time to answer: it completes a draw before the second is over, unless it
 * is known not to be there or was silent for long. */
static void there_is_no_time_to_answer(void **state) {
        static const struct {
                nsec_t told;
                uint32_t silent_ms;
                bool fails, is_drawn;
        } cases[] = { { 500 * NSEC_PER_MSEC, 9000, false, true },
                      { 500 * NSEC_PER_MSEC, 9000, true, false },
                      { 500 * NSEC_PER_MSEC, 21000, false, false },
                      { 100 * NSEC_PER_MSEC, 9000, false, false } };

        FOREACH_CASE (x, cases) {
                const uint32_t silent[] = { 100, x->silent_ms };
                struct core_bench c;

                draw_any(&c, 2);
                core_run(&c, x->told);
                offer(&c, c.asked[0], FIRST, 2, silent);
                core_run(&c, 600 * NSEC_PER_MSEC - x->told);
                assert_int_not_equal(question_to(&c, FIRST + 1), SIZE_MAX);
                if (x->fails)
                        gossip_ask_failed(c.g, c.asked[question_to(&c, FIRST + 1)], c.now);
                core_run(&c, 290 * NSEC_PER_MSEC);
                assert_null(c.drawn);
                core_run(&c, 20 * NSEC_PER_MSEC);
                assert_int_equal(c.drawn != NULL, x->is_drawn);
                core_run(&c, NSEC_PER_SEC);
                assert_int_equal(was_drawn(&c, FIRST + 1), x->is_drawn);
                core_done(&c);
        }
}

/* Only that it answers counts: whoever is named cannot name all others. */
static void a_proof_names_nobody(void **state) {
        static const uint32_t silent[] = { 9000, 100, 100 };
        struct core_bench c;

        draw_any(&c, 4);
        offer(&c, c.asked[0], FIRST, 1, silent);
        core_run(&c, 210 * NSEC_PER_MSEC);
        offer(&c, c.asked[question_to(&c, FIRST)], FIRST + 1, 2, &silent[1]);
        core_run(&c, 2 * NSEC_PER_SEC);
        assert_non_null(c.drawn);
        assert_true(was_drawn(&c, FIRST));
        assert_false(was_drawn(&c, FIRST + 1) || was_drawn(&c, FIRST + 2));
        core_done(&c);
}

/* A newcomer believes that there are 30 nodes. While those it asks tell of ever new ones, there are
 * more; once they tell of the same ones again, there are not. */
static void an_estimate_may_be_too_low(void **state) {
        static const uint32_t silent[] = { 100, 100 };

        for (unsigned is_same = 0; is_same < 2; is_same++) {
                struct core_bench c;

                draw_any(&c, 16);
                offer(&c, c.asked[0], FIRST, 2, silent);
                offer(&c, c.asked[1], is_same ? FIRST : FIRST + 2, 2, silent);
                answer_lookups(&c, PEERS);
                assert_int_equal(c.n_asked, is_same ? 2 : 4);
                core_done(&c);
        }
}

static void answer_all_lookups(struct core_bench *c) {
        for (unsigned i = 0; i < 200 && c->n_lookups > 0; i++)
                answer_lookups(c, PEERS);
}

/* Nor does a draw wait for the slow ones to learn that. */
static void the_slow_hold_nobody_up(void **state) {
        static const uint32_t silent[] = { 100 };
        struct gossip_draw d = { .count = 16 };
        struct core_bench c;
        uint64_t before;

        begin(&c);
        gossip_size(c.g, 240, c.now);
        gossip_draw(c.g, 1000, &d, c.now);
        core_drain(&c);
        answer_all_lookups(&c);
        before = c.n_asked;
        assert_in_range(before, 8, 16); /* shards */
        for (unsigned i = 0; i < 4; i++)
                offer(&c, c.asked[i], PEERS + i, 1, silent);
        answer_all_lookups(&c);
        assert_true(c.n_asked > before);
        core_done(&c);
}

static uint32_t told_silence(struct core_bench *c) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        struct peer_id asker = core_peer(500, NULL);
        const Peers__Reply *reply;

        gossip_asked(c->g, 1, &asker, BYTES_LIT("\x12\x00"), c->now);
        core_drain(c);
        assert_int_equal(wire_unpack(&peers__reply__descriptor, refbuf_bytes(c->answer), NULL, &u),
                         UNPACK_OK);
        reply = u.message;
        assert_int_equal(reply->n_records, 1);
        assert_int_equal(reply->n_silent_ms, 1);
        return reply->silent_ms[0];
}

/* A record is as old as it is; its author may have spoken since. The end of a connection that we
 * hold counts more than what was said before. */
static void who_was_heard_is_told(void **state) {
        struct core_bench c;
        struct peer_id peer = core_peer(0, NULL);
        struct refbuf *record = core_record(0, CORE_WALL, "", true);
        const char *topic;
        struct rpc_writer w;

        begin(&c);
        topic = c.g->shards[0].topic;
        gossip_size(c.g, 10, c.now);
        core_join(&c, 0, topic);
        core_say(&c, 0, 0, topic, record);
        core_run(&c, 6 * NSEC_PER_SEC); /* held by now */
        assert_in_range(told_silence(&c), 5900, 6100);
        rpc_writer_init(&w);
        rpc_put_subscription(&w, topic, true);
        core_rpc(&c, 0, &w);
        core_run(&c, 2 * NSEC_PER_SEC);
        assert_in_range(told_silence(&c), 1900, 2100);
        gossip_peer_down(c.g, &peer, c.now);
        assert_in_range(told_silence(&c), OFFER_FRESH / NSEC_PER_MSEC, 60000);
        refbuf_unref(record);
        core_done(&c);
}

/* Nobody is asked twice, however often he is named. */
static void nobody_is_asked_twice(void **state) {
        struct core_bench c;

        begin(&c);
        draw(&c);
        for (unsigned i = 0; i < 6; i++)
                answer_lookups(&c, 2);
        for (uint64_t i = 0; i < c.n_asked; i++)
                gossip_ask_failed(c.g, c.asked[i], c.now);
        core_drain(&c);
        for (unsigned i = 0; i < 6; i++)
                answer_lookups(&c, 2);
        assert_int_equal(c.n[GOSSIP_ASK], 2);
        assert_non_null(c.drawn);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(all_shards_are_asked_at_once),
          cmocka_unit_test(who_fails_or_is_silent_gets_a_companion),
          cmocka_unit_test(who_is_known_stands_for_who_is_not),
          cmocka_unit_test(connections_come_first),
          cmocka_unit_test(who_dialled_us_does_not_come_first),
          cmocka_unit_test(members_name_others), cmocka_unit_test(an_answer_names_a_few),
          cmocka_unit_test(others_wait_for_a_place), cmocka_unit_test(who_was_silent_must_answer),
          cmocka_unit_test(the_next_is_asked), cmocka_unit_test(then_twice_as_many_are_asked),
          cmocka_unit_test(there_is_no_time_to_answer), cmocka_unit_test(a_proof_names_nobody),
          cmocka_unit_test(an_estimate_may_be_too_low), cmocka_unit_test(the_slow_hold_nobody_up),
          cmocka_unit_test(who_was_heard_is_told), cmocka_unit_test(others_are_named),
          cmocka_unit_test(nobody_is_asked_twice))
