/* quorate peers, why, block, the shell's `peers`: against a node made of scripts. */

#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/people.h"
#include "tests/support/test.h"
#include "tests/unit/ctl/scripted.h"

#define ONE    "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
#define TWO    "12D3KooWNpdFjLnmxwdzRV5h5wFs7Xr69k6Z8vwTaYfQCrvCK8Qa"
#define EVIL   "a\033[2Jb\nc"
#define MANY   1000
#define LINKS  "transport/peers"
#define HEARD  "gossip/candidates"
#define BLOCKS "gossip/reputation"

static struct peer_id one, two;

static int setup(void **state) {
        assert_true(peer_id_from_text(BYTES_STR(ONE), &one));
        assert_true(peer_id_from_text(BYTES_STR(TWO), &two));
        *state = scripted_new();
        return 0;
}

static int teardown(void **state) {
        *state = scripted_free(*state);
        return 0;
}

static ProtobufCBinaryData data_of(const struct peer_id *id) {
        return people_data(peer_id_bytes(id));
}

/* ---- scripts ---- */

/* Transport is connected to the first peer. */
static void serve_links(struct scripted *s) {
        Transport__ListReply reply = TRANSPORT__LIST_REPLY__INIT;
        Transport__Peer peer = TRANSPORT__PEER__INIT, *peers[] = { &peer };

        peer.peer = data_of(&one);
        peer.connected = true;
        peer.state = (char *) "connected";
        peer.address = (char *) "/ip4/192.0.2.1/udp/4001/quic-v1";
        peer.rtt_us = 12340;
        reply.n_peers = 1;
        reply.peers = peers;
        scripted_serve(s, LINKS, &transport__peers__descriptor);
        scripted_reply(s, LINKS, "List", &reply);
}

static Gossip__Presence presence_of(const struct peer_id *id, const char *name) {
        Gossip__Presence p = GOSSIP__PRESENCE__INIT;

        p.peer = data_of(id);
        p.name = (char *) name;
        p.version = (char *) "0.1.0";
        p.datasets = 7;
        p.age_ms = 12000;
        return p;
}

/* Gossip heard of both, in two pages. */
static void serve_heard(struct scripted *s) {
        Gossip__Presence a = presence_of(&one, "first"), b = presence_of(&two, EVIL);
        Gossip__Presence *first[] = { &a }, *second[] = { &b };
        Gossip__PeersReply reply = GOSSIP__PEERS_REPLY__INIT;

        reply.n_peers = 1;
        reply.peers = first;
        reply.truncated = true;
        scripted_serve(s, HEARD, &gossip__candidates__descriptor);
        scripted_reply(s, HEARD, "Peers", &reply);
        reply.peers = second;
        reply.truncated = false;
        scripted_reply(s, HEARD, "Peers", &reply);
}

/* A crawl that found n peers, all made of the first one's bytes but for the last two. */
static void script_crawl(struct scripted *s, size_t n, bool ended) {
        CLEANUP(freep) Gossip__Presence *list = xnew_n(Gossip__Presence, n);
        CLEANUP(freep) Gossip__Presence **pointers = xnew_n(Gossip__Presence *, n);
        CLEANUP(freep) struct peer_id *ids = xnew_n(struct peer_id, n);
        Gossip__CrawlReply reply = GOSSIP__CRAWL_REPLY__INIT;

        for (size_t i = 0; i < n; i++) {
                ids[i] = one;
                ids[i].bytes[one.len - 1] ^= (uint8_t) i;
                ids[i].bytes[one.len - 2] ^= (uint8_t) (i >> 8);
                list[i] = presence_of(&ids[i], i ? "other" : "first");
                list[i].depth = i > 0;
                list[i].via = i ? data_of(&one) : (ProtobufCBinaryData){};
                list[i].verified = i == 0;
                list[i].age_ms = i ? 0 : 1000;
                pointers[i] = &list[i];
        }
        reply.n_peers = n;
        reply.peers = pointers;
        reply.asked = 3;
        reply.failed = 1;
        reply.capped = reply.timed_out = ended;
        scripted_serve(s, HEARD, &gossip__candidates__descriptor);
        scripted_reply(s, HEARD, "Crawl", &reply);
}

