/* An executor, from asking for a job to its first row and its end, against SQLite
 * called in this process; and how fast rows of 8 columns become an answer. The same
 * with DuckDB where its library is. Medians; one line of JSON. */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/engine.h"
#include "tests/support/executor_fixture.h"
#include "tests/support/parquet.h"

#define ROUNDS 201
#define ROWS   1000000

static double now_of(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static double median(double *v, size_t n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

static double cpu_of_children(void) {
        struct rusage u;

        (void) getrusage(RUSAGE_CHILDREN, &u);
        return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
               (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* Asked for to committed and reaped, on a warm zygote; the one row is in the spool then. */
static double executor_ms(const char *engine, double *ret_cpu_ms) {
        CLEANUP(executor_zygote_freep)
        struct executor_zygote *z = zygote_of_engine(EXECUTOR_PROGRAM, engine);
        struct asked a = { .sql = "SELECT 42", .form = ANSWER_SET };
        struct executed analysis = execute(z, WORKER__JOB__MODE__ANALYSE, &a);
        double times[ROUNDS], cpu_before = cpu_of_children();

        a.answer_schema = analysis.schema.data;
        a.answer_schema_len = analysis.schema.len;
        for (size_t i = 0; i < ROUNDS; i++) {
                double start = now_of();
                struct executed e = execute(z, WORKER__JOB__MODE__RUN, &a);

                times[i] = now_of() - start;
                check(e.last == WORKER__REPORT__BODY_COMMITTED && e.rows == 1);
                executed_done(&e);
        }
        executed_done(&analysis);
        /* Of the zygote and all its children, the start of the program included. */
        z = executor_zygote_free(z);
        *ret_cpu_ms = (cpu_of_children() - cpu_before) / ROUNDS;
        return median(times, ROUNDS) * 1e3;
}

/* Open, prepare, step, close: what an embedded SQLite takes for the same. */
static double sqlite_us(void) {
        double times[ROUNDS];

        for (size_t i = 0; i < ROUNDS; i++) {
                double start = now_of();
                sqlite3_stmt *q = NULL;
                sqlite3 *db = NULL;

                check(sqlite3_open(":memory:", &db) == SQLITE_OK);
                check(sqlite3_prepare_v2(db, "SELECT 42", -1, &q, NULL) == SQLITE_OK);
                check(sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) == 42);
                (void) sqlite3_finalize(q);
                (void) sqlite3_close(db);
                times[i] = now_of() - start;
        }
        return median(times, ROUNDS) * 1e6;
}

static const char table[] =
        "CREATE TABLE item(id INTEGER PRIMARY KEY, customer INT, quantity INT, cents INT, "
        "flag TEXT, shipped TEXT, comment TEXT, payload BLOB) STRICT;"
        "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM c WHERE i < 1000000) "
        "INSERT INTO item SELECT i, i * 7919 % 100003, i % 50, i * 37 % 9000000, "
        "substr('ANR', i % 3 + 1, 1), date('1992-01-01', '+' || i % 2500 || ' days'), "
        "'pending deposits ' || i, x'00010203' FROM c";

static const char parquet[] =
        "SELECT i AS id, i * 7919 % 100003 AS customer, (i % 50)::INTEGER AS quantity, "
        "i * 37 % 9000000 AS cents, substr('ANR', (i % 3)::INTEGER + 1, 1) AS flag, "
        "DATE '1992-01-01' + (i % 2500)::INTEGER AS shipped, 'pending deposits ' || i AS comment, "
        "'\\x00\\x01\\x02\\x03'::BLOB AS payload FROM range(1, 1000001) t(i)";

static struct asked ask_sqlite(void) {
        struct asked a = { .admitted = true };

        a.image = image_of(table, &a.length);
        return a;
}

static struct asked ask_duckdb(void) {
        struct asked a = { .name = "item", .format = "parquet" };
        struct bytes file = parquet_of(parquet);

        a.image = memfd_create("input", MFD_CLOEXEC);
        a.length = file.len;
        check(write(a.image, file.data, file.len) == (ssize_t) file.len);
        free((void *) file.data);
        return a;
}

/* Through the executor, spool included. By processor time other work on the machine
 * does not count. */
static double rows_per_s(const char *engine, struct asked a, enum answer_form form, bool by_cpu,
                         uint64_t *ret_bytes) {
        CLEANUP(executor_zygote_freep)
        struct executor_zygote *z = zygote_of_engine(EXECUTOR_PROGRAM, engine);
        struct executed analysis;
        double times[5];

        a.sql = "SELECT * FROM item";
        a.form = form;
        a.memory = 256 << 20;
        a.comparison = "class";
        analysis = execute(z, WORKER__JOB__MODE__ANALYSE, &a);
        a.answer_schema = analysis.schema.data;
        a.answer_schema_len = analysis.schema.len;
        for (size_t i = 0; i < ELEMENTSOF(times); i++) {
                double start = now_of();
                struct executed e = execute(z, WORKER__JOB__MODE__RUN, &a);

                times[i] = by_cpu ? (double) e.ended.cpu_us / 1e6 : now_of() - start;
                check(e.last == WORKER__REPORT__BODY_COMMITTED && e.rows == ROWS);
                *ret_bytes = e.bytes;
                executed_done(&e);
        }
        executed_done(&analysis);
        return ROWS / median(times, ELEMENTSOF(times));
}

/* `,"NAME_rows_per_s":…` and its like. */
static void print_rows(const char *name, const char *engine, struct asked a) {
        uint64_t bytes = 0;
        double set = rows_per_s(engine, a, ANSWER_SET, false, &bytes);
        double set_cpu = rows_per_s(engine, a, ANSWER_SET, true, &bytes);
        double sequence = rows_per_s(engine, a, ANSWER_SEQUENCE, false, &bytes);
        double sequence_cpu = rows_per_s(engine, a, ANSWER_SEQUENCE, true, &bytes);

        printf(",\"%s_rows_per_s\":%.0f,\"%s_rows_per_cpu_s\":%.0f,"
               "\"%s_rows_per_s_sequence\":%.0f,\"%s_rows_per_cpu_s_sequence\":%.0f,"
               "\"%srow_bytes\":%.1f",
               name, set, name, set_cpu, name, sequence, name, sequence_cpu,
               strcmp(name, "engine") == 0 ? "" : "duckdb_", (double) bytes / ROWS);
        (void) close(a.image);
}

int main(void) {
        const char *duckdb_name = duckdb_engine_name();
        double first, first_cpu;

        first = executor_ms("sqlite", &first_cpu);
        printf("{\"bench\":\"executor\",\"executor_first_row_ms\":%.3f,"
               "\"executor_job_cpu_ms\":%.3f,\"select42_sqlite_us\":%.1f",
               first, first_cpu, sqlite_us());
        print_rows("engine", "sqlite", ask_sqlite());
        if (duckdb_name) {
                first = executor_ms(duckdb_name, &first_cpu);
                printf(",\"duckdb_first_row_ms\":%.3f,\"duckdb_job_cpu_ms\":%.3f", first,
                       first_cpu);
                print_rows("duckdb", duckdb_name, ask_duckdb());
        }
        (void) puts("}");
        return 0;
}
