/* What peers can make a router keep, and how long it works for them. */

#include <time.h>

#include "services/gossip/router_parts.h"
#include "tests/unit/gossip/bench.h"

static void begin(struct bench *b, unsigned n, const struct pubsub_config *config) {
        bench_init(b, config);
        assert_int_equal(pubsub_subscribe(b->p, TOPIC, NULL, b->now), PUBSUB_OK);
        for (unsigned i = 0; i < n; i++)
                bench_join(b, i);
        bench_forget(b);
}

static void test_topics_of_a_peer(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 1, NULL);
        for (unsigned i = 0; i < 1000; i++) {
                char name[32];

                snprintf(name, sizeof(name), "other/%u", i);
                bench_subscribe(&b, 0, name, true);
        }
        assert_int_equal(bench_counter(&b, "topics_refused"), 1000 - 63);
        bench_done(&b);
}

static void test_topic_names(void **state) {
        char name[140];
        struct bench b;

        (void) state;
        begin(&b, 1, NULL);
        memset(name, 'x', sizeof(name));
        name[129] = '\0';
        bench_subscribe(&b, 0, name, true);
        bench_subscribe(&b, 0, "\xc3\x28", true);
        assert_true(bench_counter(&b, "topics_refused") + bench_counter(&b, "rpc_invalid") >= 2);
        name[128] = '\0';
        bench_subscribe(&b, 0, name, true);
        assert_int_equal(pubsub_subscribe(b.p, name, NULL, b.now), PUBSUB_OK);
        bench_done(&b);
}

/* Strangers fill the table of topics; ours still have room. */
static void test_topics_are_full(void **state) {
        struct pubsub_config config;
        struct rpc_writer w;
        struct bench b;

        (void) state;
        pubsub_config_default(&config);
        config.topics_per_peer_max = 5000;
        begin(&b, 1, &config);
        rpc_writer_init(&w);
        for (unsigned i = 0; i < 4100; i++) {
                char name[32];

                snprintf(name, sizeof(name), "other/%u", i);
                rpc_put_subscription(&w, name, true);
        }
        bench_send(&b, 0, &w);
        assert_true(bench_counter(&b, "topics_refused") > 0);
        assert_int_equal(pubsub_subscribe(b.p, "mine", NULL, b.now), PUBSUB_OK);
        assert_int_equal(pubsub_publish(b.p, 1, "mine too", BYTES_LIT("x"), b.now), PUBSUB_OK);
        bench_done(&b);
}

static void peer_of(unsigned n, struct pubsub_peer_info *ret) {
        struct sign_public key = { .bytes = { 77, (uint8_t) n, (uint8_t) (n >> 8) } };

        *ret = (struct pubsub_peer_info){ .peer = peer_id_from_ed25519(&key),
                                          .version = PUBSUB_V1_2,
                                          .may_mesh = true };
}

static void misbehave(struct bench *b, const struct pubsub_peer_info *info) {
        for (unsigned i = 0; i < 3; i++)
                pubsub_receive(b->p, &info->peer, BYTES_LIT("\x0a\xff"), b->now);
}

/* Thousands come, misbehave and leave: their memory does not lock anybody out. */
static void test_remembered_are_bounded(void **state) {
        struct pubsub_config config;
        struct pubsub_peer_info info;
        struct bench b;

        (void) state;
        pubsub_config_default(&config);
        config.peers_max = 32;
        begin(&b, 0, &config);
        for (unsigned i = 0; i < 1000; i++) {
                peer_of(i, &info);
                pubsub_peer_up(b.p, &info, b.now);
                misbehave(&b, &info);
                pubsub_peer_down(b.p, &info.peer, b.now);
                assert_true(pubsub_score(b.p, &info.peer) < 0);
        }
        peer_of(0, &info);
        assert_true(pubsub_score(b.p, &info.peer) == 0); /* forgotten: the oldest */
        peer_of(999, &info);
        assert_true(pubsub_score(b.p, &info.peer) < 0);
        bench_join(&b, 0);
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[0]));
        bench_run(&b, 601 * NSEC_PER_SEC);
        assert_true(pubsub_score(b.p, &info.peer) == 0);
        bench_done(&b);
}

