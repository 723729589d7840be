/* One dht alone: what it takes from others, and what it costs. */
#include <malloc.h>
#include <stdlib.h>

#include "tests/support/lone_dht.h"
#include "tests/support/test.h"

/* Only who answered, with proof of work, as a server. Weakness A5: a connection of theirs
 * is not an answer. */
static void only_answers_get_into_the_table(void **state) {
        static const struct {
                bool is_server, is_other, is_denied;
                unsigned pow_bits, n_asked, n_entries;
        } cases[] = {
                { true, false, false, 16, 1, 1 }, { false, false, false, 16, 0, 0 },
                { true, false, false, 15, 0, 0 }, { true, true, false, 16, 1, 0 },
                { true, false, true, 16, 0, 0 },
        };

        FOREACH_CASE (c, cases) {
                struct peer p = peer_number(7, c->is_server), other = peer_number(8, true);
                struct dht_action ask = {};
                struct dht *d = node_new(NULL);

                p.remote.pow_bits = c->pow_bits;
                if (c->is_denied)
                        dht_deny(d, &p.remote.contact.peer, true, SECOND);
                (void) drain(d, DHT_ASK, NULL);
                dht_peer_identified(d, &p.remote, SECOND);
                assert_false(is_in_table(d, &p));
                assert_int_equal(drain(d, DHT_ASK, &ask), c->n_asked);
                if (c->n_asked)
                        answer(d, &ask, c->is_other ? &other.remote : &p.remote, NULL, 0);
                assert_int_equal(d->table.n_entries, c->n_entries);
                dht_action_done(&ask);
                dht_free(d);
                peer_done(&p);
                peer_done(&other);
        }
}

/* Found by a lookup, not by its connection: the same rules. */
static void told_peers_are_judged_the_same(void **state) {
        struct dht *d = node_new(NULL);
        struct peer weak = peer_number(7, true), denied = peer_number(8, true),
                    good = peer_number(9, true);
        struct dht_status status;

        weak.remote.pow_bits = 15;
        peer_answered(d, &weak.remote, NULL, 1, 2 * SECOND);
        assert_false(is_in_table(d, &weak));
        assert_int_equal(d->counters[COUNT_PEERS_WEAK].value, 1);
        dht_status(d, &status);
        assert_int_equal(status.seen_week, 0); /* names that cost nothing are not counted */
        peer_answered(d, &good.remote, NULL, 1, 2 * SECOND);
        dht_status(d, &status);
        assert_int_equal(status.seen_week, 1);
        dht_deny(d, &denied.remote.contact.peer, true, SECOND);
        peer_answered(d, &denied.remote, NULL, 1, 2 * SECOND);
        assert_false(is_in_table(d, &denied));
        dht_free(d);
        peer_done(&weak), peer_done(&denied), peer_done(&good);
}

static struct refbuf *ask_it(struct dht *d, const struct dht_remote *from, enum kad_type type,
                             struct bytes key) {
        struct kad_parts parts = { .type = type, .key = key };
        struct refbuf *message = kad_message_new(&parts), *data = NULL;
        struct dht_action a;

        (void) drain(d, DHT_ANSWER, NULL);
        dht_request(d, 77, from, DHT_PROTOCOL_KAD, refbuf_bytes(message), 3 * SECOND);
        refbuf_unref(message);
        while (dht_output(d, &a)) {
                if (a.type == DHT_ANSWER && a.data)
                        data = refbuf_ref(a.data);
                dht_action_done(&a);
        }
        return data;
}

