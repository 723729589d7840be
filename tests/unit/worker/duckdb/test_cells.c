/* Every type of DuckDB as canonical bytes, written from common/canonical/README.md. */

#include "common/base/text.h"
#include "tests/unit/worker/duckdb/support.h"

static const struct {
        const char *expression;
        const char *hex;    /* NULL: ENCODING when it is read */
        const char *schema; /* the type's bytes; NULL: as long as it is a schema */
} cells[] = {
        { "NULL", "00", NULL },
        { "NULL::DECIMAL(5,2)", "00", "110502" },
        { "true", "100101", "10" },
        { "false", "100100", NULL },
        { "(-128)::TINYINT", "100180", "10" },
        { "255::UTINYINT", "100200ff", "10" },
        { "(-32768)::SMALLINT", "10028000", NULL },
        { "65535::USMALLINT", "100300ffff", NULL },
        { "(-2147483648)::INTEGER", "100480000000", NULL },
        { "4294967295::UINTEGER", "100500ffffffff", NULL },
        { "9223372036854775807::BIGINT", "10087fffffffffffffff", "10" },
        { "(-9223372036854775808)::BIGINT", "10088000000000000000", NULL },
        { "18446744073709551615::UBIGINT", "100900ffffffffffffffff", "10" },
        { "170141183460469231731687303715884105727::HUGEINT",
          "10107fffffffffffffffffffffffffffffff", "10" },
        { "'-170141183460469231731687303715884105728'::HUGEINT",
          "101080000000000000000000000000000000", NULL },
        { "(-1)::HUGEINT", "1001ff", NULL },
        { "'340282366920938463463374607431768211455'::UHUGEINT",
          "101100ffffffffffffffffffffffffffffffff", "10" },
        { "7::UHUGEINT", "100107", NULL },
        { "1.50::DECIMAL(4,2)", "1101010f", "110402" },
        { "(-0.05)::DECIMAL(9,2)", "110201fb", "110902" },
        { "0::DECIMAL(18,4)", "100100", "111204" },
        { "12.00::DECIMAL(18,2)", "10010c", NULL },
        { "1234567890123456.78::DECIMAL(18,2)", "11020801b69b4ba630f34e", NULL },
        { "'99999999999999999999999999999999999999'::DECIMAL(38,0)",
          "10104b3b4ca85a86c47a098a223fffffffff", "112600" },
        { "0.00000000000000000000000000000000000001::DECIMAL(38,38)", "11260101", "112626" },
        { "1.5::FLOAT", "203ff8000000000000", "20" },
        { "0.1::FLOAT", "203fb99999a0000000", "20" },
        { "0.1::DOUBLE", "203fb999999999999a", "20" },
        { "'-0'::DOUBLE", "200000000000000000", NULL },
        { "'nan'::DOUBLE", "207ff8000000000000", NULL },
        { "'-nan'::FLOAT", "207ff8000000000000", NULL },
        { "'inf'::DOUBLE", NULL, NULL },
        { "'-inf'::FLOAT", NULL, NULL },
        { "''", "3000", "30" },
        { "'twelve bytes'", "300c7477656c7665206279746573", NULL },
        { "'thirteen byte'", "300d746869727465656e2062797465", NULL },
        { "'\xc3\xa9'", "3002c3a9", NULL },
        { "'b'::ENUM('a', 'b')", "300162", "30" },
        { "'\\x00\\xFF'::BLOB", "310200ff", "31" },
        { "''::BLOB", "3100", NULL },
        { "DATE '1970-01-02'", "4000000001", "40" },
        { "DATE '0001-01-01'", "40fff506c6", NULL },
        { "'infinity'::DATE", NULL, NULL },
        { "'-infinity'::DATE", NULL, NULL },
        { "TIME '00:00:01.000001'", "4100000000000f4241", "41" },
        { "TIMESTAMP '1970-01-01 00:00:01.5'", "42000000000016e360", "42" },
        { "TIMESTAMP '1969-12-31 23:59:59'", "42fffffffffff0bdc0", NULL },
        { "TIMESTAMP_S '1970-01-01 00:00:02'", "4200000000001e8480", "42" },
        { "TIMESTAMP_MS '1970-01-01 00:00:00.001'", "4200000000000003e8", "42" },
        { "TIMESTAMP_NS '1970-01-01 00:00:00.000001'", "420000000000000001", "42" },
        { "TIMESTAMP_NS '1970-01-01 00:00:00.0000015'", NULL, "42" },
        { "'infinity'::TIMESTAMP", NULL, NULL },
        { "'-infinity'::TIMESTAMPTZ", NULL, NULL },
        { "TIMESTAMPTZ '1970-01-01 01:00:00+01'", "430000000000000000", "43" },
        { "INTERVAL '14 months -3 days 5 microseconds'", "440000000efffffffd0000000000000005",
          "44" },
        { "UUID '00112233-4455-6677-8899-aabbccddeeff'", "4500112233445566778899aabbccddeeff",
          "45" },
        { "UUID 'ffeeddcc-bbaa-9988-7766-554433221100'", "45ffeeddccbbaa99887766554433221100",
          NULL },
        { "'1'::BIT", "460180", "46" },
        { "'10110'::BIT", "4605b0", "46" },
        { "'11110000'::BIT", "4608f0", NULL },
        { "'0000000011'::BIT", "460a00c0", NULL },
        { "[1, NULL, 3]", "500310010100100103", "5010" },
        { "[]::VARCHAR[]", "5000", "5030" },
        { "[[1], []]", "500250011001015000", "505010" },
        { "array_value(1, 2)::INTEGER[2]", "5002100101100102", "5010" },
        { "{'a': 1, 'b': 'x'}", "5102300161100101300162300178", "51023001611030016230" },
        { "MAP {'b': 1, 'a': 2}", "5202300161100102300162100101", "523010" },
        { "MAP {}::MAP(VARCHAR, INTEGER)", "5200", "523010" },
        { "MAP {10: [NULL, 'x'], 9: []}", "5202100109500010010a500200300178", "52105030" },
        { "'{\"a\": 1}'::JSON", "30087b2261223a20317d", "30" },
        { "union_value(a := 1)::UNION(a INTEGER, b VARCHAR)", NULL, "" },
        { "TIMETZ '10:00:00+02'", NULL, "" },
        { "[TIMETZ '10:00:00+02']", NULL, "" },
        { "'12345678901234567890123456789012345678901234567890'::BIGNUM", NULL, "" },
};

