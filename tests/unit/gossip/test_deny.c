#include "common/canonical/keychange.h"
#include "common/crypto/identity.h"
#include "common/wire/unpack.h"
#include "proto/gossip.pb-c.h"
#include "tests/unit/gossip/core_bench.h"

static void test_at_once(void **state) {
        struct peer_id peer = core_peer(1, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        core_up(&c, 1);
        gossip_stream_opened(c.g, &peer, PUBSUB_V1_2, c.now);
        core_drain(&c);
        core_forget(&c);
        assert_true(gossip_block(c.g, &peer, "rude", NSEC_NEVER, c.now));
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_BLOCK], 1);
        assert_int_equal(c.n[GOSSIP_STORE], 1);
        assert_int_equal(c.n[GOSSIP_STREAM_CLOSE], 1);
        gossip_asked(c.g, 5, &peer, BYTES_NONE, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_REFUSE], 1);
        assert_true(gossip_unblock(c.g, &peer, c.now));
        assert_false(gossip_unblock(c.g, &peer, c.now));
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_BLOCK], 2);
        core_done(&c);
}

/* Blocked while its stream was being opened. */
static void test_race(void **state) {
        struct peer_id peer = core_peer(1, NULL);
        struct gossip_status status;
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        core_up(&c, 1);
        assert_true(gossip_block(c.g, &peer, "", NSEC_NEVER, c.now));
        gossip_stream_opened(c.g, &peer, PUBSUB_V1_2, c.now);
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_STREAM_CLOSE], 1);
        gossip_status(c.g, &status);
        assert_int_equal(status.streams, 0);
        core_done(&c);
}

/* A boot later: another monotonic clock, the same wall clock. */
static void test_restart(void **state) {
        struct peer_id timed = core_peer(1, NULL), forever = core_peer(2, NULL);
        struct gossip_blocked list[4];
        struct core_bench c, d;

        (void) state;
        core_init(&c, NULL);
        assert_true(gossip_block(c.g, &timed, "an hour", c.now + 3600 * NSEC_PER_SEC, c.now));
        assert_true(gossip_block(c.g, &forever, "", NSEC_NEVER, c.now));
        core_drain(&c);
        for (unsigned boot = 0; boot < 3; boot++) {
                core_init(&d, NULL);
                d.now = 5 * NSEC_PER_SEC;
                gossip_clock(d.g, d.now, CORE_WALL + (boot + 1) * 1000 * NSEC_PER_SEC);
                assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
                core_drain(&d);
                assert_int_equal(d.n[GOSSIP_BLOCK], 2);
                assert_int_equal(gossip_blocklist(d.g, list, 4), 2);
                assert_string_equal(list[0].reason, "an hour");
                assert_true(list[0].until == d.now + (3600 - (boot + 1) * 1000) * NSEC_PER_SEC);
                assert_true(list[1].until == NSEC_NEVER);
                /* `since` survives, although this boot began after it */
                assert_true(gossip_unblock(d.g, &forever, d.now));
                assert_true(gossip_block(d.g, &forever, "", NSEC_NEVER, d.now));
                core_drain(&d);
                refbuf_unref(c.stored);
                c.stored = refbuf_ref(d.stored);
                core_done(&d);
        }
        core_init(&d, NULL);
        gossip_clock(d.g, d.now, CORE_WALL + 3601 * NSEC_PER_SEC);
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        assert_int_equal(gossip_blocklist(d.g, list, 4), 1); /* over meanwhile */
        core_done(&d);
        core_done(&c);
}

static void test_since(void **state) {
        struct peer_id peer = core_peer(1, NULL), other = core_peer(2, NULL);
        CLEANUP(unpacked_donep) struct unpacked u = {};
        const Gossip__State *s;
        struct core_bench c, d;

        (void) state;
        core_init(&c, NULL);
        assert_true(gossip_block(c.g, &peer, "", NSEC_NEVER, c.now));
        core_drain(&c);
        core_init(&d, NULL);
        d.now = NSEC_PER_SEC;
        gossip_clock(d.g, d.now, CORE_WALL + 1000 * NSEC_PER_SEC);
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        assert_true(gossip_block(d.g, &other, "", NSEC_NEVER, d.now));
        core_drain(&d);
        assert_int_equal(wire_unpack(&gossip__state__descriptor, refbuf_bytes(d.stored), NULL, &u),
                         UNPACK_OK);
        s = u.message;
        assert_true(s->denied[0]->since_us == (int64_t) (CORE_WALL / 1000));
        core_done(&d);
        core_done(&c);
}