/* ---- peers ---- */

/* One row for each, whoever knows it; nothing of others reaches the terminal as it is. */
static void test_merged(void **state) {
        struct scripted *s = *state;
        const Gossip__PeersRequest *request;
        const char *out;

        serve_links(s);
        serve_heard(s);
        assert_int_equal(RUN(s, "peers"), 0);
        out = scripted_out(s);
        assert_has(out, "PEER       NAME            VERSION  DATASETS       RTT  SEEN  STATE");
        assert_has(out,
                   "…eAto4Az7  first           0.1.0           7  12.34 ms   now  connected  out");
        assert_has(out, "…CrvCK8Qa  a\\x1b[2Jb\\x0ac  0.1.0           7         -   12s  heard     "
                        " gossip");
        assert_lacks(out, "\033");
        assert_int_equal(scripted_calls(s, HEARD, "Peers"), 2); /* to the last page */
        request = scripted_request(s, HEARD, "Peers");
        assert_bytes_equal(people_bytes(request->after), peer_id_bytes(&one));
        assert_string_equal(scripted_err(s), "");
}

static void test_merged_json(void **state) {
        struct scripted *s = *state;

        serve_links(s);
        serve_heard(s);
        assert_int_equal(RUN(s, "peers", "--json"), 0);
        assert_has(scripted_out(s),
                   "{\"peer\":\"" ONE "\",\"state\":\"connected\",\"connected\":true,");
        assert_has(scripted_out(s), "\"rtt_ms\":12.340,");
        assert_has(scripted_out(s), "{\"peer\":\"" TWO "\",\"state\":\"heard\",\"connected\":false,"
                                    "\"name\":\"a\\u001b[2Jb\\nc\",");
}

/* Who announces a topic may say nothing of where he is; this node may know. */
static void test_topic_addresses(void **state) {
        Dht__Record a = DHT__RECORD__INIT, b = DHT__RECORD__INIT, *list[] = { &a, &b };
        Dht__GetReply reply = DHT__GET_REPLY__INIT;
        struct scripted *s = *state;

        a.publisher = data_of(&one);
        b.publisher = data_of(&two);
        a.kind = b.kind = (char *) "topic";
        reply.records = list;
        reply.n_records = 2;
        serve_links(s);
        scripted_serve(s, "dht/records", &dht__records__descriptor);
        scripted_reply(s, "dht/records", "FindTopic", &reply);
        assert_int_equal(RUN(s, "peers", "--topic", "chess"), 0);
        assert_has(scripted_out(s), "…eAto4Az7   0ms  /ip4/192.0.2.1/udp/4001/quic-v1\n");
        assert_has(scripted_out(s), "…CrvCK8Qa   0ms  -\n");
        assert_has(scripted_out(s), "`quorate find PEER` asks\n");
        assert_int_equal(RUN(s, "peers", "--topic", "chess", "--json"), 0);
        assert_has(scripted_out(s), "\"addresses\":[\"/ip4/192.0.2.1/udp/4001/quic-v1\"]");
        assert_has(scripted_out(s), "{\"peer\":\"" TWO "\",\"age_ms\":0,\"addresses\":[],");
}

/* Without gossip what transport knows is still shown; `--gossip` says what is missing. */
static void test_no_gossip(void **state) {
        struct scripted *s = *state;

        serve_links(s);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_out(s), "…eAto4Az7");
        assert_int_equal(RUN(s, "peers", "--gossip"), 5);
        assert_has(scripted_err(s), "quorate run");
}

static void test_gossip_only(void **state) {
        struct scripted *s = *state;

        serve_heard(s);
        assert_int_equal(RUN(s, "peers", "--gossip", "-v"), 0); /* transport is not even there */
        assert_has(scripted_out(s), TWO);
}

