#include "tests/unit/gossip/bench.h"

static void begin(struct bench *b, unsigned n, const struct pubsub_config *config) {
        bench_init(b, config);
        assert_int_equal(pubsub_subscribe(b->p, TOPIC, NULL, b->now), PUBSUB_OK);
        for (unsigned i = 0; i < n; i++)
                bench_join(b, i);
        bench_forget(b);
}

static struct message_id fake_id(unsigned n) {
        return message_id_of(BYTES(&n, sizeof(n)));
}

static void ihave(struct bench *b, unsigned peer, const char *topic, unsigned first, unsigned n) {
        CLEANUP(freep) struct message_id *ids = xnew_n(struct message_id, n);
        struct rpc_writer w;

        for (unsigned i = 0; i < n; i++)
                ids[i] = fake_id(first + i);
        rpc_writer_init(&w);
        rpc_put_ihave(&w, topic, ids, n);
        bench_send(b, peer, &w);
}

static void ask(struct bench *b, unsigned peer, const struct message_id *id, bool not ) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        if (not )
                rpc_put_idontwant(&w, id, 1);
        else
                rpc_put_iwant(&w, id, 1);
        bench_send(b, peer, &w);
}

/* ---- IHAVE, IWANT ---- */

static void test_told_outside(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        bench_up(&b, 5, false);
        bench_subscribe(&b, 5, TOPIC, true);
        (void) bench_say(&b, 0, 1, 10);
        bench_forget(&b);
        bench_run(&b, NSEC_PER_SEC);
        /* not more than d_low are in the mesh, so 5 is grafted with the first heartbeat; told
         * before that is whoever is outside */
        bench_run(&b, 6 * NSEC_PER_SEC);
        assert_int_equal(b.sent[1].ihave_ids, 0);
        assert_int_equal(b.sent[0].ihave_ids, 0);
        bench_done(&b);
}

static void test_iwant_is_limited(void **state) {
        struct message_id id;
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        id = bench_say(&b, 0, 1, 10);
        bench_forget(&b);
        bench_up(&b, 7, false);
        for (unsigned i = 0; i < 10; i++)
                ask(&b, 7, &id, false);
        assert_int_equal(b.sent[7].messages, 3);
        assert_int_equal(bench_counter(&b, "iwant_served"), 3);
        bench_run(&b, 6 * NSEC_PER_SEC);
        ask(&b, 7, &id, false); /* out of the cache */
        assert_int_equal(b.sent[7].messages, 3);
        bench_done(&b);
}

static void test_asks_and_forgives(void **state) {
        uint64_t number = 77;
        uint8_t data[18] = {};
        struct message_id id;
        struct rpc_writer w;
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        memcpy(data, &number, sizeof(number));
        id = message_id_of(BYTES_OF(data));
        rpc_writer_init(&w);
        rpc_put_ihave(&w, TOPIC, &id, 1);
        bench_send(&b, 0, &w);
        assert_int_equal(b.sent[0].iwant_ids, 1);
        (void) bench_say(&b, 1, number, 10); /* it comes, if by another way */
        assert_int_equal(bench_counter(&b, "iwant_delivered"), 1);
        bench_run(&b, 5 * NSEC_PER_SEC);
        assert_int_equal(bench_counter(&b, "broken_promises"), 0);
        bench_done(&b);
}

static void test_broken_promises(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        for (unsigned i = 0; i < 12; i++) {
                ihave(&b, 0, TOPIC, 1000 * i, 100);
                bench_run(&b, NSEC_PER_SEC);
        }
        bench_run(&b, 2 * NSEC_PER_SEC);
        assert_true(bench_counter(&b, "broken_promises") >= 250); /* then nobody listens to it */
        assert_true(pubsub_score(b.p, &b.peers[0]) < 0);
        assert_false(pubsub_in_mesh(b.p, TOPIC, &b.peers[0]));
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[1]));
        bench_done(&b);
}

