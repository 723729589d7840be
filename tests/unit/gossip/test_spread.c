#include "common/canonical/keychange.h"
#include "common/crypto/hash.h"
#include "common/wire/unpack.h"
#include "tests/support/gossips.h"
#include "tests/support/test.h"
#include "tests/unit/gossip/core_bench.h"

/* Revocations go from node to node. */

static void put(struct buffer *b, const struct peer_id *peer) {
        struct keychange c = { .kind = KEYCHANGE_REVOCATION, .peer = *peer };

        buffer_init(b, KEYCHANGE_BYTES_MAX);
        assert_int_equal(keychange_encode(&c, b), KEYCHANGE_OK);
}

/* By the stand-in for signatures of gossips.c. */
static void put_stand_in(struct buffer *b, const struct gossips_node *n) {
        uint8_t signature[SIGNATURE_SIZE] = {};
        struct hash_value h;

        put(b, &n->peer);
        h = hash_keyed(sign_public_bytes(&n->key), buffer_bytes(b));
        memcpy(signature, h.bytes, HASH_SIZE);
        buffer_put_bytes(b, BYTES_OF(signature));
}

static unsigned n_heard(const struct gossips *s, const struct peer_id *peer) {
        unsigned n = 0;

        for (unsigned i = 0; i < s->settings.n_nodes; i++)
                n += gossip_is_blocked(s->nodes[i].core, peer);
        return n;
}

/* Told to one of 200, whoever it is, all but a few have heard three seconds later, in every shard;
 * nobody tells it more than once. */
static void everybody_hears(void **state) {
        struct gossips_settings settings = gossips_defaults;
        CLEANUP(buffer_donep) struct buffer b = {};
        const struct peer_id *peer;
        struct gossips s;
        uint64_t told = 0;
        nsec_t began;

        settings.n_nodes = 200;
        gossips_init(&s, &settings);
        gossips_start(&s);
        gossips_run(&s, 30 * NSEC_PER_SEC);
        peer = &s.nodes[7].peer;
        put_stand_in(&b, &s.nodes[7]);
        assert_true(gossip_revoked(s.nodes[100].core, buffer_bytes(&b), s.now));
        assert_int_equal(n_heard(&s, peer), 1);
        gossips_connect(&s, 100, 101); /* its core is looked after */
        began = s.now;
        while (n_heard(&s, peer) < settings.n_nodes * 995 / 1000 &&
               s.now < began + 3 * NSEC_PER_SEC)
                gossips_run(&s, 50 * NSEC_PER_MSEC);
        print_message("# %u of %u have heard after %.2f s\n", n_heard(&s, peer), settings.n_nodes,
                      (double) (s.now - began) / 1e9);
        gossips_run(&s, 10 * NSEC_PER_SEC);
        assert_in_range(n_heard(&s, peer), settings.n_nodes * 995 / 1000, settings.n_nodes - 1);
        for (unsigned i = 0; i < settings.n_nodes; i++)
                told += gossips_counter(&s.nodes[i], "revoked_told");
        print_message("# told %.2f times each\n", (double) told / settings.n_nodes);
        assert_true(told <= 8 * (uint64_t) settings.n_nodes);
        gossips_done(&s);
}

/* ---- One core ---- */

static void put_real(struct buffer *b, unsigned n, unsigned signer) {
        struct peer_id peer = core_peer(n, NULL);
        struct sign_secret secret;
        struct signature s;

        (void) core_peer(signer, &secret);
        put(b, &peer);
        s = sign_make(&secret, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&s));
}

static void question(struct core_bench *c, unsigned from, struct bytes value) {
        Peers__Request request = PEERS__REQUEST__INIT;
        Peers__Revoked revoked = PEERS__REVOKED__INIT;
        CLEANUP(buffer_donep) struct buffer b = {};
        struct peer_id peer = core_peer(from, NULL);

        revoked.value = (ProtobufCBinaryData){ value.len, (uint8_t *) value.data };
        request.body_case = PEERS__REQUEST__BODY_REVOKED;
        request.revoked = &revoked;
        buffer_init(&b, 1024);
        wire_pack(&b, &request.base);
        core_forget(c);
        gossip_asked(c->g, 1, &peer, buffer_bytes(&b), c->now);
        core_drain(c);
}

