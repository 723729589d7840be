/* Table files as inputs of the SQLite engine: what stands in the tables, what the
 * analysis knows of them, and what is refused. */

#include <sqlite3.h>

#include "common/canonical/outcome.h"
#include "services/worker/sqlite/sqlite_session.h"
#include "services/worker/tables/describe.h"
#include "tests/unit/worker/support.h"

static const char trips[] = "id,name,fare,day,at,score\n"
                            "1,Ann,12.50,2024-02-29,2024-02-29T08:00:00.500000,1e3\n"
                            "2,,0.25,,2024-03-01 09:30:00,\n"
                            "3,\"\",100,2023-12-31,,0.1\n"
                            "4,\"a \"\"b\"\"\",7,2024-01-01,2024-01-01 00:00:00,-0.5\n";
static const char zones[] = "{\"id\":1,\"zone\":\"Nord\",\"open\":true}\n"
                            "{\"id\":3,\"zone\":\"S\\u00fcd\"}\n";
static const char *const places[] = { "CREATE TABLE p(id INTEGER, place TEXT) STRICT", NULL };

struct described {
        struct buffer options, schema;
};

/* Describes as at publishing, then adds it with (or without) its rows. */
static void add_table(struct fixture *f, struct described *d, const char *name, const char *format,
                      struct bytes data, bool with_rows) {
        struct engine_input *in = &f->job.inputs[f->job.n_inputs++];
        struct engine_job publish = { .n_inputs = 1 };
        struct engine_problem p = {};

        buffer_init(&d->options, 256);
        buffer_init(&d->schema, 1u << 20);
        (void) snprintf(in->name, sizeof(in->name), "%s", name);
        (void) snprintf(in->format, sizeof(in->format), "%s", format);
        in->data = data.data;
        in->length = data.len;
        publish.inputs[0] = *in;
        assert_int_equal(tables_describe(&publish, &d->options, &d->schema, NULL, &p), ENGINE_OK);
        in->options = buffer_bytes(&d->options);
        in->schema = buffer_bytes(&d->schema);
        if (!with_rows)
                in->data = NULL;
}

static void described_donep(struct described *d) {
        buffer_done(&d->options);
        buffer_done(&d->schema);
}