/* Who promises everything and sends nothing does not keep us from asking others. */
static void test_promise_is_no_monopoly(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        ihave(&b, 0, TOPIC, 5, 1);
        ihave(&b, 1, TOPIC, 5, 1);
        assert_int_equal(b.sent[0].iwant_ids, 1);
        assert_int_equal(b.sent[1].iwant_ids, 0); /* one is enough at first */
        bench_run(&b, NSEC_PER_SEC);
        ihave(&b, 0, TOPIC, 5, 1);
        ihave(&b, 1, TOPIC, 5, 1);
        ihave(&b, 2, TOPIC, 5, 1);
        assert_int_equal(b.sent[0].iwant_ids, 1);
        assert_int_equal(b.sent[1].iwant_ids, 1);
        assert_int_equal(b.sent[2].iwant_ids, 0);
        bench_done(&b);
}

/* IHAVE of the messages that bench_say() makes of these numbers. */
static void tell_real(struct bench *b, unsigned peer, uint64_t first, unsigned n) {
        CLEANUP(freep) struct message_id *ids = xnew_n(struct message_id, n);
        struct rpc_writer w;

        for (unsigned i = 0; i < n; i++) {
                uint8_t data[18] = {};

                memcpy(data, &(uint64_t){ first + i }, 8);
                ids[i] = message_id_of(BYTES_OF(data));
        }
        rpc_writer_init(&w);
        rpc_put_ihave(&w, TOPIC, ids, n);
        bench_send(b, peer, &w);
}

/* Newcomers outside every mesh, below the limits of a flood: whoever tells of something real is
 * asked all the same, and they are soon heard no more. */
static void test_promises_are_shared(void **state) {
        static const unsigned n_liars[] = { 1, 20 };

        (void) state;
        for (size_t c = 0; c < ELEMENTSOF(n_liars); c++) {
                struct bench b;

                begin(&b, 8, NULL);
                for (unsigned i = 0; i < n_liars[c]; i++)
                        bench_up(&b, 10 + i, false);
                for (unsigned beat = 0; beat < 10; beat++) {
                        for (unsigned k = 0; k < 4 * n_liars[c]; k++)
                                ihave(&b, 10 + k / 4, TOPIC, 100000 * (beat + 1) + k * 1100, 1100);
                        bench_forget(&b);
                        tell_real(&b, 1, 1000 + beat, 1);
                        assert_int_equal(b.sent[1].iwant_ids, 1);
                        (void) bench_say(&b, 1, 1000 + beat, 10);
                        bench_run(&b, NSEC_PER_SEC);
                }
                for (unsigned i = 0; i < n_liars[c]; i++)
                        assert_true(pubsub_score(b.p, &b.peers[10 + i]) < -80);
                assert_true(pubsub_score(b.p, &b.peers[1]) > 0);
                bench_done(&b);
        }
}

/* A table that many fill: who promised most gives way to a newcomer's few. */
static void test_most_promised_gives_way(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 17, NULL); /* in the mesh by their own wish */
        bench_up(&b, 30, false);
        for (unsigned i = 0; i < 17; i++)
                ihave(&b, i, TOPIC, 10000 * (i + 1), 1000);
        bench_forget(&b);
        ihave(&b, 30, TOPIC, 1000000, 1000);
        assert_in_range(b.sent[30].iwant_ids, 16, 64);
        bench_done(&b);
}

/* Many kept outweigh as many broken: one lost packet train is no lie. */
static void test_kept_promises_count(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 8, NULL);
        bench_up(&b, 20, false);
        bench_up(&b, 21, false);
        tell_real(&b, 20, 500, 40);
        for (unsigned i = 0; i < 40; i++) {
                CLEANUP(refbuf_unrefp) struct refbuf *m = NULL;
                uint8_t data[18] = {};

                memcpy(data, &(uint64_t){ 500 + i }, 8);
                m = bench_message(&b, 9, 9, BYTES_OF(data), TOPIC);
                bench_deliver(&b, 20, m);
        }
        assert_int_equal(bench_counter(&b, "iwant_delivered"), 40);
        ihave(&b, 20, TOPIC, 5000, 40);
        ihave(&b, 21, TOPIC, 6000, 40);
        bench_run(&b, 5 * NSEC_PER_SEC);
        assert_int_equal(bench_counter(&b, "broken_promises"), 80);
        assert_true(pubsub_score(b.p, &b.peers[20]) >= 0);
        assert_true(pubsub_score(b.p, &b.peers[21]) < -10);
        bench_done(&b);
}

