#include "common/wire/unpack.h"

#include "common/base/text.h"
#include "proto/libp2p/identify.pb-c.h"
#include "proto/libp2p/keys.pb-c.h"
#include "proto/libp2p/peer_record.pb-c.h"
#include "tests/support/test.h"

#define IDENTIFY (&identify__identify__descriptor)
#define RECORD   (&peer_record__peer_record__descriptor)
#define KEY      (&keys__public_key__descriptor)

static const struct unpack_limits tight = { .depth = 2, .fields = 8, .unknown = 1, .memory = 4096 };

static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *type;
        const char *hex;
        int result;
} cases[] = {
        { "empty", IDENTIFY, "", UNPACK_OK },
        { "agent", IDENTIFY, "3203616263", UNPACK_OK },
        { "three protocols", IDENTIFY, "1a01611a01621a0163", UNPACK_OK },
        { "one unknown field", IDENTIFY, "7a0161", UNPACK_OK },
        { "two unknown fields", IDENTIFY, "7a01617a0161", UNPACK_E_LIMIT },
        { "nine elements", IDENTIFY, "1a001a001a001a001a001a001a001a001a00", UNPACK_E_LIMIT },
        { "singular field twice", IDENTIFY, "3201613201", UNPACK_E_INVALID },
        { "singular field twice, whole", IDENTIFY, "320161320161", UNPACK_E_INVALID },
        { "varint where bytes belong", IDENTIFY, "3001", UNPACK_E_INVALID },
        { "cut off", IDENTIFY, "320361", UNPACK_E_INVALID },
        { "field 0", IDENTIFY, "020161", UNPACK_E_INVALID },
        { "group", IDENTIFY, "7b7c", UNPACK_E_INVALID },
        { "string is not UTF-8", IDENTIFY, "3201ff", UNPACK_E_INVALID },
        { "string with a zero", IDENTIFY, "32026100", UNPACK_E_INVALID },
        { "tag not minimal", IDENTIFY, "b2000161", UNPACK_E_INVALID },
        { "length past the end", IDENTIFY, "32ffffffffffffffff7f", UNPACK_E_INVALID },
        { "required fields", KEY, "08011201aa", UNPACK_OK },
        { "required field missing", KEY, "0801", UNPACK_E_INVALID },
        { "varint of eleven bytes", KEY, "08ffffffffffffffffffff011201aa", UNPACK_E_INVALID },
        { "nested", RECORD, "1a030a0161", UNPACK_OK },
        { "nested, broken inside", RECORD, "1a030a0261", UNPACK_E_INVALID },
        { "nested, twice inside", RECORD, "1a060a01610a0161", UNPACK_E_INVALID },
};

static void test_cases(void **state) {
        FOREACH_CASE (c, cases) {
                struct unpacked u = {};
                uint8_t in[64];
                size_t n = strlen(c->hex) / 2;

                print_message("# %s\n", c->name);
                assert_true(hex_decode(c->hex, in, n));
                assert_int_equal(wire_unpack(c->type, BYTES(in, n), &tight, &u), c->result);
                assert_int_equal(u.message != NULL, c->result == UNPACK_OK);
                unpacked_done(&u);
        }
}

static void test_depth(void **state) {
        const struct unpack_limits flat = { .depth = 1, .fields = 8, .unknown = 0, .memory = 4096 };
        struct unpacked u = {};

        assert_int_equal(wire_unpack(RECORD, BYTES_LIT("\x1a\0"), &flat, &u), UNPACK_E_LIMIT);
        assert_int_equal(wire_unpack(RECORD, BYTES_LIT("\x10\1"), &flat, &u), UNPACK_OK);
        unpacked_done(&u);
}

/* Two bytes of input per element must not buy kilobytes of memory. */
static void test_memory(void **state) {
        const struct unpack_limits limits = {
                .depth = 2, .fields = 100000, .unknown = 0, .memory = 64 * 1024
        };
        uint8_t in[2 * 4000];
        struct unpacked u = {};
        size_t memory = 0;

        for (size_t i = 0; i < sizeof(in); i += 2)
                memcpy(in + i, "\x1a\0", 2);
        assert_int_equal(wire_unpack(RECORD, BYTES_OF(in), &limits, &u), UNPACK_E_LIMIT);
        assert_int_equal(wire_unpack(RECORD, BYTES_OF(in), NULL, &u), UNPACK_OK);
        assert_int_equal(((PeerRecord__PeerRecord *) u.message)->n_addresses, 4000);
        assert_int_equal(wire_scan(RECORD, BYTES_OF(in), NULL, &memory), UNPACK_OK);
        assert_true(u.memory >= memory && u.memory < memory + 64);
        unpacked_done(&u);
        unpacked_done(&u);
}

static void test_round_trip(void **state) {
        Identify__Identify out = IDENTIFY__IDENTIFY__INIT;
        CLEANUP(unpacked_donep) struct unpacked u = {};
        CLEANUP(buffer_donep) struct buffer b = {};
        const Identify__Identify *in;
        char a[] = "/a/1", b2[] = "/b/2", agent[] = "quorate/0";
        char *protocols[] = { a, b2 };

        buffer_init(&b, 256);
        out.agentversion = agent;
        out.protocols = protocols;
        out.n_protocols = 2;
        wire_pack(&b, &out.base);
        assert_int_equal(wire_unpack(IDENTIFY, buffer_bytes(&b), NULL, &u), UNPACK_OK);
        in = u.message;
        assert_string_equal(in->agentversion, "quorate/0");
        assert_int_equal(in->n_protocols, 2);
        assert_string_equal(in->protocols[1], "/b/2");
        assert_null(in->protocolversion);
}

/* A message type that contains itself by way of another. */
static ProtobufCFieldDescriptor loop_field = { .name = "next",
                                               .id = 1,
                                               .type = PROTOBUF_C_TYPE_MESSAGE };
static ProtobufCFieldDescriptor outer_field = { .name = "in",
                                                .id = 1,
                                                .type = PROTOBUF_C_TYPE_MESSAGE };

static void test_recursive(void **state) {
        ProtobufCMessageDescriptor inner = { .n_fields = 1, .fields = &loop_field };
        ProtobufCMessageDescriptor outer = { .n_fields = 1, .fields = &outer_field };

        loop_field.descriptor = &outer;
        outer_field.descriptor = &inner;
        assert_true(wire_descriptor_is_recursive(&outer));
        assert_true(wire_descriptor_is_recursive(&inner));
        loop_field.descriptor = KEY;
        assert_false(wire_descriptor_is_recursive(&outer));
        assert_false(wire_descriptor_is_recursive(RECORD));
}

TEST_MAIN(cmocka_unit_test(test_cases), cmocka_unit_test(test_depth), cmocka_unit_test(test_memory),
          cmocka_unit_test(test_round_trip), cmocka_unit_test(test_recursive))
