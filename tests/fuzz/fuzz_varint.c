#include "common/base/error.h"
#include "common/wire/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t again[VARINT_SIZE_MAX];
        struct reader r = reader_of(BYTES(data, size));
        uint64_t v;
        size_t used;

        if (varint_read(BYTES(data, size), &v, &used) == VARINT_OK) {
                check(used <= size && varint_write(v, again) == used);
                check(memcmp(again, data, used) == 0);
        }
        while (reader_left(&r) > 0)
                (void) reader_prefixed(&r);
        return 0;
}
