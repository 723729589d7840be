#pragma once

/* What the readers of this folder share: their answers, what they say of a bad
 * file, and their bounds. A table file is one table, mapped; it is read in one
 * pass and nothing is kept of it but the current row. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/canonical/schema.h"

#define TABLE_ROW_MAX     (1u << 20) /* bytes of one row in the file, as SQLite's longest value */
#define TABLE_COLUMNS_MAX SCHEMA_COLUMNS_MAX
#define TABLE_NUMBER_MAX  128 /* bytes of a number; longer ones are TEXT */
/* Names of all columns; a schema has to fit a manifest (256 KiB) with room to spare. */
#define TABLE_SCHEMA_MAX (128u << 10)

enum table_format {
        TABLE_FORMAT_NONE = 0, /* not one of ours: sqlite, parquet */
        TABLE_FORMAT_CSV,
        TABLE_FORMAT_NDJSON,
};
/* "csv", "ndjson". */
enum table_format table_format_of(const char *name);

enum table_result {
        TABLE_OK = 0,
        TABLE_END,    /* no more rows */
        TABLE_E_BAD,  /* the file: struct table_fault */
        TABLE_E_OVER, /* is_over() said so */
};

#define TABLE_NO_OFFSET UINT64_MAX
/* Where a file is wrong, and what to do. Texts are static; `name` and `value` are foreign. */
struct table_fault {
        uint64_t row;    /* from 1, the header counted; 0: of the whole file */
        unsigned column; /* from 1; 0: the whole row */
        uint64_t offset; /* bytes into the file, or TABLE_NO_OFFSET */
        char name[64];   /* of the column, cut short; may be empty */
        char value[64];  /* what stands there, likewise */
        const char *what, *remedy;
};

/* Fills in *f; returns TABLE_E_BAD. */
int table_fault_set(struct table_fault *f, uint64_t row, unsigned column, uint64_t offset,
                    const char *what, const char *remedy);
void table_fault_name(struct table_fault *f, struct bytes name);
void table_fault_value(struct table_fault *f, struct bytes value);
/* "row 7, column 3 'price', byte 812: 'value': what; remedy", escaped; returns ret. */
char *table_fault_text(const struct table_fault *f, char *ret, size_t ret_size);

/* Asked every few thousand rows; true: stop. fn may be NULL. */
struct table_watch {
        bool (*is_over)(void *userdata);
        void *userdata;
        unsigned rows;
};
static inline bool table_is_over(struct table_watch *w) {
        return (++w->rows & 4095) == 0 && w->is_over && w->is_over(w->userdata);
}
