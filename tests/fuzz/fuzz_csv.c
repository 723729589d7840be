#include "common/base/error.h"
#include "services/worker/tables/csv.h"
#include "tests/fuzz/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of any options: fields lie inside the file or the reader's memory, rows go forward. */
static void check_reader(struct bytes file, const struct csv_options *o) {
        struct table_fault fault = {};
        struct csv_reader r;
        uint64_t row = 0;
        int result;

        csv_begin(&r, file, o, &fault);
        while ((result = csv_next(&r)) == TABLE_OK) {
                check(r.row == ++row && r.n_fields == r.n_columns && r.n_fields > 0);
                for (size_t i = 0; i < r.n_fields; i++)
                        check(r.fields[i].offset <= file.len && r.fields[i].text.len <= file.len);
        }
        check(result == TABLE_END || (result == TABLE_E_BAD && fault.offset <= file.len));
        csv_done(&r);
}

/* The first bytes are options if they can be; the rest is a file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        size_t n = size < 8 ? size : 8;
        struct csv_options o;

        if (size == 0)
                return 0;
        tables_check(TABLE_FORMAT_CSV, "csv", BYTES(data, size));
        if (csv_options_decode(BYTES(data, n), &o))
                check_reader(BYTES(data + n, size - n), &o);
        o = (struct csv_options){ .delimiter = ';', .quote = '\'' };
        check_reader(BYTES(data, size), &o);
        return 0;
}
