#include "common/base/refbuf.h"

#include "tests/support/test.h"

static void test_life(void **state) {
        uint8_t content[] = { 1, 2, 3 };
        struct refbuf *b = refbuf_new(BYTES_OF(content)), *again;

        content[0] = 9;
        assert_bytes_equal(refbuf_bytes(b), BYTES_LIT("\x01\x02\x03"));
        again = refbuf_ref(b);
        assert_ptr_equal(again, b);
        assert_null(refbuf_unref(b));
        assert_bytes_equal(refbuf_bytes(again), BYTES_LIT("\x01\x02\x03"));
        assert_null(refbuf_unref(again)); /* leaks are found by ASan and valgrind */
        assert_null(refbuf_unref(NULL));
}

static void test_empty_and_alloc(void **state) {
        CLEANUP(refbuf_unrefp) struct refbuf *empty = refbuf_new(BYTES_NONE);
        CLEANUP(refbuf_unrefp) struct refbuf *b = refbuf_alloc(1000);

        assert_int_equal(refbuf_bytes(empty).len, 0);
        memset(b->data, 7, b->len);
        assert_int_equal(refbuf_bytes(b).data[999], 7);
}

TEST_MAIN(cmocka_unit_test(test_life), cmocka_unit_test(test_empty_and_alloc))
