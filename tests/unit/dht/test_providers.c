/* Who provides something, and who is charged for a record: one node, told by others over kad,
 * asked by others; what it shows, and to whom. */
#include "services/dht/internal.h"
#include "services/dht/message.h"
#include "services/dht/store_memory.h"
#include "tests/unit/dht/server.h"

#define PEOPLE 600

struct bench {
        struct store store;
        struct dht *dht;
        struct keeper *keeper;
        nsec_t now;
        struct bytes name;
        const char *refusal;
        unsigned told[PEOPLE]; /* how often each was */
        size_t n_told;         /* in the last answer */
        struct key list[KAD_PEERS_MAX];
};

static int setup(void **state) {
        struct bench *b = xnew(struct bench);

        b->now = NSEC_PER_SEC;
        b->name = BYTES_LIT("\x12\x20multihash-of-thirty-two-bytes..!");
        b->store = store_memory_new(&store_limits_default, 1);
        b->dht = server_start(&b->store, b->now, &b->keeper);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        struct bench *b = *state;

        dht_free(b->dht);
        keeper_free(b->keeper);
        store_memory_free(&b->store);
        free(b);
        return 0;
}

static struct peer_id peer_no(uint32_t n) {
        struct sign_public k = { .bytes = { 5, (uint8_t) (n >> 8), (uint8_t) n } };

        return peer_id_from_ed25519(&k);
}

/* That peer in the /24 `net`; 0: at a private address. contact_done() its contact. */
static struct dht_remote remote_in(uint32_t n, uint16_t net) {
        const uint8_t addr[4] = { net ? 11 : 10, (uint8_t) (net >> 8), (uint8_t) net, 1 };
        struct dht_remote r = { .endpoint = endpoint_ip4(addr, 4001), .pow_bits = 16 };
        struct multiaddr at = multiaddr_from_endpoint(&r.endpoint);
        struct peer_id peer = peer_no(n);

        contact_init(&r.contact, &peer, &at, 1);
        return r;
}

static struct refbuf *request(struct bench *b, const struct dht_remote *from,
                              const struct kad_parts *parts) {
        struct refbuf *message = kad_message_new(parts), *data = NULL;
        struct dht_action a;

        b->refusal = NULL;
        b->now += NSEC_PER_SEC;
        dht_request(b->dht, 77, from, DHT_PROTOCOL_KAD, refbuf_bytes(message), b->now);
        refbuf_unref(message);
        while (dht_output(b->dht, &a)) {
                if (a.type == DHT_ANSWER && a.data)
                        data = refbuf_ref(a.data);
                if (a.type == DHT_REFUSE)
                        b->refusal = a.event.text;
                dht_action_done(&a);
        }
        return data;
}

/* ADD_PROVIDER by n, who is seen in `net`; false: refused. */
static bool provide(struct bench *b, uint32_t n, uint16_t net) {
        struct dht_remote from = remote_in(n, net);
        struct kad_parts parts = { .type = KAD_ADD_PROVIDER,
                                   .key = b->name,
                                   .providers = &from.contact,
                                   .n_providers = 1 };

        refbuf_unref(request(b, &from, &parts));
        contact_done(&from.contact);
        return !b->refusal;
}

/* GET_PROVIDERS by somebody. */
static void ask(struct bench *b, uint32_t asker) {
        struct kad_parts parts = { .type = KAD_GET_PROVIDERS, .key = b->name };
        struct dht_remote from = remote_in(asker, 0);
        CLEANUP(kad_message_donep) struct kad_message m = {};
        CLEANUP(refbuf_unrefp) struct refbuf *answer = request(b, &from, &parts);

        assert_non_null(answer);
        assert_int_equal(kad_message_read(refbuf_bytes(answer), &m), KAD_OK);
        b->n_told = m.n_providers;
        for (size_t i = 0; i < m.n_providers; i++)
                b->list[i] = m.providers[i].key;
        for (uint32_t n = 0; n < PEOPLE; n++) {
                struct peer_id peer = peer_no(n);

                for (size_t i = 0; i < m.n_providers; i++)
                        b->told[n] += peer_id_equal(&m.providers[i].peer, &peer);
        }
        contact_done(&from.contact);
}

