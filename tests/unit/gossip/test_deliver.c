#include "tests/unit/gossip/bench.h"

#include "common/base/text.h"
#include "common/wire/varint.h"
#include "services/gossip/score.h"
#include "tests/unit/gossip/vectors/vectors.h"

static void begin(struct bench *b, unsigned n) {
        bench_init(b, NULL);
        assert_int_equal(pubsub_subscribe(b->p, TOPIC, NULL, b->now), PUBSUB_OK);
        for (unsigned i = 0; i < n; i++)
                bench_join(b, i);
        bench_forget(b);
}

static unsigned forwarded(const struct bench *b) {
        unsigned sum = 0;

        for (unsigned i = 0; i < BENCH_PEERS; i++)
                sum += b->sent[i].messages;
        return sum;
}

static void deliver_hex(struct bench *b, unsigned from, const char *text) {
        CLEANUP(refbuf_unrefp) struct refbuf *m = refbuf_alloc(strlen(text) / 2);

        assert_true(hex_decode(text, m->data, m->len));
        bench_deliver(b, from, m);
}

/* Messages of another implementation, with and without the key field. */
static void test_foreign_forms(void **state) {
        const char *const good[] = { HEX_MESSAGE_PLAIN, HEX_MESSAGE_WITH_KEY,
                                     HEX_MESSAGE_KEY_SIGNED, HEX_MESSAGE_UNKNOWN_FIELD };

        (void) state;
        FOREACH_CASE (c, good) {
                struct bench b;

                begin(&b, 3);
                deliver_hex(&b, 0, *c);
                assert_int_equal(b.n_delivered, 1);
                bench_run(&b, 200 * NSEC_PER_MSEC);
                assert_int_equal(forwarded(&b), 2);
                assert_true(pubsub_score(b.p, &b.peers[0]) > 0);
                bench_done(&b);
        }
}

static void test_strict_sign(void **state) {
        const char *const bad[] = { HEX_MESSAGE_FORGED,     HEX_MESSAGE_OTHER_KEY,
                                    HEX_MESSAGE_UNSIGNED,   HEX_MESSAGE_NO_AUTHOR,
                                    HEX_MESSAGE_NO_SEQNO,   HEX_MESSAGE_SHORT_SEQNO,
                                    HEX_MESSAGE_SHA_AUTHOR, HEX_MESSAGE_SHORT_SIGNATURE };

        (void) state;
        FOREACH_CASE (c, bad) {
                struct bench b;

                begin(&b, 3);
                deliver_hex(&b, 0, *c);
                assert_int_equal(b.n_delivered, 0);
                assert_int_equal(bench_counter(&b, "bad_signature"), 1);
                assert_true(pubsub_score(b.p, &b.peers[0]) < -80); /* P4 */
                deliver_hex(&b, 1, HEX_MESSAGE_PLAIN); /* the true one is not kept away */
                assert_int_equal(b.n_delivered, 1);
                bench_run(&b, 2 * NSEC_PER_SEC);
                assert_false(pubsub_in_mesh(b.p, TOPIC, &b.peers[0]));
                assert_int_equal(b.sent[2].messages, 1);
                bench_done(&b);
        }
}

static void test_duplicates(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *m = NULL;
        struct bench b;

        (void) state;
        begin(&b, 4);
        m = bench_message(&b, 0, 0, BYTES_LIT("news"), TOPIC);
        for (unsigned i = 0; i < 4; i++)
                bench_deliver(&b, i, m);
        assert_int_equal(b.n_delivered, 1);
        assert_int_equal(bench_counter(&b, "duplicates"), 3);
        assert_int_equal(bench_counter(&b, "signatures_checked"), 1);
        bench_run(&b, 121 * NSEC_PER_SEC);
        bench_deliver(&b, 0, m); /* forgotten: judged anew */
        assert_int_equal(b.n_delivered, 2);
        bench_done(&b);
}

/* An id is a hash of the data: whoever copies it and signs it himself is rejected by the
 * validator, and the author's message is delivered nevertheless. */
static void test_copied_data(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *copy = NULL, *real = NULL;
        struct bench b;

        (void) state;
        begin(&b, 4);
        copy = bench_message(&b, 3, 3, BYTES_LIT("offer of peer 0"), TOPIC);
        real = bench_message(&b, 0, 0, BYTES_LIT("offer of peer 0"), TOPIC);
        b.verdict = PUBSUB_REJECT;
        bench_deliver(&b, 3, copy);
        b.verdict = PUBSUB_ACCEPT;
        bench_deliver(&b, 1, real);
        assert_int_equal(b.n_delivered, 2);
        assert_true(peer_id_equal(&b.delivered_author, &b.peers[0]));
        bench_run(&b, 200 * NSEC_PER_MSEC);
        assert_int_equal(b.sent[2].messages, 1);
        bench_done(&b);
}

