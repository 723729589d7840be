#include "common/base/error.h"
#include "common/canonical/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct schema *s = NULL;
        char text[64];

        if (schema_decode(BYTES(data, size), &s))
                return 0;
        check(bytes_equal(s->encoded, BYTES(data, size)));
        for (size_t i = 0; i < s->n_columns; i++)
                check(strlen(schema_type_text(s->columns[i], text, sizeof(text))) < sizeof(text));
        schema_free(s);
        return 0;
}
