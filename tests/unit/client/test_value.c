/* Cells as people read them. */

#include <float.h>

#include "common/canonical/cell.h"
#include "common/client/internal.h"
#include "tests/support/test.h"

struct shown {
        struct buffer cell, text;
};

static int setup(void **state) {
        struct shown *s = xnew(struct shown);

        buffer_init(&s->cell, 1 << 16);
        buffer_init(&s->text, 1 << 16);
        *state = s;
        return 0;
}

static int teardown(void **state) {
        struct shown *s = *state;

        buffer_done(&s->cell);
        buffer_done(&s->text);
        free(s);
        return 0;
}

/* The cell in s->cell, which is then empty again. `t` is its declared type, or NULL. */
static void expect_as(struct shown *s, const struct schema_type *t, const char *text,
                      enum quorate_type type) {
        struct reader r = reader_of(buffer_bytes(&s->cell));
        struct quorate_value v;
        struct cell c;

        assert_int_equal(cell_read(&r, &c), CELL_OK);
        assert_true(reader_done(&r));
        value_fill(&c, t, &s->text, &v);
        assert_string_equal(v.text, text);
        assert_int_equal(v.text_len, strlen(text));
        assert_int_equal(v.type, type);
        buffer_clear(&s->cell);
}

static void expect(struct shown *s, const char *text, enum quorate_type type) {
        expect_as(s, NULL, text, type);
}

static void test_integers(void **state) {
        static const struct {
                int64_t v;
                const char *text;
        } cases[] = {
                { 0, "0" },
                { -1, "-1" },
                { 128, "128" },
                { INT64_MAX, "9223372036854775807" },
                { INT64_MIN, "-9223372036854775808" },
        };
        struct shown *s = *state;
        const __int128 max = (__int128) (~(unsigned __int128) 0 >> 1);

        FOREACH_CASE (c, cases) {
                cell_put_integer(&s->cell, c->v);
                expect(s, c->text, QUORATE_INTEGER);
        }
        cell_put_integer128(&s->cell, max);
        expect(s, "170141183460469231731687303715884105727", QUORATE_INTEGER);
        cell_put_integer128(&s->cell, -max - 1);
        expect(s, "-170141183460469231731687303715884105728", QUORATE_INTEGER);
}

static void test_decimals(void **state) {
        static const struct {
                int64_t mantissa;
                unsigned scale;
                const char *text;
        } cases[] = {
                { 105, 2, "1.05" }, { -105, 2, "-1.05" },   { 5, 3, "0.005" },
                { -5, 1, "-0.5" },  { 12345, 4, "1.2345" },
        };
        struct shown *s = *state;

        FOREACH_CASE (c, cases) {
                assert_int_equal(cell_put_decimal(&s->cell, c->mantissa, c->scale), CELL_OK);
                expect(s, c->text, QUORATE_DECIMAL);
        }
}

/* Canonical bytes know no zeros at the end; the declared type does. */
static void test_declared_decimals(void **state) {
        static const struct {
                int64_t mantissa;
                unsigned scale, declared;
                const char *text;
        } cases[] = {
                { 7, 0, 2, "7.00" },  { -7, 0, 2, "-7.00" }, { 0, 0, 3, "0.000" },
                { 75, 1, 2, "7.50" }, { 5, 2, 2, "0.05" },   { -5, 3, 3, "-0.005" },
                { 7, 0, 0, "7" },     { 125, 2, 1, "1.25" }, /* more than declared: not cut */
        };
        struct shown *s = *state;

        FOREACH_CASE (c, cases) {
                const struct schema_type t = { .type = CELL_DECIMAL,
                                               .precision = 10,
                                               .scale = (uint8_t) c->declared };

                if (c->scale)
                        assert_int_equal(cell_put_decimal(&s->cell, c->mantissa, c->scale),
                                         CELL_OK);
                else
                        cell_put_integer(&s->cell, c->mantissa);
                expect_as(s, &t, c->text, QUORATE_DECIMAL);
        }
        cell_put_null(&s->cell);
        expect_as(s, &(const struct schema_type){ .type = CELL_DECIMAL, .scale = 2 }, "",
                  QUORATE_NULL);
}

