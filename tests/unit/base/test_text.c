#include "common/base/text.h"

#include "common/base/rng.h"
#include "tests/support/test.h"

static void test_hex(void **state) {
        uint8_t out[3];
        char text[7];

        hex_encode(BYTES_LIT("\x00\x9a\xff"), text);
        assert_string_equal(text, "009aff");
        assert_true(hex_decode("009AfF", out, 3));
        assert_memory_equal(out, "\x00\x9a\xff", 3);
        assert_false(hex_decode("009af", out, 3));
        assert_false(hex_decode("009aff0", out, 3));
        assert_false(hex_decode("009afg", out, 3));
        assert_false(hex_decode("00 aff", out, 3));
        assert_true(hex_decode("", out, 0));
}

static const struct {
        const char *text;
        bool good;
        nsec_t want;
} durations[] = {
        { "0", true, 0 },
        { "250ms", true, 250 * NSEC_PER_MSEC },
        { "8s", true, 8 * NSEC_PER_SEC },
        { "5min", true, 300 * NSEC_PER_SEC },
        { "2h", true, 7200 * NSEC_PER_SEC },
        { "7d", true, 604800 * NSEC_PER_SEC },
        { "0s", true, 0 },
        { "18446744073709551615ns", true, UINT64_MAX },
        { "18446744073709551616ns", false, 0 },
        { "213504d", false, 0 },
        { "8", false, 0 },
        { "", false, 0 },
        { "s", false, 0 },
        { "-1s", false, 0 },
        { " 1s", false, 0 },
        { "1 s", false, 0 },
        { "1.5s", false, 0 },
        { "1S", false, 0 },
        { "1sx", false, 0 },
};

static void test_durations(void **state) {
        FOREACH_CASE (c, durations) {
                nsec_t v = 0;

                assert_int_equal(text_parse_duration(c->text, &v), c->good);
                assert_true(!c->good || v == c->want);
        }
}

static const struct {
        const char *text;
        bool good;
        uint64_t want;
} sizes[] = {
        { "0", true, 0 },           { "512B", true, 512 },      { "64K", true, 65536 },
        { "4G", true, 4ull << 30 }, { "1T", true, 1ull << 40 }, { "16777216T", false, 0 },
        { "64", false, 0 },         { "64k", false, 0 },        { "64KB", false, 0 },
        { "K", false, 0 },
};

static void test_sizes(void **state) {
        FOREACH_CASE (c, sizes) {
                uint64_t v = 0;

                assert_int_equal(text_parse_size(c->text, &v), c->good);
                assert_true(!c->good || v == c->want);
        }
}

/* What is written is read back as the same value. */
static void test_format_round_trip(void **state) {
        static const uint64_t factors[] = { 1, 1000, 1000000000, 60000000000, 1024, 1 << 20 };
        struct rng r;

        rng_init(&r, 8);
        for (int i = 0; i < 20000; i++) {
                uint64_t v = (rng_u64(&r) >> rng_below(&r, 64)), again;
                char text[32];

                if (rng_chance(&r, 0.7))
                        v = (v % 1000) * factors[rng_below(&r, ELEMENTSOF(factors))];
                assert_true(text_parse_duration(text_format_duration(v, text), &again));
                assert_true(again == v);
                assert_true(text_parse_size(text_format_size(v, text), &again));
                assert_true(again == v);
        }
}

static void test_u64(void **state) {
        uint64_t v;

        assert_true(text_parse_u64("18446744073709551615", 0, UINT64_MAX, &v));
        assert_true(v == UINT64_MAX);
        assert_false(text_parse_u64("18446744073709551616", 0, UINT64_MAX, &v));
        assert_false(text_parse_u64("5", 6, 9, &v));
        assert_false(text_parse_u64("10", 6, 9, &v));
        assert_false(text_parse_u64("+7", 6, 9, &v));
        assert_false(text_parse_u64("7 ", 6, 9, &v));
        assert_false(text_parse_u64("0x7", 6, 9, &v));
        assert_true(text_parse_u64("7", 6, 9, &v));
}

