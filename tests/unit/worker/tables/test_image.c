/* A table as a SQLite file: the same bytes whenever and wherever it is written, and to SQLite a
 * sound database of exactly those rows, under any name. */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "services/worker/tables/image.h"
#include "tests/support/test.h"

struct out {
        struct buffer file;
};

static int take(void *userdata, const uint8_t *page) {
        buffer_put(&((struct out *) userdata)->file, page, IMAGE_PAGE);
        return 0;
}

/* Rows come from a function of their number, so that both passes see the same. */
typedef void (*row_fn)(uint64_t row, struct table_value *ret, size_t n);

struct table {
        struct schema *schema;
        row_fn row;
        uint64_t rows;
        uint64_t claimed; /* counted, if not as many */
};

static struct schema *schema_of(const char *const *names, const enum cell_type *types, size_t n) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct schema *ret;

        buffer_init(&b, SCHEMA_BYTES_MAX);
        schema_begin(&b, n);
        for (size_t i = 0; i < n; i++) {
                schema_put_name(&b, BYTES_STR(names[i]));
                schema_put_type(&b, types[i]);
        }
        assert_int_equal(schema_decode(buffer_bytes(&b), &ret), SCHEMA_OK);
        return ret;
}

static int write_table(const struct table *t, struct buffer *ret) {
        size_t n = t->schema->n_columns;
        struct table_value *values = calloc(n, sizeof(*values));
        struct image_size size = {};
        struct out out = {};
        struct image *i;
        int r;

        for (uint64_t k = 1; k <= (t->claimed ? t->claimed : t->rows); k++) {
                t->row(k, values, n);
                image_count(&size, values, n);
        }
        buffer_init(&out.file, 256u << 20);
        i = image_new(t->schema, &size, take, &out);
        r = image_begin(i);
        for (uint64_t k = 1; k <= t->rows && !r; k++) {
                t->row(k, values, n);
                r = image_add(i, values);
        }
        r = r ? r : image_end(i);
        image_free(i);
        free(values);
        assert_false(out.file.failed);
        *ret = out.file;
        return r;
}

/* ---- rows ---- */

static char text[3 << 20];

static const int64_t integers[] = { 0,
                                    1,
                                    -1,
                                    2,
                                    127,
                                    128,
                                    -128,
                                    -129,
                                    32767,
                                    32768,
                                    -32769,
                                    8388607,
                                    8388608,
                                    -8388609,
                                    2147483647,
                                    2147483648,
                                    -2147483649,
                                    140737488355327,
                                    140737488355328,
                                    -140737488355329,
                                    INT64_MAX,
                                    INT64_MIN };
static const double reals[] = { 0.0, -0.0, 1.0, 0.1, -1e300, 5e-324, 1e15 };

/* INTEGER, REAL, TEXT, BLOB with NULLs; lengths about every limit of a page. */
static void mixed_row(uint64_t row, struct table_value *v, size_t n) {
        static const size_t about[] = { 0,    57,   58,   4000, 4030, 4040, 4050,
                                        4060, 4070, 4090, 8100, 8150, 8200, 12300 };
        size_t len = about[row % ELEMENTSOF(about)] + row % 37;

        v[0] = (struct table_value){ .type = CELL_INTEGER,
                                     .integer = integers[row % ELEMENTSOF(integers)] };
        v[1] = (struct table_value){ .type = row % 5 ? CELL_REAL : CELL_NULL,
                                     .real = reals[row % ELEMENTSOF(reals)] };
        v[2] = (struct table_value){ .type = CELL_TEXT, .text = BYTES(text + row % 1000, len) };
        v[3] = (struct table_value){ .type = row % 3 ? CELL_BLOB : CELL_NULL,
                                     .text = BYTES(text, row % 19) };
}

static void small_row(uint64_t row, struct table_value *v, size_t n) {
        for (size_t i = 0; i < n; i++)
                v[i] = (struct table_value){ .type = CELL_INTEGER, .integer = (int64_t) row };
}

static void wide_row(uint64_t row, struct table_value *v, size_t n) {
        for (size_t i = 0; i < n; i++)
                v[i] = (struct table_value){ .type = CELL_TEXT,
                                             .text = BYTES(text, (row * 7 + i) % 9) };
}

static void long_row(uint64_t row, struct table_value *v, size_t n) {
        v[0] = (struct table_value){ .type = CELL_TEXT,
                                     .text = BYTES(text, row == 2 ? 1048576 : 2000000) };
}

/* ---- as SQLite sees it ---- */

static sqlite3 *open_image(const struct buffer *file) {
        sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        assert_int_equal(sqlite3_deserialize(db, "main", file->data, (sqlite3_int64) file->len,
                                             (sqlite3_int64) file->len,
                                             SQLITE_DESERIALIZE_READONLY),
                         SQLITE_OK);
        return db;
}

static void expect_text(sqlite3 *db, const char *sql, const char *want) {
        sqlite3_stmt *q = NULL;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        assert_string_equal((const char *) sqlite3_column_text(q, 0), want);
        sqlite3_finalize(q);
}

