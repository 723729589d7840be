#pragma once

/* The functions of DuckDB's documented C API that we call, X(returns, name without
 * "duckdb_", arguments…), and how its structures lie in memory, X(type, size) and
 * X(type, field, offset), and X(enumerator, value). duckdb_api.c looks each function up by name;
 * the test duckdb_header compares every line with DuckDB's own header. The types come from
 * duckdb_api.h, or in that test from DuckDB.
 * Source: https://duckdb.org/docs/stable/clients/c/api */

/* clang-format off */
#define DUCKDB_FUNCTIONS(X) \
        /* ---- instance ---- */ \
        X(const char *, library_version, void) \
        X(duckdb_state, create_config, duckdb_config *) \
        X(duckdb_state, set_config, duckdb_config, const char *, const char *) \
        X(void, destroy_config, duckdb_config *) \
        X(duckdb_state, open_ext, const char *, duckdb_database *, duckdb_config, char **) \
        X(void, close, duckdb_database *) \
        X(duckdb_state, connect, duckdb_database, duckdb_connection *) \
        X(void, disconnect, duckdb_connection *) \
        X(void, interrupt, duckdb_connection) \
        X(void, free, void *) \
        /* ---- statements ---- */ \
        X(duckdb_state, query, duckdb_connection, const char *, duckdb_result *) \
        X(idx_t, extract_statements, duckdb_connection, const char *, duckdb_extracted_statements *) \
        X(const char *, extract_statements_error, duckdb_extracted_statements) \
        X(duckdb_state, prepare_extracted_statement, duckdb_connection, duckdb_extracted_statements, idx_t, duckdb_prepared_statement *) \
        X(void, destroy_extracted, duckdb_extracted_statements *) \
        X(duckdb_state, prepare, duckdb_connection, const char *, duckdb_prepared_statement *) \
        X(const char *, prepare_error, duckdb_prepared_statement) \
        X(duckdb_statement_type, prepared_statement_type, duckdb_prepared_statement) \
        X(idx_t, prepared_statement_column_count, duckdb_prepared_statement) \
        X(const char *, prepared_statement_column_name, duckdb_prepared_statement, idx_t) \
        X(duckdb_logical_type, prepared_statement_column_logical_type, duckdb_prepared_statement, idx_t) \
        X(idx_t, nparams, duckdb_prepared_statement) \
        X(duckdb_type, param_type, duckdb_prepared_statement, idx_t) \
        X(duckdb_state, bind_value, duckdb_prepared_statement, idx_t, duckdb_value) \
        X(duckdb_state, bind_varchar_length, duckdb_prepared_statement, idx_t, const char *, idx_t) \
        X(void, destroy_prepare, duckdb_prepared_statement *) \
        X(duckdb_state, execute_prepared, duckdb_prepared_statement, duckdb_result *) \
        X(duckdb_state, pending_prepared_streaming, duckdb_prepared_statement, duckdb_pending_result *) \
        X(duckdb_pending_state, pending_execute_task, duckdb_pending_result) \
        X(const char *, pending_error, duckdb_pending_result) \
        X(duckdb_state, execute_pending, duckdb_pending_result, duckdb_result *) \
        X(void, destroy_pending, duckdb_pending_result *) \
        /* ---- parameters ---- */ \
        X(duckdb_value, create_null_value, void) \
        X(duckdb_value, create_int64, int64_t) \
        X(duckdb_value, create_hugeint, duckdb_hugeint) \
        X(duckdb_value, create_decimal, duckdb_decimal) \
        X(duckdb_value, create_double, double) \
        X(duckdb_value, create_varchar_length, const char *, idx_t) \
        X(duckdb_value, create_blob, const uint8_t *, idx_t) \
        X(duckdb_value, create_date, duckdb_date) \
        X(duckdb_value, create_time, duckdb_time) \
        X(duckdb_value, create_timestamp, duckdb_timestamp) \
        X(duckdb_value, create_timestamp_tz, duckdb_timestamp) \
        X(duckdb_value, create_interval, duckdb_interval) \
        X(duckdb_value, create_uuid, duckdb_uhugeint) \
        X(void, destroy_value, duckdb_value *) \
        /* ---- results ---- */ \
        X(const char *, result_error, duckdb_result *) \
        X(idx_t, column_count, duckdb_result *) \
        X(const char *, column_name, duckdb_result *, idx_t) \
        X(duckdb_logical_type, column_logical_type, duckdb_result *, idx_t) \
        X(void, destroy_result, duckdb_result *) \
        X(duckdb_data_chunk, fetch_chunk, duckdb_result) \
        X(idx_t, data_chunk_get_size, duckdb_data_chunk) \
        X(duckdb_vector, data_chunk_get_vector, duckdb_data_chunk, idx_t) \
        X(void, destroy_data_chunk, duckdb_data_chunk *) \
        X(void *, vector_get_data, duckdb_vector) \
        X(uint64_t *, vector_get_validity, duckdb_vector) \
        X(duckdb_vector, list_vector_get_child, duckdb_vector) \
        X(duckdb_vector, struct_vector_get_child, duckdb_vector, idx_t) \
        X(duckdb_vector, array_vector_get_child, duckdb_vector) \
        /* ---- types ---- */ \
        X(duckdb_type, get_type_id, duckdb_logical_type) \
        X(uint8_t, decimal_width, duckdb_logical_type) \
        X(uint8_t, decimal_scale, duckdb_logical_type) \
        X(duckdb_type, decimal_internal_type, duckdb_logical_type) \
        X(duckdb_type, enum_internal_type, duckdb_logical_type) \
        X(uint32_t, enum_dictionary_size, duckdb_logical_type) \
        X(char *, enum_dictionary_value, duckdb_logical_type, idx_t) \
        X(duckdb_logical_type, list_type_child_type, duckdb_logical_type) \
        X(duckdb_logical_type, array_type_child_type, duckdb_logical_type) \
        X(idx_t, array_type_array_size, duckdb_logical_type) \
        X(duckdb_logical_type, map_type_key_type, duckdb_logical_type) \
        X(duckdb_logical_type, map_type_value_type, duckdb_logical_type) \
        X(idx_t, struct_type_child_count, duckdb_logical_type) \
        X(char *, struct_type_child_name, duckdb_logical_type, idx_t) \
        X(duckdb_logical_type, struct_type_child_type, duckdb_logical_type, idx_t) \
        X(void, destroy_logical_type, duckdb_logical_type *)

