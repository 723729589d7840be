/* Channels "watch" as a service sees them: what is told of a peer, when, and to a reader that
 * does not keep up. */

#include "common/crypto/identity.h"
#include "common/wire/envelope.h"
#include "tests/support/side.h"
#include "tests/support/test.h"
#include "tests/support/watch.h"

#define SEC      NSEC_PER_SEC
#define MS       NSEC_PER_MSEC
#define CONFIG   "dial-timeout = 1s\n"
#define PROTOCOL "/test/watch/1"
#define WATCHERS 16 /* at most, of one node */

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

static void disconnect(struct pair *p) {
        side_disconnect(&p->b, &p->a);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_gone, 5 * SEC));
        watch_client_done(&p->watch);
}

static void check_record(const struct watched_peer *w, const struct side *of) {
        struct peer_record record;

        assert_int_equal(peer_record_open(BYTES(w->record, w->record_len), &record), ENVELOPE_OK);
        assert_true(peer_id_equal(&record.peer, &of->id));
}

static unsigned work_of(const struct peer_id *peer) {
        struct sign_public key;

        assert_true(peer_id_ed25519(peer, &key));
        return identity_work(&key);
}

static void wait_until_identified(struct pair *p) {
        const bool never = false;

        for (int i = 0; i < 100 && side_metric(&p->a, "identified") < 1; i++)
                (void) streams_wait(p->loop, &never, 50 * MS);
        assert_true(side_metric(&p->a, "identified") >= 1);
}

/* Whoever was there before the watcher is told first, with everything that is known. */
static void test_who_is_there(void **state) {
        struct pair *p = *state;
        const struct watched_peer *w;
        struct multiaddr at_b;

        assert_true(side_connect(&p->b, p->a.address));
        wait_until_identified(p);
        watch_client_init(&p->watch, &p->a.streams);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_identified, 5 * SEC));
        w = watch_find(&p->watch, &p->b.id);
        assert_true(w->inbound);
        assert_false(w->mdns);
        assert_int_equal(w->work, work_of(&p->b.id));
        assert_int_equal(multiaddr_from_text(BYTES_STR(p->b.address), &at_b), MULTIADDR_OK);
        assert_true(multiaddr_equal(&w->address, &at_b)); /* one socket dials and listens */
        assert_int_equal(w->n_addresses, 1);
        assert_true(multiaddr_equal(&w->first_address, &at_b));
        assert_true(w->n_protocols >= 3);
        assert_int_equal(strncmp(w->agent, "quorate/", 8), 0);
        check_record(w, &p->b);
        disconnect(p);
}

/* The side that dialled says so. */
static void test_who_dialled(void **state) {
        struct watch_client of_b;
        struct pair *p = *state;

        watch_client_init(&p->watch, &p->a.streams);
        watch_client_init(&of_b, &p->b.streams);
        assert_true(side_connect(&p->b, p->a.address));
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_identified, 5 * SEC));
        assert_true(watch_wait(&of_b, p->loop, &p->a.id, watched_identified, 5 * SEC));
        assert_true(watch_find(&p->watch, &p->b.id)->inbound);
        assert_false(watch_find(&of_b, &p->a.id)->inbound);
        watch_client_done(&of_b);
        disconnect(p);
}

static bool serves_it(const struct watched_peer *w) {
        return strcmp(w->last_protocol, PROTOCOL) == 0;
}

static bool serves_no_more(const struct watched_peer *w) {
        return !serves_it(w);
}

/* Identify is heard again when the peer has something new to say. */
static void test_changes_are_told(void **state) {
        struct pair *p = *state;

        watch_client_init(&p->watch, &p->a.streams);
        assert_true(side_connect(&p->b, p->a.address));
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_identified, 5 * SEC));
        assert_false(serves_it(watch_find(&p->watch, &p->b.id)));
        assert_int_equal(streams_client_serve(&p->b.streams, PROTOCOL), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, serves_it, 5 * SEC));
        assert_int_equal(streams_client_serve(&p->b.streams, NULL), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, serves_no_more, 5 * SEC));
        disconnect(p);
}

/* More changes than a channel has units: the reader misses what was between, and learns how
 * things are now. */