/* Never hearsay, never the asker, never ourselves; a doubted peer is left out. */
static void answers_hold_only_what_answered_us(void **state) {
        struct dht *d = node_new(NULL);
        struct peer asker = peer_number(3, true), told = peer_number(900, true),
                    teller = peer_number(901, true), dead = peer_number(5, true);
        CLEANUP(kad_message_donep) struct kad_message m = {};
        struct dht_action ask = {};
        struct refbuf *data;

        fill_table(d, 1, 15);
        (void) drain(d, DHT_ASK, NULL);
        dht_peer_identified(d, &teller.remote, 2 * SECOND);
        assert_int_equal(drain(d, DHT_ASK, &ask), 1);
        answer(d, &ask, &teller.remote, &told.remote.contact, 1);
        dht_action_done(&ask);
        peer_failed(d, &dead.remote.contact, 2 * SECOND);

        data = ask_it(d, &asker.remote, KAD_FIND_NODE, peer_id_bytes(&told.remote.contact.peer));
        assert_non_null(data);
        assert_int_equal(kad_message_read(refbuf_bytes(data), &m), KAD_OK);
        assert_int_equal(m.n_closer, 14); /* 15 and the teller, without the asker and the dead */
        for (size_t i = 0; i < m.n_closer; i++) {
                assert_false(key_equal(&m.closer[i].key, &told.remote.contact.key));
                assert_false(key_equal(&m.closer[i].key, &asker.remote.contact.key));
                assert_false(key_equal(&m.closer[i].key, &dead.remote.contact.key));
                assert_false(key_equal(&m.closer[i].key, &d->self_key));
        }
        refbuf_unref(data);
        data = ask_it(d, &asker.remote, KAD_PING, BYTES_NONE);
        assert_non_null(data);
        refbuf_unref(data);
        data = ask_it(d, &asker.remote, KAD_FIND_NODE, BYTES_NONE);
        assert_null(data);
        dht_free(d);
        peer_done(&asker), peer_done(&told), peer_done(&teller), peer_done(&dead);
}

/* Weakness N8: who answers a lookup, or sits on its way, names whom it likes. All it gains is that
 * they are asked; without an answer of their own none of them is in the table. */
static void hearsay_stays_out_of_the_table(void **state) {
        struct peer told[17], by = peer_number(5, true), other = peer_number(6, true);
        struct contact contacts[17];

        for (unsigned i = 0; i < 17; i++) {
                told[i] = peer_number(900 + i, true);
                contacts[i] = told[i].remote.contact;
        }
        for (int is_other = 0; is_other < 2; is_other++) {
                struct dht *d = node_new(NULL);
                struct dht_action ask = {};

                fill_table(d, 5, 1);
                (void) drain(d, DHT_ASK, NULL);
                dht_find_closest(d, 1, &contacts[0].key, 2 * SECOND);
                assert_int_equal(drain(d, DHT_ASK, &ask), 1);
                answer(d, &ask, is_other ? &other.remote : &by.remote, contacts, 17);
                assert_int_equal(d->table.n_entries, 1);
                for (unsigned i = 0; i < 17; i++)
                        assert_false(is_in_table(d, &told[i]));
                /* of somebody else's answer nothing is even asked */
                assert_int_equal(drain(d, DHT_ASK, NULL) > 0, !is_other);
                dht_action_done(&ask);
                dht_free(d);
        }
        for (unsigned i = 0; i < 17; i++)
                peer_done(&told[i]);
        peer_done(&by), peer_done(&other);
}

static void a_client_is_asked_nothing(void **state) {
        struct dht *d = node_new(NULL);
        struct peer asker = peer_number(3, false);
        struct refbuf *data;

        d->is_server = false;
        data = ask_it(d, &asker.remote, KAD_PING, BYTES_NONE);
        assert_null(data);
        dht_free(d);
        peer_done(&asker);
}

static void requests_are_rationed_per_peer(void **state) {
        struct dht *d = node_new(NULL);
        struct peer greedy = peer_number(3, false), other = peer_number(4, false);
        unsigned n = 0;

        for (unsigned i = 0; i < 500; i++) {
                struct refbuf *data = ask_it(d, &greedy.remote, KAD_FIND_NODE, BYTES_LIT("x"));

                n += data != NULL;
                refbuf_unref(data);
        }
        assert_int_equal(n, SERVE_BURST);
        assert_int_equal(d->counters[COUNT_REQUESTS_LIMITED].value, 500 - SERVE_BURST);
        struct refbuf *data = ask_it(d, &other.remote, KAD_FIND_NODE, BYTES_LIT("x"));
        assert_non_null(data);
        refbuf_unref(data);
        for (unsigned i = 0; i < 3000; i++) { /* and what is remembered of them is bounded */
                struct peer p = peer_number(10000 + i, false);

                refbuf_unref(ask_it(d, &p.remote, KAD_PING, BYTES_NONE));
                peer_done(&p);
        }
        assert_int_equal(d->rates.n, SERVE_PEERS);
        dht_free(d);
        peer_done(&greedy), peer_done(&other);
}

static bool record_request(void *userdata, const struct dht_remote *from, struct bytes message,
                           struct buffer *ret_answer, nsec_t now) {
        ++*(unsigned *) userdata;
        return true;
}