static void test_hostile_file(void **state) {
        Gossip__State s = GOSSIP__STATE__INIT;
        Gossip__DeniedPeer one = GOSSIP__DENIED_PEER__INIT, *list = &one;
        struct peer_id peer = core_peer(1, NULL);
        const int64_t instants[] = { INT64_MIN, -1, 0, INT64_MAX };

        (void) state;
        one.peer = (ProtobufCBinaryData){ peer.len, peer.bytes };
        s.denied = &list;
        s.n_denied = 1;
        s.sequence = INT64_MAX;
        for (unsigned i = 0; i < 16; i++) {
                CLEANUP(buffer_donep) struct buffer b = {};
                struct core_bench c;

                one.since_us = instants[i % 4];
                one.until_us = instants[i / 4];
                buffer_init(&b, 4096);
                wire_pack(&b, &s.base);
                core_init(&c, NULL);
                (void) gossip_restore(c.g, buffer_bytes(&b), c.now);
                gossip_start(c.g, c.now);
                core_run(&c, 20 * NSEC_PER_SEC);
                core_done(&c);
        }
}

static void test_ends(void **state) {
        struct peer_id peer = core_peer(1, NULL);
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        assert_true(gossip_block(c.g, &peer, "", c.now + 10 * NSEC_PER_SEC, c.now));
        core_run(&c, 9 * NSEC_PER_SEC);
        assert_true(gossip_is_blocked(c.g, &peer));
        core_run(&c, 2 * NSEC_PER_SEC);
        assert_false(gossip_is_blocked(c.g, &peer));
        assert_int_equal(c.n[GOSSIP_STORE], 2);
        core_done(&c);
}

/* dht is given the whole list each time: once, however many end at the same time. */
static void test_end_together(void **state) {
        struct core_bench c;

        core_init(&c, NULL);
        for (unsigned i = 0; i < 100; i++) {
                struct peer_id peer = core_peer(i, NULL);

                assert_true(gossip_block(c.g, &peer, "", c.now + 10 * NSEC_PER_SEC, c.now));
                core_drain(&c);
        }
        assert_int_equal(c.n[GOSSIP_DENY], 100); /* each was answered */
        core_forget(&c);
        core_run(&c, 11 * NSEC_PER_SEC);
        assert_int_equal(c.n[GOSSIP_BLOCK], 100);
        assert_int_equal(c.n[GOSSIP_DENY], 1);
        core_done(&c);
}

static void test_full(void **state) {
        struct core_bench c;
        struct peer_id peer;

        (void) state;
        core_init(&c, NULL);
        for (unsigned i = 0; i < 200; i++) {
                peer = core_peer(i, NULL);
                assert_true(
                        gossip_block(c.g, &peer,
                                     "a reason that is longer than one hundred and twenty-eight "
                                     "bytes and is cut, so that nobody can make our state file "
                                     "as long as the reason of a block",
                                     NSEC_NEVER, c.now));
        }
        core_drain(&c);
        assert_true(c.stored->len < 200 * 256);
        core_done(&c);
}

/* ---- revoked by their owners ---- */

static void put_revocation(struct buffer *b, unsigned about, unsigned signer) {
        struct keychange c = { .kind = KEYCHANGE_REVOCATION, .peer = core_peer(about, NULL) };
        struct sign_secret secret;
        struct signature s;

        (void) core_peer(signer, &secret);
        buffer_clear(b);
        assert_int_equal(keychange_encode(&c, b), KEYCHANGE_OK);
        s = sign_make(&secret, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&s));
}

static void test_revoked(void **state) {
        struct peer_id peer = core_peer(1, NULL);
        CLEANUP(buffer_donep) struct buffer b = {};
        struct gossip_blocked list[4];
        struct core_bench c, d;

        (void) state;
        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        core_init(&c, NULL);
        core_up(&c, 1);
        core_forget(&c);
        put_revocation(&b, 1, 2); /* by somebody else */
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        assert_false(gossip_is_blocked(c.g, &peer));
        put_revocation(&b, 1, 1);
        assert_true(gossip_block(c.g, &peer, "an hour", c.now + 3600 * NSEC_PER_SEC, c.now));
        assert_true(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        assert_true(gossip_revoked(c.g, buffer_bytes(&b), c.now)); /* again */
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_BLOCK], 2);
        assert_int_equal(c.n[GOSSIP_STORE], 2);
        core_init(&d, NULL);
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        assert_int_equal(gossip_blocklist(d.g, list, 4), 1);
        assert_string_equal(list[0].reason, "revoked by its owner");
        assert_true(list[0].until == NSEC_NEVER);
        core_drain(&d);
        core_forget(&d);
        assert_true(gossip_revoked(d.g, buffer_bytes(&b), d.now)); /* known: nothing to do */
        core_drain(&d);
        assert_int_equal(d.n[GOSSIP_STORE], 0);
        core_done(&c);
        core_done(&d);
}

