/* An executor, from asking for a job to its first row and its end, against SQLite
 * called in this process; and how fast rows of 8 columns become an answer.
 * Medians; one line of JSON. */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/worker/engine.h"
#include "tests/support/executor_fixture.h"

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
static double executor_ms(const char *path, double *ret_cpu_ms) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(path);
        struct asked a = { .sql = "SELECT 42", .form = ANSWER_SET };
        struct executed analysis = execute(z, WORKER__JOB__MODE__ANALYSE, &a);
        double times[ROUNDS];

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
        *ret_cpu_ms = cpu_of_children() / ROUNDS;
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

/* Through the executor, spool included. By processor time other work on the machine
 * does not count. */
static double rows_per_s(const char *path, enum answer_form form, bool by_cpu,
                         uint64_t *ret_bytes) {
        CLEANUP(executor_zygote_freep) struct executor_zygote *z = zygote_of(path);
        struct asked a = { .sql = "SELECT * FROM item",
                           .form = form,
                           .admitted = true,
                           .memory = 256 << 20,
                           .comparison = "class" };
        struct executed analysis;
        double times[5];

        a.image = image_of(table, &a.length);
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
        (void) close(a.image);
        return ROWS / median(times, ELEMENTSOF(times));
}

int main(void) {
        uint64_t bytes = 0;
        double set, set_cpu, sequence, sequence_cpu, first, first_cpu, sqlite;

        first = executor_ms(EXECUTOR_PROGRAM, &first_cpu);
        sqlite = sqlite_us();
        set = rows_per_s(EXECUTOR_PROGRAM, ANSWER_SET, false, &bytes);
        set_cpu = rows_per_s(EXECUTOR_PROGRAM, ANSWER_SET, true, &bytes);
        sequence = rows_per_s(EXECUTOR_PROGRAM, ANSWER_SEQUENCE, false, &bytes);
        sequence_cpu = rows_per_s(EXECUTOR_PROGRAM, ANSWER_SEQUENCE, true, &bytes);
        printf("{\"bench\":\"executor\",\"executor_first_row_ms\":%.3f,\"executor_job_cpu_ms\":%."
               "3f,\"select42_sqlite_us\":%.1f,"
               "\"engine_rows_per_s\":%.0f,\"engine_rows_per_cpu_s\":%.0f,"
               "\"engine_rows_per_s_sequence\":%.0f,\"engine_rows_per_cpu_s_sequence\":%.0f,"
               "\"row_bytes\":%.1f}\n",
               first, first_cpu, sqlite, set, set_cpu, sequence, sequence_cpu,
               (double) bytes / ROWS);
        return 0;
}