static void test_crawl(void **state) {
        struct scripted *s = *state;
        const Gossip__CrawlRequest *r;

        serve_links(s);
        script_crawl(s, 3, true);
        assert_int_equal(RUN(s, "peers", "--depth", "-1", "--max-peers", "3", "--timeout", "2s",
                             "--discover", ONE),
                         0);
        r = scripted_request(s, HEARD, "Crawl");
        assert_int_equal(r->depth, -1);
        assert_int_equal(r->max_peers, 3);
        assert_int_equal(r->timeout_ms, 2000);
        assert_true(r->discover);
        assert_int_equal(r->n_from, 1);
        assert_string_equal(r->from[0], ONE);
        assert_has(scripted_out(s), "now  connected  out");
        assert_has(scripted_out(s),
                   "   -  told       …eAto4Az7"); /* never seen, told by that one */
        assert_has(scripted_err(s), "3 peers; 3 asked, 1 of them did not answer");
        assert_has(scripted_err(s),
                   "warning: ended with 3 peers, there are more; raise --max-peers");
        assert_has(scripted_err(s),
                   "warning: ended after 2 s, not all were asked; raise --timeout");
        assert_lacks(scripted_err(s), "\r"); /* progress is for terminals */
}

/* As many as --max-peers has by default fit into one answer. */
static void test_crawl_of_many(void **state) {
        struct scripted *s = *state;
        size_t lines = 0;

        script_crawl(s, MANY, false);
        assert_int_equal(RUN(s, "peers", "--rpc", "--json"), 0);
        for (const char *c = scripted_out(s); (c = strchr(c, '\n')); c++)
                lines++;
        assert_int_equal(lines, MANY + 1);
        assert_has(
                scripted_out(s),
                "{\"peers\":1000,\"asked\":3,\"failed\":1,\"capped\":false,\"timed_out\":false}\n");
}

static void test_crawl_defaults(void **state) {
        struct scripted *s = *state;
        const Gossip__CrawlRequest *r;

        script_crawl(s, 1, false);
        assert_int_equal(RUN(s, "peers", "--rpc"), 0);
        r = scripted_request(s, HEARD, "Crawl");
        assert_int_equal(r->depth, 1);
        assert_int_equal(r->max_peers, 1000);
        assert_int_equal(r->timeout_ms, 30000);
        assert_int_equal(r->n_from, 0);
        assert_false(r->discover);
}

static void test_shell_words(void **state) {
        static const char *const words[] = { "shell", NULL };
        const Gossip__CrawlRequest *r;
        struct scripted *s = *state;

        serve_links(s);
        script_crawl(s, 1, false);
        assert_int_equal(scripted_run(s, "peers\n", words), 0);
        assert_has(scripted_out(s), "…eAto4Az7");
        assert_int_equal(scripted_calls(s, HEARD, "Crawl"), 0);
        assert_int_equal(scripted_run(s, "peers @" ONE "\n", words), 0);
        r = scripted_request(s, HEARD, "Crawl");
        assert_string_equal(r->from[0], ONE);
        assert_int_equal(scripted_run(s, "peers all\n", words), 2);
        assert_has(scripted_err(s), "@PEER");
}

/* ---- why ---- */

static void serve_why(struct scripted *s) {
        Transport__Attempt good = TRANSPORT__ATTEMPT__INIT, bad = TRANSPORT__ATTEMPT__INIT;
        Transport__Attempt *attempts[] = { &bad, &good };
        Transport__WhyReply reply = TRANSPORT__WHY_REPLY__INIT;
        Transport__Peer peer = TRANSPORT__PEER__INIT;

        good.outcome = (char *) "connected";
        good.age_ms = 60000;
        bad.outcome = (char *) "timed out " EVIL;
        bad.age_ms = 2000;
        good.direction = bad.direction = (char *) "out";
        peer.state = (char *) "backing off 28s";
        reply.peer = &peer;
        reply.n_attempts = 2;
        reply.attempts = attempts;
        scripted_serve(s, LINKS, &transport__peers__descriptor);
        scripted_reply(s, LINKS, "Why", &reply);
}

static void serve_blocklist(struct scripted *s) {
        Gossip__BlocklistReply reply = GOSSIP__BLOCKLIST_REPLY__INIT;
        Gossip__Blocked blocked = GOSSIP__BLOCKED__INIT, *list[] = { &blocked };

        blocked.peer = data_of(&two);
        blocked.reason = (char *) "wrong " EVIL;
        blocked.since_ms = 5000;
        blocked.left_ms = 3600000;
        reply.n_peers = 1;
        reply.peers = list;
        scripted_serve(s, BLOCKS, &gossip__reputation__descriptor);
        scripted_reply(s, BLOCKS, "Blocklist", &reply);
}