static void check_cell(struct fixture *f, const char *expression, const char *hex,
                       const char *schema) {
        char sql[256], got[512];
        struct ran ran;

        (void) snprintf(sql, sizeof(sql), "SELECT %s AS c", expression);
        ran = fixture_run(f, sql);
        if (schema && !schema[0]) { /* no such type in a schema */
                assert_int_equal(ran.result, ENGINE_E_PROBLEM);
                assert_int_equal(f->problem.outcome, OUTCOME_ENCODING);
                ran_done(&ran);
                return;
        }
        if (schema) {
                hex_encode(BYTES(ran.schema->encoded.data + 4, ran.schema->encoded.len - 4), got);
                assert_string_equal(got, schema);
        }
        if (!hex) {
                assert_int_equal(ran.result, ENGINE_E_SQL);
                assert_int_equal(f->problem.sql_error, SQL_ENCODING);
                assert_true(strncmp(f->problem.detail, "column=0 type=", 14) == 0);
        } else {
                assert_int_equal(ran.result, ENGINE_END);
                hex_encode(buffer_bytes(&ran.rows), got);
                assert_string_equal(got, hex);
        }
        ran_done(&ran);
}

static void test_types(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, cells) {
                print_message("# %s\n", c->expression);
                check_cell(&f, c->expression, c->hex, c->schema);
        }
        fixture_done(&f);
}

/* The same once more in a vector of many, between NULLs: DuckDB keeps those another way. */
static void test_vectors(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, cells) {
                char sql[512], got[512];
                struct ran ran;

                if (!c->hex || strcmp(c->hex, "00") == 0)
                        continue;
                (void) snprintf(sql, sizeof(sql), "SELECT c FROM (VALUES (%s), (NULL), (%s)) t(c)",
                                c->expression, c->expression);
                ran = fixture_run(&f, sql);
                if (ran.result != ENGINE_END)
                        fail_msg("%s: %s %s", sql, f.problem.detail, f.problem.text);
                hex_encode(buffer_bytes(&ran.rows), got);
                (void) snprintf(sql, sizeof(sql), "%s00%s", c->hex, c->hex);
                assert_string_equal(got, sql);
                ran_done(&ran);
        }
        fixture_done(&f);
}

/* ---- what functions make of nested values: their vectors need not be flat ---- */

