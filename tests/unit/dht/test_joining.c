/* One dht alone: where it begins, whom it meets, and when it serves. */
#include "tests/support/lone_dht.h"
#include "tests/support/test.h"

/* Whether the look-up under way asks it, however far it is. */
static bool looks_at(const struct dht *d, const struct key *key) {
        LIST_FOREACH (link, &d->operations) {
                const struct operation *o = LIST_ENTRY(link, struct operation, link);
                const struct candidate *c = lookup_find(o->lookup, key);

                return c && c->is_beginning;
        }
        return false;
}

/* Weakness N1: a place to begin whose key nobody wrote down, with proof of work on. */
static void begins_without_knowing_the_key(void **state) {
        struct peer first = peer_number(50, true);
        struct contact keyless;
        struct multiaddr address = multiaddr_from_endpoint(&first.remote.endpoint);
        struct dht_action a = {};
        struct dht *d = node_new(NULL);

        contact_init(&keyless, &(struct peer_id){}, &address, 1);
        dht_bootstrap(d, &keyless, BOOTSTRAP_CONFIG, SECOND);
        dht_expire(d, SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, &first.remote.contact.peer, NULL, SECOND);
        assert_int_equal(drain(d, DHT_ASK, &a), 1);
        assert_true(peer_id_equal(&a.contact.peer, &first.remote.contact.peer));
        answer(d, &a, &first.remote, NULL, 0);
        assert_true(is_in_table(d, &first) && d->is_bootstrapped);
        fill_table(d, 100, 200); /* of friends, perhaps: it is asked for the way all the same */
        dht_expire(d, 20 * SECOND);
        assert_true(looks_at(d, &first.remote.contact.key));
        dht_action_done(&a);
        contact_done(&keyless);
        peer_done(&first);
        dht_free(d);
}

/* Nobody is there: the next place is tried, and nothing breaks. */
static void begins_elsewhere_when_nobody_is_there(void **state) {
        struct peer first = peer_number(50, true), second = peer_number(51, true);
        struct dht_action a = {}, b = {};
        struct dht *d = node_new(NULL);

        dht_bootstrap(d, &first.remote.contact, BOOTSTRAP_CONFIG, SECOND);
        dht_expire(d, SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, NULL, "nobody answers there", 2 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, NULL), 0);
        dht_bootstrap(d, &second.remote.contact, BOOTSTRAP_CONFIG, 2 * SECOND);
        dht_expire(d, 10 * SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &b), 2); /* and the first once more */
        dht_action_done(&a), dht_action_done(&b);
        peer_done(&first), peer_done(&second);
        dht_free(d);
}

static struct dht_place place_of(struct dht *d) {
        struct dht_place p = {};

        assert_int_equal(dht_places(d, &p, 1), 1);
        return p;
}

/* Defect: a place to begin that is no good was told nowhere. */
static void what_came_of_a_place_is_told(void **state) {
        struct peer first = peer_number(50, true);
        struct dht_action a = {}, b = {};
        struct dht *d = node_new(NULL);

        dht_bootstrap(d, &first.remote.contact, BOOTSTRAP_CONFIG, SECOND);
        assert_null(place_of(d).why); /* not tried yet */
        dht_expire(d, SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, NULL, "refused by the peer", 2 * SECOND);
        assert_string_equal(place_of(d).why, "refused by the peer");
        assert_false(place_of(d).is_met);
        dht_action_done(&a);
        dht_expire(d, 10 * SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, &first.remote.contact.peer, NULL, 11 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &b), 1);
        dht_failed(d, b.id, DHT_NO_PROTOCOL, 12 * SECOND); /* a node of another network */
        assert_non_null(strstr(place_of(d).why, "compare [network] name and secret-file"));
        dht_action_done(&b);
        dht_network_changed(d, 400 * SECOND);
        dht_expire(d, 400 * SECOND);
        dht_action_done(&a);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, &first.remote.contact.peer, NULL, 401 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &b), 1);
        answer(d, &b, &first.remote, NULL, 0);
        assert_null(place_of(d).why);
        assert_true(place_of(d).is_met);
        dht_action_done(&a), dht_action_done(&b);
        peer_done(&first);
        dht_free(d);
}

/* The first to answer may want to be the only ones: who is configured is met once all the same,
 * and no more than once. */
