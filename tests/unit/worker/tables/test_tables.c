/* What is refused in a table file, with its place; what decides on header and
 * delimiter; the forms at their limits. (Whole files: test_random.py.) */

#include "services/worker/tables/columns.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/rows.h"
#include "services/worker/tables/sniff.h"
#include "tests/support/test.h"

#define FILE_OF(s) \
        { s, sizeof(s) - 1 }

struct file {
        const char *text;
        size_t len;
};

/* ---- faults ---- */

static const struct {
        struct file file;
        uint64_t row;
        unsigned column;
        uint64_t offset;
        const char *what;
} bad_csv[] = {
        { FILE_OF("a,b\n1,x\"y\n"), 2, 2, 7, "a quote inside" },
        { FILE_OF("a,b\n1,\"x\" \n"), 2, 2, 9, "text behind a closing quote" },
        { FILE_OF("a,b\n1,\"x\n"), 2, 2, 6, "never closed" },
        { FILE_OF("a,b\n1\n"), 2, 0, 4, "fewer fields" },
        { FILE_OF("a,b\n1,2\n1,2,3\n"), 3, 0, 8, "more fields" },
        { FILE_OF("a,b\n1,2\r\n"), 2, 3, 7, "ends otherwise" },
        { FILE_OF("a,b\r\n1,2\n"), 2, 3, 8, "ends otherwise" },
        { FILE_OF("a,b\r1,2\r"), 1, 3, 3, "carriage return" },
        { FILE_OF("a,b\n1,x\0y\n"), 2, 2, 7, "zero byte" },
        { FILE_OF("a,b\n1,\"x\0y\"\n"), 2, 2, 6, "zero byte" },
        { FILE_OF("a,b\n1,\xff\n"), 2, 2, 6, "not UTF-8" },
        { FILE_OF("\xff,b\n1,2\n"), 1, 1, 0, "plain UTF-8" },
        { FILE_OF("\na,b\n1,2\n"), 0, 0, 0, "first line is empty" },
        { FILE_OF("\"a\nb\",c\n1,2\n"), 1, 1, 0, "line break in the first row" },
        { FILE_OF(",a,b\n0,1,2\n"), 1, 1, 0, "without a name" },
        { FILE_OF("id,Name,NAME\n1,2,3\n"), 1, 3, 0, "another column has" },
        { FILE_OF("a\tb\x01,c\n1,2\n"), 1, 1, 0, "plain UTF-8" },
        { FILE_OF("\xef\xbb\xbf"), 0, 0, 0, "no rows" },
};