static bool is_own_revoked(const struct core_bench *c) {
        struct gossip_status status;

        gossip_status(c->g, &status);
        return status.is_revoked;
}

/* This node does not block itself: it says so, once, and knows it in its next life; a life with
 * another key does not. */
static void test_revoked_own(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(refbuf_unrefp) struct refbuf *other = NULL;
        struct core_bench c, d;

        (void) state;
        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        core_init(&c, NULL);
        core_init(&d, NULL);
        put_revocation(&b, 9999, 1);
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        assert_false(is_own_revoked(&c));
        put_revocation(&b, 9999, 9999);
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        assert_false(gossip_revoked(c.g, buffer_bytes(&b), c.now));
        core_drain(&c);
        assert_int_equal(c.n[GOSSIP_BLOCK], 0);
        assert_int_equal(c.n[GOSSIP_STORE], 1);
        assert_int_equal(c.n[GOSSIP_EVENT], 1);
        assert_true(is_own_revoked(&c));
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        assert_true(is_own_revoked(&d));
        other = refbuf_new(refbuf_bytes(c.stored));
        ((uint8_t *) refbuf_bytes(other).data)[other->len - 1] ^= 1;
        assert_true(gossip_restore(d.g, refbuf_bytes(other), d.now));
        assert_false(is_own_revoked(&d));
        core_done(&c);
        core_done(&d);
}

static unsigned revoke_keys(struct core_bench *c, unsigned first, unsigned n) {
        CLEANUP(buffer_donep) struct buffer b = {};
        unsigned n_taken = 0;

        buffer_init(&b, KEYCHANGE_BYTES_MAX);
        for (unsigned i = first; i < first + n; i++) {
                put_revocation(&b, i, i);
                n_taken += gossip_revoked(c->g, buffer_bytes(&b), c->now);
                core_drain(c);
        }
        return n_taken;
}

static unsigned count_blocked(const struct core_bench *c, unsigned first, unsigned n) {
        unsigned n_blocked = 0;

        for (unsigned i = first; i < first + n; i++) {
                struct peer_id peer = core_peer(i, NULL);

                n_blocked += gossip_is_blocked(c->g, &peer);
        }
        return n_blocked;
}

/* Any number of keys can be made and revoked: they fill a part of the list, and who is known
 * finds a place all the same. */
static void test_revoked_strangers(void **state) {
        struct core_bench c;

        (void) state;
        core_init(&c, NULL);
        core_up(&c, 5000);
        assert_int_equal(revoke_keys(&c, 5000, 1), 1); /* known: none of the strangers' places */
        assert_int_equal(revoke_keys(&c, 0, 1024), 1024);
        core_up(&c, 5001);
        assert_int_equal(revoke_keys(&c, 5001, 1), 1);
        assert_int_equal(count_blocked(&c, 0, 1024), 1024);
        assert_int_equal(count_blocked(&c, 5000, 2), 2);
        assert_int_equal(core_counter(&c, "revoked"), 1026);
        core_done(&c);
}

/* Whoever fills the strangers' places keeps nobody out: a secret rank decides, so those who come
 * later have as good a chance, in the next life as well; a block by a person stays. */