static const struct {
        const char *expression, *hex; /* of the rows i = 0, 1 */
} nested[] = {
        { "list_sort([3, i, 1])", "5003100100100101100103"
                                  "5003100101100101100103" },
        { "list_reverse([3, i, 1])", "5003100101100100100103"
                                     "5003100101100101100103" },
        { "([3, i, 1])[2:3]", "5002100100100101"
                              "5002100101100101" },
        { "list_filter([3, i, 1], x -> x > 0)", "5002100103100101"
                                                "5003100103100101100101" },
        { "list_transform(['a', 'b'], x -> x || i)", "50023002613030026230"
                                                     "50023002613130026231" },
        { "{'a': 'c', 'b': [i, NULL]}", "51023001613001633001625002100100"
                                        "00"
                                        "51023001613001633001625002100101"
                                        "00" },
        { "list_reverse([{'a': i}, {'a': 7}])", "50025101300161100107"
                                                "5101300161100100"
                                                "50025101300161100107"
                                                "5101300161100101" },
        { "map_from_entries([('y', i), ('x', 5)])", "5202300178100105300179100100"
                                                    "5202300178100105300179100101" },
        { "list_select([[10], [20], [i]], [3, 1])", "50025001100100"
                                                    "500110010a"
                                                    "50025001100101"
                                                    "500110010a" },
        { "CASE WHEN i = 1 THEN [5, 6] ELSE [7] END", "5001100107"
                                                      "5002100105100106" },
        { "array_value(i, 2)::INTEGER[2]", "5002100100100102"
                                           "5002100101100102" },
        { "lag({'a': [i]}) OVER (ORDER BY i)", "00"
                                               "51013001615001100100" },
};

static void test_nested(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, nested) {
                char sql[256], got[512];
                struct ran ran;

                (void) snprintf(sql, sizeof(sql), "SELECT %s FROM range(2) t(i)", c->expression);
                ran = fixture_run(&f, sql);
                assert_int_equal(ran.result, ENGINE_END);
                hex_encode(buffer_bytes(&ran.rows), got);
                assert_string_equal(got, c->hex);
                ran_done(&ran);
        }
        fixture_done(&f);
}

/* ---- another declared type ---- */

static const struct {
        const char *expression;
        uint8_t declared[4]; /* type bytes */
        size_t n_declared;
        const char *hex; /* NULL: ENCODING */
} casts[] = {
        { "7", { CELL_DECIMAL, 9, 2 }, 3, "100107" },
        { "7", { CELL_REAL }, 1, "20401c000000000000" },
        { "9007199254740993", { CELL_REAL }, 1, NULL },
        { "7.0::DOUBLE", { CELL_INTEGER }, 1, "100107" },
        { "7.5::DOUBLE", { CELL_INTEGER }, 1, NULL },
        { "'nan'::DOUBLE", { CELL_INTEGER }, 1, NULL },
        { "1.50::DECIMAL(9,2)", { CELL_DECIMAL, 9, 1 }, 3, "1101010f" },
        { "1.55::DECIMAL(9,2)", { CELL_DECIMAL, 9, 1 }, 3, NULL },
        { "2.00::DECIMAL(9,2)", { CELL_INTEGER }, 1, "100102" },
        { "2.50::DECIMAL(9,2)", { CELL_INTEGER }, 1, NULL },
        { "2.50::DECIMAL(9,2)", { CELL_REAL }, 1, NULL },
        { "'x'", { CELL_ANY }, 1, "300178" },
        { "1", { CELL_ANY }, 1, "100101" },
        { "'x'", { CELL_INTEGER }, 1, NULL },
        { "1", { CELL_TEXT }, 1, NULL },
        { "DATE '1970-01-02'", { CELL_TIMESTAMP }, 1, NULL },
        { "NULL::DATE", { CELL_TIMESTAMP }, 1, "00" },
        { "[1]", { CELL_LIST, CELL_REAL }, 2, "5001203ff0000000000000" },
        { "[1]", { CELL_LIST, CELL_TEXT }, 2, NULL },
        { "[1]", { CELL_MAP, CELL_INTEGER, CELL_INTEGER }, 3, NULL },
        { "{'a': 1}", { CELL_STRUCT, 0 }, 2, NULL },
};

static struct schema *schema_of(const uint8_t *type, size_t n) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct schema *s = NULL;

        buffer_init(&b, 256);
        schema_begin(&b, 1);
        schema_put_name(&b, BYTES_LIT("c"));
        buffer_put(&b, type, n);
        assert_int_equal(schema_decode(buffer_bytes(&b), &s), SCHEMA_OK);
        return s;
}

static void test_declared(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, casts) {
                char sql[128], got[128];
                struct ran ran;

                (void) snprintf(sql, sizeof(sql), "SELECT %s", c->expression);
                ran = fixture_run_as(&f, sql, schema_of(c->declared, c->n_declared), NULL, 0);
                if (c->hex) {
                        assert_int_equal(ran.result, ENGINE_END);
                        hex_encode(buffer_bytes(&ran.rows), got);
                        assert_string_equal(got, c->hex);
                } else {
                        assert_int_equal(ran.result, ENGINE_E_SQL);
                        assert_int_equal(f.problem.sql_error, SQL_ENCODING);
                }
                ran_done(&ran);
        }
        fixture_done(&f);
}

