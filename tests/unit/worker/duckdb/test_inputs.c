/* Inputs as views, files that are memory, and the clock of the job. */

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "common/wire/varint.h"
#include "services/worker/duckdb/duckdb_files.h"
#include "tests/support/parquet.h"
#include "tests/unit/worker/duckdb/support.h"

static void input_parquet(struct fixture *f, const char *name, struct bytes file) {
        struct engine_input *in = fixture_input(f, name, "parquet");

        in->data = file.data;
        in->length = file.len;
}

static void assert_rows(struct fixture *f, const char *sql, struct bytes want, uint64_t n) {
        struct ran ran = fixture_run(f, sql);

        if (ran.result != ENGINE_END)
                fail_msg("%s: %s %s", sql, f->problem.detail, f->problem.text);
        assert_int_equal(ran.n_rows, n);
        if (want.data)
                assert_bytes_equal(buffer_bytes(&ran.rows), want);
        ran_done(&ran);
}

static void test_parquet(void **state) {
        struct bytes file = parquet_of("SELECT i AS a, 'x' || i AS b FROM range(10000) t(i)");
        struct bytes other = parquet_of("SELECT 1 AS a");
        struct fixture f = {};

        (void) state;
        input_parquet(&f, "t", file);
        input_parquet(&f, "Main", other);
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        assert_rows(&f, "SELECT b FROM t WHERE a = 7", BYTES_LIT("\x30\x02x7"), 1);
        assert_rows(&f, "SELECT a FROM main", BYTES_LIT("\x10\x01\x01"), 1);
        assert_rows(&f, "SELECT * FROM t, main", BYTES_NONE, 10000);
        fixture_done(&f);
        free((void *) file.data);
        free((void *) other.data);
}

static void test_describe(void **state) {
        struct bytes file = parquet_of("SELECT 1::INTEGER a, 2.5::DECIMAL(9,2) b, 'x' c, "
                                       "[DATE '2020-01-01'] d, {'k': 1.5::FLOAT} e");
        static const uint8_t want[] = "\x02\x05\x30\x01"
                                      "a\x10\x30\x01"
                                      "b\x11\x09\x02\x30\x01"
                                      "c\x30\x30\x01"
                                      "d\x50\x40\x30\x01"
                                      "e\x51\x01\x30\x01"
                                      "k\x20";
        CLEANUP(buffer_donep) struct buffer schema = {};
        struct fixture f = {};

        (void) state;
        input_parquet(&f, "t", file);
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        buffer_init(&schema, SCHEMA_BYTES_MAX);
        assert_int_equal(engine_duckdb.describe(f.session, &schema, &f.problem), ENGINE_OK);
        assert_bytes_equal(buffer_bytes(&schema), BYTES(want, sizeof(want) - 1));
        fixture_done(&f);

        /* The published schema is held against the file; without the file it makes the table. */
        f.job.inputs[0].schema = buffer_bytes(&schema);
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        fixture_done(&f);
        f.job.inputs[0].data = NULL;
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        assert_rows(&f, "SELECT a, b, c, d, e FROM t", BYTES_LIT(""), 0);
        fixture_done(&f);
        f.job.inputs[0].data = file.data;
        f.job.inputs[0].schema = BYTES_LIT("\x02\x01\x30\x01"
                                           "a\x10");
        assert_int_equal(fixture_open(&f), ENGINE_E_PROBLEM);
        assert_string_equal(f.problem.detail, "rule=schema input=t");
        free((void *) file.data);
}

static void test_undescribable(void **state) {
        struct bytes file = parquet_of("SELECT 1 a, TIMETZ '10:00:00+02' b");
        CLEANUP(buffer_donep) struct buffer schema = {};
        struct fixture f = {};

        (void) state;
        input_parquet(&f, "t", file);
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        buffer_init(&schema, SCHEMA_BYTES_MAX);
        assert_int_equal(engine_duckdb.describe(f.session, &schema, &f.problem), ENGINE_E_PROBLEM);
        assert_int_equal(f.problem.outcome, OUTCOME_REFUSED);
        assert_string_equal(f.problem.text, "column=b type=TIMETZ");
        fixture_done(&f);
        free((void *) file.data);
}