static const struct {
        const char *in;
        size_t size; /* of the room */
        const char *want;
} escapes[] = {
        { "plain", 100, "plain" },
        { "plain", 6, "plain" }, /* fits exactly */
        { "plain", 5, "p…" },
        { "plain", 4, "…" },
        { "plain", 3, "" },
        { "plain", 1, "" },
        { "", 1, "" },
        { "a\nb\x1b[0m", 100, "a\\x0ab\\x1b[0m" },
        { "\x7f", 5, "\\x7f" },
        { "\x7f", 4, "…" },
        { "äö", 5, "äö" },
        { "äö", 4, "…" },
        { "\xc3", 100, "\\xc3" },
        { "a\xff\xfe", 100, "a\\xff\\xfe" },
        { "\xc2\x85", 100, "\\xc2\\x85" }, /* C1 */
        { "a\xe2\x80\xae"
          "b",
          100, "a\\xe2\\x80\\xaeb" }, /* bidi override */
        { "pay\u200b\u200f\ufeffpal", 100,
          "pay\\xe2\\x80\\x8b\\xe2\\x80\\x8f\\xef\\xbb\\xbfpal" }, /* zero width */
        { "a\u00ad\u061c\u2060\U000e0041", 100,
          "a\\xc2\\xad\\xd8\\x9c\\xe2\\x81\\xa0\\xf3\\xa0\\x81\\x81" },
        { "né ру̀ 日本 한 عربي ❤️ €", 100,
          "né ру̀ 日本 한 عربي ❤️ €" },
        { "\xed\xa0\x80", 100, "\\xed\\xa0\\x80" }, /* surrogate */
        { "\xf0\x9d\x84\x9e", 100, "\xf0\x9d\x84\x9e" },
        { "a\\b", 100, "a\\b" },
};

static void test_escape(void **state) {
        FOREACH_CASE (c, escapes) {
                char out[100];

                memset(out, '#', sizeof(out));
                assert_string_equal(text_escape(BYTES_STR(c->in), out, c->size), c->want);
                assert_true(c->size == sizeof(out) || out[c->size] == '#');
        }
}

