/* Compiled only, by test_header.py: our declarations beside DuckDB's own header. */

#include DUCKDB_HEADER

#include <stddef.h>

#include "services/worker/duckdb/duckdb_functions.h"

#define SAME_FUNCTION(returns, name, ...)                                                 \
        _Static_assert(__builtin_types_compatible_p(__typeof__(&duckdb_##name),           \
                                                    __typeof__(returns(*)(__VA_ARGS__))), \
                       "duckdb_" #name " is declared otherwise");
#define SAME_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type);
#define SAME_OFFSET(type, field, offset) \
        _Static_assert(offsetof(type, field) == (offset), "place of " #type "." #field);
#define SAME_VALUE(name, value) _Static_assert(name == (value), "value of " #name);

DUCKDB_FUNCTIONS(SAME_FUNCTION)
DUCKDB_LAYOUTS(SAME_SIZE)
DUCKDB_FIELDS(SAME_OFFSET)
DUCKDB_TYPES(SAME_VALUE)
DUCKDB_PENDING_STATES(SAME_VALUE)
_Static_assert(DUCKDB_STATEMENT_TYPE_SELECT == 1, "value of DUCKDB_STATEMENT_TYPE_SELECT");
_Static_assert(DuckDBSuccess == 0, "value of DuckDBSuccess");
