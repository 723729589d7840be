#include "tests/unit/gossip/core_bench.h"

#include "common/wire/unpack.h"
#include "services/gossip/core.h"

/* To whom streams are opened, and whose connection is held. */

#define MANY 200 /* nodes, as dht says: shards of about 12 */

static bool is_member(const struct core_bench *c, unsigned n) {
        struct peer_id peer = core_peer(n, NULL);

        for (unsigned i = 0; i < SHARDS_MAX; i++)
                if (c->g->shards[i].is_joined && shard_has(&c->g->shards[i].shard, &peer))
                        return true;
        return false;
}

/* The next peer from `n` on that is, or is not, in a shard of ours. */
static unsigned next(const struct core_bench *c, unsigned n, bool member) {
        while (is_member(c, n) != member)
                n++;
        return n;
}

static void begin(struct core_bench *c, double nodes) {
        core_init(c, NULL);
        gossip_size(c->g, nodes, c->now);
        gossip_start(c->g, c->now);
        core_drain(c);
        core_forget(c);
}

static bool is_kept(const struct core_bench *c, unsigned n) {
        struct peer_id peer = core_peer(n, NULL);
        const struct known_peer *k = gossip_known(c->g, &peer);

        return k && k->is_kept;
}

static void subscribe(struct core_bench *c, unsigned n, const char *topic) {
        struct rpc_writer w;

        rpc_writer_init(&w);
        rpc_put_subscription(&w, topic, true);
        core_rpc(c, n, &w);
}

static void streams_go_to_members_and_to_who_speaks(void **state) {
        struct core_bench c;
        unsigned member, other;

        begin(&c, MANY);
        member = next(&c, 0, true);
        other = next(&c, 0, false);
        core_up(&c, member);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_up(&c, other);
        core_run(&c, 20 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        subscribe(&c, other, "a topic of others");
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 2);
        other = next(&c, other + 1, false);
        subscribe(&c, other, "a topic of others"); /* before it is identified */
        core_up(&c, other);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 3);
        core_done(&c);
}

/* It may publish to a topic of ours and never say a word before: it has to know that we listen. */
static void streams_go_to_other_software(void **state) {
        struct core_bench c;
        struct gossip_peer p = { .version = PUBSUB_V1_1 };

        begin(&c, MANY);
        p.peer = core_peer(next(&c, 0, false), NULL);
        gossip_peer_up(c.g, &p, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_done(&c);
}

/* A network is its name and its secret: peers of two of them meet, and gossip no word to each
 * other, whatever one of them says, and none takes a member's place. */
static void other_networks_are_left_alone(void **state) {
        struct multiaddr at = core_address(8, 9, 0, 1);
        struct gossip_peer p = {
                .version = PUBSUB_V1_2, .is_elsewhere = true, .n_addresses = 1, .addresses = &at
        };
        Peers__Request list = PEERS__REQUEST__INIT;
        Peers__List page = PEERS__LIST__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        struct core_bench c;
        struct peer_id asker;
        unsigned foreign;

        begin(&c, MANY);
        foreign = next(&c, 0, true);
        p.peer = core_peer(foreign, NULL);
        gossip_peer_up(c.g, &p, c.now);
        subscribe(&c, foreign, c.g->shards[0].topic);
        core_run(&c, 20 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 0);
        assert_int_equal(c.n[GOSSIP_KEEP], 0);
        list.body_case = PEERS__REQUEST__BODY_LIST;
        list.list = &page;
        buffer_init(&b, 1024);
        wire_pack(&b, &list.base);
        asker = core_peer(next(&c, foreign + 1, false), NULL);
        core_up(&c, next(&c, foreign + 1, false));
        gossip_asked(c.g, 7, &asker, buffer_bytes(&b), c.now);
        core_drain(&c);
        assert_non_null(memmem(c.answer->data, c.answer->len, asker.bytes, asker.len));
        assert_null(memmem(c.answer->data, c.answer->len, p.peer.bytes, p.peer.len));
        /* it has joined ours */
        p.is_elsewhere = false;
        gossip_peer_up(c.g, &p, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_done(&c);
}

/* A stream that ended is tried again after a while, and at once when its peer is told of anew: its
 * gossip was killed and is back. */
static void streams_come_again(void **state) {
        struct peer_id peer;
        struct core_bench c;
        unsigned member;

        begin(&c, MANY);
        member = next(&c, 0, true);
        peer = core_peer(member, NULL);
        core_up(&c, member);
        gossip_stream_closed(c.g, &peer, c.now);
        core_run(&c, 9 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_run(&c, 6 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 2);
        gossip_stream_closed(c.g, &peer, c.now);
        core_up(&c, member);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 3);
        core_done(&c);
}

/* Whoever becomes a member gets its stream. */
static void shards_change(void **state) {
        struct core_bench c;

        begin(&c, MANY);
        core_up(&c, next(&c, 0, false));
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 0);
        gossip_size(c.g, 10, c.now);
        core_run(&c, NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_STREAM_OPEN], 1);
        core_done(&c);
}

