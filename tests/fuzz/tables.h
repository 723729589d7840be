#pragma once

/* What holds of every table file, for the fuzzers of its readers. */

#include <stdio.h>
#include <string.h>

#include "common/base/error.h"
#include "common/base/text.h"
#include "services/worker/tables/describe.h"
#include "services/worker/tables/rows.h"

static inline void tables_check_values(const struct schema *s, const struct table_value *values) {
        for (size_t i = 0; i < s->n_columns; i++) {
                if (values[i].type != CELL_TEXT)
                        continue;
                check(utf8_is_valid(values[i].text));
                check(!memchr(values[i].text.data, 0, values[i].text.len));
        }
}

/* What was described is read to its end without a fault; what was not has a place. */
static inline void tables_check(enum table_format format, const char *name, struct bytes file) {
        CLEANUP(table_rows_freep) struct table_rows *rows = NULL;
        CLEANUP(buffer_donep) struct buffer options = {}, schema = {};
        const struct table_value *values;
        struct engine_input in = { .data = file.data, .length = file.len };
        struct table_fault fault;
        char text[256];
        int r;

        buffer_init(&options, 256);
        buffer_init(&schema, 1u << 20);
        if (describe_table(format, file, (struct table_watch){},
                           &(struct describe_to){ &options, &schema, NULL }, &fault)) {
                check(fault.what && fault.remedy && fault.offset <= file.len);
                check(utf8_is_valid(BYTES_STR(table_fault_text(&fault, text, sizeof(text)))));
                return;
        }
        (void) snprintf(in.format, sizeof(in.format), "%s", name);
        in.options = buffer_bytes(&options);
        in.schema = buffer_bytes(&schema);
        check(table_rows_open(&in, (struct table_watch){}, &fault, &rows) == TABLE_OK);
        while ((r = table_rows_next(rows, &values)) == TABLE_OK)
                tables_check_values(table_rows_schema(rows), values);
        check(r == TABLE_END);
}
