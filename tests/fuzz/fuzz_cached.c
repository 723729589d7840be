/* A kept answer as it may stand on a disk: the receipt is sealed anew, so that what is behind
 * its checksum is reached. Only what holds whole is one, and who it is of is not up to the file. */

#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "services/coordinator/cached.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 9u /* magic, u32 length of the receipt */

/* Asked as the file would have it: still only what holds whole is given. */
static void look(struct bytes file) {
        static struct cached_answer answer;
        struct cached_question q = { .rule = { MODE_QUORUM, 3, 2, 7, 1 },
                                     .class_name = "EXACT",
                                     .engine = "sqlite/1/a" };
        struct hash_value key = {};

        check(cached_check(file, &q, &key, &answer) != CACHED_OK); /* no question has this key */
        if (answer.report.checks[RECEIPT_FORMAT].status != CHECK_PASSED)
                return;
        q.descriptor = answer.report.receipt.descriptor;
        if (!cached_key(&q, &key) || cached_check(file, &q, &key, &answer) != CACHED_OK)
                return;
        check(answer.report.valid && answer.report.agreement >= 2 && answer.engines == 1);
        check(answer.report.answer->rows == answer.n_rows);
        check(answer.report.answer->bytes == answer.n_bytes);
        check(answer.receipt.len + answer.rows.len + HEAD == file.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct hash_value sum;
        uint8_t *copy;
        uint32_t n;

        look(BYTES(data, size));
        (void) reader_take(&r, HEAD - 4);
        n = reader_u32(&r);
        if (r.failed || n < HASH_SIZE || n > reader_left(&r))
                return 0;
        copy = xmemdup(data, size);
        sum = hash_of("quorate.rcpt.1", BYTES(copy + HEAD, n - HASH_SIZE));
        memcpy(copy + HEAD + n - HASH_SIZE, sum.bytes, HASH_SIZE);
        look(BYTES(copy, size));
        free(copy);
        return 0;
}
