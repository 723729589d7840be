#include "common/base/error.h"
#include "common/canonical/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct descriptor d;
        struct buffer b;

        if (descriptor_decode(BYTES(data, size), &d, NULL))
                return 0;
        buffer_init(&b, DESCRIPTOR_BYTES_MAX);
        check(!descriptor_encode(&d, &b, NULL));
        check(bytes_equal(buffer_bytes(&b), BYTES(data, size)));
        buffer_done(&b);
        return 0;
}