static void same_value(sqlite3_stmt *q, int i, const struct table_value *v) {
        switch (v->type) {
        case CELL_INTEGER:
                assert_int_equal(sqlite3_column_type(q, i), SQLITE_INTEGER);
                assert_true(sqlite3_column_int64(q, i) == v->integer);
                break;
        case CELL_REAL:
                assert_int_equal(sqlite3_column_type(q, i), SQLITE_FLOAT);
                assert_true(sqlite3_column_double(q, i) == v->real);
                assert_false(__builtin_signbit(sqlite3_column_double(q, i)) && v->real == 0);
                break;
        case CELL_NULL:
                assert_int_equal(sqlite3_column_type(q, i), SQLITE_NULL);
                break;
        default:
                assert_int_equal(sqlite3_column_type(q, i),
                                 v->type == CELL_TEXT ? SQLITE_TEXT : SQLITE_BLOB);
                assert_int_equal(sqlite3_column_bytes(q, i), v->text.len);
                if (v->text.len)
                        assert_memory_equal(sqlite3_column_blob(q, i), v->text.data, v->text.len);
        }
}

static void expect_rows(sqlite3 *db, const struct table *t, const char *name) {
        size_t n = t->schema->n_columns;
        struct table_value *values = calloc(n, sizeof(*values));
        char sql[256];
        sqlite3_stmt *q = NULL;
        uint64_t row = 0;

        (void) snprintf(sql, sizeof(sql), "SELECT *, rowid FROM \"%s\"", name);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
                t->row(++row, values, n);
                for (size_t i = 0; i < n; i++)
                        same_value(q, (int) i, &values[i]);
                assert_int_equal(sqlite3_column_int64(q, (int) n), row);
        }
        assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
        assert_int_equal(row, t->rows);
        free(values);
}

/* Found by rowid too: through the inner pages. */
static void expect_found(sqlite3 *db, const struct table *t, const char *name) {
        char sql[256];
        sqlite3_stmt *q = NULL;

        (void) snprintf(sql, sizeof(sql), "SELECT 1 FROM \"%s\" WHERE rowid = ?", name);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
        for (uint64_t row = 0; row <= t->rows + 1; row += row < 300 ? 1 : 97) {
                sqlite3_bind_int64(q, 1, (sqlite3_int64) row);
                assert_int_equal(sqlite3_step(q),
                                 row >= 1 && row <= t->rows ? SQLITE_ROW : SQLITE_DONE);
                sqlite3_reset(q);
        }
        sqlite3_finalize(q);
}

/* The names an input may have, laid over the same file. */
static void expect_named(const struct table *t, struct buffer *file, const char *name) {
        CLEANUP(buffer_donep) struct buffer head = {};
        sqlite3 *db;

        buffer_init(&head, 16u << 20);
        image_head(t->schema, name, (uint32_t) (file->len / IMAGE_PAGE), &head);
        assert_false(head.failed);
        assert_int_equal(head.len, (size_t) image_head_pages(t->schema) * IMAGE_PAGE);
        memcpy(file->data, head.data, head.len);
        db = open_image(file);
        expect_text(db, "PRAGMA integrity_check", "ok");
        expect_rows(db, t, name);
        sqlite3_close(db);
}

static void expect_table(const struct table *t) {
        static const char longest[] =
                "n123456789_123456789_123456789_123456789_123456789_123456789_12";
        CLEANUP(buffer_donep) struct buffer file = {}, again = {};
        char says[32];
        sqlite3 *db;

        (void) snprintf(says, sizeof(says), "data%zu1", t->schema->n_columns);
        assert_int_equal(write_table(t, &file), 0);
        assert_int_equal(write_table(t, &again), 0);
        assert_true(bytes_equal(buffer_bytes(&file), buffer_bytes(&again)));
        db = open_image(&file);
        expect_text(db, "PRAGMA integrity_check", "ok");
        expect_text(db,
                    "SELECT name || ncol || strict FROM pragma_table_list WHERE schema = 'main' "
                    "AND type = 'table' AND name = 'data'",
                    says);
        expect_rows(db, t, IMAGE_TABLE);
        expect_found(db, t, IMAGE_TABLE);
        sqlite3_close(db);
        assert_int_equal(strlen(longest), IMAGE_NAME);
        expect_named(t, &file, "t");
        expect_named(t, &file, longest);
}

static const char *const four_names[] = { "a", "b\"c", "ü", "select" };
static const enum cell_type four_types[] = { CELL_INTEGER, CELL_DECIMAL, CELL_TEXT, CELL_BLOB };