/* The same while the copy waits for its verdict: who sent the true one does not fall with it. */
static void test_copy_waits(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *copy = NULL, *real = NULL;
        struct bench b;

        (void) state;
        begin(&b, 4);
        copy = bench_message(&b, 3, 3, BYTES_LIT("offer of peer 0"), TOPIC);
        real = bench_message(&b, 0, 0, BYTES_LIT("offer of peer 0"), TOPIC);
        b.holds_verdicts = true;
        bench_deliver(&b, 3, copy);
        bench_deliver(&b, 2, copy);
        bench_deliver(&b, 1, real);
        pubsub_validated(b.p, b.held, PUBSUB_REJECT, b.now);
        pubsub_validated(b.p, b.held, PUBSUB_REJECT, b.now);
        assert_true(pubsub_score(b.p, &b.peers[3]) < -80);
        assert_true(pubsub_score(b.p, &b.peers[2]) < -80);
        assert_true(pubsub_score(b.p, &b.peers[1]) >= 0);
        b.holds_verdicts = false;
        bench_deliver(&b, 1, real);
        assert_int_equal(b.n_delivered, 2);
        bench_done(&b);
}

/* However often somebody repeats it while it waits, he stands for one: he is blamed once for what
 * is wrong, hides nobody else who sent it, and earns no more by it than others. */
static void test_repeated(void **state) {
        static const struct {
                const char *name;
                enum pubsub_verdict verdict;
                double best; /* score, of who sent it once and of who did 100 times */
        } cases[] = { { "a wrong one", PUBSUB_REJECT, -80 }, { "a right one", PUBSUB_ACCEPT, -1 } };

        FOREACH_CASE (k, cases) {
                CLEANUP(refbuf_unrefp) struct refbuf *message = NULL;
                struct pubsub_topic_params params;
                struct score_params score;
                struct bench b;

                score_params_default(&score);
                params = score.topic;
                params.deficit_weight = params.failure_weight = -1;
                params.deficit_threshold = 20;
                params.deficit_activation = 0;
                bench_init(&b, NULL);
                assert_int_equal(pubsub_subscribe(b.p, TOPIC, &params, b.now), PUBSUB_OK);
                for (unsigned i = 0; i < 4; i++)
                        bench_join(&b, i);
                message = bench_message(&b, 0, 0, BYTES_LIT("offer of peer 0"), TOPIC);
                b.holds_verdicts = true;
                bench_deliver(&b, 1, message);
                for (unsigned i = 0; i < 100; i++)
                        bench_deliver(&b, 2, message);
                bench_deliver(&b, 3, message);
                pubsub_validated(b.p, b.held, k->verdict, b.now);
                bench_run(&b, 2 * NSEC_PER_SEC);
                assert_true(pubsub_score(b.p, &b.peers[2]) == pubsub_score(b.p, &b.peers[3]));
                assert_true(pubsub_score(b.p, &b.peers[3]) < k->best);
                bench_done(&b);
        }
}

static void test_ignored(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3);
        b.verdict = PUBSUB_IGNORE;
        (void) bench_say(&b, 0, 1, 10);
        bench_run(&b, 200 * NSEC_PER_MSEC);
        assert_int_equal(forwarded(&b), 0);
        assert_true(pubsub_score(b.p, &b.peers[0]) >= 0);
        assert_int_equal(bench_counter(&b, "ignored"), 1);
        bench_done(&b);
}

static void test_invalid_messages(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3);
        bench_run(&b, 400 * NSEC_PER_SEC);
        for (unsigned i = 0; i < 20; i++)
                (void) bench_say(&b, 0, i, 10);
        b.verdict = PUBSUB_REJECT;
        (void) bench_say(&b, 0, 100, 10);
        bench_run(&b, 2 * NSEC_PER_SEC);
        assert_false(pubsub_in_mesh(b.p, TOPIC, &b.peers[0]));
        assert_true(pubsub_in_mesh(b.p, TOPIC, &b.peers[1]));
        (void) bench_say(&b, 0, 101, 10);
        assert_true(bench_counter(&b, "graylisted") > 0);
        bench_done(&b);
}

static void test_own_echo(void **state) {
        CLEANUP(buffer_donep) struct buffer raw = {}, form = {};
        struct signature s;
        struct rpc_writer w;
        struct bench b;

        (void) state;
        begin(&b, 2);
        buffer_init(&raw, 4096);
        buffer_init(&form, 4096);
        message_put(&raw, &b.self, BYTES_LIT("mine, of an earlier life"), 5, TOPIC);
        assert_true(message_put_signed(&form, buffer_bytes(&raw), false));
        s = sign_make(&b.own, buffer_bytes(&form));
        message_put_signature(&raw, signature_bytes(&s));
        rpc_writer_init(&w);
        rpc_put_message(&w, buffer_bytes(&raw));
        bench_send(&b, 0, &w);
        assert_int_equal(b.n_delivered, 0);
        assert_true(pubsub_score(b.p, &b.peers[0]) >= 0);
        bench_done(&b);
}