static void test_full_queue_breaks_nothing(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, NULL);
        pubsub_queued(b.p, &b.peers[0], 600 * 1024, b.now);
        ihave(&b, 0, TOPIC, 5, 10);
        assert_int_equal(b.sent[0].iwant_ids, 0);
        bench_run(&b, 5 * NSEC_PER_SEC);
        assert_int_equal(bench_counter(&b, "broken_promises"), 0);
        bench_done(&b);
}

/* ---- Floods ---- */

static void test_ihave_flood(void **state) {
        struct bench b;
        unsigned i;

        (void) state;
        begin(&b, 3, NULL);
        bench_run(&b, 400 * NSEC_PER_SEC);
        for (i = 0; i < 10 && pubsub_in_mesh(b.p, TOPIC, &b.peers[0]); i++) {
                for (unsigned k = 0; k < 8; k++) /* 10,000 in pieces that fit one RPC each */
                        ihave(&b, 0, TOPIC, (i * 8 + k) * 1250, 1250);
                bench_run(&b, NSEC_PER_SEC);
        }
        assert_true(i < 10);
        assert_true(bench_counter(&b, "ihave_flood") > 0);
        assert_true(bench_counter(&b, "iwant_sent") <= 5000 * i);
        assert_true(b.sent[0].largest <= RPC_OWN_MAX);
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[1]));
        bench_done(&b);
}

static void test_many_ihaves(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        for (unsigned i = 0; i < 11; i++)
                ihave(&b, 0, "quorate/other", i, 1);
        assert_int_equal(bench_counter(&b, "ihave_flood"), 1);
        assert_int_equal(b.sent[0].iwant_ids, 0); /* not our topic */
        bench_done(&b);
}

/* ---- IDONTWANT ---- */

static void test_idontwant_is_sent(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        (void) bench_say(&b, 0, 1, 100);
        assert_int_equal(b.sent[1].idontwant, 0); /* small */
        (void) bench_say(&b, 0, 2, 1000);
        assert_int_equal(b.sent[0].idontwant, 0);
        assert_int_equal(b.sent[1].idontwant, 1);
        assert_int_equal(b.sent[2].idontwant, 1);
        b.verdict = PUBSUB_REJECT;
        (void) bench_say(&b, 0, 3, 1000);
        assert_int_equal(b.sent[1].idontwant, 1); /* not before we know it is right */
        bench_done(&b);
}

static void test_idontwant_is_honoured(void **state) {
        uint8_t data[1008] = { 9 };
        struct message_id id = message_id_of(BYTES_OF(data));
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        ask(&b, 1, &id, true);
        (void) bench_say(&b, 0, 9, 1000);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[1].messages, 0);
        assert_int_equal(b.sent[2].messages, 1);
        assert_int_equal(bench_counter(&b, "idontwant_honoured"), 1);
        bench_done(&b);
}

static void test_idontwant_is_bounded(void **state) {
        struct message_id ids[1000], last;
        struct rpc_writer w;
        struct bench b;
        uint8_t data[1008] = { 9 };

        (void) state;
        begin(&b, 3, NULL);
        last = message_id_of(BYTES_OF(data));
        for (unsigned i = 0; i < 1000; i++)
                ids[i] = fake_id(0); /* the same again counts, too */
        rpc_writer_init(&w);
        rpc_put_idontwant(&w, ids, 1000);
        rpc_put_idontwant(&w, &last, 1);
        bench_send(&b, 1, &w);
        (void) bench_say(&b, 0, 9, 1000);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[1].messages, 1); /* not remembered */
        bench_done(&b);
}

static void test_idontwant_ends(void **state) {
        uint8_t data[1008] = { 9 };
        struct message_id id = message_id_of(BYTES_OF(data));
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        ask(&b, 1, &id, true);
        bench_run(&b, 4 * NSEC_PER_SEC);
        (void) bench_say(&b, 0, 9, 1000);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[1].messages, 1);
        bench_done(&b);
}