static const struct {
        struct file file;
        uint64_t row;
        unsigned column;
        uint64_t offset;
        const char *what;
} bad_json[] = {
        { FILE_OF("{\"a\":1}\n[1]\n"), 2, 0, 8, "not a JSON object" },
        { FILE_OF("{\"a\":{\"b\":1}}\n"), 1, 1, 5, "nested" },
        { FILE_OF("{\"x\":1,\"a\":[]}\n"), 1, 2, 11, "nested" },
        { FILE_OF("{\"a\":1,\"a\":2}\n"), 1, 2, 11, "twice" },
        { FILE_OF("{\"a\":1}\n{\"A\":2}\n"), 2, 1, 13, "another column has" },
        { FILE_OF("{\"a\":1}\n{\"a\":\"x\"}\n"), 2, 1, 13, "a number and another" },
        { FILE_OF("{\"a\":true}\n{\"a\":1}\n"), 2, 1, 16, "a number and another" },
        { FILE_OF("{\"a\":1,}\n"), 1, 0, 7, "no member" },
        { FILE_OF("{\"a\":1\n}\n"), 1, 0, 6, "does not end on its line" },
        { FILE_OF("{\"a\":\"x\n\"}\n"), 1, 0, 7, "does not end on its line" },
        { FILE_OF("{\"a\":1} {\"a\":2}\n"), 1, 0, 8, "text behind" },
        { FILE_OF("{\"a\" 1}\n"), 1, 0, 5, "no colon" },
        { FILE_OF("{\"a\":NaN}\n"), 1, 1, 5, "no JSON value" },
        { FILE_OF("{\"a\":-Infinity}\n"), 1, 1, 5, "no number" },
        { FILE_OF("{\"a\":01}\n"), 1, 1, 5, "no number" },
        { FILE_OF("{\"a\":1e999}\n"), 1, 1, 5, "no number" },
        { FILE_OF("{\"a\":9223372036854775808}\n"), 1, 1, 5, "no number" },
        { FILE_OF("{\"a\":9007199254740993}\n{\"a\":1e3}\n"), 0, 1, 0, "beyond 2^53" },
        { FILE_OF("{\"a\":\"\\u0000\"}\n"), 1, 0, 6, "an escape" },
        { FILE_OF("{\"a\":\"\\ud800x\"}\n"), 1, 0, 6, "an escape" },
        { FILE_OF("{\"a\":\"\\udc00\"}\n"), 1, 0, 6, "an escape" },
        { FILE_OF("{\"a\":\"\\ud800\\u0041\"}\n"), 1, 0, 6, "an escape" },
        { FILE_OF("{\"a\":\"\\x\"}\n"), 1, 0, 6, "an escape" },
        { FILE_OF("{\"a\":\"x\ty\"}\n"), 1, 0, 7, "control character" },
        { FILE_OF("{\"a\":\"x\xff\"}\n"), 1, 0, 7, "not UTF-8" },
        { FILE_OF("\xef\xbb\xbf{\"a\":1}\n"), 1, 0, 0, "not a JSON object" },
        { FILE_OF("{\"\":1}\n"), 1, 1, 4, "without a name" },
        { FILE_OF("{}\n{}\n"), 0, 0, 0, "no object with a member" },
        { FILE_OF(" \n\n"), 0, 0, 0, "no object with a member" },
};

static int describe(enum table_format format, struct file file, struct buffer *options,
                    struct buffer *schema, struct table_fault *fault) {
        buffer_init(options, 256);
        buffer_init(schema, 1u << 20);
        return describe_table(format, BYTES(file.text, file.len), (struct table_watch){},
                              &(struct describe_to){ options, schema, NULL }, fault);
}

static void expect_fault(enum table_format format, struct file file, uint64_t row, unsigned column,
                         uint64_t offset, const char *what) {
        CLEANUP(buffer_donep) struct buffer options = {}, schema = {};
        struct table_fault f = {};
        char text[256];

        assert_int_equal(describe(format, file, &options, &schema, &f), TABLE_E_BAD);
        print_message("# %s\n", table_fault_text(&f, text, sizeof(text)));
        assert_non_null(strstr(text, what));
        assert_int_equal(f.row, row);
        assert_int_equal(f.column, column);
        assert_int_equal(f.offset, offset);
        assert_true(strlen(f.remedy) > 0);
}

static void test_bad_csv(void **state) {
        FOREACH_CASE (c, bad_csv)
                expect_fault(TABLE_FORMAT_CSV, c->file, c->row, c->column, c->offset, c->what);
}

static void test_bad_json(void **state) {
        FOREACH_CASE (c, bad_json)
                expect_fault(TABLE_FORMAT_NDJSON, c->file, c->row, c->column, c->offset, c->what);
}

/* ---- what a file is described as ---- */