static void test_signature_budget(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3);
        b.verdict = PUBSUB_IGNORE;
        for (unsigned i = 0; i < 1100; i++)
                (void) bench_say(&b, 0, i, 10);
        assert_int_equal(bench_counter(&b, "signatures_checked"), 1024);
        assert_int_equal(bench_counter(&b, "signature_over_budget"), 76);
        (void) bench_say(&b, 1, 5000, 10); /* another's budget is its own */
        assert_int_equal(bench_counter(&b, "signatures_checked"), 1025);
        bench_done(&b);
}

static void test_pending_is_bounded(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3);
        b.holds_verdicts = true;
        for (unsigned i = 0; i < 200; i++)
                (void) bench_say(&b, i % 3, i, 60 * 1024);
        assert_true(bench_counter(&b, "pending_drops") > 0);
        assert_int_equal(bench_counter(&b, "delivered"), b.n_delivered);
        assert_true(b.n_delivered <= 8 * 1024 / 60);
        bench_done(&b); /* with all of them waiting */
}

/* ---- Publishing ---- */

static void test_publish(void **state) {
        static uint8_t big[PUBSUB_MESSAGE_MAX + 1];
        struct bench b;

        (void) state;
        begin(&b, 3);
        assert_int_equal(pubsub_publish(b.p, 1, TOPIC, BYTES_LIT("one"), b.now), PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(b.n_published, 1);
        assert_int_equal(b.published_to, 3);
        assert_int_equal(forwarded(&b), 3);
        assert_int_equal(pubsub_publish(b.p, 2, TOPIC, BYTES_LIT("one"), b.now),
                         PUBSUB_E_DUPLICATE);
        assert_int_equal(pubsub_publish(b.p, 2, TOPIC, BYTES_OF(big), b.now), PUBSUB_E_TOO_BIG);
        assert_int_equal(pubsub_publish(b.p, 2, "", BYTES_LIT("two"), b.now), PUBSUB_E_TOPIC);
        assert_int_equal(pubsub_publish(b.p, 2, "\xff\xfe", BYTES_LIT("two"), b.now),
                         PUBSUB_E_TOPIC);
        assert_int_equal(pubsub_publish(b.p, 2, TOPIC, BYTES(big, PUBSUB_MESSAGE_MAX), b.now),
                         PUBSUB_OK);
        bench_drain(&b);
        assert_int_equal(b.n_published, 2);
        bench_done(&b);
}

static void test_signing_fails(void **state) {
        struct bench b;

        (void) state;
        begin(&b, 3);
        b.holds_signatures = true;
        assert_int_equal(pubsub_publish(b.p, 1, TOPIC, BYTES_LIT("one"), b.now), PUBSUB_OK);
        bench_drain(&b);
        pubsub_sign_failed(b.p, b.to_sign, b.now);
        assert_int_equal(pubsub_publish(b.p, 2, TOPIC, BYTES_LIT("one"), b.now), PUBSUB_OK);
        bench_drain(&b);
        pubsub_signed(b.p, b.to_sign, BYTES_LIT("too short"), b.now); /* others would refuse it */
        bench_drain(&b);
        assert_int_equal(forwarded(&b), 0);
        for (unsigned i = 0; i < 64; i++) {
                uint8_t data[] = { (uint8_t) i, 1 };

                assert_int_equal(pubsub_publish(b.p, 10 + i, TOPIC, BYTES_OF(data), b.now),
                                 PUBSUB_OK);
        }
        assert_int_equal(pubsub_publish(b.p, 99, TOPIC, BYTES_LIT("x"), b.now), PUBSUB_E_FULL);
        pubsub_unsubscribe(b.p, TOPIC, b.now);
        bench_run(&b, 2 * NSEC_PER_SEC);
        bench_done(&b);
}

TEST_MAIN(cmocka_unit_test(test_foreign_forms), cmocka_unit_test(test_strict_sign),
          cmocka_unit_test(test_duplicates), cmocka_unit_test(test_copied_data),
          cmocka_unit_test(test_copy_waits), cmocka_unit_test(test_repeated),
          cmocka_unit_test(test_ignored), cmocka_unit_test(test_invalid_messages),
          cmocka_unit_test(test_own_echo), cmocka_unit_test(test_signature_budget),
          cmocka_unit_test(test_pending_is_bounded), cmocka_unit_test(test_publish),
          cmocka_unit_test(test_signing_fails))
