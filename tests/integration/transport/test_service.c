/* Two transports as their operator sees them: a keyring that sleeps, a configuration that
 * changes, names and events. */

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keyring_asleep),
                cmocka_unit_test(test_keyring_restarts),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        cmocka_set_test_filter(getenv("QUORATE_TEST_FILTER"));
        return cmocka_run_group_tests(tests, setup, teardown);
}