static void test_denied_take_no_place(void **state) {
        struct pubsub_config config;
        struct pubsub_peer_info info;
        struct bench b;

        (void) state;
        pubsub_config_default(&config);
        config.peers_max = 32;
        begin(&b, 0, &config);
        for (unsigned i = 0; i < 100; i++) {
                peer_of(i, &info);
                pubsub_deny(b.p, &info.peer, true, b.now);
        }
        bench_join(&b, 0);
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[0]));
        for (unsigned i = 0; i < 100; i++) {
                peer_of(i, &info);
                pubsub_deny(b.p, &info.peer, false, b.now);
        }
        bench_run(&b, 5 * NSEC_PER_SEC);
        bench_done(&b);
}

static void test_peers_are_bounded(void **state) {
        struct pubsub_config config;
        struct bench b;

        (void) state;
        pubsub_config_default(&config);
        config.peers_max = 8;
        begin(&b, 12, &config);
        assert_int_equal(pubsub_mesh_size(b.p, TOPIC), 8);
        bench_down(&b, 0);
        bench_join(&b, 11);
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[11]));
        bench_done(&b);
}

static void test_deny_at_once(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3, NULL);
        pubsub_deny(b.p, &b.peers[1], true, b.now);
        bench_drain(&b);
        assert_int_equal(b.n_dropped, 1);
        assert_true(peer_id_equal(&b.dropped, &b.peers[1]));
        assert_false(pubsub_in_mesh(b.p, TOPIC, &b.peers[1]));
        bench_join(&b, 1); /* comes back */
        (void) bench_say(&b, 1, 1, 10);
        assert_int_equal(b.n_delivered, 0);
        assert_int_equal(b.sent[1].messages, 0);
        pubsub_deny(b.p, &b.peers[1], false, b.now);
        bench_join(&b, 1);
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[1]));
        bench_done(&b);
}

/* ---- A queue that is full: gossip goes first, control last ---- */

static void test_queue(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 4, NULL);
        (void) bench_say(&b, 0, 1, 1000);
        assert_int_equal(b.sent[1].idontwant, 1);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        pubsub_queued(b.p, &b.peers[1], 700 * 1024, b.now);
        bench_forget(&b);
        (void) bench_say(&b, 0, 2, 1000);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[1].idontwant, 0);
        assert_int_equal(b.sent[1].messages, 1);
        pubsub_queued(b.p, &b.peers[1], 1024 * 1024, b.now);
        bench_forget(&b);
        (void) bench_say(&b, 0, 3, 1000);
        bench_run(&b, 400 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[1].messages, 0);
        assert_true(bench_counter(&b, "queue_drops") > 0);
        assert_int_equal(pubsub_subscribe(b.p, "another", NULL, b.now), PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(b.sent[1].subscribed, 1); /* from the reserve */
        assert_int_equal(b.n_dropped, 0);
        pubsub_queued(b.p, &b.peers[1], 2 * 1024 * 1024, b.now);
        assert_int_equal(pubsub_subscribe(b.p, "a third", NULL, b.now), PUBSUB_OK);
        bench_run(&b, NSEC_PER_SEC);
        assert_int_equal(b.n_dropped, 1); /* it would never learn of it otherwise */
        assert_true(peer_id_equal(&b.dropped, &b.peers[1]));
        bench_done(&b);
}

static void test_rpc_budget(void **state) {
        static uint8_t junk[900 * 1024];
        struct bench b;

        (void) state;
        begin(&b, 1, NULL);
        for (unsigned i = 0; i < 6; i++) {
                struct rpc_writer w;

                rpc_writer_init(&w);
                rpc_put_message(&w, BYTES_OF(junk));
                bench_send(&b, 0, &w);
        }
        assert_true(bench_counter(&b, "rpc_over_budget") > 0);
        bench_done(&b);
}

/* ---- Work ---- */

static double seconds_since(clock_t began) {
        return (double) (clock() - began) / CLOCKS_PER_SEC;
}

