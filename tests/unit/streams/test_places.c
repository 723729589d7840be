/* Whom the places of a service are for: newcomers come in, and nobody holds much, or for long. */

#include "common/streams/places.h"

#include "common/base/memory.h"
#include "tests/support/test.h"

#define SEC  NSEC_PER_SEC
#define KIB  1024
#define MAX  16 /* streams of a protocol; a group may have 4 */
#define MANY 64

static const struct places_limits limits = { .bytes = 64 * KIB,
                                             .bytes_per_group = 32 * KIB,
                                             .bytes_per_peer = 16 * KIB,
                                             .first = 5 * SEC,
                                             .idle = 60 * SEC,
                                             .frame = 15 * SEC };

struct bench {
        struct places places;
        struct place list[MANY];
        size_t n;
        nsec_t now, deadline;
        size_t n_lost;
};

static void on_lost(void *userdata, struct place *p) {
        ((struct bench *) userdata)->n_lost++;
}

static void on_deadline(void *userdata, nsec_t when) {
        ((struct bench *) userdata)->deadline = when;
}

static const struct places_events events = { .on_lost = on_lost, .on_deadline = on_deadline };

static int setup(void **state) {
        struct bench *b = xnew(struct bench);

        b->now = 100 * SEC;
        b->deadline = NSEC_NEVER;
        places_init(&b->places, &limits, &events, b);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        for (size_t i = 0; i < b->n; i++)
                place_leave(&b->list[i]);
        assert_int_equal(b->places.bytes.used, 0);
        assert_int_equal(map_count(b->places.members), 0);
        places_done(&b->places);
        free(b);
        return 0;
}

static struct peer_id peer(unsigned number) {
        struct peer_id id = { .len = 38, .bytes = { 0, 36, 8, 1, 18, 32 } };

        id.bytes[36] = (uint8_t) (number >> 8);
        id.bytes[37] = (uint8_t) number;
        return id;
}

/* A stream of that peer, 8.8.NET.1. */
static struct place *enter(struct bench *b, unsigned number, uint8_t net, bool is_asked) {
        const uint8_t addr[4] = { 8, 8, net, 1 };
        struct endpoint from = endpoint_ip4(addr, 4001);
        struct peer_id id = peer(number);
        const struct place_stream as = { &id, &from, 1, MAX, is_asked };
        struct place *p = &b->list[b->n++];

        assert_true(b->n <= MANY);
        place_enter(&b->places, p, &as, b->now);
        b->now += SEC / 100;
        return p;
}

/* Those whose time is over by then have left; returns how many. */
static size_t pass(struct bench *b, nsec_t time) {
        struct place *p;
        size_t n = 0;

        b->now += time;
        while ((p = places_pop_due(&b->places, b->now))) {
                assert_non_null(p->why);
                place_leave(p);
                n++;
        }
        if (places_deadline(&b->places) != NSEC_NEVER)
                assert_int_equal(b->deadline, places_deadline(&b->places));
        return n;
}

static void test_silence_of_who_may_ask(void **state) {
        struct bench *b = *state;
        struct place *p = enter(b, 1, 1, true), *mesh = enter(b, 1, 1, false);

        assert_int_equal(b->deadline, 105 * SEC);
        assert_int_equal(pass(b, 4 * SEC), 0);
        place_heard(p, b->now); /* a question: another may follow for a minute */
        assert_int_equal(pass(b, 59 * SEC), 0);
        place_heard(p, b->now);
        assert_int_equal(pass(b, 59 * SEC), 0);
        assert_int_equal(pass(b, 2 * SEC), 1);
        assert_int_equal(b->places.counts[PLACES_SILENT], 1);
        enter(b, 1, 1, true);
        assert_int_equal(pass(b, 5 * SEC), 1);
        assert_int_equal(b->places.counts[PLACES_SILENT], 2);
        assert_int_equal(pass(b, 3600 * SEC), 0); /* a mesh is silent for as long as it likes */
        assert_false(mesh->is_lost);
}