static const struct {
        enum table_format format;
        struct file file;
        const char *want; /* delimiter, header, then columns */
} described[] = {
        { TABLE_FORMAT_CSV, FILE_OF("id,name\n1,x\n"), ", 1 id INTEGER name TEXT" },
        { TABLE_FORMAT_CSV, FILE_OF("1,x\n2,y\n"), ", 0 column1 INTEGER column2 TEXT" },
        { TABLE_FORMAT_CSV, FILE_OF("a,b\n"), ", 1 a TEXT b TEXT" },
        { TABLE_FORMAT_CSV, FILE_OF("name,2020\nx,1\n"), ", 0 column1 TEXT column2 INTEGER" },
        { TABLE_FORMAT_CSV, FILE_OF("day,2020\n2024-01-01,1\n"), ", 1 day DATE 2020 INTEGER" },
        { TABLE_FORMAT_CSV, FILE_OF("a;b\n1,5;2\n"), "; 1 a TEXT b INTEGER" },
        { TABLE_FORMAT_CSV, FILE_OF("a\tb,c\n1\t2\n"), "\t 1 a INTEGER b,c INTEGER" },
        { TABLE_FORMAT_CSV, FILE_OF("a|b\n1|2.50\n"), "| 1 a INTEGER b DECIMAL(3,2)" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n\n7\n"), ", 1 a INTEGER" },
        { TABLE_FORMAT_CSV, FILE_OF("a,b\n\n7,\"\"\n"), ", 1 a INTEGER b TEXT" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n9007199254740993\n1e3\n"), ", 1 a TEXT" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n9007199254740992\n1e3\n"), ", 1 a REAL" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n0.123456789012345678\n1\n"), ", 1 a REAL" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n0.12345678901234567\n1\n"), ", 1 a DECIMAL(18,17)" },
        { TABLE_FORMAT_CSV, FILE_OF("a\n2024-01-01\n2024-01-01 00:00:00\n"), ", 1 a TEXT" },
        { TABLE_FORMAT_NDJSON, FILE_OF("{\"a\":1}\n{\"b\":\"x\",\"a\":2.5}"),
          "a DECIMAL(2,1) b TEXT" },
        { TABLE_FORMAT_NDJSON, FILE_OF("{\"a\":true,\"b\":\"12\"}\n"), "a TEXT b TEXT" },
        { TABLE_FORMAT_NDJSON, FILE_OF("{\"a\":0.1234567890123456}\n"), "a REAL" },
        { TABLE_FORMAT_NDJSON, FILE_OF("{\"a\":\"2024-01-01T00:00:00\"}\r\n"), "a TIMESTAMP" },
};

static void columns_text(struct bytes bytes, char *ret, size_t ret_size) {
        CLEANUP(schema_freep) struct schema *s = table_schema_decode(bytes);
        size_t at = strlen(ret);
        char type[64];

        assert_non_null(s);
        for (size_t i = 0; i < s->n_columns; i++)
                at += (size_t) snprintf(ret + at, ret_size - at, "%s%.*s %s", at ? " " : "",
                                        (int) s->columns[i]->name.len,
                                        (const char *) s->columns[i]->name.data,
                                        schema_type_text(s->columns[i], type, sizeof(type)));
}

static void test_described(void **state) {
        FOREACH_CASE (c, described) {
                CLEANUP(buffer_donep) struct buffer options = {}, schema = {};
                struct table_fault f = {};
                struct csv_options o;
                char got[256] = "";

                assert_int_equal(describe(c->format, c->file, &options, &schema, &f), TABLE_OK);
                if (c->format == TABLE_FORMAT_CSV) {
                        assert_true(csv_options_decode(buffer_bytes(&options), &o));
                        (void) snprintf(got, sizeof(got), "%c %d", o.delimiter, o.has_header);
                } else {
                        assert_int_equal(options.len, 0);
                }
                columns_text(buffer_bytes(&schema), got, sizeof(got));
                assert_string_equal(got, c->want);
        }
}

/* ---- options and schemas that somebody else wrote ---- */

static const struct {
        struct file bytes;
        bool is_good;
} options_cases[] = {
        { FILE_OF("\1,\"\1\0"), true },    { FILE_OF("\1;'\0\2NA"), true },
        { FILE_OF("\2,\"\1\0"), false },   { FILE_OF("\1x\"\1\0"), false },
        { FILE_OF("\1,,\1\0"), false },    { FILE_OF("\1,\"\2\0"), false },
        { FILE_OF("\1,\"\1\0x"), false },  { FILE_OF("\1,\"\1"), false },
        { FILE_OF("\1,\"\1\1,"), false },  { FILE_OF("\1,\"\1\1\""), false },
        { FILE_OF("\1,\"\1\1\n"), false }, { FILE_OF("\1,\"\1\1\xff"), false },
        { FILE_OF("\1\n\"\1\0"), false },  { FILE_OF(""), false },
};

