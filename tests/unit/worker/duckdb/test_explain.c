/* What DuckDB's EXPLAIN promises over tables of as many rows as are said, none of which exist. */

#include "tests/support/parquet.h"
#include "tests/unit/worker/duckdb/support.h"

/* Names and types of a table out of a file of no rows; the caller's. */
static struct bytes schema_of(const char *name, const char *select) {
        struct bytes file = parquet_of(select);
        struct buffer schema = {};
        struct fixture f = {};
        struct engine_input *in = fixture_input(&f, name, "parquet");

        in->data = file.data;
        in->length = file.len;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        buffer_init(&schema, SCHEMA_BYTES_MAX);
        assert_int_equal(engine_duckdb.describe(f.session, &schema, &f.problem), ENGINE_OK);
        fixture_done(&f);
        free((void *) file.data);
        return buffer_bytes(&schema);
}

static const char *const tables[] = {
        "SELECT 1 AS id, 2 AS other, 'x' AS name, DATE '2020-01-01' AS day, [1.5::DECIMAL(9,2)] AS "
        "list, 2.5::DOUBLE AS real, {'a': 1} AS struct WHERE false",
        "SELECT 1 AS id, 'x' AS name WHERE false",
};

static struct engine_promise promise(const char *sql, uint64_t rows) {
        struct bytes a = schema_of("a", tables[0]), b = schema_of("b", tables[1]);
        struct engine_promise ret;
        struct fixture f = {};
        struct engine_input *in = fixture_input(&f, "a", "parquet");

        in->schema = a;
        in->rows = rows;
        in = fixture_input(&f, "b", "csv");
        in->schema = b;
        in->rows = 100;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        engine_duckdb.promise(f.session, sql, &ret);
        print_message("# %s: rows %.0f work %.0f\n", sql, ret.rows, ret.work);
        fixture_done(&f);
        free((void *) a.data);
        free((void *) b.data);
        return ret;
}

static const struct {
        const char *sql;
        double rows, most_rows, work; /* of 1,000,000 rows; work: at least */
} cases[] = {
        { "SELECT count(*) FROM a", 1, 1, 1e6 },
        { "SELECT * FROM a", 1e6, 1e6, 1e6 },
        { "SELECT id FROM a ORDER BY id LIMIT 5", 5, 5, 1e6 },
        { "SELECT a.id FROM a JOIN b ON a.id = b.id", 1, 1e6, 1e6 },
        { "SELECT 42", 1, 1, 0 },
        { "SELECT count(*) FROM a x, a y, a z", 1, 1, 1e15 },
};

static void test_promises(void **state) {
        FOREACH_CASE (c, cases) {
                struct engine_promise p = promise(c->sql, 1000000);

                assert_true(p.is_known);
                assert_true(p.rows >= c->rows && p.rows <= c->most_rows);
                assert_true(p.work >= c->work);
        }
}

/* Ten times the data, ten times the work. */
static void test_grows(void **state) {
        static const char *const statements[] = {
                "SELECT name, count(*) FROM a GROUP BY name",
                "SELECT id FROM a WHERE day > DATE '2020-01-01'"
        };

        for (size_t i = 0; i < ELEMENTSOF(statements); i++) {
                struct engine_promise few = promise(statements[i], 10000),
                                      many = promise(statements[i], 100000);

                assert_true(many.work > 5 * few.work && many.work < 20 * few.work);
        }
}

/* No promise is no error. */
static void test_nothing(void **state) {
        assert_false(promise("SELECT nothing FROM a", 10).is_known);
        assert_false(promise("SELECT id FROM a WHERE id = $1", 10).is_known);
}

/* As counted at publishing. */
static void test_count(void **state) {
        struct bytes file = parquet_of("SELECT i AS a FROM range(12345) t(i)");
        struct fixture f = {};
        struct engine_input *in = fixture_input(&f, "t", "parquet");

        in->data = file.data;
        in->length = file.len;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        assert_int_equal(engine_duckdb.count(f.session), 12345);
        fixture_done(&f);
        free((void *) file.data);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_promises), cmocka_unit_test(test_grows),
                 cmocka_unit_test(test_nothing), cmocka_unit_test(test_count))
