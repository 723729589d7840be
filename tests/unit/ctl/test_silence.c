/* What commands say of a node some of whose services stand still, or that knows nobody: against
 * one made of scripts. */

#include <time.h>

#include "proto/dht.pb-c.h"
#include "proto/gossip.pb-c.h"
#include "proto/transport.pb-c.h"
#include "services/ctl/people.h"
#include "tests/support/test.h"
#include "tests/unit/ctl/scripted.h"

#define ONE    "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7"
#define LINKS  "transport/peers"
#define HEARD  "gossip/candidates"
#define LOOKUP "dht/lookup"
#define RECORD "dht/records"

static struct peer_id one;

static int setup(void **state) {
        assert_true(peer_id_from_text(BYTES_STR(ONE), &one));
        *state = scripted_new();
        return 0;
}

static int teardown(void **state) {
        *state = scripted_free(*state);
        return 0;
}

static double seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void serve_nobody(struct scripted *s) {
        Transport__ListReply links = TRANSPORT__LIST_REPLY__INIT;
        Transport__StatusReply status = TRANSPORT__STATUS_REPLY__INIT;

        status.peer = people_data(peer_id_bytes(&one));
        scripted_serve(s, LINKS, &transport__peers__descriptor);
        scripted_reply(s, LINKS, "List", &links);
        scripted_reply(s, LINKS, "Status", &status);
}

/* ---- --timeout ---- */

/* It bounds the command, whatever that asks for: three lookups of `find`, three names of a topic
 * with a secret. */
static void test_timeout(void **state) {
        static const char *const commands[][6] = {
                { "find", ONE, "-t", "300ms" },
                { "topic", "find", "chess", "-t", "300ms" },
                { "peers", "--topic", "chess", "-t", "300ms" },
                { "mailbox", "read", "-t", "300ms" },
                { "record", "get", "/profile/" ONE, "-t", "300ms" },
                { "peers", "--rpc", "-t", "300ms" },
        };
        struct scripted *s = *state;

        serve_nobody(s);
        scripted_mute(s, LOOKUP);
        scripted_mute(s, RECORD);
        scripted_mute(s, HEARD);
        FOREACH_CASE (c, commands) {
                double start = seconds();

                assert_int_equal(scripted_run(s, NULL, *c), 5);
                assert_has(scripted_err(s), "did not answer in time");
                assert_true(seconds() - start < 2.5);
        }
}

/* ---- peers ---- */

/* What transport knows comes soon, with a word on what is missing. */
static void test_deaf(void **state) {
        struct scripted *s = *state;
        double start = seconds();

        serve_nobody(s);
        scripted_mute(s, HEARD);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_err(s), "warning: names, versions and who was only heard of are not "
                                    "shown: gossip did not answer in time");
        assert_true(seconds() - start < 4);
}

/* ---- nobody ---- */

/* Why nobody is there is what the services say of the places that the configuration names. */
static void test_places(void **state) {
        Types__Place bad = TYPES__PLACE__INIT, new = TYPES__PLACE__INIT, *places[] = { &bad, &new };
        Transport__StatusReply transport = TRANSPORT__STATUS_REPLY__INIT;
        Transport__ListReply links = TRANSPORT__LIST_REPLY__INIT;
        Gossip__PeersReply heard = GOSSIP__PEERS_REPLY__INIT;
        Dht__StatusReply dht = DHT__STATUS_REPLY__INIT;
        struct scripted *s = *state;

        scripted_serve(s, LINKS, &transport__peers__descriptor);
        scripted_serve(s, HEARD, &gossip__candidates__descriptor);
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_reply(s, LINKS, "List", &links);
        scripted_reply(s, HEARD, "Peers", &heard);
        scripted_reply(s, LINKS, "Status", &transport);
        scripted_reply(s, LOOKUP, "Status", &dht);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_out(s),
                   "names no place to begin; name one with `bootstrap =` in [dht]");

        bad.where = (char *) "/ip4/10.0.0.1/udp/1/quic-v1";
        bad.why = (char *) "refused by\033 the peer";
        new.where = (char *) "/ip4/10.0.0.2/udp/1/quic-v1";
        dht.places = places;
        dht.n_places = 2;
        scripted_reply(s, LOOKUP, "Status", &dht);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_out(s),
                   "nobody is known yet, and some places to begin are no good; see");
        assert_has(scripted_out(s), "\n  /ip4/10.0.0.1/udp/1/quic-v1 ([dht]): refused by\\x1b the "
                                    "peer\n");
        assert_lacks(scripted_out(s), "10.0.0.2");

        dht.n_places = 1;
        scripted_reply(s, LOOKUP, "Status", &dht);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_out(s), "no place to begin that the configuration names is any good");

        dht.n_places = 0;
        dht.peers = 3; /* transport is back a moment ago */
        scripted_reply(s, LOOKUP, "Status", &dht);
        assert_int_equal(RUN(s, "peers"), 0);
        assert_has(scripted_out(s), "nobody is connected now, but dht knows peers");
        assert_lacks(scripted_out(s), "bootstrap");
}

/* ---- find ---- */

static void test_find_itself(void **state) {
        struct scripted *s = *state;

        serve_nobody(s);
        scripted_serve(s, LOOKUP, &dht__lookup__descriptor);
        scripted_fail(s, LOOKUP, "FindPeer", 1, "nobody who should have it has it");
        assert_int_equal(RUN(s, "find", ONE), 5);
        assert_has(scripted_err(s), "find: that is this node; `quorate status` says where");
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
          cmocka_unit_test_setup_teardown(test_deaf, setup, teardown),
          cmocka_unit_test_setup_teardown(test_places, setup, teardown),
          cmocka_unit_test_setup_teardown(test_find_itself, setup, teardown))
