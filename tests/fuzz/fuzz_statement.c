#include "common/base/error.h"
#include "common/canonical/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes v = BYTES(data, size);
        struct dispatch_statement dispatch;
        struct verdict_statement verdict;
        struct commit_statement commit;
        struct buffer b;
        bool read = true;

        buffer_init(&b, STATEMENT_BYTES_MAX);
        if (dispatch_decode(v, &dispatch) == STATEMENT_OK)
                check(!dispatch_encode(&dispatch, &b));
        else if (commit_decode(v, &commit) == STATEMENT_OK)
                check(!commit_encode(&commit, &b));
        else if (verdict_decode(v, &verdict) == STATEMENT_OK)
                check(!verdict_encode(&verdict, &b));
        else
                read = false;
        check(!read || bytes_equal(buffer_bytes(&b), v));
        buffer_done(&b);
        return 0;
}
