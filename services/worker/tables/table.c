#include "services/worker/tables/table.h"

#include <stdio.h>

#include "common/base/text.h"

enum table_format table_format_of(const char *name) {
        if (strcmp(name, "csv") == 0)
                return TABLE_FORMAT_CSV;
        return strcmp(name, "ndjson") == 0 ? TABLE_FORMAT_NDJSON : TABLE_FORMAT_NONE;
}

int table_fault_set(struct table_fault *f, uint64_t row, unsigned column, uint64_t offset,
                    const char *what, const char *remedy) {
        *f = (struct table_fault){
                .row = row, .column = column, .offset = offset, .what = what, .remedy = remedy
        };
        return TABLE_E_BAD;
}

void table_fault_name(struct table_fault *f, struct bytes name) {
        size_t n = name.len < sizeof(f->name) ? name.len : sizeof(f->name) - 1;

        memcpy(f->name, name.data, n);
        f->name[n] = 0;
}

char *table_fault_text(const struct table_fault *f, char *ret, size_t ret_size) {
        char name[80], row[32] = "", column[128] = "", place[64] = "";

        (void) text_escape(BYTES_STR(f->name), name, sizeof(name));
        if (f->row)
                (void) snprintf(row, sizeof(row), "row %llu, ", (unsigned long long) f->row);
        if (f->column && name[0])
                (void) snprintf(column, sizeof(column), "column %u '%s', ", f->column, name);
        else if (f->column)
                (void) snprintf(column, sizeof(column), "column %u, ", f->column);
        if (f->row || f->offset)
                (void) snprintf(place, sizeof(place),
                                "byte %llu: ", (unsigned long long) f->offset);
        (void) snprintf(ret, ret_size, "%s%s%s%s; %s", row, column, place, f->what, f->remedy);
        return ret;
}