static void test_options(void **state) {
        FOREACH_CASE (c, options_cases) {
                CLEANUP(buffer_donep) struct buffer again = {};
                struct bytes in = BYTES(c->bytes.text, c->bytes.len);
                struct csv_options o;

                assert_int_equal(csv_options_decode(in, &o), c->is_good);
                if (!c->is_good)
                        continue;
                buffer_init(&again, 64);
                csv_options_encode(&o, &again);
                assert_bytes_equal(buffer_bytes(&again), in);
        }
}

/* A published schema that the file does not keep is a fault with its place. */
static const struct {
        const char *format, *data, *options;
        size_t options_len;
        enum cell_type type;
        const char *want;
} unkept[] = {
        { "csv", "a\n1\nx\n", "\1,\"\1\0", 5, CELL_INTEGER,
          "row 3, column 1 'a', byte 4: 'x': a value" },
        { "csv", "a\n1.25\n", "\1,\"\1\0", 5, CELL_DECIMAL, "row 2, column 1 'a'" },
        { "csv", "a\n123.5\n", "\1,\"\1\0", 5, CELL_DECIMAL, "row 2, column 1 'a'" },
        { "csv", "a\n2024-02-30\n", "\1,\"\1\0", 5, CELL_DATE,
          "row 2, column 1 'a', byte 2: '2024-02-30': a value" },
        { "csv", "a\n\"\"\n", "\1,\"\1\0", 5, CELL_REAL, "row 2, column 1 'a'" },
        { "csv", "a\n\xff\n", "\1,\"\1\0", 5, CELL_TEXT, "row 2, column 1 'a'" },
        { "csv", "a,b\n", "\1,\"\1\0", 5, CELL_TEXT, "row 1, byte 0: more fields" },
        { "csv", "a\n", "\1,\"\1", 4, CELL_TEXT, "options" },
        { "ndjson", "{\"a\":\"1\"}", "", 0, CELL_INTEGER,
          "row 1, column 1 'a', byte 5: '1': a value" },
        { "ndjson", "{\"a\":1}", "", 0, CELL_TEXT, "row 1, column 1 'a'" },
        { "ndjson", "{\"b\":1}", "", 0, CELL_INTEGER, "a name that is not published" },
        { "ndjson", "{\"a\":1}", "x", 1, CELL_INTEGER, "options" },
        { "ndjson", "{\"a\":1}", "", 0, CELL_BLOB, "no schema of a table" },
};

static void put_schema(struct buffer *b, enum cell_type type) {
        buffer_init(b, 64);
        buffer_put_u8(b, TABLE_SCHEMA_VERSION);
        schema_begin(b, 1);
        schema_put_name(b, BYTES_LIT("a"));
        if (type == CELL_DECIMAL)
                schema_put_decimal(b, 3, 1);
        else
                schema_put_type(b, type);
}

static void test_unkept(void **state) {
        FOREACH_CASE (c, unkept) {
                CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
                CLEANUP(buffer_donep) struct buffer schema = {};
                const struct table_value *values;
                struct engine_input in = {};
                struct table_fault f = {};
                char text[256];
                int r;

                put_schema(&schema, c->type);
                (void) snprintf(in.format, sizeof(in.format), "%s", c->format);
                in.data = (const uint8_t *) c->data;
                in.length = strlen(c->data);
                in.options = BYTES(c->options, c->options_len);
                in.schema = buffer_bytes(&schema);
                r = table_rows_open(&in, (struct table_watch){}, &f, &rows);
                while (r == TABLE_OK)
                        r = table_rows_next(rows, &values);
                assert_int_equal(r, TABLE_E_BAD);
                assert_non_null(strstr(table_fault_text(&f, text, sizeof(text)), c->want));
        }
}