/* LIST(DECIMAL), STRUCT("a" INTEGER, "b" DECIMAL), MAP(DECIMAL, DECIMAL), each of another scale. */
static void test_declared_members(void **state) {
        const struct schema_type list[] = { { .type = CELL_LIST, .n_children = 1, .n_below = 1 },
                                            { .type = CELL_DECIMAL, .scale = 2 } };
        const struct schema_type pair[] = { { .type = CELL_STRUCT, .n_children = 2, .n_below = 2 },
                                            { .type = CELL_INTEGER },
                                            { .type = CELL_DECIMAL, .scale = 2 } };
        const struct schema_type map[] = { { .type = CELL_MAP, .n_children = 2, .n_below = 2 },
                                           { .type = CELL_DECIMAL, .scale = 1 },
                                           { .type = CELL_DECIMAL, .scale = 3 } };
        struct shown *s = *state;

        buffer_put_u8(&s->cell, CELL_LIST);
        buffer_put_u8(&s->cell, 2);
        cell_put_integer(&s->cell, 7);
        cell_put_integer(&s->cell, 8);
        expect_as(s, list, "[7.00, 8.00]", QUORATE_OTHER);
        buffer_put_u8(&s->cell, CELL_STRUCT);
        buffer_put_u8(&s->cell, 2);
        assert_int_equal(cell_put_text(&s->cell, BYTES_LIT("a")), CELL_OK);
        cell_put_integer(&s->cell, 7);
        assert_int_equal(cell_put_text(&s->cell, BYTES_LIT("b")), CELL_OK);
        cell_put_integer(&s->cell, 8);
        expect_as(s, pair, "{a: 7, b: 8.00}", QUORATE_OTHER);
        buffer_put_u8(&s->cell, CELL_MAP);
        buffer_put_u8(&s->cell, 1);
        cell_put_integer(&s->cell, 7);
        cell_put_integer(&s->cell, 8);
        expect_as(s, map, "{7.0: 8.000}", QUORATE_OTHER);
}

static void test_reals(void **state) {
        static const struct {
                double v;
                const char *text;
        } cases[] = {
                { 0.1, "0.1" },
                { 1, "1.0" },
                { -2.5, "-2.5" },
                { 1e20, "1e+20" },
                { 1.0 / 3, "0.3333333333333333" },
                { DBL_MAX, "1.7976931348623157e+308" },
                { 4.9e-324, "4.94065645841247e-324" },
        };
        struct shown *s = *state;

        FOREACH_CASE (c, cases) {
                assert_int_equal(cell_put_real(&s->cell, c->v), CELL_OK);
                expect(s, c->text, QUORATE_REAL);
        }
}

static void test_times(void **state) {
        const int64_t usec = 1000000;
        struct shown *s = *state;

        cell_put_date(&s->cell, 0);
        expect(s, "1970-01-01", QUORATE_OTHER);
        cell_put_date(&s->cell, -719528);
        expect(s, "0000-01-01", QUORATE_OTHER);
        cell_put_date(&s->cell, 11016);
        expect(s, "2000-02-29", QUORATE_OTHER);
        cell_put_usec(&s->cell, CELL_TIME, 86399 * usec + 999999);
        expect(s, "23:59:59.999999", QUORATE_OTHER);
        cell_put_usec(&s->cell, CELL_TIMESTAMP, -1);
        expect(s, "1969-12-31 23:59:59.999999", QUORATE_OTHER);
        cell_put_usec(&s->cell, CELL_TIMESTAMPTZ, 1700000000 * usec);
        expect(s, "2023-11-14 22:13:20Z", QUORATE_OTHER);
        cell_put_interval(&s->cell, 14, -3, 5);
        expect(s, "14 months -3 days 5 us", QUORATE_OTHER);
}

static void test_bytes(void **state) {
        static const uint8_t uuid[16] = { 0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3,
                                          0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00 };
        static const uint8_t bits[2] = { 0xa5, 0x80 };
        struct shown *s = *state;

        assert_int_equal(cell_put_text(&s->cell, BYTES_LIT("Käse")), CELL_OK);
        expect(s, "Käse", QUORATE_TEXT);
        cell_put_blob(&s->cell, BYTES_LIT("\x00\xff"));
        expect(s, "x'00ff'", QUORATE_BLOB);
        cell_put_uuid(&s->cell, uuid);
        expect(s, "123e4567-e89b-12d3-a456-426614174000", QUORATE_OTHER);
        cell_put_bit(&s->cell, bits, 9);
        expect(s, "101001011", QUORATE_OTHER);
        cell_put_null(&s->cell);
        expect(s, "", QUORATE_NULL);
        cell_begin(&s->cell, CELL_LIST, 2);
        cell_put_integer(&s->cell, 1);
        cell_put_null(&s->cell);
        expect(s, "[1, ]", QUORATE_OTHER);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

TEST_MAIN(TEST(test_integers), TEST(test_decimals), TEST(test_declared_decimals),
          TEST(test_declared_members), TEST(test_reals), TEST(test_times), TEST(test_bytes))
