/* Rows of another engine as SQLite keeps them: every type, and what there is no counterpart for. */

#include <sqlite3.h>
#include <stdio.h>

#include "common/canonical/outcome.h"
#include "services/worker/import.h"
#include "services/worker/tables/import_schema.h"
#include "tests/support/test.h"

/* An engine whose result is made of cells that were written before. */
struct engine_session {
        struct buffer rows;
        size_t columns, at;
        int end; /* what step says in the end */
        unsigned prepared;
};

static int fake_prepare(struct engine_session *s, const struct engine_statement *statement,
                        struct engine_problem *p) {
        assert_true(bytes_equal(statement->sql, BYTES_LIT("SELECT * FROM \"t\"")));
        s->at = 0;
        s->prepared++;
        return ENGINE_OK;
}

static int fake_step(struct engine_session *s, struct answer_builder *b, struct engine_problem *p) {
        while (s->at < s->rows.len) {
                struct reader r = reader_of(BYTES(s->rows.data + s->at, s->rows.len - s->at));
                int result;

                for (size_t i = 0; i < s->columns; i++) {
                        struct cell c;

                        assert_int_equal(cell_read(&r, &c), CELL_OK);
                        cell_put(answer_row(b), &c);
                }
                s->at += r.pos;
                result = answer_end_row(b);
                if (result == BATCH_READY)
                        return ENGINE_BATCH;
                assert_int_equal(result, BATCH_OK);
        }
        if (answer_finish(b) == BATCH_READY)
                return ENGINE_BATCH;
        if (s->end == ENGINE_E_SQL)
                (void) engine_problem_set(p, ENGINE_E_SQL, OUTCOME_SQL_ERROR, SQL_ENCODING, 0, "!");
        return s->end;
}

static const struct engine fake = { .name = "fake", .prepare = fake_prepare, .step = fake_step };

struct fixture {
        struct engine_session session;
        struct engine_input in;
        struct buffer encoded;
        struct schema *schema;
        struct import_rows *rows;
        struct engine_problem problem;
};

static void begin(struct fixture *f, enum cell_type type) {
        *f = (struct fixture){ .session = { .columns = 1, .end = ENGINE_END } };
        buffer_init(&f->session.rows, 64u << 20);
        buffer_init(&f->encoded, 4096);
        buffer_put_u8(&f->encoded, 2);
        schema_begin(&f->encoded, 1);
        schema_put_name(&f->encoded, BYTES_LIT("c"));
        if (type == CELL_DECIMAL)
                schema_put_decimal(&f->encoded, 15, 3);
        else
                schema_put_type(&f->encoded, type);
        strcpy(f->in.name, "t");
        strcpy(f->in.format, "parquet");
        f->in.schema = buffer_bytes(&f->encoded);
        assert_int_equal(import_schema(&f->in, &f->schema, &f->problem), ENGINE_OK);
}

static void open_rows(struct fixture *f) {
        if (f->rows)
                f->rows = f->rows->free(f->rows);
        assert_int_equal(
                import_engine_rows(&fake, &f->session, &f->in, f->schema, &f->rows, &f->problem),
                ENGINE_OK);
}

static void end(struct fixture *f) {
        if (f->rows)
                f->rows->free(f->rows);
        buffer_done(&f->session.rows);
        buffer_done(&f->encoded);
        schema_free(f->schema);
}

static const struct table_value *next(struct fixture *f) {
        const struct table_value *v;
        int r = f->rows->next(f->rows, &v, &f->problem);

        if (r == ENGINE_E_PROBLEM)
                print_message("# %s: %s\n", f->problem.detail, f->problem.text);
        assert_int_equal(r, ENGINE_OK);
        return v;
}

static void expect_end(struct fixture *f) {
        const struct table_value *v;

        assert_int_equal(f->rows->next(f->rows, &v, &f->problem), ENGINE_END);
}

static void expect_text(struct fixture *f, const char *want) {
        const struct table_value *v = next(f);

        assert_int_equal(v->type, CELL_TEXT);
        if (v->text.len != strlen(want) || memcmp(v->text.data, want, v->text.len) != 0)
                fail_msg("%.*s is not %s", (int) v->text.len, (const char *) v->text.data, want);
}

static void expect_real(struct fixture *f, double want) {
        const struct table_value *v = next(f);

        assert_int_equal(v->type, CELL_REAL);
        assert_true(v->real == want);
}

/* ---- what SQLite keeps ---- */

static void test_decimals(void **state) {
        struct fixture f;

        (void) state;
        begin(&f, CELL_DECIMAL);
        cell_put_decimal(&f.session.rows, 12500, 3);
        cell_put_decimal(&f.session.rows, -1, 3);
        cell_put_decimal(&f.session.rows, 0, 3);
        cell_put_decimal(&f.session.rows, 12000, 3);
        cell_put_decimal(&f.session.rows, 999999999999999, 3);
        cell_put_null(&f.session.rows);
        open_rows(&f);
        expect_real(&f, 12.5);
        expect_real(&f, -0.001);
        expect_real(&f, 0);
        expect_real(&f, 12);
        expect_real(&f, 999999999999.999);
        assert_int_equal(next(&f)->type, CELL_NULL);
        expect_end(&f);
        end(&f);
}