/* ---- parameters come back as they were given ---- */

static void test_parameters(void **state) {
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, cells) {
                uint8_t cell[256];
                struct bytes parameter;
                struct ran ran;
                char got[512];

                if (!c->hex || strchr("5", c->hex[0]) || strncmp(c->hex, "46", 2) == 0)
                        continue; /* BIT and nested ones are no parameters */
                parameter = BYTES(cell, strlen(c->hex) / 2);
                assert_true(hex_decode(c->hex, cell, parameter.len));
                if (parameter.data[0] == CELL_INTEGER && parameter.data[1] > 16)
                        continue; /* UHUGEINT */
                ran = fixture_run_as(&f, "SELECT ?", schema_of((uint8_t[]){ CELL_ANY }, 1),
                                     &parameter, 1);
                assert_int_equal(ran.result, ENGINE_END);
                hex_encode(buffer_bytes(&ran.rows), got);
                assert_string_equal(got, c->hex);
                ran_done(&ran);
        }
        fixture_done(&f);
}

static void test_bad_parameters(void **state) {
        static const struct {
                const char *sql;
                struct bytes parameters[2];
                size_t n;
        } bad[] = {
                { "SELECT 1", { BYTES_LIT("\x00") }, 1 },
                { "SELECT ?", {}, 0 },
                { "SELECT ?", { BYTES_LIT("\x00"), BYTES_LIT("\x00") }, 2 },
                { "SELECT ?", { BYTES_LIT("\x50\x00") }, 1 },
                { "SELECT ?", { BYTES_LIT("\x46\x01\x80") }, 1 },
                { "SELECT ?", { BYTES_LIT("\x10") }, 1 },
                { "SELECT ?", { BYTES_LIT("\x11\x27\x01\x01") }, 1 },
        };
        struct fixture f = {};

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        FOREACH_CASE (c, bad) {
                struct ran ran = fixture_run_as(&f, c->sql, schema_of((uint8_t[]){ CELL_ANY }, 1),
                                                c->parameters, c->n);

                assert_int_equal(ran.result, ENGINE_E_PROBLEM);
                assert_int_equal(f.problem.outcome, OUTCOME_USAGE);
                ran_done(&ran);
        }
        fixture_done(&f);
}

/* ---- many rows: chunks end where they like, batches where they must ---- */

static void test_many_rows(void **state) {
        struct fixture f = {};
        struct ran ran;

        (void) state;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        ran = fixture_run(&f, "SELECT i, CASE WHEN i % 3 = 0 THEN 'r' || i END, i % 7 = 0 "
                              "FROM range(100000) t(i)");
        assert_int_equal(ran.result, ENGINE_END);
        assert_int_equal(ran.n_rows, 100000);
        struct reader r = reader_of(buffer_bytes(&ran.rows));
        for (int64_t i = 0; i < 100000; i++) {
                struct cell row[3];
                char text[16];
                size_t column;

                assert_int_equal(row_read(&r, ran.schema, row, &column), CELL_OK);
                assert_int_equal(row[0].integer, i);
                (void) snprintf(text, sizeof(text), "r%d", (int) i);
                if (i % 3)
                        assert_int_equal(row[1].type, CELL_NULL);
                else
                        assert_bytes_equal(row[1].bytes, BYTES_STR(text));
                assert_int_equal(row[2].integer, i % 7 == 0);
        }
        assert_true(reader_done(&r));
        ran_done(&ran);
        ran = fixture_run(&f, "SELECT i FROM range(100000) t(i) WHERE i < 0");
        assert_int_equal(ran.result, ENGINE_END);
        assert_int_equal(ran.n_rows, 0);
        ran_done(&ran);
        ran = fixture_run(&f, "SELECT repeat('x', 17 << 20)"); /* a row is 16 MiB at most */
        assert_int_equal(ran.result, ENGINE_E_SQL);
        assert_int_equal(f.problem.sql_error, SQL_RESULT_LIMIT);
        ran_done(&ran);
        fixture_done(&f);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_types), cmocka_unit_test(test_vectors),
                 cmocka_unit_test(test_nested), cmocka_unit_test(test_declared),
                 cmocka_unit_test(test_parameters), cmocka_unit_test(test_bad_parameters),
                 cmocka_unit_test(test_many_rows))
