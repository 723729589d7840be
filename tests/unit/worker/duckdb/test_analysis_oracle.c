/* Statements called EXACT or ORDERED answer alike however rows are stored and whoever runs
 * them; some of the others do not, which shows that this test can see it. */

#include "tests/unit/worker/duckdb/analysis_support.h"
#include "tests/unit/worker/duckdb/statements.h"

#define STATEMENTS_MAX 400

/* What the analysis said, kept: its session and those below do not live side by side. */
static struct {
        const char *sql;
        struct engine_analysis said;
} asked[STATEMENTS_MAX];
static size_t n_asked;

static void analyse_all(void) {
        struct buffer schemas[2] = {};
        struct fixture f = {};

        fixture_open_empty(&f, schemas);
        for (size_t i = 0; i < n_duckdb_decisions; i++) {
                const char *sql = duckdb_decisions[i].sql;

                if (strchr(sql, '?')) /* no values here */
                        continue;
                assert_true(n_asked < STATEMENTS_MAX);
                asked[n_asked].sql = sql;
                assert_int_equal(engine_duckdb.analyse(f.session, BYTES_STR(sql), false,
                                                       &asked[n_asked++].said, &f.problem),
                                 ENGINE_OK);
        }
        fixture_done(&f);
        buffer_done(&schemas[0]);
        buffer_done(&schemas[1]);
}

/* ---- one engine, its tables stored in some order ---- */

struct instance {
        const char *threads, *keeps_order, *stored_by, *rows;
        struct engine_job job;
        struct engine_session s;
};

static void run(struct instance *in, const char *sql) {
        struct engine_problem p = {};
        int r = duckdb_ask(&in->s, sql, BYTES_NONE, NULL, NULL, &p);

        if (r)
                print_message("# %s: %s\n", sql, p.text);
        assert_int_equal(r, ENGINE_OK);
}

/* Few values in most columns, so that there are ties; NULLs; intervals and texts that are
 * equal and not the same. */
static const struct {
        const char *select, *rows; /* NULL: as the instance says */
} tables[] = {
        { "CREATE TABLE t AS SELECT i AS id, CASE WHEN i % 17 <> 0 THEN (i * 7919) % 53 END AS a, "
          "(i * 104729) % 101 AS b, CASE WHEN i % 23 <> 0 THEN chr((CASE WHEN i % 2 = 0 THEN 97 "
          "ELSE "
          "65 END + (i * 31) % 26)::INTEGER) || (i % 7) END AS c, "
          "(((i * 37) % 100000) / 100)::DECIMAL(10,2) AS d, "
          "DATE '1992-01-01' + ((i * 13) % 3000)::INTEGER AS f, "
          "TIMESTAMP '1992-01-01 00:00:00' + to_seconds(((i * 977) % 86400000)::DOUBLE) AS g, "
          "((i * 2654435761) % 1000003) / 7 AS r, [i % 5, i % 3, i % 2] AS ls, "
          "CASE i % 4 WHEN 0 THEN INTERVAL 1 MONTH WHEN 1 THEN INTERVAL 30 DAY ELSE INTERVAL 2 DAY "
          "END "
          "AS iv, TIMESTAMPTZ '2001-01-01 00:00:00+00' + to_days((i % 700)::INTEGER) AS z "
          "FROM ",
          NULL },
        { "CREATE TABLE u AS SELECT i % 40 AS a, 'k' || (i % 9) AS k, TIMESTAMP '1992-01-01 "
          "00:00:00' "
          "+ to_days((i * 11 % 700)::INTEGER) AS g FROM ",
          "80" },
};

static void open_instance(struct instance *in) {
        const char *const options[][2] = { { "threads", in->threads },
                                           { "preserve_insertion_order", in->keeps_order } };
        duckdb_config config = NULL;

        assert_int_equal(duckdb.create_config(&config), DuckDBSuccess);
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                assert_int_equal(duckdb.set_config(config, options[i][0], options[i][1]),
                                 DuckDBSuccess);
        assert_int_equal(duckdb.open_ext(NULL, &in->s.db, config, NULL), DuckDBSuccess);
        duckdb.destroy_config(&config);
        assert_int_equal(duckdb.connect(in->s.db, &in->s.connection), DuckDBSuccess);
        in->s.job = &in->job;
        run(in, "SET errors_as_json = true");
        run(in, "SET TimeZone = 'UTC'");
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                CLEANUP(freep)
                char *sql = xasprintf("%srange(%s) AS n(i) ORDER BY %s", tables[i].select,
                                      tables[i].rows ? tables[i].rows : in->rows, in->stored_by);

                run(in, sql);
        }
}

