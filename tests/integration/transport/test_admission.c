/* Who may have to do with a node: peers that services deny, and the members of a private
 * network. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/side.h"
#include "tests/support/test.h"
#include "tests/support/watch.h"

#define SEC    NSEC_PER_SEC
#define MS     NSEC_PER_MSEC
#define CONFIG "dial-timeout = 1s\n"
#define SECRET "000102030405060708090a0b0c0d0e0f"

struct pair {
        struct loop *loop;
        struct side a, b;
        struct watch_client watch; /* of a */
};

static int setup(void **state) {
        struct pair *p = xnew(struct pair);

        assert_int_equal(loop_new(&p->loop), 0);
        side_init(&p->a, p->loop, CONFIG);
        side_init(&p->b, p->loop, CONFIG);
        *state = p;
        return 0;
}

static int teardown(void **state) {
        struct pair *p = *state;

        side_done(&p->a);
        side_done(&p->b);
        loop_free(p->loop);
        free(p);
        return 0;
}

static char *with_id(const struct side *s) {
        char id[PEER_ID_TEXT_SIZE];

        return xasprintf("%s/p2p/%s", s->address, peer_id_text(&s->id, id));
}

static void wait_a_little(struct pair *p, nsec_t time) {
        const bool never = false;

        (void) streams_wait(p->loop, &never, time);
}

/* Cut off at once, refused from both sides, and let in again. */
static void test_denied(void **state) {
        struct pair *p = *state;
        CLEANUP(freep) char *to_b = with_id(&p->b);
        nsec_t began;

        watch_client_init(&p->watch, &p->a.streams);
        assert_true(side_connect(&p->b, p->a.address));
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_connected, 5 * SEC));
        began = loop_now(p->loop);
        assert_int_equal(streams_client_deny(&p->a.streams, &p->b.id, 1), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_gone, 5 * SEC));
        assert_true(loop_now(p->loop) - began < 2 * SEC);

        /* The other side notices later, and whom it met there once it takes for connected till
         * then. */
        for (int i = 0; i < 50 && side_metric(&p->b, "connections") > 0; i++)
                wait_a_little(p, SEC / 10);
        assert_false(side_connect(&p->b, p->a.address));
        assert_non_null(strstr(p->b.peers.text, "refused"));
        assert_false(side_connect(&p->a, to_b));
        assert_non_null(strstr(p->a.peers.text, "nothing to do with that peer"));
        assert_false(side_connect(&p->a, p->b.address)); /* the handshake tells who that is */
        assert_true(side_metric(&p->a, "peers_denied") == 1);

        assert_int_equal(streams_client_deny(&p->a.streams, NULL, 0), 0);
        assert_true(side_metric(&p->a, "peers_denied") == 0);
        assert_true(side_connect(&p->a, to_b));
        watch_client_done(&p->watch);
}

/* A kept peer is dialled again when it is lost, but not while it is denied. */
static void test_denied_is_not_dialled(void **state) {
        struct pair *p = *state;
        CLEANUP(freep) char *to_b = with_id(&p->b);
        double handshakes;

        watch_client_init(&p->watch, &p->a.streams);
        assert_true(side_connect(&p->a, to_b));
        assert_int_equal(streams_client_keep(&p->a.streams, &p->b.id, true), 0);
        assert_int_equal(streams_client_deny(&p->a.streams, &p->b.id, 1), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_gone, 5 * SEC));
        handshakes = side_metric(&p->b, "handshakes_in");
        wait_a_little(p, 3 * SEC);
        assert_true(side_metric(&p->b, "handshakes_in") == handshakes);
        assert_int_equal(streams_client_deny(&p->a.streams, NULL, 0), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_connected, 20 * SEC));
        watch_client_done(&p->watch);
}

/* Two services: the union counts, and a list ends with its connection. */
static void test_union_of_services(void **state) {
        struct pair *p = *state;
        struct streams_client other;

        streams_client_init(&other, p->loop, test_node_path(p->a.node, "transport/streams"));
        assert_int_equal(streams_client_deny(&other, &p->b.id, 1), 0);
        assert_int_equal(streams_client_deny(&p->a.streams, &p->b.id, 1), 0);
        assert_int_equal(streams_client_deny(&p->a.streams, &p->a.id, 1), 0);
        assert_false(side_connect(&p->b, p->a.address));
        streams_client_done(&other);
        for (int i = 0; i < 50 && side_metric(&p->a, "peers_denied") > 1; i++)
                wait_a_little(p, 100 * MS);
        assert_true(side_metric(&p->a, "peers_denied") == 1);
        wait_a_little(p, SEC); /* b's rest after the refusal */
        assert_true(side_connect(&p->b, p->a.address));
}

static bool is_let_in(struct pair *p) {
        for (int i = 0; i < 20; i++) {
                if (side_connect(&p->b, p->a.address))
                        return true;
                wait_a_little(p, 500 * MS); /* b's rest after the refusal */
        }
        return false;
}

/* The window after a start, as wide as it gets: whoever denied b is gone for good, transport is
 * killed, and nobody tells the next one anything. */