static void members_are_held_and_others_are_not(void **state) {
        unsigned n_kept = 0, first = 0;
        struct core_bench c;

        begin(&c, MANY);
        for (unsigned i = 0, n = 0; i < 40; i++, n++) {
                n = next(&c, n, true);
                core_up(&c, n);
        }
        core_up(&c, next(&c, 0, false));
        core_run(&c, 6 * NSEC_PER_SEC);
        for (unsigned n = 0; n < 2000; n++)
                n_kept += is_kept(&c, n);
        assert_in_range(n_kept, 16, 24);
        assert_int_equal(c.n[GOSSIP_KEEP], n_kept);
        assert_false(is_kept(&c, next(&c, 0, false)));
        first = next(&c, 0, true);
        assert_true(is_kept(&c, first));
        gossip_peer_down(c.g, &(struct peer_id[]){ core_peer(first, NULL) }[0], c.now);
        core_drain(&c); /* else transport would dial it for ever */
        assert_int_equal(c.n[GOSSIP_KEEP], n_kept + 1);
        core_run(&c, 6 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_KEEP], n_kept + 2); /* another one instead */
        core_done(&c);
}

/* In a mesh, it is held whatever its key; out of it, no longer. */
static void the_mesh_is_held(void **state) {
        struct core_bench c;
        struct rpc_writer w;
        unsigned other;

        begin(&c, MANY);
        other = next(&c, 0, false);
        core_join(&c, other, c.g->shards[0].topic);
        core_run(&c, 6 * NSEC_PER_SEC);
        assert_true(is_kept(&c, other));
        rpc_writer_init(&w);
        rpc_put_prune(&w, c.g->shards[0].topic, NULL, 0, 60);
        core_rpc(&c, other, &w);
        core_run(&c, 6 * NSEC_PER_SEC);
        assert_false(is_kept(&c, other));
        core_done(&c);
}

/* Each of many meshes' peers would be too many. */
static void no_more_than_so_many_are_held(void **state) {
        unsigned n_kept = 0;
        struct core_bench c;

        begin(&c, 10);
        for (unsigned n = 0; n < 60; n++) {
                core_up(&c, n);
                core_join(&c, n, c.g->shards[0].topic);
        }
        core_run(&c, 6 * NSEC_PER_SEC);
        for (unsigned n = 0; n < 60; n++)
                n_kept += is_kept(&c, n);
        assert_in_range(n_kept, 16, 24);
        core_done(&c);
}

/* Whom dht knows first; then others are asked, and seldom when there is nobody to be found. */
static void members_are_looked_for(void **state) {
        struct gossip_contact found[2] = {};
        struct core_bench c;

        begin(&c, MANY);
        core_run(&c, 50 * NSEC_PER_SEC);
        assert_in_range(c.n[GOSSIP_LOOKUP], 2, 3);
        core_run(&c, 600 * NSEC_PER_SEC);
        assert_in_range(c.n[GOSSIP_LOOKUP], 4, 8);
        found[0].peer = core_peer(next(&c, 0, true), NULL);
        found[1].peer = core_peer(next(&c, 0, false), NULL);
        gossip_found(c.g, 0, found, 2, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_CONNECT], 1);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(streams_go_to_members_and_to_who_speaks),
          cmocka_unit_test(streams_go_to_other_software),
          cmocka_unit_test(other_networks_are_left_alone), cmocka_unit_test(streams_come_again),
          cmocka_unit_test(shards_change), cmocka_unit_test(members_are_held_and_others_are_not),
          cmocka_unit_test(the_mesh_is_held), cmocka_unit_test(no_more_than_so_many_are_held),
          cmocka_unit_test(members_are_looked_for))
