/* Packed bytes: codec, declared length (3 bytes), what the reader admits (3 bytes), and the rest.
 * What opens has the declared length, and packs and opens to the same again. */

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/packed.h"

static void again(struct bytes plain) {
        CLEANUP(buffer_donep) struct buffer b = {};
        CLEANUP(freep) uint8_t *memory = NULL;
        struct bytes out;

        buffer_init(&b, plain.len);
        if (!packed_put(plain, &b))
                return;
        check(packed_open(&(struct packed){ PACKED_ZSTD, plain.len, buffer_bytes(&b) }, plain.len,
                          &memory, &out) == PACKED_OK);
        check(bytes_equal(plain, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CLEANUP(freep) uint8_t *memory = NULL;
        struct bytes plain;
        struct packed p;
        uint64_t max;

        if (size < 7)
                return 0;
        p = (struct packed){ data[0], (uint64_t) data[1] << 16 | data[2] << 8 | data[3],
                             BYTES(data + 7, size - 7) };
        max = (uint64_t) data[4] << 16 | data[5] << 8 | data[6];
        if (packed_open(&p, max, &memory, &plain) != PACKED_OK)
                return 0;
        check(plain.len == p.length && p.length <= max);
        again(plain);
        return 0;
}