static void test_denied_by_somebody_who_is_gone(void **state) {
        struct pair *p = *state;
        struct streams_client other;

        streams_client_init(&other, p->loop, test_node_path(p->a.node, "transport/streams"));
        assert_int_equal(streams_client_deny_as(&other, "gossip", &p->b.id, 1), 0);
        streams_client_done(&other);
        wait_a_little(p, 300 * MS);
        assert_true(side_metric(&p->a, "peers_denied") == 1);
        assert_false(side_connect(&p->b, p->a.address));

        for (int i = 0; i < 2; i++) { /* and once more: it is not used up */
                side_kill(&p->a);
                assert_true(side_metric(&p->a, "peers_denied") == 1);
                assert_false(side_connect(&p->b, p->a.address));
                assert_non_null(strstr(p->b.peers.text, "refused"));
        }
        assert_int_equal(streams_client_deny_as(&p->a.streams, "ledger", NULL, 0), 0);
        assert_true(side_metric(&p->a, "peers_denied") == 1); /* another's list */
        assert_int_equal(streams_client_deny_as(&p->a.streams, "gossip", NULL, 0), 0);
        assert_true(side_metric(&p->a, "peers_denied") == 0);
        side_restart(&p->a, CONFIG);
        assert_true(side_metric(&p->a, "peers_denied") == 0);
        assert_true(is_let_in(p));
}

/* What is no list of peers changes nothing. */
static void test_bad_lists(void **state) {
        struct peer_id list[2] = { { .len = 3, .bytes = { 1, 2, 3 } } };
        struct pair *p = *state;

        assert_int_equal(streams_client_deny(&p->a.streams, &p->b.id, 1), 0);
        list[1] = p->b.id;
        assert_int_equal(streams_client_deny(&p->a.streams, list, 2), 1);
        assert_int_equal(streams_client_deny_as(&p->a.streams,
                                                "a name that is longer than any service's is",
                                                &p->b.id, 1),
                         2);
        assert_true(side_metric(&p->a, "peers_denied") == 1);
}

/* ---- private ---- */

static void write_secret(const struct side *s, char ret_path[160]) {
        int fd;

        (void) snprintf(ret_path, 160, "%s/state/transport/secret", s->node->folder);
        fd = open(ret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, SECRET, sizeof(SECRET) - 1), (ssize_t) sizeof(SECRET) - 1);
        (void) close(fd);
}

static void make_private(struct side *s, const struct side *member) {
        CLEANUP(freep) char *config = NULL;
        char id[PEER_ID_TEXT_SIZE], path[160];

        write_secret(s, path);
        config = xasprintf(CONFIG "[network]\nname = lab\nmode = private\nsecret-file = %s\n"
                                  "allow = %s\n",
                           path, peer_id_text(&member->id, id));
        side_restart(s, config);
        assert_string_equal(side_status(s)->network, "lab");
        assert_string_equal(side_status(s)->mode, "private");
}

/* Members meet; a stranger gets nowhere, and nobody is dialled who is none. */
static void test_private_network(void **state) {
        CLEANUP(freep) char *to_stranger = NULL;
        struct pair *p = *state;
        struct side stranger;

        side_init(&stranger, p->loop, CONFIG);
        make_private(&p->a, &p->b);
        make_private(&p->b, &p->a);
        assert_true(side_connect(&p->b, p->a.address));
        assert_false(side_connect(&stranger, p->a.address));
        assert_non_null(strstr(stranger.peers.text, "refused"));
        to_stranger = with_id(&stranger);
        assert_false(side_connect(&p->a, to_stranger));
        assert_non_null(strstr(p->a.peers.text, "nothing to do with that peer"));
        assert_true(side_metric(&stranger, "handshakes_in") == 0);
        side_done(&stranger);
}

/* A configuration without the list is refused as a whole; the one before stays. */
static void test_private_stays_private(void **state) {
        CLEANUP(freep) char *config = NULL;
        struct pair *p = *state;
        struct side stranger;
        char path[160];

        side_init(&stranger, p->loop, CONFIG);
        make_private(&p->a, &p->b);
        (void) snprintf(path, sizeof(path), "%s/state/transport/secret", p->a.node->folder);
        config =
                xasprintf(CONFIG "[network]\nname = lab\nmode = private\nsecret-file = %s\n", path);
        test_node_set_config(p->a.node, config);
        assert_int_equal(kill(p->a.node->transport, SIGHUP), 0);
        wait_a_little(p, 300 * MS);
        assert_false(side_connect(&stranger, p->a.address));
        assert_true(side_connect(&p->b, p->a.address));
        side_done(&stranger);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_denied, setup, teardown),
          cmocka_unit_test_setup_teardown(test_denied_is_not_dialled, setup, teardown),
          cmocka_unit_test_setup_teardown(test_union_of_services, setup, teardown),
          cmocka_unit_test_setup_teardown(test_denied_by_somebody_who_is_gone, setup, teardown),
          cmocka_unit_test_setup_teardown(test_bad_lists, setup, teardown),
          cmocka_unit_test_setup_teardown(test_private_network, setup, teardown),
          cmocka_unit_test_setup_teardown(test_private_stays_private, setup, teardown))