static void test_types(void **state) {
        struct table t = { .row = mixed_row, .rows = 700 };
        CLEANUP(buffer_donep) struct buffer b = {};

        (void) state;
        buffer_init(&b, 4096);
        schema_begin(&b, 4);
        for (size_t i = 0; i < 4; i++) {
                schema_put_name(&b, BYTES_STR(four_names[i]));
                if (four_types[i] == CELL_DECIMAL)
                        schema_put_decimal(&b, 15, 2);
                else
                        schema_put_type(&b, four_types[i]);
        }
        assert_int_equal(schema_decode(buffer_bytes(&b), &t.schema), SCHEMA_OK);
        expect_table(&t);
        schema_free(t.schema);
}

/* Leaves of 3 levels and fewer, and about the counts where an inner page is full. */
static void test_levels(void **state) {
        static const char *const names[] = { "n" };
        static const enum cell_type types[] = { CELL_INTEGER };
        /* 1 column: 5 to 9 bytes a row, so that about 400 to 500 rows are a leaf. */
        static const uint64_t counts[] = { 0,      1,      2,      480,    600,    1200,
                                           100000, 110000, 120000, 250000, 1500000 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                struct table t = { schema_of(names, types, 1), small_row, counts[i], 0 };

                expect_table(&t);
                schema_free(t.schema);
        }
}

/* One row a leaf: from one child to two full inner pages and one more child. */
static void big_row(uint64_t row, struct table_value *v, size_t n) {
        v[0] = (struct table_value){ .type = CELL_TEXT, .text = BYTES(text + row, 3000) };
}

static void test_children(void **state) {
        static const char *const names[] = { "n" };
        static const enum cell_type types[] = { CELL_TEXT };
        static const uint64_t counts[] = { 255, 256, 257, 258, 511, 512, 513, 514, 769 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(counts); i++) {
                struct table t = { schema_of(names, types, 1), big_row, counts[i], 0 };

                expect_table(&t);
                schema_free(t.schema);
        }
}

/* Catalogues that fit page 1, that do not quite, and that spill over far. */
static void test_wide(void **state) {
        char storage[1000][64];
        const char *names[1000];
        enum cell_type types[1000];

        (void) state;
        for (size_t n = 30; n <= 1000; n += n < 130 ? 1 : 290) {
                struct table t = { .row = wide_row, .rows = 3 };

                for (size_t i = 0; i < n; i++) {
                        (void) snprintf(storage[i], sizeof(storage[i]), "column_%zu%s", i,
                                        n < 130 ? "_of_a_few" : "");
                        names[i] = storage[i];
                        types[i] = CELL_TEXT;
                }
                t.schema = schema_of(names, types, n);
                expect_table(&t);
                schema_free(t.schema);
        }
}

static void test_long(void **state) {
        static const char *const names[] = { "t" };
        static const enum cell_type types[] = { CELL_TEXT };
        struct table t = { schema_of(names, types, 1), long_row, 3, 0 };

        (void) state;
        expect_table(&t);
        schema_free(t.schema);
}

/* Two passes that saw different rows are a fault, never a file. */
static void test_other_rows(void **state) {
        static const char *const names[] = { "n" };
        static const enum cell_type types[] = { CELL_INTEGER };
        struct table t = { schema_of(names, types, 1), small_row, 1000, 999 };
        CLEANUP(buffer_donep) struct buffer more = {}, fewer = {};

        (void) state;
        assert_true(write_table(&t, &more) < 0);
        t.claimed = 1001;
        assert_true(write_table(&t, &fewer) < 0);
        schema_free(t.schema);
}

/* SQLite keeps nothing in the page of its locks, the one that holds byte 2^30. */
static uint64_t pages_written, locked_pages;
static int judge_page(void *userdata, const uint8_t *page) {
        static const uint8_t nothing[IMAGE_PAGE];

        pages_written++;
        if (pages_written == (1u << 30) / IMAGE_PAGE + 1)
                locked_pages += memcmp(page, nothing, IMAGE_PAGE) == 0;
        return 0;
}

static void test_lock_page(void **state) {
        static const char *const names[] = { "t" };
        static const enum cell_type types[] = { CELL_TEXT };
        struct schema *schema = schema_of(names, types, 1);
        struct table_value v = { .type = CELL_TEXT, .text = BYTES(text, 1 << 20) };
        struct image_size size = {};
        struct image *i;

        (void) state;
        for (unsigned k = 0; k < 1100; k++)
                image_count(&size, &v, 1);
        i = image_new(schema, &size, judge_page, NULL);
        assert_int_equal(image_begin(i), 0);
        for (unsigned k = 0; k < 1100; k++)
                assert_int_equal(image_add(i, &v), 0);
        assert_int_equal(image_end(i), 0);
        assert_int_equal(pages_written, image_pages(schema, &size));
        assert_int_equal(locked_pages, 1);
        image_free(i);
        schema_free(schema);
}

__attribute__((constructor)) static void fill_text(void) {
        for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (char) ('a' + (i * i + i / 7) % 26);
}

TEST_MAIN(cmocka_unit_test(test_types), cmocka_unit_test(test_levels),
          cmocka_unit_test(test_children), cmocka_unit_test(test_wide), cmocka_unit_test(test_long),
          cmocka_unit_test(test_other_rows), cmocka_unit_test(test_lock_page))