/* Unquoted, NA is NULL, and nothing is an empty text then. */
static void test_null_text(void **state) {
        CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
        CLEANUP(buffer_donep) struct buffer schema = {};
        static const enum cell_type want[] = { CELL_NULL, CELL_TEXT, CELL_TEXT };
        const struct table_value *values;
        struct engine_input in = { .format = "csv" };
        struct table_fault f = {};

        put_schema(&schema, CELL_TEXT);
        in.data = (const uint8_t *) "NA\n\n\"NA\"\n\"\"\n";
        in.length = 12;
        in.options = BYTES("\1,\"\0\2NA", 7);
        in.schema = buffer_bytes(&schema);
        assert_int_equal(table_rows_open(&in, (struct table_watch){}, &f, &rows), TABLE_OK);
        FOREACH_CASE (c, want) {
                assert_int_equal(table_rows_next(rows, &values), TABLE_OK);
                assert_int_equal(values[0].type, *c);
        }
        assert_int_equal(table_rows_next(rows, &values), TABLE_END);
}

/* ---- bounds ---- */

static bool always(void *userdata) {
        return true;
}

static void test_bounds(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {}, options = {}, schema = {};
        struct table_watch watch = { .is_over = always };
        struct table_fault f = {};

        buffer_init(&b, 8u << 20);
        for (size_t i = 0; i < 10000; i++)
                buffer_put_bytes(&b, BYTES_LIT("1,2\n"));
        buffer_init(&options, 64);
        buffer_init(&schema, 1024);
        assert_int_equal(describe_table(TABLE_FORMAT_CSV, buffer_bytes(&b), watch,
                                        &(struct describe_to){ &options, &schema, NULL }, &f),
                         TABLE_E_OVER);

        buffer_clear(&b);
        buffer_put_bytes(&b, BYTES_LIT("a,b\n\""));
        for (size_t i = 0; i < TABLE_ROW_MAX / 2; i++)
                buffer_put_bytes(&b, BYTES_LIT("\"\""));
        buffer_put_bytes(&b, BYTES_LIT("\",1\n"));
        expect_fault(TABLE_FORMAT_CSV, (struct file){ (const char *) b.data, b.len }, 2, 0, 4,
                     "above 1 MiB");

        buffer_clear(&b);
        for (size_t i = 0; i <= TABLE_COLUMNS_MAX; i++)
                buffer_put_bytes(&b, BYTES_LIT("x,"));
        expect_fault(TABLE_FORMAT_CSV, (struct file){ (const char *) b.data, b.len }, 1,
                     TABLE_COLUMNS_MAX + 1, 2 * TABLE_COLUMNS_MAX + 1, "more than 1000 columns");
}

/* ---- forms ---- */

static const struct {
        const char *text;
        enum form_kind kind;
} forms[] = {
        { "0", FORM_INTEGER },
        { "-0", FORM_INTEGER },
        { "-9223372036854775808", FORM_INTEGER },
        { "9223372036854775807", FORM_INTEGER },
        { "9223372036854775808", FORM_TEXT },
        { "-9223372036854775809", FORM_TEXT },
        { "00", FORM_TEXT },
        { "-", FORM_TEXT },
        { "+1", FORM_TEXT },
        { " 1", FORM_TEXT },
        { "1 ", FORM_TEXT },
        { "1.", FORM_TEXT },
        { ".1", FORM_TEXT },
        { "1.0", FORM_DECIMAL },
        { "123456789012345678.1", FORM_REAL },
        { "1e3", FORM_REAL },
        { "1E+3", FORM_REAL },
        { "1e", FORM_TEXT },
        { "1e999", FORM_TEXT },
        { "1e-999", FORM_TEXT },
        { "0e-999", FORM_REAL },
        { "5e-324", FORM_REAL },
        { "0001-01-01", FORM_DATE },
        { "0000-01-01", FORM_TEXT },
        { "2000-02-29", FORM_DATE },
        { "1900-02-29", FORM_TEXT },
        { "2024-00-01", FORM_TEXT },
        { "2024-13-01", FORM_TEXT },
        { "2024-04-31", FORM_TEXT },
        { "2024-1-01", FORM_TEXT },
        { "2024-01-01 23:59:59", FORM_TIMESTAMP },
        { "2024-01-01T23:59:59.123456", FORM_TIMESTAMP },
        { "2024-01-01 23:59:60", FORM_TEXT },
        { "2024-01-01 24:00:00", FORM_TEXT },
        { "2024-01-01 23:59:59.", FORM_TEXT },
        { "2024-01-01 23:59:59.1234567", FORM_TEXT },
        { "2024-01-01 23:59:59Z", FORM_TEXT },
        { "2024-01-01 23:59", FORM_TEXT },
        { "", FORM_TEXT },
};

