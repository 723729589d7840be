#include "common/wire/varint.h"

#include "common/base/text.h"
#include "tests/support/test.h"

static const struct {
        const char *hex;
        int result;
        uint64_t value;
} cases[] = {
        { "00", VARINT_OK, 0 },
        { "7f", VARINT_OK, 127 },
        { "8001", VARINT_OK, 128 },
        { "ac02", VARINT_OK, 300 },
        { "ffffffffffffffff7f", VARINT_OK, VARINT_VALUE_MAX },
        { "8100", VARINT_E_INVALID, 0 },
        { "8000", VARINT_E_INVALID, 0 },
        { "ffffffffffffffff8001", VARINT_E_INVALID, 0 },
        { "ffffffffffffffff80", VARINT_E_INVALID, 0 },
        { "", VARINT_E_MORE, 0 },
        { "80", VARINT_E_MORE, 0 },
        { "ffffffffffffffff", VARINT_E_MORE, 0 },
};

static void test_read(void **state) {
        FOREACH_CASE (c, cases) {
                uint8_t in[16], out[VARINT_SIZE_MAX];
                size_t len = strlen(c->hex) / 2, used = 0;
                uint64_t v = 0;

                assert_true(hex_decode(c->hex, in, len));
                assert_int_equal(varint_read(BYTES(in, len), &v, &used), c->result);
                if (c->result != VARINT_OK)
                        continue;
                assert_true(v == c->value);
                assert_int_equal(used, len);
                assert_int_equal(varint_size(v), len);
                assert_bytes_equal(BYTES(out, varint_write(v, out)), BYTES(in, len));
        }
}

static void test_forms(void **state) {
        uint8_t storage[16];
        struct buffer b = buffer_over(storage, sizeof(storage));
        struct reader r;

        buffer_put_prefixed(&b, BYTES_LIT("hello"));
        buffer_put_varint(&b, 300);
        r = reader_of(buffer_bytes(&b));
        assert_bytes_equal(reader_prefixed(&r), BYTES_LIT("hello"));
        assert_int_equal(reader_varint(&r), 300);
        assert_true(reader_done(&r));
        assert_int_equal(reader_varint(&r), 0);
        assert_true(r.failed);

        buffer_put_prefixed(&b, BYTES_LIT("too long now"));
        assert_true(b.failed);
}

static void test_prefix_too_long(void **state) {
        struct reader r = reader_of(BYTES_LIT("\x05"
                                              "abcd"));

        assert_int_equal(reader_prefixed(&r).len, 0);
        assert_true(r.failed);
}

TEST_MAIN(cmocka_unit_test(test_read), cmocka_unit_test(test_forms),
          cmocka_unit_test(test_prefix_too_long))