/* What is right is believed, whoever brings it, refused from then on, stored, and passed on once.
 */
static void what_is_told_is_checked(void **state) {
        CLEANUP(buffer_donep) struct buffer right = {}, wrong = {}, own = {};
        struct peer_id peer = core_peer(50, NULL), to = core_peer(60, NULL);
        struct gossip_contact place = { .peer = to };
        struct core_bench c;

        core_init(&c, NULL);
        for (unsigned i = 1; i < 20; i++)
                core_up(&c, i);
        put_real(&wrong, 50, 51);
        question(&c, 1, buffer_bytes(&wrong));
        assert_int_equal(c.n[GOSSIP_REFUSE], 1);
        assert_false(gossip_is_blocked(c.g, &peer));
        assert_int_equal(c.n[GOSSIP_ASK], 0);

        put_real(&right, 50, 50);
        question(&c, 1, buffer_bytes(&right));
        assert_int_equal(c.n[GOSSIP_ANSWER], 1);
        assert_int_equal(c.n[GOSSIP_BLOCK], 1);
        assert_int_equal(c.n[GOSSIP_STORE], 1);
        assert_int_equal(c.n[GOSSIP_ASK], 4);
        assert_int_equal(c.n_lookups, 4);
        for (unsigned i = 0; i < 4; i++)
                gossip_found(c.g, c.lookups[i], &place, 1, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_ASK], 8);
        assert_true(peer_id_equal(&c.asked_peers[7], &to));

        question(&c, 2, buffer_bytes(&right));
        assert_int_equal(c.n[GOSSIP_ANSWER], 1);
        assert_int_equal(c.n[GOSSIP_ASK] + c.n[GOSSIP_STORE] + c.n[GOSSIP_BLOCK], 0);
        put_real(&own, 9999, 9999);
        question(&c, 3, buffer_bytes(&own));
        assert_int_equal(c.n[GOSSIP_REFUSE], 1);
        core_done(&c);
}

/* A crowd of keys made to be revoked: a few are passed on at once, and a few a second. */
static void a_crowd_is_not_passed_on(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct core_bench c;

        core_init(&c, NULL);
        for (unsigned i = 1; i < 20; i++)
                core_up(&c, i);
        core_forget(&c);
        for (unsigned i = 0; i < 100; i++) {
                buffer_done(&b);
                put_real(&b, 100 + i, 100 + i);
                assert_true(gossip_revoked(c.g, buffer_bytes(&b), c.now));
                core_drain(&c);
                for (; c.n_lookups > 0; c.n_lookups--)
                        gossip_found(c.g, c.lookups[c.n_lookups - 1], NULL, 0, c.now);
                for (; c.n_asked > 0; c.n_asked--)
                        gossip_answered(c.g, c.asked[c.n_asked - 1], BYTES_NONE, c.now);
                core_drain(&c);
        }
        assert_int_equal(core_counter(&c, "revoked"), 100);
        assert_int_equal(core_counter(&c, "revoked_told"), 8 * 4);
        core_done(&c);
}

/* Keys that cost nothing take no place of those that do. */
static void keys_without_work_have_no_place(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct gossip_config config;
        struct core_bench c;

        gossip_config_default(&config);
        core_init(&c, &config);
        put_real(&b, 50, 50);
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        core_up(&c, 50); /* nor does it cost to be here */
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        assert_int_equal(core_counter(&c, "revoked_refused"), 2);
        core_done(&c);
}

TEST_MAIN(cmocka_unit_test(everybody_hears), cmocka_unit_test(what_is_told_is_checked),
          cmocka_unit_test(a_crowd_is_not_passed_on),
          cmocka_unit_test(keys_without_work_have_no_place))
