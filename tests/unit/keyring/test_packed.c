/* For whom packed bytes speak, by hand: what keyring signs without having packed it. */

#include "services/keyring/packed.h"

#include "tests/support/test.h"

#define MAX_FIELD 5

#define ME        "\x0a\x02me"
#define OTHER     "\x0a\x02ot"

#define B(text) \
        { (const uint8_t *) (text), sizeof(text) - 1 }

static const struct {
        const char *what;
        struct bytes message;
        bool speaks;
} cases[] = {
        { "the peer alone", B(ME), true },
        { "with a number, bytes and eight bytes",
          B(ME "\x10\x07\x1a\x01x\x21"
               "12345678"),
          true },
        { "a repeated field", B(ME "\x1a\x01x\x1a\x01y"), true },
        { "the last field", B(ME "\x28\x01"), true },
        { "nothing", B(""), false },
        { "another peer", B(OTHER), false },
        { "the peer's name cut", B("\x0a\x01m"), false },
        { "the peer's name and more", B("\x0a\x03mee"), false },
        { "the peer in another field", B("\x12\x02me"), false },
        { "the peer not first", B("\x10\x07" ME), false },
        /* Of a field that occurs twice every parser takes the last one. */
        { "another peer after it", B(ME OTHER), false },
        { "the same peer after it", B(ME ME), false },
        { "another peer at the end", B(ME "\x10\x07" OTHER), false },
        { "the peer's field as a number", B(ME "\x08\x01"), false },
        { "field 0", B(ME "\x02\x01x"), false },
        { "fields out of order", B(ME "\x1a\x01x\x10\x07"), false },
        { "a field it does not know", B(ME "\x30\x01"), false },
        { "a group", B(ME "\x13\x14"), false },
        { "four bytes",
          B(ME "\x15"
               "1234"),
          false },
        { "a number without end", B(ME "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false },
        { "bytes cut", B(ME "\x1a\x02x"), false },
        { "eight bytes cut",
          B(ME "\x21"
               "1234567"),
          false },
        { "a tag alone", B(ME "\x10"), false },
};

static void test_speaks_for(void **state) {
        FOREACH_CASE (c, cases) {
                print_message("# %s\n", c->what);
                assert_int_equal(packed_speaks_for(c->message, BYTES_LIT("me"), MAX_FIELD),
                                 c->speaks);
        }
}

TEST_MAIN(cmocka_unit_test(test_speaks_for))