static void expect(const struct fixture *f, const char *sql, const char *want) {
        sqlite3_stmt *q = NULL;
        char got[1024] = "";
        size_t at = 0;

        print_message("# %s\n", sql);
        assert_int_equal(sqlite3_prepare_v2(f->session->db, sql, -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
                for (int i = 0; i < sqlite3_column_count(q); i++) {
                        const char *text = (const char *) sqlite3_column_text(q, i);

                        at += (size_t) snprintf(got + at, sizeof(got) - at, "%s%s", at ? "|" : "",
                                                text ? text : "NULL");
                }
        }
        assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
        assert_string_equal(got, want);
}

static void test_rows(void **state) {
        CLEANUP(described_donep) struct described a = {}, b = {};
        struct fixture f = {};

        add_table(&f, &a, "trips", "csv", BYTES_STR(trips), true);
        add_table(&f, &b, "zones", "ndjson", BYTES_STR(zones), true);
        fixture_input(&f, "main", places);
        fixture_open(&f);
        expect(&f, "SELECT id, name, fare FROM trips ORDER BY 1",
               "1|Ann|12.5|2|NULL|0.25|3||100.0|4|a \"b\"|7.0");
        expect(&f, "SELECT day, at, score FROM trips ORDER BY id",
               "2024-02-29|2024-02-29 08:00:00.5|1000.0|NULL|2024-03-01 09:30:00|NULL|"
               "2023-12-31|NULL|0.1|2024-01-01|2024-01-01 00:00:00|-0.5");
        expect(&f, "SELECT DISTINCT typeof(id), typeof(fare), typeof(at) FROM trips WHERE id = 1",
               "integer|real|text");
        expect(&f, "SELECT name, zone, open FROM trips JOIN zones USING (id) ORDER BY id",
               "Ann|Nord|true||S\xc3\xbc"
               "d|NULL");
        expect(&f, "SELECT count(*) FROM trips.trips", "4");
        expect(&f, "SELECT count(*) FROM p", "0");
        fixture_done(&f);
}

/* Without rows, as for an analysis; the classes come from the schema. */
static const struct {
        const char *sql;
        enum engine_class class;
} classes[] = {
        { "SELECT id, name FROM trips ORDER BY id", ENGINE_ORDERED },
        { "SELECT count(*), sum(id), max(day), min(at) FROM trips", ENGINE_EXACT },
        { "SELECT sum(fare) FROM trips", ENGINE_FLOAT },
        { "SELECT fare FROM trips", ENGINE_EXACT },
        { "SELECT avg(score) FROM trips", ENGINE_FLOAT },
};

static void test_classes(void **state) {
        CLEANUP(described_donep) struct described a = {};
        struct fixture f = {};

        add_table(&f, &a, "trips", "csv", BYTES_STR(trips), false);
        fixture_open(&f);
        expect(&f, "SELECT count(*) FROM trips", "0");
        FOREACH_CASE (c, classes) {
                CLEANUP(engine_analysis_donep) struct engine_analysis got = {};
                struct engine_problem p = {};

                assert_int_equal(
                        engine_sqlite.analyse(f.session, BYTES_STR(c->sql), false, &got, &p),
                        ENGINE_OK);
                assert_int_equal(got.class, c->class);
        }
        fixture_done(&f);
}

static void expect_not_opened(struct fixture *f, int result, uint32_t outcome, const char *detail,
                              const char *text) {
        struct engine_problem p = {};

        f->job.memory = f->job.memory ? f->job.memory : 64 << 20;
        assert_int_equal(engine_sqlite.preload(NULL), 0);
        assert_int_equal(engine_sqlite.open(&f->job, &f->session, &p), result);
        print_message("# %s: %s\n", p.detail, p.text);
        assert_int_equal(p.outcome, outcome);
        assert_non_null(strstr(p.detail, detail));
        assert_non_null(strstr(p.text, text));
        f->session = NULL;
}

static void expect_refused(struct fixture *f, uint32_t outcome, const char *detail,
                           const char *text) {
        expect_not_opened(f, ENGINE_E_PROBLEM, outcome, detail, text);
}

static void test_names(void **state) {
        static const char *const bad[] = { "json_each", "pragma_x", "sqlite_x", "temp", "a-b" };

        FOREACH_CASE (c, bad) {
                CLEANUP(described_donep) struct described a = {};
                struct fixture f = {};

                add_table(&f, &a, *c, "csv", BYTES_STR(trips), true);
                expect_refused(&f, OUTCOME_REFUSED, "rule=input name", "");
                fixture_done(&f);
        }
}

static void test_one_name_twice(void **state) {
        CLEANUP(described_donep) struct described a = {};
        struct fixture f = {};

        fixture_input(&f, "main", places);
        add_table(&f, &a, "P", "csv", BYTES_STR(trips), true);
        expect_refused(&f, OUTCOME_REFUSED, "rule=input name input=P", "--data NAME=FILE");
        fixture_done(&f);
}

static void test_main_and_keywords(void **state) {
        CLEANUP(described_donep) struct described a = {}, b = {};
        struct fixture f = {};

        add_table(&f, &a, "order", "csv", BYTES_LIT("select,\"a \"\"q\"\"\"\n1,2\n"), true);
        add_table(&f, &b, "main", "csv", BYTES_LIT("x\n5\n"), true);
        fixture_open(&f);
        expect(&f, "SELECT \"select\", \"a \"\"q\"\"\" FROM \"order\"", "1|2");
        expect(&f, "SELECT x FROM main", "5");
        fixture_done(&f);
}

static struct engine_input *add_parquet(struct fixture *f, struct buffer *schema,
                                        enum cell_type type, uint8_t precision) {
        struct engine_input *in = &f->job.inputs[f->job.n_inputs++];

        buffer_init(schema, 4096);
        buffer_put_u8(schema, 2);
        schema_begin(schema, 2);
        schema_put_name(schema, BYTES_LIT("id"));
        schema_put_type(schema, CELL_INTEGER);
        schema_put_name(schema, BYTES_LIT("what"));
        if (type == CELL_DECIMAL)
                schema_put_decimal(schema, precision, 2);
        else
                schema_put_type(schema, type);
        if (type == CELL_LIST)
                schema_put_type(schema, CELL_TEXT);
        (void) snprintf(in->name, sizeof(in->name), "t");
        (void) snprintf(in->format, sizeof(in->format), "parquet");
        in->schema = buffer_bytes(schema);
        return in;
}

/* SQLite reads no Parquet; what was imported of it it does, and knows the columns without. */
static void test_parquet(void **state) {
        static const struct {
                enum cell_type type;
                uint8_t precision;
                const char *becomes; /* NULL: refused, with `text` */
                const char *text;
        } cases[] = {
                { CELL_TEXT, 0, "TEXT", NULL },
                { CELL_BLOB, 0, "BLOB", NULL },
                { CELL_DATE, 0, "TEXT", NULL },
                { CELL_TIMESTAMP, 0, "TEXT", NULL },
                { CELL_REAL, 0, "REAL", NULL },
                { CELL_DECIMAL, 15, "REAL", NULL },
                { CELL_DECIMAL, 16, NULL, "column 'what' (DECIMAL(16,2)) has more than 15 digits" },
                { CELL_LIST, 0, NULL, "column 'what' (LIST(TEXT)) has no exact counterpart" },
                { CELL_TIME, 0, NULL, "(TIME) has no exact counterpart in SQLite; ask DuckDB" },
                { CELL_TIMESTAMPTZ, 0, NULL, "no exact counterpart" },
                { CELL_INTERVAL, 0, NULL, "no exact counterpart" },
                { CELL_UUID, 0, NULL, "no exact counterpart" },
        };

        (void) state;
        FOREACH_CASE (c, cases) {
                CLEANUP(buffer_donep) struct buffer schema = {};
                struct fixture f = {};
                char want[128];

                (void) add_parquet(&f, &schema, c->type, c->precision);
                if (c->becomes) {
                        fixture_open(&f);
                        (void) snprintf(want, sizeof(want),
                                        "CREATE TABLE \"t\"(\"id\" INTEGER, \"what\" %s) STRICT",
                                        c->becomes);
                        assert_string_equal(sqlite_table_of(f.session, "t", "t")->sql, want);
                        expect(&f, "SELECT count(*) FROM t", "0");
                } else {
                        expect_refused(&f, OUTCOME_REFUSED, "rule=import input=t", c->text);
                }
                fixture_done(&f);
        }
}

static void test_formats(void **state) {
        CLEANUP(buffer_donep) struct buffer schema = {};
        struct fixture f = {};
        struct engine_input *in = add_parquet(&f, &schema, CELL_TEXT, 0);

        (void) state;
        in->data = (const uint8_t *) "PAR1";
        in->length = 4;
        expect_refused(&f, OUTCOME_REFUSED, "rule=format input=t", "hosts with DuckDB");
        in->schema = BYTES_NONE;
        in->data = NULL;
        expect_refused(&f, OUTCOME_REFUSED, "rule=import input=t", "publish the file again");
        fixture_done(&f);
}

/* A manifest that lies about its file; a file that nobody has described. */
static void test_unkept(void **state) {
        CLEANUP(described_donep) struct described a = {};
        struct fixture f = {};

        add_table(&f, &a, "t", "csv", BYTES_LIT("x\n5\n"), true);
        f.job.inputs[0].data = (const uint8_t *) "x\ny\n";
        expect_not_opened(&f, ENGINE_E_SQL, OUTCOME_SQL_ERROR, "code=ENCODING",
                          "dataset 't': row 2, column 1 'x', byte 2: 'y': a value");
        f.job.inputs[0].schema = BYTES_NONE;
        expect_refused(&f, OUTCOME_REFUSED, "rule=csv input=t", "no schema");
        fixture_done(&f);
}

static void fill(struct buffer *b, size_t rows) {
        char line[64];

        buffer_init(b, 64u << 20);
        buffer_put_bytes(b, BYTES_LIT("id,text\n"));
        for (size_t i = 0; i < rows; i++) {
                (void) snprintf(line, sizeof(line), "%zu,some text of row %zu\n", i, i);
                buffer_put_bytes(b, BYTES_STR(line));
        }
}

static bool always(void *userdata) {
        return true;
}

/* The table is the job's memory, and its time. */
static void test_limits(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(described_donep) struct described a = {};
        struct fixture f = { .job.memory = 4 << 20 };

        fill(&b, 200000);
        add_table(&f, &a, "t", "csv", buffer_bytes(&b), true);
        expect_refused(&f, OUTCOME_LIMIT, "which=memory", "does not fit");
        f.job.memory = 1024; /* not even an empty database */
        expect_refused(&f, OUTCOME_LIMIT, "which=memory", "out of memory");
        f.job.memory = 64 << 20;
        f.job.is_over = always;
        expect_refused(&f, OUTCOME_TIMEOUT, "stage=input", "");
        f.job.is_over = NULL;
        fixture_open(&f);
        expect(&f, "SELECT count(*), sum(id) FROM t", "200000|19999900000");
        fixture_done(&f);
}

/* As wide and as long as a row may be. */
static void test_largest_row(void **state) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(described_donep) struct described a = {};
        struct fixture f = {};
        char name[16];

        buffer_init(&b, 8u << 20);
        for (size_t i = 0; i < 1000; i++) {
                (void) snprintf(name, sizeof(name), "%sc%zu", i ? "," : "", i);
                buffer_put_bytes(&b, BYTES_STR(name));
        }
        buffer_put_bytes(&b, BYTES_LIT("\n"));
        for (size_t i = 0; i < (1 << 20) - 2001; i++)
                buffer_put_u8(&b, 'x');
        for (size_t i = 1; i < 1000; i++)
                buffer_put_bytes(&b, BYTES_LIT(",7"));
        buffer_put_bytes(&b, BYTES_LIT("\n"));
        add_table(&f, &a, "wide", "csv", buffer_bytes(&b), true);
        fixture_open(&f);
        expect(&f, "SELECT length(c0), c1, c999 FROM wide", "1046575|7|7");
        fixture_done(&f);
}

TEST_MAIN(cmocka_unit_test(test_rows), cmocka_unit_test(test_classes), cmocka_unit_test(test_names),
          cmocka_unit_test(test_one_name_twice), cmocka_unit_test(test_main_and_keywords),
          cmocka_unit_test(test_formats), cmocka_unit_test(test_parquet),
          cmocka_unit_test(test_unkept), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_largest_row))