static bool is_told(const struct bench *b, uint32_t n) {
        struct peer_id peer = peer_no(n);
        struct key key = key_of_peer(&peer);

        for (size_t i = 0; i < b->n_told; i++)
                if (key_equal(&b->list[i], &key))
                        return true;
        return false;
}

static bool count_one(void *userdata, const struct stored_provider *p) {
        (void) p;
        (*(size_t *) userdata)++;
        return true;
}

static size_t n_kept(struct bench *b) {
        struct key key = key_of(b->name);
        size_t n = 0;

        (void) b->store.ops->providers(b->store.self, &key, count_one, &n);
        return n;
}

/* 40 identities of low ids come first: they get four places, and hide nobody. */
static void one_subnet_hides_nobody(void **state) {
        struct bench *b = *state;
        size_t n_liars = 0, n_kept_liars = 0;

        for (uint32_t n = 100; n < PEOPLE && n_liars < 40; n++) {
                struct peer_id peer = peer_no(n);

                if (key_of_peer(&peer).bytes[0] >= 32)
                        continue;
                n_liars++;
                n_kept_liars += provide(b, n, 7);
        }
        assert_int_equal(n_liars, 40);
        assert_int_equal(n_kept_liars, 4);
        assert_string_equal(b->refusal, "its subnet has enough places there");
        for (uint32_t n = 0; n < 5; n++)
                assert_true(provide(b, n, (uint16_t) (20 + n)));
        ask(b, 99);
        assert_int_equal(b->n_told, 9);
        for (uint32_t n = 0; n < 5; n++)
                assert_true(is_told(b, n));
}

/* More than an answer holds: one of each subnet, and over some answers everybody. */
static void everybody_has_his_turn(void **state) {
        struct bench *b = *state;

        for (uint32_t n = 100; n < 148; n++) /* 12 subnets with four each */
                assert_true(provide(b, n, (uint16_t) (n / 4)));
        for (uint32_t n = 0; n < 12; n++)
                assert_true(provide(b, n, (uint16_t) (200 + n)));
        for (uint32_t asker = 300; asker < 400; asker++) {
                bool has[256] = {};

                ask(b, asker);
                assert_int_equal(b->n_told, KAD_PEERS_MAX);
                for (uint32_t n = 0; n < 148; n++)
                        if (is_told(b, n)) {
                                uint32_t net = n < 100 ? 200 + n : n / 4;

                                assert_false(has[net]);
                                has[net] = true;
                        }
        }
        for (uint32_t n = 0; n < 12; n++) /* 20 of 24: 83 of 100 */
                assert_in_range(b->told[n], 65, 98);
        for (uint32_t n = 100; n < 148; n++) /* a quarter of that */
                assert_in_range(b->told[n], 5, 40);
}

/* All places taken: subnets with many give way, and who comes again gains nothing. */
static void subnets_share_the_places(void **state) {
        struct bench *b = *state;
        size_t n_honest = 0;

        for (uint32_t n = 100; n < 228; n++)
                assert_true(provide(b, n, (uint16_t) (n / 4)));
        assert_int_equal(n_kept(b), 128);
        for (uint32_t n = 0; n < 60; n++)
                assert_true(provide(b, n, (uint16_t) (200 + n)));
        for (uint32_t n = 100; n < 228; n++)
                (void) provide(b, n, (uint16_t) (n / 4));
        assert_int_equal(n_kept(b), 128);
        for (uint32_t n = 0; n < 60; n++) {
                struct peer_id peer = peer_no(n);
                struct key key = key_of(b->name);

                n_honest += b->store.ops->provider_remove(b->store.self, &key, &peer) == STORE_OK;
        }
        assert_int_equal(n_honest, 60);
}