static void test_forms(void **state) {
        FOREACH_CASE (c, forms)
                assert_int_equal(form_of(BYTES_STR(c->text)).kind, c->kind);
}

/* ---- columns that are TEXT by a few values ---- */

static const struct {
        enum table_format format;
        struct file file;
        unsigned column; /* 0: nothing is odd */
        uint64_t row, n, others;
        enum infer_class class;
        const char *name, *value;
} odd_files[] = {
        { TABLE_FORMAT_CSV, FILE_OF("a,b\n1,x\n2,y\noops,z\n"), 1, 4, 3, 1, INFER_NUMBERS, "a",
          "oops" },
        { TABLE_FORMAT_CSV, FILE_OF("a,b\nn/a,x\n1,y\n2.5,z\n"), 1, 2, 3, 1, INFER_NUMBERS, "a",
          "n/a" }, /* the first one too */
        { TABLE_FORMAT_CSV, FILE_OF("d\n2026-01-01\n\n2026-01-02\n01.03.2026\n7\n2026-01-05\n"), 1,
          5, 5, 2, INFER_DATES, "d", "01.03.2026" },
        { TABLE_FORMAT_CSV, FILE_OF("1,2\n3,x\n4,5\n6,7\n"), 2, 2, 4, 1, INFER_NUMBERS, "column2",
          "x" }, /* no row of names */
        { TABLE_FORMAT_CSV, FILE_OF("id\n7\nA8\nB9\n1\n"), 0, 0, 0, 0, 0, NULL, NULL },
        { TABLE_FORMAT_CSV, FILE_OF("a\n1\n2.5\n\n"), 0, 0, 0, 0, 0, NULL, NULL },
        { TABLE_FORMAT_NDJSON,
          FILE_OF("{\"t\":\"2026-01-01 10:00:00\"}\n{\"t\":\"2026-01-01 "
                  "10:00:01\"}\n{\"t\":\"now\"}\n"),
          1, 3, 3, 1, INFER_TIMESTAMPS, "t", "now" },
};

static void test_odd_values(void **state) {
        FOREACH_CASE (c, odd_files) {
                CLEANUP(buffer_donep) struct buffer options = {}, schema = {};
                struct describe_odd odd = {};
                struct table_fault fault;

                buffer_init(&options, 256);
                buffer_init(&schema, 1024);
                assert_int_equal(describe_table(c->format, BYTES(c->file.text, c->file.len),
                                                (struct table_watch){},
                                                &(struct describe_to){ &options, &schema, &odd },
                                                &fault),
                                 TABLE_OK);
                assert_int_equal(odd.n, c->column > 0);
                if (odd.n == 0)
                        continue;
                assert_int_equal(odd.list[0].column, c->column);
                assert_int_equal(odd.list[0].class, c->class);
                assert_int_equal(odd.list[0].n, c->n);
                assert_int_equal(odd.list[0].others, c->others);
                assert_int_equal(odd.list[0].first.row, c->row);
                assert_string_equal(odd.list[0].first.text, c->value);
                assert_string_equal(odd.list[0].name, c->name);
        }
}

TEST_MAIN(cmocka_unit_test(test_odd_values), cmocka_unit_test(test_bad_csv),
          cmocka_unit_test(test_bad_json), cmocka_unit_test(test_described),
          cmocka_unit_test(test_options), cmocka_unit_test(test_unkept),
          cmocka_unit_test(test_null_text), cmocka_unit_test(test_bounds),
          cmocka_unit_test(test_forms))