/* ---- text files ---- */

static const uint8_t three_columns[] = "\x02\x03\x30\x01"
                                       "i\x10\x30\x01"
                                       "t\x30\x30\x01"
                                       "d\x11\x06\x02";

static void test_csv(void **state) {
        static const char file[] = "i;t;d\n1;'a;b''c';1.50\n-2;'NA';\n;NA;0.05\n3;;7\n";
        struct fixture f = {};
        struct engine_input *in = fixture_input(&f, "t", "csv");
        struct ran ran;

        (void) state;
        in->data = (const uint8_t *) file;
        in->length = strlen(file);
        in->schema = BYTES(three_columns, sizeof(three_columns) - 1);
        in->options = BYTES_LIT("\x01;'\x01\x02NA");
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        ran = fixture_run(&f, "SELECT d FROM t"); /* "" is no DECIMAL, and no NULL */
        assert_int_equal(ran.result, ENGINE_E_SQL);
        assert_int_equal(f.problem.sql_error, SQL_CAST);
        ran_done(&ran);
        fixture_done(&f);
        in->options = BYTES_LIT("\x01;'\x01\x00");
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        assert_rows(&f, "SELECT count(*) FROM t WHERE t IS NULL", BYTES_LIT("\x10\x01\x01"), 1);
        assert_rows(&f, "SELECT t FROM t WHERE i = 1",
                    BYTES_LIT("\x30\x05"
                              "a;b'c"),
                    1);
        assert_rows(&f, "SELECT d FROM t WHERE i = 1", BYTES_LIT("\x11\x01\x01\x0f"), 1);
        assert_rows(&f, "SELECT t FROM t WHERE i = -2 AND d IS NULL", BYTES_LIT("\x30\x02NA"), 1);
        fixture_done(&f);
        in->options = BYTES_LIT("\x02;'\x01\x00");
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        ran = fixture_run(&f, "SELECT t FROM t");
        assert_int_equal(ran.result, ENGINE_E_PROBLEM);
        assert_string_equal(f.problem.detail, "rule=schema input=t");
        ran_done(&ran);
        fixture_done(&f);
}

static void test_ndjson(void **state) {
        static const char file[] = "{\"i\": 1, \"t\": \"a\\u00e9\", \"d\": 1.5}\n"
                                   "{\"d\": 0.05, \"i\": null}\n";
        struct fixture f = {};
        struct engine_input *in = fixture_input(&f, "t", "ndjson");

        (void) state;
        in->data = (const uint8_t *) file;
        in->length = strlen(file);
        in->schema = BYTES(three_columns, sizeof(three_columns) - 1);
        assert_int_equal(fixture_open(&f), ENGINE_OK);
        assert_rows(&f, "SELECT t FROM t WHERE i = 1",
                    BYTES_LIT("\x30\x03"
                              "a\xc3\xa9"),
                    1);
        assert_rows(&f, "SELECT d FROM t WHERE i IS NULL AND t IS NULL",
                    BYTES_LIT("\x11\x02\x01\x05"), 1);
        fixture_done(&f);
}

static void test_bad_inputs(void **state) {
        static const struct {
                const char *name, *format, *schema, *detail;
        } bad[] = {
                { "t", "sqlite", "", "rule=format input=t" },
                { "t", "parquet", "", "rule=input input=t" },
                { "a b", "parquet", "", "rule=input name input=a b" },
                { "t", "csv", "\x01\x00", "rule=schema input=t" },
                { "t", "csv", "\x02\xff", "rule=schema input=t" },
        };

        (void) state;
        FOREACH_CASE (c, bad) {
                struct fixture f = {};
                struct engine_input *in = fixture_input(&f, c->name, c->format);

                in->data = (const uint8_t *) "PAR1 but not really PAR1";
                in->length = 24;
                in->schema = BYTES_STR(c->schema);
                assert_int_equal(fixture_open(&f), ENGINE_E_PROBLEM);
                assert_int_equal(f.problem.outcome, OUTCOME_REFUSED);
                assert_string_equal(f.problem.detail, c->detail);
                fixture_done(&f);
        }
}