/* Places taken where one was for a moment cannot be moved to where one stays. */
static void a_place_is_charged_where_its_owner_is(void **state) {
        struct bench *b = *state;

        for (uint32_t n = 0; n < 4; n++)
                assert_true(provide(b, n, 7));
        assert_true(provide(b, 4, 8));
        assert_true(provide(b, 0, 7)); /* again */
        assert_false(provide(b, 4, 7));
        assert_true(provide(b, 0, 9)); /* moved: its place is free */
        assert_true(provide(b, 4, 7));
        assert_int_equal(n_kept(b), 5);
}

static void far_keys_are_refused(void **state) {
        struct bench *b = *state;
        struct person self = person_no(1);
        struct key self_key = key_of_peer(&self.peer);
        uint8_t name[2] = {};
        size_t n_near = 0;

        keeper_region(b->keeper, 1.0 / 64); /* times 4 */
        b->name = BYTES_OF(name);
        for (uint32_t n = 0; n < 500; n++) {
                struct key key;
                bool is_near;

                name[0] = (uint8_t) (1 + n / 250), name[1] = (uint8_t) n;
                key = key_of(b->name);
                is_near = key_distance(&self_key, &key) <= 1.0 / 16;
                n_near += is_near;
                assert_int_equal(provide(b, n, (uint16_t) (1 + n)), is_near);
                if (!is_near)
                        assert_string_equal(b->refusal, "its key is far from this node");
        }
        assert_in_range(n_near, 10, 60);
}

/* PUT_VALUE of a name's record with this sequence, by somebody seen in `net`. */
static void put_name(struct bench *b, uint64_t sequence, uint16_t net, uint64_t ret_n[3]) {
        static const uint8_t root[32] = { 7 };
        CLEANUP(buffer_donep) struct buffer name = {}, value = {};
        struct dht_remote from = remote_in(50 + net, net);
        struct person publisher = person_no(4);
        struct record_statement s =
                statement_by(&publisher, RECORD_NAME, BYTES_LIT("sales"), BYTES_OF(root));
        struct kad_parts parts = { .type = KAD_PUT_VALUE, .has_record = true };
        struct refbuf *answer;

        buffer_init(&name, RECORD_NAME_MAX);
        buffer_init(&value, RECORD_BYTES_MAX);
        s.sequence = sequence;
        parts.key = name_for(&name, RECORD_NAME, &publisher.peer, BYTES_LIT("sales"));
        parts.record_key = parts.key;
        parts.value = sign_record(&value, &publisher, &s);
        answer = request(b, &from, &parts);
        assert_non_null(answer);
        refbuf_unref(answer);
        contact_done(&from.contact);
        for (uint16_t i = 0; i < 3; i++) {
                struct dht_remote at = remote_in(0, (uint16_t) (1 + i));
                struct subnet subnet = subnet_counted(&at.endpoint);

                ret_n[i] = b->store.ops->count_subnet(b->store.self, &subnet);
                contact_done(&at.contact);
        }
}

/* Who sends again what is held neither takes it over nor takes it off somebody. */
static void a_copy_moves_no_charge(void **state) {
        uint64_t n[3];

        put_name(*state, 1, 1, n);
        assert_true(n[0] == 1 && n[1] == 0);
        put_name(*state, 1, 2, n);
        assert_true(n[0] == 1 && n[1] == 0);
        put_name(*state, 2, 3, n); /* a new value: of who brings it */
        assert_true(n[0] == 0 && n[1] == 0 && n[2] == 1);
}

/* Denied while what it provides is held: told to nobody, until that is lifted. */
static void the_denied_are_not_told(void **state) {
        struct bench *b = *state;
        struct peer_id bad = peer_no(2);

        for (uint32_t n = 0; n < 5; n++)
                assert_true(provide(b, n, (uint16_t) (20 + n)));
        dht_deny(b->dht, &bad, true, b->now);
        ask(b, 99);
        assert_int_equal(b->n_told, 4);
        assert_false(is_told(b, 2));
        assert_false(provide(b, 2, 22));
        dht_deny(b->dht, &bad, false, b->now);
        ask(b, 99);
        assert_int_equal(b->n_told, 5);
}

