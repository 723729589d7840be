#include "tests/bench/tpch/parquet.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "services/worker/duckdb/duckdb_api.h"
#include "tests/bench/tpch/rows.h"
#include "tests/support/duckdb_library.h"

static const char *const types[] = { [TPCH_INTEGER] = "BIGINT",
                                     [TPCH_MONEY] = "DECIMAL(15,2)",
                                     [TPCH_DATE] = "DATE",
                                     [TPCH_TEXT] = "VARCHAR" };

static int run(duckdb_connection c, const char *sql) {
        duckdb_result result = {};
        bool ok = duckdb.query(c, sql, &result) == DuckDBSuccess;

        if (!ok)
                (void) fprintf(stderr, "tpch_generate: %s\n", duckdb.result_error(&result));
        duckdb.destroy_result(&result);
        return ok ? 0 : -EIO;
}

static int convert(duckdb_connection c, const char *directory, const struct tpch_shape *shape) {
        CLEANUP(freep) char *columns = xstrdup("");
        CLEANUP(freep) char *sql = NULL;

        for (unsigned i = 0; i < shape->n_columns; i++) {
                char *longer = xasprintf("%s%s'%s': '%s'", columns, i ? ", " : "",
                                         shape->columns[i].name, types[shape->columns[i].type]);

                free(columns);
                columns = longer;
        }
        sql = xasprintf("COPY (SELECT * FROM read_csv('%s/%s.csv', header = true, columns = {%s})) "
                        "TO '%s/%s.parquet' "
                        "(FORMAT parquet)",
                        directory, shape->name, columns, directory, shape->name);
        return run(c, sql);
}

int tpch_write_parquet(const char *directory) {
        const char *library = duckdb_engine_name();
        char why[DUCKDB_API_TEXT_MAX] = "";
        duckdb_database db = NULL;
        duckdb_connection c = NULL;
        int r = 0;

        if (!library)
                return -ENOENT;
        if (duckdb_api_load(strchr(library, ':') + 1, why) < 0) {
                (void) fprintf(stderr, "tpch_generate: DuckDB: %s\n", why);
                return -ENOENT;
        }
        /* One thread: the same bytes everywhere. */
        if (duckdb.open_ext(NULL, &db, NULL, NULL) != DuckDBSuccess ||
            duckdb.connect(db, &c) != DuckDBSuccess)
                return -EIO;
        r = run(c, "SET threads = 1");
        for (unsigned t = 0; r == 0 && t < _TPCH_TABLES; t++)
                r = convert(c, directory, &tpch_shapes[t]);
        duckdb.disconnect(&c);
        duckdb.close(&db);
        return r;
}
