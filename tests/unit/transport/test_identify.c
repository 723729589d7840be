#include "common/crypto/sign.h"
#include "common/wire/envelope.h"
#include "common/wire/frame.h"
#include "services/transport/identify.h"
#include "tests/support/test.h"

/* A node that talks about itself. */
struct speaker {
        struct sign_secret secret;
        struct identify_self self;
        struct peer_id id;
        struct multiaddr listen[40];
        struct buffer record, out;
};

static const char *const names[] = { "/ipfs/id/1.0.0", "/quorate/job/1" };

static struct multiaddr numbered(unsigned n) {
        struct multiaddr a;
        char text[64];

        (void) snprintf(text, sizeof(text), "/ip4/10.0.0.1/udp/%u/quic-v1", n);
        assert_int_equal(multiaddr_from_text(BYTES_STR(text), &a), MULTIADDR_OK);
        return a;
}

static void speaker_init(struct speaker *s, uint8_t number) {
        uint8_t seed[SIGN_SEED_SIZE] = { number };

        *s = (struct speaker){ .self = { .n_listen = 2,
                                         .protocols = names,
                                         .n_protocols = 2,
                                         .agent = "quorate/test" } };
        for (unsigned i = 0; i < ELEMENTSOF(s->listen); i++)
                s->listen[i] = numbered(100 + i);
        s->self.listen = s->listen;
        sign_keypair(seed, &s->secret, &s->self.key);
        s->id = peer_id_from_ed25519(&s->self.key);
        buffer_init(&s->record, 16384);
        buffer_init(&s->out, 16384);
}

static void speaker_done(struct speaker *s) {
        buffer_done(&s->record);
        buffer_done(&s->out);
}

static void speaker_sign(struct speaker *s, const struct peer_id *as, unsigned port) {
        struct peer_record record = { .peer = *as, .seq = 42, .n_addrs = 1 };
        struct buffer payload, statement;
        struct signature signature;

        record.addrs[0] = numbered(port);
        buffer_init(&payload, 4096);
        buffer_init(&statement, 4096);
        peer_record_put(&payload, &record);
        envelope_put_signed(&statement, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE,
                            buffer_bytes(&payload));
        signature = sign_make(&s->secret, buffer_bytes(&statement));
        envelope_put(&s->record, &s->self.key, PEER_RECORD_TYPE, buffer_bytes(&payload),
                     &signature);
        s->self.record = buffer_bytes(&s->record);
        buffer_done(&payload);
        buffer_done(&statement);
}

static int hear(struct identify *id, struct speaker *s, const struct peer_id *from) {
        struct bytes in, message;
        struct frame_reader r;
        int result;

        buffer_clear(&s->out);
        identify_put(&s->out, &s->self, &s->listen[3]);
        assert_false(s->out.failed);
        in = buffer_bytes(&s->out);
        frame_reader_init(&r, IDENTIFY_MESSAGE_MAX);
        assert_int_equal(frame_reader_next(&r, &in, &message), FRAME_OK);
        result = identify_add(id, message, from);
        frame_reader_done(&r);
        return result;
}

static void test_round_trip(void **state) {
        struct identify id;
        struct speaker s;

        speaker_init(&s, 1);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_string_equal(id.agent, "quorate/test");
        assert_int_equal(id.n_protocols, 2);
        assert_string_equal(identify_protocol(&id, 1), "/quorate/job/1");
        assert_int_equal(id.n_addrs, 2);
        assert_true(multiaddr_equal(&id.addrs[1], &s.listen[1]));
        assert_true(id.has_observed && multiaddr_equal(&id.observed, &s.listen[3]));
        speaker_done(&s);
}

static void test_signed_addresses_win(void **state) {
        struct identify id;
        struct speaker s;
        struct multiaddr want = numbered(9);

        speaker_init(&s, 1);
        speaker_sign(&s, &s.id, 9);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.record_seq, 42);
        assert_int_equal(id.n_addrs, 1);
        assert_true(multiaddr_equal(&id.addrs[0], &want));

        s.self.record = BYTES_NONE;
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.n_addrs, 1);
        speaker_done(&s);
}

static void test_false_records_are_ignored(void **state) {
        struct speaker s, other;
        struct identify id;

        speaker_init(&s, 1);
        speaker_init(&other, 2);
        speaker_sign(&s, &other.id, 9);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.record_seq, 0);
        assert_int_equal(id.n_skipped, 1);
        assert_int_equal(id.n_addrs, 2);

        buffer_clear(&s.record);
        speaker_sign(&s, &s.id, 9);
        s.record.data[s.record.len - 1] ^= 1;
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.record_seq, 0);
        assert_int_equal(id.n_skipped, 1);
        speaker_done(&s);
        speaker_done(&other);
}

static void test_key_of_somebody_else(void **state) {
        struct speaker s, other;
        struct identify id;

        speaker_init(&s, 1);
        speaker_init(&other, 2);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &other.id), IDENTIFY_E_KEY);
        speaker_done(&s);
        speaker_done(&other);
}

static void test_messages_are_merged_and_counted(void **state) {
        struct identify id;
        struct speaker s;

        speaker_init(&s, 1);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        s.self.listen = s.listen + 1;
        s.self.n_protocols = 0;
        for (int i = 1; i < IDENTIFY_MESSAGES_MAX; i++)
                assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.n_addrs, 3);
        assert_int_equal(id.n_protocols, 2);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_E_TOO_MANY);
        speaker_done(&s);
}

static void test_too_many_addresses_are_cut(void **state) {
        struct identify id;
        struct speaker s;

        speaker_init(&s, 1);
        s.self.n_listen = ELEMENTSOF(s.listen);
        identify_init(&id);
        assert_int_equal(hear(&id, &s, &s.id), IDENTIFY_OK);
        assert_int_equal(id.n_addrs, IDENTIFY_ADDRS_MAX);
        assert_int_equal(id.n_skipped, ELEMENTSOF(s.listen) - IDENTIFY_ADDRS_MAX);
        speaker_done(&s);
}

static void test_what_does_not_fit_is_not_sent(void **state) {
        const char *many[200];
        struct speaker s;
        char name[101];

        memset(name, 'x', 100);
        name[100] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = name;
        speaker_init(&s, 1);
        s.self.protocols = many;
        s.self.n_protocols = ELEMENTSOF(many);
        identify_put(&s.out, &s.self, NULL);
        assert_true(s.out.failed);
        speaker_done(&s);
}

TEST_MAIN(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_signed_addresses_win),
          cmocka_unit_test(test_false_records_are_ignored),
          cmocka_unit_test(test_key_of_somebody_else),
          cmocka_unit_test(test_messages_are_merged_and_counted),
          cmocka_unit_test(test_too_many_addresses_are_cut),
          cmocka_unit_test(test_what_does_not_fit_is_not_sent))
