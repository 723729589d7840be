#include "services/transport/select.h"
#include "tests/support/test.h"

#define HELLO "\x13/multistream/1.0.0\n"
#define PING  "\x11/ipfs/ping/1.0.0\n"
#define ID    "\x0f/ipfs/id/1.0.0\n"
#define NA    "\x03na\n"

static bool serves_ping(void *userdata, struct bytes name) {
        return bytes_equal(name, BYTES_LIT("/ipfs/ping/1.0.0"));
}

static const char *const wanted[] = { "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0" };

static const struct {
        const char *name;
        struct bytes in;
        int want;
        struct bytes reply, rest;
} responder_cases[] = {
        { "header and proposal", BYTES_LIT(HELLO PING), SELECT_AGREED, BYTES_LIT(HELLO PING), {} },
        { "what follows is left", BYTES_LIT(HELLO PING "12"), SELECT_AGREED, BYTES_LIT(HELLO PING),
          BYTES_LIT("12") },
        { "second proposal",
          BYTES_LIT(HELLO ID PING),
          SELECT_AGREED,
          BYTES_LIT(HELLO NA PING),
          {} },
        { "header alone", BYTES_LIT(HELLO), SELECT_MORE, BYTES_LIT(HELLO), {} },
        { "ls is not served", BYTES_LIT(HELLO "\x03ls\n"), SELECT_MORE, BYTES_LIT(HELLO NA), {} },
        { "no header", BYTES_LIT(PING), SELECT_E_INVALID, BYTES_LIT(HELLO), {} },
        { "other version",
          BYTES_LIT("\x13/multistream/2.0.0\n"),
          SELECT_E_INVALID,
          BYTES_LIT(HELLO),
          {} },
        { "no newline", BYTES_LIT(HELLO "\x02na"), SELECT_E_INVALID, BYTES_LIT(HELLO), {} },
        { "empty message", BYTES_LIT(HELLO "\x00"), SELECT_E_INVALID, BYTES_LIT(HELLO), {} },
        { "1,025 bytes announced",
          BYTES_LIT(HELLO "\x81\x08"),
          SELECT_E_INVALID,
          BYTES_LIT(HELLO),
          {} },
        { "length not minimal",
          BYTES_LIT(HELLO "\x83\x00na\n"),
          SELECT_E_INVALID,
          BYTES_LIT(HELLO),
          {} },
};

static void test_responder(void **state) {
        FOREACH_CASE (c, responder_cases) {
                struct bytes in = c->in;
                struct buffer out;
                struct select s;

                print_message("# %s\n", c->name);
                buffer_init(&out, 4096);
                select_init_responder(&s, serves_ping, NULL, &out);
                assert_int_equal(select_input(&s, &in, &out), c->want);
                assert_bytes_equal(buffer_bytes(&out), c->reply);
                if (c->want != SELECT_E_INVALID)
                        assert_bytes_equal(in, c->rest);
                select_done(&s);
                buffer_done(&out);
        }
}

static const struct {
        const char *name;
        struct bytes in;
        bool optimistic;
        int want;
        struct bytes sent;
} initiator_cases[] = {
        { "accepted", BYTES_LIT(HELLO ID), false, SELECT_AGREED, BYTES_LIT(HELLO ID) },
        { "refused, then accepted", BYTES_LIT(HELLO NA PING), false, SELECT_AGREED,
          BYTES_LIT(HELLO ID PING) },
        { "both refused", BYTES_LIT(HELLO NA NA), false, SELECT_E_NONE, BYTES_LIT(HELLO ID PING) },
        { "optimism is punished", BYTES_LIT(HELLO NA), true, SELECT_E_NONE, BYTES_LIT(HELLO ID) },
        { "echo of something else", BYTES_LIT(HELLO PING), false, SELECT_E_INVALID,
          BYTES_LIT(HELLO ID) },
        { "echo before the header", BYTES_LIT(ID), false, SELECT_E_INVALID, BYTES_LIT(HELLO ID) },
};

static void test_initiator(void **state) {
        FOREACH_CASE (c, initiator_cases) {
                struct bytes in = c->in;
                struct buffer out;
                struct select s;

                print_message("# %s\n", c->name);
                buffer_init(&out, 4096);
                select_init_initiator(&s, wanted, 2, c->optimistic, &out);
                assert_int_equal(select_input(&s, &in, &out), c->want);
                assert_bytes_equal(buffer_bytes(&out), c->sent);
                select_done(&s);
                buffer_done(&out);
        }
}

/* Each side hears the other one byte at a time and keeps what is not its own. */
static void test_byte_by_byte(void **state) {
        struct buffer to_responder, to_initiator;
        struct select initiator, responder;
        size_t heard_i = 0, heard_r = 0;
        int ri = SELECT_MORE, rr = SELECT_MORE;

        buffer_init(&to_responder, 4096);
        buffer_init(&to_initiator, 4096);
        select_init_initiator(&initiator, wanted, 2, false, &to_responder);
        select_init_responder(&responder, serves_ping, NULL, &to_initiator);
        while (ri == SELECT_MORE || rr == SELECT_MORE) {
                struct bytes one;

                assert_true(heard_i < to_initiator.len || heard_r < to_responder.len);
                if (heard_r < to_responder.len) {
                        one = BYTES(to_responder.data + heard_r++, 1);
                        rr = select_input(&responder, &one, &to_initiator);
                }
                if (heard_i < to_initiator.len) {
                        one = BYTES(to_initiator.data + heard_i++, 1);
                        ri = select_input(&initiator, &one, &to_responder);
                }
        }
        assert_int_equal(ri, SELECT_AGREED);
        assert_int_equal(rr, SELECT_AGREED);
        assert_string_equal(select_protocol(&initiator), "/ipfs/ping/1.0.0");
        assert_string_equal(select_protocol(&responder), "/ipfs/ping/1.0.0");
        select_done(&initiator);
        select_done(&responder);
        buffer_done(&to_responder);
        buffer_done(&to_initiator);
}

static void test_proposals_are_counted(void **state) {
        struct bytes in = BYTES_LIT(HELLO);
        struct buffer out;
        struct select s;

        buffer_init(&out, 4096);
        select_init_responder(&s, serves_ping, NULL, &out);
        assert_int_equal(select_input(&s, &in, &out), SELECT_MORE);
        for (int i = 1; i < SELECT_PROPOSALS_MAX; i++) {
                in = BYTES_LIT(ID);
                assert_int_equal(select_input(&s, &in, &out), SELECT_MORE);
        }
        in = BYTES_LIT(ID PING);
        assert_int_equal(select_input(&s, &in, &out), SELECT_E_INVALID);
        select_done(&s);
        buffer_done(&out);
}

TEST_MAIN(cmocka_unit_test(test_responder), cmocka_unit_test(test_initiator),
          cmocka_unit_test(test_byte_by_byte), cmocka_unit_test(test_proposals_are_counted))