static void test_strangers_share(void **state) {
        struct peer_id chosen = core_peer(3, NULL);
        struct core_bench c, d;
        unsigned later;

        (void) state;
        core_init(&c, NULL);
        assert_int_equal(revoke_keys(&c, 0, 1024), 1024);
        assert_true(gossip_block(c.g, &chosen, "I know him", NSEC_NEVER, c.now));
        assert_int_equal(revoke_keys(&c, 2000, 1), 1); /* its place among the strangers' */
        (void) revoke_keys(&c, 3000, 1024);
        later = count_blocked(&c, 3000, 1024);
        assert_in_range(later, 400, 620); /* half of 2,048 stay: 512, give or take */
        assert_int_equal(count_blocked(&c, 0, 1024) + count_blocked(&c, 2000, 1) + later, 1025);
        assert_true(gossip_is_blocked(c.g, &chosen));
        assert_int_equal(core_counter(&c, "revoked_replaced") + core_counter(&c, "revoked_refused"),
                         1024);
        core_init(&d, NULL);
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        (void) revoke_keys(&d, 6000, 1024);
        assert_true(count_blocked(&d, 6000, 1024) > 200);
        assert_true(gossip_is_blocked(d.g, &chosen));
        core_done(&c);
        core_done(&d);
}

/* To be connected for a moment costs nothing: keys without work find no place by it. Who has the
 * work does, and whom a person blocked has one already. */
static void test_revoked_without_work(void **state) {
        unsigned n_kept = 0, n_work = 0, chosen = 0;
        struct gossip_config config;
        struct core_bench c;
        struct peer_id p;

        gossip_config_default(&config);
        config.pow_bits = 6;
        core_init(&c, &config);
        for (unsigned i = 0; i < 500; i++) {
                struct sign_public key;
                bool has_work;

                p = core_peer(i, NULL);
                has_work = peer_id_ed25519(&p, &key) && identity_work(&key) >= 6;
                core_up(&c, i);
                n_kept += revoke_keys(&c, i, 1);
                n_work += has_work;
                assert_true(gossip_is_blocked(c.g, &p) == has_work);
                chosen = has_work ? chosen : i;
                gossip_peer_down(c.g, &p, c.now);
                core_drain(&c);
        }
        assert_int_equal(n_kept, n_work);
        assert_in_range(n_work, 1, 100);
        p = core_peer(chosen, NULL);
        assert_true(gossip_block(c.g, &p, "I know him", NSEC_NEVER, c.now));
        assert_int_equal(revoke_keys(&c, chosen, 1), 1);
        core_done(&c);
}

static unsigned revoke_connected(struct core_bench *c, unsigned first, unsigned n) {
        unsigned n_taken = 0;

        for (unsigned i = first; i < first + n; i++) {
                struct peer_id p = core_peer(i, NULL);

                core_up(c, i);
                n_taken += revoke_keys(c, i, 1);
                gossip_peer_down(c->g, &p, c->now);
                core_drain(c);
        }
        return n_taken;
}

/* Nor does whoever fills the places of those that are met, in the next life as well. Of 3,072 two
 * thirds stay, and without the places of the met half of the last thousand would. */
static void test_met_share(void **state) {
        struct peer_id chosen = core_peer(3, NULL);
        struct core_bench c, d;

        core_init(&c, NULL);
        assert_int_equal(revoke_connected(&c, 0, 2048), 2048);
        assert_true(gossip_block(c.g, &chosen, "I know him", NSEC_NEVER, c.now));
        assert_int_equal(revoke_connected(&c, 3000, 1), 1);
        (void) revoke_connected(&c, 4000, 1024);
        assert_in_range(count_blocked(&c, 4000, 1024), 640, 900);
        assert_int_equal(count_blocked(&c, 0, 2048) + count_blocked(&c, 3000, 1) +
                                 count_blocked(&c, 4000, 1024),
                         2049);
        assert_true(gossip_is_blocked(c.g, &chosen));
        core_init(&d, NULL);
        assert_true(gossip_restore(d.g, refbuf_bytes(c.stored), d.now));
        (void) revoke_connected(&d, 6000, 1024);
        assert_in_range(count_blocked(&d, 6000, 1024), 400, 900);
        assert_true(gossip_is_blocked(d.g, &chosen));
        core_done(&c);
        core_done(&d);
}

TEST_MAIN(cmocka_unit_test(test_at_once), cmocka_unit_test(test_race),
          cmocka_unit_test(test_restart), cmocka_unit_test(test_since),
          cmocka_unit_test(test_hostile_file), cmocka_unit_test(test_ends),
          cmocka_unit_test(test_end_together), cmocka_unit_test(test_full),
          cmocka_unit_test(test_revoked), cmocka_unit_test(test_revoked_own),
          cmocka_unit_test(test_revoked_strangers), cmocka_unit_test(test_strangers_share),
          cmocka_unit_test(test_revoked_without_work), cmocka_unit_test(test_met_share))
