#include "tests/unit/gossip/bench.h"

static bool in_mesh(const struct bench *b, unsigned peer) {
        return pubsub_in_mesh(b->p, TOPIC, &b->peers[peer]);
}

static size_t mesh(const struct bench *b) {
        return pubsub_mesh_size(b->p, TOPIC);
}

static void begin(struct bench *b, unsigned n, bool outbound) {
        bench_init(b, NULL);
        for (unsigned i = 0; i < n; i++) {
                bench_up(b, i, outbound);
                bench_subscribe(b, i, TOPIC, true);
        }
        assert_int_equal(pubsub_subscribe(b->p, TOPIC, NULL, b->now), PUBSUB_OK);
        bench_drain(b);
}

static void test_join(void **state) {
        unsigned grafts = 0;
        struct bench b;

        (void) state;
        begin(&b, 20, false);
        assert_int_equal(mesh(&b), 6);
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(b.sent[i].subscribed, 1);
                assert_int_equal(b.sent[i].grafts, in_mesh(&b, i));
                grafts += b.sent[i].grafts;
        }
        assert_int_equal(grafts, 6);
        bench_done(&b);
}

/* Below d_low it is filled to d; above d_high it shrinks to d, with d_out outbound ones kept. */
static void test_sizes(void **state) {
        unsigned outbound = 0, px = 0;
        struct bench b;

        (void) state;
        begin(&b, 3, false);
        assert_int_equal(mesh(&b), 3);
        for (unsigned i = 3; i < 12; i++)
                bench_join(&b, i);
        assert_int_equal(mesh(&b), 12);
        bench_join(&b, 12); /* d_high are enough: PRUNE with others to try */
        assert_false(in_mesh(&b, 12));
        assert_int_equal(b.sent[12].prunes, 1);
        assert_int_equal(b.sent[12].px, 12);
        assert_int_equal(b.sent[12].backoff, 60);
        for (unsigned i = 13; i < 16; i++) { /* whom we dialled comes in nevertheless */
                bench_up(&b, i, true);
                bench_graft(&b, i, TOPIC);
                assert_true(in_mesh(&b, i));
        }
        bench_forget(&b);
        bench_run(&b, 2 * NSEC_PER_SEC);
        assert_int_equal(mesh(&b), 6);
        for (unsigned i = 0; i < 16; i++) {
                outbound += in_mesh(&b, i) && i >= 13;
                px += b.sent[i].px;
        }
        assert_true(outbound >= 2);
        assert_true(px > 0);
        bench_done(&b);
}

static void test_outbound_quota(void **state) {
        unsigned outbound = 0;
        struct bench b;

        (void) state;
        begin(&b, 6, false);
        for (unsigned i = 6; i < 10; i++) {
                bench_up(&b, i, true);
                bench_subscribe(&b, i, TOPIC, true);
        }
        bench_run(&b, 2 * NSEC_PER_SEC);
        for (unsigned i = 6; i < 10; i++)
                outbound += in_mesh(&b, i);
        assert_int_equal(outbound, 2);
        bench_done(&b);
}

static void test_early_graft(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, false);
        bench_prune(&b, 0, TOPIC, 60);
        assert_false(in_mesh(&b, 0));
        bench_run(&b, 5 * NSEC_PER_SEC);
        assert_false(in_mesh(&b, 0)); /* we keep the back-off ourselves */
        assert_int_equal(b.sent[0].prunes, 0);
        bench_graft(&b, 0, TOPIC);
        assert_false(in_mesh(&b, 0));
        assert_int_equal(b.sent[0].prunes, 1);
        assert_int_equal(b.sent[0].backoff, 60);
        assert_int_equal(b.sent[0].px, 0);
        assert_int_equal(bench_counter(&b, "graft_in_backoff"), 1);
        assert_true(pubsub_score(b.p, &b.peers[0]) == -20); /* 2 points: (2 - 1)^2 * 20 */
        bench_run(&b, 300 * NSEC_PER_SEC);
        assert_true(in_mesh(&b, 0)); /* once all is forgotten, we ask it */
        bench_done(&b);
}