/* What reads and writes the disk costs four units, whatever it is. */
static void record_requests_are_rationed_too(void **state) {
        static const struct record_rules rules = { .request = record_request };
        struct dht *d = node_new(NULL);
        struct peer greedy = peer_number(3, false), other = peer_number(4, false);
        unsigned n = 0, before;

        dht_rules(d, &rules, &n);
        for (unsigned i = 0; i < 500; i++)
                dht_request(d, i, &greedy.remote, DHT_PROTOCOL_RECORD, BYTES_LIT("x"), 3 * SECOND);
        assert_int_equal(n, SERVE_BURST / SERVE_WRITE);
        before = n;
        for (unsigned i = 0; i < 100; i++)
                dht_request(d, i, &greedy.remote, DHT_PROTOCOL_RECORD, BYTES_LIT("x"), 4 * SECOND);
        assert_int_equal(n - before, SERVE_RATE / SERVE_WRITE); /* of one second */
        before = n;
        dht_request(d, 501, &other.remote, DHT_PROTOCOL_RECORD, BYTES_LIT("x"), 4 * SECOND);
        assert_int_equal(n - before, 1);
        (void) drain(d, DHT_ANSWER, NULL);
        dht_free(d);
        peer_done(&greedy), peer_done(&other);
}

/* ---- /quorate/record/1 ---- */

static bool any_request(void *userdata, const struct dht_remote *from, struct bytes message,
                        struct buffer *ret_answer, nsec_t now) {
        return true;
}

static bool is_walk(void *userdata, struct bytes message) {
        return message.data[0] == 'w';
}

static const struct record_rules any_rules = { .request = any_request, .is_walk = is_walk };

/* How many of so many requests of peers with these numbers, at addresses of these /24s, are
 * answered at three seconds. */
static unsigned ask_records(struct dht *d, const char *what, unsigned n, unsigned n_subnets,
                            unsigned pow_bits) {
        unsigned n_answers = 0;

        for (unsigned i = 0; i < n; i++) {
                struct peer p = peer_number(20000 + i / 8, true);
                const uint8_t addr[4] = { 8, 8, (uint8_t) (i / 8 % n_subnets), 1 };

                p.remote.endpoint = endpoint_ip4(addr, 4001);
                p.remote.pow_bits = pow_bits;
                dht_request(d, i, &p.remote, DHT_PROTOCOL_RECORD, BYTES_STR(what), 3 * SECOND);
                n_answers += drain(d, DHT_ANSWER, NULL);
                peer_done(&p);
        }
        return n_answers;
}

static void record_requests_cost_a_peer_more(void **state) {
        struct dht *d = node_new(NULL);
        struct peer p = peer_number(3, true);
        unsigned n = 0;

        dht_rules(d, &any_rules, NULL);
        for (unsigned i = 0; i < 200; i++) {
                dht_request(d, i, &p.remote, DHT_PROTOCOL_RECORD, BYTES_LIT("?"), 3 * SECOND);
                n += drain(d, DHT_ANSWER, NULL);
        }
        assert_int_equal(n, SERVE_BURST / SERVE_WRITE);
        dht_free(d);
        peer_done(&p);
}

/* 32 peers of one address kept the thread busy with pages of Region. */
static void lists_of_records_are_rationed(void **state) {
        struct dht *d = node_new(NULL);

        dht_rules(d, &any_rules, NULL);
        assert_int_equal(ask_records(d, "w", 800, 1, 16), WALK_SUBNET_BURST);
        assert_int_equal(ask_records(d, "?", 640, 1, 16), 640); /* nothing else is */
        assert_int_equal(d->counters[COUNT_WALKS_LIMITED].value, 800 - WALK_SUBNET_BURST);
        dht_free(d);
        d = node_new(NULL);
        dht_rules(d, &any_rules, NULL);
        assert_int_equal(ask_records(d, "w", 2000, 250, 16), WALK_BURST);
        dht_free(d);
        d = node_new(NULL);
        dht_rules(d, &any_rules, NULL);
        assert_int_equal(ask_records(d, "w", 80, 10, 15), 0); /* nobody has it in a table */
        assert_int_equal(d->counters[COUNT_WALKS_WEAK].value, 80);
        assert_int_equal(ask_records(d, "?", 80, 10, 15), 80);
        dht_free(d);
}

