/* Whom a job asks and who gets it, when hosts are known from several sources. */

#include "tests/unit/coordinator/world.h"

/* ---- Mixing ---- */

/* However many gossip names: own history and the DHT have their voter, at any seed. */
static void test_no_source_chooses_all(void **state) {
        unsigned drawn = 0;

        for (unsigned seed = 0; seed < 50; seed++) {
                struct world *w = world_begin(seed);

                world_add_many(w, ORIGIN_GOSSIP, 40);
                world_add_many(w, ORIGIN_DHT, 3);
                world_add_many(w, ORIGIN_HISTORY, 2);
                world_add_many(w, ORIGIN_CONNECTED, 10);
                world_tell(w);
                world_submit(w, "remote");
                assert_int_equal(w->n_asked, 5); /* k + 2 */
                assert_true(world_count_asked(w, ORIGIN_DHT) >= 1);
                assert_true(world_count_asked(w, ORIGIN_HISTORY) >= 1);
                world_bid_all(w);
                assert_int_equal(w->n_voters, 3);
                assert_true(world_count_voters(w, ORIGIN_DHT) >= 1);
                assert_true(world_count_voters(w, ORIGIN_HISTORY) >= 1);
                drawn += world_count_voters(w, ORIGIN_GOSSIP);
                world_end(w);
        }
        assert_true(drawn > 20); /* and gossip's hosts are not shut out */
}

/* Nobody bids: all sixteen are asked, a quarter at most (and the one that must be) from
 * look-ups, and not one that is merely connected. */
static void test_sixteen(void **state) {
        struct world *w = world_begin(1);

        world_add_many(w, ORIGIN_CONNECTED, 10);
        world_add_many(w, ORIGIN_DHT, 12);
        world_add_many(w, ORIGIN_GOSSIP, 30);
        world_tell(w);
        world_submit(w, "remote");
        world_wait(w, 150 * NSEC_PER_MSEC);
        assert_int_equal(w->n_asked, 16);
        assert_int_equal(world_count_asked(w, ORIGIN_DHT), 5);
        assert_int_equal(world_count_asked(w, ORIGIN_CONNECTED), 0);
        world_end(w);
}

static void test_connected_when_there_is_nobody_else(void **state) {
        struct world *w = world_begin(1);

        world_add_many(w, ORIGIN_CONNECTED, 10);
        (void) world_add(w, ORIGIN_GOSSIP);
        world_tell(w);
        world_submit(w, "remote");
        assert_int_equal(w->n_asked, 5);
        assert_int_equal(world_count_asked(w, ORIGIN_GOSSIP), 1);
        world_end(w);
}

/* What gossip says of a host keeps it from being asked in vain; of hosts without claims
 * nobody knows anything. */
static void test_claims_are_a_filter(void **state) {
        struct world *w = world_begin(1);
        struct candidate *other = world_add(w, ORIGIN_GOSSIP),
                         *secret = world_add(w, ORIGIN_GOSSIP);
        struct candidate *full = world_add(w, ORIGIN_GOSSIP), *liar = world_add(w, ORIGIN_GOSSIP);

        other->claims.engines[0][0] = 'x';
        secret->claims.data_classes = 0;
        full->claims.free_slots = 0;
        world_add_many(w, ORIGIN_GOSSIP, 4);
        (void) world_add(w, ORIGIN_DHT);
        world_tell(w);
        coordinator_deny(w->c, &liar->peer, true, w->now);
        world_submit(w, "remote");
        assert_int_equal(w->n_asked, 5);
        assert_false(world_was_asked(w, &full->peer));
        world_wait(w, 150 * NSEC_PER_MSEC);
        assert_true(world_was_asked(w, &full->peer)); /* it may promise its next slot */
        assert_int_equal(w->n_asked, 6);
        assert_false(world_was_asked(w, &other->peer));
        assert_false(world_was_asked(w, &secret->peer));
        assert_false(world_was_asked(w, &liar->peer));
        world_end(w);
}
/* ---- Finding ---- */

static void test_asks_for_more(void **state) {
        struct world *w = world_begin(1);
        const struct found found = { .known = 9, .unusable = 4 };

        coordinator_discovery(w->c, true);
        world_add_many(w, ORIGIN_GOSSIP, 2);
        world_tell(w);
        world_submit(w, "remote");
        assert_int_equal(w->n_finds, 1);
        assert_int_equal(w->n_asked, 0);
        assert_int_equal(w->draw->n_engines, 1);
        assert_string_equal(w->draw->engines[0], "sim"); /* any build of it */
        assert_string_equal(w->draw->data_class, "public");
        assert_int_equal(w->draw->count, 16);
        assert_int_equal(w->draw->min_slots, 1);
        world_add_many(w, ORIGIN_GOSSIP, 5);
        world_tell(w);
        coordinator_found(w->c, w->find, &found, w->now);
        world_pump(w);
        assert_int_equal(w->n_asked, 5);
        world_bid_all(w);
        assert_int_equal(w->n_voters, 3);
        coordinator_found(w->c, w->find, &found, w->now); /* answered once */
        world_pump(w);
        assert_int_equal(w->n_voters, 3);
        world_end(w);
}

