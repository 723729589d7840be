#pragma once

/* A Parquet file of a SELECT, written by DuckDB itself with nothing locked. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/worker/duckdb/duckdb_api.h"
#include "tests/support/duckdb_library.h"

/* Malloc'ed. */
static inline struct bytes parquet_of(const char *select) {
        char template[] = "/tmp/quorate-parquet-XXXXXX", sql[1024], error[DUCKDB_API_TEXT_MAX];
        int fd = mkstemp(template);
        duckdb_connection connection;
        duckdb_database db;
        duckdb_result result;
        struct stat st;
        uint8_t *data;

        assert_true(fd >= 0);
        assert_int_equal(duckdb_api_load(strchr(duckdb_engine_name(), ':') + 1, error), 0);
        assert_int_equal(duckdb.open_ext(NULL, &db, NULL, NULL), DuckDBSuccess);
        assert_int_equal(duckdb.connect(db, &connection), DuckDBSuccess);
        (void) snprintf(sql, sizeof(sql), "COPY (%s) TO '%s' (FORMAT parquet)", select, template);
        if (duckdb.query(connection, sql, &result) != DuckDBSuccess)
                fail_msg("%s", duckdb.result_error(&result));
        duckdb.destroy_result(&result);
        duckdb.disconnect(&connection);
        duckdb.close(&db);
        (void) close(fd);
        fd = open(template, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &st), 0);
        data = xmalloc((size_t) st.st_size);
        assert_int_equal(read(fd, data, (size_t) st.st_size), st.st_size);
        (void) close(fd);
        (void) unlink(template);
        return BYTES(data, (size_t) st.st_size);
}
