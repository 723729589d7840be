#include "common/base/bytes.h"

#include "common/base/rng.h"
#include "tests/support/test.h"

/* Random writes leave what the same writes leave in an array; past max nothing more is written. */
static void test_buffer_against_model(void **state) {
        struct rng r;

        rng_init(&r, 1);
        for (int round = 0; round < 300; round++) {
                size_t max = rng_below(&r, 2000), n = 0;
                uint8_t model[2000], piece[64];
                bool failed = false;
                struct buffer b;

                buffer_init(&b, max);
                for (int i = 0; i < 60; i++) {
                        size_t len = rng_below(&r, sizeof(piece));

                        rng_bytes(&r, piece, sizeof(piece));
                        if (rng_chance(&r, 0.1) && !failed) {
                                len = rng_below(&r, n + 1);
                                buffer_consume(&b, len);
                                memmove(model, model + len, n - len);
                                n -= len;
                                continue;
                        }
                        buffer_put(&b, piece, len);
                        failed = failed || n + len > max;
                        if (!failed) {
                                memcpy(model + n, piece, len);
                                n += len;
                        }
                        assert_int_equal(b.failed, failed);
                        assert_true(b.capacity <= max);
                        assert_bytes_equal(buffer_bytes(&b), BYTES(model, n));
                }
                buffer_done(&b);
        }
}

static void test_integers(void **state) {
        struct buffer b;
        struct reader r;

        buffer_init(&b, 100);
        buffer_put_u8(&b, 0xfe);
        buffer_put_u16(&b, 0xfedc);
        buffer_put_u32(&b, 0xfedcba98);
        buffer_put_u64(&b, 0xfedcba9876543210);
        assert_bytes_equal(buffer_bytes(&b), BYTES_LIT("\xfe\xfe\xdc\xfe\xdc\xba\x98"
                                                       "\xfe\xdc\xba\x98\x76\x54\x32\x10"));
        r = reader_of(buffer_bytes(&b));
        assert_int_equal(reader_u8(&r), 0xfe);
        assert_int_equal(reader_u16(&r), 0xfedc);
        assert_int_equal(reader_u32(&r), 0xfedcba98);
        assert_int_equal(reader_left(&r), 8);
        assert_false(reader_done(&r));
        assert_true(reader_u64(&r) == 0xfedcba9876543210);
        assert_true(reader_done(&r));
        buffer_done(&b);
}

/* Failure sticks: later reads give zeros, and nothing is done. */
static void test_reader_runs_out(void **state) {
        struct reader r = reader_of(BYTES_LIT("\x01\x02\x03"));
        uint8_t copy[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };

        assert_int_equal(reader_u16(&r), 0x0102);
        assert_int_equal(reader_u32(&r), 0);
        assert_true(r.failed);
        assert_int_equal(reader_u8(&r), 0);
        assert_int_equal(reader_left(&r), 0);
        assert_false(reader_done(&r));
        assert_false(reader_copy(&r, copy, sizeof(copy)));
        assert_int_equal(copy[7], 0);
        assert_null(reader_take(&r, 0).data);

        r = reader_of(BYTES_LIT("ab"));
        assert_null(reader_take(&r, SIZE_MAX).data);
        assert_true(r.failed);
        r = reader_of(BYTES_NONE);
        assert_true(reader_done(&r));
}

static void test_reserve(void **state) {
        struct buffer b;
        uint8_t *p;

        buffer_init(&b, 10);
        p = buffer_reserve(&b, 10);
        assert_non_null(p);
        assert_int_equal(b.len, 0);
        b.len = 4;
        assert_null(buffer_reserve(&b, 7));
        assert_true(b.failed);
        buffer_put_u8(&b, 1);
        assert_int_equal(b.len, 4);
        buffer_clear(&b);
        assert_non_null(buffer_reserve(&b, 10));
        assert_null(buffer_reserve(&b, SIZE_MAX));
        buffer_done(&b);
        assert_int_equal(b.max, 10);
        buffer_init(&b, 0);
        buffer_put(&b, "", 0);
        assert_false(b.failed);
        buffer_put_u8(&b, 1);
        assert_true(b.failed);
        buffer_done(&b);
}

static const struct {
        struct bytes a, b;
        int order;
} order_cases[] = {
        { { NULL, 0 }, { NULL, 0 }, 0 },
        { { NULL, 0 }, { (const uint8_t *) "a", 1 }, -1 },
        { { (const uint8_t *) "ab", 2 }, { (const uint8_t *) "a", 1 }, 1 },
        { { (const uint8_t *) "ab", 2 }, { (const uint8_t *) "b", 1 }, -1 },
        { { (const uint8_t *) "\xff", 1 }, { (const uint8_t *) "a", 1 }, 1 },
        { { (const uint8_t *) "ab", 2 }, { (const uint8_t *) "ab", 2 }, 0 },
};

static void test_order(void **state) {
        FOREACH_CASE (c, order_cases) {
                int r = bytes_compare(c->a, c->b);

                assert_int_equal((r > 0) - (r < 0), c->order);
                assert_int_equal(bytes_equal(c->a, c->b), c->order == 0);
        }
}

TEST_MAIN(cmocka_unit_test(test_buffer_against_model), cmocka_unit_test(test_integers),
          cmocka_unit_test(test_reader_runs_out), cmocka_unit_test(test_reserve),
          cmocka_unit_test(test_order))