static void test_full_hosts_are_asked_for(void **state) {
        static const struct {
                struct found found;
                size_t n;
                bool again;
        } rows[] = {
                { { .known = 3 }, 3, false }, /* all fitted */
                { { .known = 40, .unusable = 24 }, 16, false },
                { { .known = 16, .unusable = 1 }, 15, true },
                { { .known = 5, .unusable = 5 }, 0, true },
                { { .known = 0 }, 0, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                assert_int_equal(found_leaves_full(&rows[i].found, rows[i].n, 16), rows[i].again);
}

static void test_enough_are_known(void **state) {
        struct world *w = world_begin(1);

        coordinator_discovery(w->c, true);
        world_add_many(w, ORIGIN_GOSSIP, 5);
        world_tell(w);
        world_submit(w, "remote");
        assert_int_equal(w->n_finds, 0);
        assert_int_equal(w->n_asked, 5);
        world_end(w);
}

/* What runs here anyway asks nobody. */
static void test_small_and_local(void **state) {
        static const char *const prefers[] = { "local", "auto" };

        for (size_t i = 0; i < ELEMENTSOF(prefers); i++) {
                struct world *w = world_begin(1);

                coordinator_discovery(w->c, true);
                world_submit(w, prefers[i]);
                assert_true(w->is_local);
                assert_int_equal(w->n_finds, 0);
                world_end(w);
        }
}

/* Defect D2: what is offered to others is what the governor has now, not what it is set to. */
static void test_offers_are_live(void **state) {
        struct world *w = world_begin(1);
        struct offered o;

        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 2);
        assert_int_equal(o.free_slots, 2);
        world_submit(w, "local");
        assert_true(w->is_local);
        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 2);
        assert_int_equal(o.free_slots, 1);
        coordinator_pause(w->c, NSEC_PER_SEC, w->now);
        coordinator_offered(w->c, &o);
        assert_int_equal(o.slots, 0);
        assert_int_equal(o.free_slots, 0);
        world_end(w);
}

/* A node that has just started asks again; then it is said what was asked. */
static void test_nobody_is_found(void **state) {
        const struct found found = { .known = 7, .unusable = 7 };
        struct world *w = world_begin(1);

        coordinator_discovery(w->c, true);
        world_submit(w, "remote");
        world_wait(w, 3 * NSEC_PER_SEC); /* for the first candidates */
        for (unsigned i = 0; i < 40 && !w->problem; i++) {
                coordinator_found(w->c, w->find, &found, w->now);
                world_pump(w);
                world_wait(w, 250 * NSEC_PER_MSEC);
        }
        assert_true(w->n_finds > 2 && w->n_finds < 12);
        assert_true(w->now >= WORLD_START + 5 * NSEC_PER_SEC);
        assert_int_equal(w->problem, OUTCOME_NO_CANDIDATES);
        assert_string_equal(w->detail, "why=gossip: 7 known, 7 unusable for class " WORLD_ENGINE);
        assert_non_null(strstr(w->reason, "no_peers: no host is known (gossip: 7 known"));
        world_end(w);
}

/* gossip that says nothing holds a job up for a moment only. */
static void test_no_answer(void **state) {
        struct world *w = world_begin(1);

        coordinator_discovery(w->c, true);
        world_add_many(w, ORIGIN_GOSSIP, 3);
        world_tell(w);
        world_submit(w, "remote");
        assert_int_equal(w->n_asked, 0);
        world_wait(w, 1500 * NSEC_PER_MSEC);
        assert_int_equal(w->n_asked, 3);
        world_end(w);
}

/* ---- Denied while it runs ---- */

static void test_denied_at_once(void **state) {
        struct world *w = world_begin(1);
        struct peer_id denied;
        size_t voters;

        world_add_many(w, ORIGIN_GOSSIP, 8);
        world_tell(w);
        world_submit(w, "remote");
        world_bid_all(w);
        assert_int_equal(w->n_voters, 3);
        denied = w->voters[0];
        coordinator_deny_list(w->c, &denied, 1, w->now);
        world_pump(w);
        for (size_t i = 0; i < w->n_asked; i++)
                if (peer_id_equal(&w->asked[i].peer, &denied))
                        assert_true(w->asked[i].is_reset);
        voters = w->n_asked;
        world_wait(w, NSEC_PER_SEC);
        for (size_t i = voters; i < w->n_asked; i++) {
                assert_false(peer_id_equal(&w->asked[i].peer, &denied));
                world_bid(w, i);
        }
        world_wait(w, 100 * NSEC_PER_MSEC);
        assert_int_equal(w->n_voters, 4); /* another one has its place */
        assert_true(coordinator_is_denied(w->c, &denied));
        coordinator_deny_list(w->c, NULL, 0, w->now);
        assert_false(coordinator_is_denied(w->c, &denied));
        world_end(w);
}

/* Not asked again either, though there is nobody else. */
static void test_denied_for_good(void **state) {
        struct world *w = world_begin(1);
        struct peer_id denied;

        world_add_many(w, ORIGIN_GOSSIP, 3);
        world_tell(w);
        world_submit(w, "remote");
        world_bid_all(w);
        assert_int_equal(w->n_voters, 3);
        denied = w->voters[0];
        coordinator_deny(w->c, &denied, true, w->now);
        world_pump(w);
        world_wait(w, 5 * NSEC_PER_SEC);
        assert_int_equal(w->n_asked, 3);
        world_end(w);
}

TEST_MAIN(cmocka_unit_test(test_no_source_chooses_all), cmocka_unit_test(test_sixteen),
          cmocka_unit_test(test_connected_when_there_is_nobody_else),
          cmocka_unit_test(test_claims_are_a_filter), cmocka_unit_test(test_asks_for_more),
          cmocka_unit_test(test_full_hosts_are_asked_for), cmocka_unit_test(test_enough_are_known),
          cmocka_unit_test(test_small_and_local), cmocka_unit_test(test_offers_are_live),
          cmocka_unit_test(test_nobody_is_found), cmocka_unit_test(test_no_answer),
          cmocka_unit_test(test_denied_at_once), cmocka_unit_test(test_denied_for_good))
