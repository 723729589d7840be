#pragma once

/* The CSV files of a directory as Parquet beside them: money DECIMAL(15,2), dates DATE. By DuckDB's
 * library, named by $QUORATE_DUCKDB. 0, or a negative errno that was said on stderr. */
int tpch_write_parquet(const char *directory);
