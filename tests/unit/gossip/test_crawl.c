#include "common/wire/unpack.h"
#include "tests/unit/gossip/core_bench.h"

/* An answer that tells of n peers from `first` on; private: at 127.0.0.1 and 192.168.1.1. */
static void answer(struct core_bench *c, uint64_t id, unsigned first, unsigned n, bool is_private) {
        CLEANUP(freep) Peers__KnownPeer *list = xnew_n(Peers__KnownPeer, n + 1);
        CLEANUP(freep) Peers__KnownPeer **at = xnew_n(Peers__KnownPeer *, n + 1);
        CLEANUP(freep) struct peer_id *ids = xnew_n(struct peer_id, n + 1);
        struct multiaddr addrs[2] = {
                is_private ? core_address(127, 0, 0, 1) : core_address(8, 1, 1, 1),
                is_private ? core_address(192, 168, 1, 1) : core_address(8, 1, 1, 2),
        };
        ProtobufCBinaryData raw[2] = { { addrs[0].len, addrs[0].bytes },
                                       { addrs[1].len, addrs[1].bytes } };
        CLEANUP(buffer_donep) struct buffer b = {};
        Peers__Reply reply = PEERS__REPLY__INIT;

        for (unsigned i = 0; i < n; i++) {
                ids[i] = core_peer(first + i, NULL);
                peers__known_peer__init(&list[i]);
                list[i].peer = (ProtobufCBinaryData){ ids[i].len, ids[i].bytes };
                list[i].addresses = raw;
                list[i].n_addresses = 2;
                at[i] = &list[i];
        }
        reply.known = at;
        reply.n_known = n;
        buffer_init(&b, 1024 * 1024);
        wire_pack(&b, &reply.base);
        gossip_answered(c->g, id, buffer_bytes(&b), c->now);
        core_drain(c);
}

static void begin(struct core_bench *c, unsigned peers, const struct gossip_crawl *crawl) {
        core_init(c, NULL);
        for (unsigned i = 0; i < peers; i++)
                core_up(c, i);
        core_forget(c);
        gossip_crawl(c->g, 1, crawl, c->now);
        core_drain(c);
}

static void test_depths(void **state) {
        const struct {
                int depth;
                unsigned asked, found;
        } cases[] = { { 0, 0, 2 }, { 1, 2, 22 }, { 2, 22, 42 }, { -1, 42, 42 } };

        (void) state;
        FOREACH_CASE (k, cases) {
                struct gossip_crawl crawl = { .depth = k->depth };
                struct core_bench c;
                struct peer_id first = core_peer(0, NULL), second = core_peer(1, NULL);
                unsigned answered = 0;

                begin(&c, 2, &crawl);
                /* the connected two know ten each, and those know the same twenty others */
                while (c.n_asked > 0) {
                        uint64_t id = c.asked[--c.n_asked];
                        bool one = peer_id_equal(&c.asked_peers[c.n_asked], &first),
                             two = peer_id_equal(&c.asked_peers[c.n_asked], &second);

                        answer(&c, id, one ? 100 : two ? 110 : 200, one || two ? 10 : 20, false);
                        answered++;
                }
                assert_non_null(c.crawled);
                assert_int_equal(answered, k->asked); /* each once */
                assert_int_equal(c.crawled->asked, k->asked);
                assert_int_equal(c.crawled->n, k->found);
                assert_false(c.crawled->capped);
                core_done(&c);
        }
}

static void test_unverified_until_met(void **state) {
        struct gossip_crawl crawl = { .depth = 1, .discover = true };
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        answer(&c, c.asked[0], 100, 3, false);
        assert_int_equal(c.crawled->n, 4);
        assert_true(c.crawled->list[0].is_verified);
        for (unsigned i = 1; i < 4; i++) {
                assert_false(c.crawled->list[i].is_verified);
                assert_int_equal(c.crawled->list[i].depth, 1);
                assert_true(
                        peer_id_equal(&c.crawled->list[i].via, &c.crawled->list[0].contact.peer));
        }
        assert_int_equal(c.n[GOSSIP_HINT], 4);
        core_done(&c);
}