static void denial_is_effective_at_once(void **state) {
        struct dht *d = node_new(NULL);
        struct peer bad = peer_number(5, true), asker = peer_number(90, false);
        struct key key = bad.remote.contact.key;
        struct dht_action a = {};

        fill_table(d, 1, 10);
        (void) drain(d, DHT_ASK, NULL);
        dht_find_closest(d, 1, &key, 2 * SECOND); /* it is being asked */
        dht_deny(d, &bad.remote.contact.peer, true, 2 * SECOND);
        assert_false(is_in_table(d, &bad));
        assert_null(ask_it(d, &bad.remote, KAD_PING, BYTES_NONE));
        peer_answered(d, &bad.remote, NULL, 1, 3 * SECOND);
        assert_false(is_in_table(d, &bad));
        dht_find_peer(d, 2, &bad.remote.contact.peer, 3 * SECOND);
        assert_int_equal(drain(d, DHT_DONE, &a), 1);
        assert_int_equal(a.n, DHT_E_REFUSED);
        dht_deny(d, &bad.remote.contact.peer, false, 3 * SECOND);
        peer_answered(d, &bad.remote, NULL, 1, 3 * SECOND);
        assert_true(is_in_table(d, &bad));
        dht_action_done(&a);
        peer_done(&bad), peer_done(&asker);
        dht_free(d);
}

/* Our own public address with another port, and no way back through our router. */
static void peers_behind_our_own_router(void **state) {
        struct endpoint e = endpoint_ip4((uint8_t[4]){ 11, 0, 0, 1 }, 9999); /* node_new()'s */
        struct multiaddr address = multiaddr_from_endpoint(&e);
        struct peer other = peer_number(44, true), someone = peer_number(45, true);
        struct contact c;
        struct dht *d = node_new(NULL);

        contact_init(&c, &other.remote.contact.peer, &address, 1);
        assert_true(peer_is_usable(d, &c, SECOND));
        peer_failed(d, &c, 2 * SECOND);
        assert_false(peer_is_usable(d, &c, 3 * SECOND));
        assert_true(peer_is_usable(d, &someone.remote.contact, 3 * SECOND));
        assert_true(peer_is_usable(d, &c, 2 * SECOND + HEALTH_HAIRPIN_LIFE)); /* tried again */
        other.remote.endpoint = e;
        peer_answered(d, &other.remote, NULL, 1, 4 * SECOND);
        assert_true(peer_is_usable(d, &c, 4 * SECOND));
        contact_done(&c);
        dht_free(d);
        peer_done(&other), peer_done(&someone);
}

/* A PUT refused by a reset says nothing about whether the peer lives. */
static void a_refusal_is_not_a_failure(void **state) {
        struct dht *d = node_new(NULL);
        struct peer p = peer_number(5, true);
        struct refbuf *message = refbuf_new(BYTES_LIT("x"));
        struct ask *a;

        fill_table(d, 5, 1);
        a = ask_send(d, &p.remote.contact, DHT_PROTOCOL_KAD, message, true);
        a->is_store = true;
        dht_failed(d, a->id, DHT_RESET, 3 * SECOND);
        assert_int_equal(table_find(&d->table, &p.remote.contact.key)->failures, 0);
        a = ask_send(d, &p.remote.contact, DHT_PROTOCOL_KAD, message, true);
        dht_failed(d, a->id, DHT_SILENT, 3 * SECOND);
        assert_int_equal(table_find(&d->table, &p.remote.contact.key)->failures, 1);
        a = ask_send(d, &p.remote.contact, DHT_PROTOCOL_KAD, message, true);
        dht_failed(d, a->id, DHT_NO_PROTOCOL, 3 * SECOND);
        assert_false(is_in_table(d, &p)); /* it became a client */
        refbuf_unref(message);
        dht_free(d);
        peer_done(&p);
}

static const char *accept(void *userdata, struct bytes name, struct bytes value, int64_t now_us,
                          struct stored_record *ret) {
        return NULL;
}

/* Other libraries go by SHA-256 of `key`: it must be the record's, not our point. */
static void a_lookup_for_a_record_names_it(void **state) {
        static const struct record_rules rules = { .validate = accept };
        CLEANUP(kad_message_donep) struct kad_message m = {};
        struct dht_action ask = {};
        struct dht *d = node_new(NULL);

        fill_table(d, 1, 3);
        dht_rules(d, &rules, NULL);
        (void) drain(d, DHT_ASK, NULL);
        assert_true(dht_put_again(d, BYTES_LIT("/t/a"), BYTES_LIT("value"), NULL, NULL, SECOND));
        assert_int_equal(drain(d, DHT_ASK, &ask), 3);
        assert_int_equal(kad_message_read(refbuf_bytes(ask.data), &m), KAD_OK);
        assert_int_equal(m.type, KAD_FIND_NODE);
        assert_bytes_equal(m.key, BYTES_LIT("/t/a"));
        assert_false(m.has_target);
        dht_action_done(&ask);
        dht_free(d);
}

