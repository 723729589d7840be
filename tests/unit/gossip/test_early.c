#include "services/gossip/early.h"
#include "services/gossip/rpc_message.h"
#include "tests/unit/gossip/core_bench.h"

static void test_in_order(void **state) {
        CLEANUP(early_freep) struct early *e = early_new(1);
        struct peer_id a = core_peer(1, NULL), b = core_peer(2, NULL);
        struct refbuf *got[EARLY_RPCS];

        (void) state;
        assert_true(early_keep(e, &a, BYTES_LIT("one")));
        assert_true(early_keep(e, &b, BYTES_LIT("other")));
        assert_true(early_keep(e, &a, BYTES_LIT("two")));
        assert_int_equal(early_take(e, &a, got), 2);
        assert_true(bytes_equal(refbuf_bytes(got[0]), BYTES_LIT("one")));
        assert_true(bytes_equal(refbuf_bytes(got[1]), BYTES_LIT("two")));
        refbuf_unref(got[0]);
        refbuf_unref(got[1]);
        assert_int_equal(early_take(e, &a, got), 0);
        early_forget(e, &b);
        assert_int_equal(early_take(e, &b, got), 0);
}

static void test_bounds(void **state) {
        CLEANUP(early_freep) struct early *e = early_new(1);
        static const uint8_t long_one[EARLY_BYTES + 1];
        struct refbuf *got[EARLY_RPCS];
        struct peer_id peer = core_peer(0, NULL);

        (void) state;
        assert_false(early_keep(e, &peer, BYTES_OF(long_one)));
        assert_true(early_keep(e, &peer, BYTES(long_one, EARLY_BYTES - 10)));
        assert_false(early_keep(e, &peer, BYTES(long_one, 11)));
        for (size_t i = 1; i < EARLY_RPCS; i++)
                assert_true(early_keep(e, &peer, BYTES(long_one, 1)));
        assert_false(early_keep(e, &peer, BYTES(long_one, 1)));
        for (unsigned i = 1; i <= EARLY_PEERS; i++) {
                struct peer_id other = core_peer(i, NULL);

                assert_true(early_keep(e, &other, BYTES_LIT("x")));
        }
        assert_int_equal(early_take(e, &peer, got), 0); /* heard of longest ago */
        peer = core_peer(1, NULL);
        assert_int_equal(early_take(e, &peer, got), 1);
        refbuf_unref(got[0]);
}

static struct refbuf *subscription(const struct core_bench *c) {
        struct gossip_status status;
        struct rpc_writer w;
        struct refbuf *rpc;

        gossip_status(c->g, &status);
        rpc_writer_init(&w);
        rpc_put_subscription(&w, status.shard, true);
        rpc = rpc_take(&w);
        rpc_writer_done(&w);
        return rpc;
}

static bool is_subscribed(const struct core_bench *c) {
        struct gossip_status status;

        gossip_status(c->g, &status);
        return pubsub_has_subscriber(gossip_router(c->g), status.shard);
}

/* Its stream to us was faster than ours to it. */
static void test_subscription_is_kept(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *rpc = NULL;
        struct peer_id peer = core_peer(1, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        rpc = subscription(&c);
        gossip_rpc(c.g, &peer, refbuf_bytes(rpc), c.now); /* not even identified */
        core_up(&c, 1);
        assert_false(is_subscribed(&c));
        gossip_stream_opened(c.g, &peer, PUBSUB_V1_2, c.now);
        core_drain(&c);
        assert_true(is_subscribed(&c));
        assert_int_equal(core_counter(&c, "rpcs_early"), 1);
        core_done(&c);
}

/* Who went says everything anew when it comes again. */
static void test_gone_is_forgotten(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *rpc = NULL;
        struct peer_id peer = core_peer(1, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        gossip_start(c.g, c.now);
        core_run(&c, NSEC_PER_SEC);
        rpc = subscription(&c);
        gossip_rpc(c.g, &peer, refbuf_bytes(rpc), c.now);
        gossip_peer_down(c.g, &peer, c.now);
        core_up(&c, 1);
        gossip_stream_opened(c.g, &peer, PUBSUB_V1_2, c.now);
        assert_false(is_subscribed(&c));
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(test_in_order), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_subscription_is_kept), cmocka_unit_test(test_gone_is_forgotten))