/* Others exist; what is of them has no canonical form. */
#define DUCKDB_TYPES(X) \
        X(DUCKDB_TYPE_INVALID, 0) X(DUCKDB_TYPE_BOOLEAN, 1) X(DUCKDB_TYPE_TINYINT, 2) \
        X(DUCKDB_TYPE_SMALLINT, 3) X(DUCKDB_TYPE_INTEGER, 4) X(DUCKDB_TYPE_BIGINT, 5) \
        X(DUCKDB_TYPE_UTINYINT, 6) X(DUCKDB_TYPE_USMALLINT, 7) X(DUCKDB_TYPE_UINTEGER, 8) \
        X(DUCKDB_TYPE_UBIGINT, 9) X(DUCKDB_TYPE_FLOAT, 10) X(DUCKDB_TYPE_DOUBLE, 11) \
        X(DUCKDB_TYPE_TIMESTAMP, 12) X(DUCKDB_TYPE_DATE, 13) X(DUCKDB_TYPE_TIME, 14) \
        X(DUCKDB_TYPE_INTERVAL, 15) X(DUCKDB_TYPE_HUGEINT, 16) X(DUCKDB_TYPE_VARCHAR, 17) \
        X(DUCKDB_TYPE_BLOB, 18) X(DUCKDB_TYPE_DECIMAL, 19) X(DUCKDB_TYPE_TIMESTAMP_S, 20) \
        X(DUCKDB_TYPE_TIMESTAMP_MS, 21) X(DUCKDB_TYPE_TIMESTAMP_NS, 22) X(DUCKDB_TYPE_ENUM, 23) \
        X(DUCKDB_TYPE_LIST, 24) X(DUCKDB_TYPE_STRUCT, 25) X(DUCKDB_TYPE_MAP, 26) \
        X(DUCKDB_TYPE_UUID, 27) X(DUCKDB_TYPE_BIT, 29) X(DUCKDB_TYPE_TIMESTAMP_TZ, 31) \
        X(DUCKDB_TYPE_UHUGEINT, 32) X(DUCKDB_TYPE_ARRAY, 33) X(DUCKDB_TYPE_SQLNULL, 36) \
        X(DUCKDB_TYPE_TIME_NS, 39)

#define DUCKDB_PENDING_STATES(X) \
        X(DUCKDB_PENDING_RESULT_READY, 0) X(DUCKDB_PENDING_RESULT_NOT_READY, 1) \
        X(DUCKDB_PENDING_ERROR, 2) X(DUCKDB_PENDING_NO_TASKS_AVAILABLE, 3)

#define DUCKDB_LAYOUTS(X) \
        X(idx_t, 8) X(duckdb_date, 4) X(duckdb_time, 8) \
        X(duckdb_timestamp, 8) X(duckdb_interval, 16) X(duckdb_hugeint, 16) \
        X(duckdb_uhugeint, 16) X(duckdb_decimal, 24) X(duckdb_string_t, 16) \
        X(duckdb_list_entry, 16) X(duckdb_result, 48)

#define DUCKDB_FIELDS(X) \
        X(duckdb_date, days, 0) X(duckdb_time, micros, 0) \
        X(duckdb_timestamp, micros, 0) X(duckdb_interval, months, 0) \
        X(duckdb_interval, days, 4) X(duckdb_interval, micros, 8) \
        X(duckdb_hugeint, lower, 0) X(duckdb_hugeint, upper, 8) \
        X(duckdb_uhugeint, lower, 0) X(duckdb_uhugeint, upper, 8) \
        X(duckdb_decimal, width, 0) X(duckdb_decimal, scale, 1) \
        X(duckdb_decimal, value, 8) X(duckdb_string_t, value.pointer.length, 0) \
        X(duckdb_string_t, value.pointer.prefix, 4) X(duckdb_string_t, value.pointer.ptr, 8) \
        X(duckdb_string_t, value.inlined.inlined, 4) X(duckdb_list_entry, offset, 0) \
        X(duckdb_list_entry, length, 8) X(duckdb_result, internal_data, 40)
/* clang-format on */