static void test_private_addresses(void **state) {
        struct gossip_crawl crawl = { .depth = -1, .discover = true };
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        answer(&c, c.asked[0], 100, 50, true);
        assert_non_null(c.crawled); /* nobody of them can be asked */
        assert_int_equal(c.crawled->n, 51);
        assert_int_equal(c.crawled->asked, 1);
        assert_int_equal(c.private_dials, 0);
        core_done(&c);
}

/* The same, said by those peers of themselves and signed. */
static void test_private_addresses_of_records(void **state) {
        struct multiaddr door[] = { core_address(127, 0, 0, 1), core_address(10, 0, 0, 1) };
        struct gossip_crawl crawl = { .depth = -1, .discover = true };
        CLEANUP(buffer_donep) struct buffer b = {};
        Peers__Reply reply = PEERS__REPLY__INIT;
        ProtobufCBinaryData records[8];
        struct refbuf *raw[8];
        struct core_bench c;

        (void) state;
        for (unsigned i = 0; i < 8; i++) {
                raw[i] = core_record_at(100 + i, CORE_WALL, door, 2);
                records[i] = (ProtobufCBinaryData){ raw[i]->len, raw[i]->data };
        }
        reply.records = records;
        reply.n_records = 8;
        buffer_init(&b, 1024 * 1024);
        wire_pack(&b, &reply.base);
        begin(&c, 1, &crawl);
        gossip_answered(c.g, c.asked[0], buffer_bytes(&b), c.now);
        core_drain(&c);
        assert_non_null(c.crawled);
        assert_int_equal(c.crawled->n, 9);
        assert_int_equal(c.crawled->asked, 1);
        assert_int_equal(c.private_dials, 0);
        for (unsigned i = 0; i < 8; i++)
                refbuf_unref(raw[i]);
        core_done(&c);
}

/* Where a person says to begin is asked wherever it is; what is told there is not. */
static void test_given_addresses(void **state) {
        struct gossip_contact from[2] = { { core_peer(1, NULL), 1, { core_address(127, 0, 0, 1) } },
                                          { core_peer(2, NULL) } };
        struct gossip_crawl crawl = { .from = from, .n_from = 2, .depth = -1 };
        struct core_bench c;

        (void) state;
        begin(&c, 0, &crawl);
        assert_int_equal(c.n_asked, 1);
        assert_int_equal(c.n_given, 1);
        assert_int_equal(c.private_dials, 1);
        answer(&c, c.asked[0], 2, 20, false);
        assert_int_equal(c.n_asked, 1 + 16);
        assert_int_equal(c.n_given, 1);
        core_done(&c);
}

/* A server that invents peers fills its own share, and no more is asked at once than 16. */
static void test_hostile_server(void **state) {
        struct gossip_crawl crawl = { .depth = 1 };
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        answer(&c, c.asked[0], 100, 600, false);
        assert_int_equal(c.crawled->n, 1 + 256);
        core_done(&c);
        crawl.depth = -1;
        begin(&c, 1, &crawl);
        answer(&c, c.asked[0], 100, 600, false);
        assert_int_equal(c.n[GOSSIP_ASK], 1 + 16);
        core_done(&c); /* under way */
}

static void test_cap(void **state) {
        struct gossip_crawl crawl = { .depth = -1, .peers_max = 100 };
        struct core_bench c;

        (void) state;
        begin(&c, 2, &crawl);
        answer(&c, c.asked[1], 100, 200, false);
        answer(&c, c.asked[0], 500, 200, false);
        assert_non_null(c.crawled);
        assert_int_equal(c.crawled->n, 100);
        assert_true(c.crawled->capped);
        core_done(&c);
}

static void test_too_large_answer(void **state) {
        struct gossip_crawl crawl = { .depth = -1 };
        CLEANUP(freep) uint8_t *big = xcalloc(1, 1024 * 1024);
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        gossip_answered(c.g, c.asked[0], BYTES(big, 1024 * 1024), c.now);
        core_drain(&c);
        assert_int_equal(c.crawled->failed, 1);
        assert_int_equal(core_counter(&c, "answers_bad"), 1);
        core_done(&c);
}

