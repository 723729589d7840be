#include "common/wire/frame.h"

#include "tests/support/test.h"

#define CAP 300

/* Three frames (empty, short, one with a two-byte prefix) fed in pieces of every size. */
static void test_pieces(void **state) {
        CLEANUP(buffer_donep) struct buffer stream = {};
        uint8_t big[200];

        memset(big, 'b', sizeof(big));
        buffer_init(&stream, 4096);
        frame_put(&stream, BYTES_NONE);
        frame_put(&stream, BYTES_LIT("short"));
        frame_put(&stream, BYTES_OF(big));

        for (size_t piece = 1; piece <= stream.len; piece++) {
                const struct bytes want[] = { BYTES_NONE, BYTES_LIT("short"), BYTES_OF(big) };
                struct frame_reader r;
                size_t n = 0;

                frame_reader_init(&r, CAP);
                for (size_t at = 0; at < stream.len; at += piece) {
                        size_t left = stream.len - at;
                        struct bytes in = BYTES(stream.data + at, left < piece ? left : piece), out;

                        while (frame_reader_next(&r, &in, &out) == FRAME_OK)
                                assert_bytes_equal(out, want[n++]);
                        assert_int_equal(in.len, 0);
                        assert_true(frame_reader_held(&r) <= CAP + VARINT_SIZE_MAX);
                }
                assert_int_equal(n, 3);
                assert_int_equal(frame_reader_held(&r), 0);
                frame_reader_done(&r);
        }
}

static const struct {
        struct bytes in;
        int result;
} refused[] = {
        { { (const uint8_t *) "\xad\x02", 2 }, FRAME_E_TOO_BIG }, /* 301 */
        { { (const uint8_t *) "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 9 }, FRAME_E_TOO_BIG },
        { { (const uint8_t *) "\x81\x00", 2 }, FRAME_E_INVALID },
        { { (const uint8_t *) "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 }, FRAME_E_INVALID },
};

static void test_refused(void **state) {
        FOREACH_CASE (c, refused)
                for (size_t piece = 1; piece <= c->in.len; piece += c->in.len - 1) {
                        struct frame_reader r;
                        int result = FRAME_E_MORE;
                        struct bytes out, good = BYTES_LIT("\1x");

                        frame_reader_init(&r, CAP);
                        for (size_t at = 0; at < c->in.len && result == FRAME_E_MORE; at += piece) {
                                struct bytes in = BYTES(c->in.data + at, piece);

                                result = frame_reader_next(&r, &in, &out);
                        }
                        assert_int_equal(result, c->result);
                        assert_int_equal(frame_reader_next(&r, &good, &out),
                                         c->result); /* sticky */
                        frame_reader_done(&r);
                }
}

/* A length alone reserves nothing. */
static void test_promise_costs_nothing(void **state) {
        struct bytes in = BYTES_LIT("\x80\x80\x40"
                                    "x"),
                     out;
        struct frame_reader r;

        frame_reader_init(&r, 1 << 20);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_MORE);
        assert_true(r.held.capacity <= 64);
        frame_reader_done(&r);
}

/* Asked before each copy; what lies whole in the input is not copied. */
static bool may_keep(void *userdata, size_t n) {
        size_t *left = userdata;

        if (n > *left)
                return false;
        *left -= n;
        return true;
}

static void test_what_is_kept_is_asked_for(void **state) {
        CLEANUP(buffer_donep) struct buffer stream = {};
        struct bytes in, out;
        struct frame_reader r;
        size_t left = 150;
        uint8_t big[200] = {};

        buffer_init(&stream, 4096);
        frame_put(&stream, BYTES_OF(big));
        frame_reader_init(&r, CAP);
        r.may_keep = may_keep;
        r.userdata = &left;
        in = buffer_bytes(&stream);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_OK);
        assert_int_equal(left, 150);
        in = BYTES(stream.data, 1);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_MORE);
        in = BYTES(stream.data + 1, 100);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_MORE);
        assert_int_equal(left, 49);
        in = BYTES(stream.data + 101, 101);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_QUOTA);
        assert_int_equal(frame_reader_held(&r), 101);
        left = 1000;
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_QUOTA); /* for good */
        frame_reader_done(&r);
}

static void test_a_large_frame_leaves_nothing(void **state) {
        static uint8_t frame[100 * 1024] = { 0xfd, 0x9f, 0x06 }; /* 3 bytes say 102,397 */
        struct frame_reader r;
        struct bytes in = BYTES(frame, sizeof(frame) - 1), out;

        frame_reader_init(&r, sizeof(frame));
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_MORE);
        frame_reader_trim(&r);
        in = BYTES(frame + sizeof(frame) - 2, 2); /* its last byte, and the next one's length */
        frame[sizeof(frame) - 1] = 0xff;
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_OK);
        assert_int_equal(out.len, sizeof(frame) - 3);
        frame_reader_trim(&r); /* the frame is in use */
        assert_int_equal(out.data[out.len - 1], 0);
        assert_int_equal(frame_reader_next(&r, &in, &out), FRAME_E_MORE);
        assert_int_equal(frame_reader_held(&r), 1);
        assert_true(r.held.capacity >= sizeof(frame));
        frame_reader_trim(&r);
        assert_true(r.held.capacity < 4096);
        assert_int_equal(frame_reader_held(&r), 1);
        assert_int_equal(r.held.data[0], 0xff);
        frame_reader_done(&r);
}

TEST_MAIN(cmocka_unit_test(test_what_is_kept_is_asked_for),
          cmocka_unit_test(test_a_large_frame_leaves_nothing), cmocka_unit_test(test_pieces),
          cmocka_unit_test(test_refused), cmocka_unit_test(test_promise_costs_nothing))
