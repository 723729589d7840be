/* Who is there, page by page: peers with a record and those that are connected and have none. */

#include "common/wire/unpack.h"
#include "services/gossip/core.h"
#include "tests/unit/gossip/core_bench.h"

#define WITH_RECORD 150
#define CONNECTED   200 /* the first 50 have a record, too */
#define ALL         300

static struct peer_id everybody[ALL];

/* A node that knows so many; numbers from 0 on have a record, to 100 later ones it is connected. */
static void begin(struct core_bench *c) {
        core_init(c, NULL);
        for (unsigned i = 0; i < ALL; i++)
                everybody[i] = core_peer(i, NULL);
        for (unsigned i = 0; i < WITH_RECORD; i++) {
                CLEANUP(refbuf_unrefp) struct refbuf *r = core_record(i, CORE_WALL + 1, "x", true);

                assert_true(gossip_take_record(c->g, refbuf_bytes(r), c->now, NULL));
        }
        for (unsigned i = ALL - CONNECTED; i < ALL; i++)
                core_up(c, i);
}

/* One page, as an asker reads it; its last peer goes to *after. Returns how many it names. */
static unsigned read_page(const struct refbuf *answer, struct peer_id *after,
                          unsigned named[static ALL], bool *ret_truncated) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const struct peer_id before = *after;
        const Peers__Reply *reply;

        assert_int_equal(wire_unpack(&peers__reply__descriptor, refbuf_bytes(answer), NULL, &u),
                         UNPACK_OK);
        reply = u.message;
        for (size_t i = 0; i < reply->n_records + reply->n_known; i++) {
                CLEANUP(capability_donep) struct capability r = {};
                struct peer_id peer;

                if (i < reply->n_records) {
                        ProtobufCBinaryData raw = reply->records[i];

                        assert_int_equal(capability_read(BYTES(raw.data, raw.len), &r),
                                         CAPABILITY_OK);
                        peer = r.peer;
                } else {
                        ProtobufCBinaryData raw = reply->known[i - reply->n_records]->peer;

                        assert_true(peer_id_parse(BYTES(raw.data, raw.len), &peer));
                }
                assert_true(peer_id_compare(&peer, &before) > 0);
                *after = peer_id_compare(&peer, after) > 0 ? peer : *after;
                for (unsigned n = 0; n < ALL; n++)
                        named[n] += peer_id_equal(&everybody[n], &peer);
        }
        *ret_truncated = reply->truncated;
        return (unsigned) (reply->n_records + reply->n_known);
}

/* Each page by somebody else, and some time after the last one: questions have their rates. */
static void ask_page(struct core_bench *c, const struct peer_id *after, unsigned max,
                     unsigned asker) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__List list = PEERS__LIST__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        struct peer_id peer = core_peer(asker, NULL);

        list.after = (ProtobufCBinaryData){ after->len, (uint8_t *) after->bytes };
        list.max = max;
        request.body_case = PEERS__REQUEST__BODY_LIST;
        request.list = &list;
        buffer_init(&b, 1024);
        wire_pack(&b, &request.base);
        core_run(c, 10 * NSEC_PER_MSEC);
        gossip_asked(c->g, 1, &peer, buffer_bytes(&b), c->now);
        core_drain(c);
        assert_non_null(c->answer);
}

/* However large the pages are, everybody is on one of them, once. */
static void pages_name_everybody_once(void **state) {
        const unsigned sizes[] = { 1, 7, 64, 256 };

        FOREACH_CASE (size, sizes) {
                unsigned named[ALL] = {}, n_pages = 0, n;
                struct peer_id after = {};
                bool is_truncated = true;
                struct core_bench c;

                begin(&c);
                for (; is_truncated && n_pages < 2 * ALL; n_pages++) {
                        ask_page(&c, &after, *size, 5000 + n_pages);
                        n = read_page(c.answer, &after, named, &is_truncated);
                        assert_in_range(n, 1, *size);
                }
                assert_false(is_truncated);
                assert_int_equal(n_pages, (ALL + *size - 1) / *size);
                for (unsigned i = 0; i < ALL; i++)
                        assert_int_equal(named[i], 1);
                core_done(&c);
        }
}

/* A crawl, which asks a node that is connected to more than fit a page, and has no record of them.
 */
static void crawls_read_all_pages(void **state) {
        const struct gossip_crawl crawl = { .depth = 1 };
        struct multiaddr at[GOSSIP_ADDRESSES_MAX];
        struct core_bench asker, asked;
        unsigned n_pages = 0;
        char name[300];

        core_init(&asked, NULL);
        for (unsigned i = 0; i < GOSSIP_ADDRESSES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "/dns4/%060u.%060u.%060u.example/udp/9/quic-v1",
                                i, i, i);
                assert_int_equal(multiaddr_from_text(BYTES_STR(name), &at[i]), MULTIADDR_OK);
        }
        for (unsigned i = 100; i < 200; i++) {
                struct gossip_peer p = { .peer = core_peer(i, NULL),
                                         .speaks_peers = true,
                                         .n_addresses = GOSSIP_ADDRESSES_MAX,
                                         .addresses = at };

                gossip_peer_up(asked.g, &p, asked.now);
                core_drain(&asked);
        }
        core_init(&asker, NULL);
        core_up(&asker, 1);
        core_forget(&asker);
        gossip_crawl(asker.g, 1, &crawl, asker.now);
        core_drain(&asker);
        for (; asker.n_asked > 0; n_pages++) {
                gossip_asked(asked.g, 1, &asker.self, refbuf_bytes(asker.question), asked.now);
                core_drain(&asked);
                gossip_answered(asker.g, asker.asked[--asker.n_asked], refbuf_bytes(asked.answer),
                                asker.now);
                core_drain(&asker);
        }
        assert_int_equal(n_pages, 2);
        assert_non_null(asker.crawled);
        assert_int_equal(asker.crawled->n, 101);
        core_done(&asker);
        core_done(&asked);
}

TEST_MAIN(cmocka_unit_test(pages_name_everybody_once), cmocka_unit_test(crawls_read_all_pages))
