/* The input, and the input with a good checksum, so that later checks are reached. */

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verify(struct bytes file) {
        static struct receipt_report report;
        struct buffer b;

        receipt_verify(file, BYTES_NONE, &report);
        if (report.checks[RECEIPT_FORMAT].status != CHECK_PASSED)
                return;
        buffer_init(&b, RECEIPT_BYTES_MAX);
        check(receipt_encode(&report.receipt, &b));
        check(bytes_equal(buffer_bytes(&b), file));
        buffer_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hash_value sum;
        uint8_t *copy;

        verify(BYTES(data, size));
        if (size < HASH_SIZE)
                return 0;
        copy = xmemdup(data, size);
        sum = hash_of("quorate.rcpt.1", BYTES(copy, size - HASH_SIZE));
        memcpy(copy + size - HASH_SIZE, sum.bytes, HASH_SIZE);
        verify(BYTES(copy, size));
        free(copy);
        return 0;
}