/* Each range has its ends, and what stands beside it is seen. */
static void test_hidden(void **state) {
        static const uint32_t ends[][2] = {
                { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
                { 0x7f, 0x9f },     { 0xe0000, 0xe0fff }, { 0x2800, 0x2800 }, { 0xfe00, 0xfe0d },
        };
        static const uint32_t blanks[] = { 0x20, 0xa0, 0x1680, 0x2000, 0x200a, 0x202f, 0x3000 };

        FOREACH_CASE (c, ends) {
                assert_true(text_is_hidden((*c)[0]) && text_is_hidden((*c)[1]));
                assert_false(text_is_hidden((*c)[0] - 1) || text_is_hidden((*c)[1] + 1));
        }
        assert_true(text_is_hidden(0) && text_is_hidden(0x1f));
        FOREACH_CASE (b, blanks)
                assert_false(text_is_hidden(*b));
}

/* For any bytes and any room: no control, valid UTF-8, never past the room;
 * whole when it fits, and a prefix with "…" when it does not. */
static void test_escape_anything(void **state) {
        struct rng r;

        rng_init(&r, 9);
        for (int i = 0; i < 30000; i++) {
                uint8_t in[24];
                char whole[200], out[200];
                size_t len = rng_below(&r, sizeof(in)), size = 1 + rng_below(&r, 100), n;

                rng_bytes(&r, in, sizeof(in));
                for (size_t j = 0; j < sizeof(in) && rng_chance(&r, 0.9); j++)
                        in[j] &= 0x7f;
                text_escape(BYTES(in, len), whole, sizeof(whole));
                n = strlen(text_escape(BYTES(in, len), out, size));
                assert_true(n < size);
                assert_true(utf8_is_valid(BYTES(out, n)));
                for (size_t j = 0; j < n; j++)
                        assert_true((uint8_t) out[j] >= 0x20 && out[j] != 0x7f);
                if (strlen(whole) < size)
                        assert_string_equal(out, whole);
                else if (size > 3)
                        assert_string_equal(out + n - 3, "…");
        }
}

/* Against the definition: every code point but surrogates, shortest form only. */
static bool model_is_valid(const uint8_t *p, size_t n) {
        while (n > 0) {
                size_t len = *p < 0x80       ? 1
                             : *p >> 5 == 6  ? 2
                             : *p >> 4 == 14 ? 3
                             : *p >> 3 == 30 ? 4
                                             : 0;
                static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
                uint32_t c;

                if (len == 0 || len > n)
                        return false;
                c = len == 1 ? *p : *p & (0x7fu >> len);
                for (size_t i = 1; i < len; i++) {
                        if (p[i] >> 6 != 2)
                                return false;
                        c = c << 6 | (p[i] & 0x3f);
                }
                if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                        return false;
                p += len;
                n -= len;
        }
        return true;
}

static void test_utf8_against_model(void **state) {
        static const uint8_t interesting[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                               0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef,
                                               0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff };
        size_t valid = 0;
        struct rng r;

        rng_init(&r, 10);
        for (int i = 0; i < 200000; i++) {
                size_t len = rng_below(&r, 14);
                uint8_t v[16];

                for (size_t j = 0; j < len; j++)
                        v[j] = rng_chance(&r, 0.6)
                                       ? 'a'
                                       : interesting[rng_below(&r, sizeof(interesting))];
                assert_int_equal(utf8_is_valid(BYTES(v, len)), model_is_valid(v, len));
                valid += utf8_is_valid(BYTES(v, len));
        }
        assert_true(valid > 1000);
        assert_int_equal(utf8_valid_prefix(BYTES_LIT("abcdefghij\xff")), 10);
        assert_int_equal(utf8_valid_prefix(BYTES_LIT("abcdefgh\xc3")), 8);
}

static const struct {
        const char *in;
        size_t at;
        const char *want;
} expressions[] = {
        { "SELECT avg(x) FROM t", 7, "avg(x)" },
        { "SELECT f(g(x), ')') + 1", 7, "f(g(x), ')')" },
        { "SELECT f('it''s )')", 7, "f('it''s )')" },
        { "SELECT f(x", 7, "f(x" },
        { "SELECT f('x", 7, "f('x" },
        { "SELECT \"a \"\"b\"(1) ", 7, "\"a \"\"b\"(1)" },
        { "SELECT 'a b'", 7, "'a b'" },
        { "SELECT x FROM t", 7, "x" },
        { "SELECT 1.5 * 2", 7, "1" },
        { "x / 2", 2, "/" },
        { "x || f(1)", 2, "||" },
        { "(SELECT 1) AS b", 0, "(SELECT 1)" },
        { "SELECT", 6, "" },
        { "SELECT", 600, "" },
        { "", 0, "" },
        { "SELECT longer_than_there_is_room_for(1)", 7, "longer_than_there_is_room_f…" },
        { "SELECT f(\x1b)", 7, "f(\\x1b)" },
};

static void test_expression(void **state) {
        FOREACH_CASE (c, expressions) {
                char ret[31];

                assert_ptr_equal(text_expression(BYTES_STR(c->in), c->at, ret, sizeof(ret)), ret);
                assert_string_equal(ret, c->want);
        }
}

TEST_MAIN(cmocka_unit_test(test_expression), cmocka_unit_test(test_hex),
          cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes),
          cmocka_unit_test(test_format_round_trip), cmocka_unit_test(test_u64),
          cmocka_unit_test(test_escape), cmocka_unit_test(test_hidden),
          cmocka_unit_test(test_escape_anything), cmocka_unit_test(test_utf8_against_model))