/* As many names as may be, each as long as may be. */
static void long_contact(uint32_t n, struct contact *ret) {
        struct multiaddr list[CONTACT_ADDRESSES_MAX];
        struct peer_id peer = peer_no(n);

        for (unsigned i = 0; i < CONTACT_ADDRESSES_MAX; i++) {
                char text[300], name[231];

                memset(name, 'a', sizeof(name));
                for (unsigned at = 60; at < sizeof(name) - 1; at += 61)
                        name[at] = '.';
                name[sizeof(name) - 1] = 0;
                (void) snprintf(text, sizeof(text), "/dns4/%s/udp/%u/quic-v1", name,
                                10 * (n + 1) + i);
                assert_int_equal(multiaddr_from_text(BYTES_STR(text), &list[i]), 0);
        }
        contact_init(ret, &peer, list, CONTACT_ADDRESSES_MAX);
}

/* Whatever 20 neighbours and 20 providers call themselves: who asks gets his answer. */
static void long_names_deny_nobody_an_answer(void **state) {
        struct bench *b = *state;

        for (uint32_t n = 0; n < 40; n++) {
                struct dht_remote from = remote_in(n, (uint16_t) (20 + n));
                struct kad_parts parts = { .type = KAD_ADD_PROVIDER, .key = b->name };

                contact_done(&from.contact);
                long_contact(n, &from.contact);
                parts.providers = &from.contact;
                parts.n_providers = 1;
                if (n < 20)
                        refbuf_unref(request(b, &from, &parts));
                else
                        (void) table_answered(&b->dht->table,
                                              &(struct table_peer){ .contact = from.contact },
                                              b->now);
                contact_done(&from.contact);
        }
        assert_int_equal(n_kept(b), 20);
        assert_int_equal(b->dht->table.n_entries, 20);
        ask(b, 99);
        assert_int_equal(b->n_told, 20);
}

/* GET_VALUE by a stranger, of what is held like this: whether he gets it. */
static bool is_shown(struct bench *b, enum record_kind kind, const char *text) {
        CLEANUP(kad_message_donep) struct kad_message m = {};
        CLEANUP(refbuf_unrefp) struct refbuf *answer = NULL;
        struct stored_record r = { .kind = (uint8_t) kind,
                                   .name = BYTES_STR(text),
                                   .value = BYTES_LIT("sealed"),
                                   .expires_us = INT64_MAX };
        struct kad_parts parts = { .type = KAD_GET_VALUE, .key = r.name };
        struct dht_remote from = remote_in(99, 3);

        r.key = key_of(r.name);
        assert_int_equal(b->store.ops->put(b->store.self, &r), STORE_OK);
        answer = request(b, &from, &parts);
        contact_done(&from.contact);
        assert_non_null(answer);
        assert_int_equal(kad_message_read(refbuf_bytes(answer), &m), KAD_OK);
        return m.has_record;
}

/* Letters are listed to their recipients alone, and topics page by page: kad is no way around. */
static void kad_shows_what_it_carries(void **state) {
        assert_true(is_shown(*state, RECORD_NAME, "/name/of/somebody"));
        assert_true(is_shown(*state, RECORD_PUBLIC_KEY, "/pk/of somebody"));
        assert_false(is_shown(*state, RECORD_MAILBOX, "/mailbox/of a"));
        assert_false(is_shown(*state, RECORD_TOMBSTONE, "/mailbox/of b"));
        assert_false(is_shown(*state, RECORD_TOPIC, "/topic/chess"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

TEST_MAIN(TEST(one_subnet_hides_nobody), TEST(everybody_has_his_turn),
          TEST(subnets_share_the_places), TEST(a_place_is_charged_where_its_owner_is),
          TEST(far_keys_are_refused), TEST(a_copy_moves_no_charge), TEST(the_denied_are_not_told),
          TEST(long_names_deny_nobody_an_answer), TEST(kad_shows_what_it_carries))