static void make_private(struct dht_config *c) {
        c->is_private = true;
}

static unsigned local_entries(struct dht *d, bool is_mdns) {
        for (unsigned i = 1; i <= 12; i++) {
                struct peer p = peer_number(i, true);

                p.remote.endpoint = endpoint_ip4((uint8_t[4]){ 10, 0, 0, (uint8_t) i }, 4001);
                p.remote.is_mdns = is_mdns;
                peer_answered(d, &p.remote, NULL, 1, 2 * SECOND);
                peer_done(&p);
        }
        return (unsigned) d->table.n_entries;
}

/* network.md: exempt in private networks, for mDNS peers, and where this node has only
 * such addresses; not else. */
static void exemptions_are_those_of_the_design(void **state) {
        struct multiaddr own;
        struct endpoint e = endpoint_ip4((uint8_t[4]){ 10, 0, 0, 99 }, 4001);
        struct dht *d = node_new(NULL);

        assert_true(local_entries(d, false) <= TABLE_PER_TABLE);
        dht_free(d);
        d = node_new(NULL);
        assert_int_equal(local_entries(d, true), 12);
        dht_free(d);
        d = node_new(make_private);
        assert_int_equal(local_entries(d, false), 12);
        dht_free(d);
        d = node_new(NULL);
        own = multiaddr_from_endpoint(&e);
        dht_addresses(d, &own, 1, SECOND);
        assert_int_equal(local_entries(d, false), 12);
        dht_free(d);
}

static void calls_are_bounded(void **state) {
        struct dht *d = node_new(NULL);
        struct dht_action a = {};

        fill_table(d, 1, 30);
        (void) drain(d, DHT_ASK, NULL);
        for (unsigned i = 0; i < 200; i++) {
                struct key key = key_of(BYTES_OF(((uint32_t[]){ i })));

                dht_find_closest(d, 100 + i, &key, 2 * SECOND);
        }
        assert_true(d->n_operations <= d->config.lookups_max);
        assert_true(drain(d, DHT_DONE, &a) >= 200 - d->config.lookups_max);
        assert_int_equal(a.n, DHT_E_BUSY);
        dht_action_done(&a);
        for (unsigned i = 0; i < 200; i++)
                dht_cancel(d, 100 + i, 3 * SECOND);
        assert_true(d->n_operations <= 1);
        assert_true(drain(d, DHT_DONE, NULL) <= d->config.lookups_max);
        dht_free(d);
}

static void answer_providers(struct dht *d, const struct dht_action *ask, const struct peer *by,
                             const struct contact *list, size_t n) {
        struct kad_parts parts = { .type = KAD_GET_PROVIDERS, .providers = list, .n_providers = n };
        struct refbuf *message = kad_message_new(&parts);

        dht_answered(d, ask->id, &by->remote, refbuf_bytes(message), 2 * SECOND);
        refbuf_unref(message);
}