static void all_that_are_configured_are_met(void **state) {
        struct dht *d = node_new(NULL);
        struct peer last = peer_number(80, true);
        struct dht_action a = {};

        fill_table(d, 1, 10);
        drain(d, DHT_ASK, NULL);
        dht_bootstrap(d, &last.remote.contact, BOOTSTRAP_MEMORY, SECOND);
        dht_expire(d, 10 * SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, NULL), 0);
        last = (peer_done(&last), peer_number(81, true));
        dht_bootstrap(d, &last.remote.contact, BOOTSTRAP_CONFIG, SECOND);
        dht_expire(d, 20 * SECOND);
        assert_int_equal(drain(d, DHT_CONNECT, &a), 1);
        dht_connected(d, a.id, &last.remote.contact.peer, NULL, 20 * SECOND);
        drain(d, DHT_ASK, NULL);
        for (unsigned i = 1; i < 120; i++) {
                dht_expire(d, (20 + 10 * i) * SECOND);
                assert_int_equal(drain(d, DHT_CONNECT, NULL), 0);
        }
        dht_action_done(&a);
        peer_done(&last);
        dht_free(d);
}

/* It stays connected, so nothing else would make us ask it again. */
static void a_connected_server_is_asked_until_it_answers(void **state) {
        struct dht *d = node_new(NULL);
        struct peer p = peer_number(9, true);
        struct dht_action ask = {}, again = {};

        (void) drain(d, DHT_ASK, NULL);
        dht_peer_identified(d, &p.remote, 2 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        dht_failed(d, ask.id, DHT_SILENT, 3 * SECOND);
        assert_false(is_in_table(d, &p));
        for (unsigned i = 1; i < 60 && again.id == 0; i++) {
                dht_expire(d, (3 + 10 * i) * SECOND);
                (void) drain(d, DHT_ASK, &again);
        }
        assert_int_not_equal(again.id, 0);
        answer(d, &again, &p.remote, NULL, 0);
        assert_true(is_in_table(d, &p));
        for (unsigned i = 0; i < 4; i++) {
                dht_expire(d, (900 + 5 * i) * SECOND);
                assert_true(drain(d, DHT_ASK, NULL) <= 2); /* look-ups alone */
        }
        dht_action_done(&ask), dht_action_done(&again);
        dht_free(d);
        peer_done(&p);
}

static struct dht_action find(struct dht *d, const struct peer *p) {
        struct dht_action a = {};

        dht_find_peer(d, 7, &p->remote.contact.peer, 3 * SECOND);
        (void) drain(d, DHT_RESULT, &a);
        return a;
}

/* A client is in nobody's table: while it is connected it is found all the same, and at once. */
static void who_is_connected_is_found_without_a_lookup(void **state) {
        struct dht *d = node_new(NULL);
        struct peer client = peer_number(9, false), server = peer_number(10, true);
        struct dht_action found;

        dht_peer_identified(d, &client.remote, 2 * SECOND);
        dht_peer_identified(d, &server.remote, 2 * SECOND);
        fill_table(d, 10, 1); /* the server answers, the client is not even asked */
        found = find(d, &client);
        assert_non_null(found.result);
        assert_true(found.result->is_connected && !found.result->is_of_table);
        assert_true(peer_id_equal(&found.result->contact.peer, &client.remote.contact.peer));
        dht_action_done(&found);
        found = find(d, &server);
        assert_non_null(found.result);
        assert_true(found.result->is_of_table && !found.result->is_connected);
        dht_action_done(&found);
        dht_peer_gone(d, &client.remote.contact.peer, 3 * SECOND);
        found = find(d, &client); /* now it has to be looked for */
        assert_null(found.result);
        dht_action_done(&found);
        dht_free(d);
        peer_done(&client), peer_done(&server);
}

static void silent(struct dht *d, const struct dht_action *ask) {
        dht_failed(d, ask->id, DHT_SILENT, 3 * SECOND);
}

static bool is_to(const struct dht_action *ask, const struct peer *p) {
        return peer_id_equal(&ask->contact.peer, &p->remote.contact.peer);
}

/* After a rest of ours all requests have failed: whoever is connected was doubted for nothing. */
static void who_is_connected_and_in_doubt_is_asked_when_nobody_else_answers(void **state) {
        struct peer p = peer_number(9, true), client = peer_number(10, false);
        struct dht_action ask = {}, over = {};
        struct dht *d = node_new(NULL);

        dht_peer_identified(d, &client.remote, 2 * SECOND); /* never asked */
        dht_peer_identified(d, &p.remote, 2 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        answer(d, &ask, &p.remote, NULL, 0);
        drain(d, DHT_ASK, NULL);
        dht_find_closest(d, 7, &client.remote.contact.key, 3 * SECOND);
        for (unsigned turn = 0; turn < 2; turn++) { /* as any look-up does, and once for this */
                assert_int_equal(drain(d, DHT_ASK, &ask), 1);
                assert_true(is_to(&ask, &p));
                silent(d, &ask);
        }
        assert_int_equal(drain(d, DHT_DONE, &over), 1); /* and no third time */
        assert_int_equal(over.n, DHT_E_NO_PEERS);
        assert_false(health_may_ask(&d->health, &p.remote.contact, 3 * SECOND));
        dht_find_closest(d, 8, &client.remote.contact.key, 3 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1); /* doubted, and in back-off */
        assert_true(is_to(&ask, &p));
        answer(d, &ask, &p.remote, NULL, 0);
        assert_int_equal(drain(d, DHT_DONE, &over), 1);
        assert_int_equal(over.n, DHT_OK);
        dht_action_done(&ask), dht_action_done(&over);
        dht_free(d);
        peer_done(&p), peer_done(&client);
}

/* The only one asked is denied while it is: a look-up that just began does not end with nobody. */
static void who_is_connected_is_asked_when_who_was_asked_is_denied(void **state) {
        struct peer p = peer_number(9, true), denied = peer_number(11, true);
        struct dht_action ask = {};
        struct dht *d = node_new(NULL);

        dht_peer_identified(d, &p.remote, 2 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        silent(d, &ask); /* connected, and not in the table */
        fill_table(d, 11, 1);
        drain(d, DHT_ASK, NULL);
        dht_find_closest(d, 7, &p.remote.contact.key, 3 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        assert_true(is_to(&ask, &denied));
        dht_deny(d, &denied.remote.contact.peer, true, 3 * SECOND);
        silent(d, &ask);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        assert_true(is_to(&ask, &p));
        dht_action_done(&ask);
        dht_free(d);
        peer_done(&p), peer_done(&denied);
}

/* Whoever answered first named friends only, and the points drawn afterwards tell. */
static void a_neighbourhood_of_friends_is_looked_at_again(void **state) {
        static const struct {
                double own; /* distance of the 20th */
                bool again;
        } cases[] = { { 0.019, false }, { 0.03, false }, { 0.095, true } };

        FOREACH_CASE (c, cases) {
                struct dht *d = node_new(NULL);
                struct operation *o = operation_new(d, OPERATION_SAMPLE, &d->self_key, 2 * SECOND);

                estimate_own(&d->estimate, c->own, 20, false);
                for (unsigned i = 0; i < 3; i++) {
                        d->self_at = NSEC_NEVER;
                        estimate_add(&d->estimate, i == 0 ? 0.095 : 0.019, 20, false);
                        maintain_looked(d, o, 2 * SECOND);
                }
                assert_int_equal(d->self_at == 2 * SECOND, c->again);
                operation_free(d, o);
                dht_free(d);
        }
}

/* A point where nobody answers tells nothing, and ends a renewal all the same: a later one, drawn
 * for itself, is none of it. */
static void a_renewal_ends_whatever_its_points_tell(void **state) {
        static const struct {
                bool tells[3];
                size_t n_samples; /* of the 5 old ones and the new */
                double size_then;
        } cases[] = { { { true, true, true }, 3, 100 },
                      { { true, true, false }, 5 + 2, 1 },
                      { { false, true, true }, 5 + 2, 1 },
                      { { false, false, false }, 5, 1 } };
        struct peer other = peer_number(5, true);

        FOREACH_CASE (c, cases) {
                struct dht *d = node_new(NULL);

                for (unsigned i = 0; i < 5; i++)
                        estimate_add(&d->estimate, 0.019, 20, false);
                d->estimate.own.size = 100;
                d->size_then = 1;
                d->is_renewing = true;
                for (unsigned i = 0; i < 3; i++) {
                        struct operation *o =
                                operation_new(d, OPERATION_SAMPLE, &d->self_key, 2 * SECOND);
                        struct lookup_ask ask;

                        d->n_samples = i + 1;
                        if (c->tells[i]) {
                                lookup_seed(o->lookup, &other.remote.contact);
                                assert_true(lookup_next(o->lookup, &ask));
                                lookup_answered(o->lookup, &other.remote.contact.key, LOOKUP_MAIN,
                                                NULL, 0);
                        }
                        assert_true(d->is_renewing);
                        maintain_looked(d, o, 2 * SECOND);
                        operation_free(d, o);
                }
                assert_false(d->is_renewing);
                assert_int_equal(estimate_samples(&d->estimate), c->n_samples);
                assert_true(d->size_then == c->size_then);
                dht_free(d);
        }
        peer_done(&other);
}

static void decide_itself(struct dht_config *c) {
        c->mode = DHT_MODE_AUTO;
}

static void serves_once_two_subnets_reached_it(void **state) {
        struct dht *d = node_new(decide_itself);
        struct peer a = peer_number(5, true), b = peer_number(6, true);
        struct dht_action serve = {};
        struct dht_status s;

        (void) drain(d, DHT_SERVE, NULL);
        a.remote.is_inbound = b.remote.is_inbound = true;
        dht_peer_identified(d, &a.remote, 2 * SECOND);
        dht_expire(d, 10 * SECOND);
        assert_int_equal(drain(d, DHT_SERVE, &serve), 0);
        dht_peer_identified(d, &b.remote, 11 * SECOND); /* at once: others may wait for a server */
        assert_int_equal(drain(d, DHT_SERVE, &serve), 1);
        assert_int_equal(serve.n, 1);
        dht_expire(d, 3700 * SECOND);
        assert_int_equal(drain(d, DHT_SERVE, &serve), 1);
        assert_int_equal(serve.n, 0);
        dht_status(d, &s);
        assert_string_equal(s.mode_reason, "nobody dialled us within the last hour");
        dht_action_done(&serve);
        dht_free(d);
        peer_done(&a), peer_done(&b);
}

/* Behind a firewall of a local network: we reach others, and nobody ever reached us. Of a node on
 * our own machine that is not to be expected. */
static void who_was_never_dialled_is_a_client(void **state) {
        static const struct {
                uint8_t addr[4];
                bool is_inbound, is_server;
                const char *reason;
        } cases[] = {
                { { 192, 168, 1, 7 }, false, false, "nobody dialled us within the last hour" },
                { { 192, 168, 1, 7 },
                  true,
                  true,
                  "a peer dialled us within the last hour, and all known are local" },
                { { 127, 0, 0, 1 }, false, true, "all known peers are on this machine" },
                { { 192, 168, 1, 9 }, false, true, "all known peers are on this machine" },
        };
        struct endpoint e = endpoint_ip4((uint8_t[4]){ 192, 168, 1, 9 }, 4001);
        struct multiaddr own = multiaddr_from_endpoint(&e);

        FOREACH_CASE (c, cases) {
                struct dht *d = node_new(decide_itself);
                struct peer a = peer_number(5, true);
                struct dht_status s;

                dht_addresses(d, &own, 1, SECOND);
                a.remote.endpoint = endpoint_ip4(c->addr, 4002);
                a.remote.is_inbound = c->is_inbound;
                dht_peer_identified(d, &a.remote, 2 * SECOND);
                dht_expire(d, 10 * SECOND);
                dht_status(d, &s);
                assert_int_equal(s.is_server, c->is_server);
                assert_string_equal(s.mode_reason, c->reason);
                dht_free(d);
                peer_done(&a);
        }
}

TEST_MAIN(cmocka_unit_test(who_was_never_dialled_is_a_client),
          cmocka_unit_test(begins_without_knowing_the_key),
          cmocka_unit_test(begins_elsewhere_when_nobody_is_there),
          cmocka_unit_test(what_came_of_a_place_is_told),
          cmocka_unit_test(all_that_are_configured_are_met),
          cmocka_unit_test(a_connected_server_is_asked_until_it_answers),
          cmocka_unit_test(who_is_connected_is_found_without_a_lookup),
          cmocka_unit_test(who_is_connected_and_in_doubt_is_asked_when_nobody_else_answers),
          cmocka_unit_test(who_is_connected_is_asked_when_who_was_asked_is_denied),
          cmocka_unit_test(a_neighbourhood_of_friends_is_looked_at_again),
          cmocka_unit_test(a_renewal_ends_whatever_its_points_tell),
          cmocka_unit_test(serves_once_two_subnets_reached_it))
