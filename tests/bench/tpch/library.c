/* tpch_library DIR SQL: the answer of DuckDB's library itself, one thread, over the Parquet files
 * of DIR, as CSV on stdout. $QUORATE_DUCKDB names the library, else it is where the worker looks.
 */

#include <stdio.h>
#include <stdlib.h>

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

static int answer(duckdb_connection c, const char *directory, const char *sql) {
        CLEANUP(freep)
        char *copy = xasprintf("COPY (%s) TO '/dev/stdout' (FORMAT csv, HEADER false)", sql);
        int r = run(c, "SET threads = 1");

        for (unsigned t = 0; r == EXIT_SUCCESS && t < _TPCH_TABLES; t++) {
                CLEANUP(freep)
                char *view = xasprintf("CREATE VIEW %s AS SELECT * FROM '%s/%s.parquet'",
                                       tpch_shapes[t].name, directory, tpch_shapes[t].name);

                r = run(c, view);
        }
        return r == EXIT_SUCCESS ? run(c, copy) : r;
}

int main(int argc, char **argv) {
        const char *library = duckdb_engine_name();
        char why[DUCKDB_API_TEXT_MAX] = "";
        duckdb_database db = NULL;
        duckdb_connection c = NULL;
        int r = EXIT_FAILURE;

        if (!library)
                return DUCKDB_SKIPPED;
        if (argc != 3) {
                (void) fputs("usage: tpch_library DIR SQL\n", stderr);
                return 64;
        }
        if (duckdb_api_load(strchr(library, ':') + 1, why) < 0)
                (void) fprintf(stderr, "tpch_library: %s\n", why);
        else if (duckdb.open_ext(NULL, &db, NULL, NULL) == DuckDBSuccess &&
                 duckdb.connect(db, &c) == DuckDBSuccess)
                r = answer(c, argv[1], argv[2]);
        duckdb.disconnect(&c);
        duckdb.close(&db);
        return r;
}