static void who_names_many_providers_crowds_out_nobody(void **state) {
        struct peer holders[9], real[4], unreal[KAD_PEERS_MAX];
        struct contact honest[4], lies[KAD_PEERS_MAX];
        struct dht *d = node_new(NULL);
        struct dht_action asks[9] = {}, a;
        unsigned n_asks = 0, n_results = 0, n_real = 0;

        for (unsigned i = 0; i < 9; i++)
                holders[i] = peer_number(1 + i, true);
        for (unsigned i = 0; i < 4; i++)
                real[i] = peer_number(500 + i, true), honest[i] = real[i].remote.contact;
        for (unsigned i = 0; i < KAD_PEERS_MAX; i++)
                unreal[i] = peer_number(600 + i, true), lies[i] = unreal[i].remote.contact;
        fill_table(d, 1, 9);
        (void) drain(d, DHT_ASK, NULL);
        dht_find_providers(d, 7, BYTES_LIT("\x12\x20multihash-of-thirty-two-bytes..!"), 16,
                           2 * SECOND);
        while (dht_output(d, &a)) {
                assert_int_equal(a.type, DHT_ASK);
                assert_true(n_asks < 9);
                asks[n_asks++] = a;
        }
        assert_int_equal(n_asks, 9);
        for (unsigned i = 0; i < n_asks; i++) /* three are liars, and faster than others */
                for (unsigned j = 0; j < 9; j++)
                        if (key_equal(&asks[i].contact.key, &holders[j].remote.contact.key))
                                answer_providers(d, &asks[i], &holders[j], i < 3 ? lies : honest,
                                                 i < 3 ? KAD_PEERS_MAX : 4);
        while (dht_output(d, &a)) {
                for (unsigned i = 0; i < 4 && a.type == DHT_RESULT; i++)
                        n_real += key_equal(&a.result->contact.key, &honest[i].key);
                n_results += a.type == DHT_RESULT;
                dht_action_done(&a);
        }
        assert_int_equal(n_results, 16);
        assert_int_equal(n_real, 4);
        for (unsigned i = 0; i < n_asks; i++)
                dht_action_done(&asks[i]);
        for (unsigned i = 0; i < 9; i++)
                peer_done(&holders[i]);
        for (unsigned i = 0; i < 4; i++)
                peer_done(&real[i]);
        for (unsigned i = 0; i < KAD_PEERS_MAX; i++)
                peer_done(&unreal[i]);
        dht_free(d);
}

/* Everybody silent at once: our own network. Nobody is thrown out for it. */
static void an_outage_costs_nobody_its_place(void **state) {
        struct dht *d = node_new(NULL);
        nsec_t now = 2 * SECOND;
        size_t n;

        fill_table(d, 1, 60);
        n = d->table.n_entries;
        for (; now < 7200 * SECOND; now = nsec_max(now + 1, dht_deadline(d))) {
                dht_expire(d, now);
                (void) drain(d, DHT_ASK, NULL); /* nobody answers */
        }
        assert_true(d->table.n_entries + HEALTH_RECENT >= n);
        assert_true(d->health.not_charged > 0);
        fill_table(d, 500, 1);
        assert_false(health_has_outage(&d->health, now));
        dht_free(d);
}

/* A node of a network of 10,000, with everything it keeps at its fullest. */
static void a_full_table_fits_100_kib(void **state) {
        struct dht *d = node_new(NULL);
        size_t before = mallinfo2().uordblks, used;

        fill_table(d, 1, 10000);
        for (unsigned i = 20000; i < 20300; i++) {
                struct peer p = peer_number(i, true);

                (void) health_failed(&d->health, &p.remote.contact, 2 * SECOND);
                (void) peer_rate(d, &p.remote.contact.peer, 1, 2 * SECOND);
                peer_done(&p);
        }
        (void) drain(d, DHT_ASK, NULL);
        used = mallinfo2().uordblks - before + sizeof(*d);
        print_message("# %zu entries, %zu bytes (struct dht %zu)\n", d->table.n_entries, used,
                      sizeof(*d));
        assert_true(d->table.n_entries > 180);
#ifndef __SANITIZE_ADDRESS__
        assert_in_range(used, 40 * 1024, 105 * 1024);
#endif
        dht_free(d);
}

TEST_MAIN(cmocka_unit_test(only_answers_get_into_the_table),
          cmocka_unit_test(told_peers_are_judged_the_same),
          cmocka_unit_test(answers_hold_only_what_answered_us),
          cmocka_unit_test(hearsay_stays_out_of_the_table),
          cmocka_unit_test(a_client_is_asked_nothing),
          cmocka_unit_test(requests_are_rationed_per_peer),
          cmocka_unit_test(record_requests_are_rationed_too),
          cmocka_unit_test(record_requests_cost_a_peer_more),
          cmocka_unit_test(lists_of_records_are_rationed),
          cmocka_unit_test(denial_is_effective_at_once),

          cmocka_unit_test(peers_behind_our_own_router),
          cmocka_unit_test(a_refusal_is_not_a_failure),
          cmocka_unit_test(a_lookup_for_a_record_names_it),
          cmocka_unit_test(exemptions_are_those_of_the_design), cmocka_unit_test(calls_are_bounded),
          cmocka_unit_test(who_names_many_providers_crowds_out_nobody),
          cmocka_unit_test(an_outage_costs_nobody_its_place),
          cmocka_unit_test(a_full_table_fits_100_kib))