/* The other way to write a date is SQLite's own. */
static void test_times(void **state) {
        static const int64_t days[] = { 0,   -1,    58,    59,      60,      364,
                                        365, 11016, 11017, -719528, 2932896, -135081 };
        struct fixture f;
        sqlite3 *db;
        sqlite3_stmt *q;
        uint64_t dice = 1;

        (void) state;
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT date(?1, 'unixepoch')", -1, &q, NULL),
                         SQLITE_OK);
        for (size_t i = 0; i < 3000; i++) {
                int64_t day =
                        i < ELEMENTSOF(days) ? days[i] : (int64_t) (dice >> 20) % 3652424 - 719528;
                char stamp[64];
                const char *date;
                unsigned second = (unsigned) (dice >> 40) % 86400;

                dice = dice * 6364136223846793005u + 1442695040888963407u;
                sqlite3_reset(q);
                sqlite3_bind_int64(q, 1, day * 86400);
                assert_int_equal(sqlite3_step(q), SQLITE_ROW);
                date = (const char *) sqlite3_column_text(q, 0);
                begin(&f, CELL_DATE);
                cell_put_date(&f.session.rows, (int32_t) day);
                open_rows(&f);
                expect_text(&f, date);
                end(&f);

                begin(&f, CELL_TIMESTAMP);
                cell_put_usec(&f.session.rows, CELL_TIMESTAMP, (day * 86400 + second) * 1000000);
                cell_put_usec(&f.session.rows, CELL_TIMESTAMP,
                              (day * 86400 + second) * 1000000 + 70500);
                open_rows(&f);
                (void) snprintf(stamp, sizeof(stamp), "%s %02u:%02u:%02u", date, second / 3600,
                                second / 60 % 60, second % 60);
                expect_text(&f, stamp);
                strcat(stamp, ".0705");
                expect_text(&f, stamp);
                end(&f);
        }
        sqlite3_finalize(q);
        sqlite3_close(db);
}

static void test_plain(void **state) {
        const struct table_value *v;
        struct fixture f;

        (void) state;
        begin(&f, CELL_INTEGER);
        cell_put_integer(&f.session.rows, INT64_MIN);
        cell_put_integer(&f.session.rows, 1); /* a BOOLEAN too */
        open_rows(&f);
        v = next(&f);
        assert_true(v->type == CELL_INTEGER && v->integer == INT64_MIN);
        assert_true(next(&f)->integer == 1);
        expect_end(&f);
        end(&f);
        begin(&f, CELL_BLOB);
        cell_put_blob(&f.session.rows, BYTES("\0\1", 2));
        open_rows(&f);
        v = next(&f);
        assert_true(v->type == CELL_BLOB && bytes_equal(v->text, BYTES("\0\1", 2)));
        end(&f);
        begin(&f, CELL_TEXT);
        cell_put_text(&f.session.rows, BYTES_LIT(""));
        cell_put_text(&f.session.rows, BYTES_LIT("Süd"));
        open_rows(&f);
        expect_text(&f, "");
        expect_text(&f, "Süd");
        end(&f);
}

/* Many batches, read twice from the start. */
static void test_many(void **state) {
        struct fixture f;

        (void) state;
        begin(&f, CELL_INTEGER);
        for (int64_t i = 0; i < 20000; i++)
                cell_put_integer(&f.session.rows, i);
        for (unsigned pass = 1; pass <= 2; pass++) {
                open_rows(&f);
                assert_int_equal(f.session.prepared, pass);
                for (int64_t i = 0; i < 20000; i++)
                        assert_true(next(&f)->integer == i);
                expect_end(&f);
        }
        end(&f);
}

/* ---- what it does not ---- */

static void expect_refused(struct fixture *f, unsigned good, const char *text) {
        const struct table_value *v;

        open_rows(f);
        while (good--)
                (void) next(f);
        /* An error of the data, the same on every host: not of the one that found it. */
        assert_int_equal(f->rows->next(f->rows, &v, &f->problem), ENGINE_E_SQL);
        print_message("# %s: %s\n", f->problem.detail, f->problem.text);
        assert_int_equal(f->problem.outcome, OUTCOME_SQL_ERROR);
        assert_int_equal(f->problem.sql_error, SQL_ENCODING);
        assert_string_equal(f->problem.detail, "code=ENCODING");
        assert_non_null(strstr(f->problem.text, text));
        end(f);
}

static void test_refused(void **state) {
        static char large[(1 << 20) + 1];
        struct fixture f;

        (void) state;
        begin(&f, CELL_INTEGER);
        cell_put_integer(&f.session.rows, 5);
        cell_put_integer128(&f.session.rows, (__int128) INT64_MAX + 1);
        expect_refused(&f, 1, "row 2, column 1 'c': an integer of more than 64 bits; ask DuckDB");
        begin(&f, CELL_REAL);
        cell_put_real(&f.session.rows, __builtin_nan(""));
        expect_refused(&f, 0, "row 1, column 1 'c': NaN");
        begin(&f, CELL_TEXT);
        cell_put_text(&f.session.rows, BYTES("a\0b", 3));
        expect_refused(&f, 0, "row 1, column 1 'c': 'a': a zero byte in text; ask DuckDB");
        begin(&f, CELL_DATE);
        cell_put_date(&f.session.rows, 2932897);
        expect_refused(&f, 0, "'2932897 days from 1970': a year that is not of four digits");
        begin(&f, CELL_TIMESTAMP);
        cell_put_usec(&f.session.rows, CELL_TIMESTAMP, -719528 * INT64_C(86400000000) - 1);
        expect_refused(&f, 0, "a year that is not of four digits");
        begin(&f, CELL_BLOB);
        cell_put_blob(&f.session.rows, BYTES(large, sizeof(large)));
        expect_refused(&f, 0, "a row of more than 1 MiB");
        begin(&f, CELL_TEXT); /* what DuckDB has and no result may have, as infinities */
        f.session.end = ENGINE_E_SQL;
        expect_refused(&f, 0, "row 1: !; ask DuckDB");
}

TEST_MAIN(cmocka_unit_test(test_decimals), cmocka_unit_test(test_times),
          cmocka_unit_test(test_plain), cmocka_unit_test(test_many), cmocka_unit_test(test_refused))
