/* Text in its usual form as canonical cells, exactly or not at all. */

#include "services/worker/sqlite/text_casts.h"
#include "tests/support/test.h"

static const struct {
        const char *text;
        enum cell_type type;
        bool fits;
        enum cell_type read; /* a DECIMAL without a fraction is an INTEGER */
        int64_t value;
        unsigned scale;
} cases[] = {
        { "12.50", CELL_DECIMAL, true, CELL_DECIMAL, 125, 1 },
        { "-0.001", CELL_DECIMAL, true, CELL_DECIMAL, -1, 3 },
        { "+7", CELL_DECIMAL, true, CELL_INTEGER, 7, 0 },
        { "7.00", CELL_DECIMAL, true, CELL_INTEGER, 7, 0 },
        { "", CELL_DECIMAL, false },
        { ".", CELL_DECIMAL, false },
        { "1e3", CELL_DECIMAL, false },
        { " 1", CELL_DECIMAL, false },
        { "1.2.3", CELL_DECIMAL, false },
        { "99999999999999999999999999999999999999999999", CELL_DECIMAL, false },
        { "1970-01-01", CELL_DATE, true, CELL_DATE, 0 },
        { "1969-12-31", CELL_DATE, true, CELL_DATE, -1 },
        { "2000-02-29", CELL_DATE, true, CELL_DATE, 11016 },
        { "0001-01-01", CELL_DATE, true, CELL_DATE, -719162 },
        { "9999-12-31", CELL_DATE, true, CELL_DATE, 2932896 },
        { "1900-02-29", CELL_DATE, false },
        { "2024-13-01", CELL_DATE, false },
        { "2024-00-01", CELL_DATE, false },
        { "2024-1-1", CELL_DATE, false },
        { "2024-01-01 ", CELL_DATE, false },
        { "1970-01-01 00:00:01.5", CELL_TIMESTAMP, true, CELL_TIMESTAMP, 1500000 },
        { "1970-01-02", CELL_TIMESTAMP, true, CELL_TIMESTAMP, INT64_C(86400000000) },
        { "1970-01-01T12:30", CELL_TIMESTAMP, true, CELL_TIMESTAMP, INT64_C(45000000000) },
        { "1970-01-01 00:00:00.0000001", CELL_TIMESTAMP, false },
        { "1970-01-01 00:00:00.0000000", CELL_TIMESTAMP, true, CELL_TIMESTAMP, 0 },
        { "1970-01-01 24:00", CELL_TIMESTAMP, false },
        { "1970-01-01 00:60", CELL_TIMESTAMP, false },
        { "23:59:59.999999", CELL_TIME, true, CELL_TIME, INT64_C(86399999999) },
        { "23:59:60", CELL_TIME, false },
        { "x", CELL_UUID, false },
};

static void test_casts(void **state) {
        FOREACH_CASE (c, cases) {
                CLEANUP(buffer_donep) struct buffer b = {};
                struct reader r;
                struct cell cell;

                buffer_init(&b, 64);
                assert_int_equal(text_cast(&b, BYTES_STR(c->text), c->type), c->fits);
                if (!c->fits) {
                        assert_int_equal(b.len, 0);
                        continue;
                }
                r = reader_of(buffer_bytes(&b));
                assert_int_equal(cell_read(&r, &cell), CELL_OK);
                assert_int_equal(cell.type, c->read);
                assert_int_equal(cell.integer, c->value);
                assert_int_equal(cell.scale, c->scale);
        }
}

TEST_MAIN(cmocka_unit_test(test_casts))
