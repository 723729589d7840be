#include "common/wire/packed.h"

#include <stdlib.h>

#include <zstd.h>

#include "common/base/rng.h"
#include "tests/support/test.h"

#define MAX (1u << 20)

/* Of few letters, so that it packs about to a half. */
static struct bytes make_text(uint8_t *space, size_t len, uint64_t seed) {
        struct rng r;

        rng_init(&r, seed);
        for (size_t i = 0; i < len; i++)
                space[i] = (uint8_t) ("abcdefghijklmnop"[rng_below(&r, 16)]);
        return BYTES(space, len);
}

static int open_as(uint32_t codec, uint64_t length, uint64_t max, struct bytes data) {
        CLEANUP(freep) uint8_t *memory = NULL;
        const struct packed p = { codec, length, data };
        struct bytes plain;

        return packed_open(&p, max, &memory, &plain);
}

static void test_there_and_back(void **state) {
        static const size_t lengths[] = { PACKED_LEAST, 4096, 65536, MAX - 1, MAX };
        uint8_t *space = xmalloc(MAX);

        for (size_t i = 0; i < ELEMENTSOF(lengths); i++) {
                CLEANUP(buffer_donep) struct buffer b = {};
                CLEANUP(freep) uint8_t *memory = NULL;
                struct bytes in = make_text(space, lengths[i], i), out;
                struct packed p;

                buffer_init(&b, MAX);
                assert_true(packed_put(in, &b));
                assert_true(b.len < in.len);
                p = (struct packed){ PACKED_ZSTD, in.len, buffer_bytes(&b) };
                assert_int_equal(packed_open(&p, MAX, &memory, &out), PACKED_OK);
                assert_bytes_equal(out, in);
                assert_ptr_equal(out.data, memory);
        }
        free(space);
}

static void test_what_does_not_pack(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {}, narrow = {};
        uint8_t *space = xmalloc(MAX);
        struct rng r;

        rng_init(&r, 1);
        rng_bytes(&r, space, MAX);
        buffer_init(&b, 2 * MAX);
        buffer_put_bytes(&b, BYTES_LIT("before"));
        assert_false(packed_put(BYTES(space, MAX), &b));
        assert_false(packed_put(make_text(space, PACKED_LEAST - 1, 1), &b));
        assert_bytes_equal(buffer_bytes(&b), BYTES_LIT("before"));

        buffer_init(&narrow, 100);
        assert_false(packed_put(make_text(space, MAX, 1), &narrow));
        assert_int_equal(narrow.len, 0);
        assert_false(narrow.failed);
        free(space);
}

static void test_plain(void **state) {
        const struct packed p = { PACKED_PLAIN, 5, BYTES_LIT("plain") };
        uint8_t *memory = NULL;
        struct bytes out;

        assert_int_equal(packed_open(&p, 5, &memory, &out), PACKED_OK);
        assert_ptr_equal(out.data, p.data.data);
        assert_null(memory);
        assert_int_equal(open_as(PACKED_PLAIN, 5, 4, p.data), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_PLAIN, 6, 9, p.data), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_PLAIN, 0, 9, BYTES_NONE), PACKED_E_LENGTH);
        assert_int_equal(open_as(2, 5, 9, p.data), PACKED_E_CODEC);
}

/* A right frame, and every way of declaring or sending something else. */
static void test_lies(void **state) {
        static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };
        CLEANUP(buffer_donep) struct buffer b = {}, more = {};
        uint8_t *space = xmalloc(4096);
        struct bytes frame;

        buffer_init(&b, MAX);
        buffer_init(&more, MAX);
        assert_true(packed_put(make_text(space, 4096, 3), &b));
        frame = buffer_bytes(&b);
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4096, frame), PACKED_OK);
        assert_int_equal(open_as(PACKED_ZSTD, 4095, 4096, frame), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4097, 5000, frame), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4095, frame), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, UINT64_MAX, UINT64_MAX, frame), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4096, BYTES_NONE), PACKED_E_FRAME);
        for (size_t n = 1; n < frame.len; n++)
                assert_true(open_as(PACKED_ZSTD, 4096, 4096, BYTES(frame.data, n)) > 0);

        buffer_put_bytes(&more, frame);
        buffer_put_bytes(&more, BYTES_LIT("x"));
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4096, buffer_bytes(&more)), PACKED_E_FRAME);
        buffer_clear(&more);
        buffer_put_bytes(&more, frame); /* zstd itself would pass over it */
        buffer_put_bytes(&more, BYTES_OF(skippable));
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4096, buffer_bytes(&more)), PACKED_E_FRAME);
        buffer_clear(&more);
        buffer_put_bytes(&more, frame); /* two frames are not one */
        buffer_put_bytes(&more, frame);
        assert_int_equal(open_as(PACKED_ZSTD, 4096, 4096, buffer_bytes(&more)), PACKED_E_FRAME);
        assert_int_equal(open_as(PACKED_ZSTD, 8192, 8192, buffer_bytes(&more)), PACKED_E_LENGTH);
        free(space);
}

/* magic, descriptor with an 8-byte content size and one segment, that size, one RLE block. */
static size_t make_bomb(uint64_t says, uint32_t block, uint8_t ret[16]) {
        static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0 };
        uint32_t header = 1 | 1 << 1 | block << 3; /* last, RLE, so many times the byte */

        memcpy(ret, magic, sizeof(magic));
        memcpy(ret + 5, &says, sizeof(says));
        memcpy(ret + 13, &header, 3);
        return 16;
}

static void test_bombs(void **state) {
        uint8_t bomb[17] = {};
        size_t n;

        n = make_bomb(UINT64_C(1) << 40, 128 << 10, bomb) + 1;
        assert_int_equal(open_as(PACKED_ZSTD, UINT64_C(1) << 40, MAX, BYTES(bomb, n)),
                         PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4096, MAX, BYTES(bomb, n)), PACKED_E_LENGTH);
        /* It says what it may and yields more, then less. */
        n = make_bomb(4096, 128 << 10, bomb) + 1;
        assert_int_equal(open_as(PACKED_ZSTD, 4096, MAX, BYTES(bomb, n)), PACKED_E_FRAME);
        n = make_bomb(4096, 4095, bomb) + 1;
        assert_int_equal(open_as(PACKED_ZSTD, 4096, MAX, BYTES(bomb, n)), PACKED_E_FRAME);
        n = make_bomb(4096, 4096, bomb) + 1;
        assert_int_equal(open_as(PACKED_ZSTD, 4096, MAX, BYTES(bomb, n)), PACKED_OK);
}

/* Streams do not say how much they are; skippable frames say nothing at all. */
static void test_other_frames(void **state) {
        static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };
        uint8_t *space = xmalloc(4096), out[8192];
        struct bytes text = make_text(space, 4096, 4);
        ZSTD_CCtx *c = ZSTD_createCCtx();
        size_t n;

        assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0)));
        n = ZSTD_compress2(c, out, sizeof(out), text.data, text.len);
        ZSTD_freeCCtx(c);
        assert_false(ZSTD_isError(n));
        assert_int_equal(open_as(PACKED_ZSTD, 4096, MAX, BYTES(out, n)), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4, MAX, BYTES_OF(skippable)), PACKED_E_LENGTH);
        assert_int_equal(open_as(PACKED_ZSTD, 4, MAX, BYTES_LIT("no frame")), PACKED_E_FRAME);
        free(space);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_what_does_not_pack),
                cmocka_unit_test(test_plain),          cmocka_unit_test(test_lies),
                cmocka_unit_test(test_bombs),          cmocka_unit_test(test_other_frames),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