/* A peer that asked for a longer back-off does not get a shorter one by asking early. */
static void test_backoff_is_not_cut(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, false);
        bench_prune(&b, 0, TOPIC, 600);
        bench_graft(&b, 0, TOPIC);
        bench_run(&b, 400 * NSEC_PER_SEC);
        assert_false(in_mesh(&b, 0));
        bench_run(&b, 220 * NSEC_PER_SEC);
        assert_true(in_mesh(&b, 0));
        bench_done(&b);
}

static void test_backoff_is_bounded(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, false);
        bench_prune(&b, 0, TOPIC, UINT64_C(0x7fffffffffffffff));
        bench_run(&b, 62 * NSEC_PER_SEC);
        assert_true(in_mesh(&b, 0));
        bench_done(&b);
}

static void test_reconnecting_washes_nothing(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, false);
        bench_prune(&b, 0, TOPIC, 60);
        bench_down(&b, 0);
        bench_run(&b, 3 * NSEC_PER_SEC);
        bench_join(&b, 0);
        assert_false(in_mesh(&b, 0));
        assert_int_equal(bench_counter(&b, "graft_in_backoff"), 1);
        bench_done(&b);
}

static void test_graft_spam(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3, false);
        bench_run(&b, 500 * NSEC_PER_SEC); /* as much good will as time in the mesh gives */
        bench_prune(&b, 0, TOPIC, 60);
        for (unsigned i = 0; i < 5; i++) {
                bench_graft(&b, 0, TOPIC);
                bench_run(&b, NSEC_PER_SEC);
        }
        assert_false(in_mesh(&b, 0));
        assert_true(pubsub_score(b.p, &b.peers[0]) < -80);
        bench_graft(&b, 0, TOPIC);
        assert_true(bench_counter(&b, "graylisted") > 0);
        bench_done(&b);
}

static void test_unknown_topic_is_ignored(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, false);
        bench_forget(&b);
        bench_graft(&b, 0, "quorate/secret");
        bench_run(&b, 2 * NSEC_PER_SEC);
        assert_int_equal(b.sent[0].prunes, 0);
        bench_done(&b);
}

static void test_no_work_no_mesh(void **state) {
        struct pubsub_peer_info info = { .version = PUBSUB_V1_1 };
        struct bench b;

        (void) state;
        begin(&b, 0, false);
        info.peer = b.peers[0];
        pubsub_peer_up(b.p, &info, b.now);
        bench_subscribe(&b, 0, TOPIC, true);
        bench_graft(&b, 0, TOPIC);
        bench_run(&b, 3 * NSEC_PER_SEC);
        assert_int_equal(mesh(&b), 0);
        assert_int_equal(b.sent[0].prunes, 1);
        bench_done(&b);
}

static void test_unsubscribe(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 4, false);
        bench_forget(&b);
        pubsub_unsubscribe(b.p, TOPIC, b.now);
        bench_drain(&b);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(b.sent[i].unsubscribed, 1);
                assert_int_equal(b.sent[i].prunes, 1);
                assert_int_equal(b.sent[i].backoff, 10);
        }
        bench_run(&b, 3 * NSEC_PER_SEC);
        assert_int_equal(pubsub_subscribe(b.p, TOPIC, NULL, b.now), PUBSUB_OK);
        bench_run(&b, 2 * NSEC_PER_SEC);
        assert_int_equal(mesh(&b), 0); /* not before its back-off ends */
        bench_run(&b, 7 * NSEC_PER_SEC);
        assert_int_equal(mesh(&b), 4);
        bench_done(&b);
}

static void test_they_unsubscribe(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, false);
        bench_subscribe(&b, 0, TOPIC, false);
        assert_false(in_mesh(&b, 0));
        bench_run(&b, 3 * NSEC_PER_SEC);
        assert_false(in_mesh(&b, 0));
        bench_down(&b, 1);
        assert_int_equal(mesh(&b), 0);
        bench_done(&b);
}

/* ---- Peer exchange ---- */