/* Each made-up topic is made and dropped: that must not walk the cache. */
static void test_subscriptions_change_often(void **state) {
        struct rpc_writer w;
        clock_t began;
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        for (unsigned i = 0; i < 1000; i++)
                (void) bench_say(&b, i % 2, i, 10);
        began = clock();
        for (unsigned i = 0; i < 100; i++) {
                rpc_writer_init(&w);
                for (unsigned k = 0; k < 1000; k++) {
                        char name[32];

                        snprintf(name, sizeof(name), "other/%u", k);
                        rpc_put_subscription(&w, name, true);
                        rpc_put_subscription(&w, name, false);
                }
                bench_send(&b, 0, &w);
                bench_run(&b, NSEC_PER_SEC / 4);
        }
        print_message("# 100,000 changes of subscriptions: %.3f s\n", seconds_since(began));
        assert_true(seconds_since(began) < 5);
        assert_int_equal(bench_counter(&b, "topics_refused"), 0);
        bench_done(&b);
}

/* The same peer in and out of the same topic: nothing grows, and its score is not washed. */
static void test_flapping(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 2, NULL);
        b.verdict = PUBSUB_REJECT;
        (void) bench_say(&b, 0, 1, 10);
        for (unsigned i = 0; i < 1000; i++) {
                bench_subscribe(&b, 0, TOPIC, false);
                bench_subscribe(&b, 0, TOPIC, true);
                bench_down(&b, 0);
                bench_up(&b, 0, false);
        }
        assert_true(pubsub_score(b.p, &b.peers[0]) < -80);
        bench_done(&b);
}

/* As the router goes by it. */
static double kept_score(const struct bench *b, const struct peer_id *peer) {
        return router_score(b->p, router_peer(b->p, peer), b->now);
}

static void test_colocation(void **state) {
        uint8_t ip[4] = { 8, 8, 8, 8 };
        struct pubsub_peer_info info;
        struct bench b;

        (void) state;
        begin(&b, 0, NULL);
        for (unsigned i = 0; i < 20; i++) {
                peer_of(i, &info);
                info.endpoint = endpoint_ip4(ip, (uint16_t) (4000 + i));
                pubsub_peer_up(b.p, &info, b.now);
        }
        assert_true(pubsub_score(b.p, &info.peer) == -5.0 * 12 * 12);
        bench_run(&b, 3 * NSEC_PER_SEC); /* they say nothing and are at rest */
        assert_true(kept_score(&b, &info.peer) == -5.0 * 12 * 12);
        for (unsigned i = 0; i < 19; i++) {
                peer_of(i, &info);
                pubsub_peer_down(b.p, &info.peer, b.now);
        }
        peer_of(19, &info);
        assert_true(pubsub_score(b.p, &info.peer) == 0);
        assert_true(kept_score(&b, &info.peer) == 0);
        bench_done(&b);
}

static size_t count_restless(const struct bench *b) {
        size_t n = 0;

        LIST_FOREACH (it, &b->p->restless)
                n++;
        return n;
}

/* The heartbeat costs what happens, not how many peers there are. */
static void test_quiet_peers_cost_nothing(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 0, NULL);
        for (unsigned i = 0; i < 30; i++) {
                bench_up(&b, i, true);
                bench_subscribe(&b, i, "quorate/other", true);
        }
        assert_int_equal(count_restless(&b), 30);
        bench_run(&b, 3 * NSEC_PER_SEC);
        assert_int_equal(count_restless(&b), 0);
        bench_prune(&b, 7, "quorate/other", 60);
        assert_int_equal(count_restless(&b), 1);
        bench_down(&b, 8); /* until it is forgotten */
        assert_int_equal(count_restless(&b), 2);
        bench_run(&b, 3 * NSEC_PER_SEC);
        assert_int_equal(count_restless(&b), 0);
        assert_null(router_peer(b.p, &b.peers[8]));
        bench_done(&b);
}

TEST_MAIN(cmocka_unit_test(test_topics_of_a_peer), cmocka_unit_test(test_topic_names),
          cmocka_unit_test(test_topics_are_full), cmocka_unit_test(test_remembered_are_bounded),
          cmocka_unit_test(test_denied_take_no_place), cmocka_unit_test(test_peers_are_bounded),
          cmocka_unit_test(test_deny_at_once), cmocka_unit_test(test_queue),
          cmocka_unit_test(test_rpc_budget), cmocka_unit_test(test_subscriptions_change_often),
          cmocka_unit_test(test_flapping), cmocka_unit_test(test_colocation),
          cmocka_unit_test(test_quiet_peers_cost_nothing))