/* ---- Some of the mesh at once, the rest a little later ---- */

static unsigned got(const struct bench *b, unsigned n) {
        unsigned sum = 0;

        for (unsigned i = 0; i < n; i++)
                sum += b->sent[i].messages;
        return sum;
}

static void test_deferred(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *m = NULL;
        struct bench b;
        unsigned late = 0;

        (void) state;
        begin(&b, 8, NULL);
        m = bench_message(&b, 9, 9, BYTES_LIT("some news"), TOPIC);
        bench_deliver(&b, 0, m);
        assert_int_equal(got(&b, 8), 3);
        for (unsigned i = 1; i < 8 && late == 0; i++)
                late = b.sent[i].messages == 0 ? i : 0;
        bench_deliver(&b, late, m); /* it has it by now: no copy for it */
        bench_run(&b, 99 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 3);
        bench_run(&b, 2 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 6);
        assert_int_equal(b.sent[late].messages, 0);
        assert_int_equal(b.sent[0].messages, 0);
        bench_done(&b);
}

/* Its author sends it to all it knows: most others say that they have it before it is their turn.
 */
static void test_from_its_author(void **state) {
        uint8_t data[208] = { 9 };
        struct message_id id = message_id_of(BYTES_OF(data));
        struct bench b;

        (void) state;
        begin(&b, 8, NULL);
        (void) bench_say(&b, 0, 9, 200);
        assert_int_equal(b.sent[1].idontwant, 1);
        for (unsigned i = 1; i < 6; i++)
                ask(&b, i, &id, true);
        bench_run(&b, 299 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 0);
        bench_run(&b, 2 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 2);
        assert_int_equal(b.sent[6].messages + b.sent[7].messages, 2);
        bench_done(&b);
}

/* Two delays, one order: what is due first goes first. */
static void test_deferred_in_order(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *m = NULL;
        struct bench b;

        (void) state;
        begin(&b, 8, NULL);
        (void) bench_say(&b, 0, 1, 10);
        m = bench_message(&b, 9, 9, BYTES_LIT("some news"), TOPIC);
        bench_deliver(&b, 1, m);
        bench_run(&b, 101 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 7);
        bench_run(&b, 200 * NSEC_PER_MSEC);
        assert_int_equal(got(&b, 8), 14);
        bench_done(&b);
}

/* The topic may be gone when the rest is due. */
static void test_deferred_and_left(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 8, NULL);
        (void) bench_say(&b, 0, 1, 10);
        pubsub_unsubscribe(b.p, TOPIC, b.now);
        for (unsigned i = 0; i < 8; i++)
                bench_down(&b, i);
        bench_run(&b, 2 * NSEC_PER_SEC);
        bench_done(&b);
        begin(&b, 8, NULL);
        (void) bench_say(&b, 0, 1, 10);
        bench_done(&b); /* or never be */
}

TEST_MAIN(cmocka_unit_test(test_told_outside), cmocka_unit_test(test_iwant_is_limited),
          cmocka_unit_test(test_asks_and_forgives), cmocka_unit_test(test_broken_promises),
          cmocka_unit_test(test_promise_is_no_monopoly), cmocka_unit_test(test_promises_are_shared),
          cmocka_unit_test(test_most_promised_gives_way),
          cmocka_unit_test(test_kept_promises_count),
          cmocka_unit_test(test_full_queue_breaks_nothing), cmocka_unit_test(test_ihave_flood),
          cmocka_unit_test(test_many_ihaves), cmocka_unit_test(test_idontwant_is_sent),
          cmocka_unit_test(test_idontwant_is_honoured), cmocka_unit_test(test_idontwant_is_bounded),
          cmocka_unit_test(test_idontwant_ends), cmocka_unit_test(test_deferred),
          cmocka_unit_test(test_from_its_author), cmocka_unit_test(test_deferred_in_order),
          cmocka_unit_test(test_deferred_and_left))