static void prune_with(struct bench *b, unsigned from, unsigned n) {
        static uint8_t record[100];
        struct rpc_peer px[40];
        struct rpc_writer w;

        for (unsigned i = 0; i < n; i++)
                px[i] = (struct rpc_peer){ peer_id_bytes(&b->peers[BENCH_PEERS - 1 - i]),
                                           BYTES_OF(record) };
        rpc_writer_init(&w);
        rpc_put_prune(&w, TOPIC, px, n, 60);
        bench_send(b, from, &w);
}

static void test_exchange(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, false);
        prune_with(&b, 0, 5);
        assert_int_equal(b.n_connects, 0); /* a stranger's word is nothing */
        for (unsigned i = 0; i < 20; i++)
                (void) bench_say(&b, 1, i, 10);
        assert_true(pubsub_score(b.p, &b.peers[1]) > 5);
        prune_with(&b, 1, 30);
        assert_int_equal(b.n_connects, 16);
        prune_with(&b, 1, 30);
        assert_int_equal(b.n_connects, 16); /* in this heartbeat */
        bench_done(&b);
}

/* ---- Better ones from outside ---- */

static void test_opportunistic(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 6, false);
        assert_int_equal(mesh(&b), 6);
        bench_up(&b, 6, false);
        bench_subscribe(&b, 6, TOPIC, true);
        bench_run(&b, 50 * NSEC_PER_SEC);
        assert_false(in_mesh(&b, 6));
        for (unsigned i = 0; i < 20; i++)
                (void) bench_say(&b, 6, i, 10);
        bench_run(&b, 15 * NSEC_PER_SEC);
        assert_true(in_mesh(&b, 6));
        bench_done(&b);
}

/* ---- Publishing without being in the topic ---- */

static void test_fanout(void **state) {
        struct pubsub_config config;
        unsigned got = 0, again = 0;
        struct bench b;

        (void) state;
        pubsub_config_default(&config);
        config.flood_publish = false;
        bench_init(&b, &config);
        for (unsigned i = 0; i < 20; i++) {
                bench_up(&b, i, false);
                bench_subscribe(&b, i, TOPIC, true);
        }
        assert_int_equal(pubsub_publish(b.p, 1, TOPIC, BYTES_LIT("one"), b.now), PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(b.published_to, 6);
        bench_run(&b, 30 * NSEC_PER_SEC);
        assert_int_equal(pubsub_publish(b.p, 2, TOPIC, BYTES_LIT("two"), b.now), PUBSUB_OK);
        bench_drain(&b);
        for (unsigned i = 0; i < 20; i++) {
                got += b.sent[i].messages == 2; /* the same ones */
                again += b.sent[i].grafts;
        }
        assert_int_equal(got, 6);
        assert_int_equal(again, 0);
        bench_forget(&b);
        assert_int_equal(pubsub_subscribe(b.p, TOPIC, NULL, b.now), PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(mesh(&b), 6); /* they become the mesh */
        bench_done(&b);
}

static void test_flood_publish(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 20, false);
        assert_int_equal(pubsub_publish(b.p, 1, TOPIC, BYTES_LIT("one"), b.now), PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(b.published_to, 20);
        bench_done(&b);
}

TEST_MAIN(cmocka_unit_test(test_join), cmocka_unit_test(test_sizes),
          cmocka_unit_test(test_outbound_quota), cmocka_unit_test(test_early_graft),
          cmocka_unit_test(test_backoff_is_not_cut), cmocka_unit_test(test_backoff_is_bounded),
          cmocka_unit_test(test_reconnecting_washes_nothing), cmocka_unit_test(test_graft_spam),
          cmocka_unit_test(test_unknown_topic_is_ignored), cmocka_unit_test(test_no_work_no_mesh),
          cmocka_unit_test(test_unsubscribe), cmocka_unit_test(test_they_unsubscribe),
          cmocka_unit_test(test_exchange), cmocka_unit_test(test_opportunistic),
          cmocka_unit_test(test_fanout), cmocka_unit_test(test_flood_publish))
