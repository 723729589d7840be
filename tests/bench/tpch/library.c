/* tpch_library DIR SQL: the answer of DuckDB's library itself, one thread, over the Parquet files
 * of DIR, as CSV on stdout. $QUORATE_DUCKDB names the library, else it is where the worker looks.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_api.h"
#include "tests/bench/tpch/rows.h"
#include "tests/support/duckdb_library.h"

static int run(duckdb_connection c, const char *sql) {
        duckdb_result result = {};
        bool ok = duckdb.query(c, sql, &result) == DuckDBSuccess;

        if (!ok)
                (void) fprintf(stderr, "tpch_library: %s\n", duckdb.result_error(&result));
        duckdb.destroy_result(&result);
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int make_views(duckdb_connection c, const char *directory) {
        int r = run(c, "SET threads = 1");

        for (unsigned t = 0; r == EXIT_SUCCESS && t < _TPCH_TABLES; t++) {
                CLEANUP(freep)
                char *view = xasprintf("CREATE VIEW %s AS SELECT * FROM '%s/%s.parquet'",
                                       tpch_shapes[t].name, directory, tpch_shapes[t].name);

                r = run(c, view);
        }
        return r;
}

static int answer(duckdb_connection c, char **arguments, int n) {
        CLEANUP(freep)
        char *copy =
                xasprintf("COPY (%s) TO '/dev/stdout' (FORMAT csv, HEADER false)", arguments[0]);

        return run(c, copy);
}

static double seconds(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int measure(duckdb_connection c, char **arguments, int n) {
        double wall = 0, cpu = 0;

        for (int i = 0; i < n; i++) {
                double began, began_cpu;

                if (run(c, arguments[i]))
                        return EXIT_FAILURE;
                began = seconds(CLOCK_MONOTONIC);
                began_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
                if (run(c, arguments[i]))
                        return EXIT_FAILURE;
                wall += seconds(CLOCK_MONOTONIC) - began;
                cpu += seconds(CLOCK_PROCESS_CPUTIME_ID) - began_cpu;
        }
        printf("{\"wall\": %.4f, \"cpu\": %.4f}\n", wall, cpu);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        const char *library = duckdb_engine_name();
        bool is_timed = argc > 1 && strcmp(argv[1], "--time") == 0;
        int from = is_timed ? 2 : 1, r = EXIT_FAILURE;
        char why[DUCKDB_API_TEXT_MAX] = "";
        duckdb_database db = NULL;
        duckdb_connection c = NULL;

        if (!library)
                return DUCKDB_SKIPPED;
        if (argc < from + 2) {
                (void) fputs("usage: tpch_library [--time] DIR SQL...\n", stderr);
                return 64;
        }
        if (duckdb_api_load(strchr(library, ':') + 1, why) < 0)
                (void) fprintf(stderr, "tpch_library: %s\n", why);
        else if (duckdb.open_ext(NULL, &db, NULL, NULL) == DuckDBSuccess &&
                 duckdb.connect(db, &c) == DuckDBSuccess)
                r = make_views(c, argv[from]);
        if (r == EXIT_SUCCESS)
                r = (is_timed ? measure : answer)(c, argv + from + 1, argc - from - 1);
        duckdb.disconnect(&c);
        duckdb.close(&db);
        return r;
}