static void test_slow_reader(void **state) {
        struct pair *p = *state;
        const int rounds = 150;
        double merged;

        watch_client_init(&p->watch, &p->a.streams);
        p->watch.holds = true;
        merged = side_metric(&p->a, "watch_merged");
        for (int i = 0; i < rounds; i++) {
                assert_true(side_connect(&p->b, p->a.address));
                side_disconnect(&p->b, &p->a);
        }
        assert_true(side_connect(&p->b, p->a.address));
        assert_int_equal(p->watch.n_held, CHANNEL_UNITS / 2); /* what a lone channel gets */
        assert_true(p->watch.n_changes < 2 * (uint64_t) rounds);
        assert_true(side_metric(&p->a, "watch_merged") > merged);
        assert_int_equal(streams_client_serve(&p->b.streams, PROTOCOL), 0);
        (void) streams_wait(p->loop, &p->watch.has_ended, 2 * SEC); /* b has told a by then */
        assert_false(serves_it(watch_find(&p->watch, &p->b.id)));
        watch_client_release(&p->watch);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, serves_it, 5 * SEC));
        print_message("# %d connections came and went, %llu changes told\n", rounds,
                      (unsigned long long) p->watch.n_changes);
        disconnect(p);
}

static void test_many_watchers(void **state) {
        struct watch_client *more = xnew_n(struct watch_client, WATCHERS);
        struct pair *p = *state;

        watch_client_init(&p->watch, &p->a.streams);
        for (size_t i = 0; i < WATCHERS; i++)
                watch_client_init(&more[i], &p->a.streams);
        assert_true(streams_wait(p->loop, &more[WATCHERS - 1].has_ended, 5 * SEC));
        assert_int_equal(more[WATCHERS - 1].code, RPC_E_QUOTA);
        assert_true(side_connect(&p->b, p->a.address));
        for (size_t i = 0; i < WATCHERS - 1; i++) {
                assert_true(watch_wait(&more[i], p->loop, &p->b.id, watched_identified, 5 * SEC));
                watch_client_done(&more[i]);
        }
        watch_client_done(&more[WATCHERS - 1]);
        disconnect(p);
        free(more);
        for (int i = 0; i < 50 && side_metric(&p->a, "watchers") > 0; i++)
                assert_true(loop_turn(p->loop, 10 * MS) >= 0);
        assert_true(side_metric(&p->a, "watchers") == 0);
}

static bool found_here(const struct watched_peer *w) {
        return w->mdns;
}

/* What multicast DNS said is enough to open a stream, and watchers hear of it. */
static void test_found_on_the_local_network(void **state) {
        struct pair *p = *state;
        struct test_stream *s;
        struct multiaddr at_b;
        struct peer_id nobody = {};

        assert_int_equal(streams_client_serve(&p->b.streams, PROTOCOL), 0);
        side_restart(&p->a, CONFIG); /* a knows nobody now */
        watch_client_init(&p->watch, &p->a.streams);
        assert_int_equal(multiaddr_from_text(BYTES_STR(p->b.address), &at_b), MULTIADDR_OK);
        assert_int_equal(streams_found(&p->a.streams, &nobody, &at_b), 1);
        assert_int_equal(streams_found(&p->a.streams, &p->b.id, &at_b), 0);
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, found_here, 5 * SEC));
        assert_false(watch_find(&p->watch, &p->b.id)->connected);
        s = streams_client_open(&p->a.streams, &p->b.id, PROTOCOL, NULL);
        assert_true(streams_wait(p->loop, &s->is_accepted, 5 * SEC));
        assert_true(watch_wait(&p->watch, p->loop, &p->b.id, watched_identified, 5 * SEC));
        assert_true(watch_find(&p->watch, &p->b.id)->mdns);
        test_stream_reset(s);
        disconnect(p);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(test_who_is_there, setup, teardown),
          cmocka_unit_test_setup_teardown(test_who_dialled, setup, teardown),
          cmocka_unit_test_setup_teardown(test_changes_are_told, setup, teardown),
          cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
          cmocka_unit_test_setup_teardown(test_many_watchers, setup, teardown),
          cmocka_unit_test_setup_teardown(test_found_on_the_local_network, setup, teardown))