static void test_a_begun_frame_ends(void **state) {
        struct bench *b = *state;
        struct place *p = enter(b, 1, 1, false);

        place_begun(p, true, b->now);
        assert_int_equal(pass(b, 14 * SEC), 0);
        place_begun(p, true, b->now); /* another byte of it makes no difference */
        place_heard(p, b->now);
        assert_int_equal(pass(b, 600 * SEC), 0);
        place_begun(p, true, b->now);
        assert_int_equal(pass(b, 14 * SEC), 0);
        place_begun(p, true, b->now);
        assert_int_equal(pass(b, SEC), 1);
        assert_int_equal(b->places.counts[PLACES_UNFINISHED], 1);
        p = enter(b, 1, 1, true); /* a question that comes slowly */
        place_begun(p, true, b->now);
        assert_int_equal(pass(b, 14 * SEC), 0);
        assert_int_equal(pass(b, SEC), 1);
        assert_int_equal(b->places.counts[PLACES_UNFINISHED], 2);
        assert_int_equal(b->places.counts[PLACES_SILENT], 0);
}

/* The 512 silent streams of one address that shut a node's DHT. */
static void test_one_group_has_its_share(void **state) {
        struct bench *b = *state;
        struct place *honest = enter(b, 1, 1, true);

        for (unsigned i = 0; i < 20; i++) {
                enter(b, 100 + i, 2, true);
                assert_true(b->places.n_streams[1] <= 1 + MAX / PLACES_SHARE);
        }
        assert_false(honest->is_lost);
        assert_false(b->list[b->n - 1].is_lost); /* a newcomer of the group, too, comes in */
        assert_int_equal(b->places.counts[PLACES_CROWDED_OUT], 16);
        assert_int_equal(b->n_lost, 16);
        assert_true(b->deadline <= b->now); /* they end at once */
        assert_int_equal(pass(b, 0), 16);
}

static void test_who_is_crowded_out(void **state) {
        struct bench *b = *state;
        struct place *first = enter(b, 1, 1, true), *second;

        for (uint8_t net = 2; net < 6; net++)
                for (unsigned i = 0; i < 3; i++)
                        enter(b, 10 * net + i, net, true);
        enter(b, 2, 6, true), enter(b, 3, 7, true), enter(b, 4, 8, true);
        assert_int_equal(b->places.n_streams[1], MAX);
        second = &b->list[1];
        place_heard(second, b->now); /* not silent any more: the next of these is */
        enter(b, 5, 9, true);
        assert_int_equal(b->n_lost, 1);
        assert_false(first->is_lost); /* it is alone of its subnet */
        assert_false(second->is_lost);
        assert_true(b->list[2].is_lost);
        assert_int_equal(b->places.n_streams[1], MAX);
        assert_int_equal(pass(b, 0), 1);
}

/* At home all have one address, and each is on its own. */
static void test_peers_of_one_house(void **state) {
        struct bench *b = *state;
        const uint8_t home[4] = { 127, 0, 0, 1 };
        struct endpoint from = endpoint_ip4(home, 4001);

        for (unsigned i = 0; i < 12; i++) {
                struct peer_id id = peer(i);
                const struct place_stream as = { &id, &from, 1, MAX, true };

                place_enter(&b->places, &b->list[b->n++], &as, b->now);
        }
        assert_int_equal(b->n_lost, 0);
        for (unsigned i = 0; i < 6; i++) {
                struct peer_id id = peer(0);
                const struct place_stream as = { &id, &from, 1, MAX, true };

                place_enter(&b->places, &b->list[b->n++], &as, b->now);
        }
        assert_true(b->list[0].is_lost);
        for (unsigned i = 1; i < 12; i++)
                assert_false(b->list[i].is_lost);
}

