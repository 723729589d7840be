#include "tests/fuzz/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > 0)
                tables_check(TABLE_FORMAT_NDJSON, "ndjson", BYTES(data, size));
        return 0;
}