/* ---- files that are not there, and the machine behind them ---- */

static void test_files(void **state) {
        static const uint8_t data[] = "0123456789";
        struct engine_job job = { .n_inputs = 2, .time_us = -1 };
        struct timespec now;
        struct stat st;
        char got[16];
        int fd;

        (void) state;
        job.inputs[0].data = data;
        job.inputs[0].length = 10;
        duckdb_files_seal(&job);
        assert_int_equal(open("/q/1", O_RDONLY), -1); /* an input without a file */
        assert_int_equal(errno, EACCES);
        assert_int_equal(open("/etc/passwd", O_RDONLY), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(open("/q/0", O_RDWR), -1);
        assert_int_equal(open("/q/../q/0", O_RDONLY), -1);
        fd = open("/q/0", O_RDONLY | O_CLOEXEC);
        assert_true(fd > 1 << 20);
        assert_int_equal(read(fd, got, 4), 4);
        assert_memory_equal(got, "0123", 4);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
        assert_int_equal(pread(fd, got, 16, 8), 2);
        assert_memory_equal(got, "89", 2);
        assert_int_equal(pread(fd, got, 16, 10), 0);
        assert_int_equal(pread(fd, got, 16, -1), -1);
        assert_int_equal(lseek(fd, -1, SEEK_END), 9);
        assert_int_equal(read(fd, got, 16), 1);
        assert_int_equal(lseek(fd, -1, SEEK_SET), -1);
        assert_int_equal(lseek(fd, INT64_MAX, SEEK_END), -1);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 10);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(stat("/q/0", &st), 0);
        assert_int_equal(stat("/q/1", &st), -1);
        assert_int_equal(access("/q/0", R_OK), 0);
        assert_int_equal(access("/q/0", W_OK), -1);
        assert_int_equal(access("/tmp", F_OK), -1);
        assert_int_equal(close(fd), 0);
        assert_int_equal(close(fd), -1);
        assert_int_equal(read(fd, got, 1), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(unlink("/tmp/x"), -1);
        assert_null(fopen("/etc/passwd", "r"));
        assert_null(getcwd(got, sizeof(got)));
        for (int i = 0; i < 1000; i++) { /* a bounded number of them, and none is lost */
                fd = open("/q/0", O_RDONLY);
                if (fd < 0)
                        assert_int_equal(errno, EMFILE);
        }
        assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
        assert_int_equal(now.tv_sec, -1);
        assert_int_equal(now.tv_nsec, 999999000);
        duckdb_files_seal(NULL);
        fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0 && fd < 1 << 20);
        assert_int_equal(close(fd), 0);
        assert_true(time(NULL) > 1700000000);
}

static void test_clock_and_seed(void **state) {
        struct fixture f = { .job = { .time_us = 1000000000000000, .seed = { 7 } } };
        struct buffer first = {};

        (void) state;
        for (int i = 0; i < 3; i++) {
                struct ran ran;

                f.job.seed[0] = i == 2 ? 8 : 7;
                assert_int_equal(fixture_open(&f), ENGINE_OK);
                assert_rows(&f, "SELECT epoch_us(now()) = 1000000000000000, today()",
                            BYTES_LIT("\x10\x01\x01\x40\x00\x00\x2d\x36"), 1);
                ran = fixture_run(&f, "SELECT random(), gen_random_uuid()");
                assert_int_equal(ran.result, ENGINE_END);
                if (i == 0) {
                        first = ran.rows;
                        ran.rows = (struct buffer){};
                } else {
                        assert_int_equal(bytes_equal(buffer_bytes(&first), buffer_bytes(&ran.rows)),
                                         i == 1);
                }
                ran_done(&ran);
                fixture_done(&f);
        }
        buffer_done(&first);
}

DUCKDB_TEST_MAIN(cmocka_unit_test(test_parquet), cmocka_unit_test(test_describe),
                 cmocka_unit_test(test_undescribable), cmocka_unit_test(test_csv),
                 cmocka_unit_test(test_ndjson), cmocka_unit_test(test_bad_inputs),
                 cmocka_unit_test(test_files), cmocka_unit_test(test_clock_and_seed))