static void close_instance(struct instance *in) {
        duckdb.disconnect(&in->s.connection);
        duckdb.close(&in->s.db);
}

/* False: it ended in an error, of which the code stands in ret->error. */
static bool answer_of(struct instance *in, const struct engine_analysis *said, struct answer *ret) {
        static const struct answer_limits limits;
        CLEANUP(schema_freep) struct schema *schema = NULL;
        struct engine_problem p = {};
        struct engine_statement statement = { .sql = BYTES_STR(said->rewrite) };
        struct answer_builder b;
        int r;

        assert_int_equal(schema_decode(buffer_bytes(&said->schema), &schema), SCHEMA_OK);
        statement.schema = schema;

        answer_begin(&b, said->is_ordered ? ANSWER_SEQUENCE : ANSWER_SET, &schema->digest, &limits,
                     NULL);
        r = engine_duckdb.prepare(&in->s, &statement, &p);
        while (r == ENGINE_OK || r == ENGINE_BATCH) {
                r = engine_duckdb.step(&in->s, &b, &p);
                if (r == ENGINE_BATCH)
                        (void) answer_next(&b);
        }
        if (r == ENGINE_END)
                answer_result(&b, ret);
        else
                print_message("# %s: %s\n", said->rewrite, p.text);
        duckdb_rows_done(&in->s);
        in->s.chunk_at = in->s.chunk_rows = 0; /* a session runs one statement, this one many */
        answer_done(&b);
        return r == ENGINE_END;
}

enum { SAME, DIFFERENT, FAILED };

static int compare(struct instance pair[2], const struct engine_analysis *said) {
        struct answer x = {}, y = {};

        if (!answer_of(&pair[0], said, &x) || !answer_of(&pair[1], said, &y))
                return FAILED;
        return memcmp(&x.hash, &y.hash, sizeof(x.hash)) == 0 ? SAME : DIFFERENT;
}

/* Pairs to be compared. More rows than one group of rows, or all is done by one thread. */
static struct instance instances[][2] = {
        { { "1", "true", "i", "2000" }, { "1", "true", "i DESC", "2000" } },
        { { "1", "true", "i", "130000" }, { "4", "false", "hash(i)", "130000" } },
};

static void test_agree(void **state) {
        size_t n = 0, n_wrong = 0;

        for (size_t i = 0; i < n_asked; i++) {
                for (size_t k = 0;
                     asked[i].said.class <= ENGINE_ORDERED && k < ELEMENTSOF(instances); k++) {
                        n++;
                        if (compare(instances[k], &asked[i].said) == SAME)
                                continue;
                        n_wrong++;
                        print_message("# %s: %s, but stored by %s another answer\n", asked[i].sql,
                                      engine_class_name(asked[i].said.class),
                                      instances[k][1].stored_by);
                }
        }
        print_message("# %zu comparisons, %zu differ\n", n, n_wrong);
        assert_int_equal(n_wrong, 0);
}

/* With one thread this much comes of the rows' order alone, every time. */
#define SEEN_MIN 25

static void test_others_are_seen(void **state) {
        size_t n = 0, n_seen = 0;

        for (size_t i = 0; i < n_asked; i++) {
                if (asked[i].said.class <= ENGINE_ORDERED)
                        continue;
                n++;
                if (compare(instances[0], &asked[i].said) == DIFFERENT) {
                        n_seen++;
                        print_message("# seen: %s\n", asked[i].sql);
                }
        }
        print_message("# of %zu statements FLOAT or REFUSED %zu differ\n", n, n_seen);
        assert_true(n_seen >= SEEN_MIN);
}

static int open_instances(void **state) {
        analyse_all();
        for (size_t i = 0; i < 2 * ELEMENTSOF(instances); i++)
                open_instance(&instances[i / 2][i % 2]);
        return 0;
}

static int close_instances(void **state) {
        for (size_t i = 0; i < 2 * ELEMENTSOF(instances); i++)
                close_instance(&instances[i / 2][i % 2]);
        for (size_t i = 0; i < n_asked; i++)
                engine_analysis_done(&asked[i].said);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_agree),
                                            cmocka_unit_test(test_others_are_seen) };

        if (!duckdb_engine_name())
                return DUCKDB_SKIPPED;
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, open_instances, close_instances);
}
