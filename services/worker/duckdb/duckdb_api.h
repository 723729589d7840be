#pragma once

/* DuckDB's C API as far as we use it, declared here because Debian has neither the
 * library nor its header: types below, functions in duckdb_functions.h. The library is
 * loaded once per process; `duckdb` then holds its functions. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "services/worker/duckdb/duckdb_functions.h"

typedef uint64_t idx_t;

#define DUCKDB_ENUMERATOR(name, value) name = (value),
typedef enum duckdb_state { DuckDBSuccess = 0, DuckDBError = 1 } duckdb_state;
typedef enum duckdb_pending_state { DUCKDB_PENDING_STATES(DUCKDB_ENUMERATOR) } duckdb_pending_state;
typedef enum duckdb_statement_type {
        DUCKDB_STATEMENT_TYPE_INVALID = 0,
        DUCKDB_STATEMENT_TYPE_SELECT = 1,
} duckdb_statement_type;
typedef enum DUCKDB_TYPE { DUCKDB_TYPES(DUCKDB_ENUMERATOR) } duckdb_type;

#define DUCKDB_HANDLE(name)         \
        typedef struct _##name {    \
                void *internal_ptr; \
        } * name
DUCKDB_HANDLE(duckdb_database);
DUCKDB_HANDLE(duckdb_connection);
DUCKDB_HANDLE(duckdb_config);
DUCKDB_HANDLE(duckdb_prepared_statement);
DUCKDB_HANDLE(duckdb_extracted_statements);
DUCKDB_HANDLE(duckdb_pending_result);
DUCKDB_HANDLE(duckdb_logical_type);
DUCKDB_HANDLE(duckdb_data_chunk);
DUCKDB_HANDLE(duckdb_vector);
DUCKDB_HANDLE(duckdb_value);

typedef struct {
        int32_t days;
} duckdb_date; /* since 1970-01-01 */
typedef struct {
        int64_t micros;
} duckdb_time; /* since midnight */
typedef struct {
        int64_t micros;
} duckdb_timestamp; /* since 1970-01-01 */
typedef struct {
        int32_t months, days;
        int64_t micros;
} duckdb_interval;
typedef struct {
        uint64_t lower;
        int64_t upper;
} duckdb_hugeint;
typedef struct {
        uint64_t lower, upper;
} duckdb_uhugeint;
typedef struct {
        uint8_t width, scale;
        duckdb_hugeint value;
} duckdb_decimal;
typedef struct {
        uint64_t offset, length;
} duckdb_list_entry;
/* Up to 12 bytes stand in it, longer ones behind the pointer. */
typedef struct {
        union {
                struct {
                        uint32_t length;
                        char prefix[4];
                        char *ptr;
                } pointer;
                struct {
                        uint32_t length;
                        char inlined[12];
                } inlined;
        } value;
} duckdb_string_t;
typedef struct {
        uint64_t deprecated[5];
        void *internal_data;
} duckdb_result;

#define DUCKDB_MEMBER(returns, name, ...) returns (*name)(__VA_ARGS__);
struct duckdb_api {
        DUCKDB_FUNCTIONS(DUCKDB_MEMBER)
};
extern struct duckdb_api duckdb;

#define DUCKDB_API_TEXT_MAX 256

/* Loads the library at `path` (a path, not a name to search for) and looks up every
 * function. 0, or a negative errno with the reason and the remedy in `ret_why`. A second
 * call does nothing. The library stays until the process ends. */
int duckdb_api_load(const char *path, char ret_why[DUCKDB_API_TEXT_MAX]);
/* "1.5.6"; once loaded. */
const char *duckdb_api_version(void);
/* Whether that is one we know the functions of; tests ask about others. */
bool duckdb_api_admits(const char *library_version);

/* A view into it, or behind its pointer. */
static inline struct bytes duckdb_string(const duckdb_string_t *s) {
        uint32_t length = s->value.inlined.length;

        return BYTES(length <= sizeof(s->value.inlined.inlined) ? s->value.inlined.inlined
                                                                : s->value.pointer.ptr,
                     length);
}