static void test_bytes_of_a_peer_and_its_subnet(void **state) {
        struct bench *b = *state;
        struct place *one = enter(b, 1, 1, false), *two = enter(b, 1, 1, false);
        struct place *other = enter(b, 2, 1, false), *third = enter(b, 3, 1, false);

        assert_true(place_hold(one, 10 * KIB, b->now));
        assert_false(place_hold(two, 7 * KIB, b->now));
        assert_int_equal(two->held, 0);
        assert_true(place_hold(two, 6 * KIB, b->now));
        assert_true(place_hold(other, 16 * KIB, b->now));
        assert_false(place_hold(third, 1, b->now)); /* the subnet has its share */
        assert_true(place_hold(one, 4 * KIB, b->now));
        assert_true(place_hold(third, 6 * KIB, b->now));
        assert_int_equal(b->places.bytes.used, 32 * KIB);
        place_over_quota(two, b->now);
        assert_int_equal(b->places.bytes.used, 26 * KIB);
        assert_int_equal(b->places.counts[PLACES_OVER_QUOTA], 1);
        assert_false(place_hold(two, 1, b->now)); /* no longer */
        assert_int_equal(pass(b, 0), 1);
}

/* Nobody is refused because others filled it all: the greediest makes room. */
static void test_bytes_of_all(void **state) {
        struct bench *b = *state;
        struct place *greedy = NULL, *modest;

        for (uint8_t net = 0; net < 4; net++)
                assert_true(place_hold(enter(b, net, net, false), 15 * KIB, b->now));
        greedy = enter(b, 1, 1, false);
        assert_true(place_hold(greedy, KIB, b->now));
        modest = enter(b, 9, 9, false);
        assert_true(place_hold(modest, 4 * KIB, b->now));
        assert_true(b->list[1].is_lost); /* of the group that had most, the stream that had most */
        assert_false(greedy->is_lost);
        assert_int_equal(b->n_lost, 1);
        assert_true(place_hold(&b->list[0], 16 * KIB, b->now));
        assert_true(place_hold(&b->list[2], 16 * KIB, b->now));
        assert_true(place_hold(&b->list[3], 16 * KIB, b->now));
        assert_true(place_hold(modest, 11 * KIB, b->now));
        assert_int_equal(b->n_lost, 1);
        assert_int_equal(b->places.bytes.used, 60 * KIB);
        assert_true(place_hold(enter(b, 10, 0, false), 4 * KIB, b->now));
        assert_false(place_hold(&b->list[b->n - 1], 5 * KIB, b->now)); /* it is the greediest */
        assert_int_equal(b->n_lost, 1);
}

/* Ours cost bytes, and nobody's place. */
static void test_streams_of_ours(void **state) {
        struct bench *b = *state;

        for (unsigned i = 0; i < 3 * MAX; i++) {
                struct peer_id id = peer(i % 2);
                const struct place_stream as = { .peer = &id, .protocol = PLACES_OWN };

                place_enter(&b->places, &b->list[b->n++], &as, b->now);
        }
        assert_int_equal(b->n_lost, 0);
        assert_true(place_hold(&b->list[0], 16 * KIB, b->now));
        assert_false(place_hold(&b->list[2], 1, b->now));
        assert_int_equal(pass(b, 3600 * SEC), 0);
        place_ends_by(&b->list[0], b->now + 10 * SEC);
        assert_int_equal(pass(b, 9 * SEC), 0);
        assert_int_equal(pass(b, SEC), 1);
}

static void test_no_place(void **state) {
        struct place none = {};

        assert_true(place_hold(&none, UINT64_MAX, 0));
        place_heard(&none, 0);
        place_begun(&none, true, 0);
        place_over_quota(&none, 0);
        place_leave(&none);
        assert_false(none.is_lost);
}

#define PLACES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

TEST_MAIN(PLACES(test_silence_of_who_may_ask), PLACES(test_a_begun_frame_ends),
          PLACES(test_one_group_has_its_share), PLACES(test_who_is_crowded_out),
          PLACES(test_peers_of_one_house), PLACES(test_bytes_of_a_peer_and_its_subnet),
          PLACES(test_bytes_of_all), PLACES(test_streams_of_ours), cmocka_unit_test(test_no_place))