/* The first that tells of it knows no address of it, or a private one; the second does. */
static void test_address_comes_later(void **state) {
        struct gossip_crawl crawl = { .depth = -1 };
        struct peer_id late = core_peer(100, NULL);
        struct core_bench c;

        (void) state;
        begin(&c, 2, &crawl);
        assert_int_equal(c.n_asked, 2);
        answer(&c, c.asked[0], 100, 1, true);
        assert_int_equal(c.n_asked, 2); /* nowhere to ask it */
        answer(&c, c.asked[1], 100, 1, false);
        assert_int_equal(c.n_asked, 3);
        assert_true(peer_id_equal(&c.asked_peers[2], &late));
        answer(&c, c.asked[2], 100, 0, false);
        assert_int_equal(c.crawled->asked, 3);
        core_done(&c);
}

static void test_timeout(void **state) {
        struct gossip_crawl crawl = { .depth = -1, .timeout = 3 * NSEC_PER_SEC };
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        answer(&c, c.asked[0], 100, 200, false);
        core_run(&c, 2900 * NSEC_PER_MSEC);
        assert_null(c.crawled);
        core_run(&c, 100 * NSEC_PER_MSEC);
        assert_non_null(c.crawled);
        assert_true(c.crawled->timed_out);
        assert_true(c.crawled->failed > 0);
        core_done(&c);
}

/* Records with wrong signatures: no more is checked than a peer may tell of. */
static void test_checks_are_bounded(void **state) {
        struct gossip_crawl crawl = { .depth = 1 };
        ProtobufCBinaryData records[400];
        CLEANUP(refbuf_unrefp) struct refbuf *bad = core_record(7, CORE_WALL, "x", false);
        CLEANUP(buffer_donep) struct buffer b = {};
        Peers__Reply reply = PEERS__REPLY__INIT;
        struct core_bench c;

        (void) state;
        for (unsigned i = 0; i < 400; i++)
                records[i] = (ProtobufCBinaryData){ bad->len, bad->data };
        reply.records = records;
        reply.n_records = 400;
        buffer_init(&b, 1024 * 1024);
        wire_pack(&b, &reply.base);
        assert_true(buffer_bytes(&b).len < 64 * 1024);
        begin(&c, 1, &crawl);
        gossip_answered(c.g, c.asked[0], buffer_bytes(&b), c.now);
        core_drain(&c);
        assert_int_equal(core_counter(&c, "records_bad"), 256);
        assert_int_equal(c.crawled->n, 1);
        core_done(&c);
}

static void test_blocked_are_not_asked(void **state) {
        struct gossip_crawl crawl = { .depth = -1 };
        struct peer_id blocked = core_peer(100, NULL);
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        assert_true(gossip_block(c.g, &blocked, "", NSEC_NEVER, c.now));
        answer(&c, c.asked[0], 100, 1, false);
        assert_non_null(c.crawled);
        assert_int_equal(c.crawled->asked, 1);
        core_done(&c);
}

static void test_calls(void **state) {
        struct gossip_crawl crawl = { .depth = 1 };
        struct core_bench c;

        (void) state;
        begin(&c, 1, &crawl);
        for (unsigned i = 2; i <= 40; i++)
                gossip_crawl(c.g, i, &crawl, c.now);
        core_drain(&c);
        assert_int_equal(core_counter(&c, "calls_refused"), 40 - 32);
        gossip_cancel(c.g, 1, c.now);
        gossip_cancel(c.g, 1, c.now);
        core_run(&c, 40 * NSEC_PER_SEC);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(test_depths), cmocka_unit_test(test_unverified_until_met),
          cmocka_unit_test(test_private_addresses),
          cmocka_unit_test(test_private_addresses_of_records),
          cmocka_unit_test(test_given_addresses), cmocka_unit_test(test_hostile_server),
          cmocka_unit_test(test_cap), cmocka_unit_test(test_too_large_answer),
          cmocka_unit_test(test_timeout), cmocka_unit_test(test_checks_are_bounded),
          cmocka_unit_test(test_blocked_are_not_asked), cmocka_unit_test(test_address_comes_later),
          cmocka_unit_test(test_calls))