static void serve_contact(struct scripted *s) {
        Dht__FindPeerReply reply = DHT__FIND_PEER_REPLY__INIT;
        Dht__Contact contact = DHT__CONTACT__INIT;

        contact.peer = data_of(&two);
        contact.hint = true;
        reply.contact = &contact;
        reply.source = (char *) "lookup";
        scripted_serve(s, "dht/lookup", &dht__lookup__descriptor);
        scripted_reply(s, "dht/lookup", "FindPeer", &reply);
}

static void test_why(void **state) {
        struct scripted *s = *state;
        const char *out;

        serve_why(s);
        serve_heard(s);
        serve_blocklist(s);
        serve_contact(s);
        assert_int_equal(RUN(s, "why", TWO), 0);
        out = scripted_out(s);
        assert_has(out, "state    backing off 28s");
        assert_has(out, "health   1 of 2 went well, the latest 60s ago");
        assert_has(out, "dht      from lookup, which others say (it never answered this node)");
        assert_has(out, "gossip   heard 12s ago, calls itself 'a\\x1b[2Jb\\x0ac'");
        assert_has(out, "blocked  wrong a\\x1b[2Jb\\x0ac, for another 60min");
        assert_lacks(out, "\033");
        assert_int_equal(RUN(s, "why", "--json", TWO), 0);
        assert_has(scripted_out(s), "\"good\":1,\"failed\":1,\"dht\":{\"source\":\"lookup\",");
}

/* Each of the others may be missing. */
static void test_why_alone(void **state) {
        struct scripted *s = *state;

        serve_why(s);
        assert_int_equal(RUN(s, "why", TWO), 0);
        assert_has(scripted_out(s), "gossip   not heard");
        assert_has(scripted_out(s), "dht      no node is running here");
}

/* ---- block ---- */

static void test_block(void **state) {
        static const Types__Empty empty = TYPES__EMPTY__INIT;
        struct scripted *s = *state;
        const Gossip__BlockRequest *r;

        serve_blocklist(s);
        scripted_reply(s, BLOCKS, "Block", &empty);
        assert_int_equal(RUN(s, "block", TWO, "--for", "7d", "--reason", "wrong answers"), 0);
        r = scripted_request(s, BLOCKS, "Block");
        assert_bytes_equal(people_bytes(r->peer), peer_id_bytes(&two));
        assert_string_equal(r->reason, "wrong answers");
        assert_int_equal(r->for_ms, UINT64_C(7) * 86400000);
        scripted_fail(s, BLOCKS, "Unblock", 3, "that peer is not blocked");
        assert_int_equal(RUN(s, "unblock", ONE), 5);
        assert_string_equal(scripted_err(s), "quorate: that peer is not blocked\n");
        assert_int_equal(RUN(s, "blocklist"), 0);
        assert_has(scripted_out(s), TWO "     5s  60min  wrong a\\x1b[2Jb\\x0ac\n");
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_merged, setup, teardown),
          cmocka_unit_test_setup_teardown(test_merged_json, setup, teardown),
          cmocka_unit_test_setup_teardown(test_topic_addresses, setup, teardown),
          cmocka_unit_test_setup_teardown(test_no_gossip, setup, teardown),
          cmocka_unit_test_setup_teardown(test_gossip_only, setup, teardown),
          cmocka_unit_test_setup_teardown(test_crawl, setup, teardown),
          cmocka_unit_test_setup_teardown(test_crawl_of_many, setup, teardown),
          cmocka_unit_test_setup_teardown(test_crawl_defaults, setup, teardown),
          cmocka_unit_test_setup_teardown(test_shell_words, setup, teardown),
          cmocka_unit_test_setup_teardown(test_why, setup, teardown),
          cmocka_unit_test_setup_teardown(test_why_alone, setup, teardown),
          cmocka_unit_test_setup_teardown(test_block, setup, teardown))
