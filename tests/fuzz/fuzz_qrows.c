/* A rows file from its schema to the rows of every batch. */

#include "common/base/error.h"
#include "common/canonical/answer.h"
#include "common/canonical/qrows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_cells(void *userdata, const struct cell *cells, size_t n_cells) {
        *(uint64_t *) userdata += n_cells;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct answer want = { .form = ANSWER_SET, .rows = UINT64_MAX, .bytes = UINT64_MAX };
        struct answer_checker checker;
        struct schema *schema = NULL;
        struct qrows_reader file;
        struct bytes batch;
        uint64_t n_cells = 0;

        if (qrows_open(&file, BYTES(data, size)) || schema_decode(file.schema, &schema))
                return 0;
        answer_check_begin(&checker, &want, schema, false, NULL);
        while (qrows_next(&file, &batch) == QROWS_OK)
                if (answer_check_batch_rows(&checker, batch, count_cells, &n_cells))
                        break;
        check(n_cells == checker.rows * schema->n_columns);
        check(answer_check_end(&checker) != CHECK_OK);
        answer_check_done(&checker);
        schema_free(schema);
        return 0;
}
