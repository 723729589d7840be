#include "common/canonical/batch.h"

#include "tests/unit/canonical/support.h"

/* A row of exactly n bytes: one BLOB. */
static void put_blob_row(struct buffer *b, size_t n) {
        size_t head = n < 2 + 0x80 ? 2 : n < 3 + 0x4000 ? 3 : n < 4 + 0x200000 ? 4 : 5;
        CLEANUP(freep) uint8_t *content = xcalloc(1, n - head);
        size_t before = b->len;

        cell_put_blob(b, BYTES(content, n - head));
        assert_int_equal(b->len - before, n);
}

static const struct {
        const char *name;
        size_t rows[6];    /* sizes; 0: the end */
        size_t batches[6]; /* sizes expected */
} cut_cases[] = {
        { "small ones stay together", { 10, 20, 30 }, { 60 } },
        { "exactly full", { 1 << 19, 1 << 19, 5 }, { 1 << 20, 5 } },
        { "one byte too many", { 1 << 19, (1 << 19) + 1, 5 }, { 1 << 19, (1 << 19) + 6 } },
        { "a long one alone", { 5, (1 << 20) + 1, 7 }, { 5, (1 << 20) + 1, 7 } },
        { "a long one first", { (2 << 20), 7, 8 }, { (2 << 20), 15 } },
        { "only long ones", { (1 << 20) + 1, (1 << 20) + 2 }, { (1 << 20) + 1, (1 << 20) + 2 } },
        { "the longest", { ROW_BYTES_MAX, 9 }, { ROW_BYTES_MAX, 9 } },
        { "the longest behind a full one", { 1 << 20, ROW_BYTES_MAX }, { 1 << 20, ROW_BYTES_MAX } },
        { "none", {}, {} },
};

static void take(struct batch_builder *b, size_t want) {
        assert_int_equal(batch_ready(b).len, want);
        batch_next(b);
}

static void test_where_batches_end(void **state) {
        FOREACH_CASE (c, cut_cases) {
                struct batch_builder b;
                size_t n = 0;

                batch_init(&b);
                for (size_t i = 0; i < ELEMENTSOF(c->rows) && c->rows[i]; i++) {
                        int result;

                        put_blob_row(&b.bytes, c->rows[i]);
                        result = batch_end_row(&b);
                        assert_true(result == BATCH_OK || result == BATCH_READY);
                        if (result == BATCH_READY)
                                take(&b, c->batches[n++]);
                }
                if (batch_finish(&b) == BATCH_READY)
                        take(&b, c->batches[n++]);
                assert_int_equal(c->batches[n], 0);
                assert_int_equal(b.bytes.len, 0);
                batch_done(&b);
        }
}

static void test_row_count(void **state) {
        struct batch_builder b;

        batch_init(&b);
        for (int i = 1; i <= 2 * BATCH_ROWS_MAX; i++) {
                cell_put_null(&b.bytes);
                assert_int_equal(batch_end_row(&b), i % BATCH_ROWS_MAX ? BATCH_OK : BATCH_READY);
                if (i % BATCH_ROWS_MAX == 0) {
                        assert_int_equal(batch_ready_rows(&b), BATCH_ROWS_MAX);
                        take(&b, BATCH_ROWS_MAX);
                }
        }
        assert_int_equal(batch_finish(&b), BATCH_OK);
        batch_done(&b);
}

static void test_bad_rows(void **state) {
        struct batch_builder b;

        batch_init(&b);
        assert_int_equal(batch_end_row(&b), BATCH_E_ROW); /* empty */
        put_blob_row(&b.bytes, 100);
        assert_int_equal(batch_end_row(&b), BATCH_OK);
        put_blob_row(&b.bytes, ROW_BYTES_MAX + 1);
        assert_int_equal(batch_end_row(&b), BATCH_E_ROW);
        batch_drop_row(&b);
        put_blob_row(&b.bytes, 50);
        assert_int_equal(batch_end_row(&b), BATCH_OK);
        assert_int_equal(batch_finish(&b), BATCH_READY);
        take(&b, 150);
        batch_done(&b);
}

/* A batch that no builder makes is refused, though every cell in it is good. */
static void test_improper_batches(void **state) {
        static const struct {
                size_t rows, size; /* that many rows of that size */
                int want;
        } cases[] = {
                { 1, ROW_BYTES_MAX, BATCH_READY },
                { 1, ROW_BYTES_MAX + 1, BATCH_E_SIZE },
                { 2, 1 << 19, BATCH_READY },
                { 2, (1 << 19) + 1, BATCH_E_SIZE },
                { BATCH_ROWS_MAX, 10, BATCH_READY },
                { BATCH_ROWS_MAX + 1, 10, BATCH_E_SIZE },
                { 0, 0, BATCH_E_SIZE },
        };
        CLEANUP(schema_freep) struct schema *schema = NULL;

        assert_int_equal(schema_decode(BYTES_LIT("\x01\x30\x01z\x31"), &schema), SCHEMA_OK);
        FOREACH_CASE (c, cases) {
                struct batch_reader r;
                struct buffer b;
                struct cell cell;
                int result;

                buffer_init(&b, 64 << 20);
                for (size_t i = 0; i < c->rows; i++)
                        put_blob_row(&b, c->size);
                batch_read(&r, schema, buffer_bytes(&b));
                do
                        result = batch_read_row(&r, &cell, NULL);
                while (result == BATCH_OK);
                assert_int_equal(result, c->want);
                buffer_done(&b);
        }
}

TEST_MAIN(cmocka_unit_test(test_where_batches_end), cmocka_unit_test(test_row_count),
          cmocka_unit_test(test_bad_rows), cmocka_unit_test(test_improper_batches))
