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

static void take_text(struct bytes text, char *ret, size_t ret_size) {
        size_t n = text.len < ret_size ? text.len : ret_size - 1;

        memcpy(ret, text.data, n);
        ret[n] = 0;
}

void table_fault_name(struct table_fault *f, struct bytes name) {
        take_text(name, f->name, sizeof(f->name));
}

void table_fault_value(struct table_fault *f, struct bytes value) {
        take_text(value, f->value, sizeof(f->value));
}

char *table_fault_text(const struct table_fault *f, char *ret, size_t ret_size) {
        char name[80], row[32] = "", column[128] = "", place[64] = "", value[48], shown[64] = "";

        const char *last = f->offset == TABLE_NO_OFFSET ? ": " : ", ";

        (void) text_escape(BYTES_STR(f->name), name, sizeof(name));
        (void) text_escape(BYTES_STR(f->value), value, sizeof(value));
        if (f->row)
                (void) snprintf(row, sizeof(row), "row %llu, ", (unsigned long long) f->row);
        if (f->column && name[0])
                (void) snprintf(column, sizeof(column), "column %u '%s'%s", f->column, name, last);
        else if (f->column)
                (void) snprintf(column, sizeof(column), "column %u%s", f->column, last);
        if ((f->row || f->offset) && f->offset != TABLE_NO_OFFSET)
                (void) snprintf(place, sizeof(place),
                                "byte %llu: ", (unsigned long long) f->offset);
        if (value[0])
                (void) snprintf(shown, sizeof(shown), "'%s': ", value);
        (void) snprintf(ret, ret_size, "%s%s%s%s%s; %s", row, column, place, shown, f->what,
                        f->remedy);
        return ret;
}
