/* Two transports as their operator sees them: a keyring that sleeps, a configuration that
 * changes, names and events. */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "tests/support/node.h"
#include "tests/support/peers.h"
#include "tests/support/test.h"

#define SEC    NSEC_PER_SEC
#define MS     NSEC_PER_MSEC
#define CONFIG "idle-timeout = 5s\ndial-timeout = 1s\n"

struct side {
        struct test_node *node;
        struct peers_client peers;
        struct peer_id id;
        char address[256];
};

struct pair {
        struct loop *loop;
        struct side a, b;
};

static void learn(struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        const Transport__StatusReply *r = NULL;

        for (int i = 0; i < 10 && !r; i++)
                r = peers_call(&s->peers, "Status", &in, 10 * SEC);
        assert_non_null(r);
        assert_true(peer_id_parse(BYTES(r->peer.data, r->peer.len), &s->id));
        assert_true(r->n_listen >= 1);
        (void) snprintf(s->address, sizeof(s->address), "%s", r->listen[0]);
}

static void side_init(struct pair *p, struct side *s) {
        s->node = test_node_new(CONFIG);
        peers_client_init(&s->peers, p->loop, test_node_path(s->node, "transport/peers"));
        learn(s);
}

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        side_init(p, &p->a);
        side_init(p, &p->b);
        *state = p;
        return 0;
}

static void side_done(struct side *s) {
        peers_client_done(&s->peers);
        test_node_free(s->node);
}

static int teardown(void **state) {
        struct pair *p = *state;

        side_done(&p->a);
        side_done(&p->b);
        loop_free(p->loop);
        free(p);
        return 0;
}

static bool connects(struct side *from, const char *target, uint32_t timeout_ms) {
        Transport__ConnectRequest in = TRANSPORT__CONNECT_REQUEST__INIT;

        in.target = (char *) target;
        in.timeout_ms = timeout_ms;
        return peers_call(&from->peers, "Connect", &in, 20 * SEC) != NULL;
}

/* Refusals come at once. */
static bool connects_within(struct side *from, const char *target, nsec_t timeout) {
        nsec_t until = loop_now(from->peers.loop) + timeout;

        while (!connects(from, target, 500)) {
                if (loop_now(from->peers.loop) >= until)
                        return false;
                (void) usleep(200000);
        }
        return true;
}

static void disconnect(struct side *from, const struct side *to) {
        Transport__WhyRequest in = TRANSPORT__WHY_REQUEST__INIT;

        in.peer = (ProtobufCBinaryData){ to->id.len, (uint8_t *) to->id.bytes };
        (void) peers_call(&from->peers, "Disconnect", &in, 10 * SEC);
}

static nsec_t answer_time(struct pair *p, struct side *s) {
        const Types__Empty in = TYPES__EMPTY__INIT;
        nsec_t began = loop_now(p->loop);

        assert_non_null(peers_call(&s->peers, "Status", &in, 10 * SEC));
        return loop_now(p->loop) - began;
}

/* Handshakes fail while nobody signs; everything else goes on. */
static void test_keyring_asleep(void **state) {
        struct pair *p = *state;
        nsec_t worst = 0, sum = 0;

        assert_int_equal(kill(p->a.node->keyring, SIGSTOP), 0);
        for (int i = 0; i < 6; i++) {
                nsec_t took;

                assert_false(connects(&p->b, p->a.address, 100));
                took = answer_time(p, &p->a);
                worst = took > worst ? took : worst;
                sum += took;
        }
        print_message("# worst answer %.0f ms, six %.0f ms\n", (double) worst / 1e6,
                      (double) sum / 1e6);
        assert_int_equal(kill(p->a.node->keyring, SIGCONT), 0);
        assert_true(worst < 600 * MS);
        assert_true(sum < 1500 * MS);
        assert_true(connects_within(&p->b, p->a.address, 20 * SEC));
        disconnect(&p->b, &p->a);
}

/* A new process has another TLS key; nobody waits while there is none. */
static void test_keyring_restarts(void **state) {
        struct pair *p = *state;

        test_node_restart_keyring(p->a.node);
        assert_true(connects_within(&p->b, p->a.address, 20 * SEC));
        disconnect(&p->b, &p->a);
}

/* ---- SIGHUP ---- */

static void reload(struct side *s, const char *more) {
        CLEANUP(freep) char *config = xasprintf(CONFIG "%s", more);

        test_node_set_config(s->node, config);
        assert_int_equal(kill(s->node->transport, SIGHUP), 0);
}

/* What `of` knows of `about`; NULL: no connection. */
static const Transport__Peer *seen(struct side *of, const struct side *about) {
        const Transport__ListRequest in = TRANSPORT__LIST_REQUEST__INIT;
        const Transport__ListReply *r = peers_call(&of->peers, "List", &in, 10 * SEC);

        assert_non_null(r);
        for (size_t i = 0; i < r->n_peers; i++)
                if (r->peers[i]->peer.len == about->id.len &&
                    memcmp(r->peers[i]->peer.data, about->id.bytes, about->id.len) == 0)
                        return r->peers[i];
        return NULL;
}

static bool waits_for(struct side *of, const struct side *about, bool connected) {
        for (int i = 0; i < 100; i++) {
                if ((seen(of, about) != NULL) == connected)
                        return true;
                (void) usleep(100000);
        }
        return false;
}

static void test_permission_is_taken_and_given(void **state) {
        CLEANUP(freep) char *nobody = NULL;
        struct pair *p = *state;
        char id[PEER_ID_TEXT_SIZE];

        nobody = xasprintf("allow = %s\n", peer_id_text(&p->a.id, id));
        assert_true(connects(&p->b, p->a.address, 2000));
        reload(&p->a, nobody);
        assert_true(waits_for(&p->a, &p->b, false));
        assert_false(connects(&p->b, p->a.address, 1000));
        assert_non_null(strstr(p->b.peers.text, "refused"));
        reload(&p->a, "allow = not-a-peer\n"); /* refused: nothing changes */
        assert_false(connects(&p->b, p->a.address, 1000));
        reload(&p->a, "");
        assert_true(connects_within(&p->b, p->a.address, 5 * SEC));
}

static void test_agent_changes(void **state) {
        struct pair *p = *state;
        const Transport__Peer *peer = NULL;

        assert_true(connects(&p->b, p->a.address, 2000));
        reload(&p->a, "agent = renamed\n");
        for (int i = 0; i < 50; i++) {
                peer = seen(&p->b, &p->a);
                if (peer && strcmp(peer->agent, "renamed") == 0)
                        break;
                (void) usleep(100000);
        }
        assert_non_null(peer);
        assert_string_equal(peer->agent, "renamed");
        disconnect(&p->b, &p->a);
        assert_true(waits_for(&p->a, &p->b, false));
}

/* Without an id in the row, too. */
static void test_pins_come_and_go(void **state) {
        struct pair *p = *state;

        for (int with_id = 0; with_id < 2; with_id++) {
                CLEANUP(freep) char *row = NULL;
                char id[PEER_ID_TEXT_SIZE];

                row = xasprintf("bootstrap = %s%s%s\n", p->b.address, with_id ? "/p2p/" : "",
                                with_id ? peer_id_text(&p->b.id, id) : "");
                reload(&p->a, row);
                assert_true(waits_for(&p->a, &p->b, true));
                assert_true(seen(&p->a, &p->b)->pinned);
                disconnect(&p->a, &p->b);
                (void) usleep(300000);
                assert_true(waits_for(&p->a, &p->b, true));
                reload(&p->a, "");
                (void) usleep(300000);
                assert_false(seen(&p->a, &p->b)->pinned);
                disconnect(&p->a, &p->b);
                assert_true(waits_for(&p->a, &p->b, false));
                (void) usleep(2500000);
                assert_null(seen(&p->a, &p->b));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keyring_asleep),
                cmocka_unit_test(test_keyring_restarts),
                cmocka_unit_test(test_permission_is_taken_and_given),
                cmocka_unit_test(test_agent_changes),
                cmocka_unit_test(test_pins_come_and_go),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        cmocka_set_test_filter(getenv("QUORATE_TEST_FILTER"));
        return cmocka_run_group_tests(tests, setup, teardown);
}
